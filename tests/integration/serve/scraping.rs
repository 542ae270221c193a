//! The contract of the travel scout on the wire.

use serde_json::{Value, json};

use super::scraping;
use crate::support::{PATIENCE, RedisServer, Relay, WebSocket};

/// The error event that an unknown or impossible job gets, as JSON text up to its timestamp.
fn not_found(id: &str, text: &str) -> String {
    format!(
        r#"{{"job_id":{id},"event_type":"error","status":"failed","progress":null,"results_count":0,"message":"Job {text} not found","metadata":{{}},"timestamp":""#
    )
}

fn expect_not_found(socket: &mut WebSocket, id: &str, text: &str) {
    let event = socket.next_text(PATIENCE);
    let rest = event.strip_prefix(&not_found(id, text)).unwrap_or_else(|| panic!("{event}"));
    let timestamp = rest.strip_suffix("\"}").unwrap();
    assert!(timestamp.parse::<jiff::civil::DateTime>().is_ok(), "{timestamp}");
}

#[test]
fn an_unknown_job_is_told_so_after_the_grace_and_may_still_begin() {
    let relay = Relay::start(&["--unknown-grace", "200ms"]);
    let mut socket = relay.connect("/ws/scraping/999");
    socket.expect_silence();
    expect_not_found(&mut socket, "999", "999");
    let event = scraping(999, "job_started", "0", 0);
    assert_eq!(relay.publish("scraping_events", &event), 1);
    socket.expect(&event);
}

#[test]
fn a_job_that_begins_within_the_grace_gets_no_error() {
    let relay = Relay::start(&["--unknown-grace", "200ms"]);
    let mut socket = relay.connect("/ws/scraping/1");
    let event = scraping(1, "job_started", "0", 0);
    relay.publish("scraping_events", &event);
    socket.expect(&event);
    // Whoever came later has been told by now, so the first one would have been as well.
    expect_not_found(&mut relay.connect("/ws/scraping/2"), "2", "2");
    socket.expect_silence();
}

#[test]
fn an_id_that_is_no_canonical_integer_gets_the_error_at_once_and_4004() {
    let relay = Relay::start(&[]);
    for id in ["abc", "1.5", "007", "+1", "-0", "1e3", "9223372036854775808", "0x1"] {
        let mut socket = relay.connect(&format!("/ws/scraping/{id}"));
        expect_not_found(&mut socket, &format!("\"{id}\""), id);
        assert_eq!(socket.close_code(), 4004, "{id}");
    }
    let mut socket = relay.connect("/ws/scraping/%22%2F%22");
    expect_not_found(&mut socket, r#""\"/\"""#, r#"\"/\""#);
    assert_eq!(socket.close_code(), 4004);
    drop(socket);
    relay.until_connections(0);
}

#[test]
fn an_id_is_percent_decoded_and_may_be_negative() {
    let relay = Relay::start(&[]);
    let (mut first, mut second) = (relay.connect("/ws/scraping/%31%32"), relay.connect("/ws/scraping/-5"));
    for (id, socket) in [(12, &mut first), (-5, &mut second)] {
        let event = scraping(id, "job_progress", "1", 1);
        socket.expect_silence();
        assert_eq!(relay.publish("scraping_events", &event), 1);
        socket.expect(&event);
    }
}

#[test]
fn a_late_joiner_gets_the_last_event_alone() {
    let relay = Relay::start(&[]);
    relay.publish("scraping_events", &scraping(3, "job_started", "0", 0));
    relay.publish("scraping_events", &scraping(3, "job_progress", "10", 1));
    let last = r#"{ "job_id": 3, "event_type":"scraper_failed", "progress":null,  "x":"é\u00e9" }"#;
    relay.publish("scraping_events", last);
    let mut late = relay.connect("/ws/scraping/3");
    late.expect(last);
    late.expect_silence();
}

#[test]
fn polling_has_the_fields_of_the_contract_and_the_last_progress_that_was_not_null() {
    let relay = Relay::start(&[]);
    let path = "/ws/scraping/8/status";
    assert_eq!(relay.exchange("GET", path, &[], b"").refusal(), (404, "unknown_job".to_owned()));
    relay.publish("scraping_events", &scraping(8, "job_progress", "45.5", 42));
    relay.publish("scraping_events", &scraping(8, "scraper_failed", "null", 43));
    let answer = relay.exchange("GET", path, &[], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expected = json!({
        "job_id": 8, "status": "running", "progress": 45.5, "results_count": 43, "items_scraped": 43,
        "message": null, "updated_at": "2025-11-21T10:30:00",
    });
    assert_eq!(answer.json(), expected);
    for impossible in ["/ws/scraping/x/status", "/ws/scraping/007/status"] {
        let refusal = relay.exchange("GET", impossible, &[], b"").refusal();
        assert_eq!(refusal, (404, "impossible_job_id".to_owned()));
    }
}

#[test]
fn a_socket_stays_open_after_the_ending_and_sees_the_next_run() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/4");
    for event in [
        scraping(4, "job_started", "0", 0),
        scraping(4, "job_completed", "100", 9),
        scraping(4, "scraper_completed", "null", 9),
        scraping(4, "job_started", "0", 0),
    ] {
        relay.publish("scraping_events", &event);
        socket.expect(&event);
    }
}

#[test]
fn jobs_do_not_see_each_other() {
    let relay = Relay::start(&["--shards", "3"]);
    let mut sockets: Vec<_> = (0..6).map(|job| relay.connect(&format!("/ws/scraping/{job}"))).collect();
    for (job, socket) in (0..).zip(&mut sockets) {
        let event = scraping(job, "job_progress", "1", 1);
        socket.expect_silence();
        assert_eq!(relay.publish("scraping_events", &event), 1);
        socket.expect(&event);
    }
    for socket in &mut sockets {
        socket.expect_silence();
    }
}

#[test]
fn stats_count_sockets_jobs_and_events() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--shards", "2"]);
    let mut sockets: Vec<_> = [1, 1, 2].map(|job| relay.connect(&format!("/ws/scraping/{job}"))).into();
    relay.until_connections(3);
    // Whether the first event comes as the state or as itself is a matter of time; the second comes as itself.
    for results in [1, 2] {
        redis.publish("scraping_events", scraping(1, "job_progress", "1", results));
        for socket in &mut sockets[..2] {
            socket.next_text(PATIENCE);
        }
    }
    let stats = relay.stats();
    let figures: Vec<Value> = ["total_connections", "active_jobs", "redis_connected", "broker", "events"]
        .map(|key| stats[key].clone())
        .into();
    assert_eq!(figures, [json!(3), json!(2), json!(true), json!("redis"), json!(2)]);
    assert!((2..=4).contains(&stats["deliveries"].as_u64().unwrap()), "{stats}");
    let embedded = Relay::start(&[]).stats();
    assert_eq!((&embedded["redis_connected"], &embedded["broker"]), (&json!(false), &json!("embedded")));
}

//! Publications that are no events: counted, logged, dropped, and nothing else happens.

use serde_json::json;

use super::scraping;
use crate::support::{PATIENCE, RedisServer, Relay, until};

#[test]
fn what_cannot_be_decoded_is_counted_by_reason_and_hurts_no_job() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    let mut download = relay.connect("/ws/download/a");
    download.next_text(PATIENCE);
    let huge = format!(r#"{{"job_id":1,"event_type":"job_progress","x":"{}"}}"#, "x".repeat(10 << 20));
    let bad: [(&str, &[u8], &str); 17] = [
        ("scraping_events", b"", "not_json"),
        ("scraping_events", b"hello", "not_json"),
        ("scraping_events", br#"{"job_id":1,"event_type":"job_progress""#, "not_json"),
        ("scraping_events", br#"{"job_id":1} {"job_id":1}"#, "not_json"),
        ("scraping_events", b"{\"job_id\":1,\"message\":\"\xff\xfe\"}", "not_utf8"),
        ("scraping_events", b"[1,2]", "not_an_object"),
        ("scraping_events", b"\"text\"", "not_an_object"),
        ("scraping_events", b"null", "not_an_object"),
        ("scraping_events", b"{}", "no_job"),
        ("scraping_events", br#"{"job_id":"1"}"#, "job_type"),
        ("scraping_events", br#"{"job_id":true}"#, "job_type"),
        ("scraping_events", br#"{"job_id":[1]}"#, "job_type"),
        ("scraping_events", br#"{"job_id":99999999999999999999}"#, "job_type"),
        ("scraping_events", huge.as_bytes(), "too_big"),
        ("download_updates:a", br#"{"type":"status","data":7}"#, "not_an_object"),
        ("download_updates:a/b", br#"{"status":"processing"}"#, "impossible_job"),
        ("download_updates:a", b"\xff", "not_utf8"),
    ];
    let mut expected: serde_json::Map<_, _> = [
        "too_big",
        "not_utf8",
        "not_json",
        "not_an_object",
        "no_payload",
        "no_job",
        "job_type",
        "impossible_job",
    ]
    .map(|reason| (reason.to_owned(), json!(0)))
    .into_iter()
    .collect();
    for (channel, payload, reason) in bad {
        redis.publish(channel, payload);
        expected[reason] = json!(expected[reason].as_u64().unwrap() + 1);
    }
    let event = scraping(1, "job_progress", "1", 1);
    redis.publish("scraping_events", &event);
    socket.expect(&event);
    download.expect_silence();
    assert_eq!(relay.stats()["dropped"], serde_json::Value::from(expected));
    assert_eq!(relay.stats()["broker_connects"], 1);
}

#[test]
fn a_job_id_of_ten_kilobytes_is_dropped_wherever_it_stands() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    let long = "7".repeat(10 << 10);
    redis.publish("scraping_events", format!(r#"{{"job_id":{long}}}"#));
    redis.publish("scraping_events", format!(r#"{{"job_id":"{long}"}}"#));
    redis.publish(&format!("download_updates:{long}"), r#"{"status":"processing"}"#);
    redis.publish(&format!("download_updates:{}", "x".repeat(257)), r#"{"status":"processing"}"#);
    let event = scraping(1, "job_progress", "1", 1);
    redis.publish("scraping_events", &event);
    socket.expect(&event);
    until(PATIENCE, "the last channel", || {
        let dropped = &relay.stats()["dropped"];
        dropped.as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum::<u64>() == 4
    });
    assert_eq!((&relay.stats()["jobs_kept"], &relay.stats()["events"]), (&json!(1), &json!(1)));
}

#[test]
fn the_log_names_the_channel_the_byte_and_the_reason_and_shows_the_bytes_around() {
    let redis = RedisServer::start();
    let long = "A".repeat(10_000);
    let cases = [
        (format!("\u{1b}[31m{long}"), 0, "no JSON value stands here"),
        (format!("{{\"x\":\"{long}\",\"progress\":NaN,\"y\":1}}"), 10_019, "NaN is no JSON value"),
        ("\u{feff}{\"status\":\"queued\"}".to_owned(), 0, "a byte order mark stands before the JSON"),
        ("{\"status\":\"a\tb\"}".to_owned(), 12, "a raw tab in a text; JSON wants \\t"),
        ("{\"status\":\"queued\"}]".to_owned(), 19, "something follows the JSON document"),
    ];
    for (payload, offset, words) in cases {
        let relay = Relay::on(&redis, &[]);
        redis.publish("download_updates:a", &payload);
        until(PATIENCE, "the log", || relay.stderr().contains("dropped a publication"));
        let stderr = relay.stderr();
        let line = stderr.lines().find(|line| line.contains("dropped a publication")).unwrap();
        let told = [format!("offset={offset}"), format!("{words}; around it")];
        assert!(told.iter().all(|text| line.contains(text)), "{line}");
        assert!(line.contains("download_updates:a") && line.contains("not JSON"), "{line}");
        assert!(line.matches('A').count() < 50 && !line.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn slips_of_workers_are_relayed_counted_by_dialect_and_named_once_a_minute() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/9");
    for _ in 0..3 {
        for payload in [
            r#"{"job_id":9,"type":"progress"}"#,
            r#"{"job_id":9,"event_type":"job_paused\u001b[2J","progress":"half"}"#,
        ] {
            redis.publish("scraping_events", payload);
            socket.expect(payload);
        }
    }
    redis.publish("fliptechpro:leads", r#"{"type":"lead:lost","lead_id":1}"#);
    until(PATIENCE, "the last one", || relay.stats()["dialects"]["channels"]["slips"]["unknown_kind"] == 1);
    let slips = &relay.stats()["dialects"]["scraping"]["slips"];
    let counted =
        ["no_kind", "unknown_kind", "percent_type", "percent_range"].map(|slip| slips[slip].clone());
    assert_eq!(counted, [3, 3, 3, 0]);
    let said = "relayed as it is";
    relay.until_said(said, 4);
    let stderr = relay.stderr();
    let lines: Vec<_> = stderr.lines().filter(|line| line.contains(said)).collect();
    assert!(lines[0].contains("it names no kind") && lines[0].contains("scraping_events"), "{}", lines[0]);
    assert!(lines[1].contains("job_paused") && lines[1].contains("no such kind"), "{}", lines[1]);
    assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
}

#[test]
fn a_storm_of_garbage_is_counted_whole_and_logged_once_a_second() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let start = std::time::Instant::now();
    let mut pipeline = redis::pipe();
    for _ in 0..5_000 {
        pipeline.publish("scraping_events", "garbage");
    }
    let _: Vec<u64> = pipeline.query(&mut redis.connection()).unwrap();
    until(PATIENCE, "all of it", || relay.stats()["dropped"]["not_json"] == 5_000);
    let lines = relay.stderr().matches("dropped a publication").count();
    let seconds = usize::try_from(start.elapsed().as_secs()).unwrap();
    assert!((1..=seconds + 1).contains(&lines), "{lines} lines in {seconds} s");
}

#[test]
fn the_limit_of_a_payload_is_exact() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    let sized = |bytes: usize| {
        let empty = r#"{"job_id":1,"x":""}"#;
        empty.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - empty.len())))
    };
    let (fits, over) = (sized(1 << 20), sized((1 << 20) + 1));
    redis.publish("scraping_events", &over);
    redis.publish("scraping_events", &fits);
    assert!(socket.next_text(PATIENCE) == fits, "another payload");
    assert_eq!(relay.stats()["dropped"]["too_big"], 1);
}

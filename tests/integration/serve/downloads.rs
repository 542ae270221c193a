//! The contract of the video downloader on the wire.

use serde_json::json;

use super::wrapped;
use crate::support::{PATIENCE, RedisServer, Relay};

fn queued(job: &str) -> String {
    wrapped(&format!(r#"{{"jobId":{job},"status":"queued","progress":0}}"#))
}

#[test]
fn a_job_never_heard_of_is_queued_at_once_whatever_the_grace() {
    let relay = Relay::start(&["--unknown-grace", "1h"]);
    relay.connect("/ws/download/new").expect(&queued("\"new\""));
}

#[test]
fn a_bare_payload_is_wrapped_and_an_enveloped_one_passes_unchanged() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/download/a");
    socket.expect(&queued("\"a\""));
    let bare = r#"{ "jobId":"a", "status":"processing","progress":5 }"#;
    assert_eq!(redis.publish("download_updates:a", bare), 1);
    socket.expect(&wrapped(bare));
    let enveloped = r#"{"data":{"jobId":"a","status":"processing","progress":10}, "type":"status"}"#;
    redis.publish("download_updates:a", enveloped);
    socket.expect(enveloped);
    // Without `data` it is no envelope.
    let half = r#"{"type":"status","status":"processing","progress":11}"#;
    redis.publish("download_updates:a", half);
    socket.expect(&wrapped(half));
}

#[test]
fn snapshot_and_polling_are_the_merge_of_what_came() {
    let relay = Relay::start(&[]);
    let path = "/api/status/a";
    assert_eq!(relay.exchange("GET", path, &[], b"").refusal(), (404, "unknown_job".to_owned()));
    for payload in [
        r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"x","title":"Cats"}}"#,
        r#"{"type":"status","data":{"jobId":"a","status":"processing","progress":92,"storageProvider":"gcs"}}"#,
        r#"{"jobId":"a","status":"completed","progress":100,"downloadUrl":"https://example.com/v"}"#,
    ] {
        relay.publish("download_updates:a", payload);
    }
    let merged = r#"{"jobId":"a","status":"completed","progress":100,"videoInfo":{"id":"x","title":"Cats"},"storageProvider":"gcs","downloadUrl":"https://example.com/v"}"#;
    let answer = relay.exchange("GET", path, &[], b"");
    assert_eq!((answer.status, answer.body.as_str()), (200, merged));
    let mut late = relay.connect("/ws/download/a");
    late.expect(&wrapped(merged));
    late.expect_silence();
}

/// A file name that is no UTF-8, as Python and Node write it, and what else no strict parser takes.
fn odd_failure() -> String {
    let deep = "[".repeat(300) + &"]".repeat(300);
    format!(
        r#"{{"jobId":"c3","status":"failed","progress":50,"error":"HTTP 403 \udce9","x\udce9":1e400,"d":{deep}}}"#
    )
}

#[test]
fn an_ending_with_a_lone_surrogate_is_in_polling_snapshot_replay_and_the_stored_state() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/download/c3");
    socket.expect(&queued("\"c3\""));
    let (processing, failure) =
        (r#"{"jobId":"c3","status":"processing","progress":50}"#.to_owned(), odd_failure());
    for payload in [&processing, &failure] {
        redis.publish("download_updates:c3", payload);
        socket.expect(&wrapped(payload));
    }
    let check = |relay: &Relay| {
        assert_eq!(relay.exchange("GET", "/api/status/c3", &[], b"").body, failure);
        relay.connect("/ws/download/c3").expect(&wrapped(&failure));
        relay.connect("/ws/download/c3?replay=1").expect(&wrapped(&failure));
        assert_eq!(relay.stats()["unmerged"], 0);
    };
    check(&relay);
    assert_eq!(relay.stop().code, 0);
    check(&Relay::on(&redis, &[]));
    let attached = Relay::on(&redis, &[]).jobwire(&["attach", "downloads/c3", "--progress", "plain"]);
    assert_eq!(attached.code, 1);
    assert!(attached.stdout.contains("HTTP 403 \u{fffd}"), "{}", attached.stdout);
}

#[test]
fn a_first_event_with_a_lone_surrogate_is_polled() {
    let relay = Relay::start(&[]);
    let failure = odd_failure();
    relay.publish("download_updates:c3", &failure);
    assert_eq!(relay.exchange("GET", "/api/status/c3", &[], b"").body, failure);
}

#[test]
fn a_download_that_is_tried_again_runs_and_one_that_is_done_stays_done() {
    let relay = Relay::start(&[]);
    let polled = || relay.exchange("GET", "/api/status/a", &[], b"").body;
    let failed = r#"{"jobId":"a","status":"failed","progress":40,"error":"HTTP 403"}"#;
    let processing = r#"{"jobId":"a","status":"processing","progress":10}"#;
    let completed = r#"{"jobId":"a","status":"completed","progress":100}"#;
    let mut socket = relay.connect("/ws/download/a");
    socket.expect(&queued("\"a\""));
    for (payload, state) in
        [(failed, failed), (processing, processing), (completed, completed), (processing, completed)]
    {
        relay.publish("download_updates:a", payload);
        socket.expect(&wrapped(payload));
        assert_eq!(polled(), state);
        relay.connect("/ws/download/a").expect(&wrapped(state));
    }
}

#[test]
fn the_id_in_the_channel_beats_the_one_in_the_payload() {
    let relay = Relay::start(&[]);
    let (mut a, mut b) = (relay.connect("/ws/download/a"), relay.connect("/ws/download/b"));
    a.expect(&queued("\"a\""));
    b.expect(&queued("\"b\""));
    let payload = r#"{"jobId":"b","status":"processing","progress":1}"#;
    assert_eq!(relay.publish("download_updates:a", payload), 1);
    a.expect(&wrapped(payload));
    b.expect_silence();
    assert_eq!(relay.exchange("GET", "/api/status/b", &[], b"").status, 404);
}

#[test]
fn ids_are_percent_decoded() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    for (path, id) in [
        ("caf%C3%A9%20%22x%22", "caf\u{e9} \"x\""),
        ("a%3Fb%23c%25", "a?b#c%"),
        ("%2A%5B%5D", "*[]"),
        ("a:b", "a:b"),
    ] {
        let mut socket = relay.connect(&format!("/ws/download/{path}"));
        socket.expect(&queued(&json!(id).to_string()));
        let payload = r#"{"status":"processing","progress":1}"#;
        redis.publish(&format!("download_updates:{id}"), payload);
        socket.expect(&wrapped(payload));
        assert_eq!(relay.exchange("GET", &format!("/api/status/{path}"), &[], b"").body, payload);
    }
}

#[test]
fn an_impossible_id_is_closed_with_4004_and_called_nothing_else() {
    let relay = Relay::start(&[]);
    let longest = "x".repeat(256);
    relay.connect(&format!("/ws/download/{longest}")).expect(&queued(&json!(longest).to_string()));
    for id in [format!("{longest}x"), "%C3%A9".repeat(129), "a%2Fb".to_owned(), "a%0Ab".to_owned()] {
        let mut socket = relay.raw(&format!("/ws/download/{id}"));
        assert_eq!(socket.next(PATIENCE).unwrap().close_code(), 4004, "{id}");
        let refusal = relay.exchange("GET", &format!("/api/status/{id}"), &[], b"").refusal();
        assert_eq!(refusal, (404, "impossible_job_id".to_owned()), "{id}");
    }
    assert_eq!(relay.exchange("GET", "/ws/download/", &[], b"").refusal().0, 404);
    assert_eq!(relay.exchange("GET", "/ws/download/a/b", &[], b"").refusal().0, 404);
}

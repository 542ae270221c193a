//! The same job may run again.

use serde_json::json;

use super::{scraping, wrapped};
use crate::support::{RedisServer, Relay};

const OLD: &str =
    r#"{"jobId":"a","status":"completed","progress":100,"downloadUrl":"https://example.com/v"}"#;
const QUEUED: &str = r#"{"jobId":"a","status":"queued","progress":0}"#;

#[test]
fn a_start_clears_what_was_known() {
    let relay = Relay::start(&[]);
    relay.publish("scraping_events", &scraping(1, "job_progress", "50", 7));
    let started = scraping(1, "job_started", "null", 0);
    relay.publish("scraping_events", &started);
    relay.connect("/ws/scraping/1").expect(&started);
    let status = relay.exchange("GET", "/ws/scraping/1/status", &[], b"").json();
    assert_eq!((&status["progress"], &status["status"]), (&json!(null), &json!("running")));
}

#[test]
fn after_an_ending_queued_clears_what_was_known() {
    let relay = Relay::start(&[]);
    relay.publish("download_updates:a", OLD);
    relay.publish("download_updates:a", QUEUED);
    assert_eq!(relay.exchange("GET", "/api/status/a", &[], b"").body, QUEUED);
    relay.connect("/ws/download/a").expect(&wrapped(QUEUED));
}

#[test]
fn before_an_ending_queued_clears_nothing() {
    let relay = Relay::start(&[]);
    relay.publish("download_updates:a", r#"{"jobId":"a","status":"processing","progress":9,"fileSize":5}"#);
    relay.publish("download_updates:a", QUEUED);
    let merged = r#"{"jobId":"a","status":"queued","progress":0,"fileSize":5}"#;
    assert_eq!(relay.exchange("GET", "/api/status/a", &[], b"").body, merged);
}

#[test]
fn what_trickles_in_after_an_ending_does_not_hide_it() {
    let relay = Relay::start(&[]);
    let mut watcher = relay.connect("/ws/scraping/1");
    let (ending, rest) = (scraping(1, "job_failed", "70", 7), scraping(1, "scraper_completed", "null", 8));
    for event in [&ending, &rest] {
        relay.publish("scraping_events", event);
        watcher.expect(event);
    }
    relay.connect("/ws/scraping/1").expect(&ending);
    assert_eq!(relay.exchange("GET", "/ws/scraping/1/status", &[], b"").json()["status"], "failed");
}

#[test]
fn a_run_that_begins_after_a_restart_does_not_inherit_the_one_before() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish("download_updates:a", OLD);
    redis.publish("scraping_events", scraping(1, "job_completed", "100", 7));
    relay.until_events(2);
    assert_eq!(relay.stop().code, 0);
    let relay = Relay::on(&redis, &[]);
    redis.publish("download_updates:a", QUEUED);
    redis.publish("scraping_events", scraping(1, "job_started", "null", 0));
    relay.until_events(2);
    assert_eq!(relay.exchange("GET", "/api/status/a", &[], b"").body, QUEUED);
    let status = relay.exchange("GET", "/ws/scraping/1/status", &[], b"").json();
    assert_eq!((&status["progress"], &status["status"]), (&json!(null), &json!("running")));
}

#[test]
fn what_trickles_in_after_a_restart_does_not_hide_the_ending_before_it() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let ending = scraping(1, "job_completed", "100", 7);
    redis.publish("scraping_events", &ending);
    relay.until_events(1);
    assert_eq!(relay.stop().code, 0);
    let relay = Relay::on(&redis, &[]);
    redis.publish("scraping_events", scraping(1, "scraper_completed", "null", 8));
    relay.until_events(1);
    relay.connect("/ws/scraping/1").expect(&ending);
    assert_eq!(relay.stop().code, 0);
    Relay::on(&redis, &[]).connect("/ws/scraping/1").expect(&ending);
}

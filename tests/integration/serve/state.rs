//! State outlives the relay: it is written behind to Redis and read back.

use std::collections::HashMap;

use redis::Commands;
use serde_json::{Value, json};

use super::{scraping, wrapped};
use crate::support::{PATIENCE, RedisServer, Relay, until, wait_for};

type Hash = HashMap<String, String>;

fn hash(redis: &RedisServer, key: &str, what: &str, enough: impl Fn(&Hash) -> bool) -> Hash {
    let mut connection = redis.connection();
    wait_for(PATIENCE, what, || Some(connection.hgetall(key).unwrap()).filter(&enough))
}

#[test]
fn progress_and_endings_are_written_to_a_hash_that_lasts_a_day() {
    let redis = RedisServer::start();
    let _relay = Relay::on(&redis, &[]);
    let progress = scraping(5, "job_progress", "45.5", 42);
    redis.publish("scraping_events", &progress);
    let running = hash(&redis, "jobwire:scraping:5", "the progress", |hash| !hash.is_empty());
    assert_eq!((running["state"].as_str(), running["ended"].as_str()), (progress.as_str(), ""));
    let ending = scraping(5, "job_failed", "null", 43);
    redis.publish("scraping_events", &ending);
    let ended = hash(&redis, "jobwire:scraping:5", "the ending", |hash| hash["ended"] == "failed");
    assert_eq!((ended["state"].as_str(), ended["percent"].as_str()), (ending.as_str(), "45.5"));
    let updated = |hash: &Hash| hash["updated"].parse::<u64>().unwrap();
    assert!(updated(&ended) > updated(&running));
    let ttl: i64 = redis.connection().ttl("jobwire:scraping:5").unwrap();
    assert!((86_300..=86_400).contains(&ttl), "{ttl}");
}

#[test]
fn a_restarted_relay_knows_the_jobs_of_both_dialects() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish("scraping_events", scraping(5, "job_progress", "45.5", 42));
    let newest = scraping(5, "scraper_completed", "null", 43);
    redis.publish("scraping_events", &newest);
    redis.publish(
        "download_updates:a",
        r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"x"}}"#,
    );
    redis.publish("download_updates:a", r#"{"jobId":"a","status":"processing","progress":20}"#);
    let merged = r#"{"jobId":"a","status":"processing","progress":20,"videoInfo":{"id":"x"}}"#;
    for (key, state) in [("jobwire:scraping:5", newest.as_str()), ("jobwire:downloads:a", merged)] {
        hash(&redis, key, state, |hash| hash.get("state").is_some_and(|written| written == state));
    }
    relay.kill();

    let relay = Relay::on(&redis, &[]);
    relay.connect("/ws/scraping/5").expect(&newest);
    relay.connect("/ws/download/a").expect(&wrapped(merged));
    let relay = Relay::on(&redis, &[]);
    let status = relay.exchange("GET", "/ws/scraping/5/status", &[], b"").json();
    assert_eq!((&status["progress"], &status["results_count"]), (&json!(45.5), &json!(43)));
    assert_eq!(relay.exchange("GET", "/api/status/a", &[], b"").body, merged);
}

#[test]
fn events_after_a_restart_are_added_to_what_was_known_before_it() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish("scraping_events", scraping(5, "job_progress", "45.5", 42));
    redis.publish(
        "download_updates:a",
        r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"x"}}"#,
    );
    relay.until_events(2);
    assert_eq!(relay.stop().code, 0);

    let relay = Relay::on(&redis, &[]);
    let newest = scraping(5, "scraper_completed", "null", 43);
    redis.publish("scraping_events", &newest);
    redis.publish("download_updates:a", r#"{"jobId":"a","status":"processing","progress":20}"#);
    // Nobody asks before the state is written behind again.
    let written = hash(&redis, "jobwire:scraping:5", "the state", |hash| hash["state"] == newest);
    assert_eq!(written["percent"], "45.5");
    let merged = r#"{"jobId":"a","status":"processing","progress":20,"videoInfo":{"id":"x"}}"#;
    hash(&redis, "jobwire:downloads:a", "the merged state", |hash| hash["state"] == merged);
    let status = relay.exchange("GET", "/ws/scraping/5/status", &[], b"").json();
    assert_eq!((&status["progress"], &status["results_count"]), (&json!(45.5), &json!(43)));
    relay.connect("/ws/download/a").expect(&wrapped(merged));
}

#[test]
fn a_terminated_relay_writes_what_is_left() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let events: Vec<_> = (0..200).map(|job| scraping(job, "job_progress", "1", 1)).collect();
    for event in &events {
        redis.publish("scraping_events", event);
    }
    relay.until_events(200);
    assert_eq!(relay.stop().code, 0);
    let mut connection = redis.connection();
    for (job, event) in events.iter().enumerate() {
        let state: String = connection.hget(format!("jobwire:scraping:{job}"), "state").unwrap();
        assert_eq!(state, *event);
    }
}

#[test]
fn an_owner_that_an_api_has_set_makes_no_state_and_stays() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--unknown-grace", "100ms"]);
    let _: () = redis.connection().hset("jobwire:scraping:6", "owner", "alice").unwrap();
    let mut socket = relay.connect("/ws/scraping/6");
    assert!(socket.next_text(PATIENCE).contains("Job 6 not found"));
    assert_eq!(relay.exchange("GET", "/ws/scraping/6/status", &[], b"").status, 404);
    let event = scraping(6, "job_completed", "100", 1);
    redis.publish("scraping_events", &event);
    socket.expect(&event);
    let written = hash(&redis, "jobwire:scraping:6", "the ending", |hash| {
        hash.get("ended").is_some_and(|e| e == "succeeded")
    });
    assert_eq!(written["owner"], "alice");
}

#[test]
fn a_key_that_holds_something_else_disturbs_nobody() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let _: () = redis.connection().set("jobwire:downloads:a", "no hash").unwrap();
    let _: () = redis.connection().hset("jobwire:downloads:b", "state", "no JSON").unwrap();
    for job in ["a", "b"] {
        let mut socket = relay.connect(&format!("/ws/download/{job}"));
        socket.expect(&wrapped(&format!(r#"{{"jobId":"{job}","status":"queued","progress":0}}"#)));
        let payload = format!(r#"{{"jobId":"{job}","status":"completed","progress":100}}"#);
        redis.publish(&format!("download_updates:{job}"), &payload);
        socket.expect(&wrapped(&payload));
        assert_eq!(relay.exchange("GET", &format!("/api/status/{job}"), &[], b"").body, payload);
    }
    relay.until_said("it is no event of downloads", 1);
    let ending = scraping(1, "job_completed", "100", 1);
    redis.publish("scraping_events", &ending);
    hash(&redis, "jobwire:scraping:1", "another job", |hash| hash.get("state") == Some(&ending));
}

#[test]
fn a_killed_relay_has_left_every_ending_and_progress_of_a_moment_ago() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    redis.publish("scraping_events", scraping(2, "job_started", "0", 0));
    // Progress until the writer has had several turns: each takes the newest, and none waits for the end of it.
    let (mut published, mut written) = (0_u64, Vec::new());
    until(PATIENCE, "three turns of the writer", || {
        published += 1;
        redis.publish("scraping_events", scraping(2, "job_progress", "1", published));
        let newest = stored_count(&redis, "jobwire:scraping:2");
        if newest > written.last().copied().unwrap_or_default() {
            written.push(newest);
        }
        written.len() == 3
    });
    let ending = scraping(1, "job_failed", "7", 7);
    redis.publish("scraping_events", &ending);
    socket.expect(&ending);
    hash(&redis, "jobwire:scraping:1", "the ending", |hash| hash.get("state") == Some(&ending));
    let before = stored_count(&redis, "jobwire:scraping:2");
    relay.kill();
    let relay = Relay::on(&redis, &[]);
    relay.connect("/ws/scraping/1").expect(&ending);
    let polled = relay.exchange("GET", "/ws/scraping/2/status", &[], b"").json();
    assert!(polled["results_count"].as_u64().unwrap() >= before, "{polled}, and {before} was written");
}

/// The results count of the state that is stored in a hash; 0 where there is none.
fn stored_count(redis: &RedisServer, key: &str) -> u64 {
    let state: Option<String> = redis.connection().hget(key, "state").unwrap();
    let state: Value = state.map_or(Value::Null, |state| serde_json::from_str(&state).unwrap());
    state["results_count"].as_u64().unwrap_or_default()
}

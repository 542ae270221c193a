//! Redis that goes, comes, or does not let everything through.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use super::{scraping, wrapped};
use crate::support::{PATIENCE, RedisServer, Relay, get, until};

#[test]
fn the_next_event_after_a_crash_of_redis_arrives_on_the_open_socket() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut socket = relay.connect("/ws/scraping/1");
    let before = scraping(1, "job_progress", "1", 1);
    redis.publish("scraping_events", &before);
    socket.expect(&before);
    redis.stop();
    until(PATIENCE, "/ready to say so", || relay.get("/ready").0 == 503);
    let ready = relay.exchange("GET", "/ready", &[], b"");
    assert_eq!(ready.refusal(), (503, "broker_not_connected".to_owned()));
    let health = relay.exchange("GET", "/health", &[], b"");
    assert_eq!((health.status, &health.json()["status"]), (200, &"degraded".into()));
    assert_eq!(relay.stats()["redis_connected"], false);
    // What is known is still served meanwhile.
    relay.connect("/ws/scraping/1").expect(&before);
    socket.expect_silence();
    redis.restart();
    until(PATIENCE, "/ready to say so", || relay.get("/ready").0 == 200);
    let after = scraping(1, "job_progress", "2", 2);
    assert_eq!(redis.publish("scraping_events", &after), 1);
    socket.expect(&after);
    assert_eq!(relay.stats()["broker_connects"], 2);
}

#[test]
fn a_relay_that_starts_without_its_redis_connects_later() {
    let mut redis = RedisServer::start();
    redis.stop();
    let relay = Relay::start(&["--redis", &redis.url()]);
    assert_eq!(relay.get("/ready").0, 503);
    let mut socket = relay.connect("/ws/scraping/1");
    socket.expect_silence();
    until(PATIENCE, "the log", || relay.stderr().contains("could not connect to redis"));
    redis.restart();
    until(PATIENCE, "/ready to say so", || relay.get("/ready").0 == 200);
    let event = scraping(1, "job_progress", "2", 2);
    redis.publish("scraping_events", &event);
    socket.expect(&event);
}

#[test]
fn channels_that_redis_denies_do_not_take_the_others_down() {
    let redis = RedisServer::start();
    allow(&redis, &["on", ">pw", "+@all", "~*", "resetchannels", "&scraping_events"]);
    let url = format!("redis://relay:pw@127.0.0.1:{}", redis.port());
    let relay = Relay::start(&["--redis", &url]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let health = relay.exchange("GET", "/health", &[], b"").json();
    assert_eq!((&health["status"], &health["connected"]), (&"degraded".into(), &true.into()));
    let denied = health["denied"].as_array().unwrap();
    let channels: Vec<_> = denied.iter().filter_map(|denied| denied["channel"].as_str()).collect();
    assert!(channels.contains(&"download_updates:") && channels.contains(&"fliptechpro:leads"), "{health}");
    assert!(!channels.contains(&"scraping_events"), "{health}");
    for one in denied {
        assert!(one["reason"].as_str().unwrap().starts_with("NOPERM"), "{health}");
    }
    until(PATIENCE, "the log", || relay.stderr().contains("\"download_updates:"));
    assert!(!relay.stderr().contains("pw@"), "{}", relay.stderr());
    let mut socket = relay.connect("/ws/scraping/1");
    let event = scraping(1, "job_progress", "2", 2);
    redis.publish("scraping_events", &event);
    socket.expect(&event);
}

/// Sets the rules of the user `relay`, whose password is `pw`.
fn allow(redis: &RedisServer, rules: &[&str]) {
    let _: () =
        redis::cmd("ACL").arg("SETUSER").arg("relay").arg(rules).query(&mut redis.connection()).unwrap();
}

#[test]
fn ready_is_503_while_a_dialect_has_lost_its_subscriptions_and_they_come_back_by_themselves() {
    let redis = RedisServer::start();
    allow(&redis, &["on", ">pw", "+@all", "~*", "allchannels"]);
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    // One channel of several leaves its dialect the others.
    let campaigns = ["resetchannels", "&fliptechpro:campaigns", "&scraping_events", "&task_updates:*"];
    allow(
        &redis,
        &[&campaigns[..], &["&download_updates:*", "&celery-task-meta-*", "&job_updates:*"]].concat(),
    );
    let health = || relay.exchange("GET", "/health", &[], b"").json();
    until(PATIENCE, "/health to name them", || health()["denied"][0]["revoked"] == true);
    assert_eq!(relay.get("/ready").0, 200);
    allow(&redis, &["resetchannels", "&scraping_events"]);
    until(PATIENCE, "/ready to say so", || relay.get("/ready").0 == 503);
    let refusal = || relay.exchange("GET", "/ready", &[], b"").refusal().1;
    until(PATIENCE, "/ready to name the subscription", || refusal() == "subscription_denied");
    let mut socket = relay.connect("/ws/download/a");
    socket.expect(&wrapped(r#"{"jobId":"a","status":"queued","progress":0}"#));
    allow(&redis, &["allchannels"]);
    until(PATIENCE, "/ready to say so", || relay.get("/ready").0 == 200);
    assert_eq!(health()["denied"], json!([]));
    let payload = r#"{"jobId":"a","status":"processing","progress":1}"#;
    assert_eq!(redis.publish("download_updates:a", payload), 1);
    socket.expect(&wrapped(payload));
    for line in [
        "no longer lets us subscribe \"download_updates:\": NOPERM",
        "lets us subscribe \"download_updates:\" after ",
    ] {
        until(PATIENCE, line, || relay.stderr().contains(line));
    }
}

#[test]
fn while_redis_hangs_nothing_is_said_of_jobs_that_it_may_know() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish("download_updates:a", r#"{"jobId":"a","status":"completed","progress":100}"#);
    relay.until_events(1);
    redis.pause();
    let mut socket = relay.connect("/ws/download/b");
    assert_eq!(relay.exchange("GET", "/api/status/a", &[], b"").status, 200);
    assert_eq!(relay.exchange("GET", "/api/status/b", &[], b"").status, 503);
    socket.expect_silence();
    redis.resume();
    socket.expect(&wrapped(r#"{"jobId":"b","status":"queued","progress":0}"#));
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let payload = r#"{"jobId":"b","status":"processing","progress":1}"#;
    redis.publish("download_updates:b", payload);
    socket.expect(&wrapped(payload));
}

#[test]
fn who_waits_for_redis_is_answered_although_others_keep_asking() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.pause();
    let mut socket = relay.connect("/ws/download/a");
    assert_eq!(relay.exchange("GET", "/api/status/a", &[], b"").status, 503);
    let (address, refused, is_over) = (relay.address(), AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    if get(address, "/api/status/b").0 == 503 {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        until(PATIENCE, "the others to ask in vain", || refused.load(Ordering::Relaxed) >= 4);
        redis.resume();
        let told = socket.next(PATIENCE);
        is_over.store(true, Ordering::Relaxed);
        let queued = wrapped(r#"{"jobId":"a","status":"queued","progress":0}"#);
        assert_eq!(told.map(|told| told.to_string()), Some(queued));
    });
}

#[test]
fn who_was_told_of_an_unknown_job_gets_its_state_once_redis_lets_it_be_read() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let state = r#"{"jobId":"a","status":"processing","progress":7}"#;
    let completed = scraping(1, "job_completed", "100", 7);
    redis.publish("download_updates:a", state);
    redis.publish("scraping_events", &completed);
    relay.until_events(2);
    assert_eq!(relay.stop().code, 0);

    allow(&redis, &["on", ">pw", "+@all", "-hmget", "~*", "allchannels"]);
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let paths = ["/ws/download/a", "/ws/download/b", "/ws/scraping/1"];
    let [mut known, mut unheard, mut ended] = paths.map(|path| relay.connect(path));
    for (job, socket) in [("a", &mut known), ("b", &mut unheard)] {
        socket.expect(&wrapped(&format!(r#"{{"jobId":"{job}","status":"queued","progress":0}}"#)));
    }
    let health = || relay.exchange("GET", "/health", &[], b"").json();
    until(PATIENCE, "/health to say so", || health()["state"]["reading"] != json!([]));
    allow(&redis, &["+hmget"]);
    known.expect(&wrapped(state));
    ended.expect(&completed);
    until(PATIENCE, "/health to be well again", || health()["status"] == "ok");
    unheard.expect_silence();
}

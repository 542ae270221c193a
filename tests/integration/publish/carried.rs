//! An event that does not say how far its job is leaves the job where it was.

use redis::Commands;
use serde_json::Value;

use super::into;
use crate::support::{PATIENCE, Process, RedisServer, Relay, command, until};

fn progress(relay: &Relay, job: &str) -> (Value, Value) {
    let (status, body) = relay.get(&format!("/api/status/{job}"));
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    (body["status"].clone(), body["progress"].clone())
}

#[test]
fn a_failure_without_a_percent_keeps_the_one_that_redis_holds() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let publish = |args: &[&str]| {
        let output = Process::spawn(&mut into(&redis, args)).finish(PATIENCE);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    };
    publish(&["downloads/p1", "processing", "progress=40"]);
    until(PATIENCE, "the state to be written", || {
        let percent: Option<String> = redis.connection().hget("jobwire:downloads:p1", "percent").unwrap();
        percent.is_some_and(|percent| percent.parse() == Ok(40.0))
    });
    publish(&["downloads/p1", "failed", "error=x"]);
    until(PATIENCE, "the failure", || progress(&relay, "p1") == ("failed".into(), 40.into()));
    let server = format!("http://{}", relay.address());
    let watch = ["attach", "downloads/p1", "--server", &server, "--progress", "plain"];
    let output = Process::spawn(&mut command(&watch)).finish(PATIENCE);
    assert_eq!(output.code, 1);
    assert!(output.stdout.contains("downloads/p1 failed 40% x"), "{}", output.stdout);
}

#[test]
fn through_a_relay_it_is_the_percent_of_its_polling() {
    let relay = Relay::start(&["--publish-key", "right"]);
    let server = format!("http://{}", relay.address());
    let publish = |args: &[&str]| {
        let mut publish = command(&["publish"]);
        publish.args(args).args(["--server", &server, "--publish-key", "right"]);
        let output = Process::spawn(&mut publish).finish(PATIENCE);
        assert_eq!(output.code, 0, "{}", output.stderr);
    };
    publish(&["downloads/p2", "processing", "progress=40.5"]);
    until(PATIENCE, "the progress", || relay.get("/api/status/p2").0 == 200);
    publish(&["downloads/p2", "status", "status=failed"]);
    until(PATIENCE, "the failure", || progress(&relay, "p2") == ("failed".into(), 40.5.into()));
    // A retry is a run of its own.
    publish(&["downloads/p2", "processing"]);
    until(PATIENCE, "the retry", || progress(&relay, "p2") == ("processing".into(), 0.into()));
    publish(&["downloads/p2", "status", "status=completed"]);
    until(PATIENCE, "the ending", || progress(&relay, "p2") == ("completed".into(), 100.into()));
}

#[test]
fn an_event_is_sent_all_the_same_where_the_state_may_not_be_read() {
    let redis = RedisServer::start();
    let mut setting = redis::cmd("ACL");
    setting
        .arg(&["SETUSER", "worker", "on", ">pw", "&*", "+publish", "+ping", "+select", "+hello", "+client"]);
    setting.query::<()>(&mut redis.connection()).unwrap();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let url = redis.url().replace("redis://", "redis://worker:pw@");
    let args = ["downloads/p3", "failed", "error=x", "--redis", &url];
    let output = Process::spawn(&mut into(&redis, &args)).finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    until(PATIENCE, "the failure", || relay.get("/api/status/p3").0 == 200);
    assert_eq!(progress(&relay, "p3"), ("failed".into(), 0.into()));
}

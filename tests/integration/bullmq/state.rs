//! State that is BullMQ's own: read from a job's hash, never written, and never a reason to wait.

use redis::Commands;
use serde_json::json;

use super::{poll, queue};
use crate::support::{PATIENCE, RedisServer, Relay, until};

/// Writes a job's hash as BullMQ does.
fn keep(redis: &RedisServer, job: &str, fields: &[(&str, &str)]) {
    let of_all =
        [("name", "encode"), ("data", "{}"), ("opts", "{}"), ("timestamp", "1764478800000"), ("delay", "0")];
    let fields: Vec<(&str, &str)> = of_all.iter().chain(fields).copied().collect();
    let _: () = redis.connection().hset_multiple(format!("bull:{job}"), &fields).unwrap();
}

#[test]
fn a_job_that_is_in_no_history_is_read_from_its_hash() {
    let redis = RedisServer::start();
    keep(&redis, "q:new", &[]);
    keep(&redis, "q:later", &[("delay", "60000")]);
    keep(&redis, "q:begun", &[("processedOn", "1764478800100"), ("ats", "1")]);
    keep(&redis, "q:half", &[("processedOn", "1764478800100"), ("progress", r#"{"current":2,"total":4}"#)]);
    keep(
        &redis,
        "q:done",
        &[("finishedOn", "1764478800200"), ("returnvalue", r#"{"ok":1}"#), ("progress", "7")],
    );
    keep(&redis, "q:bad", &[("finishedOn", "1764478800200"), ("failedReason", "boom")]);
    let relay = Relay::on(&redis, &[]);
    for (job, status, percent) in [
        ("q:new", "waiting", json!(null)),
        ("q:later", "delayed", json!(null)),
        ("q:begun", "active", json!(null)),
        ("q:half", "active", json!(50)),
        ("q:done", "completed", json!(100)),
        ("q:bad", "failed", json!(null)),
    ] {
        let body = poll(&relay, job);
        assert_eq!((&body["status"], &body["percent"]), (&json!(status), &percent), "{job}");
    }
    assert_eq!(poll(&relay, "q:done")["result"], json!({"ok": 1}));
    assert_eq!(poll(&relay, "q:bad")["error"], "boom");
    let sent = relay.connect("/ws/bullmq/q:half").next_text(PATIENCE);
    assert_eq!(sent, r#"{"event":"progress","jobId":"half","data":{"current":2,"total":4}}"#);
    assert_eq!(relay.get("/bullmq/q:gone").0, 404);
    assert_eq!(relay.get("/bullmq/nothing").0, 404);
    let keys: Vec<String> = redis.connection().keys("jobwire:*").unwrap();
    assert!(keys.is_empty(), "{keys:?}");
}

#[test]
fn what_cannot_be_read_is_left_out_or_named_and_the_ending_of_a_large_result_is_known() {
    let redis = RedisServer::start();
    let _: () = redis.connection().rpush("bull:q:list", "x").unwrap();
    let huge = format!("\"{}\"", "x".repeat(100_000));
    keep(&redis, "q:huge", &[("finishedOn", "1764478800200"), ("returnvalue", &huge)]);
    let nearly = format!("\"{}\"", "x".repeat(65_500));
    keep(&redis, "q:nearly", &[("finishedOn", "1764478800200"), ("returnvalue", &nearly)]);
    keep(&redis, "q:odd", &[("processedOn", "1764478800200"), ("progress", "{half")]);
    let relay = Relay::on(&redis, &["--max-payload", "64KiB"]);
    assert_eq!(relay.get("/bullmq/q:list").0, 404);
    for job in ["q:huge", "q:nearly"] {
        let body = poll(&relay, job);
        assert_eq!((&body["status"], &body["result"]), (&json!("completed"), &json!(null)), "{job}");
    }
    assert_eq!(poll(&relay, "q:odd")["message"], "{half");
    for said in ["WRONGTYPE", "returnvalue is larger than --max-payload"] {
        until(PATIENCE, said, || relay.stderr().contains(said));
    }
}

#[test]
fn a_user_who_may_only_read_hashes_sees_the_jobs_in_them() {
    let redis = RedisServer::start();
    keep(&redis, "q:done", &[("finishedOn", "1764478800200"), ("returnvalue", "7")]);
    let mut connection = redis.connection();
    let rules = ["on", ">pw", "~*", "&*", "-@all", "+hmget", "+@connection", "+@pubsub"];
    let _: () = redis::cmd("ACL").arg("SETUSER").arg("relay").arg(&rules).query(&mut connection).unwrap();
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the state", || poll(&relay, "q:done")["result"] == 7);
}

#[test]
fn bullmq_publishes_and_nobody_else() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    for args in [
        &["publish", "bullmq/q:1", "progress", "data=7"][..],
        &["publish", "bullmq/q:1", "progress", "--unchecked"],
        &["publish", "bullmq/q:1", "--stdin"],
        &["publish", "--scenario", "bullmq"],
        &["publish", "--durable", "bullmq/q:1", "progress"],
    ] {
        let output = relay.jobwire(args);
        assert_eq!(output.code, 2, "{args:?}");
        assert!(
            args.contains(&"--durable") || output.stderr.contains("BullMQ publishes"),
            "{}",
            output.stderr
        );
    }
    for (flag, value, says) in [
        ("--bullmq-queues", "bull:q", "a queue's name has no colon"),
        ("--bullmq-queues", "a,,b", "a queue has a name"),
    ] {
        let output = relay.jobwire(&["serve", flag, value]);
        assert_eq!(output.code, 2);
        assert!(output.stderr.contains(says), "{}", output.stderr);
    }
    for job in ["bullmq/1", "bullmq/q:", "bullmq/:1"] {
        let output = relay.jobwire(&["attach", job]);
        assert_eq!(output.code, 2);
        assert!(output.stderr.contains("QUEUE:ID, as in videos:1"), "{}", output.stderr);
    }
}

#[test]
fn an_ending_with_a_large_result_is_told_without_it() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    queue(&redis, "bull:q");
    let relay = Relay::on(&redis, &["--max-payload", "64KiB"]);
    for (job, len) in [("huge", 1_000_000), ("nearly", 65_500)] {
        let result = format!("\"{}\"", "x".repeat(len));
        let mut socket = relay.connect(&format!("/ws/bullmq/q:{job}"));
        let fields = ["event", "completed", "jobId", job, "returnvalue", &result, "prev", "active"];
        let mut add = redis::cmd("XADD");
        let _: String = add.arg("bull:q:events").arg("*").arg(&fields).query(&mut connection).unwrap();
        socket.expect(&format!(r#"{{"event":"completed","jobId":"{job}","prev":"active"}}"#));
        assert_eq!(poll(&relay, &format!("q:{job}"))["status"], "completed");
    }
    assert_eq!(relay.stats()["dropped"]["too_big"], 2);
}

//! Jobs of the real BullMQ, as they go.

use redis::Commands;
use serde_json::{Value, json};

use super::worker::BullMq;
use super::{poll, queue};
use crate::support::{PATIENCE, Process, RedisServer, Relay, until};

/// Waits until an attach ends: its exit code and what it printed on stdout.
fn ended(attach: Process) -> (i32, String) {
    let output = attach.finish(PATIENCE);
    (output.code, output.stdout)
}

/// Attaches to a job, plain, and waits until its socket is open.
fn attach(relay: &Relay, job: &str) -> Process {
    let open = relay.stats()["total_connections"].as_u64().unwrap();
    let attach = relay.spawn(&["attach", &format!("bullmq/{job}"), "--progress", "plain"]);
    relay.until_connections(open + 1);
    attach
}

fn until_status(relay: &Relay, job: &str, status: &str) {
    until(PATIENCE, status, || poll(relay, job)["status"] == status);
}

/// Lines of attach, without their times.
fn said(printed: &str) -> Vec<&str> {
    printed.lines().filter_map(|line| Some(line.split_once(' ')?.1)).collect()
}

#[test]
fn a_job_is_watched_before_during_and_after_it_and_by_a_relay_that_was_restarted_meanwhile() {
    let redis = RedisServer::start();
    queue(&redis, "bull:videos");
    let mut bullmq = BullMq::start(&redis, "bull");
    bullmq.work("videos");
    let relay = Relay::on(&redis, &[]);
    let before = attach(&relay, "videos:a");
    assert_eq!(relay.get("/bullmq/videos:a").0, 404);
    bullmq.add("videos", "a", json!({}));
    bullmq.step("videos:a", &json!({"progress": 25}));
    before.until_printed("25%");
    bullmq.step("videos:a", &json!({"progress": {"current": 2, "total": 4, "message": "first pass"}}));
    before.until_printed("50% first pass");
    let during = attach(&relay, "videos:a");
    during.until_printed("50% first pass");
    assert_eq!(poll(&relay, "videos:a")["percent"], 50);
    let address = relay.address().to_owned();
    relay.kill();
    let relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    assert_eq!(poll(&relay, "videos:a")["percent"], 50);
    relay.until_connections(2);
    bullmq.step("videos:a", &json!({"return": "6 files"}));
    for attach in [before, during] {
        let (code, printed) = ended(attach);
        assert_eq!(code, 0, "{printed}");
        assert!(printed.ends_with("bullmq/videos:a done 100% 6 files\n"), "{printed}");
    }
    // The stream has its history at first; without that, the job's hash tells.
    for history in [true, false] {
        if !history {
            let _: () = redis.connection().del("bull:videos:events").unwrap();
        }
        let relay = Relay::on(&redis, &[]);
        let (code, printed) = ended(relay.spawn(&["attach", "bullmq/videos:a", "--progress", "plain"]));
        assert_eq!(code, 0, "{history}: {printed}");
        assert!(printed.ends_with("bullmq/videos:a done 100% 6 files\n"), "{history}: {printed}");
        let body = json!({"job": "videos:a", "status": "completed", "percent": 100, "message": null, "error": null, "result": "6 files"});
        assert_eq!(poll(&relay, "videos:a"), body, "{history}");
    }
    let keys: Vec<String> = redis.connection().keys("jobwire:*").unwrap();
    assert!(keys.is_empty(), "the state is BullMQ's: {keys:?}");
}

#[test]
fn a_failed_attempt_that_is_followed_by_another_is_no_ending_and_a_retry_by_hand_is_a_new_run() {
    let redis = RedisServer::start();
    queue(&redis, "bull:q");
    let mut bullmq = BullMq::start(&redis, "bull");
    bullmq.work("q");
    let relay = Relay::on(&redis, &[]);
    let (at_once, paced) = (attach(&relay, "q:at-once"), attach(&relay, "q:paced"));
    bullmq.add("q", "at-once", json!({"attempts": 3}));
    bullmq.add("q", "paced", json!({"attempts": 2, "backoff": {"type": "fixed", "delay": 300}}));
    for job in ["q:at-once", "q:paced"] {
        bullmq.step(job, &json!({"progress": 40}));
        bullmq.step(job, &json!({"raise": "boom"}));
    }
    at_once.until_printed("queued 40% waiting for another try");
    paced.until_printed("queued 40% delayed until another try");
    bullmq.step("q:at-once", &json!({"raise": "boom"}));
    bullmq.step("q:at-once", &json!({"progress": 60}));
    bullmq.step("q:at-once", &json!({"return": 7}));
    let (code, printed) = ended(at_once);
    assert_eq!(code, 0, "{printed}");
    assert_eq!(
        said(&printed)[1..],
        [
            "bullmq/q:at-once queued",
            "bullmq/q:at-once running",
            "bullmq/q:at-once running 40%",
            "bullmq/q:at-once queued 40% waiting for another try",
            "bullmq/q:at-once running 40%",
            "bullmq/q:at-once queued 40% waiting for another try",
            "bullmq/q:at-once running 40%",
            "bullmq/q:at-once running 60%",
            "bullmq/q:at-once done 100% 7",
        ]
    );
    bullmq.step("q:paced", &json!({"raise": "out of disk"}));
    let (code, printed) = ended(paced);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.ends_with("bullmq/q:paced failed 40% out of disk\n"), "{printed}");
    let body = poll(&relay, "q:paced");
    assert_eq!((&body["status"], &body["error"]), (&json!("failed"), &json!("out of disk")));

    // The hash of one that was tried again keeps the reason of the failure before.
    let reason: String = redis.connection().hget("bull:q:at-once", "failedReason").unwrap();
    assert_eq!(reason, "boom");
    let _: () = redis.connection().del("bull:q:events").unwrap();
    let late = Relay::on(&redis, &[]);
    for (job, status) in [("q:at-once", "completed"), ("q:paced", "failed")] {
        assert_eq!(poll(&late, job)["status"], status);
    }

    let again = relay.spawn(&["attach", "bullmq/q:paced", "--new", "--progress", "plain"]);
    again.until_printed("failed before; waiting for a new run");
    bullmq.job("retry", "q", "paced");
    bullmq.step("q:paced", &json!({"return": null}));
    let (code, printed) = ended(again);
    assert_eq!(code, 0, "{printed}");
    assert_eq!(poll(&relay, "q:paced")["error"], Value::Null);

    bullmq.add("q", "hopeless", json!({"attempts": 5}));
    bullmq.step("q:hopeless", &json!({"give up": "no such file"}));
    let (code, printed) = ended(relay.spawn(&["attach", "bullmq/q:hopeless", "--progress", "plain"]));
    assert_eq!(code, 1, "{printed}");
    assert!(printed.ends_with("failed no such file\n"), "{printed}");
}

#[test]
fn a_job_whose_worker_died_is_tried_again_by_another() {
    let redis = RedisServer::start();
    queue(&redis, "bull:q");
    let relay = Relay::on(&redis, &[]);
    let mut first = BullMq::start(&redis, "bull");
    let options = json!({"lockDuration": 500, "stalledInterval": 300});
    first.tell(&json!(["work", "q", options]));
    let watching = attach(&relay, "q:a");
    first.add("q", "a", json!({}));
    first.step("q:a", &json!({"progress": 40}));
    watching.until_printed("running 40%");
    drop(first);
    let mut second = BullMq::start(&redis, "bull");
    second.tell(&json!(["work", "q", options]));
    watching.until_printed("queued 40% waiting for another try");
    second.step("q:a", &json!({"return": "at last"}));
    let (code, printed) = ended(watching);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("bullmq/q:a stalled\n"), "{printed}");
    assert!(printed.ends_with("bullmq/q:a done 100% at last\n"), "{printed}");
}

#[test]
fn a_parent_waits_for_its_children_and_a_queue_s_name_may_have_a_slash() {
    let redis = RedisServer::start();
    for name in ["films", "films/clips"] {
        queue(&redis, &format!("bull:{name}"));
    }
    let mut bullmq = BullMq::start(&redis, "bull");
    let relay = Relay::on(&redis, &[]);
    for queue in ["films", "films/clips"] {
        bullmq.work(queue);
    }
    let child = json!({"name": "clip", "queueName": "films/clips", "opts": {"jobId": "c/1"}});
    let parent = json!({"name": "film", "queueName": "films", "opts": {"jobId": "p"}, "children": [child]});
    bullmq.tell(&json!(["flow", parent]));
    until_status(&relay, "films:p", "waiting-children");
    until_status(&relay, "films/clips:c/1", "active");
    let (parent, child) = (attach(&relay, "films:p"), attach(&relay, "films/clips:c/1"));
    parent.until_printed("queued waiting for its children");
    bullmq.step("films/clips:c/1", &json!({"progress": {"percent": "45%", "stage": "cutting"}}));
    child.until_printed("45% cutting");
    let listed = relay.exchange("GET", "/jobs?dialect=bullmq&state=queued", &[], b"").json();
    assert_eq!(listed["jobs"][0]["target"], "bullmq/films:p", "{listed}");
    bullmq.step("films/clips:c/1", &json!({"return": {"frames": 4}}));
    let (code, printed) = ended(child);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.ends_with("bullmq/films/clips:c/1 done 100% cutting\n"), "{printed}");
    assert_eq!(poll(&relay, "films/clips:c/1")["result"], json!({"frames": 4}));
    bullmq.step("films:p", &json!({"return": "one film"}));
    let (code, printed) = ended(parent);
    assert_eq!(code, 0, "{printed}");
    assert!(printed.ends_with("bullmq/films:p done 100% one film\n"), "{printed}");
}

#[test]
fn a_job_that_is_removed_is_cancelled_unless_it_had_ended() {
    let redis = RedisServer::start();
    queue(&redis, "bull:q");
    let mut bullmq = BullMq::start(&redis, "bull");
    let relay = Relay::on(&redis, &[]);
    bullmq.add("q", "waits", json!({}));
    bullmq.add("q", "later", json!({"delay": 3_600_000}));
    until_status(&relay, "q:waits", "waiting");
    until_status(&relay, "q:later", "delayed");
    for job in ["waits", "later"] {
        let watching = attach(&relay, &format!("q:{job}"));
        watching.until_printed("queued");
        bullmq.job("remove", "q", job);
        let (code, printed) = ended(watching);
        assert_eq!(code, 1, "{printed}");
        assert!(printed.contains("cancelled"), "{printed}");
        assert_eq!(poll(&relay, &format!("q:{job}"))["status"], "removed");
    }
    // The id may be given again.
    bullmq.work("q");
    bullmq.add("q", "waits", json!({}));
    bullmq.step("q:waits", &json!({"return": 1}));
    until_status(&relay, "q:waits", "completed");
    bullmq.job("remove", "q", "waits");
    // BullMQ removes this one from Redis with its ending.
    bullmq.add("q", "short", json!({"removeOnComplete": true}));
    bullmq.step("q:short", &json!({"return": "gone"}));
    until_status(&relay, "q:short", "completed");
    assert_eq!(poll(&relay, "q:waits")["status"], "completed", "it had ended before it was removed");
    let (code, printed) = ended(relay.spawn(&["attach", "bullmq/q:short", "--progress", "plain"]));
    assert_eq!((code, said(&printed).last().copied()), (0, Some("bullmq/q:short done 100% gone")));
}

#[test]
fn a_prefix_and_named_queues_are_all_that_is_watched() {
    let redis = RedisServer::start();
    for name in ["mail", "other"] {
        queue(&redis, &format!("{{shop}}:{name}"));
    }
    let mut bullmq = BullMq::start(&redis, "{shop}");
    let relay = Relay::on(&redis, &["--bullmq-prefix", "{shop}", "--bullmq-queues", "mail,films"]);
    let (unnamed, plain) = (Relay::on(&redis, &["--bullmq-prefix", "{shop}"]), Relay::on(&redis, &[]));
    for queue in ["mail", "other"] {
        bullmq.add(queue, "one", json!({}));
    }
    until_status(&relay, "mail:one", "waiting");
    until_status(&unnamed, "other:one", "waiting");
    assert_eq!(plain.get("/bullmq/mail:one").0, 404, "it has another prefix");
    assert!(relay.stderr().contains("stream {shop}:mail:events {shop}:films:events"), "{}", relay.stderr());
}

//! Clients that go on where they were in the event stream of a queue.

use super::worker::START;
use super::{poll, queue};
use crate::support::{EventStream, PATIENCE, RedisServer, Relay, until};

const JOB: &str = "/ws/bullmq/q:a";

/// Appends an event of a job to a queue's stream; returns what it is to watchers.
fn append(redis: &RedisServer, queue: &str, event: &str, job: &str) -> String {
    let mut add = redis::cmd("XADD");
    add.arg(format!("bull:{queue}:events")).arg("*").arg(&["event", event, "jobId", job]);
    let _: String = add.query(&mut redis.connection()).unwrap();
    format!(r#"{{"event":"{event}","jobId":"{job}"}}"#)
}

#[track_caller]
fn expect_all(stream: &mut EventStream, events: &[String]) {
    for event in events {
        stream.expect(event);
    }
}

#[test]
fn a_client_goes_on_at_another_relay_and_at_one_that_was_started_anew() {
    let redis = RedisServer::start();
    for name in ["p", "q"] {
        queue(&redis, &format!("bull:{name}"));
    }
    let (first, second) = (Relay::on(&redis, &[]), Relay::on(&redis, &[]));
    let mut stream = first.stream(JOB);
    expect_all(&mut stream, &[append(&redis, "q", "added", "a"), append(&redis, "q", "waiting", "a")]);
    // Events of other jobs and other queues do not come.
    append(&redis, "q", "completed", "b");
    append(&redis, "p", "completed", "a");
    let missed = [append(&redis, "q", "active", "a"), append(&redis, "q", "stalled", "a")];
    let mut there = second.stream_after(JOB, &stream.last_id);
    expect_all(&mut there, &missed);
    first.kill();
    let missed = [append(&redis, "q", "waiting", "a"), append(&redis, "q", "completed", "a")];
    expect_all(&mut there, &missed);
    let first = Relay::on(&redis, &["--stream-history", "1ms"]);
    let mut back = first.stream_after(JOB, &stream.last_id);
    expect_all(
        &mut back,
        &[r#"{"event":"active","jobId":"a"}"#.to_owned(), r#"{"event":"stalled","jobId":"a"}"#.to_owned()],
    );
    expect_all(&mut back, &missed);
    // A retry by hand.
    expect_all(&mut back, &[append(&redis, "q", "waiting", "a")]);
}

#[test]
fn a_client_that_was_there_before_its_queue_goes_on_in_it() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut early = relay.stream(JOB);
    let place = early.next_id_alone();
    let all = [append(&redis, "q", "added", "a"), append(&redis, "q", "active", "a")];
    queue(&redis, "bull:q");
    until(2 * START, "the next look for queues", || poll(&relay, "q:a")["status"] == "active");
    expect_all(&mut early, &all);
    let mut back = relay.stream_after(JOB, &place);
    expect_all(&mut back, &all);
    let more = append(&redis, "q", "completed", "a");
    early.expect(&more);
    back.expect(&more);
    until(PATIENCE, "the ending", || poll(&relay, "q:a")["status"] == "completed");
}

//! State that is Celery's own: read from its key, never written, and never a reason to wait.

use redis::Commands;

use super::poll;
use crate::support::{PATIENCE, RedisServer, Relay, until};

fn payload(status: &str, result: &str) -> String {
    format!(
        r#"{{"status": "{status}", "result": {result}, "traceback": null, "children": [], "task_id": "t"}}"#
    )
}

/// Sets the task's key and publishes its state, as Celery does at each change of state.
fn store(redis: &RedisServer, id: &str, payload: &str) {
    let mut connection = redis.connection();
    let key = format!("celery-task-meta-{id}");
    redis::pipe()
        .atomic()
        .set(&key, payload)
        .ignore()
        .publish(&key, payload)
        .ignore()
        .exec(&mut connection)
        .unwrap();
}

#[test]
fn a_live_event_that_equals_a_state_just_read_is_not_repeated() {
    let redis = RedisServer::start();
    let first = payload("PROGRESS", r#"{"current":1,"total":4}"#);
    let second = payload("PROGRESS", r#"{"current":2,"total":4}"#);
    let _: () = redis.connection().set("celery-task-meta-t", &first).unwrap();
    let relay = Relay::on(&redis, &[]);
    let mut late = relay.connect("/ws/celery/t");
    late.expect(&first);
    redis.publish("celery-task-meta-t", &first);
    store(&redis, "t", &second);
    late.expect(&second);

    // One who was there before the state was read has not been sent it.
    let mut early = relay.connect("/ws/celery/u");
    until(PATIENCE, "the look-up", || relay.get("/celery/u").0 == 404);
    let _: () = redis.connection().set("celery-task-meta-u", &first).unwrap();
    until(PATIENCE, "the state", || poll(&relay, "u")["percent"] == 25);
    redis.publish("celery-task-meta-u", &first);
    early.expect(&first);
}

#[test]
fn a_state_that_cannot_be_read_keeps_no_event_from_its_watchers() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--max-payload", "64KiB"]);
    let mut connection = redis.connection();
    let _: () = connection.rpush("celery-task-meta-list", "x").unwrap();
    let _: () = connection.set("celery-task-meta-huge", "x".repeat(100_000)).unwrap();
    let _: () = connection.set("celery-task-meta-pickled", b"\x80\x04\x95").unwrap();
    let event = payload("PROGRESS", r#"{"percent":5}"#);
    for id in ["list", "huge", "pickled"] {
        assert_eq!(relay.get(&format!("/celery/{id}")).0, 404, "{id}");
        let mut socket = relay.connect(&format!("/ws/celery/{id}"));
        until(PATIENCE, "the event to reach the socket", || {
            redis.publish(&format!("celery-task-meta-{id}"), &event);
            socket.next(std::time::Duration::from_millis(200)).is_some()
        });
    }
    for said in ["WRONGTYPE", "larger than --max-payload", "not UTF-8", "result_serializer"] {
        until(PATIENCE, said, || relay.stderr().contains(said));
    }
}

#[test]
fn a_user_who_may_not_read_celery_s_keys_gets_its_events_all_the_same() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let rules = ["on", ">pw", "~jobwire:*", "&*", "+@all"];
    let _: () = redis::cmd("ACL").arg("SETUSER").arg("relay").arg(&rules).query(&mut connection).unwrap();
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let event = payload("PROGRESS", r#"{"percent":5}"#);
    let mut socket = relay.connect("/ws/celery/t");
    until(PATIENCE, "the refusal in the log", || relay.stderr().contains("NOPERM"));
    let health = relay.get("/health").1;
    assert!(health.contains("celery") && health.contains("NOPERM"), "{health}");
    store(&redis, "t", &event);
    socket.expect(&event);
    assert_eq!(relay.get("/celery/t").0, 200);

    let rules = ["resetkeys", "~*", "-@all", "+get", "+@connection", "+@pubsub"];
    let _: () = redis::cmd("ACL").arg("SETUSER").arg("relay").arg(&rules).query(&mut connection).unwrap();
    store(&redis, "u", &event);
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "a relay that may only GET", || poll(&relay, "u")["percent"] == 5);
}

#[test]
fn a_result_that_expired_is_unknown_and_a_retry_that_was_read_is_known() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    assert_eq!(relay.get("/celery/gone").0, 404);
    store(&redis, "r", &payload("RETRY", r#"{"exc_type":"ValueError","exc_message":["not yet"]}"#));
    let relay = Relay::on(&redis, &[]);
    let body = poll(&relay, "r");
    assert_eq!(
        (body["status"].as_str(), body["message"].as_str()),
        (Some("RETRY"), Some("ValueError: not yet"))
    );
}

#[test]
fn celery_publishes_and_nobody_else() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    for args in [
        &["publish", "celery/t", "PROGRESS"][..],
        &["publish", "celery/t", "PROGRESS", "--unchecked"],
        &["publish", "celery/t", "--stdin"],
        &["publish", "--scenario", "celery"],
    ] {
        let output = relay.jobwire(args);
        assert_eq!(output.code, 2, "{args:?}");
        assert!(output.stderr.contains("Celery publishes"), "{}", output.stderr);
    }
}

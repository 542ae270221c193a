//! The dialect `celery`, with the real Celery and with payloads as it writes them.

mod recording;
mod sentinel;
mod state;
mod worker;

use redis::Commands;
use serde_json::{Value, json};

use self::worker::Celery;
use crate::support::{PATIENCE, Process, RedisServer, Relay, until};

/// Waits until an attach ends: its exit code and what it printed on stdout.
fn ended(attach: Process) -> (i32, String) {
    let output = attach.finish(PATIENCE);
    (output.code, output.stdout)
}

/// Attaches to tasks, plain, and waits until every socket is open.
fn attach(relay: &Relay, ids: &[&str]) -> Process {
    let targets: Vec<String> = ids.iter().map(|id| format!("celery/{id}")).collect();
    let mut args = vec!["attach", "--progress", "plain"];
    args.extend(targets.iter().map(String::as_str));
    let open = relay.stats()["total_connections"].as_u64().unwrap();
    let attach = relay.spawn(&args);
    relay.until_connections(open + ids.len() as u64);
    attach
}

fn poll(relay: &Relay, id: &str) -> Value {
    relay.exchange("GET", &format!("/celery/{id}"), &[], b"").json()
}

fn until_status(relay: &Relay, id: &str, status: &str) {
    until(PATIENCE, status, || poll(relay, id)["status"] == status);
}

#[test]
fn a_task_is_watched_before_during_and_after_it_and_by_a_relay_that_was_restarted_meanwhile() {
    let redis = RedisServer::start();
    let mut celery = Celery::start(&redis, 0, "{}");
    let relay = Relay::on(&redis, &[]);
    let before = attach(&relay, &["t"]);
    assert_eq!(relay.get("/celery/t").0, 404, "nobody can tell whether it is pending");
    celery.steps("t");
    celery.step("t", r#"{"state":"PROGRESS","meta":{"current":1,"total":4,"status":"reading"}}"#);
    before.until_printed("25% reading");
    celery.step("t", r#"{"state":"ENCODING","meta":{"percent":"45%","stage":"first pass"}}"#);
    before.until_printed("45% first pass");
    let during = attach(&relay, &["t"]);
    during.until_printed("45% first pass");
    let address = relay.address().to_owned();
    relay.kill();
    let relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    assert_eq!(poll(&relay, "t")["percent"], 45, "read where Celery keeps it");
    relay.until_connections(2);
    celery.step("t", r#"{"return":"6 files"}"#);
    for attach in [before, during] {
        let (code, printed) = ended(attach);
        assert_eq!(code, 0, "{printed}");
        assert!(printed.ends_with("celery/t done 100% 6 files\n"), "{printed}");
    }
    let relay = Relay::on(&redis, &[]);
    let (code, printed) = ended(relay.spawn(&["attach", "celery/t", "--progress", "plain"]));
    assert_eq!(code, 0);
    assert!(printed.ends_with("celery/t done 100% 6 files\n"), "{printed}");
    let body = poll(&relay, "t");
    assert_eq!(
        (&body["task_id"], &body["status"], &body["percent"], &body["result"]),
        (&json!("t"), &json!("SUCCESS"), &json!(100), &json!("6 files"))
    );
    let keys: Vec<String> = redis.connection().keys("jobwire:*").unwrap();
    assert!(keys.is_empty(), "the state is Celery's: {keys:?}");
}

#[test]
fn tasks_fail_are_retried_and_revoked_and_their_attach_says_why() {
    let redis = RedisServer::start();
    let mut celery = Celery::start(&redis, 0, r#"{"task_track_started":true,"result_extended":true}"#);
    let relay = Relay::on(&redis, &[]);
    let (failing, retried, revoked) =
        (attach(&relay, &["failing"]), attach(&relay, &["retried"]), attach(&relay, &["revoked"]));
    celery.send("steps", "failing", r#"["secret"]"#, r#"{"kwargs":{"key":"secret"}}"#);
    let mut socket = relay.connect("/ws/celery/failing");
    celery.step("failing", r#"{"raise":[28,"No space left on device"]}"#);
    let (code, printed) = ended(failing);
    assert!(printed.contains("failed"), "{printed}");
    assert!(printed.contains("OSError: 28, No space left on device"), "{printed}");
    assert_eq!(code, 1);
    let ending = loop {
        let event: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        if event["status"] == "FAILURE" {
            break event;
        }
    };
    for hidden in ["traceback", "args", "kwargs"] {
        assert_eq!(ending.get(hidden), Some(&Value::Null), "{hidden} is for the operators of the worker");
    }
    let shown = Relay::on(&redis, &["--celery-traceback"]);
    let shown = shown.connect("/ws/celery/failing").next_text(PATIENCE);
    assert!(shown.contains("Traceback (most recent call last)") && shown.contains("secret"), "{shown}");
    assert_eq!(poll(&relay, "failing")["error"], "OSError: 28, No space left on device");

    celery.steps("retried");
    celery.step("retried", r#"{"retry":"not yet"}"#);
    retried.until_printed("ValueError: not yet");
    celery.step("retried", r#"{"return":3}"#);
    let (code, printed) = ended(retried);
    assert_eq!(code, 0);
    assert!(printed.ends_with("celery/retried done 100% 3\n"), "{printed}");

    celery.send("steps", "revoked", "[]", r#"{"countdown":3600}"#);
    celery.revoke("revoked");
    let (code, printed) = ended(revoked);
    assert_eq!(code, 1);
    assert!(printed.contains("cancelled") && printed.contains("TaskRevokedError: revoked"), "{printed}");

    // Celery runs the same id again.
    let again = relay.spawn(&["attach", "celery/failing", "--new", "--progress", "plain"]);
    relay.until_connections(2);
    celery.steps("failing");
    until_status(&relay, "failing", "STARTED");
    celery.step("failing", r#"{"return":null}"#);
    assert_eq!(ended(again).0, 0);
    assert_eq!(poll(&relay, "failing")["error"], Value::Null);
}

#[test]
fn a_prefix_a_group_and_a_task_without_a_result_are_what_celery_makes_of_them() {
    let redis = RedisServer::start();
    let settings = r#"{"result_backend_transport_options":{"global_keyprefix":"prod"}}"#;
    let mut celery = Celery::start(&redis, 0, settings);
    let relay = Relay::on(&redis, &["--celery-prefix", "prod"]);
    let plain = Relay::on(&redis, &[]);
    let watching = attach(&relay, &["a/b"]);
    celery.send("add", "a/b", "[1,2]", "{}");
    assert_eq!(ended(watching).0, 0);
    assert_eq!(poll(&relay, "a%2Fb")["task_id"], "a/b");
    celery.send("add", "sum", "[1,2]", "{}");
    until_status(&relay, "sum", "SUCCESS");
    assert_eq!(plain.get("/celery/sum").0, 404, "it has another prefix");
    celery.send("add", "silent", "[1,2]", r#"{"ignore_result":true}"#);
    celery.send("add", "last", "[1,2]", "{}");
    until_status(&relay, "last", "SUCCESS");
    assert_eq!(relay.get("/celery/silent").0, 404);
}

#[test]
fn the_log_names_the_database_and_the_serializer_that_keep_state_from_being_read() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut celery = Celery::start(&redis, 1, "{}");
    let watching = attach(&relay, &["t"]);
    celery.send("add", "t", "[1,2]", "{}");
    assert_eq!(ended(watching).0, 0, "live events cross databases");
    until(PATIENCE, "the database to be named", || {
        relay
            .stderr()
            .lines()
            .any(|line| line.contains("not in this database of Redis") && line.contains("database=0"))
    });
    let other = Relay::start(&["--redis", &format!("{}/1", redis.url())]);
    until(PATIENCE, "the relay to subscribe", || other.get("/ready").0 == 200);
    until_status(&other, "t", "SUCCESS");
    drop(celery);

    let mut celery = Celery::start(&redis, 0, r#"{"result_serializer":"pickle"}"#);
    for id in ["p", "q"] {
        celery.send("add", id, "[1,2]", "{}");
    }
    let dropped =
        || relay.stats()["dropped"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    until(PATIENCE, "both to be counted", || dropped() == 2);
    relay.until_said("result_serializer", 1);
}

//! Targets that belong to somebody, and tokens that come and go while they are watched.

use std::time::Duration;

use redis::Commands as _;
use serde_json::json;

use super::Watcher;
use crate::serve::scraping;
use crate::support::{RedisServer, Relay, SECRET, token, token_for};

fn registered(task: &str, user: &str) -> String {
    format!(r#"{{"type":"registered","task_id":"{task}","user_id":"{user}"}}"#)
}

fn progress(task: &str, step: u64) -> String {
    format!(r#"{{"type":"progress","task_id":"{task}","step":{step},"total_steps":5,"status":"s"}}"#)
}

fn failure(task: &str) -> String {
    format!(r#"{{"type":"error","task_id":"{task}","status":"FAILURE","error":"e","message":"m"}}"#)
}

fn publish(relay: &Relay, task: &str, payload: &str) {
    relay.publish_fast(&format!("task_updates:{task}"), payload);
}

#[test]
fn a_target_that_is_refused_leaves_the_others() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--unknown-grace", "300ms"]);
    publish(&relay, "hers", &registered("hers", "alice"));
    publish(&relay, "his", &registered("his", "bob"));
    let query = format!(
        "token={}&target=tasks/hers&target=tasks/his&target=tasks/nobody&target=scraping/1",
        token("alice")
    );
    let mut watcher = Watcher::open(&relay, &query);
    watcher.expect(&["error not_allowed tasks/his"]);
    // The list without the unknown task comes by itself, with a cursor.
    watcher.expect(&["error not_allowed tasks/nobody"]);
    let (targets, cursor) = watcher.watching();
    assert_eq!(targets, ["tasks/hers", "scraping/1"]);
    assert!(cursor.is_some());
    publish(&relay, "hers", &progress("hers", 1));
    publish(&relay, "his", &progress("his", 1));
    publish(&relay, "nobody", &progress("nobody", 1));
    relay.publish("scraping_events", &scraping(1, "job_started", "0", 0));
    watcher.expect(&["event tasks/hers progress 1", "event scraping/1 job_started 0"]);
    watcher.expect_silence();
}

#[test]
fn a_list_of_tasks_shows_those_of_the_subject_alone() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--ownerless", "allow"]);
    for (task, user) in [("a1", "alice"), ("b1", "bob")] {
        publish(&relay, task, &registered(task, user));
        publish(&relay, task, &progress(task, 1));
    }
    publish(&relay, "n1", &progress("n1", 1));
    let mut watcher = Watcher::open(&relay, &format!("token={}&target=tasks/*", token("alice")));
    assert_eq!(watcher.until_caught_up(), ["snapshot tasks/a1 progress 1"]);
    for (task, user) in [("a2", "alice"), ("b2", "bob")] {
        publish(&relay, task, &progress(task, 1));
        publish(&relay, task, &registered(task, user));
        publish(&relay, task, &progress(task, 2));
        publish(&relay, task, &failure(task));
    }
    publish(&relay, "b1", &failure("b1"));
    publish(&relay, "n1", &failure("n1"));
    watcher.expect(&[
        "snapshot tasks/a2 progress 1",
        "event tasks/a2 progress 2",
        "event tasks/a2 error",
        "ended tasks/a2 failed",
    ]);
    watcher.expect_silence();
    // Likewise what is kept.
    let mut back = Watcher::open(&relay, &format!("token={}&target=tasks/*&since=0", token("alice")));
    let seen = back.until_caught_up();
    assert!(!seen.is_empty() && seen.iter().all(|text| text.contains(" tasks/a")), "{seen:?}");
    assert!(!seen.iter().any(|text| text.contains("registered")), "{seen:?}");
    let refused = Watcher::open(&relay, "target=tasks/*").next();
    assert_eq!((&refused["code"], &refused["target"]), (&"not_allowed".into(), &"tasks/*".into()));
}

#[test]
fn a_task_that_is_read_back_reaches_the_list_of_its_owner_alone() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET]);
    let mut connection = redis.connection();
    for (task, user) in [("a", "alice"), ("b", "bob")] {
        let fields = [("owner", user), ("state", &progress(task, 3)), ("updated", "1")];
        let _: () = connection.hset_multiple(format!("jobwire:tasks:{task}"), &fields).unwrap();
    }
    let mut hers = Watcher::open(&relay, &format!("token={}&target=tasks/*", token("alice")));
    let mut his = Watcher::open(&relay, &format!("token={}&target=tasks/*", token("bob")));
    hers.until_caught_up();
    his.until_caught_up();
    for (task, user) in [("b", "bob"), ("a", "alice")] {
        let path = format!("/task/{task}?token={}", token(user));
        assert_eq!(relay.exchange("GET", &path, &[], b"").status, 200);
    }
    hers.expect(&["snapshot tasks/a progress 3"]);
    his.expect(&["snapshot tasks/b progress 3"]);
    hers.expect_silence();
    his.expect_silence();
    // Known to the relay before anybody said whose it is, and by the hash alone.
    redis.publish("task_updates:c", progress("c", 1));
    relay.until_events(1);
    let _: () = connection.hset("jobwire:tasks:c", "owner", "alice").unwrap();
    let mut named = Watcher::open(&relay, &format!("token={}&target=tasks/c", token("alice")));
    named.expect(&["snapshot tasks/c progress 1"]);
    hers.expect(&["snapshot tasks/c progress 1"]);
    hers.expect_silence();
    his.expect_silence();
}

#[test]
fn a_token_can_be_refreshed_replaced_and_be_bad() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--auth", "downloads=token"]);
    publish(&relay, "t", &registered("t", "alice"));
    let mut watcher = Watcher::open(&relay, "target=scraping/1");
    watcher.until_caught_up();
    watcher.say(&json!({"type": "token", "token": "nonsense"}));
    let error = watcher.news();
    assert_eq!((&error["code"], error.get("target")), (&"not_allowed".into(), None));
    watcher.say(&json!({"type": "watch", "targets": ["tasks/t"]}));
    watcher.expect(&["error not_allowed tasks/t"]);
    watcher.say(&json!({"type": "token", "token": token_for("alice", Duration::from_secs(2))}));
    watcher.say(&json!({"type": "watch", "targets": ["tasks/t", "downloads/d"]}));
    watcher.until_caught_up();
    // Refreshed in time, it outlives the first one.
    watcher.say(&json!({"type": "token", "token": token("alice")}));
    watcher.expect_silence();
    std::thread::sleep(Duration::from_millis(2_500));
    watcher.expect_silence();
    publish(&relay, "t", &progress("t", 1));
    watcher.expect(&["event tasks/t progress 1"]);
    // Another subject's: what is alice's goes, what needs any token stays.
    watcher.say(&json!({"type": "token", "token": token("bob")}));
    watcher.expect(&["error not_allowed tasks/t"]);
    assert_eq!(watcher.watching().0, ["scraping/1", "downloads/d"]);
    publish(&relay, "t", &progress("t", 2));
    watcher.expect_silence();
}

#[test]
fn when_the_token_expires_what_needs_it_ends_and_at_last_the_socket() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    publish(&relay, "t", &registered("t", "alice"));
    let short = || token_for("alice", Duration::from_millis(1_500));
    let mut mixed = Watcher::open(&relay, &format!("target=scraping/1&target=tasks/t&token={}", short()));
    let mut alone = Watcher::open(&relay, &format!("target=tasks/t&token={}", short()));
    mixed.until_caught_up();
    alone.until_caught_up();
    mixed.expect(&["error not_allowed tasks/t"]);
    assert_eq!(mixed.watching().0, ["scraping/1"]);
    alone.expect(&["error not_allowed tasks/t"]);
    assert_eq!(alone.close_code(), 4001);
    publish(&relay, "t", &progress("t", 2));
    mixed.expect_silence();
    mixed.say(&json!({"type": "watch", "targets": ["tasks/t"]}));
    mixed.expect(&["error not_allowed tasks/t"]);
    mixed.say(&json!({"type": "token", "token": token("alice")}));
    mixed.say(&json!({"type": "watch", "targets": ["tasks/t"]}));
    mixed.expect(&["snapshot tasks/t progress 2"]);
}

#[test]
fn the_token_may_come_among_the_subprotocols() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    publish(&relay, "t", &registered("t", "alice"));
    publish(&relay, "t", &progress("t", 1));
    let token = token("alice");
    for (offer, chosen) in [
        (format!("jobwire.json, jobwire.token.{token}"), "jobwire.json".to_owned()),
        (format!("jobwire.token.{token}"), format!("jobwire.token.{token}")),
        (format!("chat, jobwire.token.{token}"), "chat".to_owned()),
    ] {
        for path in ["/watch?target=tasks/t", "/ws/t"] {
            let url = relay.ws(path);
            let (mut socket, answer) =
                crate::support::WebSocket::with_answer(&url, &[("sec-websocket-protocol", &offer)]);
            assert_eq!(answer.as_deref(), Some(&*chosen));
            socket.expect_text_containing(r#""step":1"#);
        }
    }
}

//! Which of several endings of a job counts: the newest that the server knew of when it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{attach, untimed};
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{PATIENCE, RedisServer, Relay, jobwire, until};

const STEP: &str = r#"{"type":"progress","task_id":"r3","step":2,"total_steps":5,"status":"Working"}"#;
const ERROR: &str = r#"{"type":"error","task_id":"r3","error":"HTTP 403"}"#;
const DONE: &str = r#"{"type":"completion","task_id":"r3","recipe_name":"Carbonara"}"#;

#[test]
fn a_late_joiner_ends_as_polling_says_in_whatever_order_the_endings_came() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url(), "--no-auth"]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    for (job, events, state, code) in [
        ("a", &[STEP, ERROR, STEP, DONE][..], "SUCCESS", 0),
        ("b", &[ERROR, DONE], "SUCCESS", 0),
        ("c", &[STEP, DONE, STEP, ERROR], "FAILURE", 1),
        ("d", &[STEP, DONE, STEP], "SUCCESS", 0),
        ("e", &[ERROR, STEP], "FAILURE", 1),
    ] {
        for event in events {
            redis.publish(&format!("task_updates:{job}"), event.replace("r3", job));
        }
        let path = format!("/task/{job}");
        until(PATIENCE, "the newest ending", || relay.get(&path).1.contains(state));
        let output = relay.jobwire(&["attach", &format!("tasks/{job}")]);
        assert_eq!((output.code, output.stderr.as_str()), (code, ""), "{job}: {}", output.stdout);
        let last = untimed(&output.stdout).pop().unwrap();
        let said = if code == 0 { "done 100%" } else { "failed" };
        assert!(last.starts_with(&format!("tasks/{job} {said}")), "{}", output.stdout);
    }
}

#[test]
fn who_watches_live_ends_with_the_first() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url(), "--no-auth"]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let watching = attach(&relay, &["tasks/r3"]);
    redis.publish("task_updates:r3", STEP);
    watching.until_printed("step 2 of 5");
    redis.publish("task_updates:r3", ERROR);
    let output = watching.finish(PATIENCE);
    assert_eq!(output.code, 1, "{}", output.stdout);
}

#[test]
fn a_replay_that_is_cut_off_is_no_result() {
    let connections = AtomicUsize::new(0);
    let server = Server::start(move |stream, path| {
        if path.starts_with("/task/") {
            return answer(stream, &http("404 Not Found", ""));
        }
        let first = connections.fetch_add(1, Ordering::Relaxed) == 0;
        let mut socket = Socket::accept(stream);
        if first {
            // And gone, in the middle of what it had to tell.
            socket.send(&[STEP, ERROR]);
        } else {
            socket.send(&[DONE]);
            socket.until_closed();
        }
    });
    let output = jobwire(&["attach", &server.ws("/ws/r3"), "--dialect", "tasks"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn a_server_that_answers_no_ping_is_waited_for_and_not_for_ever() {
    let (finished, finish) = std::sync::mpsc::channel::<()>();
    let finish = std::sync::Mutex::new(finish);
    let server = Server::start(move |stream, _| {
        let raw = stream.try_clone().unwrap();
        let mut socket = Socket::accept(stream);
        socket.send(&[STEP, ERROR, DONE]);
        // The server reads nothing, so it answers no ping. It keeps the connection open until the client has exited.
        let _ = finish.lock().unwrap().recv_timeout(PATIENCE);
        drop(raw);
    });
    let output = jobwire(&["attach", &server.ws("/ws/r3"), "--dialect", "tasks"]);
    drop(finished);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

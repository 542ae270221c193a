//! Tests of `--simulate`: an app uses the simulated backend, with the logic of a real app.

use serde_json::{Value, json};

use super::echo::{Shown, parse};
use super::{NOT_THE_OWNER, bearer, expect_refusal, relay};
use crate::support::{
    Answer, PATIENCE, RedisServer, Relay, SECRET, WebSocket, command, jobwire, signed, token,
};
use crate::support::{Process, unix_now, until};

const VIDEO: &str = "https://www.tiktok.com/@chef/video/7311";

/// A relay that simulates tasks of at most one second.
fn simulating(args: &[&str]) -> Relay {
    relay(&[&["--simulate", "--simulate-duration", "1s"], args].concat())
}

/// Orders a task as the app does.
fn order(relay: &Relay, token: &str, body: &[u8]) -> Answer {
    let (name, value) = bearer(token);
    let headers = [(name, value.as_str()), ("Content-Type", "application/json")];
    relay.exchange("POST", "/scrape/async", &headers, body)
}

/// Logic of the app: orders a task, watches or polls it, and collects what the app shows until the task has ended.
struct App<'a> {
    relay: &'a Relay,
    token: String,
    task: String,
}

impl<'a> App<'a> {
    /// Orders a task. Panics unless the answer is a success with a text `task_id`, as the app would fail.
    fn start(relay: &'a Relay, user: &str, url: &str) -> Self {
        let token = token(user);
        let answer = order(relay, &token, json!({"url": url, "language": "en"}).to_string().as_bytes());
        assert!((200..300).contains(&answer.status), "{answer:?}");
        let task = answer.json()["task_id"].as_str().unwrap().to_owned();
        Self { relay, token, task }
    }

    fn socket(&self) -> WebSocket {
        self.relay.connect(&format!("/ws/{}?token={}", self.task, self.token))
    }

    /// Collects what the app shows from the socket, up to the end of the task.
    fn watch(&self) -> Vec<Shown> {
        let mut socket = self.socket();
        let mut shown = Vec::new();
        while !shown.last().is_some_and(is_complete) {
            shown.extend(parse(&socket.next_text(PATIENCE)));
        }
        shown
    }

    /// Polls as the app does while its socket is down. Repeats a poll after an error.
    fn poll(&self) -> Vec<Shown> {
        let mut shown: Vec<Shown> = Vec::new();
        until(PATIENCE, "the task to end", || {
            let (name, value) = bearer(&self.token);
            let answer = self.relay.exchange("GET", &format!("/task/{}", self.task), &[(name, &value)], b"");
            assert_eq!(answer.status, 200, "a task that was just started can be polled: {answer:?}");
            let now = parse(&answer.body).unwrap();
            if shown.last() != Some(&now) {
                shown.push(now);
            }
            shown.last().is_some_and(is_complete)
        });
        shown
    }
}

const fn is_complete(shown: &Shown) -> bool {
    matches!(shown, Shown::Done { .. } | Shown::Failed(_))
}

/// Steps that were shown, without duplicates.
fn steps(shown: &[Shown]) -> Vec<u64> {
    let mut steps: Vec<u64> = shown
        .iter()
        .filter_map(|shown| match shown {
            Shown::Step { step, of: 5, .. } => Some(*step),
            _ => None,
        })
        .collect();
    steps.dedup();
    steps
}

#[track_caller]
fn assert_done(shown: Option<&Shown>) {
    let Some(Shown::Done { text, recipe: Some(recipe), name: Some(name) }) = shown else {
        panic!("{shown:?}")
    };
    assert_eq!(text, "Recipe successfully processed and saved");
    assert!(!recipe.is_empty() && !name.is_empty());
}

#[test]
fn an_app_follows_a_task_from_start_to_result_on_its_socket() {
    let relay = simulating(&["--echo-polling"]);
    let app = App::start(&relay, "alice", VIDEO);
    let shown = app.watch();
    assert_eq!(steps(&shown), [1, 2, 3, 4, 5]);
    assert_done(shown.last());
    assert_eq!(app.poll().last(), shown.last(), "the result stays");
}

#[test]
fn an_app_gets_the_result_without_the_echo_and_by_polling() {
    let relay = simulating(&[]);
    assert_done(App::start(&relay, "alice", VIDEO).watch().last());
    let polled = App::start(&relay, "alice", VIDEO).poll();
    assert_eq!(polled[0], Shown::Waiting("Task is waiting to be processed".to_owned()));
    assert!(!steps(&polled).is_empty(), "{polled:?}");
    assert_done(polled.last());
}

#[test]
fn a_url_that_says_so_fails_the_same_way_each_time() {
    let relay = simulating(&[]);
    let url = format!("{VIDEO}?mode=fail");
    let ends: Vec<Shown> = (0..2).map(|_| App::start(&relay, "alice", &url).watch().pop().unwrap()).collect();
    assert!(matches!(&ends[0], Shown::Failed(Some(error)) if !error.is_empty()), "{ends:?}");
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn a_task_belongs_to_whoever_ordered_it() {
    let relay = simulating(&[]);
    let app = App::start(&relay, "alice", VIDEO);
    let eve = App { token: token("eve"), task: app.task.clone(), relay: &relay };
    expect_refusal(&mut eve.socket(), NOT_THE_OWNER);
    let (name, value) = bearer(&eve.token);
    let polled = relay.exchange("GET", &format!("/task/{}", app.task), &[(name, &value)], b"");
    assert_eq!(polled.refusal(), (403, "not_the_owner".to_owned()));
    assert_done(app.watch().last());
}

#[test]
fn a_body_that_is_no_order_is_refused_in_json() {
    let relay = simulating(&[]);
    let token = token("alice");
    let big = format!(r#"{{"url":"{VIDEO}","language":"en","x":"{}"}}"#, "x".repeat(2 << 20));
    for (body, status, code) in [
        ("", 400, "empty"),
        ("{", 400, "bad_json"),
        ("url=https://a.example&language=en", 400, "bad_json"),
        ("[]", 422, "bad_field"),
        ("{}", 422, "bad_field"),
        (r#"{"url":"https://a.example/v"}"#, 422, "bad_field"),
        (r#"{"language":"en"}"#, 422, "bad_field"),
        (r#"{"url":7,"language":"en"}"#, 422, "bad_field"),
        (r#"{"url":"no url","language":"en"}"#, 422, "bad_field"),
        (r#"{"url":"https://a.example/v","language":null}"#, 422, "bad_field"),
        (big.as_str(), 413, "too_big"),
    ] {
        let answer = order(&relay, &token, body.as_bytes());
        assert_eq!(answer.refusal(), (status, code.to_owned()), "{body:.60}");
    }
    let bytes = order(&relay, &token, b"{\"url\":\"\xff\"}");
    assert_eq!(bytes.refusal(), (400, "bad_json".to_owned()));
}

#[test]
fn an_order_needs_a_good_token_that_covers_the_tasks() {
    let relay = simulating(&[]);
    let body = json!({"url": VIDEO, "language": "en"}).to_string();
    let claims = |watch: Value| json!({"sub": "alice", "exp": unix_now() + 60.0, "watch": watch});
    let by = |token: &str| order(&relay, token, body.as_bytes());
    for bad in ["garbage", &signed("HS256", &claims(json!(["tasks/*"])), "another")] {
        assert_eq!(by(bad).refusal(), (401, "unauthorized".to_owned()));
    }
    let elsewhere = signed("HS256", &claims(json!(["celery/*", "tasks/1"])), SECRET);
    assert_eq!(by(&elsewhere).refusal(), (403, "not_allowed".to_owned()));
    assert_eq!(by(&signed("HS256", &claims(json!(["tasks/*"])), SECRET)).status, 200);
    let none = relay.exchange("POST", "/scrape/async", &[], body.as_bytes());
    assert_eq!(none.refusal(), (401, "unauthorized".to_owned()));
    assert_eq!(relay.get("/scrape/async").0, 405);
    let (name, value) = bearer(&token("alice"));
    let page = [(name, value.as_str()), ("Origin", "https://elsewhere.example")];
    let answer = relay.exchange("POST", "/scrape/async", &page, body.as_bytes());
    assert_eq!(answer.refusal(), (403, "origin_not_allowed".to_owned()));
}

#[test]
fn without_tokens_the_tasks_are_one_user_s_and_without_a_secret_a_start_says_so() {
    let body = json!({"url": VIDEO, "language": "en"}).to_string();
    let open = Relay::start(&["--simulate", "--simulate-duration", "1s", "--no-auth"]);
    let answer = open.exchange("POST", "/scrape/async", &[], body.as_bytes());
    let task = answer.json()["task_id"].as_str().unwrap().to_owned();
    let output = open.jobwire(&["attach", &format!("tasks/{task}"), "--timeout", "15s"]);
    assert_eq!(output.code, 0, "{}", output.stderr);

    let closed = Relay::start(&["--simulate"]);
    closed.until_said("which refuses everybody", 1);
    let answer = closed.exchange("POST", "/scrape/async", &[], body.as_bytes());
    assert_eq!(answer.refusal(), (401, "unauthorized".to_owned()));
}

#[test]
fn only_a_relay_on_the_embedded_broker_simulates() {
    let plain = relay(&[]);
    assert_eq!(order(&plain, &token("alice"), b"{}").refusal(), (404, "not_found".to_owned()));
    let redis = RedisServer::start();
    let output = jobwire(&["serve", "--simulate", "--redis", &redis.url()]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("REDIS_URL empty"), "{}", output.stderr);
    let mut by_variable = command(&["serve", "--simulate"]);
    let output = Process::spawn(by_variable.env("REDIS_URL", redis.url())).finish(PATIENCE);
    assert_eq!(output.code, 2, "{}", output.stderr);
}

//! The two clients that exist: one goes by `type`, the other reads the same fields as in a polling body.

use serde_json::{Value, json};

use super::{bearer, completion, failure, progress, publish, registered, relay, socket_of};
use crate::support::{PATIENCE, Relay, WebSocket, token};

/// What the second client makes of a message, from a socket and from polling alike.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Waiting(String),
    Step { step: u64, of: u64, text: String, details: Option<String> },
    Done { text: String, recipe: Option<String>, name: Option<String> },
    Failed(Option<String>),
}

/// Reads a message as the second client does: by `status` alone, `None` where it knows no such status. Panics where that
/// client would throw.
pub(super) fn parse(message: &str) -> Option<Shown> {
    let data: Value = serde_json::from_str(message).unwrap();
    let text = |name: &str| match &data[name] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => panic!("{name} is no text: {other}"),
    };
    let number = |name: &str, default| match &data[name] {
        Value::Null => default,
        value => value.as_u64().unwrap_or_else(|| panic!("{name} is no whole number: {value}")),
    };
    match text("status")?.as_str() {
        "PENDING" => Some(Shown::Waiting(text("message").unwrap_or("waiting".to_owned()))),
        "PROGRESS" => Some(Shown::Step {
            step: number("step", 0),
            of: number("total_steps", 5),
            text: text("current_status").or_else(|| text("status")).unwrap(),
            details: text("details"),
        }),
        "SUCCESS" => Some(Shown::Done {
            text: text("message").unwrap_or("done".to_owned()),
            recipe: text("recipe_id"),
            name: text("recipe_name"),
        }),
        "FAILURE" => Some(Shown::Failed((!data["error"].is_null()).then(|| match &data["error"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }))),
        _ => None,
    }
}

fn step(step: u64) -> Shown {
    Shown::Step {
        step,
        of: 5,
        text: "Processing with AI...".to_owned(),
        details: Some("Using OpenAI to analyze frames and text".to_owned()),
    }
}

fn done() -> Shown {
    Shown::Done {
        text: "Recipe successfully processed and saved".to_owned(),
        recipe: Some("r-1".to_owned()),
        name: Some("Creamy Pasta Carbonara".to_owned()),
    }
}

/// What the first client does with a message: the handler that it calls with the message's fields, `None` where it has
/// none for its type.
fn handle(message: &str) -> Option<(String, Value)> {
    let data: Value = serde_json::from_str(message).unwrap();
    let fields: &[&str] = match data["type"].as_str()? {
        "progress" => &["step", "total_steps", "status", "details"],
        "completion" => &["recipe_id", "recipe_name", "message"],
        "error" => &["error", "message"],
        _ => return None,
    };
    let arguments: Vec<&Value> = fields.iter().map(|field| &data[*field]).collect();
    Some((data["type"].as_str().unwrap().to_owned(), json!(arguments)))
}

/// Publishes a run and gives every frame that a socket of its owner gets, which was there before it began.
fn run(relay: &Relay, socket: &mut WebSocket, ending: &str, frames: usize) -> Vec<String> {
    for event in [progress("t1", 1).as_str(), &progress("t1", 2), ending] {
        assert_eq!(publish(relay, "t1", event), 1);
    }
    let frames = (0..frames).map(|_| socket.next_text(PATIENCE)).collect();
    socket.expect_silence();
    frames
}

#[test]
fn who_goes_by_status_follows_a_task_only_with_the_echo() {
    let echoing = relay(&["--echo-polling"]);
    publish(&echoing, "t1", &registered("t1", "alice"));
    let mut socket = echoing.connect(&socket_of("t1", "alice"));
    let waiting = Shown::Waiting("Task is waiting to be processed".to_owned());
    assert_eq!(parse(&socket.next_text(PATIENCE)), Some(waiting));
    let frames = run(&echoing, &mut socket, &completion("t1"), 6);
    let shown: Vec<_> = frames.iter().map(|frame| parse(frame)).collect();
    // The completion itself is already in its words, and comes twice; it has hung up by then.
    assert_eq!(shown, [None, Some(step(1)), None, Some(step(2)), Some(done()), Some(done())]);

    let plain = relay(&[]);
    publish(&plain, "t1", &registered("t1", "alice"));
    let mut socket = plain.connect(&socket_of("t1", "alice"));
    let shown: Vec<_> =
        run(&plain, &mut socket, &failure("t1"), 3).iter().map(|frame| parse(frame)).collect();
    assert_eq!(shown, [None, None, Some(Shown::Failed(Some("TikTok scraping failed".to_owned())))]);
}

#[test]
fn who_goes_by_type_sees_the_same_with_and_without_the_echo() {
    let seen = |args: &[&str], frames| {
        let relay = relay(args);
        publish(&relay, "t1", &registered("t1", "alice"));
        let mut socket = relay.connect(&socket_of("t1", "alice"));
        if !args.is_empty() {
            assert_eq!(handle(&socket.next_text(PATIENCE)), None);
        }
        let frames = run(&relay, &mut socket, &failure("t1"), frames);
        frames.iter().filter_map(|frame| handle(frame)).collect::<Vec<_>>()
    };
    let plain = seen(&[], 3);
    assert_eq!(plain.len(), 3);
    assert_eq!(plain[2], ("error".to_owned(), json!(["TikTok scraping failed", "Unable to process video"])));
    assert_eq!(seen(&["--echo-polling"], 6), plain);
}

#[test]
fn the_echo_is_the_polling_body_and_follows_the_state_of_a_late_joiner_too() {
    let relay = relay(&["--echo-polling"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    publish(&relay, "t1", &progress("t1", 3));
    let (name, value) = bearer(&token("alice"));
    let polled = || relay.exchange("GET", "/task/t1", &[(name, &value)], b"").body;
    let mut late = relay.connect(&socket_of("t1", "alice"));
    late.expect(&progress("t1", 3));
    late.expect(&polled());
    publish(&relay, "t1", &progress("t1", 4));
    late.expect(&progress("t1", 4));
    late.expect(&polled());
    late.expect_silence();
}

#[test]
fn the_echo_is_for_tasks_alone() {
    let relay = relay(&["--echo-polling"]);
    let mut socket = relay.connect("/ws/scraping/1");
    socket.expect_silence();
    let event = super::super::scraping(1, "job_progress", "5", 1);
    relay.publish("scraping_events", &event);
    socket.expect(&event);
    socket.expect_silence();
}

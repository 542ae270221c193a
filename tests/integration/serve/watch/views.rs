//! Views beside events: `view=1`.

use serde_json::{Value, json};

use super::Watcher;
use crate::serve::scraping;
use crate::support::{EventStream, Relay};

const EVENTS: &str = "scraping_events";

/// The messages of events and states, up to so many.
fn events(watcher: &mut Watcher, count: usize) -> Vec<Value> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let next = watcher.next();
        if next["type"] == "event" {
            seen.push(next);
        }
    }
    seen
}

fn members(message: &Value) -> Vec<&str> {
    message.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn events_and_states_come_with_what_they_say_where_it_is_asked_for() {
    let relay = Relay::start(&[]);
    relay.publish("job_updates:a", r#"{"job":"a","event":"started"}"#);
    relay.publish("job_updates:a", r#"{"job":"a","event":"progress","percent":5,"message":"one"}"#);
    let mut watcher = Watcher::open(&relay, "target=jobs/*&view=1");
    let state = events(&mut watcher, 1).remove(0);
    assert_eq!(members(&state), ["type", "target", "snapshot", "view", "event"]);
    let view = json!({"kind":"progress","state":"running","percent":5.0,"message":"one"});
    assert_eq!(state["view"], view);
    relay.publish("job_updates:a", r#"{"job":"a","event":"part_done","part":"x"}"#);
    relay.publish("job_updates:a", r#"{"job":"a","event":"failed","error":"disk full"}"#);
    let seen = events(&mut watcher, 2);
    assert_eq!(members(&seen[0]), ["type", "target", "cursor", "view", "event"]);
    assert_eq!(seen[0]["view"]["part"], json!({"name":"x","state":"succeeded"}));
    assert_eq!(seen[1]["view"], json!({"kind":"failed","state":"failed","error":"disk full"}));
    // A target of a message, from the beginning.
    watcher.say(&json!({"type":"unwatch","targets":["jobs/*"]}));
    watcher.say(&json!({"type":"watch","targets":["jobs/a"],"since":"0"}));
    let kinds: Vec<Value> =
        events(&mut watcher, 4).iter().map(|event| event["view"]["kind"].clone()).collect();
    assert_eq!(kinds, ["started", "progress", "part_done", "failed"]);
    // A client that does not ask gets no view.
    let mut plain = Watcher::open(&relay, "target=jobs/a&view=0");
    assert_eq!(members(&events(&mut plain, 1)[0]), ["type", "target", "snapshot", "event"]);
}

#[test]
fn an_event_stream_has_them_too() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &scraping(1, "job_progress", "5", 3));
    let mut stream = EventStream::open(relay.address(), "/watch?target=scraping/1&view=1", &[]);
    let message: Value = serde_json::from_str(&stream.next_data()).unwrap();
    assert_eq!(message["view"]["percent"], 5.0, "{message}");
    assert_eq!(message["view"]["kind"], "job_progress");
}

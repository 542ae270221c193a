//! `/watch`: any targets on one socket, or on one event stream.

mod cuts;
mod lists;
mod messages;
mod owners;
mod together;
mod views;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{PATIENCE, Relay, WebSocket};

/// A client of `/watch`.
struct Watcher(WebSocket);

impl Watcher {
    /// Opens a socket with a query, such as `target=scraping/1`.
    fn open(relay: &Relay, query: &str) -> Self {
        Self(relay.connect(&format!("/watch?{query}")))
    }

    /// The next message, as it came.
    #[track_caller]
    fn text(&mut self) -> String {
        self.0.next_text(PATIENCE)
    }

    /// The next message.
    #[track_caller]
    fn next(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next message but those that only move the cursor.
    #[track_caller]
    fn news(&mut self) -> Value {
        loop {
            let next = self.next();
            if next["type"] != "cursor" {
                return next;
            }
        }
    }

    fn say(&mut self, message: &Value) {
        self.0.send(&message.to_string());
    }

    /// Waits until all targets are caught up; all messages up to then, in short.
    #[track_caller]
    fn until_caught_up(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let next = self.next();
            if next["type"] == "watching" && next["cursor"].is_string() {
                return seen;
            }
            if next["type"] != "cursor" && next["type"] != "watching" {
                seen.push(short(&next));
            }
        }
    }

    /// The next messages that are neither lists of targets nor cursors, in short.
    #[track_caller]
    fn expect(&mut self, wanted: &[&str]) {
        let mut seen = Vec::new();
        while seen.len() < wanted.len() {
            let next = self.next();
            if next["type"] != "cursor" && next["type"] != "watching" {
                seen.push(short(&next));
            }
        }
        assert_eq!(seen, wanted);
    }

    /// Asks for a sign of life, which must be the next message but lists of targets and cursors.
    #[track_caller]
    fn expect_silence(&mut self) {
        self.say(&json!({"type": "ping"}));
        self.expect(&["pong"]);
    }

    /// The next list of targets.
    #[track_caller]
    fn watching(&mut self) -> (Vec<String>, Option<String>) {
        let next = self.news();
        assert_eq!(next["type"], "watching", "{next}");
        let targets = next["targets"].as_array().unwrap().iter();
        let targets = targets.map(|target| target.as_str().unwrap().to_owned()).collect();
        (targets, next["cursor"].as_str().map(str::to_owned))
    }

    #[track_caller]
    fn close_code(&mut self) -> u16 {
        loop {
            match self.0.next(PATIENCE) {
                Some(Message::Close(frame)) => return frame.unwrap().code.into(),
                Some(_) => {}
                None => panic!("the relay did not close"),
            }
        }
    }
}

/// A message in a few words: `event scraping/1 job_progress 5`, `snapshot …`, `ended scraping/1 failed`, `error limit …`.
fn short(message: &Value) -> String {
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let words = match &*text("type") {
        "event" => {
            let event = &message["event"];
            let data = event.get("data").unwrap_or(event);
            let kind = ["event_type", "type", "status"].iter().find_map(|name| data[name].as_str());
            let count =
                ["results_count", "step", "progress", "n"].iter().find_map(|name| data[name].as_u64());
            let count = count.map(|count| count.to_string()).unwrap_or_default();
            let what = if message["snapshot"] == true { "snapshot" } else { "event" };
            vec![what.to_owned(), text("target"), kind.unwrap_or_default().to_owned(), count]
        }
        "ended" => vec!["ended".to_owned(), text("target"), text("outcome")],
        "gap" => vec!["gap".to_owned(), text("reason"), text("target")],
        "error" => vec!["error".to_owned(), text("code"), text("target")],
        other => vec![other.to_owned()],
    };
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

//! The contract of the outreach platform on the wire.

mod commands;
mod events;
mod floods;
mod routes;
mod signs;

use serde_json::{Value, json};

use crate::support::{PATIENCE, Relay, WebSocket};

/// A client that reads JSON and heeds no heartbeats.
struct Client(WebSocket);

impl Client {
    /// Connects to a path and takes the connection message, behind which its subscriptions hold.
    fn connect(relay: &Relay, path: &str) -> Self {
        let mut client = Self(relay.connect(path));
        let hello = client.next();
        assert_eq!((&hello["type"], &hello["status"]), (&"connection".into(), &"connected".into()), "{path}");
        client
    }

    /// The next message but heartbeats.
    fn next(&mut self) -> Value {
        serde_json::from_str(&self.next_text()).unwrap()
    }

    fn next_text(&mut self) -> String {
        self.0.next_text(PATIENCE)
    }

    /// Sends a command and takes the next message for its answer.
    fn ask(&mut self, command: &Value) -> Value {
        self.say(&command.to_string())
    }

    /// The same for any text.
    fn say(&mut self, text: &str) -> Value {
        self.0.send(text);
        self.next()
    }

    /// Sends a command that must succeed.
    fn subscribed(&mut self, command: &Value, channels: &[&str], rooms: &[&str]) {
        let wanted = json!({ "type": "subscribed", "channels": channels, "rooms": rooms });
        assert_eq!(self.ask(command), wanted, "{command}");
    }

    /// The code of the error that a text gets; its message must say something.
    fn refusal(&mut self, text: &str) -> String {
        refusal(&self.say(text))
    }

    /// The next message, which must be this text.
    fn expect(&mut self, text: &str) {
        assert_eq!(self.next_text(), text);
    }

    /// Asks for a sign of life, which must be the next message: nothing else has been sent.
    fn expect_silence(&mut self) {
        assert_eq!(self.say("ping"), json!({ "type": "pong" }));
    }
}

/// The code of an error, which must have a message on one line.
fn refusal(answer: &Value) -> String {
    let keys: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["type", "code", "message"], "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!((10..400).contains(&message.len()) && !message.contains(char::is_control), "{answer}");
    answer["code"].as_str().unwrap().to_owned()
}

/// An event with the id of a campaign.
fn campaign(kind: &str, id: u64) -> String {
    format!(r#"{{"type":"campaign:{kind}", "campaign_id":{id},"timestamp":"2025-11-21T10:30:00Z"}}"#)
}

fn subscribe(channels: &[&str]) -> Value {
    json!({ "type": "subscribe", "channels": channels })
}

fn unsubscribe(channels: &[&str]) -> Value {
    json!({ "type": "unsubscribe", "channels": channels })
}

fn join(room: &str) -> Value {
    json!({ "type": "join_room", "room": room })
}

fn leave(room: &str) -> Value {
    json!({ "type": "leave_room", "room": room })
}

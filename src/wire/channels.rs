//! The messages of a client of channels and rooms, both ways, as JSON texts.

use serde::{Deserialize, Serialize};

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientMessage {
    /// Get the events of these channels as well.
    Subscribe {
        /// Channels by their names.
        channels: Vec<String>,
    },
    /// Get the events of these channels no more.
    Unsubscribe {
        /// Channels by their names.
        channels: Vec<String>,
    },
    /// Get the events of a room as well.
    JoinRoom {
        /// The room, as in `campaign:123`.
        room: String,
    },
    /// Get the events of a room no more.
    LeaveRoom {
        /// The room, as in `campaign:123`.
        room: String,
    },
    /// Answer with `{"type":"pong"}`.
    Ping,
}

impl ClientMessage {
    /// The JSON text.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of them are JSON")
    }
}

/// A message of a relay besides the events.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerMessage<'a> {
    /// The first message.
    Connection {
        /// `connected`.
        status: &'a str,
        /// Channels that the URL subscribed to.
        channels: Vec<&'a str>,
        /// Rooms that the URL joined.
        rooms: Vec<&'a str>,
        /// The time, in UTC and ISO 8601.
        timestamp: &'a str,
    },
    /// The answer to a message that changes subscriptions: all that there are now.
    Subscribed {
        /// Channels.
        channels: Vec<&'a str>,
        /// Rooms.
        rooms: Vec<&'a str>,
    },
    /// The sign of life, every ping interval.
    Heartbeat {
        /// The time, in UTC and ISO 8601.
        timestamp: &'a str,
    },
    /// Something is wrong with a message.
    Error {
        /// `unknown_channel`, `bad_message`, `not_allowed` or `limit`.
        code: &'a str,
        /// Words for people.
        message: &'a str,
    },
}

impl ServerMessage<'_> {
    /// The JSON text.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and lists of them are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_contract_has_them() {
        for (message, text) in [
            (
                ServerMessage::Connection {
                    status: "connected",
                    channels: vec!["ai"],
                    rooms: vec![],
                    timestamp: "T",
                },
                r#"{"type":"connection","status":"connected","channels":["ai"],"rooms":[],"timestamp":"T"}"#,
            ),
            (
                ServerMessage::Subscribed { channels: vec![], rooms: vec!["lead:1"] },
                r#"{"type":"subscribed","channels":[],"rooms":["lead:1"]}"#,
            ),
            (ServerMessage::Heartbeat { timestamp: "T" }, r#"{"type":"heartbeat","timestamp":"T"}"#),
            (
                ServerMessage::Error { code: "limit", message: "m" },
                r#"{"type":"error","code":"limit","message":"m"}"#,
            ),
        ] {
            assert_eq!(message.to_text(), text);
        }
        let join = ClientMessage::JoinRoom { room: "campaign:1".to_owned() };
        assert_eq!(join.to_text(), r#"{"type":"join_room","room":"campaign:1"}"#);
    }
}

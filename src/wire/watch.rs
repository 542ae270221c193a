//! The messages of `/watch`, both ways, as JSON texts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Targets that one connection may watch.
pub const MAX_TARGETS: usize = 1_000;

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Watch these as well.
    Watch {
        /// `DIALECT/JOB`, `DIALECT/*`, `channel:NAME`, `room:KIND:ID`.
        targets: Vec<String>,
        /// A cursor to go on from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<String>,
        /// Kinds of the events to send; all of them where there is no list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kinds: Option<Vec<String>>,
    },
    /// Watch these no more.
    Unwatch {
        /// Targets as they were named.
        targets: Vec<String>,
    },
    /// Use this token from now on.
    Token {
        /// The token.
        token: String,
    },
    /// Answer with `{"type":"pong"}`.
    Ping,
}

/// A message of a relay. It borrows from the text where it can.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// An event, or the state of a job.
    Event {
        /// The target that it belongs to.
        #[serde(borrow)]
        target: Cow<'a, str>,
        /// Cursor behind it; absent where it would not be true of all targets.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Cow<'a, str>>,
        /// Whether it is a job's state.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        snapshot: bool,
        /// The payload as published.
        #[serde(borrow)]
        event: &'a RawValue,
    },
    /// Everything that is watched.
    Watching {
        /// All targets, as they were named.
        #[serde(borrow)]
        targets: Vec<Cow<'a, str>>,
        /// Cursor, once all of them are caught up.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Cow<'a, str>>,
    },
    /// A job has ended.
    Ended {
        /// The job.
        #[serde(borrow)]
        target: Cow<'a, str>,
        /// `succeeded`, `failed` or `cancelled`.
        #[serde(borrow)]
        outcome: Cow<'a, str>,
    },
    /// Events are missing.
    Gap {
        /// `too_old`, `restarted`, `invalid` or `source_lost`.
        #[serde(borrow)]
        reason: Cow<'a, str>,
        /// The target, where it is about one.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        target: Option<Cow<'a, str>>,
        /// Cursor behind the gap.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        cursor: Option<Cow<'a, str>>,
    },
    /// The cursor has moved without an event.
    Cursor {
        /// The cursor.
        #[serde(borrow)]
        cursor: Cow<'a, str>,
    },
    /// Something is wrong with a message or a target; the others go on.
    Error {
        /// `bad_message`, `unknown_target`, `impossible_job_id`, `not_allowed` or `limit`.
        #[serde(borrow)]
        code: Cow<'a, str>,
        /// The target, where it is about one.
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        target: Option<Cow<'a, str>>,
        /// Words for people.
        #[serde(borrow)]
        message: Cow<'a, str>,
    },
    /// The answer to a ping.
    Pong,
}

impl ServerMessage<'_> {
    /// The JSON text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts, lists of them and JSON that was read are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_the_contract_has_them_and_read_back() {
        let raw = RawValue::from_string(r#"{"a":1.50}"#.to_owned()).unwrap();
        let event = |cursor, snapshot| ServerMessage::Event {
            target: "scraping/1".into(),
            cursor,
            snapshot,
            event: &raw,
        };
        let gap = ServerMessage::Gap { reason: "too_old".into(), target: None, cursor: Some("a.1".into()) };
        for (message, text) in [
            (
                event(Some("a.1".into()), false),
                r#"{"type":"event","target":"scraping/1","cursor":"a.1","event":{"a":1.50}}"#,
            ),
            (
                event(None, true),
                r#"{"type":"event","target":"scraping/1","snapshot":true,"event":{"a":1.50}}"#,
            ),
            (
                ServerMessage::Watching { targets: vec!["a/b".into()], cursor: None },
                r#"{"type":"watching","targets":["a/b"]}"#,
            ),
            (gap, r#"{"type":"gap","reason":"too_old","cursor":"a.1"}"#),
            (ServerMessage::Pong, r#"{"type":"pong"}"#),
        ] {
            assert_eq!(message.to_text(), text);
            let read: ServerMessage<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(read.to_text(), text);
        }
        let watch = r#"{"type":"watch","targets":["a/b"],"since":"0"}"#;
        let read: ClientMessage = serde_json::from_str(watch).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), watch);
        assert_eq!(serde_json::from_str::<ClientMessage>(r#"{"type":"ping"}"#).unwrap(), ClientMessage::Ping);
    }
}

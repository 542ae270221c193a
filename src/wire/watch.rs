//! The messages of `/watch`, both ways, as JSON texts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::view::EventView;

/// Targets that one connection may watch.
pub(crate) const MAX_TARGETS: usize = 1_000;

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ClientMessage {
    /// Watch these as well.
    Watch {
        /// Targets in the form `JOB`, `DIALECT/JOB`, `DIALECT/*`, `channel:NAME` or `room:KIND:ID`.
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
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ServerMessage<'a> {
    /// An event, or the state of a job.
    Event {
        /// The target that it belongs to.
        target: Cow<'a, str>,
        /// Cursor behind it; absent where it would not be true of all targets.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<Cow<'a, str>>,
        /// Whether it is a job's state.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        snapshot: bool,
        /// What the event says, for clients that asked for `view=1`.
        #[serde(skip_serializing_if = "Option::is_none")]
        view: Option<Box<EventView>>,
        /// The payload as published.
        event: &'a RawValue,
    },
    /// Everything that is watched.
    Watching {
        /// All targets, as they were named.
        targets: Vec<Cow<'a, str>>,
        /// Cursor, once all of them are caught up.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<Cow<'a, str>>,
    },
    /// A job has ended.
    Ended {
        /// The job.
        target: Cow<'a, str>,
        /// `succeeded`, `failed` or `cancelled`.
        outcome: Cow<'a, str>,
    },
    /// Events are missing.
    Gap {
        /// `too_old`, `restarted`, `invalid` or `source_lost`.
        reason: Cow<'a, str>,
        /// The target, where it is about one.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<Cow<'a, str>>,
        /// Cursor behind the gap.
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<Cow<'a, str>>,
    },
    /// The cursor has moved without an event.
    Cursor {
        /// The cursor.
        cursor: Cow<'a, str>,
    },
    /// Something is wrong with a message or a target; the others go on.
    Error {
        /// `bad_message`, `unknown_target`, `impossible_job_id`, `not_allowed` or `limit`.
        code: Cow<'a, str>,
        /// The target, where it is about one.
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<Cow<'a, str>>,
        /// Words for people.
        message: Cow<'a, str>,
    },
    /// The answer to a ping.
    Pong,
}

/// Members of all messages of a relay. serde reads an enum with a tag through a buffer, which a [`RawValue`] cannot come
/// from and deep payloads do not fit into.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    targets: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
    #[serde(default)]
    snapshot: bool,
    #[serde(default)]
    view: Option<Box<EventView>>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    outcome: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
}

impl<'a> ServerMessage<'a> {
    /// Reads a text. `None` where it is no message that is known here; a later relay may have more of them.
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let Members { kind, target, targets, cursor, snapshot, view, event, outcome, reason, code, message } =
            serde_json::from_str(text).ok()?;
        Some(match &*kind {
            "event" => Self::Event { target: target?, cursor, snapshot, view, event: event? },
            "watching" => Self::Watching { targets, cursor },
            "ended" => Self::Ended { target: target?, outcome: outcome? },
            "gap" => Self::Gap { reason: reason?, target, cursor },
            "cursor" => Self::Cursor { cursor: cursor? },
            "error" => Self::Error { code: code?, target, message: message.unwrap_or_default() },
            "pong" => Self::Pong,
            _ => return None,
        })
    }

    /// The JSON text.
    pub(crate) fn to_text(&self) -> String {
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
            view: None,
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
            assert_eq!(ServerMessage::read(text).unwrap().to_text(), text);
        }
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        let deep = format!(r#"{{"type":"event","target":"a/b","event":{deep}}}"#);
        assert_eq!(ServerMessage::read(&deep).unwrap().to_text(), deep);
        for unknown in ["", "[]", r#"{"type":"news"}"#, r#"{"type":"event","target":"a/b"}"#] {
            assert!(ServerMessage::read(unknown).is_none(), "{unknown}");
        }
        let watch = r#"{"type":"watch","targets":["a/b"],"since":"0"}"#;
        let read: ClientMessage = serde_json::from_str(watch).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), watch);
        assert_eq!(serde_json::from_str::<ClientMessage>(r#"{"type":"ping"}"#).unwrap(), ClientMessage::Ping);
    }
}

//! What a client may say, and what it is told when that makes no sense.

use serde_json::{Map, Value};

use crate::dialect::with_nearest;
use crate::wire::channels::ServerMessage;

/// Characters of a client's text that an error repeats.
const SHOWN: usize = 40;

const COMMANDS: [&str; 5] = ["subscribe", "unsubscribe", "join_room", "leave_room", "ping"];

const EXAMPLE: &str = r#"{"type":"subscribe","channels":["campaigns"]}"#;

/// A client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    Join(String),
    Leave(String),
    Ping,
}

/// What kind of error an answer speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Code {
    UnknownChannel,
    BadMessage,
    NotAllowed,
    Limit,
}

impl Code {
    /// All codes, which the schema of the messages names too.
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::UnknownChannel, Self::BadMessage, Self::NotAllowed, Self::Limit];

    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownChannel => "unknown_channel",
            Self::BadMessage => "bad_message",
            Self::NotAllowed => "not_allowed",
            Self::Limit => "limit",
        }
    }
}

/// An error for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) struct Complaint {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Complaint {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new(Code::BadMessage, message)
    }

    /// The message that the client gets.
    pub(super) fn text(&self) -> String {
        ServerMessage::Error { code: self.code.as_str(), message: &self.message }.to_text()
    }
}

impl Command {
    /// Reads a text frame.
    pub(super) fn parse(text: &str) -> Result<Self, Complaint> {
        if text == "ping" {
            return Ok(Self::Ping);
        }
        let Ok(Value::Object(message)) = serde_json::from_str(text) else {
            return Err(Complaint::bad(format!(
                "a command is a JSON object, as in {EXAMPLE}; got {}",
                quote(text)
            )));
        };
        let kind = match message.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) => {
                let got = quote(&other.to_string());
                return Err(Complaint::bad(format!(
                    "the type of a command is text, as in {EXAMPLE}; got {got}"
                )));
            }
            None => return Err(Complaint::bad(format!("a command has a type, as in {EXAMPLE}"))),
        };
        match kind {
            "subscribe" => Ok(Self::Subscribe(channels(&message, kind)?)),
            "unsubscribe" => Ok(Self::Unsubscribe(channels(&message, kind)?)),
            "join_room" => Ok(Self::Join(room(&message, kind)?)),
            "leave_room" => Ok(Self::Leave(room(&message, kind)?)),
            "ping" => Ok(Self::Ping),
            other => {
                let message = format!("there is no command {}", quote(other));
                Err(Complaint::bad(with_nearest(&message, other, COMMANDS)))
            }
        }
    }
}

/// The names that a command lists.
fn channels(message: &Map<String, Value>, kind: &str) -> Result<Vec<String>, Complaint> {
    let example = format!(r#"{{"type":"{kind}","channels":["campaigns"]}}"#);
    let names = match message.get("channels") {
        Some(Value::Array(names)) => names,
        Some(other) => {
            let got = quote(&other.to_string());
            return Err(Complaint::bad(format!("channels is a list of names, as in {example}; got {got}")));
        }
        None => return Err(Complaint::bad(format!("{kind} names its channels, as in {example}"))),
    };
    let name = |name: &Value| {
        name.as_str().map(str::to_owned).ok_or_else(|| {
            let got = quote(&name.to_string());
            Complaint::bad(format!("channels is a list of names, as in {example}; one of them is {got}"))
        })
    };
    names.iter().map(name).collect()
}

/// The room that a command names.
fn room(message: &Map<String, Value>, kind: &str) -> Result<String, Complaint> {
    let example = format!(r#"{{"type":"{kind}","room":"campaign:123"}}"#);
    match message.get("room") {
        Some(Value::String(room)) => Ok(room.clone()),
        Some(other) => {
            let got = quote(&other.to_string());
            Err(Complaint::bad(format!("a room is text, as in {example}; got {got}")))
        }
        None => Err(Complaint::bad(format!("{kind} names its room, as in {example}"))),
    }
}

/// A client's own words, shortened and on one line.
pub(super) fn quote(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("'{}{more}'", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::schema_words;

    fn refusal(text: &str) -> String {
        let complaint = Command::parse(text).unwrap_err();
        assert_eq!(complaint.code, Code::BadMessage, "{text}");
        complaint.message
    }

    #[test]
    fn the_schema_names_exactly_the_codes_of_a_complaint() {
        assert_eq!(schema_words("ChannelsError", "code"), Code::ALL.map(Code::as_str));
    }

    #[test]
    fn every_command_of_the_contract_is_understood() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        for (text, command) in [
            (r#"{"type":"subscribe","channels":["a","b"]}"#, Command::Subscribe(names(&["a", "b"]))),
            (r#"{"type":"unsubscribe","channels":[]}"#, Command::Unsubscribe(names(&[]))),
            (
                r#" {"room":"conversation:456", "type":"join_room"} "#,
                Command::Join("conversation:456".into()),
            ),
            (r#"{"type":"leave_room","room":"x","more":1}"#, Command::Leave("x".into())),
            (r#"{"type":"ping"}"#, Command::Ping),
            ("ping", Command::Ping),
        ] {
            assert_eq!(Command::parse(text), Ok(command), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_answered_with_how_it_would() {
        for text in
            ["", "hello", "[]", "\"ping\"", "PING", "{", "null", "{\"type\":\"ping\"", "{\"a\":\u{1}}"]
        {
            assert!(refusal(text).starts_with("a command is a JSON object, as in {\"type\""), "{text}");
        }
        assert_eq!(
            refusal(r#"{"type":"subscribed"}"#),
            "there is no command 'subscribed'; did you mean 'subscribe'?"
        );
        assert!(
            refusal(r#"{"type":"xyz"}"#)
                .ends_with("known: subscribe, unsubscribe, join_room, leave_room, ping")
        );
        assert!(refusal(r#"{"type":1}"#).ends_with("got '1'"));
        assert!(refusal("{}").contains("has a type"));
        assert!(refusal(r#"{"type":"subscribe"}"#).contains("names its channels"));
        for channels in ["\"campaigns\"", "null", "{}", "5"] {
            let text = format!(r#"{{"type":"unsubscribe","channels":{channels}}}"#);
            assert!(
                refusal(&text).contains("channels is a list of names, as in {\"type\":\"unsubscribe\""),
                "{text}"
            );
        }
        assert!(refusal(r#"{"type":"subscribe","channels":["a",7]}"#).ends_with("one of them is '7'"));
        assert!(refusal(r#"{"type":"join_room"}"#).contains("names its room"));
        assert!(refusal(r#"{"type":"leave_room","room":5}"#).contains("a room is text"));
    }

    #[test]
    fn a_client_s_words_come_back_short_and_on_one_line() {
        let message = refusal(&format!("\u{1b}[31m\n{}", "x".repeat(60_000)));
        assert!(message.len() < 200 && !message.contains(char::is_control), "{message}");
        assert!(message.ends_with("…'"));
    }
}

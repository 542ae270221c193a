//! Messages of the relay itself, which are no events.

use serde_json::Value;

use super::types::{Attribute, ObjectType, ValueType, tagged};
use crate::dialect::Dialect;

/// Kind of the message about an unknown job. `None` where the dialect reports an unknown job as a state.
pub(super) fn complaint_kind(dialect: &Dialect) -> Option<String> {
    let (one, _) = complaint(dialect)?;
    let at = dialect.catalogue.kind_at.names();
    at.iter().try_fold(&one, |value, name| value.get(name))?.as_str().map(str::to_owned)
}

/// Two messages about an unknown job, which differ in job and time.
fn complaint(dialect: &Dialect) -> Option<(Value, Value)> {
    if !dialect.complains_of_unknown() {
        return None;
    }
    let of = |job, time| serde_json::from_str(&dialect.unknown_frame(job, time)?).ok();
    Some((of("1", "then")?, of("one", "now")?))
}

/// Name, description and type of a message.
pub(super) type Own = (String, &'static str, ValueType);

/// Messages of the relay itself.
pub(super) fn own(dialect: &Dialect) -> Vec<Own> {
    let mut all: Vec<Own> = Vec::new();
    if let Some((one, other)) = complaint(dialect) {
        let word = complaint_kind(dialect).unwrap_or_else(|| "unknown".to_owned());
        all.push((word, "Nobody has heard of the job, or its id is impossible.", alike(&one, &other)));
    }
    if let Some(channels) = &dialect.channels {
        all.extend(of_channels().into_iter().filter(|(word, ..)| channels.is_own(word)));
        let refused = [
            Attribute::always("code", ValueType::OneOf(CODES.map(str::to_owned).to_vec())),
            Attribute::always("message", ValueType::Text),
        ];
        all.extend(channels.complaint.iter().map(|kind| {
            (kind.clone(), "Something is wrong with a message of the client.", tagged(kind, refused.clone()))
        }));
    }
    all.push(("pong".to_owned(), "The answer to `ping`.", tagged("pong", [])));
    all
}

/// Codes of a relay's error message. A test of the relay compares them with those that it sends.
const CODES: [&str; 4] = ["unknown_channel", "bad_message", "not_allowed", "limit"];

/// Messages that every dialect with channels has.
fn of_channels() -> [Own; 3] {
    let texts = |name| Attribute::always(name, ValueType::List(Box::new(ValueType::Text)));
    let own = |kind: &str, about, attributes: Vec<_>| (kind.to_owned(), about, tagged(kind, attributes));
    let time = || Attribute::always("timestamp", ValueType::Text);
    [
        own(
            "connection",
            "The first message.",
            vec![
                Attribute::always("status", ValueType::exactly("connected")),
                texts("channels"),
                texts("rooms"),
                time(),
            ],
        ),
        own("subscribed", "All subscriptions that there are now.", vec![texts("channels"), texts("rooms")]),
        own("heartbeat", "The sign of life, every ping interval.", vec![time()]),
    ]
}

/// Type of two values from one template. A text that is equal in both is always the same.
fn alike(one: &Value, other: &Value) -> ValueType {
    match (one, other) {
        (Value::String(one), Value::String(other)) if one == other => ValueType::exactly(one),
        (Value::Object(one), Value::Object(other)) if one.is_empty() && other.is_empty() => {
            ValueType::Object(ObjectType::free())
        }
        (Value::Object(one), Value::Object(other)) => {
            ValueType::Object(ObjectType::of(one.iter().map(|(name, value)| {
                Attribute::always(name, alike(value, other.get(name).unwrap_or(value)))
            })))
        }
        _ => ValueType::any([ValueType::of(one), ValueType::of(other)]),
    }
}

/// Commands of clients in a dialect with channels.
pub(super) fn commands(dialect: &Dialect) -> Vec<Own> {
    let Some(channels) = &dialect.channels else { return Vec::new() };
    let names = channels.names.iter().map(ToString::to_string).collect();
    let names =
        || Attribute::always("channels", ValueType::List(Box::new(ValueType::OneOf(Vec::clone(&names)))));
    let room = || Attribute::always("room", ValueType::Text).about("KIND:ID, as in campaign:123.");
    let command = |kind: &str, about, attributes: Vec<_>| (kind.to_owned(), about, tagged(kind, attributes));
    vec![
        command("subscribe", "Get the events of these channels as well.", vec![names()]),
        command("unsubscribe", "Get the events of these channels no more.", vec![names()]),
        command("join_room", "Get the events of a room as well.", vec![room()]),
        command("leave_room", "Get the events of a room no more.", vec![room()]),
        command("ping", "Ask for a sign of life.", Vec::new()),
    ]
}

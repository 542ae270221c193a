//! Messages that a relay makes up itself, which are no events.

use serde_json::Value;

use super::types::{Attribute, ObjectType, ValueType};
use crate::dialect::Dialect;

/// The kind of the message about a job that nobody has heard of, where that is no state of a job.
pub(super) fn complaint_kind(dialect: &Dialect) -> Option<String> {
    let (one, _) = complaint(dialect)?;
    let at = dialect.catalogue.kind_at.names();
    at.iter().try_fold(&one, |value, name| value.get(name))?.as_str().map(str::to_owned)
}

/// That message, about two jobs.
fn complaint(dialect: &Dialect) -> Option<(Value, Value)> {
    if !dialect.complains_of_unknown() {
        return None;
    }
    let of = |job, time| serde_json::from_str(&dialect.unknown_frame(job, time)?).ok();
    Some((of("1", "then")?, of("one", "now")?))
}

/// A name, words for people, and the type.
pub(super) type Own = (String, &'static str, ValueType);

/// The messages that a relay makes up itself.
pub(super) fn own(dialect: &Dialect) -> Vec<Own> {
    let mut all: Vec<Own> = Vec::new();
    if let Some((one, other)) = complaint(dialect) {
        let word = complaint_kind(dialect).unwrap_or_else(|| "unknown".to_owned());
        all.push((word, "Nobody has heard of the job, or its id is impossible.", alike(&one, &other)));
    }
    if let Some(channels) = &dialect.channels {
        all.extend(of_channels().into_iter().filter(|(word, ..)| channels.is_own(word)));
        let refused =
            [("code", ValueType::OneOf(CODES.map(str::to_owned).to_vec())), ("message", ValueType::Text)];
        all.extend(channels.complaint.iter().map(|kind| {
            (kind.clone(), "Something is wrong with a message of the client.", tagged(kind, refused.clone()))
        }));
    }
    all.push(("pong".to_owned(), "The answer to `ping`.", tagged("pong", [])));
    all
}

/// What an error event of a relay is about.
const CODES: [&str; 4] = ["unknown_channel", "bad_message", "not_allowed", "limit"];

/// The messages of every dialect with channels.
fn of_channels() -> [Own; 3] {
    let texts = || ValueType::List(Box::new(ValueType::Text));
    let own = |kind: &str, about, attributes: Vec<_>| (kind.to_owned(), about, tagged(kind, attributes));
    let time = || ("timestamp", ValueType::Text);
    [
        own(
            "connection",
            "The first message.",
            vec![
                ("status", ValueType::exactly("connected")),
                ("channels", texts()),
                ("rooms", texts()),
                time(),
            ],
        ),
        own(
            "subscribed",
            "All subscriptions that there are now.",
            vec![("channels", texts()), ("rooms", texts())],
        ),
        own("heartbeat", "The sign of life, every ping interval.", vec![time()]),
    ]
}

/// An object that names its kind in `type`.
fn tagged<'a>(kind: &str, attributes: impl IntoIterator<Item = (&'a str, ValueType)>) -> ValueType {
    let first = Attribute::always("type", ValueType::exactly(kind));
    let more = attributes.into_iter().map(|(name, value)| Attribute::always(name, value));
    ValueType::Object(ObjectType::of([first].into_iter().chain(more)))
}

/// The type of two values from one template: what is the same text in both of them is that text always.
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

//! What of an event's own fields tells a person most, in one line.

use serde_json::{Map, Value};

use crate::dialect::scalars;

/// These come first, in this order, and the rest as they stand in the payload.
const FIRST: [&str; 12] = [
    "error",
    "reason",
    "message",
    "response",
    "level",
    "recipient",
    "email",
    "lead_name",
    "campaign_name",
    "subject",
    "url",
    "source",
];

/// Of these the name says nothing.
const BARE: [&str; 3] = ["error", "message", "response"];

/// Said elsewhere on the line.
const SAID: [&str; 2] = ["type", "timestamp"];

/// More than these are no summary.
const MAX_FIELDS: usize = 6;

/// Characters of one value.
const LONGEST: usize = 80;

/// The telling fields of a payload but for those that are shown otherwise, and the id of the resource it is about. A
/// payload that is no object is its own summary. As it came: not yet fit for a terminal.
pub(super) fn telling(payload: &str, resource: Option<&str>, shown: &[&str]) -> String {
    let Some(fields) = fields(payload) else { return shorten(payload) };
    let own = resource.and_then(|resource| resource.split_once(':'));
    let is_own = |name: &str, value: &Value| {
        own.is_some_and(|(kind, id)| {
            name.strip_suffix("_id") == Some(kind) && text(value).as_deref() == Some(id)
        })
    };
    let rank = |name: &str| FIRST.iter().position(|known| *known == name).unwrap_or(FIRST.len());
    let mut told: Vec<(&str, String)> = fields
        .iter()
        .filter(|(name, value)| {
            !SAID.contains(&name.as_str()) && !shown.contains(&name.as_str()) && !is_own(name, value)
        })
        .filter_map(|(name, value)| Some((name.as_str(), shorten(&text(value)?))))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    told.sort_by_key(|(name, _)| rank(name));
    told.truncate(MAX_FIELDS);
    let (bare, named): (Vec<_>, Vec<_>) = told.into_iter().partition(|(name, _)| BARE.contains(name));
    let mut parts: Vec<String> = bare.into_iter().map(|(_, value)| value).collect();
    parts.dedup();
    let named: Vec<String> =
        named.into_iter().map(|(name, value)| format!("{name}={}", quoted(&value))).collect();
    if !named.is_empty() {
        parts.push(named.join(" "));
    }
    parts.join(" · ")
}

/// A number anywhere at the top of a payload.
pub(super) fn number(payload: &str, name: &str) -> Option<u64> {
    fields(payload)?.get(name)?.as_u64()
}

/// An object's fields, U+FFFD for what is no character in them.
fn fields(payload: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(&scalars(payload)).ok()
}

/// What stands in one word; nothing that has parts of its own.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The beginning of a text, with an ellipsis where more follows.
pub(super) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn quoted(value: &str) -> String {
    if value.contains(char::is_whitespace) { format!("\"{value}\"") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_and_to_whom_comes_first() {
        let cases = [
            (
                r#"{"type":"campaign:email_failed","timestamp":"x","campaign_id":1,"email_id":7,"recipient":"a@b.c","error":"mailbox full"}"#,
                Some("campaign:1"),
                "mailbox full · recipient=a@b.c email_id=7",
            ),
            (
                r#"{"type":"email:opened","campaign_id":1,"email_id":7,"result":{"a":1},"reason":null}"#,
                Some("email:7"),
                "campaign_id=1",
            ),
            (
                r#"{"type":"lead:created","lead_id":3,"lead_name":"Ada L"}"#,
                Some("lead:3"),
                "lead_name=\"Ada L\"",
            ),
            (
                r#"{"type":"lead:created","lead_id":3,"lead_name":"caf\udce9","note":"\ud83d"}"#,
                Some("lead:3"),
                "lead_name=caf\u{fffd} note=\u{fffd}",
            ),
            ("no JSON", None, "no JSON"),
            (r"no JSON \udce9", None, r"no JSON \udce9"),
            ("{}", None, ""),
        ];
        for (payload, resource, told) in cases {
            assert_eq!(telling(payload, resource, &[]), told);
        }
        let long = format!(r#"{{"message":"{}","sent":1}}"#, "x".repeat(100));
        assert_eq!(telling(&long, None, &["sent"]), format!("{}…", "x".repeat(80)));
        assert_eq!(number(r#"{"sent":12}"#, "sent"), Some(12));
    }
}

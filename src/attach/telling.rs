//! What of an event's own fields tells a person most, in one line.

use serde_json::{Map, Value};

use crate::dialect::{Dialect, scalars};

/// More than these are no summary.
const MAX_FIELDS: usize = 6;

/// Characters of one value.
const LONGEST: usize = 80;

/// The telling fields of a payload but for those that are shown otherwise, and the id of the resource it is about. A
/// payload that is no object is its own summary. As it came: not yet fit for a terminal.
pub(super) fn telling(dialect: &Dialect, payload: &str, resource: Option<&str>, shown: &[&str]) -> String {
    let Some(fields) = fields(payload) else { return shorten(payload) };
    let choice = &dialect.telling;
    let own = resource.and_then(|resource| {
        let (kind, id) = resource.split_once(':')?;
        Some((dialect.channels.as_ref()?.id_field(kind)?, id))
    });
    let is_own = |name: &str, value: &Value| {
        own.is_some_and(|(field, id)| name == field && text(value).as_deref() == Some(id))
    };
    let has = |names: &[String], name: &str| names.iter().any(|known| known == name);
    let rank = |name: &str| choice.first.iter().position(|known| known == name).unwrap_or(choice.first.len());
    let mut told: Vec<(&str, String)> = fields
        .iter()
        .filter(|(name, value)| {
            !has(&choice.omit, name) && !shown.contains(&name.as_str()) && !is_own(name, value)
        })
        .filter_map(|(name, value)| Some((name.as_str(), shorten(&text(value)?))))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    told.sort_by_key(|(name, _)| rank(name));
    told.truncate(MAX_FIELDS);
    let (bare, named): (Vec<_>, Vec<_>) = told.into_iter().partition(|(name, _)| has(&choice.bare, name));
    let mut parts: Vec<String> = bare.into_iter().map(|(_, value)| value).collect();
    parts.dedup();
    let named: Vec<String> =
        named.into_iter().map(|(name, value)| format!("{name}={}", quoted(&value))).collect();
    if !named.is_empty() {
        parts.push(named.join(" "));
    }
    parts.join(" · ")
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
    use crate::dialect::Dialects;

    #[test]
    fn what_went_wrong_and_to_whom_comes_first() {
        let all = Dialects::builtin();
        let channels = all.named("channels").unwrap().1;
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
            assert_eq!(telling(channels, payload, resource, &[]), told);
        }
        let long = format!(r#"{{"message":"{}","sent":1}}"#, "x".repeat(100));
        assert_eq!(telling(channels, &long, None, &["sent"]), format!("{}…", "x".repeat(80)));
    }
}

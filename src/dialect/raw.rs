//! JSON as it was written: what is only carried along is never parsed, and what people read loses no more than it must.
//!
//! Decoding a payload accepts every JSON text of RFC 8259: lone surrogates (`"\udce9"`) in values and names, numbers of any
//! size, any depth. Parsing into Rust's strings and numbers would refuse these, so values stay raw text.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::surrogate;

/// Members of an object that say in words what the object is about, the best first.
const WORDS_AT: [&str; 3] = ["message", "detail", "error"];
/// How deep [`words`] looks for them.
const WORDS_DEPTH: usize = 4;
/// How deep [`lenient`] looks into what cannot be parsed as a whole.
const LENIENT_DEPTH: usize = 8;

/// Replaces each unpaired escaped surrogate by U+FFFD, so that a strict parser accepts the JSON.
///
/// `json` must be JSON already: a backslash is then always inside a string.
pub fn scalars(json: &str) -> Cow<'_, str> {
    let (bytes, mut out, mut copied, mut at) = (json.as_bytes(), String::new(), 0, 0);
    while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += skipped;
        match (surrogate(bytes, at), surrogate(bytes, at + 6)) {
            (None, _) => at += 2,
            (Some(Half::Leading), Some(Half::Trailing)) => at += 12,
            (Some(_), _) => {
                out.push_str(&json[copied..at]);
                out.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

enum Half {
    Leading,
    Trailing,
}

/// The surrogate whose escape `\udXXX` begins at this byte.
fn surrogate(bytes: &[u8], at: usize) -> Option<Half> {
    let [b'\\', b'u', b'd' | b'D', half, ..] = bytes.get(at..at + 6)? else { return None };
    match half.to_ascii_lowercase() {
        b'8'..=b'9' | b'a'..=b'b' => Some(Half::Leading),
        b'c'..=b'f' => Some(Half::Trailing),
        _ => None,
    }
}

/// A JSON string's text, U+FFFD for what is no character; `None` for anything else.
pub(super) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    unescape(raw, |json| serde_json::from_str(&scalars(json)).ok())
}

/// A JSON string's text where all of it is characters: what must not be mistaken for another, such as an id.
pub(super) fn exact(raw: &RawValue) -> Option<Cow<'_, str>> {
    unescape(raw, |_| None)
}

/// A JSON string's text, or its JSON where not all of it is characters: differing strings stay different.
pub(super) fn distinct(raw: &RawValue) -> Option<Cow<'_, str>> {
    unescape(raw, |json| Some(json.to_owned()))
}

fn unescape(raw: &RawValue, otherwise: impl FnOnce(&str) -> Option<String>) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let plain = json.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') {
        serde_json::from_str(json).ok().or_else(|| otherwise(json)).map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(plain))
    }
}

/// A kind's name: a text, or a number or truth value as it is written.
pub(super) fn word(raw: &RawValue) -> Option<Cow<'_, str>> {
    let plain = || raw.get().starts_with(|c: char| c.is_ascii_digit() || "-tf".contains(c));
    text(raw).or_else(|| plain().then(|| Cow::Borrowed(raw.get())))
}

/// A JSON number; `None` for anything else.
pub(super) fn number(raw: &RawValue) -> Option<Number> {
    raw.get().parse().ok()
}

/// A whole number out of a slot, as people count.
pub(super) fn count(raw: &RawValue) -> Option<u64> {
    number(raw)?.as_u64()
}

/// A value as people read it: a text, of an object the words that it has for them, else compact JSON. `None` for null and
/// for what says nothing: an empty text, list or object.
pub(super) fn words(raw: &RawValue) -> Option<Cow<'_, str>> {
    words_in(raw, WORDS_DEPTH)
}

fn words_in(raw: &RawValue, depth: usize) -> Option<Cow<'_, str>> {
    let json = raw.get();
    let words = match json.as_bytes().first()? {
        b'"' => text(raw)?,
        b'n' => return None,
        b'{' if depth > 0 => {
            let members = Members::read(json).ok()?;
            let named = WORDS_AT.iter().filter_map(|name| members.get(name));
            let found = named.into_iter().find_map(|value| words_in(value, depth - 1));
            found.unwrap_or_else(|| Cow::Owned(compact(json)))
        }
        _ => Cow::Owned(compact(json)),
    };
    Some(words).filter(|words| !matches!(&**words, "" | "{}" | "[]"))
}

/// JSON without the blanks between its tokens.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keep = |c: &char| {
        if in_string {
            (in_string, escaped) = (escaped || *c != '"', !escaped && *c == '\\');
            return true;
        }
        in_string = *c == '"';
        !c.is_ascii_whitespace()
    };
    json.chars().filter(keep).collect()
}

/// An object's names and values as they are written, in order; a name may be repeated.
#[derive(Debug)]
pub(super) struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads the members of a JSON object.
    pub(super) fn read(json: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// The value of a name; the last one where it is repeated.
    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.iter().filter(|(key, _)| *key == name).map(|(_, value)| value).last()
    }

    /// Names, unescaped as far as they are characters, and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (distinct(key).unwrap_or_default(), *value))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        input.deserialize_map(Object)
    }
}

/// Objects laid one over the other: name by name the newest value, whole and as it was written.
#[derive(Debug, Default)]
pub(super) struct Overlay<'a> {
    members: Vec<(&'a RawValue, &'a RawValue)>,
    places: HashMap<Cow<'a, str>, usize>,
}

impl<'a> Overlay<'a> {
    /// Lays a JSON object on top.
    pub(super) fn lay(&mut self, json: &'a str) -> serde_json::Result<()> {
        for (key, value) in Members::read(json)?.0 {
            let next = self.members.len();
            let place = *self.places.entry(distinct(key).unwrap_or_default()).or_insert(next);
            if place == next {
                self.members.push((key, value));
            } else {
                self.members[place].1 = value;
            }
        }
        Ok(())
    }

    /// The object that they make.
    pub(super) fn to_json(&self) -> String {
        object(self.members.iter().map(|(key, value)| (key.get(), value.get())))
    }
}

/// A JSON object with a value at a place: what stood there goes, and so does what is no object on the way. Everything else
/// stays as it was written.
pub(super) fn with_value(json: &str, way: &[&str], value: &str) -> String {
    let Some((name, rest)) = way.split_first() else { return value.to_owned() };
    let members = Members::read(json).map(|members| members.0).unwrap_or_default();
    let at = members.iter().rposition(|(key, _)| distinct(key).is_some_and(|key| key == *name));
    let inner = at.map_or("{}", |at| members[at].1.get());
    let value = with_value(inner, rest, value);
    let key = Value::from(*name).to_string();
    let last = at.is_none().then_some((key.as_str(), value.as_str()));
    let members = members
        .iter()
        .enumerate()
        .map(|(nth, (key, old))| (key.get(), if Some(nth) == at { value.as_str() } else { old.get() }));
    object(members.chain(last))
}

/// A value for looking at it, whatever is in it: a number too large for a double is the largest one, and what is nested
/// deeper than a parser goes is there but empty.
pub(super) fn lenient(raw: &RawValue) -> Value {
    lenient_in(raw, LENIENT_DEPTH)
}

fn lenient_in(raw: &RawValue, depth: usize) -> Value {
    let json = raw.get();
    if let Ok(value) = serde_json::from_str(&surrogate::put_aside(json)) {
        return value;
    }
    match json.as_bytes().first() {
        Some(b'{') => {
            let members = Members::read(json).ok().filter(|_| depth > 0);
            let members = members.iter().flat_map(Members::iter);
            let inner = |(name, value): (Cow<'_, str>, _)| (name.into_owned(), lenient_in(value, depth - 1));
            members.map(inner).collect()
        }
        Some(b'[') => Value::Array(Vec::new()),
        Some(b'"') => text(raw).map_or(Value::Null, Value::from),
        Some(b'-') => Value::from(f64::MIN),
        _ => Value::from(f64::MAX),
    }
}

/// A JSON object of names and values that are JSON themselves.
pub(super) fn object<'a>(members: impl Iterator<Item = (&'a str, &'a str)> + Clone) -> String {
    let length: usize = members.clone().map(|(key, value)| key.len() + value.len() + 2).sum();
    // One more comma than there are, and the braces.
    let mut json = String::with_capacity(length + 2);
    json.push('{');
    for (nth, (key, value)) in members.enumerate() {
        let comma = if nth == 0 { "" } else { "," };
        json.extend([comma, key, ":", value]);
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn what_is_no_character_becomes_the_replacement_character_and_nothing_else_does() {
        let table = [
            (r#""caf\udce9.txt""#, "caf\u{fffd}.txt"),
            (r#""\uD83D""#, "\u{fffd}"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00x""#, "\u{fffd}\u{1f600}x"),
            (r#""\\udce9""#, r"\udce9"),
            (r#""\\\udce9\u0041""#, "\\\u{fffd}A"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""é\ud7ff\ue000""#, "é\u{d7ff}\u{e000}"),
        ];
        for (json, expected) in table {
            assert_eq!(text(&raw(json)).as_deref(), Some(expected), "{json}");
            let whole = exact(&raw(json)).is_some();
            assert_eq!(whole, !expected.contains('\u{fffd}'), "{json}");
        }
        assert!(matches!(scalars(r#"{"a":"\u00e9\n"}"#), Cow::Borrowed(_)));
    }

    #[test]
    fn words_are_a_text_or_what_an_object_says_or_compact_json() {
        let table = [
            (r#""disk full""#, Some("disk full")),
            (r#"{"code":403,"message":"private video"}"#, Some("private video")),
            (r#"{"message":null,"detail":"d","error":"e"}"#, Some("d")),
            (r#"{"error":{"code":5,"message":"deep"}}"#, Some("deep")),
            (r#"{"message":"a","message":"caf\udce9"}"#, Some("caf\u{fffd}")),
            (r#"{ "code": 403, "why": "a \" b" }"#, Some(r#"{"code":403,"why":"a \" b"}"#)),
            (r#"["a", 1e400]"#, Some(r#"["a",1e400]"#)),
            ("404", Some("404")),
            ("true", Some("true")),
            ("null", None),
            ("\"\"", None),
            ("{ }", None),
            ("[]", None),
        ];
        for (json, expected) in table {
            assert_eq!(words(&raw(json)).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn a_value_is_put_at_its_place_and_all_else_stays_as_it_was_written() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let table = [
            ("{}".to_owned(), &["a"][..], r#"{"a":7}"#.to_owned()),
            (format!(r#"{{"x":1e400, "y":{deep}}}"#), &["a"], format!(r#"{{"x":1e400,"y":{deep},"a":7}}"#)),
            (r#"{"a":null,"\udce9":45.50}"#.to_owned(), &["a"], r#"{"a":7,"\udce9":45.50}"#.to_owned()),
            (r#"{"d":{"b":1}}"#.to_owned(), &["d", "a"], r#"{"d":{"b":1,"a":7}}"#.to_owned()),
            (r#"{"d":1}"#.to_owned(), &["d", "a\""], r#"{"d":{"a\"":7}}"#.to_owned()),
        ];
        for (json, way, expected) in table {
            assert_eq!(with_value(&json, way, "7"), expected);
        }
    }

    #[test]
    fn an_overlay_keeps_every_value_as_it_was_written() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let mut overlay = Overlay::default();
        let newer = format!(r#"{{"c":{deep},"\u0061":"\udce9","x\udce9":2,"x\uDCEA":3,"c2":1e400}}"#);
        overlay.lay(r#"{"a":1,"b": 12345678901234567890123456789.50 ,"a":2,"x\udce9":1}"#).unwrap();
        overlay.lay(&newer).unwrap();
        let expected = format!(
            r#"{{"a":"\udce9","b":12345678901234567890123456789.50,"x\udce9":2,"c":{deep},"x\uDCEA":3,"c2":1e400}}"#
        );
        assert_eq!(overlay.to_json(), expected);
        assert!(overlay.lay("[1]").is_err() && overlay.lay("").is_err());
        assert_eq!(Overlay::default().to_json(), "{}");
    }
}

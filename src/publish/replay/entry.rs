//! Lines of a recording; pure.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ReplayError;

/// Bytes of a faulty value that a message shows.
const SHOWN: usize = 40;

/// Content of a line.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// Blank line.
    Blank,
    /// An event.
    Event(RecordedEvent<'a>),
    /// Entry that is not published.
    Other {
        /// The target, if the line names one.
        target: Option<Cow<'a, str>>,
        /// Time of receipt; `None` for a missing or faulty time.
        at: Option<Timestamp>,
        what: Other,
    },
}

/// A recorded event.
#[derive(Debug)]
pub(super) struct RecordedEvent<'a> {
    pub(super) target: Cow<'a, str>,
    /// Time of receipt.
    pub(super) at: Timestamp,
    /// The text as it was received.
    pub(super) text: Cow<'a, str>,
    /// Whether the event is the state of the job, told anew, and no news.
    pub(super) is_state: bool,
}

/// Kind of a line that is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Other {
    /// Beginning of a connection.
    Connected,
    /// Another change of the connection.
    Connection,
    Status,
    Gap,
    Warning,
    Result,
    /// A message that is no JSON.
    Text,
}

impl Other {
    /// Name of the member that tells this kind.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connected | Self::Connection => "connection",
            Self::Status => "status",
            Self::Gap => "gap",
            Self::Warning => "warning",
            Self::Result => "result",
            Self::Text => "text",
        }
    }
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    received_at: Option<&'a RawValue>,
    #[serde(default)]
    snapshot: Option<bool>,
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(borrow, default)]
    raw: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    connection: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
    #[serde(borrow, default)]
    gap: Option<&'a RawValue>,
    #[serde(borrow, default)]
    warning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

impl Members<'_> {
    fn other(&self) -> Option<Other> {
        let connection = match self.connection.map(RawValue::get) {
            Some("\"connected\"") => Some(Other::Connected),
            Some(_) => Some(Other::Connection),
            None => None,
        };
        let is = |value: Option<&RawValue>, other| value.map(|_| other);
        connection
            .or(is(self.status, Other::Status))
            .or(is(self.gap, Other::Gap))
            .or(is(self.warning, Other::Warning))
            .or(is(self.result, Other::Result))
            .or(is(self.text, Other::Text))
    }
}

/// Reads a line. `is_ended`: the end of the line is there.
pub(super) fn read(line: &[u8], is_first: bool, is_ended: bool) -> Result<Entry<'_>, ReplayError> {
    let line = if is_first { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line) } else { line };
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(Entry::Blank);
    }
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        // A character that is cut in two is the end of a line that is cut off.
        Err(error) if error.error_len().is_none() && !is_ended => return Err(ReplayError::CutOff),
        Err(_) => return Err(ReplayError::NotUtf8),
    };
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| fault(text, &error, is_ended))?;
    if let Some(what) = members.other().filter(|_| members.event.is_none()) {
        let at = members.received_at.and_then(|at| time(at).ok());
        return Ok(Entry::Other { target: members.target, at, what });
    }
    let Some(event) = members.event else { return Err(ReplayError::NoEntry) };
    let target = members.target.ok_or(ReplayError::NoTarget)?;
    let at = time(members.received_at.ok_or(ReplayError::NoTime)?)?;
    let text = match members.raw {
        None => Cow::Borrowed(event.get()),
        Some(raw) if is_flat(&raw, event.get()) => raw,
        Some(_) => return Err(ReplayError::OtherRaw),
    };
    Ok(Entry::Event(RecordedEvent { target, at, text, is_state: members.snapshot == Some(true) }))
}

/// Whether a text is the event, apart from its line breaks and the blanks around it.
fn is_flat(raw: &str, event: &str) -> bool {
    raw.replace(['\n', '\r'], " ").trim() == event
}

/// The time of a line, however faulty the rest of it is.
pub(super) fn line_time(line: &[u8]) -> Option<(Timestamp, bool)> {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let members: Members<'_> = serde_json::from_slice(line.trim_ascii()).ok()?;
    Some((time(members.received_at?).ok()?, members.event.is_some()))
}

fn time(json: &RawValue) -> Result<Timestamp, ReplayError> {
    let text: Option<String> = serde_json::from_str(json.get()).ok();
    let time = text.as_deref().and_then(|text| text.parse().ok());
    time.ok_or_else(|| ReplayError::Time(shown(json.get())))
}

/// Error of a line that is no line of a recording.
fn fault(line: &str, error: &serde_json::Error, is_ended: bool) -> ReplayError {
    if error.is_eof() {
        return if is_ended {
            ReplayError::NotJson("it ends in the middle".to_owned())
        } else {
            ReplayError::CutOff
        };
    }
    // The parser counts lines of its own, of which there is one.
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = message.strip_suffix(place.as_str()).unwrap_or(&message);
    if error.is_data() && line.starts_with('{') {
        return ReplayError::Members(message.to_owned());
    }
    if serde_json::from_str::<&RawValue>(line).is_ok() {
        return ReplayError::NotObject;
    }
    ReplayError::NotJson(format!("{message} at byte {}", error.column()))
}

/// The beginning of a value, for a message.
fn shown(json: &str) -> String {
    let mut shown: String = json.chars().take(SHOWN).collect();
    if shown.len() < json.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> (String, String, bool) {
        match read(line.as_bytes(), true, true).unwrap() {
            Entry::Event(event) => (event.target.into_owned(), event.text.into_owned(), event.is_state),
            other => panic!("{other:?}"),
        }
    }

    fn error(line: &[u8], is_ended: bool) -> String {
        read(line, false, is_ended).unwrap_err().to_string()
    }

    #[test]
    fn the_text_of_an_event_is_read_byte_for_byte() {
        let deep = "[".repeat(2_000) + &"]".repeat(2_000);
        for payload in [
            r#"{"a": 1e400,"b" : 45.50,"c":"\udce9 \u0041é"}"#.to_owned(),
            format!(r#"{{"x":{deep}}}"#),
            "7".to_owned(),
            "[1, 2]".to_owned(),
        ] {
            for snapshot in ["", r#""snapshot":true,"#, r#""snapshot":false,"#, r#""snapshot":null,"#] {
                let line = format!(
                    r#"{{"received_at":"2026-01-01T00:00:00.000001Z",{snapshot}"new":{{}},"event":{payload} ,"target":"a/\u0062"}}"#
                );
                assert_eq!(event(&line), ("a/b".to_owned(), payload.clone(), snapshot.contains("true")));
                assert_eq!(event(&format!("\u{feff}  {line}\t")).1, payload);
            }
        }
        let raw = "{\n \"a\": \"b\\n\"\r\n}\n";
        let line = format!(
            r#"{{"target":"a/b","received_at":"2026-01-01T00:00:00Z","event":{{  "a": "b\n"  }},"raw":{}}}"#,
            serde_json::Value::from(raw)
        );
        assert_eq!(event(&line).1, raw);
        let edited = line.replace("\"b\\n\"  ", "\"c\"  ");
        assert_eq!(error(edited.as_bytes(), true), "its event and the same event in `raw` differ");
    }

    #[test]
    fn what_is_no_event_is_told_by_its_member() {
        for (members, expected) in [
            (r#""connection":"connected""#, Other::Connected),
            (r#""connection":"reconnecting","reason":"x","attempt":1"#, Other::Connection),
            (r#""status":{"a":1}"#, Other::Status),
            (r#""gap":"too_old""#, Other::Gap),
            (r#""warning":"w""#, Other::Warning),
            (r#""result":{"target":"a/b","outcome":"failed"}"#, Other::Result),
            (r#""text":"no JSON""#, Other::Text),
        ] {
            for more in ["", r#""target":"a/b","#] {
                let line = format!("{{{more}{members}}}");
                match read(line.as_bytes(), false, true).unwrap() {
                    Entry::Other { target, what, .. } => {
                        assert_eq!((target.is_some(), what), (!more.is_empty(), expected));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        for blank in ["", "  ", "\t\r"] {
            assert!(matches!(read(blank.as_bytes(), false, true), Ok(Entry::Blank)));
        }
    }

    #[test]
    fn every_cut_of_a_line_is_an_error_that_says_so() {
        let line = r#"{"target":"a/b","received_at":"2026-01-01T00:00:00Z","event":{"a":"é😀"}}"#;
        for cut in 1..line.len() {
            let expected = "it is cut off: the recording ends in the middle of a line";
            assert_eq!(error(&line.as_bytes()[..cut], false), expected, "{cut}");
            assert!(read(&line.as_bytes()[..cut], false, true).is_err(), "{cut}");
        }
        assert!(read(line.as_bytes(), false, false).is_ok());
    }

    #[test]
    fn a_line_that_is_none_of_a_recording_says_why() {
        let good = r#""target":"a/b","received_at":"2026-01-01T00:00:00Z","event":{}"#;
        for (line, expected) in [
            (format!("{{{good}}} x"), "it is no JSON: trailing characters at byte 66"),
            ("nonsense".to_owned(), "it is no JSON: expected ident at byte 2"),
            ("[1]".to_owned(), "it is no JSON object"),
            ("7".to_owned(), "it is no JSON object"),
            ("{}".to_owned(), "it has neither an event nor anything else that a recording has"),
            (r#"{"event":{},"received_at":"2026-01-01T00:00:00Z"}"#.to_owned(), "it has no target"),
            (r#"{"event":{},"target":"a/b"}"#.to_owned(), "it has no time in `received_at`"),
            (
                r#"{"event":{},"target":"a/b","received_at":null}"#.to_owned(),
                "it has no time in `received_at`",
            ),
            (r#"{"event":{},"target":"a/b","received_at":17}"#.to_owned(), "its received_at is no time: 17"),
            (
                r#"{"event":{},"target":"a/b","received_at":"yesterday"}"#.to_owned(),
                "its received_at is no time: \"yesterday\"",
            ),
        ] {
            assert_eq!(error(line.as_bytes(), true), expected, "{line}");
        }
        assert!(
            error(br#"{"target":7}"#, true)
                .starts_with("it is no line of a recording: invalid type: integer")
        );
        assert!(error(br#"{"event":1,"event":2}"#, true).contains("duplicate field `event`"));
        assert_eq!(error(b"{\"target\":\"\xff\"}", true), "it is not UTF-8");
        assert_eq!(error("\u{feff}{}".as_bytes(), true), "it is no JSON: expected value at byte 1");
    }
}

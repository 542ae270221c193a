//! What a message of a relay says besides its event: the target, the cursor, or that it is no event at all. In JSON and in
//! MessagePack.
//!
//! Events come by the thousand, so their members are looked for where a relay puts them; what is written otherwise is parsed.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::wire::messagepack;

/// How a message is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    Json,
    MessagePack,
}

/// An event of `/watch`, without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heading<'a> {
    pub(super) target: &'a [u8],
    pub(super) cursor: Option<&'a [u8]>,
    /// It is the state of a job.
    pub(super) is_snapshot: bool,
}

/// A message of a relay, as far as it is of its own making.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) kind: String,
    pub(super) target: String,
    pub(super) cursor: Option<String>,
    pub(super) is_snapshot: bool,
    /// How many targets are watched now.
    pub(super) targets: u64,
    pub(super) reason: String,
    pub(super) code: String,
    pub(super) message: String,
}

/// The members of all messages.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members {
    #[serde(rename = "type")]
    kind: String,
    target: String,
    cursor: Option<String>,
    snapshot: bool,
    targets: Vec<IgnoredAny>,
    reason: String,
    code: String,
    message: String,
}

/// Members of any event that has a cursor.
#[derive(Deserialize)]
struct WithCursor {
    cursor: String,
}

/// An event of `/watch` as a relay writes it; `None`: it is another message, or is written otherwise.
pub(super) fn event(message: &[u8], notation: Notation) -> Option<Heading<'_>> {
    let mut rest = message;
    match notation {
        Notation::Json => {
            take(&mut rest, br#"{"type":"event","target":""#)?;
            let target = text(&mut rest)?;
            let cursor = take(&mut rest, br#","cursor":""#).map(|()| text(&mut rest));
            let is_snapshot = take(&mut rest, br#","snapshot":true"#).is_some();
            take(&mut rest, br#","event":"#)?;
            Some(Heading { target, cursor: cursor.map_or(Some(None), |found| found.map(Some))?, is_snapshot })
        }
        Notation::MessagePack => {
            map(&mut rest)?;
            take(&mut rest, b"\xa4type\xa5event\xa6target")?;
            let target = string(&mut rest)?;
            let cursor = take(&mut rest, b"\xa6cursor").map(|()| string(&mut rest));
            let is_snapshot = take(&mut rest, b"\xa8snapshot\xc3").is_some();
            take(&mut rest, b"\xa5event")?;
            Some(Heading { target, cursor: cursor.map_or(Some(None), |found| found.map(Some))?, is_snapshot })
        }
    }
}

/// The cursor of an event of a contract.
pub(super) fn cursor(message: &[u8], notation: Notation) -> Option<String> {
    let mut rest = message;
    let first = match notation {
        Notation::Json => take(&mut rest, br#"{"cursor":""#).and_then(|()| text(&mut rest)),
        Notation::MessagePack => {
            map(&mut rest).and_then(|()| take(&mut rest, b"\xa6cursor")).and_then(|()| string(&mut rest))
        }
    };
    match first {
        Some(cursor) => String::from_utf8(cursor.to_vec()).ok(),
        None => parsed::<WithCursor>(message, notation).map(|event| event.cursor),
    }
}

/// A message of a relay's own; `None`: it is no such message.
pub(super) fn said(message: &[u8], notation: Notation) -> Option<Said> {
    let members: Members = parsed(message, notation)?;
    let Members { kind, target, cursor, snapshot, targets, reason, code, message } = members;
    let targets = targets.len() as u64;
    Some(Said { kind, target, cursor, is_snapshot: snapshot, targets, reason, code, message })
}

fn parsed<T: for<'de> Deserialize<'de>>(message: &[u8], notation: Notation) -> Option<T> {
    match notation {
        Notation::Json => serde_json::from_slice(message).ok(),
        Notation::MessagePack => serde_json::from_str(&messagepack::decode(message).ok()?).ok(),
    }
}

fn take(rest: &mut &[u8], expected: &[u8]) -> Option<()> {
    *rest = rest.strip_prefix(expected)?;
    Some(())
}

/// The rest of a JSON string, if nothing in it is escaped.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr2(b'"', b'\\', rest).filter(|end| rest[*end] == b'"')?;
    let (found, behind) = rest.split_at(end);
    *rest = &behind[1..];
    Some(found)
}

/// The header of a map of up to 65,535 members.
fn map(rest: &mut &[u8]) -> Option<()> {
    *rest = match rest {
        [0x80..=0x8f, rest @ ..] | [0xde, _, _, rest @ ..] => rest,
        _ => return None,
    };
    Some(())
}

/// A string of MessagePack of up to 65,535 bytes.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, behind): (usize, _) = match rest {
        [header @ 0xa0..=0xbf, behind @ ..] => ((header & 0x1f).into(), behind),
        [0xd9, length, behind @ ..] => ((*length).into(), behind),
        [0xda, high, low, behind @ ..] => (u16::from_be_bytes([*high, *low]).into(), behind),
        _ => return None,
    };
    let (found, behind) = behind.split_at_checked(length)?;
    *rest = behind;
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messagepack::Encoder;

    fn packed(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        Encoder::default().encode(text.as_bytes(), &mut out).unwrap();
        out
    }

    /// In both notations, as a relay writes it or with a space that it does not write.
    fn both<T: PartialEq + std::fmt::Debug>(text: &str, read: impl Fn(&[u8], Notation) -> T) -> T {
        let json = read(text.as_bytes(), Notation::Json);
        assert_eq!(read(&packed(text), Notation::MessagePack), json, "{text}");
        json
    }

    #[test]
    fn headings_of_events_are_found_where_a_relay_puts_them() {
        let long = "a".repeat(200);
        for (cursor, snapshot) in
            [(None, true), (Some("e.1~2"), false), (Some(long.as_str()), true), (None, false)]
        {
            let cursor_member = cursor.map(|cursor| format!(r#","cursor":"{cursor}""#)).unwrap_or_default();
            let state = if snapshot { r#","snapshot":true"# } else { "" };
            let text = format!(
                r#"{{"type":"event","target":"scraping/1"{cursor_member}{state},"event":{{"cursor":"x"}}}}"#
            );
            both(&text, |message, notation| {
                let heading = event(message, notation).unwrap();
                assert_eq!(heading.target, b"scraping/1");
                assert_eq!((heading.cursor, heading.is_snapshot), (cursor.map(str::as_bytes), snapshot));
                let said = said(message, notation).unwrap();
                assert_eq!(
                    (said.kind.as_str(), said.cursor.as_deref(), said.is_snapshot),
                    ("event", cursor, snapshot)
                );
            });
        }
        let odd = r#"{"type":"event","target":"downloads/a\"b","event":1}"#;
        assert_eq!(event(odd.as_bytes(), Notation::Json), None);
        assert_eq!(said(odd.as_bytes(), Notation::Json).unwrap().target, "downloads/a\"b");
        for cut in 0..odd.len() {
            assert_eq!(event(&odd.as_bytes()[..cut], Notation::Json), None);
            let pack = packed(odd);
            event(&pack[..cut.min(pack.len() - 1)], Notation::MessagePack);
        }
    }

    #[test]
    fn cursors_of_contracts_are_found_anywhere() {
        for (text, expected) in [
            (r#"{"cursor":"a.1","job_id":1}"#, Some("a.1")),
            (r#"{"cursor":"a.2","event":[1]}"#, Some("a.2")),
            (r#"{"job_id":1,"cursor":"a.3"}"#, Some("a.3")),
            (r#"{"job_id":1,"message":null}"#, None),
            ("[1]", None),
        ] {
            assert_eq!(both(text, cursor).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn messages_of_the_relay_are_read_as_the_contract_has_them() {
        let watching = both(r#"{"type":"watching","targets":["a/1","a/2"],"cursor":"c"}"#, said).unwrap();
        assert_eq!((watching.targets, watching.cursor.as_deref()), (2, Some("c")));
        let gap = both(r#"{"type":"gap","reason":"too_old","cursor":"c"}"#, said).unwrap();
        assert_eq!((gap.kind.as_str(), gap.reason.as_str()), ("gap", "too_old"));
        let error = both(r#"{"type":"error","code":"limit","target":"a/1","message":"no"}"#, said).unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("limit", "no"));
        assert_eq!(both(r#"{"job_id":1,"message":null}"#, said), None);
        assert_eq!(both(r#""text""#, said), None);
    }
}

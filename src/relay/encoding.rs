//! How a message becomes bytes on a client's wire.
//!
//! A client's [`Encoding`] is agreed on when its connection begins. A shard makes an encoding of an event at the first
//! client that wants it ([`Encodings`]) and shares it with all others; one that nobody wants costs nothing.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use memchr::memmem;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::cursor::{Cursor, Sources};
use super::event::Event;
use crate::dialect::{DialectId, Dialects};
use crate::wire::deflate::{self, Compressor};
use crate::wire::view::EventView;
use crate::wire::{Frame, Payload, messagepack, sse, websocket};

/// Form in which a client's messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Form {
    /// WebSocket text frames.
    #[default]
    Text,
    /// WebSocket binary frames of MessagePack.
    MessagePack,
    /// Events of a stream (Server-Sent Events).
    EventStream,
}

/// What an event's message holds besides the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Shape {
    /// The text of the contract.
    #[default]
    Contract,
    /// The text of the contract with the cursor in it.
    Cursor,
    /// The envelope of `/watch`: target, cursor, and the event as it was published.
    Envelope,
    /// That envelope with what the event says, in the same words for each dialect.
    Viewed,
}

impl Shape {
    /// Whether the shape is an envelope of `/watch`.
    pub(super) fn is_envelope(self) -> bool {
        matches!(self, Self::Envelope | Self::Viewed)
    }
}

/// How a client wants its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Encoding {
    /// Form of every message.
    pub form: Form,
    /// Shape of events and states.
    pub shape: Shape,
    /// Whether permessage-deflate was agreed on.
    pub deflate: bool,
}

impl Encoding {
    /// Whether events go out as plain text frames, as they stand in their payload's memory.
    pub(super) fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// Whether the client can resume, so that it is told cursors and gaps.
    pub(super) fn has_cursors(self) -> bool {
        self.form == Form::EventStream || self.shape != Shape::Contract
    }
}

/// The rest of an event's message for one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// The target that the client knows the event by; only for envelopes.
    pub target: &'a str,
    /// The dialect that the event is of.
    pub dialect: DialectId,
    /// Cursor behind the event, where it is true of all that the client watches.
    pub cursor: Option<&'a Cursor>,
}

/// Makes frames of messages. One a shard: it keeps the state of a compression, which is large, and scratch space.
#[derive(Debug)]
pub(super) struct Encoder {
    dialects: Arc<Dialects>,
    compressor: Option<Box<Compressor>>,
    packer: messagepack::Encoder,
    scratch: Vec<u8>,
}

impl Encoder {
    /// An encoder that has made no frame yet.
    pub(super) fn new(dialects: Arc<Dialects>) -> Self {
        Self { dialects, compressor: None, packer: messagepack::Encoder::default(), scratch: Vec::new() }
    }

    /// A frame of a text that is no event: an answer, a greeting, a heartbeat.
    pub(super) fn message(&mut self, encoding: Encoding, text: &[u8]) -> Frame {
        self.frame(encoding, text, None)
    }

    /// A message that only moves a client's cursor.
    pub(super) fn cursor(&mut self, encoding: Encoding, cursor: &Cursor) -> Frame {
        if encoding.form == Form::EventStream {
            let id = cursor.to_string();
            let event = sse::Event { id: Some(&id), ..sse::Event::default() };
            return event.to_bytes().into();
        }
        self.frame(encoding, super::cursor::refresh(cursor).as_bytes(), None)
    }

    /// A frame of a message that tells a cursor itself, such as a gap.
    pub(super) fn with_cursor(&mut self, encoding: Encoding, text: &[u8], cursor: Option<&Cursor>) -> Frame {
        self.frame(encoding, text, cursor)
    }

    /// A frame of an event or, where `is_snapshot`, of a topic's state.
    pub(super) fn event(
        &mut self,
        encoding: Encoding,
        payload: &Payload,
        address: Address<'_>,
        is_snapshot: bool,
    ) -> Frame {
        let Address { target, dialect, cursor } = address;
        let text = match (encoding.shape, cursor) {
            (Shape::Contract, _) | (Shape::Cursor, None) => Cow::Borrowed(payload.text()),
            (Shape::Cursor, Some(cursor)) => Cow::Owned(with_cursor(payload.text(), cursor)),
            (Shape::Envelope | Shape::Viewed, _) => {
                let view = if encoding.shape == Shape::Viewed { self.view(dialect, payload) } else { None };
                Cow::Owned(enveloped(
                    payload.published(),
                    target,
                    cursor.filter(|_| !is_snapshot),
                    is_snapshot,
                    view.as_deref(),
                ))
            }
        };
        let id = cursor.filter(|_| !(is_snapshot && encoding.shape.is_envelope()));
        self.frame(encoding, &text, id)
    }

    /// View of an event, as JSON; `None` where the dialect reads nothing in it.
    fn view(&self, dialect: DialectId, payload: &Payload) -> Option<String> {
        let text = std::str::from_utf8(payload.text()).ok()?;
        let view = EventView::from(self.dialects.get(dialect).view(text)?);
        Some(serde_json::to_string(&view).expect("texts and numbers are JSON"))
    }

    fn frame(&mut self, encoding: Encoding, text: &[u8], id: Option<&Cursor>) -> Frame {
        self.scratch.clear();
        match encoding.form {
            Form::EventStream => {
                let id = id.map(ToString::to_string);
                let event = sse::Event { id: id.as_deref(), data: Some(text), ..sse::Event::default() };
                event.to_bytes().into()
            }
            Form::MessagePack if self.packer.encode(text, &mut self.scratch).is_ok() => {
                let packed = std::mem::take(&mut self.scratch);
                let frame = self.maybe_compressed(encoding, false, &packed);
                self.scratch = packed;
                frame
            }
            // A text that MessagePack does not fit goes as it is.
            Form::MessagePack | Form::Text => self.maybe_compressed(encoding, true, text),
        }
    }

    fn maybe_compressed(&mut self, encoding: Encoding, is_text: bool, message: &[u8]) -> Frame {
        if encoding.deflate && deflate::is_worth_it(message.len()) {
            let mut compressed = Vec::new();
            self.compressor.get_or_insert_default().compress(message, &mut compressed);
            return websocket::compressed(is_text, &compressed);
        }
        if is_text { websocket::text(message) } else { websocket::binary(message) }
    }
}

/// The encodings of one event that were made so far.
#[derive(Debug)]
pub(super) struct Encodings<'e, C> {
    event: &'e Event,
    /// Gives the cursor behind the event, for clients of some sources.
    cursor_of: C,
    plain: Frame,
    /// Few: a client's encoding is one of sixteen, and most events have one target and one set of sources.
    made: Vec<(Variant, Frame)>,
}

/// Everything that an event's encoding depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Variant {
    encoding: Encoding,
    /// Place of the target's topic among those of the event; only for envelopes.
    topic: u16,
    /// Sources of the client's cursor, where it gets one.
    cursor: Option<Sources>,
}

impl<'e, C: Fn(Sources) -> Cursor> Encodings<'e, C> {
    /// None made yet but the plain one, which costs nothing.
    pub(super) fn new(event: &'e Event, cursor_of: C) -> Self {
        Self { event, cursor_of, plain: event.payload.frame(), made: Vec::new() }
    }

    /// The plain text frame.
    pub(super) fn plain(&self) -> &Frame {
        &self.plain
    }

    /// The event in an encoding, with a cursor of these sources or without one; `target` names the topic of that place for `/watch`.
    pub(super) fn get(
        &mut self,
        encoder: &mut Encoder,
        encoding: Encoding,
        topic: usize,
        cursor: Option<Sources>,
        target: impl FnOnce() -> String,
    ) -> &Frame {
        let is_enveloped = encoding.shape.is_envelope();
        let topic = if is_enveloped { u16::try_from(topic).unwrap_or(u16::MAX) } else { 0 };
        let variant = Variant { encoding, topic, cursor };
        let at = self.made.iter().position(|(made, _)| *made == variant).unwrap_or_else(|| {
            let target = if is_enveloped { target() } else { String::new() };
            let cursor = cursor.map(&self.cursor_of);
            let address = Address { target: &target, dialect: self.event.dialect(), cursor: cursor.as_ref() };
            let frame = encoder.event(encoding, &self.event.payload, address, false);
            self.made.push((variant, frame));
            self.made.len() - 1
        });
        &self.made[at].1
    }
}

/// Puts a cursor first into the outermost object of a JSON text. A text that is no object, or has a `cursor` of its own,
/// is put into one.
fn with_cursor(text: &[u8], cursor: &Cursor) -> Vec<u8> {
    let mut head = String::with_capacity(48);
    let trimmed = text.trim_ascii_start();
    let inside = trimmed.strip_prefix(b"{").filter(|_| !has_own_cursor(trimmed));
    // Writing to a string does not fail.
    let _ = write!(head, r#"{{"cursor":"{cursor}""#);
    match inside {
        Some(inside) if inside.trim_ascii_start().starts_with(b"}") => [head.as_bytes(), inside].concat(),
        Some(inside) => [head.as_bytes(), b",", inside].concat(),
        None => [head.as_bytes(), br#","event":"#, text, b"}"].concat(),
    }
}

/// Whether the outermost object has a member `cursor`. An object that cannot be read counts as one that has.
fn has_own_cursor(object: &[u8]) -> bool {
    // A name can be written with escapes.
    if memmem::find(object, b"cursor").is_none() && memmem::find(object, b"\\u").is_none() {
        return false;
    }
    serde_json::Deserializer::from_slice(object).deserialize_map(Members).unwrap_or(true)
}

/// Looks for the member `cursor`.
struct Members;
impl<'de> Visitor<'de> for Members {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some((name, _)) = map.next_entry::<Cow<'_, str>, IgnoredAny>()? {
            found |= name == "cursor";
        }
        Ok(found)
    }
}

/// The message of `/watch` for an event, or for a topic's state.
fn enveloped(
    published: &[u8],
    target: &str,
    cursor: Option<&Cursor>,
    is_snapshot: bool,
    view: Option<&str>,
) -> Vec<u8> {
    let target = serde_json::Value::from(target);
    let mut head = format!(r#"{{"type":"event","target":{target}"#);
    if let Some(cursor) = cursor {
        // Writing to a string does not fail.
        let _ = write!(head, r#","cursor":"{cursor}""#);
    }
    if is_snapshot {
        head.push_str(r#","snapshot":true"#);
    }
    if let Some(view) = view {
        // Writing to a string does not fail.
        let _ = write!(head, r#","view":{view}"#);
    }
    [head.as_bytes(), br#","event":"#, published, b"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Topic;
    use crate::relay::cursor::Epoch;
    use crate::relay::event::testing::event_of;

    fn cursor() -> Cursor {
        let epoch = Epoch::random();
        epoch.cursor(7)
    }

    fn event(payload: &str) -> Event {
        let id = Dialects::builtin().named("scraping").unwrap().0;
        event_of(Topic::job(id, "1"), 7, payload.as_bytes())
    }

    #[test]
    fn a_cursor_is_the_first_member_or_stands_beside_what_has_no_place_for_it() {
        let cursor = cursor();
        for (text, wanted) in [
            (r#"{"a":1}"#, r#"{"cursor":"C","a":1}"#),
            (" \n{\r \"a\":1}", "{\"cursor\":\"C\",\r \"a\":1}"),
            ("{ }", r#"{"cursor":"C" }"#),
            ("[1]", r#"{"cursor":"C","event":[1]}"#),
            ("7", r#"{"cursor":"C","event":7}"#),
            (r#"{"cursor":1}"#, r#"{"cursor":"C","event":{"cursor":1}}"#),
            (r#"{"\u0063ursor":1}"#, r#"{"cursor":"C","event":{"\u0063ursor":1}}"#),
            (r#"{"a":{"cursor":1}}"#, r#"{"cursor":"C","a":{"cursor":1}}"#),
            (r#"{"a":"cursor"}"#, r#"{"cursor":"C","a":"cursor"}"#),
        ] {
            let got = String::from_utf8(with_cursor(text.as_bytes(), &cursor)).unwrap();
            assert_eq!(got, wanted.replace('C', &cursor.to_string()), "{text}");
        }
    }

    #[test]
    fn an_encoding_is_made_once_and_the_plain_one_never() {
        let event = event(r#"{"a":1}"#);
        let (mut encoder, epoch) = (Encoder::new(Arc::new(Dialects::builtin())), Epoch::random());
        let mut encodings = Encodings::new(&event, |_| epoch.cursor(7));
        assert_eq!(encodings.plain(), &event.payload.frame());
        let envelope = Encoding { shape: Shape::Envelope, ..Encoding::default() };
        let target = || "scraping/1".to_owned();
        let first = encodings.get(&mut encoder, envelope, 0, Some(Sources::OWN), target).clone();
        let again = encodings.get(&mut encoder, envelope, 0, Some(Sources::OWN), || unreachable!()).clone();
        assert_eq!(first.as_ptr(), again.as_ptr());
        let wanted = format!(
            r#"{{"type":"event","target":"scraping/1","cursor":"{}","event":{{"a":1}}}}"#,
            epoch.cursor(7)
        );
        assert_eq!(first, websocket::text(wanted.as_bytes()));
        let without = encodings.get(&mut encoder, envelope, 0, None, target).clone();
        assert_eq!(without, websocket::text(br#"{"type":"event","target":"scraping/1","event":{"a":1}}"#));
    }

    #[test]
    fn each_form_has_the_same_text() {
        let text = format!(r#"{{"a":"{}"}}"#, "b".repeat(400));
        let event = event(&text);
        let mut encoder = Encoder::new(Arc::new(Dialects::builtin()));
        let mut of = |form, deflate| {
            let encoding = Encoding { form, deflate, ..Encoding::default() };
            encoder.event(
                encoding,
                &event.payload,
                Address { target: "", dialect: event.dialect(), cursor: None },
                false,
            )
        };
        assert_eq!(of(Form::Text, false), event.payload.frame());
        assert_eq!(*of(Form::EventStream, false), *format!("data: {text}\n\n").as_bytes());
        assert_eq!(of(Form::MessagePack, false)[0], 0x82);
        assert_eq!((of(Form::Text, true)[0], of(Form::MessagePack, true)[0]), (0xc1, 0xc2));
        assert!(of(Form::Text, true).len() < 60);
    }
}

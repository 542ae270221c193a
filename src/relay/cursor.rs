//! Cursors: a client's place in the events of its sources, as text.
//!
//! A cursor means that everything of all targets up to it was sent or conflated. It has a part for each source of the
//! client's targets, joined by `~`:
//! - `EPOCH.SEQUENCE` for everything that comes by channels or the embedded broker. The sequence is this relay's own, and
//!   the epoch is one run of the relay, since the sequences of another run say nothing about this one.
//! - `STREAM.MILLIS.NUMBER` for a stream: a hash of its key, and the id of an entry. Any relay can go on from there.
//!
//! Numbers have 64 digits, so that a cursor has room for many streams. Of a client whose targets have more streams than a cursor has room for, it is the relay's
//! own part alone.

use std::fmt;
use std::sync::Arc;

use serde_json::json;

use crate::broker::{Position, StreamId};

/// Characters that a cursor may have at most.
const MAX_CURSOR: usize = 256;

/// Streams that a cursor has room for: each takes at most 7 + 8 + 4 characters, where no entry is number 262,144 of its
/// millisecond, and the relay's own part takes 23.
const MAX_STREAMS: u32 = 12;

/// Digits of numbers, in the order of their values.
const DIGITS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

/// The text that stands for the beginning of what is kept.
pub(super) const BEGINNING: &str = "0";

/// Sources of the targets of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Sources(u64);

impl Sources {
    /// Channels and the embedded broker, which have no stream.
    pub(super) const OWN: Self = Self(1 << 63);
    /// Streams that are too many to be told apart.
    const MANY: Self = Self(1 << 62);

    /// A stream alone.
    pub(super) fn stream(id: StreamId) -> Self {
        if id.0 < 62 { Self(1 << id.0) } else { Self::MANY }
    }

    /// Joins these sources and others.
    #[must_use]
    pub(super) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether any of them is among the others.
    pub(super) const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// The streams, where a cursor has a part for each of them; none where it has the relay's own part alone.
    pub(super) fn streams(self) -> impl Iterator<Item = StreamId> {
        let bits = self.0 & !(Self::OWN.0 | Self::MANY.0);
        let has_room = self.0 & Self::MANY.0 == 0 && bits.count_ones() <= MAX_STREAMS;
        (0..62).filter(move |bit| has_room && bits & (1 << bit) != 0).map(StreamId)
    }

    /// Whether a cursor has the relay's own part.
    pub(super) fn has_own(self) -> bool {
        self.0 & Self::OWN.0 != 0 || self.streams().next().is_none()
    }

    /// Whether a cursor has the relay's own part alone.
    pub(super) fn is_own(self) -> bool {
        self.streams().next().is_none()
    }
}

/// One run of a relay: a random number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

impl Epoch {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// The cursor of a sequence, for a client without streams: at most 23 characters.
    pub(super) const fn cursor(self, sequence: u64) -> Cursor {
        Cursor { own: Some((self, sequence)), streams: None }
    }

    /// Reads a cursor that a client brought.
    pub(super) fn read(self, text: &str) -> Since {
        if text == BEGINNING {
            return Since::Beginning;
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
        if text.is_empty() || text.len() > MAX_CURSOR || !text.bytes().all(allowed) {
            return Since::Lost(Loss::Invalid);
        }
        let (mut own, mut streams) = (None, Vec::new());
        for part in text.split('~') {
            match Part::read(part) {
                Some(Part::Own(epoch, sequence)) if own.is_none() => {
                    own = Some(if epoch == self { Ok(sequence) } else { Err(Loss::Restarted) });
                }
                Some(Part::Stream(place)) => streams.push(place),
                _ => return Since::Lost(Loss::Invalid),
            }
        }
        match own {
            Some(Ok(sequence)) if streams.is_empty() => Since::After(sequence),
            Some(Err(loss)) if streams.is_empty() => Since::Lost(loss),
            own => Since::At(Arc::new(Given { own, streams, text: text.to_owned() })),
        }
    }
}

/// A number as text, without leading zeros.
struct Number(u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 11];
        let (mut rest, mut at) = (self.0, digits.len());
        while rest > 0 || at == digits.len() {
            at -= 1;
            digits[at] = DIGITS[(rest % 64) as usize];
            rest /= 64;
        }
        f.write_str(std::str::from_utf8(&digits[at..]).unwrap_or_default())
    }
}

/// Reads a number; `None` where it is not written as it would be here, or too large.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = DIGITS.iter().position(|digit| *digit == byte)?;
        number.checked_mul(64)?.checked_add(digit as u64)
    })
}

/// A part of a cursor.
enum Part {
    Own(Epoch, u64),
    Stream(StreamPlace),
}

impl Part {
    fn read(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('.')?;
        match rest.split_once('.') {
            None => Some(Self::Own(Epoch(number(first)?), number(rest)?)),
            Some((millis, entry)) => {
                let position = Position { millis: number(millis)?, number: number(entry)? };
                Some(Self::Stream(StreamPlace { stream: number(first)?.try_into().ok()?, position }))
            }
        }
    }
}

/// A place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamPlace {
    /// Hash of the stream's key, which is the same on every relay.
    pub stream: u32,
    /// The entry up to which everything was sent.
    pub position: Position,
}

/// The text form of a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    own: Option<(Epoch, u64)>,
    streams: Option<Arc<[StreamPlace]>>,
}

impl Cursor {
    /// The place of a client with streams.
    pub(super) fn new(own: Option<(Epoch, u64)>, streams: Vec<StreamPlace>) -> Self {
        Self { own, streams: (!streams.is_empty()).then(|| streams.into()) }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((epoch, sequence)) = self.own {
            write!(f, "{}.{}", Number(epoch.0), Number(sequence))?;
        }
        for (nth, StreamPlace { stream, position }) in
            self.streams.iter().flat_map(|all| all.iter()).enumerate()
        {
            if nth > 0 || self.own.is_some() {
                f.write_str("~")?;
            }
            write!(
                f,
                "{}.{}.{}",
                Number(u64::from(*stream)),
                Number(position.millis),
                Number(position.number)
            )?;
        }
        Ok(())
    }
}

/// Where a client wants to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Since {
    /// At the beginning of what is kept.
    Beginning,
    /// Behind the event of this sequence.
    After(u64),
    /// Behind a place in each of its sources.
    At(Arc<Given>),
    /// Nowhere: the cursor does not say where.
    Lost(Loss),
}

/// A cursor with streams that a client brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// The sequence of this relay behind which it goes on; an error for one of another run.
    pub own: Option<Result<u64, Loss>>,
    /// Places in streams.
    pub streams: Vec<StreamPlace>,
    /// The cursor as it came.
    pub text: String,
}

impl Given {
    /// The place in a stream, by the hash of its key.
    pub(super) fn of(&self, stream: u32) -> Option<Position> {
        self.streams.iter().find(|place| place.stream == stream).map(|place| place.position)
    }
}

/// Place at which an event stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// At the beginning of what is kept.
    Beginning,
    /// Behind an event of this relay.
    Behind(u64),
    /// Behind the places that the client brought.
    Given(Arc<Given>),
}

impl Start {
    /// The start of a client that goes on somewhere; of another one behind a sequence.
    pub(super) fn of(since: Option<&Since>, otherwise: u64) -> Self {
        match since {
            Some(Since::After(sequence)) => Self::Behind(*sequence),
            Some(Since::At(given)) => Self::Given(Arc::clone(given)),
            Some(Since::Beginning) => Self::Beginning,
            Some(Since::Lost(_)) | None => Self::Behind(otherwise),
        }
    }
}

/// Why a client cannot go on where it was, in the words of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// Something that came since is no longer kept.
    TooOld,
    /// The relay has been started since.
    Restarted,
    /// The text is no cursor of this relay.
    Invalid,
    /// The relay itself may have missed events since.
    SourceLost,
}

impl Loss {
    /// All reasons, which the schema of the messages names too.
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::TooOld, Self::Restarted, Self::Invalid, Self::SourceLost];

    const fn word(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::Restarted => "restarted",
            Self::Invalid => "invalid",
            Self::SourceLost => "source_lost",
        }
    }
}

/// Message that events are missing; of one target where there may be several, with a cursor to go on from where that is
/// true of all of them.
pub(super) fn gap(loss: Loss, target: Option<&str>, cursor: Option<&Cursor>) -> String {
    let mut message = json!({ "type": "gap", "reason": loss.word() });
    if let Some(target) = target {
        message["target"] = target.into();
    }
    if let Some(cursor) = cursor {
        message["cursor"] = cursor.to_string().into();
    }
    message.to_string()
}

/// Message that refreshes a client's cursor.
pub(super) fn refresh(cursor: &Cursor) -> String {
    format!(r#"{{"type":"cursor","cursor":"{cursor}"}}"#)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written_by_its_own_epoch_alone(epoch: u64, other: u64, sequence: u64) {
            prop_assume!(epoch != other);
            let text = Epoch(epoch).cursor(sequence).to_string();
            prop_assert_eq!(Epoch(epoch).read(&text), Since::After(sequence));
            prop_assert_eq!(Epoch(other).read(&text), Since::Lost(Loss::Restarted));
        }

        #[test]
        fn places_in_streams_are_read_by_any_run_as_they_were_written(
            own: Option<u64>,
            places in proptest::collection::vec((any::<u32>(), any::<u32>(), 0_u32..1 << 18), 1..=12),
        ) {
            let streams: Vec<StreamPlace> = places
                .into_iter()
                .map(|(stream, millis, number)| StreamPlace {
                    stream,
                    position: Position { millis: u64::from(millis) << 11, number: number.into() },
                })
                .collect();
            let cursor = Cursor::new(own.map(|sequence| (Epoch(1), sequence)), streams.clone());
            let text = cursor.to_string();
            prop_assert!(text.len() <= MAX_CURSOR);
            for (epoch, own) in [(1, own.map(Ok)), (2, own.map(|_| Err(Loss::Restarted)))] {
                let given = Given { own, streams: streams.clone(), text: text.clone() };
                prop_assert_eq!(Epoch(epoch).read(&text), Since::At(Arc::new(given)));
            }
        }

        #[test]
        fn any_text_is_read_without_harm(text: String) {
            Epoch(1).read(&text);
        }
    }

    #[test]
    fn the_schema_names_exactly_the_reasons_of_a_gap() {
        assert_eq!(crate::dialect::schema_words("GapMessage", "reason"), Loss::ALL.map(Loss::word));
    }

    #[test]
    fn garbage_is_no_cursor_and_too_many_streams_have_no_room_in_one() {
        assert_eq!(Epoch(1).read("0"), Since::Beginning);
        let long = format!("1.{}", "1".repeat(300));
        for text in [
            "",
            "1",
            "1.",
            ".1",
            "1.2.3.4",
            "1.2~3.4",
            "1.2~",
            "1.2.3~x",
            "123456789.2.3",
            "01.2",
            "1.02",
            "1.%",
            "1.+2",
            " 1.2",
            "1.2 ",
            "ü.1",
            &long,
        ] {
            assert_eq!(Epoch(1).read(text), Since::Lost(Loss::Invalid), "{text}");
        }
        let sources = |ids: &[u16]| {
            ids.iter().fold(Sources::default(), |all, id| all.and(Sources::stream(StreamId(*id))))
        };
        let few = sources(&[0, 3, 61]);
        assert_eq!(few.streams().collect::<Vec<_>>(), [StreamId(0), StreamId(3), StreamId(61)]);
        assert!(!few.has_own() && few.and(Sources::OWN).has_own() && Sources::OWN.is_own());
        let thirteen: Vec<u16> = (0..13).collect();
        for many in [sources(&thirteen), sources(&[1, 62]), Sources::default()] {
            assert!(many.is_own() && many.has_own());
        }
        let cursor = Epoch(255).cursor(16);
        assert_eq!(
            gap(Loss::TooOld, Some("channel:a"), Some(&cursor)),
            r#"{"type":"gap","reason":"too_old","target":"channel:a","cursor":"3_.g"}"#
        );
        assert_eq!(refresh(&cursor), r#"{"type":"cursor","cursor":"3_.g"}"#);
    }
}

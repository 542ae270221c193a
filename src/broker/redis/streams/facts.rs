//! Whether a place in a stream is still good, from what Redis says of the stream; pure.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::broker::Position;
use crate::wire::resp::{Bounds, Reply};

/// Depth of the reply to XINFO STREAM: its first and last entry, with their fields.
const DEPTH: usize = 3;

/// Fields that the first and the last entry have together, at most; a stream whose entries have more is refused.
const ELEMENTS: usize = 100_000;

/// Bounds of a reply to XINFO STREAM where payloads have at most `max_payload` bytes. It repeats two whole entries, which
/// others wrote, so that it may be far longer than what is relayed.
pub(super) const fn bounds(max_payload: usize) -> Bounds {
    const LEAST: usize = 64 * 1024 * 1024;
    let twice = max_payload.saturating_mul(4);
    Bounds { bytes: if twice > LEAST { twice } else { LEAST }, elements: ELEMENTS, depth: DEPTH }
}

/// What Redis says of a stream at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// Entries that are there.
    pub(super) length: u64,
    /// The oldest entry that is there.
    pub(super) first: Option<First>,
    /// The newest entry that ever was there.
    pub(super) last: Position,
    /// Entries that were ever added; `None` before Redis 7.
    pub(super) added: Option<u64>,
}

/// The oldest entry of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct First {
    pub(super) position: Position,
    /// Hash of its fields, which tells a stream from one that was begun anew with the same ids.
    pub(super) hash: u64,
}

/// A place in a stream, between two entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// The entry before it.
    pub(super) after: Position,
    /// How many entries were added up to there, where that is known.
    pub(super) count: Option<u64>,
}

#[cfg(test)]
impl Place {
    /// The place before every entry that a stream ever had.
    pub(super) const BEGINNING: Self = Self { after: Position { millis: 0, number: 0 }, count: Some(0) };
}

/// What became of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// No entry behind it is missing.
    Whole,
    /// Entries behind it may be missing, up to this position.
    Hole(Position),
    /// It is beyond the stream's newest entry: the stream was begun anew, or its newest entries were lost.
    Beyond,
}

impl Facts {
    /// A stream that is not there: the first entry that is added to it is its first one.
    pub(super) const NONE: Self =
        Self { length: 0, first: None, last: Position { millis: 0, number: 0 }, added: Some(0) };

    /// Reads the reply to XINFO STREAM; `None` where it is none.
    pub(super) fn of_reply(reply: &Reply<'_>) -> Option<Self> {
        let Reply::Array(pairs) = reply else { return None };
        let field = |name: &str| {
            let mut pairs = pairs.chunks_exact(2);
            pairs.find(|pair| text(&pair[0]) == Some(name)).map(|pair| &pair[1])
        };
        let number = |name| match field(name) {
            Some(Reply::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let first = match field("first-entry") {
            Some(Reply::Array(entry)) => match entry.as_slice() {
                [id, fields] => Some(First { position: text(id)?.parse().ok()?, hash: hash(fields) }),
                _ => None,
            },
            _ => None,
        };
        let last = text(field("last-generated-id")?)?.parse().ok()?;
        Some(Self { length: number("length")?, first, last, added: number("entries-added") })
    }

    /// How many entries are no longer there that were added before the first one.
    pub(super) fn gone(&self) -> Option<u64> {
        self.added?.checked_sub(self.length)
    }

    /// Tells what became of a place.
    ///
    /// Entries go oldest first. So if the first one is not behind the place, none behind the place is gone. If it is, then
    /// entries between the place and the first one are gone, unless the numbers of both show that there were none.
    pub(super) fn fate(&self, place: &Place) -> Fate {
        if place.after > self.last {
            return Fate::Beyond;
        }
        if place.after == self.last {
            // Whoever has read up to the newest entry has read as many as were added.
            let is_short = matches!((place.count, self.added), (Some(read), Some(added)) if read < added);
            return if is_short { Fate::Hole(self.last) } else { Fate::Whole };
        }
        if self.first.is_some_and(|first| first.position <= place.after) {
            return Fate::Whole;
        }
        // A count that is higher than the stream's is one of a stream before it.
        let count = place.count.filter(|count| self.added.is_some_and(|added| *count <= added));
        if self.gone().is_some_and(|gone| gone <= count.unwrap_or(0)) {
            return Fate::Whole;
        }
        Fate::Hole(self.first.map_or(self.last, |first| before(first.position)))
    }

    /// The place at the end.
    pub(super) fn end(&self) -> Place {
        Place { after: self.last, count: self.added }
    }
}

/// The last position before an entry.
pub(super) fn before(Position { millis, number }: Position) -> Position {
    match (millis, number) {
        (millis, 1..) => Position { millis, number: number - 1 },
        (1.., 0) => Position { millis: millis - 1, number: u64::MAX },
        (0, 0) => Position::default(),
    }
}

/// The first position behind an entry; the last of all has none.
pub(super) fn behind(Position { millis, number }: Position) -> Position {
    match number.checked_add(1) {
        Some(number) => Position { millis, number },
        None => Position { millis: millis.saturating_add(1), number: 0 },
    }
}

fn text<'a>(reply: &Reply<'a>) -> Option<&'a str> {
    match reply {
        Reply::Bulk(text) | Reply::Simple(text) => std::str::from_utf8(text).ok(),
        _ => None,
    }
}

fn hash(fields: &Reply<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let Reply::Array(all) = fields {
        for field in all {
            if let Reply::Bulk(bytes) = field {
                bytes.hash(&mut hasher);
            }
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::resp;

    const fn at(millis: u64) -> Position {
        Position { millis, number: 0 }
    }

    /// A stream whose entries are there from one position to another, with so many that are gone.
    fn facts(first: u64, last: u64, gone: u64) -> Facts {
        let length = last - first + 1;
        let first = Some(First { position: at(first), hash: 0 });
        Facts { length, first, last: at(last), added: Some(length + gone) }
    }

    fn fate(after: u64, count: Option<u64>, facts: Facts) -> Fate {
        facts.fate(&Place { after: at(after), count })
    }

    #[test]
    fn a_place_is_good_while_its_entry_is_there_or_nothing_behind_it_is_gone() {
        let trimmed = facts(5, 9, 4);
        for (after, count, wanted) in [
            (9, Some(9), Fate::Whole),
            (9, None, Fate::Whole),
            (7, None, Fate::Whole),
            (5, None, Fate::Whole),
            // Of the entry right before the first, only the count shows that none is between them.
            (4, Some(4), Fate::Whole),
            (4, None, Fate::Hole(before(at(5)))),
            (3, Some(3), Fate::Hole(before(at(5)))),
            (0, Some(0), Fate::Hole(before(at(5)))),
            (10, None, Fate::Beyond),
            // Read up to the newest, and fewer than there were.
            (9, Some(8), Fate::Hole(at(9))),
        ] {
            assert_eq!(fate(after, count, trimmed), wanted, "{after} {count:?}");
        }
    }

    #[test]
    fn where_nothing_ever_went_every_place_within_is_good() {
        for after in 0..=9 {
            assert_eq!(fate(after, None, facts(3, 9, 0)), Fate::Whole);
        }
        assert_eq!(Facts::NONE.fate(&Place::BEGINNING), Fate::Whole);
        assert_eq!(fate(1, Some(1), Facts::NONE), Fate::Beyond);
    }

    #[test]
    fn a_stream_that_was_emptied_is_whole_only_for_whoever_had_read_all_of_it() {
        let emptied = Facts { last: at(9), added: Some(9), ..Facts::NONE };
        assert_eq!(fate(9, Some(9), emptied), Fate::Whole);
        assert_eq!(fate(8, Some(8), emptied), Fate::Hole(at(9)));
        assert_eq!(fate(8, None, emptied), Fate::Hole(at(9)));
    }

    #[test]
    fn a_count_of_a_stream_before_this_one_says_nothing() {
        assert_eq!(fate(4, Some(1000), facts(10, 20, 5)), Fate::Hole(before(at(10))));
        assert_eq!(fate(4, Some(1000), facts(10, 20, 0)), Fate::Whole);
    }

    #[test]
    fn without_a_count_of_entries_only_what_is_there_is_proof() {
        let old = Facts { added: None, ..facts(5, 9, 0) };
        assert_eq!(fate(5, None, old), Fate::Whole);
        assert_eq!(fate(4, Some(4), old), Fate::Hole(before(at(5))));
    }

    #[test]
    fn positions_have_neighbours() {
        for (low, high) in [("1-0", "1-1"), ("0-18446744073709551615", "1-0")] {
            let (low, high): (Position, Position) = (low.parse().unwrap(), high.parse().unwrap());
            assert_eq!((before(high), behind(low)), (low, high));
        }
        assert_eq!(before(Position::default()), Position::default());
    }

    #[test]
    fn the_reply_of_redis_is_read() {
        let entry = "*2\r\n$3\r\n5-0\r\n*2\r\n$4\r\ndata\r\n$2\r\n{}\r\n";
        let reply = format!(
            "*10\r\n$6\r\nlength\r\n:5\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n$13\r\nentries-added\r\n:9\r\n\
             $11\r\nfirst-entry\r\n{entry}$10\r\nlast-entry\r\n$-1\r\n"
        );
        let (reply, _) = resp::read(reply.as_bytes(), &bounds(1024)).unwrap();
        let found = Facts::of_reply(&reply).unwrap();
        assert_eq!(found.first.map(|first| first.position), Some(at(5)));
        assert_eq!(Facts { first: None, ..found }, Facts { first: None, ..facts(5, 9, 4) });
        assert_eq!(Facts::of_reply(&Reply::Integer(1)), None);
    }
}

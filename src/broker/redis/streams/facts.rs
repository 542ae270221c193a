//! Whether a place in a stream is still good, from what Redis says of the stream; pure.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::super::failure::Failure;
use crate::broker::Position;
use crate::wire::resp::{EntryHandler, Fields, LongField, Reply};

/// State of a stream at a moment, as Redis tells it.
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
    /// Number of entries that were added up to there, where that is known.
    pub(super) count: Option<u64>,
}

#[cfg(test)]
impl Place {
    /// The place before every entry that a stream ever had.
    pub(super) const BEGINNING: Self = Self { after: Position { millis: 0, number: 0 }, count: Some(0) };
}

/// Fate of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All entries behind it are there.
    Whole,
    /// Entries behind it may be missing, up to this position.
    Hole(Position),
    /// The place is beyond the stream's newest entry: the stream was begun anew, or its newest entries were lost.
    Beyond,
}

impl Facts {
    /// A stream that is not there: the first entry that is added to it is its first one.
    pub(super) const NONE: Self =
        Self { length: 0, first: None, last: Position { millis: 0, number: 0 }, added: Some(0) };

    /// Number of entries that are no longer there and were added before the first one.
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
            // A reader that is at the newest entry has read as many as were added.
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

/// Takes an answer to XINFO STREAM. It repeats two whole entries, of any length, which are not held.
#[derive(Debug, Default)]
pub(super) struct Told {
    length: Option<u64>,
    first: Option<First>,
    last: Option<Position>,
    added: Option<u64>,
    /// Whether the entry that comes is the first one.
    is_first: bool,
    /// Whether the first entry has no id.
    is_odd: bool,
    error: Option<String>,
}

impl Told {
    /// The facts, once the answer is whole. An error is one that Redis gave in place of it.
    pub(super) fn facts(self) -> Result<Facts, Failure> {
        match (self.error, self.last, self.length) {
            (Some(text), ..) if text.starts_with("ERR no such key") => Ok(Facts::NONE),
            (Some(text), ..) => Err(Failure::from_reply(&text)),
            (None, Some(last), Some(length)) if !self.is_odd => {
                Ok(Facts { length, first: self.first, last, added: self.added })
            }
            (None, ..) => Err(Failure::Refused("XINFO STREAM answers in another form".to_owned())),
        }
    }

    fn entry(&mut self, id: &[u8], hash: impl FnOnce(&mut DefaultHasher)) {
        if !self.is_first {
            return;
        }
        let mut hasher = DefaultHasher::new();
        hash(&mut hasher);
        self.first = position(id).map(|position| First { position, hash: hasher.finish() });
        self.is_odd = self.first.is_none();
    }
}

impl EntryHandler for Told {
    fn stream(&mut self, name: &[u8]) {
        self.is_first = name == b"first-entry";
    }

    fn entry(&mut self, id: &[u8], fields: Fields<'_>) {
        self.entry(id, |hasher| fields.for_each(|field| field.hash(hasher)));
    }

    fn long_entry(&mut self, id: &[u8], fields: &[LongField]) {
        self.entry(id, |hasher| fields.iter().for_each(|field| field.parts().hash(hasher)));
    }

    fn fact(&mut self, name: &[u8], value: &Reply<'_>) {
        let number = match value {
            Reply::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        match (name, value) {
            (b"length", _) => self.length = number,
            (b"entries-added", _) => self.added = number,
            (b"last-generated-id", Reply::Bulk(id) | Reply::Simple(id)) => self.last = position(id),
            _ => {}
        }
    }

    fn error(&mut self, text: &[u8]) {
        self.error = Some(String::from_utf8_lossy(text).into_owned());
    }
}

/// Reads an entry's id; `None`: it is none.
pub(super) fn position(id: &[u8]) -> Option<Position> {
    std::str::from_utf8(id).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::resp::{Answer, EntryReader};

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
            // Only the count shows that no entry is between this one and the first.
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

    /// The facts in an answer that comes in pieces.
    fn told(answer: &[u8], max_entry: usize) -> Result<Facts, Failure> {
        let mut reader = EntryReader::new(max_entry);
        let mut told = Told::default();
        reader.expect(Answer::Facts);
        for piece in answer.chunks(7) {
            assert!(!reader.entries(&mut told).unwrap());
            reader.space()[..piece.len()].copy_from_slice(piece);
            reader.filled(piece.len());
        }
        assert!(reader.entries(&mut told).unwrap() && reader.held() == 0);
        told.facts()
    }

    #[test]
    fn the_answer_of_redis_is_read_however_long_its_entries_are() {
        let entry = |value: &str| {
            let len = value.len();
            format!("*2\r\n$3\r\n5-0\r\n*2\r\n$4\r\ndata\r\n${len}\r\n{value}\r\n")
        };
        let answer = |first: &str, last: &str| {
            format!(
                "*12\r\n$6\r\nlength\r\n:5\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n$13\r\nentries-added\r\n:9\r\n\
                 $6\r\ngroups\r\n:0\r\n$11\r\nfirst-entry\r\n{first}$10\r\nlast-entry\r\n{last}"
            )
        };
        let read = |first: &str, last: &str| told(answer(first, last).as_bytes(), 1000).unwrap();
        let short = read(&entry("{}"), "*-1\r\n");
        assert_eq!(short.first.map(|first| first.position), Some(at(5)));
        assert_eq!(Facts { first: None, ..short }, Facts { first: None, ..facts(5, 9, 4) });
        assert_eq!(read(&entry("{}"), &entry("last")), short);
        assert_ne!(read(&entry("[]"), &entry("last")), short);
        assert_eq!(read("$-1\r\n", "$-1\r\n").first, None);
        let long = read(&entry(&"x".repeat(5000)), &entry(&"y".repeat(5000)));
        assert_eq!(long.first.map(|first| first.position), Some(at(5)));
        assert_eq!(read(&entry(&"x".repeat(5000)), &entry("{}")), long);
        assert_ne!(read(&entry(&"x".repeat(5001)), &entry("{}")), long);
        let many = format!("*2\r\n$3\r\n5-0\r\n*2000\r\n{}", "$0\r\n\r\n".repeat(2000));
        assert_eq!(read(&many, "$-1\r\n").first.map(|first| first.position), Some(at(5)));
    }

    #[test]
    fn an_error_in_place_of_the_answer_is_told() {
        let failed = |answer: &[u8]| told(answer, 1000).unwrap_err().reason().to_owned();
        assert_eq!(told(b"-ERR no such key\r\n", 1000), Ok(Facts::NONE));
        assert_eq!(failed(b"-WRONGTYPE no\r\n"), "WRONGTYPE no");
        for odd in [
            &b"*0\r\n"[..],
            b"*2\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n",
            b"*4\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$1\r\nx\r\n",
            b"*6\r\n$6\r\nlength\r\n:1\r\n$17\r\nlast-generated-id\r\n$3\r\n9-0\r\n\
              $11\r\nfirst-entry\r\n*2\r\n$1\r\nx\r\n*0\r\n",
        ] {
            assert_eq!(failed(odd), "XINFO STREAM answers in another form");
        }
    }
}

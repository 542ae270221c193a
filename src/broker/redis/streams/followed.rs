//! A stream and how far it was read; pure.

use std::collections::VecDeque;
use std::sync::Arc;

use super::entry::Manner;
use super::facts::{self, Facts, First, Place};
use crate::broker::{Denied, Position, StreamId};

/// Positions that are remembered, to find the last entry that is still there when a stream has lost its newest ones.
const RECENT: usize = 256;

/// The longest wait between two attempts at a stream that cannot be read, in ticks.
const LONGEST_WAIT: u32 = 5;

/// A subscription that a stream belongs to.
#[derive(Debug)]
pub(super) struct Taker {
    /// Position in the list of subscriptions.
    pub(super) subscription: usize,
    pub(super) manner: Arc<Manner>,
    /// Number of the stream, once the sink knows of it.
    pub(super) id: Option<StreamId>,
}

/// State of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The stream is to be examined before it is read.
    Unsure,
    /// The stream is read.
    Read,
    /// The stream is not to be read.
    Denied(Denial),
}

/// Why a stream is not to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Denial {
    /// Redis refuses it in these words.
    Refused(String),
    /// The key holds something else, of this type.
    OtherType(String),
}

impl std::fmt::Display for Denial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(reason) => f.write_str(reason),
            Self::OtherType(found) => write!(f, "the key holds a {found}, not a stream"),
        }
    }
}

/// A stream that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) key: Arc<str>,
    pub(super) takers: Vec<Taker>,
    pub(super) standing: Standing,
    /// Place up to which it was read; `None` until it is first there to be read.
    place: Option<Place>,
    /// The newest entry and the number of all, as they were when the place had no count.
    anchor: Option<(Position, u64)>,
    /// The oldest entry, when it was last examined; of an empty stream, the first one that was read.
    first: Option<Oldest>,
    /// The last positions that were read, oldest first.
    recent: VecDeque<Position>,
    /// Entries up to there are history; `None` once they are read.
    history: Option<Position>,
    /// Whether the history of all streams is not read before that of this one.
    pub(super) is_awaited: bool,
    /// Whether entries were read since it was last examined.
    pub(super) is_stirred: bool,
    /// Whether it was ever read.
    pub(super) was_read: bool,
    retry: Retry,
}

/// The oldest entry of a stream, as far as it is known.
#[derive(Debug, Clone, Copy)]
struct Oldest {
    position: Position,
    /// Hash of its fields, once it was examined.
    hash: Option<u64>,
}

impl Oldest {
    /// Whether a stream whose oldest entry is now this one can be the same as before. It may have been trimmed.
    fn may_have_become(&self, first: &First) -> bool {
        let is_equal = self.position == first.position && self.hash.is_none_or(|hash| hash == first.hash);
        is_equal || self.position < first.position
    }
}

/// Time until a stream that is denied is examined again, in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Retry {
    left: u32,
    wait: u32,
}

/// Remedy for a place that is beyond the stream's newest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beyond {
    /// The stream was begun anew: read it from here.
    Anew(Place),
    /// The newest entries were lost, and this is where the stream ends now.
    Cut(Place),
    /// The newest entries were lost, and there may be new ones: the last one that was read is to be searched for among those
    /// from here on.
    Search(Position),
}

impl Followed {
    pub(super) fn new(key: Arc<str>, subscription: usize, manner: Manner) -> Self {
        let taker = Taker { subscription, manner: Arc::new(manner), id: None };
        Self {
            key,
            takers: vec![taker],
            standing: Standing::Unsure,
            place: None,
            anchor: None,
            first: None,
            recent: VecDeque::new(),
            history: None,
            is_awaited: false,
            is_stirred: false,
            was_read: false,
            retry: Retry::default(),
        }
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Position behind which it is read.
    pub(super) fn after(&self) -> Position {
        self.place.map(|place| place.after).unwrap_or_default()
    }

    /// Complaint for the status, where it cannot be read.
    pub(super) fn denied(&self) -> Option<Denied> {
        let Standing::Denied(denial) = &self.standing else { return None };
        // A queue among many does not stand for the subscription to all.
        let own = self.takers.iter().filter(|taker| !matches!(*taker.manner, Manner::Queue(_)));
        Some(Denied {
            name: self.key.to_string(),
            reason: denial.to_string(),
            // A key that is used for something else is nobody's order to keep us out.
            revoked: self.was_read && matches!(denial, Denial::Refused(_)),
            subscriptions: own.map(|taker| taker.subscription).collect(),
        })
    }

    /// Whether an entry was there before the source began.
    pub(super) fn is_history(&self, position: Position) -> bool {
        self.history.is_some_and(|until| position <= until)
    }

    /// Takes note of an entry that is read; false where it is none behind the place.
    pub(super) fn advance(&mut self, position: Position) -> bool {
        let Some(place) = &mut self.place else { return false };
        if position <= place.after {
            return false;
        }
        place.count = match (place.count, self.anchor) {
            (Some(count), _) => Some(count + 1),
            (None, Some((last, added))) if position == last => Some(added),
            (None, Some((last, added))) if position > last => Some(added + 1),
            (None, _) => None,
        };
        place.after = position;
        self.first.get_or_insert(Oldest { position, hash: None });
        self.is_stirred = true;
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(position);
        true
    }

    /// All entries that there are were read.
    pub(super) fn caught_up(&mut self) {
        self.history = None;
    }

    /// Whether the history is read.
    pub(super) const fn has_read_history(&self) -> bool {
        self.history.is_none()
    }

    /// Begins to read at a place; entries up to `until` are history.
    pub(super) fn begin(&mut self, place: Place, until: Position, facts: &Facts) {
        self.history = (place.after < facts.last && until > place.after).then_some(until);
        self.go(place);
        self.examined(facts);
    }

    /// Goes on at another place, behind which nothing was read.
    pub(super) fn go(&mut self, place: Place) {
        self.place = Some(place);
        self.anchor = None;
    }

    /// Goes on in a stream that was begun anew, of which no entry is history.
    pub(super) fn begin_anew(&mut self, place: Place) {
        self.go(place);
        self.recent.clear();
        self.history = None;
    }

    /// Takes note of how the stream is, where its place is good; it is read from now on.
    pub(super) fn examined(&mut self, facts: &Facts) {
        self.first = facts.first.map(|First { position, hash }| Oldest { position, hash: Some(hash) });
        (self.is_stirred, self.was_read) = (false, true);
        self.standing = Standing::Read;
        self.retry = Retry::default();
        let Some(place) = &mut self.place else { return };
        if place.count.is_none_or(|count| facts.added.is_some_and(|added| count > added)) {
            place.count = facts.added.filter(|_| place.after == facts.last);
            self.anchor = facts.added.map(|added| (facts.last, added));
        }
    }

    /// Decides what to do about a place beyond the newest entry.
    ///
    /// Redis may have lost its newest entries (a crash, or a failover to a replica that lagged behind): the others are read
    /// already and must not come twice. Or the key was deleted, and entries with smaller ids were added.
    pub(super) fn beyond(&self, facts: &Facts) -> Beyond {
        let is_same = match (self.first, facts.first) {
            (Some(known), Some(first)) => known.may_have_become(&first),
            _ => false,
        };
        if !is_same {
            let after = match (facts.first, facts.gone()) {
                (None, _) => facts.last,
                (Some(_), Some(0)) => Position::default(),
                (Some(first), _) => facts::before(first.position),
            };
            return Beyond::Anew(Place { after, count: facts.gone() });
        }
        match self.recent.front() {
            Some(oldest) if *oldest <= facts.last => Beyond::Search(*oldest),
            _ => Beyond::Cut(facts.end()),
        }
    }

    /// The last of these positions that was read before the first one that was not.
    pub(super) fn last_common(&self, positions: &[Position]) -> Option<Position> {
        positions.iter().take_while(|position| self.recent.contains(position)).last().copied()
    }

    /// Takes note that it cannot be read.
    pub(super) fn deny(&mut self, denial: Denial) {
        self.standing = Standing::Denied(denial);
        self.retry.wait = self.retry.wait.saturating_mul(2).clamp(1, LONGEST_WAIT);
        self.retry.left = self.retry.wait;
    }

    /// A tick passed; true where a stream that was denied is to be examined again.
    pub(super) fn is_due_again(&mut self) -> bool {
        if !matches!(self.standing, Standing::Denied(_)) {
            return false;
        }
        self.retry.left = self.retry.left.saturating_sub(1);
        self.retry.left == 0
    }
}

/// Beginning of a stream's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A place that is known.
    At(Place),
    /// A place to be found by counting back from the end, at the latest at the first entry of the time.
    Back,
}

/// Decides where the history begins: at the first entry that is not older than `since`, and at most `most` from the end.
pub(super) fn start(facts: &Facts, since: Position, most: u64) -> Start {
    let Some(first) = facts.first else {
        return Start::At(facts.end());
    };
    if since > facts.last || most == 0 {
        return Start::At(facts.end());
    }
    if facts.length > most {
        return Start::Back;
    }
    if first.position < since {
        return Start::At(Place { after: facts::before(since), count: None });
    }
    let after = match facts.gone() {
        Some(0) => Position::default(),
        _ => facts::before(first.position),
    };
    Start::At(Place { after, count: facts.gone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Position {
        Position { millis, number: 0 }
    }

    /// A stream with one entry a millisecond.
    fn facts(first: u64, last: u64, gone: u64) -> Facts {
        let length = last - first + 1;
        let first = Some(First { position: at(first), hash: first });
        Facts { length, first, last: at(last), added: Some(length + gone) }
    }

    fn followed(place: Place, facts: &Facts) -> Followed {
        let mut followed = Followed::new("a".into(), 0, Manner::Data(b"a".to_vec()));
        followed.begin(place, facts.last, facts);
        followed
    }

    #[test]
    fn history_begins_at_the_time_or_the_number_whatever_is_later() {
        let place = |after, count| Start::At(Place { after, count });
        assert_eq!(start(&facts(10, 20, 0), at(5), 100), place(Position::default(), Some(0)));
        assert_eq!(start(&facts(10, 20, 3), at(5), 100), place(facts::before(at(10)), Some(3)));
        assert_eq!(start(&facts(10, 20, 3), at(15), 100), place(facts::before(at(15)), None));
        assert_eq!(start(&facts(10, 20, 3), at(21), 100), place(at(20), Some(14)));
        assert_eq!(start(&facts(10, 20, 3), at(5), 10), Start::Back);
        assert_eq!(start(&Facts::NONE, at(5), 10), place(Position::default(), Some(0)));
    }

    #[test]
    fn entries_are_counted_once_the_end_of_the_time_before_is_reached() {
        let mut followed = followed(Place { after: at(14), count: None }, &facts(10, 20, 3));
        assert!(followed.is_history(at(20)) && !followed.is_history(at(21)));
        for (entry, count) in [(15, None), (20, Some(14)), (21, Some(15))] {
            assert!(followed.advance(at(entry)));
            assert_eq!(followed.place().unwrap().count, count, "{entry}");
        }
        assert!(!followed.advance(at(21)), "an entry is read once");
    }

    #[test]
    fn the_count_goes_on_behind_a_newest_entry_that_was_deleted() {
        let mut followed = followed(Place { after: at(14), count: None }, &facts(10, 20, 3));
        followed.advance(at(19));
        followed.advance(at(25));
        assert_eq!(followed.place().unwrap().count, Some(15));
    }

    #[test]
    fn a_stream_of_other_entries_is_begun_anew() {
        let followed = followed(Place { after: at(20), count: Some(11) }, &facts(10, 20, 0));
        let other = |first, last, gone| followed.beyond(&facts(first, last, gone));
        assert_eq!(other(1, 2, 0), Beyond::Anew(Place::BEGINNING));
        assert_eq!(other(3, 4, 2), Beyond::Anew(Place { after: facts::before(at(3)), count: Some(2) }));
        assert_eq!(followed.beyond(&Facts::NONE), Beyond::Anew(Place::BEGINNING));
        let twin = Facts { first: Some(First { position: at(10), hash: 99 }), ..facts(10, 12, 0) };
        assert_eq!(followed.beyond(&twin), Beyond::Anew(Place::BEGINNING));
    }

    #[test]
    fn a_stream_that_lost_its_newest_entries_gives_none_of_the_others_twice() {
        let mut followed = followed(Place { after: at(14), count: Some(5) }, &facts(10, 20, 0));
        for entry in 15..=20 {
            followed.advance(at(entry));
        }
        assert_eq!(followed.beyond(&facts(10, 13, 0)), Beyond::Cut(facts(10, 13, 0).end()));
        assert_eq!(followed.beyond(&facts(10, 18, 0)), Beyond::Search(at(15)));
        assert_eq!(followed.last_common(&[at(15), at(16), at(17)]), Some(at(17)));
        let new = Position { millis: 16, number: 5 };
        assert_eq!(followed.last_common(&[at(15), at(16), new, at(17)]), Some(at(16)));
        assert_eq!(followed.last_common(&[new]), None);
    }
}

//! Entries of streams among the events of this relay: which sequence an entry has, and which entry a sequence.

use std::collections::VecDeque;

use super::JobLog;
use crate::broker::{EntryId, Position, StreamId};
use crate::dialect::{DialectId, Topic};
use crate::relay::cursor::{Cursor, Epoch, Given, Loss, Since, Sources, StreamPlace};
use crate::relay::streams::{SharedTable, StreamTable};

/// Entries of a stream that are remembered: 1.5 MiB. Clients that want more of it are sent that out of the stream.
const REMEMBERED: usize = 1 << 16;
/// Entries that are remembered of many streams together, about: 24 MiB.
const REMEMBERED_OF_ALL: usize = 1 << 20;
/// Entries that are remembered of each of very many streams.
const LEAST_REMEMBERED: usize = 1 << 10;

/// A stream that is followed.
#[derive(Debug)]
struct Followed {
    /// The newest entries, each with the sequence of the newest event when it was taken. Both only grow.
    entries: VecDeque<(u64, Position)>,
    /// Newest of the entries that are not remembered, with its sequence: nothing is known of where older ones stand.
    before: (u64, Position),
}

impl Followed {
    fn newest(&self) -> (u64, Position) {
        self.entries.back().copied().unwrap_or(self.before)
    }

    /// The newest entry that was taken with a sequence or before it. `None` where that is not remembered.
    fn position_at(&self, sequence: u64) -> Option<Position> {
        let behind = self.entries.partition_point(|(at, _)| *at <= sequence);
        match behind.checked_sub(1) {
            Some(at) => Some(self.entries[at].1),
            None => (sequence >= self.before.0).then_some(self.before.1),
        }
    }

    /// The highest sequence behind which everything newer than a position was taken, where the newest event is number `last`.
    /// None where that is not remembered, or the position is yet to come.
    fn sequence_at(&self, position: Position, last: u64) -> Option<u64> {
        if position < self.before.1 || position > self.newest().1 {
            return None;
        }
        let behind = self.entries.partition_point(|(_, at)| *at <= position);
        let before = behind.checked_sub(1).map_or(self.before.0, |at| self.entries[at].0);
        Some(self.entries.get(behind).map_or(last, |(next, _)| before.max(next.saturating_sub(1))))
    }
}

/// The streams of a relay.
#[derive(Debug, Default)]
pub(super) struct Entries {
    table: SharedTable,
    followed: Vec<Followed>,
}

/// A place in the streams of a client's targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::relay) struct Places {
    /// The relay's own sequence, for targets without streams.
    pub own: Option<u64>,
    /// The entry of each stream up to which everything was sent.
    pub streams: Vec<(StreamId, Position)>,
}

impl Places {
    /// The place in a stream.
    pub(in crate::relay) fn of(&self, stream: StreamId) -> Option<Position> {
        self.streams.iter().find(|(of, _)| *of == stream).map(|(_, position)| *position)
    }

    /// Moves the place in a stream forwards.
    pub(in crate::relay) fn reach(&mut self, entry: EntryId) {
        match self.streams.iter_mut().find(|(of, _)| *of == entry.stream) {
            Some((_, position)) => *position = entry.position.max(*position),
            None => self.streams.push((entry.stream, entry.position)),
        }
    }

    /// Whether an entry stands before the place.
    pub(in crate::relay) fn covers(&self, entry: EntryId) -> bool {
        self.of(entry.stream).is_some_and(|position| entry.position <= position)
    }
}

/// Whether a client's missed events are all in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Reach {
    /// All of them are, behind this sequence.
    Memory(u64),
    /// Events behind this entry have to be read out of the stream first.
    Stream(EntryId),
}

impl JobLog {
    /// The streams that are followed.
    pub(in crate::relay) const fn streams(&self) -> &SharedTable {
        &self.entries.table
    }

    /// A stream is followed from a position on. Where it was followed before, that is a hole: its positions may begin anew.
    /// Returns whether there was such a hole.
    pub(in crate::relay) fn follow(
        &mut self,
        stream: StreamId,
        key: &str,
        dialect: DialectId,
        after: Position,
    ) -> bool {
        let mut table = StreamTable::clone(&self.entries.table);
        if table.add(stream, key, dialect, &self.dialects) {
            self.entries.table = table.into();
            // No entry of the stream came with an event so far.
            self.entries.followed.push(Followed { entries: VecDeque::new(), before: (0, after) });
            return false;
        }
        if let Some(old) = self.entries.followed.get_mut(usize::from(stream.0)) {
            *old = Followed { entries: VecDeque::new(), before: (self.sequence, after) };
        }
        true
    }

    /// An entry of a stream was taken, whatever became of it.
    pub(in crate::relay) fn note_entry(&mut self, entry: EntryId) {
        let share = REMEMBERED_OF_ALL / self.entries.followed.len().max(1);
        let Some(followed) = self.entries.followed.get_mut(usize::from(entry.stream.0)) else { return };
        while followed.entries.len() >= share.clamp(LEAST_REMEMBERED, REMEMBERED) {
            followed.before = followed.entries.pop_front().unwrap_or(followed.before);
        }
        followed.entries.push_back((self.sequence, entry.position));
    }

    /// Forgets where all entries but the newest of each stream stand.
    #[cfg(test)]
    pub(in crate::relay) fn forget_entries(&mut self) {
        for followed in &mut self.entries.followed {
            while followed.entries.len() > 1 {
                followed.before = followed.entries.pop_front().unwrap();
            }
        }
    }

    /// The newest entry of a stream that was taken.
    pub(in crate::relay) fn newest_entry(&self, stream: StreamId) -> Position {
        self.followed(stream).map(|followed| followed.newest().1).unwrap_or_default()
    }

    fn followed(&self, stream: StreamId) -> Option<&Followed> {
        self.entries.followed.get(usize::from(stream.0))
    }

    /// The cursor of a sequence, for a client of these sources. Where `at_least` is further in a stream, that counts.
    /// The cursor is the relay's own, which needs no places, where the place in a stream is not remembered.
    pub(in crate::relay) fn cursor(
        &self,
        epoch: Epoch,
        sources: Sources,
        sequence: u64,
        at_least: Option<&Places>,
    ) -> Cursor {
        let place = |stream| {
            let reached = at_least.and_then(|places| places.of(stream));
            let position = self.followed(stream).and_then(|followed| followed.position_at(sequence));
            self.stream_place(stream, position.max(reached)?)
        };
        match sources.streams().map(place).collect() {
            Some(streams) => Cursor::new(sources.has_own().then_some((epoch, sequence)), streams),
            None => epoch.cursor(sequence),
        }
    }

    /// The cursor of places in streams, for a client that has no other sources.
    pub(in crate::relay) fn cursor_of(&self, sources: Sources, places: &Places) -> Option<Cursor> {
        if sources.has_own() {
            return None;
        }
        let place = |stream| self.stream_place(stream, places.of(stream)?);
        Some(Cursor::new(None, sources.streams().map(place).collect::<Option<_>>()?))
    }

    /// Moves places forwards to where a sequence stands, as far as that is remembered.
    pub(in crate::relay) fn advance(&self, places: &mut Places, sequence: u64) {
        for (stream, position) in &mut places.streams {
            let reached = self.followed(*stream).and_then(|followed| followed.position_at(sequence));
            *position = reached.map_or(*position, |reached| reached.max(*position));
        }
    }

    fn stream_place(&self, stream: StreamId, position: Position) -> Option<StreamPlace> {
        Some(StreamPlace { stream: self.entries.table.get(stream)?.hash, position })
    }

    /// The places of a client that goes on somewhere, in the streams of a topic and in all that its cursor names; none for
    /// a topic without streams, and for a client that has the relay's own sequence alone.
    pub(super) fn places(&self, topic: &Topic, since: &Since) -> Option<Result<Places, Loss>> {
        let of = self.entries.table.of(topic);
        match since {
            Since::After(_) | Since::Lost(_) => None,
            Since::Beginning => {
                let streams: Vec<_> = of.map(|stream| (stream, Position::default())).collect();
                (!streams.is_empty()).then_some(Ok(Places { own: None, streams }))
            }
            Since::At(given) => {
                let mut of = of.peekable();
                of.peek()?;
                Some(self.given_places(of, given))
            }
        }
    }

    /// The places that a cursor names, those in streams of which it names none by the relay's own sequence.
    fn given_places(&self, of: impl Iterator<Item = StreamId>, given: &Given) -> Result<Places, Loss> {
        let own = given.own.and_then(Result::ok);
        let named =
            (0..).map(StreamId).map_while(|stream| Some((stream, self.entries.table.get(stream)?.hash)));
        let named = named.filter_map(|(stream, hash)| Some((stream, given.of(hash)?)));
        let mut places = Places { own, streams: named.collect() };
        for stream in of {
            if places.of(stream).is_none() {
                let position = match given.own {
                    Some(Ok(sequence)) => self.at_own(stream, sequence)?,
                    Some(Err(loss)) => return Err(loss),
                    None => return Err(Loss::Invalid),
                };
                places.streams.push((stream, position));
            }
        }
        Ok(places)
    }

    /// The place in a stream of a client that has this relay's own sequence alone.
    fn at_own(&self, stream: StreamId, sequence: u64) -> Result<Position, Loss> {
        let followed = self.followed(stream).ok_or(Loss::Invalid)?;
        if sequence > self.sequence {
            return Err(Loss::Invalid);
        }
        followed.position_at(sequence).ok_or(Loss::TooOld)
    }

    /// Whether what a client missed of a topic is in memory, and behind which sequence; else the stream to read it from.
    pub(in crate::relay) fn reach(&self, topic: &Topic, places: &Places) -> Reach {
        let missing = self.missing(topic);
        let mut after = self.sequence;
        for stream in self.entries.table.of(topic) {
            let position = places.of(stream).unwrap_or_default();
            let sequence =
                self.followed(stream).and_then(|followed| followed.sequence_at(position, self.sequence));
            match sequence {
                Some(sequence) if sequence >= missing => after = after.min(sequence),
                _ => return Reach::Stream(EntryId { stream, position }),
            }
        }
        Reach::Memory(after)
    }

    /// The sequence that an entry was taken with; 0 for one that is not remembered, which came before all that are.
    pub(in crate::relay) fn sequence_of(&self, entry: EntryId) -> u64 {
        let followed = self.followed(entry.stream);
        let exact = followed.and_then(|followed| {
            let found = followed.entries.binary_search_by_key(&entry.position, |(_, at)| *at).ok()?;
            Some(followed.entries[found].0)
        });
        exact.unwrap_or_default()
    }
}

impl Given {
    /// The place that a topic without streams goes on from.
    pub(super) fn own_place(&self) -> Since {
        match self.own {
            Some(Ok(sequence)) => Since::After(sequence),
            Some(Err(loss)) => Since::Lost(loss),
            None => Since::Lost(Loss::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Position {
        Position { millis, number: 0 }
    }

    #[test]
    fn an_entry_has_the_sequence_of_the_newest_event_when_it_was_taken() {
        let mut followed = Followed { entries: VecDeque::new(), before: (5, at(10)) };
        let sequence_at = |followed: &Followed, millis| followed.sequence_at(at(millis), 30);
        assert_eq!([9, 10, 11].map(|millis| sequence_at(&followed, millis)), [None, Some(30), None]);
        // Entry 12 was no event, and an event without a stream came before entry 20.
        followed.entries.extend([(6, at(11)), (6, at(12)), (9, at(20))]);
        let sequences = [9, 10, 11, 12, 15, 20, 21].map(|millis| sequence_at(&followed, millis));
        assert_eq!(sequences, [None, Some(5), Some(6), Some(8), Some(8), Some(30), None]);
        let positions =
            [4, 5, 6, 8, 9, 100].map(|sequence| followed.position_at(sequence).map(|at| at.millis));
        assert_eq!(positions, [None, Some(10), Some(12), Some(12), Some(20), Some(20)]);
    }
}

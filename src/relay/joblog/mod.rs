//! One compacted record a job: what a late joiner, polling and replay are served from.
//!
//! Bounded in jobs and in bytes; the job that was silent longest goes first, and one that ended goes after its time is
//! up. The state of a job that goes before it was written behind is kept until it is, unless the store may know more of its
//! run. The newest record always stays, however big. Pure: the time comes in.

mod behind;
mod entries;
mod hold;
mod leaving;
mod limits;
mod record;
mod tail;
mod tails;
mod welcome;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

pub(super) use self::behind::Dirty;
use self::entries::Entries;
pub(super) use self::entries::{Places, Reach};
use self::hold::Holds;
use self::leaving::Leaving;
pub use self::limits::JobLogLimits;
pub(super) use self::record::Listed;
use self::record::{Readback, Record};
pub(super) use self::tails::Resumed;
use self::tails::Tails;
pub(super) use self::welcome::{Since, Welcome};
use super::auth::Ownership;
use super::event::Event;
use super::event::Snapshot;
use crate::broker::{EntryId, JobToSave, StoredJob};
use crate::dialect::{Auth, Decoded, Dialect, DialectId, Dialects, Outcome};
use crate::wire::Payload;

/// Share of the bytes, as a divisor, that states without a record may take.
const LEAVING_SHARE: usize = 8;
/// Entries of records that are gone which are always let be.
const SWEEP: usize = 64;

/// When something happened: `now` for ages, `micros` since the Unix epoch for what is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// The monotonic clock.
    pub now: Instant,
    /// The wall clock, in microseconds since the Unix epoch.
    pub micros: u64,
}

impl Stamp {
    /// The time now.
    pub(super) fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { now: Instant::now(), micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
    }
}

/// The texts of a publication that was decoded, and its entry in a stream.
#[derive(Debug)]
pub(super) struct Incoming {
    /// Text as published, and for clients.
    pub payload: Payload,
    /// Entry of a stream by which it came, if it came by a stream.
    pub entry: Option<EntryId>,
}

/// Result of taking an event.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    /// The event, numbered and shared with the record.
    pub event: Arc<Event>,
    /// The event named the job's owner, who was not known before.
    pub owned: bool,
}

/// Changes made by reading a job back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Restored {
    /// The job's owner changed or became known.
    pub owned: bool,
    /// The job's state, where it changed.
    pub state: Option<Snapshot>,
    /// The store keeps something that is no event of the dialect.
    pub no_event: bool,
}

/// What is known of a job's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Everything that is known anywhere: its record was read back, or there is nowhere to read from, and its owner is
    /// known if it is to have one.
    Whole,
    /// Only what this relay saw itself; the store may know more.
    Partly,
}

/// The records of all jobs.
#[derive(Debug)]
pub(super) struct JobLog {
    dialects: Arc<Dialects>,
    limits: JobLogLimits,
    /// Whether there is a store to write behind to.
    stored: bool,
    sequence: u64,
    bytes: usize,
    /// Payloads that could not be merged into a job's state.
    unmerged: u64,
    /// Gaps so far, a dialect; a record that was not looked at since the last one is a guess.
    generations: Vec<u32>,
    /// A map a dialect: the job's id → its place in `records`.
    index: Vec<HashMap<Arc<str>, u32>>,
    records: Vec<Option<Box<Record>>>,
    free: Vec<u32>,
    /// The records from the one silent longest to the newest, linked through their places.
    oldest: Option<u32>,
    newest: Option<u32>,
    /// Ended records in the order of their endings; one that began a new run since is passed over.
    ended: VecDeque<(Instant, u32, u64)>,
    /// Records to write behind, endings and owners first.
    urgent: Vec<u32>,
    dirty: Vec<u32>,
    /// States to write behind whose records are gone.
    leaving: Leaving,
    /// Events held for watchers whose job is still being looked up.
    holds: Holds,
    tails: Tails,
    /// Streams that are followed.
    entries: Entries,
    /// Sequence of the newest event that was handed to the shards.
    shared: u64,
}

impl JobLog {
    /// Empty; `stored` says whether changes are collected for a store.
    pub(super) fn new(dialects: Arc<Dialects>, limits: JobLogLimits, stored: bool) -> Self {
        let index: Vec<_> = dialects.iter().map(|_| HashMap::new()).collect();
        let (holds, generations, index_len) = (Holds::new(index.len()), vec![0; index.len()], index.len());
        Self {
            dialects,
            limits,
            stored,
            sequence: 0,
            bytes: 0,
            unmerged: 0,
            generations,
            index,
            records: Vec::new(),
            free: Vec::new(),
            oldest: None,
            newest: None,
            ended: VecDeque::new(),
            urgent: Vec::new(),
            dirty: Vec::new(),
            leaving: Leaving::new(limits.jobs, limits.bytes / LEAVING_SHARE),
            holds,
            tails: Tails::new(index_len, &limits),
            entries: Entries::default(),
            shared: 0,
        }
    }

    /// The number of an event that belongs to no job, and is not kept.
    pub(super) const fn number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Takes an event: numbers it and brings its job's record up to date.
    pub(super) fn take(
        &mut self,
        id: DialectId,
        decoded: &Decoded<'_>,
        incoming: Incoming,
        at: Stamp,
    ) -> Taken {
        self.bring_back(id, &decoded.job, at);
        let place = self.place(id, &decoded.job);
        // An entry of a stream is told from all others by its id.
        if incoming.entry.is_none()
            && let Some(event) = self.record_mut(place).read_state(&incoming.payload)
        {
            return Taken { event, owned: false };
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let change =
            self.change(place, |record, dialect| record.take(dialect, decoded, incoming, sequence, at));
        self.touch(place);
        if !decoded.kind.is_some_and(|kind| kind.hidden) {
            self.append(place, &change.event);
        }
        if self.record_mut(place).ended_at() == Some(sequence) {
            self.note_ending(at.now, place, sequence);
        }
        if change.dirty {
            self.mark(place, change.urgent);
        }
        self.evict(at.now, place);
        Taken { event: change.event, owned: change.owned }
    }

    /// Events of these dialects may have been missed: what is remembered of their jobs is a guess until it is read back.
    pub(super) fn gap(&mut self, dialects: impl IntoIterator<Item = DialectId>) {
        for id in dialects {
            self.generations[id.index()] += 1;
        }
    }

    /// Gives a job that has left before it was written its record again.
    pub(super) fn bring_back(&mut self, id: DialectId, job: &str, at: Stamp) {
        if let Some(stored) = self.leaving.take(id, job) {
            self.restore(id, job, Some(&stored), at);
            // The store has not got it yet.
            if let Some(place) = self.index[id.index()].get(job).copied() {
                self.mark(place, stored.ended.is_some());
            } else {
                self.leaving.add(id, job.into(), stored);
            }
        }
    }

    /// Adds what a store kept of a job that this relay has not seen, or not from its beginning, or not since a gap.
    pub(super) fn restore(
        &mut self,
        id: DialectId,
        job: &str,
        stored: Option<&StoredJob>,
        at: Stamp,
    ) -> Restored {
        // It may have left while the store was asked.
        self.bring_back(id, job, at);
        let known = self.index[id.index()].contains_key(job);
        let Some(stored) = stored else {
            if known {
                let place = self.place(id, job);
                self.record_mut(place).known = Known::Whole;
            }
            return Restored::default();
        };
        let owner_before = self.get(id, job).and_then(Record::owner).map(str::to_owned);
        self.sequence += 1;
        let sequence = self.sequence;
        let place = self.place(id, job);
        let read = self.change(place, |record, dialect| record.restore(dialect, stored, sequence, at));
        let record = self.record_mut(place);
        let is_changed = read == Readback::Changed;
        let (has_ended, owned) =
            (record.ended_at() == Some(sequence), record.owner() != owner_before.as_deref());
        if is_changed && has_ended {
            self.note_ending(at.now, place, sequence);
        }
        self.touch(place);
        let state = if is_changed { self.change(place, Record::snapshot) } else { None };
        self.evict(at.now, place);
        Restored { owned, state, no_event: read == Readback::NoEvent }
    }

    /// Remembers an ending. Those of records that are gone are swept out before they outnumber the records.
    fn note_ending(&mut self, at: Instant, place: u32, sequence: u64) {
        self.ended.push_back((at, place, sequence));
        if self.ended.len() > 2 * self.records.len() + SWEEP {
            let records = &self.records;
            self.ended.retain(|(_, place, sequence)| {
                records[*place as usize].as_ref().and_then(|r| r.ended_at()) == Some(*sequence)
            });
        }
    }

    /// What is known of a job's past; `None` if nothing at all.
    pub(super) fn known(&self, id: DialectId, job: &str) -> Option<Known> {
        let record = self.get(id, job)?;
        if !self.stored {
            return Some(Known::Whole);
        }
        // Anybody may set the owner in the store, at any time.
        let is_guess = self.wants_owner(record) || record.generation != self.generations[id.index()];
        Some(if is_guess { Known::Partly } else { record.known })
    }

    /// Whether what is known of a job without the store says who may have it.
    pub(super) fn suffices(&self, id: DialectId, job: &str) -> bool {
        self.get(id, job).is_some_and(|record| !self.wants_owner(record))
    }

    fn wants_owner(&self, record: &Record) -> bool {
        self.dialects.get(record.dialect).auth == Auth::Owner && record.owner().is_none()
    }

    /// Whose a job is.
    pub(super) fn ownership(&self, id: DialectId, job: &str) -> Ownership<'_> {
        match self.get(id, job).map(Record::owner) {
            None => Ownership::UnknownJob,
            Some(None) => Ownership::Nobody,
            Some(Some(owner)) => Ownership::Of(owner),
        }
    }

    /// Whether the job's run has ended, as far as is known.
    pub(super) fn has_ended(&self, id: DialectId, job: &str) -> bool {
        self.get(id, job).is_some_and(|record| record.ended_at().is_some())
    }

    /// Whether the job's run has ended, and by none of the events behind a sequence.
    pub(super) fn has_ended_by(&self, id: DialectId, job: &str, sequence: u64) -> bool {
        self.get(id, job).is_some_and(|record| {
            record.outcome().is_some() && !record.events_after(sequence).any(|event| event.ends.is_some())
        })
    }

    /// The outcome of the job's run, if it has ended, as far as is known.
    pub(super) fn outcome(&self, id: DialectId, job: &str) -> Option<Outcome> {
        self.get(id, job)?.outcome()
    }

    /// Whether the job's run has ended by the event of this number, and nothing has changed its state since.
    pub(super) fn has_ended_at(&self, id: DialectId, job: &str, sequence: u64) -> bool {
        self.get(id, job).is_some_and(|record| record.ended_at() == Some(sequence))
    }

    /// A job's current state as one text; `None` if nobody has heard of it.
    pub(super) fn snapshot(&mut self, id: DialectId, job: &str) -> Option<Snapshot> {
        let place = *self.index[id.index()].get(job)?;
        self.change(place, Record::snapshot)
    }

    /// A job's polling body; `None` if nobody has heard of it, or the dialect has no polling.
    pub(super) fn status(&mut self, id: DialectId, job: &str) -> Option<String> {
        let place = *self.index[id.index()].get(job)?;
        self.change(place, Record::status)
    }

    /// The run so far, oldest first: the last milestone of each kind and part and the newest event of each conflation
    /// key; of a merging dialect its one merged state. Empty if nobody has heard of the job.
    pub(super) fn replay(&mut self, id: DialectId, job: &str) -> Vec<Snapshot> {
        let Some(place) = self.index[id.index()].get(job).copied() else { return Vec::new() };
        self.change(place, Record::replay)
    }

    /// Jobs that are kept.
    pub(super) fn jobs(&self) -> usize {
        self.index.iter().map(HashMap::len).sum()
    }

    /// Bytes that they take, with what waits for watchers.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.holds.bytes() + self.leaving.bytes()
    }

    /// Payloads so far that could not be merged into their job's state.
    pub(super) const fn unmerged(&self) -> u64 {
        self.unmerged
    }

    /// Forgets what ended longer ago than it stays.
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some((at, place, sequence)) = self.ended.front().copied() {
            if now.saturating_duration_since(at) < self.limits.ended {
                break;
            }
            self.ended.pop_front();
            let over = self.records[place as usize].as_ref().is_some_and(|r| r.ended_at() == Some(sequence));
            if over {
                self.forget(place);
            }
        }
    }

    fn get(&self, id: DialectId, job: &str) -> Option<&Record> {
        let place = *self.index[id.index()].get(job)?;
        self.records[place as usize].as_deref()
    }

    fn record_mut(&mut self, place: u32) -> &mut Record {
        self.records[place as usize].as_mut().expect("a place in the index has a record")
    }

    /// Changes a record and keeps the account of all their bytes.
    fn change<R>(&mut self, place: u32, change: impl FnOnce(&mut Record, &Dialect) -> R) -> R {
        let record = self.records[place as usize].as_mut().expect("a place in the index has a record");
        let before = record.bytes;
        let result = change(record, self.dialects.get(record.dialect));
        self.bytes = self.bytes + record.bytes - before;
        self.unmerged += std::mem::take(&mut record.unmerged);
        result
    }

    /// Makes a guess of a record that was not looked at since the last gap.
    fn outdate(&mut self, place: u32) {
        let record = self.records[place as usize].as_ref().expect("a place in the index has a record");
        let (at, now) = (record.generation, self.generations[record.dialect.index()]);
        if at != now {
            self.change(place, |record, _| record.outdate(now));
        }
    }

    /// The place of a job's record, which is made if it has none.
    fn place(&mut self, id: DialectId, job: &str) -> u32 {
        if let Some(place) = self.index[id.index()].get(job).copied() {
            self.outdate(place);
            return place;
        }
        let job: Arc<str> = job.into();
        let record = Box::new(Record::new(id, Arc::clone(&job), self.generations[id.index()]));
        self.bytes += record.bytes;
        let place = self.free.pop().unwrap_or_else(|| {
            self.records.push(None);
            u32::try_from(self.records.len() - 1).expect("fewer jobs than a u32 counts")
        });
        self.records[place as usize] = Some(record);
        self.index[id.index()].insert(job, place);
        self.link(place);
        place
    }

    fn evict(&mut self, now: Instant, keep: u32) {
        self.expire(now);
        self.shed();
        while self.jobs() > self.limits.jobs || self.bytes() > self.limits.bytes {
            match self.oldest {
                Some(oldest) if oldest != keep => self.forget(oldest),
                _ => break,
            }
        }
    }

    fn forget(&mut self, place: u32) {
        self.unlink(place);
        if let Some(mut record) = self.records[place as usize].take() {
            self.bytes -= record.bytes;
            if record.is_ahead_of_store() {
                let JobToSave { job, stored, .. } = record.save(self.dialects.get(record.dialect));
                self.leaving.add(record.dialect, job, stored);
            }
            self.tails.leave(&record, self.sequence);
            self.index[record.dialect.index()].remove(&record.job);
            self.free.push(place);
        }
    }

    /// Makes a record the newest.
    fn touch(&mut self, place: u32) {
        if self.newest != Some(place) {
            self.unlink(place);
            self.link(place);
        }
        let sequence = self.sequence;
        self.record_mut(place).touched = sequence;
    }

    /// The records from the newest to the one silent longest.
    fn newest_first(&self) -> impl Iterator<Item = &Record> {
        let record = |place: u32| self.records[place as usize].as_deref();
        std::iter::successors(self.newest.and_then(record), move |newer| newer.links.0.and_then(record))
    }

    fn link(&mut self, place: u32) {
        let before = self.newest.replace(place);
        self.record_mut(place).links = (before, None);
        match before {
            Some(before) => self.record_mut(before).links.1 = Some(place),
            None => self.oldest = Some(place),
        }
    }

    fn unlink(&mut self, place: u32) {
        let (before, after) = self.record_mut(place).links;
        match before {
            Some(before) => self.record_mut(before).links.1 = after,
            None => self.oldest = after,
        }
        match after {
            Some(after) => self.record_mut(after).links.0 = before,
            None => self.newest = before,
        }
    }
}

/// The payload of a stored state as a socket gets it, with what decoding it says; `None` where it is no event.
fn decode_stored<'a>(dialect: &'a Dialect, channel: &'a str, state: &'a Bytes) -> Option<Decoded<'a>> {
    dialect.decode(channel.as_bytes(), state).ok()
}

#[cfg(test)]
mod tests;

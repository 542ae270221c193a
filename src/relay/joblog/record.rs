//! What is kept of one job.

mod read_back;

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Number;

use self::read_back::Before;
pub(super) use self::read_back::Readback;
use super::tail::Tail;
use super::{Incoming, Known, Stamp};
use crate::broker::{JobToSave, StoredJob};
use crate::dialect::{Decoded, Dialect, DialectId, JobState, Merge, Opens, Outcome, StatusSource, Topic};
use crate::relay::event::{Event, Snapshot, kind_of};
use crate::wire::Payload;

/// Bytes that a record takes besides its events: the record, its tail, the reference counts of its id, its places in the index
/// and in the lists, which grow by doubling, and the list of payloads to merge.
const OVERHEAD: usize = size_of::<Record>()
    + size_of::<Tail>()
    + 32
    + 2 * size_of::<(Arc<str>, u32)>()
    + 2 * size_of::<u64>()
    + 64;
/// Bytes that one kept event takes besides its texts: a place in a list that grows by doubling, the event, and the
/// reference counts of the event and of its payload.
const KEPT_OVERHEAD: usize = 2 * size_of::<Kept>() + size_of::<Event>() + 48;
/// Kinds and parts kept of one job; of more, the oldest goes.
const MAX_KEPT: usize = 256;
/// Payloads of a merging dialect that may wait to be merged.
const MAX_UNMERGED: usize = 16;

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any of them may hold")]
pub(super) struct Record {
    pub(super) dialect: DialectId,
    pub(super) job: Arc<str>,
    pub(super) known: Known,
    /// The gap of the dialect after which this record was looked at last.
    pub(super) generation: u32,
    /// A store was read for it, before the last gap or since.
    was_read: bool,
    /// State of the record when the last gap was noticed.
    before: Before,
    pub(super) dirty: bool,
    pub(super) urgent: bool,
    /// The state is being written.
    pub(super) is_saving: bool,
    pub(super) bytes: usize,
    pub(super) links: (Option<u32>, Option<u32>),
    /// Sequence at which the record was changed last.
    pub(super) touched: u64,
    /// Events for clients that come back; absent before the first.
    pub(super) tail: Option<Box<Tail>>,
    owner: Option<Arc<str>>,
    ended: Option<Outcome>,
    percent: Option<Number>,
    /// A kind that opens a run was seen here since the last gap, so that what a store kept is of a run before.
    opened: bool,
    /// The readiest opening of a run among the kinds seen since the last gap; it counts once an ending is read back.
    reopens: Opens,
    updated: u64,
    /// When the run was seen to begin, in microseconds since the Unix epoch; 0 if it was not seen.
    began: u64,
    /// When the first event of the run came, in microseconds since the Unix epoch; 0 unless that was seen to be its beginning.
    first: u64,
    /// The hash of the last state of the run before, if that ended.
    run_before: Option<u64>,
    /// The newest event was read where another system keeps it, and may still come live.
    read: bool,
    newest: Option<Kept>,
    kept: Vec<Kept>,
    merged: Option<Merged>,
    /// Number of payloads that could not be merged, since this was last asked.
    pub(super) unmerged: u64,
}

/// A job in a list.
#[derive(Debug)]
pub(in crate::relay) struct Listed {
    /// The job.
    pub topic: Topic,
    /// How it is doing.
    pub state: JobState,
    /// The text of its state; none where nothing came of its run.
    pub payload: Option<Payload>,
    /// The newest percent.
    pub percent: Option<Number>,
    /// When the newest event came, in microseconds since the Unix epoch.
    pub updated: u64,
    /// When its run was seen to begin, in microseconds since the Unix epoch; 0 where that was not seen.
    pub started: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    event: Arc<Event>,
    entity: Option<Arc<str>>,
}

impl Kept {
    /// Bytes that the event takes. Names that the dialect does not know can be as long as a payload.
    fn bytes(&self) -> usize {
        let entity = self.entity.as_ref().map_or(0, |name| name.len());
        held(self.event.payload.bytes()) + self.event.kind.len() + entity + KEPT_OVERHEAD
    }
}

/// The merge of a run's payloads, made when somebody asks.
#[derive(Debug, Default)]
struct Merged {
    /// Merge of the payloads from before the last gap, perhaps outdated; newer payloads are merged over it.
    before: String,
    done: String,
    waiting: Vec<Box<str>>,
}

impl Merged {
    fn bytes(&self) -> usize {
        let waiting: usize = self.waiting.iter().map(|text| held(text.len())).sum();
        held(self.before.len()) + held(self.done.len()) + waiting
    }
}

/// Estimate of the memory, in bytes, that an allocation of `bytes` takes. Allocators have four to eight sizes between a
/// power of two and the next, and use whole pages for large allocations.
const fn held(bytes: usize) -> usize {
    const PAGE: usize = 4096;
    let step = bytes.next_power_of_two() / 8;
    bytes.next_multiple_of(if step < 16 {
        16
    } else if step > PAGE {
        PAGE
    } else {
        step
    })
}

/// Whether an event looks like the first of its run: it opens one, is queued, or has done nothing yet. A relay that began in the
/// middle of the run does not know when that began.
fn is_beginning(decoded: &Decoded<'_>) -> bool {
    let percent = decoded.percent.as_ref().and_then(Number::as_f64);
    decoded.kind.is_some_and(|kind| matches!(kind.opens, Opens::AfterEnding | Opens::Always) || kind.queued)
        || percent.is_some_and(|percent| percent <= 1.0)
}

/// Changes made by taking an event.
#[derive(Debug)]
pub(super) struct Change {
    /// The event as it goes to the shards.
    pub(super) event: Arc<Event>,
    entity: Option<Arc<str>>,
    /// The record's state changed, so that the store is behind.
    pub(super) dirty: bool,
    /// The change is an ending or an owner.
    pub(super) urgent: bool,
    /// The event named the owner, who was not known before.
    pub(super) owned: bool,
}

impl Record {
    pub(super) fn new(dialect: DialectId, job: Arc<str>, generation: u32) -> Self {
        Self {
            dialect,
            bytes: OVERHEAD + job.len(),
            job,
            known: Known::Partly,
            generation,
            was_read: false,
            before: Before::default(),
            dirty: false,
            urgent: false,
            is_saving: false,
            links: (None, None),
            touched: 0,
            tail: None,
            owner: None,
            ended: None,
            percent: None,
            opened: false,
            reopens: Opens::Never,
            updated: 0,
            began: 0,
            first: 0,
            run_before: None,
            read: false,
            newest: None,
            kept: Vec::new(),
            merged: None,
            unmerged: 0,
        }
    }

    pub(super) fn take(
        &mut self,
        dialect: &Dialect,
        decoded: &Decoded<'_>,
        incoming: Incoming,
        sequence: u64,
        at: Stamp,
    ) -> Change {
        let kind = kind_of(decoded);
        let opens = decoded.kind.map_or(Opens::Never, |kind| kind.opens);
        let opened = opens.after(self.ended);
        if opened {
            if self.ended.is_some() {
                self.run_before = self.state().map(|state| hash_of(&state));
            }
            self.forget_run();
            // An ending from before a gap may have been followed by another, which decides; a start always is one.
            self.opened |= opens == Opens::Always || !self.ended_before_gap();
            self.began = at.micros;
        }
        self.reopens = self.reopens.max(opens);
        let mut urgent = false;
        let owned = match &decoded.owner {
            Some(owner) if self.owner.is_none() && !owner.is_empty() => {
                self.set_owner(owner);
                urgent = true;
                true
            }
            _ => false,
        };
        let came_late = self.ended.is_some() && decoded.kind.is_some_and(|kind| kind.unless_ended);
        let ends = decoded.kind.and_then(|kind| kind.ends).filter(|_| !came_late);
        let entity = decoded.entity.as_deref().map(|name| self.entity(&kind, name));
        // Remarks and log lines are no state: a client that joins later needs the state of the job.
        let stateless = came_late || decoded.kind.is_some_and(|kind| kind.hidden || kind.notice || kind.log);
        // After its ending a run changes no more, whatever still trickles in: a late joiner must see the ending.
        let news = !stateless && (self.ended.is_none() || ends.is_some());
        if news || opened || owned {
            // Never back, whatever the clock does and whoever wrote what was read back: the store keeps only what is newer.
            self.updated = at.micros.max(self.updated.saturating_add(1));
        }
        let topic = Topic::job(self.dialect, Arc::clone(&self.job));
        let job_owner = self.owner.clone();
        let mut event = Event::of_job(decoded, kind, incoming.payload, topic, entity.clone(), job_owner);
        // An ending that came late is none. One that comes again may be that of another run, of which nothing else came.
        event.ends = ends;
        event.place(sequence, incoming.entry);
        let event = Arc::new(event);
        if news {
            if self.newest.is_none() && is_beginning(decoded) {
                self.first = at.micros;
            }
            if let Some(percent) = &decoded.percent {
                self.percent = Some(percent.clone());
            }
            self.keep(Kept { event: Arc::clone(&event), entity: entity.clone() });
            if dialect.merges() {
                self.merge(decoded.inner);
            }
            if ends.is_some() {
                self.ended = ends;
                urgent = true;
            }
        }
        Change { event, entity, dirty: news || opened || owned, urgent, owned }
    }

    /// The state that was just read, where a live event is the very same. The event then has that one's place in the
    /// order: clients that were sent the state are not sent it again, and all others get it.
    pub(super) fn read_state(&mut self, payload: &Payload) -> Option<Arc<Event>> {
        let newest = self.newest.as_ref().filter(|_| std::mem::take(&mut self.read))?;
        (newest.event.payload == *payload).then(|| Arc::clone(&newest.event))
    }

    /// Whether the ending that is known, if one is, was known before the last gap and was not read back since.
    fn ended_before_gap(&self) -> bool {
        self.known == Known::Partly && self.before.ended.is_some()
    }

    /// Forgets the run before; whose job it is stays.
    fn forget_run(&mut self) {
        self.ended = None;
        self.percent = None;
        self.newest = None;
        self.kept.clear();
        self.merged = None;
        self.began = 0;
        self.first = 0;
        let owner = self.owner.as_ref().map_or(0, |owner| owner.len());
        self.bytes = OVERHEAD + self.job.len() + owner + self.tail_bytes();
    }

    /// Bytes that the tail takes.
    pub(super) fn tail_bytes(&self) -> usize {
        self.tail.as_ref().map_or(0, |tail| tail.bytes())
    }

    /// The kept events behind a sequence, in no order, some of them twice.
    pub(super) fn events_after(&self, sequence: u64) -> impl Iterator<Item = &Arc<Event>> {
        let tail = self.tail.iter().flat_map(move |tail| tail.after(sequence));
        let kept = self.kept.iter().map(|kept| &kept.event);
        tail.chain(kept.filter(move |event| event.sequence > sequence))
    }

    /// Whether a run of the job was seen that has not ended.
    pub(super) const fn is_running(&self) -> bool {
        self.newest.is_some() && self.ended.is_none()
    }

    /// When the newest event came, in microseconds since the Unix epoch.
    pub(super) const fn updated(&self) -> u64 {
        self.updated
    }

    /// Whose job it is, if that is known.
    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    fn set_owner(&mut self, owner: &str) {
        let before = self.owner.replace(owner.into()).map_or(0, |owner| owner.len());
        self.bytes = self.bytes + owner.len() - before;
    }

    /// The shared name of a part of the job, as it was kept before if it was.
    fn entity(&self, kind: &str, name: &str) -> Arc<str> {
        let known =
            self.kept.iter().filter(|kept| *kept.event.kind == *kind).filter_map(|kept| kept.entity.as_ref());
        known.into_iter().find(|entity| ***entity == *name).map_or_else(|| name.into(), Arc::clone)
    }

    fn keep(&mut self, event: Kept) {
        let same = |kept: &Kept| kept.event.kind == event.event.kind && kept.entity == event.entity;
        self.bytes += event.bytes();
        if let Some(at) = self.kept.iter().position(same) {
            self.bytes -= self.kept[at].bytes();
            self.kept[at] = event.clone();
        } else {
            if self.kept.len() == MAX_KEPT
                && let Some(oldest) = (0..MAX_KEPT).min_by_key(|at| self.kept[*at].event.sequence)
            {
                self.bytes -= self.kept.swap_remove(oldest).bytes();
            }
            // One is all that many jobs have, and a list would begin with room for four.
            self.kept.reserve_exact(usize::from(self.kept.is_empty()));
            self.kept.push(event.clone());
        }
        self.newest = Some(event);
    }

    fn merge(&mut self, inner: &str) {
        let merged = self.merged.get_or_insert_default();
        self.bytes += held(inner.len());
        merged.waiting.push(inner.into());
        if merged.waiting.len() >= MAX_UNMERGED {
            self.merge_now();
        }
    }

    fn merge_now(&mut self) {
        let Some(merged) = self.merged.as_mut() else { return };
        let before = merged.bytes();
        let Merge { object, failed } =
            Dialect::merge(&merged.done, merged.waiting.iter().map(|text| &**text));
        self.unmerged += failed;
        merged.done = object;
        // The memory limit counts the length, not the capacity.
        merged.done.shrink_to_fit();
        merged.waiting.clear();
        self.bytes = self.bytes + merged.bytes() - before;
    }

    /// The merge of the run so far, of a merging dialect.
    fn merged_text(&mut self) -> Option<Cow<'_, str>> {
        self.merge_now();
        let Merged { before, done, .. } = self.merged.as_ref()?;
        if before.is_empty() {
            return Some(Cow::Borrowed(done));
        }
        Some(Cow::Owned(Dialect::merge(before, [done.as_str()]).object))
    }

    pub(super) fn snapshot(&mut self, dialect: &Dialect) -> Option<Snapshot> {
        let sequence = self.newest.as_ref()?.event.sequence;
        let payload = match self.merged_text() {
            Some(merged) => Payload::wrapped(dialect.wrapped(&merged)),
            None => self.newest.as_ref()?.event.payload.clone(),
        };
        Some(Snapshot { sequence, payload })
    }

    pub(super) fn status(&mut self, dialect: &Dialect) -> Option<String> {
        let Some(newest) = &self.newest else {
            // Known, by its owner for one, but nothing of its run: it waits for its turn.
            let kind = dialect.kinds().iter().find(|kind| kind.queued && kind.hidden)?;
            let source = StatusSource { job: &self.job, newest: "{}", kind: &kind.name, percent: None };
            return dialect.status_body(&source);
        };
        let event = Arc::clone(&newest.event);
        let merged = self.merged_text().map(Cow::into_owned);
        let newest = match &merged {
            Some(merged) => merged,
            None => std::str::from_utf8(event.payload.text()).ok()?,
        };
        let percent = self.percent.as_ref();
        dialect.status_body(&StatusSource { job: &self.job, newest, kind: &event.kind, percent })
    }

    pub(super) fn replay(&mut self, dialect: &Dialect) -> Vec<Snapshot> {
        if self.merged.is_some() {
            return self.snapshot(dialect).into_iter().collect();
        }
        let kept =
            |kept: &Kept| Snapshot { sequence: kept.event.sequence, payload: kept.event.payload.clone() };
        let mut events: Vec<Snapshot> = self.kept.iter().map(kept).collect();
        events.sort_by_key(|event| event.sequence);
        events
    }

    /// How the job is doing.
    pub(super) fn state_of(&self, dialect: &Dialect) -> JobState {
        let newest = self.newest.as_ref().map(|newest| &newest.event.kind);
        let is_queued =
            |name: &Arc<str>| dialect.kinds().iter().any(|kind| kind.queued && kind.name == *name);
        match self.ended {
            Some(Outcome::Succeeded) => JobState::Succeeded,
            Some(Outcome::Failed) => JobState::Failed,
            Some(Outcome::Cancelled) => JobState::Cancelled,
            // Known by its owner alone, it waits for its turn.
            None if newest.is_none_or(is_queued) => JobState::Queued,
            None => JobState::Running,
        }
    }

    /// The job as a list has it.
    pub(super) fn listed(&mut self, dialect: &Dialect) -> Listed {
        let payload = self.snapshot(dialect).map(|snapshot| snapshot.payload);
        Listed {
            topic: Topic::job(self.dialect, Arc::clone(&self.job)),
            state: self.state_of(dialect),
            payload,
            percent: self.percent.clone(),
            updated: self.updated,
            started: self.first,
        }
    }

    /// The outcome, if the run has ended.
    pub(super) const fn outcome(&self) -> Option<Outcome> {
        self.ended
    }

    /// The sequence of the ending, while it is the newest thing known.
    pub(super) fn ended_at(&self) -> Option<u64> {
        self.ended.and(self.newest.as_ref()).map(|kept| kept.event.sequence)
    }

    /// Whether writing this record could take from the store what it alone knows of the run.
    pub(super) fn hides_stored_state(&self) -> bool {
        self.known == Known::Partly && !self.opened
    }

    /// Whether the store does not have this state yet, and may be given it.
    pub(super) fn is_ahead_of_store(&self) -> bool {
        (self.dirty || self.is_saving) && !self.hides_stored_state()
    }

    /// The state as a store keeps it.
    fn state(&mut self) -> Option<Bytes> {
        match self.merged_text() {
            Some(merged) => Some(Bytes::copy_from_slice(merged.as_bytes())),
            None => self.newest.as_ref().map(|kept| kept.event.payload.to_published()),
        }
    }

    /// What to write behind; the record is clean afterwards.
    pub(super) fn save(&mut self, dialect: &Dialect) -> JobToSave {
        self.dirty = false;
        self.urgent = false;
        self.is_saving = true;
        let state = self.state();
        JobToSave {
            dialect: Arc::clone(&dialect.name),
            job: Arc::clone(&self.job),
            stored: StoredJob {
                owner: self.owner.as_deref().map(str::to_owned),
                state,
                ended: self.ended.map(|outcome| outcome.as_str().to_owned()),
                percent: self.percent.as_ref().map(Number::to_string),
                updated: self.updated,
            },
        }
    }
}

/// Tells one state from another.
fn hash_of(state: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

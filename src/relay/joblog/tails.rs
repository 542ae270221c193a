//! The tails of jobs and channels, and what clients that come back are told.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use super::entries::Places;
use super::record::{Listed, Record};
use super::tail::{Tail, TailLimits};
use super::{JobLog, JobLogLimits};
use crate::dialect::{DialectId, JobState, Topic, TopicKind};
use crate::relay::auth::Whose;
use crate::relay::cursor::{Loss, Since};
use crate::relay::event::{Event, Snapshot};

/// Jobs that left memory of which the moment is remembered; of older ones the newest moment of all.
const REMEMBERED: usize = 10_000;

/// The part of the memory that tails give up together, so that it is not looked for at each event: an eighth.
const SHED: usize = 8;

/// Tails, and the moments from which on they are complete.
#[derive(Debug)]
pub(super) struct Tails {
    of_job: TailLimits,
    of_channel: TailLimits,
    /// Bytes of the tails of jobs and of channels.
    pub(super) bytes: usize,
    /// Channels' tails, a map a dialect.
    channels: Vec<HashMap<Arc<str>, Tail>>,
    /// Sequences at which events of a dialect may last have been missed.
    source_lost: Vec<u64>,
    /// Sequences of the newest milestones of any job of a dialect that are no longer kept.
    pattern_lost: Vec<u64>,
    left: Left,
}

/// Place from which a client goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) struct Resumed {
    /// Sequence behind which it is sent events.
    pub after: u64,
    /// Sequence up to which missing events are no loss.
    pub floor: u64,
    /// Places in streams, which count beside the sequence; `None` for a topic without streams.
    pub places: Option<Places>,
}

/// Moments at which jobs left memory, as sequences.
#[derive(Debug, Default)]
struct Left {
    recent: HashMap<u64, u64>,
    order: VecDeque<(u64, u64)>,
    /// The newest moment that is no longer remembered by its job.
    floor: u64,
}

impl Left {
    fn note(&mut self, job: u64, sequence: u64) {
        self.recent.insert(job, sequence);
        self.order.push_back((job, sequence));
        if self.order.len() > REMEMBERED
            && let Some((old, at)) = self.order.pop_front()
        {
            self.floor = self.floor.max(at);
            // It may have left again since.
            if self.recent.get(&old) == Some(&at) {
                self.recent.remove(&old);
            }
        }
    }

    fn when(&self, job: u64) -> u64 {
        self.recent.get(&job).copied().unwrap_or(self.floor)
    }
}

fn hash_of(id: DialectId, job: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (id, job).hash(&mut hasher);
    hasher.finish()
}

impl Tails {
    pub(super) fn new(dialects: usize, limits: &JobLogLimits) -> Self {
        let of_job = TailLimits {
            milestones: limits.tail,
            milestone_bytes: usize::MAX,
            progress_bytes: (limits.tail << 16) / JobLogLimits::TAIL,
            lines: limits.tail / 4,
            line_bytes: (limits.tail << 18) / JobLogLimits::TAIL,
        };
        let of_channel = TailLimits {
            milestones: limits.tail * 5,
            milestone_bytes: (limits.tail << 18) / JobLogLimits::TAIL,
            progress_bytes: 0,
            lines: 0,
            line_bytes: 0,
        };
        Self {
            of_job,
            of_channel,
            bytes: 0,
            channels: (0..dialects).map(|_| HashMap::new()).collect(),
            source_lost: vec![0; dialects],
            pattern_lost: vec![0; dialects],
            left: Left::default(),
        }
    }

    /// A job's tail that begins now.
    pub(super) fn begin(&self, id: DialectId, job: &str) -> Tail {
        Tail::beginning_after(self.left.when(hash_of(id, job)))
    }

    /// A job leaves memory at a sequence.
    pub(super) fn leave(&mut self, record: &Record, sequence: u64) {
        let id = record.dialect;
        self.bytes -= record.tail_bytes();
        self.left.note(hash_of(id, &record.job), sequence);
        let newest = record.tail.as_ref().map_or(0, |tail| tail.newest());
        let pattern = &mut self.pattern_lost[id.index()];
        *pattern = newest.max(*pattern);
    }
}

impl JobLog {
    /// Adds an event to its job's tail.
    pub(super) fn append(&mut self, place: u32, event: &Arc<Event>) {
        let record = self.records[place as usize].as_mut().expect("a place in the index has a record");
        let (id, before) = (record.dialect, record.tail_bytes());
        // Tails take what the states of jobs leave; where that is little, they would be thrown out at each event.
        let has_room = self.bytes - self.tails.bytes < self.limits.bytes / SHED * (SHED - 1);
        let tails = &mut self.tails;
        let tail = record.tail.get_or_insert_with(|| Box::new(tails.begin(id, &record.job)));
        if has_room {
            tail.push(Arc::clone(event), tails.of_job);
        } else {
            tail.clear();
            tail.lose(event.sequence);
        }
        let lost = tail.lost();
        let after = record.tail_bytes();
        record.bytes = record.bytes + after - before;
        self.bytes = self.bytes + after - before;
        tails.bytes = tails.bytes + after - before;
        let pattern = &mut tails.pattern_lost[id.index()];
        *pattern = lost.max(*pattern);
    }

    /// Adds an event of channels and rooms to its channel's tail.
    pub(in crate::relay) fn append_to_channel(
        &mut self,
        id: DialectId,
        channel: &Arc<str>,
        event: &Arc<Event>,
        now: Instant,
    ) {
        let tail = self.tails.channels[id.index()].entry(Arc::clone(channel)).or_default();
        let before = tail.bytes();
        // Of a channel no event replaces another: clients may watch a room of it.
        tail.push_whole(Arc::clone(event), self.tails.of_channel);
        let after = tail.bytes();
        self.tails.bytes = self.tails.bytes + after - before;
        self.bytes = self.bytes + after - before;
        self.shed();
        self.expire(now);
    }

    /// Lets tails go where all of it takes too much memory: those of jobs first that were silent longest.
    pub(super) fn shed(&mut self) {
        if self.bytes() <= self.limits.bytes {
            return;
        }
        let enough = self.limits.bytes / SHED * (SHED - 1);
        let mut at = self.oldest;
        while let Some(place) = at
            && self.bytes() > enough
            && self.tails.bytes > 0
        {
            self.drop_tail(place);
            at = self.records[place as usize].as_ref().and_then(|record| record.links.1);
        }
        if self.bytes() > self.limits.bytes {
            let freed = self.tails.channels.iter_mut().flat_map(HashMap::values_mut).map(|tail| {
                let bytes = tail.bytes();
                tail.clear();
                bytes
            });
            let freed: usize = freed.sum();
            self.tails.bytes -= freed;
            self.bytes -= freed;
        }
    }

    /// Forgets the events of a job's tail.
    pub(super) fn drop_tail(&mut self, place: u32) {
        let Some(record) = self.records[place as usize].as_mut() else { return };
        let before = record.tail_bytes();
        let Some(tail) = record.tail.as_mut().filter(|tail| !tail.is_empty()) else { return };
        tail.clear();
        let lost = tail.lost();
        let freed = before - record.tail_bytes();
        record.bytes -= freed;
        self.bytes -= freed;
        self.tails.bytes -= freed;
        let pattern = &mut self.tails.pattern_lost[record.dialect.index()];
        *pattern = lost.max(*pattern);
    }

    /// Forgets the tails of jobs that ended longer ago than tails are kept.
    pub(in crate::relay) fn expire_tails(&mut self, now: Instant) {
        let over: Vec<u32> = self
            .ended
            .iter()
            .take_while(|(at, ..)| now.saturating_duration_since(*at) >= JobLogLimits::TAIL_AFTER_ENDING)
            .filter(|(_, place, sequence)| {
                let record = self.records[*place as usize].as_ref();
                record.is_some_and(|record| record.ended_at() == Some(*sequence))
            })
            .map(|(_, place, _)| *place)
            .collect();
        for place in over {
            self.drop_tail(place);
        }
    }

    /// Events of these dialects may have been missed, so that no client goes on across the hole. Returns its sequence.
    pub(in crate::relay) fn lose_source(&mut self, dialects: &[DialectId]) -> u64 {
        let sequence = self.number();
        for id in dialects {
            self.tails.source_lost[id.index()] = sequence;
        }
        self.share(sequence);
        sequence
    }

    /// The place behind which a client that comes back is sent a topic's events, if none of them is missing.
    pub(in crate::relay) fn resume(&self, topic: &Topic, since: &Since) -> Result<Resumed, Loss> {
        if let Some(places) = self.places(topic, since) {
            // Whether all of it is there is seen when it is read.
            return Ok(Resumed { after: 0, floor: 0, places: Some(places?) });
        }
        let after = match since {
            Since::At(given) => return self.resume(topic, &given.own_place()),
            Since::Beginning => {
                return Ok(Resumed { after: 0, floor: self.missing(topic), places: None });
            }
            Since::Lost(loss) => return Err(*loss),
            Since::After(sequence) => *sequence,
        };
        if after > self.sequence {
            return Err(Loss::Invalid);
        }
        if after < self.tails.source_lost[topic.dialect.index()] {
            return Err(Loss::SourceLost);
        }
        if after < self.missing(topic) {
            return Err(Loss::TooOld);
        }
        Ok(Resumed { after, floor: after, places: None })
    }

    /// Sequence of the newest event of a topic that is no longer kept and that nothing newer replaces.
    pub(in crate::relay) fn missing(&self, topic: &Topic) -> u64 {
        let channels = &self.tails.channels[topic.dialect.index()];
        let of_channel = |name: &str| channels.get(name).map_or(0, Tail::lost);
        match topic.kind {
            TopicKind::Job => match self.get(topic.dialect, &topic.name) {
                Some(record) => record.tail.as_ref().map_or_else(
                    || self.tails.left.when(hash_of(topic.dialect, &topic.name)),
                    |tail| tail.lost(),
                ),
                None => self.tails.left.when(hash_of(topic.dialect, &topic.name)),
            },
            TopicKind::Every => self.tails.pattern_lost[topic.dialect.index()],
            TopicKind::Channel => of_channel(&topic.name),
            TopicKind::ChannelAndRoom => {
                topic.channel_and_room_names().map_or(0, |(channel, _)| of_channel(channel))
            }
            TopicKind::Room => channels.values().map(Tail::lost).max().unwrap_or(0),
        }
    }

    /// The events of any of the topics behind a sequence, in order and each once, at most `most` of them. Of all jobs of a
    /// dialect only those of the owners that are named beside it.
    pub(in crate::relay) fn page(
        &self,
        topics: &[(Topic, Whose)],
        after: u64,
        most: usize,
    ) -> Vec<Arc<Event>> {
        let mut found: Vec<&Arc<Event>> = Vec::new();
        for (topic, whose) in topics {
            match topic.kind {
                TopicKind::Job => {
                    let record = self.get(topic.dialect, &topic.name);
                    found.extend(record.into_iter().flat_map(|record| record.events_after(after)));
                }
                TopicKind::Every => {
                    let changed = self.newest_first().take_while(|record| record.touched > after);
                    let of = changed.filter(|record| record.dialect == topic.dialect);
                    let owned = of.filter(|record| whose.includes(record.owner()));
                    found.extend(owned.flat_map(|record| record.events_after(after)));
                }
                TopicKind::Channel | TopicKind::Room | TopicKind::ChannelAndRoom => {
                    let tails = self.tails.channels[topic.dialect.index()].values();
                    let events = tails.flat_map(|tail| tail.after(after));
                    found.extend(events.filter(|event| event.topics.contains(topic)));
                }
            }
        }
        // Of many, most of which are for later pages, the first are picked before they are sorted.
        if found.len() > 8 * most {
            found.select_nth_unstable_by_key(4 * most, |event| event.sequence);
            found.truncate(4 * most);
        }
        found.sort_unstable_by_key(|event| event.sequence);
        found.dedup_by_key(|event| event.sequence);
        found.truncate(most);
        found.into_iter().cloned().collect()
    }

    /// Sequence of the newest event that was handed to the shards.
    pub(in crate::relay) const fn newest_shared(&self) -> u64 {
        self.shared
    }

    /// An event is handed to the shards.
    pub(in crate::relay) const fn share(&mut self, sequence: u64) {
        if sequence > self.shared {
            self.shared = sequence;
        }
    }

    /// The jobs of some dialects, the newest first, and how many there are: those of the owners that are named beside each, in any
    /// of the states, or in all where none is named.
    pub(in crate::relay) fn list(
        &mut self,
        dialects: &[(DialectId, Whose)],
        states: &[JobState],
        most: usize,
    ) -> (Vec<Listed>, usize) {
        let is_asked_for = |record: &&Record| {
            let of = dialects.iter().find(|(id, _)| *id == record.dialect);
            let dialect = self.dialects.get(record.dialect);
            of.is_some_and(|(_, whose)| whose.includes(record.owner()))
                && (states.is_empty() || states.contains(&record.state_of(dialect)))
        };
        // Where all jobs of the dialects are meant, those that are not listed need not be looked at.
        let all = states.is_empty() && dialects.iter().all(|(_, whose)| *whose == Whose::Anybody);
        let count = dialects.iter().map(|(id, _)| self.index[id.index()].len()).sum();
        let mut found: Vec<(DialectId, Arc<str>)> = Vec::new();
        let mut total = 0;
        for record in self.newest_first().filter(is_asked_for) {
            total += 1;
            if total <= most {
                found.push((record.dialect, Arc::clone(&record.job)));
            } else if all {
                total = count;
                break;
            }
        }
        let listed = found.into_iter().filter_map(|(id, job)| {
            let place = *self.index[id.index()].get(&job)?;
            Some(self.change(place, Record::listed))
        });
        (listed.collect(), total)
    }

    /// The state of a job that has not ended, if the event that it is of came before its owner was known.
    pub(in crate::relay) fn unowned_state(&mut self, job: &Topic) -> Option<Snapshot> {
        self.get(job.dialect, &job.name).filter(|record| record.is_running())?;
        let snapshot = self.snapshot(job.dialect, &job.name)?;
        let record = self.get(job.dialect, &job.name)?;
        let mut events = record.events_after(snapshot.sequence - 1);
        let event = events.find(|event| event.sequence == snapshot.sequence)?;
        event.owner.is_none().then_some(snapshot)
    }

    /// The owner of a job, where one is known.
    pub(in crate::relay) fn owner(&self, id: DialectId, job: &str) -> Option<Box<str>> {
        self.get(id, job)?.owner().map(Into::into)
    }

    /// The jobs of a dialect that have not ended, the newest first.
    pub(in crate::relay) fn unfinished(&self, id: DialectId, whose: &Whose, most: usize) -> Vec<Topic> {
        let of = self.newest_first().filter(|record| record.dialect == id && record.is_running());
        let allowed = of.filter(|record| whose.includes(record.owner()));
        allowed.take(most).map(|record| Topic::job(id, Arc::clone(&record.job))).collect()
    }
}

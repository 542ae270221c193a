//! Events that wait for sockets whose job is still being looked up.

use std::collections::HashMap;
use std::sync::Arc;

use crate::dialect::DialectId;
use crate::relay::event::{ConflationKey, Delivery};

/// Bytes that may wait for the watchers of one job, unless the relay's options say otherwise.
const BOUND: usize = 4 << 20;

/// Bytes that a waiting event takes besides its texts, roughly.
const OVERHEAD: usize = 128;

/// Bytes that a waiting event takes.
fn bytes_of(held: &Delivery) -> usize {
    held.bytes() + OVERHEAD
}

/// More had to wait than there is room for, so that what a socket is to get is no longer complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) struct Lost;

/// Events that are held for the watchers of all jobs.
#[derive(Debug)]
pub(super) struct Holds {
    /// One map per dialect: job id → events held for its watchers.
    jobs: Vec<HashMap<Arc<str>, Hold>>,
    watchers: usize,
    bytes: usize,
    bound: usize,
}

/// The events of one job since the first of its watchers began to wait. They wait once for all watchers and are never
/// conflated while there is room; a full hold keeps of conflatable events the newest of each key, and if even that does
/// not make room it is emptied, and whoever waited for what it held gets [`Lost`].
#[derive(Debug, Default)]
struct Hold {
    watchers: usize,
    /// In their order; only those without a conflation key once `newest` is used.
    events: Vec<Delivery>,
    newest: Option<HashMap<ConflationKey, Delivery>>,
    bytes: usize,
    /// The sequence of the newest event that is lost.
    lost: u64,
}

impl Holds {
    pub(super) fn new(dialects: usize) -> Self {
        let jobs = (0..dialects).map(|_| HashMap::new()).collect();
        Self { jobs, watchers: 0, bytes: 0, bound: BOUND }
    }

    /// Lets at most so many bytes wait for the watchers of one job.
    pub(super) const fn set_bound(&mut self, bytes: usize) {
        self.bound = bytes;
    }

    /// Whether nobody waits for anything, which is nearly always so.
    pub(super) const fn is_empty(&self) -> bool {
        self.watchers == 0
    }

    /// Bytes that all waiting events take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Lets a job's events wait for one more watcher.
    pub(super) fn enter(&mut self, id: DialectId, job: &Arc<str>) {
        self.watchers += 1;
        self.jobs[id.index()].entry(Arc::clone(job)).or_default().watchers += 1;
    }

    /// Lets an event wait, if somebody waits for its job's. `room`: bytes that may be added to what waits in all.
    pub(super) fn push(&mut self, id: DialectId, job: &str, delivery: &Delivery, room: usize) {
        let Some(hold) = self.jobs[id.index()].get_mut(job) else { return };
        let before = hold.bytes;
        hold.push(delivery.clone(), self.bound.min(before.saturating_add(room)));
        self.bytes = self.bytes + hold.bytes - before;
    }

    /// Whether something waits for a watcher, or did and is lost.
    pub(super) fn holds(&self, id: DialectId, job: &str, since: u64) -> bool {
        self.jobs[id.index()].get(job).is_some_and(|hold| {
            let waiting = hold.events.iter().chain(hold.newest.iter().flat_map(HashMap::values));
            hold.lost > since || waiting.into_iter().any(|held| held.event.sequence > since)
        })
    }

    /// Gives a watcher what has waited for it since its place, in order; it waits no longer.
    pub(super) fn leave(&mut self, id: DialectId, job: &str, since: u64) -> Result<Vec<Delivery>, Lost> {
        let Some(hold) = self.jobs[id.index()].get_mut(job) else { return Ok(Vec::new()) };
        let events = hold.since(since);
        self.watchers -= 1;
        hold.watchers -= 1;
        if hold.watchers == 0 {
            self.bytes -= hold.bytes;
            let jobs = &mut self.jobs[id.index()];
            jobs.remove(job);
            if jobs.is_empty() {
                jobs.shrink_to_fit();
            }
        }
        events
    }
}

impl Hold {
    fn push(&mut self, held: Delivery, bound: usize) {
        let sequence = held.event.sequence;
        self.add(held);
        if self.bytes > bound && self.newest.is_none() {
            self.newest = Some(HashMap::new());
            for held in std::mem::take(&mut self.events) {
                self.bytes -= bytes_of(&held);
                self.add(held);
            }
        }
        if self.bytes > bound {
            *self = Self { watchers: self.watchers, lost: sequence, ..Self::default() };
        }
    }

    fn add(&mut self, held: Delivery) {
        self.bytes += bytes_of(&held);
        match (&mut self.newest, &held.event.conflation) {
            (Some(newest), Some(key)) => {
                let older = newest.insert(key.clone(), held);
                self.bytes -= older.as_ref().map_or(0, bytes_of);
            }
            _ => self.events.push(held),
        }
    }

    fn since(&self, since: u64) -> Result<Vec<Delivery>, Lost> {
        if self.lost > since {
            return Err(Lost);
        }
        let conflated = self.newest.iter().flat_map(HashMap::values);
        let mut events: Vec<Delivery> =
            self.events.iter().chain(conflated).filter(|held| held.event.sequence > since).cloned().collect();
        events.sort_unstable_by_key(|held| held.event.sequence);
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialects, Topic};
    use crate::relay::event::{Event, testing::event_of};

    /// A text of 100 bytes has a header of two.
    const SIZE: usize = 102 + OVERHEAD;

    fn scraping() -> DialectId {
        Dialects::builtin().named("scraping").unwrap().0
    }

    fn event(sequence: u64, part: Option<&str>) -> Delivery {
        let conflation = part.map(|part| ConflationKey {
            job: "1".into(),
            kind: "progress".into(),
            entity: Some(part.into()),
        });
        let event = event_of(Topic::job(scraping(), "1"), sequence, &[b'x'; 100]);
        Delivery { event: Arc::new(Event { conflation, ..event }), echo: None }
    }

    /// A hold of job 1 with two watchers and room for so many events.
    fn holds(room: usize) -> Holds {
        let mut holds = Holds::new(Dialects::builtin().iter().count());
        holds.set_bound(room * SIZE);
        holds.enter(scraping(), &"1".into());
        holds.enter(scraping(), &"1".into());
        holds
    }

    fn push(holds: &mut Holds, events: &[Delivery]) {
        for event in events {
            holds.push(scraping(), "1", event, usize::MAX);
        }
    }

    fn leave(holds: &mut Holds, since: u64) -> Result<Vec<u64>, Lost> {
        let events = holds.leave(scraping(), "1", since)?;
        Ok(events.iter().map(|held| held.event.sequence).collect())
    }

    #[test]
    fn each_watcher_gets_what_came_since_its_place_and_the_last_one_takes_it_away() {
        let mut holds = holds(10);
        push(&mut holds, &[event(5, None), event(6, Some("a")), event(7, Some("a"))]);
        holds.push(scraping(), "2", &event(8, None), usize::MAX);
        assert_eq!((holds.bytes(), holds.is_empty()), (3 * SIZE, false));
        assert_eq!(leave(&mut holds, 4), Ok(vec![5, 6, 7]));
        assert_eq!(leave(&mut holds, 6), Ok(vec![7]));
        assert_eq!((holds.bytes(), holds.is_empty()), (0, true));
    }

    #[test]
    fn a_full_hold_keeps_the_milestones_and_the_newest_of_each_key_in_order() {
        let mut holds = holds(4);
        let parts = [Some("a"), None, Some("b"), Some("a"), None, Some("b"), Some("b")];
        let events: Vec<Delivery> = (1..).zip(parts).map(|(sequence, part)| event(sequence, part)).collect();
        push(&mut holds, &events);
        assert_eq!(holds.bytes(), 4 * SIZE);
        assert_eq!(leave(&mut holds, 0), Ok(vec![2, 4, 5, 7]));
    }

    #[test]
    fn milestones_beyond_the_bound_are_lost_for_those_who_waited_for_them_alone() {
        let mut holds = holds(2);
        push(&mut holds, &[event(1, None), event(2, None), event(3, None), event(4, None)]);
        assert_eq!(leave(&mut holds, 2), Err(Lost));
        assert_eq!(leave(&mut holds, 3), Ok(vec![4]));
    }

    #[test]
    fn what_waits_for_all_jobs_is_bounded_too() {
        let mut holds = holds(10);
        holds.push(scraping(), "1", &event(1, None), SIZE);
        holds.push(scraping(), "1", &event(2, None), SIZE - 1);
        assert_eq!(holds.bytes(), 0);
        assert_eq!(leave(&mut holds, 0), Err(Lost));
    }
}

//! The newest events of a job or a channel, for clients that come back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::relay::event::Event;

/// How much a tail keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TailLimits {
    /// Events that nothing newer replaces, at most.
    pub(super) milestones: usize,
    /// Bytes of those, at most.
    pub(super) milestone_bytes: usize,
    /// Bytes of events that newer ones of their key replace, at most.
    pub(super) progress_bytes: usize,
    /// Most lines of a log.
    pub(super) lines: usize,
    /// Most bytes of log lines.
    pub(super) line_bytes: usize,
}

/// Bytes that an event takes in a tail besides its text: the event, its reference counts, and its place.
const OVERHEAD: usize = size_of::<Event>() + 64;

/// Newest events of one job or channel. Milestones, progress and log lines have limits of their own, so that many log lines do
/// not push out the rest. Where a limit is reached, the oldest events are dropped, and only the sequence of the newest dropped
/// event is kept.
#[derive(Debug, Default)]
pub(super) struct Tail {
    milestones: Lane,
    progress: Lane,
    /// Log lines; `None` for most jobs.
    log: Option<Box<Lane>>,
    /// Sequence of the newest event that is missing and that nothing newer stands for; 0 for none.
    lost: u64,
}

/// Events of one sort, oldest first.
#[derive(Debug, Default)]
struct Lane {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
}

fn bytes_of(event: &Event) -> usize {
    event.payload.bytes() + OVERHEAD
}

impl Lane {
    fn push(&mut self, event: Arc<Event>) {
        self.bytes += bytes_of(&event);
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<Arc<Event>> {
        let event = self.events.pop_front()?;
        self.bytes -= bytes_of(&event);
        Some(event)
    }

    /// Drops the oldest events until both limits hold. Returns the sequence of the last dropped event; 0 for none.
    fn trim(&mut self, most: usize, most_bytes: usize) -> u64 {
        let mut gone = 0;
        while (self.events.len() > most || self.bytes > most_bytes)
            && let Some(event) = self.pop()
        {
            gone = event.sequence;
        }
        gone
    }

    /// The events behind a sequence.
    fn after(&self, sequence: u64) -> impl Iterator<Item = &Arc<Event>> {
        let from = self.events.partition_point(|event| event.sequence <= sequence);
        self.events.range(from..)
    }
}

impl Tail {
    /// An empty tail of which everything up to a sequence is missing.
    pub(super) fn beginning_after(lost: u64) -> Self {
        Self { lost, ..Self::default() }
    }

    /// Adds the newest event.
    pub(super) fn push(&mut self, event: Arc<Event>, limits: TailLimits) {
        if event.conflation.is_some() {
            self.progress.push(event);
            while self.progress.bytes > limits.progress_bytes
                && let Some(gone) = self.progress.pop()
            {
                // Others leave behind newer progress. The newest of all leaves nothing that would show how far the job is.
                if self.progress.events.is_empty() {
                    self.lose(gone.sequence);
                }
            }
            return;
        }
        if event.is_log {
            let log = self.log.get_or_insert_default();
            log.push(event);
            let gone = log.trim(limits.lines, limits.line_bytes);
            self.lose(gone);
            return;
        }
        self.push_whole(event, limits);
    }

    /// Adds the newest event as one that nothing newer replaces.
    pub(super) fn push_whole(&mut self, event: Arc<Event>, limits: TailLimits) {
        self.milestones.push(event);
        let gone = self.milestones.trim(limits.milestones, limits.milestone_bytes);
        self.lose(gone);
    }

    /// Forgets all events. Clients that come back to before the last of them are told that it is missing.
    pub(super) fn clear(&mut self) {
        self.lost = self.newest();
        (self.milestones, self.progress, self.log) = (Lane::default(), Lane::default(), None);
    }

    /// Sequence of the newest event, kept or missing; 0 for none.
    pub(super) fn newest(&self) -> u64 {
        let newest = self.lanes().filter_map(|lane| lane.events.back());
        newest.map(|event| event.sequence).fold(self.lost, u64::max)
    }

    /// Counts the events up to a sequence as missing.
    pub(super) fn lose(&mut self, sequence: u64) {
        self.lost = self.lost.max(sequence);
    }

    /// Sequence of the newest event that is missing and that nothing newer stands for; 0 for none.
    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }

    /// The events behind a sequence, in no order.
    pub(super) fn after(&self, sequence: u64) -> impl Iterator<Item = &Arc<Event>> {
        self.lanes().flat_map(move |lane| lane.after(sequence))
    }

    /// Bytes that its events take.
    pub(super) fn bytes(&self) -> usize {
        self.lanes().map(|lane| lane.bytes).sum()
    }

    /// Whether it keeps no event.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes().all(|lane| lane.events.is_empty())
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        [&self.milestones, &self.progress].into_iter().chain(self.log.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialects, Topic};
    use crate::relay::event::{ConflationKey, testing::event_of};

    const LIMITS: TailLimits = TailLimits {
        milestones: 3,
        milestone_bytes: usize::MAX,
        progress_bytes: 2 * (OVERHEAD + 12),
        lines: 2,
        line_bytes: usize::MAX,
    };

    fn event(sequence: u64, is_progress: bool) -> Arc<Event> {
        let id = Dialects::builtin().named("scraping").unwrap().0;
        let key = ConflationKey { job: "1".into(), kind: "p".into(), entity: None };
        let event = event_of(Topic::job(id, "1"), sequence, &[b'x'; 10]);
        Arc::new(Event { conflation: is_progress.then_some(key), ..event })
    }

    fn after(tail: &Tail, sequence: u64) -> Vec<u64> {
        let mut found: Vec<u64> = tail.after(sequence).map(|event| event.sequence).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn progress_leaves_without_a_gap_and_milestones_leave_one() {
        let mut tail = Tail::default();
        for (sequence, is_progress) in [(1, false), (2, true), (3, true), (4, true), (5, false), (6, false)] {
            tail.push(event(sequence, is_progress), LIMITS);
        }
        assert_eq!((after(&tail, 0), tail.lost()), (vec![1, 3, 4, 5, 6], 0));
        assert_eq!(after(&tail, 3), [4, 5, 6]);
        tail.push(event(7, false), LIMITS);
        assert_eq!((after(&tail, 0), tail.lost()), (vec![3, 4, 5, 6, 7], 1));
        tail.clear();
        assert_eq!((after(&tail, 0), tail.lost(), tail.bytes()), (vec![], 7, 0));
        assert!(tail.is_empty());
    }

    fn line(sequence: u64) -> Arc<Event> {
        Arc::new(Event { is_log: true, ..(*event(sequence, false)).clone() })
    }

    #[test]
    fn lines_of_a_log_leave_the_other_events_in_their_place_and_a_gap_behind() {
        let mut tail = Tail::default();
        tail.push(event(1, false), LIMITS);
        tail.push(event(2, true), LIMITS);
        (3..=4).for_each(|sequence| tail.push(line(sequence), LIMITS));
        assert_eq!((after(&tail, 0), tail.lost()), (vec![1, 2, 3, 4], 0));
        (5..=9).for_each(|sequence| tail.push(line(sequence), LIMITS));
        assert_eq!((after(&tail, 0), tail.lost(), tail.newest()), (vec![1, 2, 8, 9], 7, 9));
        assert_eq!(tail.bytes(), 4 * bytes_of(&line(1)));
        (10..=12).for_each(|sequence| tail.push(event(sequence, false), LIMITS));
        assert_eq!(after(&tail, 0), [2, 8, 9, 10, 11, 12]);
        tail.push(line(13), TailLimits { line_bytes: OVERHEAD, ..LIMITS });
        assert_eq!((after(&tail, 8), tail.lost()), (vec![10, 11, 12], 13));
        tail.clear();
        assert_eq!((tail.bytes(), tail.is_empty()), (0, true));
    }

    #[test]
    fn the_newest_progress_leaves_a_gap_since_nothing_newer_shows_how_far_the_job_is() {
        let mut tail = Tail::default();
        tail.push(event(1, true), TailLimits { progress_bytes: 0, ..LIMITS });
        assert_eq!((after(&tail, 0), tail.lost()), (vec![], 1));
        tail.push(event(2, false), LIMITS);
        tail.push(event(3, true), LIMITS);
        tail.clear();
        assert_eq!(tail.lost(), 3);
    }
}

//! What one connection should have got and what it got.
//!
//! Events of a job are counted from 0 (`nth`); a connection watches one job. Missing events are kept as ranges, so that a
//! late one is told from one that came twice, exactly, and a connection that misses nothing needs no memory for it.

use std::collections::VecDeque;

/// Ranges of missing events that are kept, in 8 KB. When there are more, the oldest is settled: what comes of it after
/// that counts as duplicated.
const MAX_GAPS: usize = 512;

/// The account of one connection, from its opening to its end.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The first event that it must get.
    from: u64,
    /// One more than the newest that came, or `from`.
    next: u64,
    /// The newest conflatable event that came, plus one; 0: none.
    newest_conflatable: u64,
    /// From the first missing event to before the end, in order.
    gaps: VecDeque<(u64, u64)>,
    tally: Tally,
}

/// What came of the events that were due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Due while it was connected.
    pub expected: u64,
    /// Came, each counted once.
    pub received: u64,
    /// Did not come, and nothing explains it.
    pub lost: u64,
    /// Conflatable, did not come, and a newer conflatable one did.
    pub conflated: u64,
    /// Came again.
    pub duplicated: u64,
    /// Came after a newer one.
    pub reordered: u64,
}

/// What an arrival was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// An event that had not come yet, in its turn or late.
    New,
    /// One that had come already.
    Again,
    /// One from before the account began: the state that a server sends first.
    Before,
}

/// What is known of the events of a job, by their numbers.
pub trait Course {
    /// Whether a newer one may replace it.
    fn is_conflatable(&self, nth: u64) -> bool;

    /// Whether it could not be published, so that nobody is to get it.
    fn is_unpublished(&self, nth: u64) -> bool;
}

impl Account {
    /// Of a connection that must get everything from event `from` on.
    pub fn starting(from: u64) -> Self {
        Self { from, next: from, ..Self::default() }
    }

    /// Event `nth` came.
    pub fn arrived(&mut self, nth: u64, course: &impl Course) -> Arrival {
        if nth < self.from {
            return Arrival::Before;
        }
        if nth >= self.next {
            if nth > self.next {
                self.miss(self.next, nth, course);
            }
            self.next = nth + 1;
        } else if self.fill(nth) {
            self.tally.reordered += 1;
        } else {
            self.tally.duplicated += 1;
            return Arrival::Again;
        }
        self.tally.received += 1;
        if course.is_conflatable(nth) {
            self.newest_conflatable = self.newest_conflatable.max(nth + 1);
        }
        Arrival::New
    }

    /// Whether event `nth` has come, or is of the time before.
    pub fn knows(&self, nth: u64) -> bool {
        nth < self.next && !self.gaps.iter().any(|&(first, end)| first <= nth && nth < end)
    }

    /// Closes the account: everything before event `until` was due. Events from there on may have come or not.
    pub fn close(mut self, until: u64, course: &impl Course) -> Tally {
        if self.next < until {
            self.miss(self.next, until, course);
        }
        for (first, end) in std::mem::take(&mut self.gaps) {
            self.settle(first, end.min(until), course);
        }
        let tally = &mut self.tally;
        tally.expected = tally.received + tally.lost + tally.conflated;
        self.tally
    }

    fn settle(&mut self, first: u64, end: u64, course: &impl Course) {
        for nth in first..end {
            if course.is_unpublished(nth) {
                continue;
            }
            if course.is_conflatable(nth) && self.newest_conflatable > nth + 1 {
                self.tally.conflated += 1;
            } else {
                self.tally.lost += 1;
            }
        }
    }

    fn miss(&mut self, first: u64, end: u64, course: &impl Course) {
        // One that was split by what came late may have made one more.
        while self.gaps.len() >= MAX_GAPS
            && let Some((first, end)) = self.gaps.pop_front()
        {
            self.settle(first, end, course);
        }
        self.gaps.push_back((first, end));
    }

    /// Takes an event out of the missing ones; false if it is not among them.
    fn fill(&mut self, nth: u64) -> bool {
        let Some(at) = self.gaps.iter().rposition(|&(first, end)| first <= nth && nth < end) else {
            return false;
        };
        let (first, end) = self.gaps[at];
        match (first == nth, nth + 1 == end) {
            (true, true) => drop(self.gaps.remove(at)),
            (true, false) => self.gaps[at].0 = nth + 1,
            (false, true) => self.gaps[at].1 = nth,
            (false, false) => {
                self.gaps[at].1 = nth;
                self.gaps.insert(at + 1, (nth + 1, end));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;

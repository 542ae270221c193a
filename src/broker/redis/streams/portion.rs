//! Number of entries that are asked for at a time; pure.

use std::time::{Duration, Instant};

/// Entries of the first answer, whose lengths nobody knows.
const FIRST: u64 = 100;

/// Entries of an answer, at least and at most. Only a connection that was cut off goes below.
const COUNT: std::ops::RangeInclusive<u64> = 10..=1000;

/// Time after which twice as many entries may be asked for as before, where an answer was cut off.
const REGROWTH: Duration = Duration::from_mins(1);

/// Number of entries to ask for: as many as fill an answer, by the lengths of the last ones.
///
/// Redis makes an answer whole in its memory, and closes a connection for which it needs more than its
/// `client-output-buffer-limit normal`. [`Portion::halve`] is the response to that.
#[derive(Debug)]
pub(super) struct Portion {
    /// Bytes that an answer should have, about.
    answer: u64,
    count: u64,
    most: u64,
    /// Time at which `most` was last changed.
    changed: Option<Instant>,
    /// Whether an answer is owed that may be long.
    is_owed: bool,
    /// Whether no answer came since the last one that was cut off.
    is_unproven: bool,
}

impl Portion {
    /// Asks for answers of about `answer` bytes.
    pub(super) const fn new(answer: u64) -> Self {
        let most = *COUNT.end();
        Self { answer, count: FIRST, most, changed: None, is_owed: false, is_unproven: false }
    }

    /// Entries to ask for.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Takes note that an answer is asked for which may be long.
    pub(super) const fn asked(&mut self) {
        self.is_owed = true;
    }

    /// Takes note that what was asked for came, of which none were entries.
    pub(super) const fn came(&mut self) {
        self.is_owed = false;
    }

    /// Takes note of a whole answer, which may be an error.
    pub(super) const fn whole(&mut self) {
        (self.is_owed, self.is_unproven) = (false, false);
    }

    /// Whether an answer was cut off not long ago. Commands go out one by one then, since Redis adds up the answers to those
    /// that come together.
    pub(super) const fn is_limited(&self) -> bool {
        self.most < *COUNT.end()
    }

    /// Whether answers were cut off, and none came since.
    pub(super) const fn is_unproven(&self) -> bool {
        self.is_unproven
    }

    /// Takes note of a whole answer, whose `entries` were divided among so many streams.
    pub(super) fn learn(&mut self, bytes: u64, entries: u64, streams: usize, now: Instant) {
        self.whole();
        if self.changed.is_some_and(|changed| now.duration_since(changed) >= REGROWTH) {
            self.most = self.most.saturating_mul(2).min(*COUNT.end());
            self.changed = self.is_limited().then_some(now);
        }
        if let Some(each) = bytes.checked_div(entries) {
            let wanted = self.answer / each.max(1) / streams.max(1) as u64;
            self.count = wanted.max(*COUNT.start()).min(self.most);
        }
    }

    /// Asks for half as many entries from now on, where a connection ended that owed a long answer. Returns their number;
    /// `None`: nothing was owed, or there is no smaller number.
    pub(super) fn halve(&mut self, now: Instant) -> Option<u64> {
        if !std::mem::take(&mut self.is_owed) {
            return None;
        }
        self.is_unproven = true;
        self.changed = Some(now);
        let is_least = self.count == 1;
        self.count = (self.count / 2).max(1);
        self.most = self.count;
        (!is_least).then_some(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_entries_are_asked_for_as_fill_an_answer() {
        let now = Instant::now();
        let mut portion = Portion::new(1000 * 1000);
        assert_eq!(portion.count(), FIRST);
        for (bytes, entries, streams, count) in [
            (200 * 5000, 200, 1, 200),
            (200 * 5000, 200, 2, 100),
            (300, 3, 1, 1000),
            (10_000_000, 1, 1, 10),
            (0, 0, 0, 10),
        ] {
            portion.learn(bytes, entries, streams, now);
            assert_eq!(portion.count(), count, "{entries} entries of {bytes} bytes");
        }
    }

    #[test]
    fn answers_that_are_cut_off_become_smaller_until_they_come_and_slowly_larger_again() {
        let mut now = Instant::now();
        let mut portion = Portion::new(1000 * 1000);
        assert_eq!((portion.halve(now), portion.is_unproven()), (None, false), "nothing is owed");
        let mut cut = || {
            portion.asked();
            portion.halve(now)
        };
        let halved: Vec<_> = (0..8).map(|_| cut()).collect();
        let wanted = [Some(50), Some(25), Some(12), Some(6), Some(3), Some(1), None, None];
        assert_eq!((halved, portion.is_unproven()), (wanted.to_vec(), true));
        portion.came();
        assert!(portion.is_limited() && portion.is_unproven());
        portion.learn(100, 1, 1, now);
        assert_eq!((portion.count(), portion.is_unproven()), (1, false));
        for count in [2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000] {
            now += REGROWTH;
            portion.learn(100, 1, 1, now);
            assert_eq!(portion.count(), count);
        }
        assert!(!portion.is_limited());
    }
}

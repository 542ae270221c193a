//! Events of one target that were shown behind the last cursor, so that they are known when they come again. Pure.
//!
//! After a reconnect the relay repeats from the cursor on, in order: what was shown comes first, and what was missed follows. So
//! a milestone that was shown is a repeat, and everything before it is older. Everything behind the last one that was shown
//! is news. A milestone between them waits until it is known to be either.
//!
//! Progress leaves no print: much of it reads alike, and some of it is not repeated. It is left out until the last milestone has come
//! again, so that some of it may be shown twice.

use std::collections::VecDeque;
use std::time::Instant;

use crate::dialect::Outcome;

/// Prints that are kept; of more the newest, which suffice to find the place.
const MAX_PRINTS: usize = 256;

/// Events that wait, at most; with one more they are all shown.
const MAX_HELD: usize = 1_024;

/// Whether an event was shown before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The event was not shown before.
    News,
    /// The event was shown before.
    Repeat,
    /// The answer is not known yet. The event waits.
    Held,
    /// The answer is not known, and there is no room to wait. Everything that waits is to be released.
    Full,
}

/// Prints of the events that were shown behind the last cursor, and events that wait.
#[derive(Debug, Default)]
pub(super) struct Trail {
    prints: VecDeque<u64>,
    /// Number of prints of earlier connections, the first ones. Their events may come again.
    old: usize,
    /// Number of the old prints that have come again, from the first on.
    found: usize,
    held: Vec<String>,
    ended: Option<Outcome>,
    since: Option<Instant>,
}

impl Trail {
    /// A new connection begins. What waits comes again with it.
    pub(super) fn reconnected(&mut self) {
        (self.old, self.found) = (self.prints.len(), 0);
        self.held.clear();
        (self.ended, self.since) = (None, None);
    }

    /// The state was told anew, and with this print: what was shown before does not come again.
    pub(super) fn begin(&mut self, print: Option<u64>) {
        if self.old > 0 {
            self.prints.clear();
            (self.old, self.found, self.since) = (0, 0, None);
            self.held.clear();
        }
        if let Some(print) = print {
            self.add(print);
        }
    }

    /// A milestone was shown on this connection, without a cursor.
    pub(super) fn add(&mut self, print: u64) {
        if self.prints.len() == MAX_PRINTS {
            self.prints.pop_front();
            (self.old, self.found) = (self.old.saturating_sub(1), self.found.saturating_sub(1));
        }
        self.prints.push_back(print);
    }

    /// Takes an event that is news, or comes again; progress has no print.
    pub(super) fn take(&mut self, print: Option<u64>, text: &str, now: Instant) -> Verdict {
        if self.found >= self.old {
            return Verdict::News;
        }
        self.since.get_or_insert(now);
        let Some(print) = print else { return Verdict::Repeat };
        let rest = self.prints.iter().take(self.old).skip(self.found);
        if let Some(at) = rest.into_iter().position(|known| *known == print) {
            self.found += at + 1;
            self.held.clear();
            if self.found == self.old && self.ended.is_none() {
                self.since = None;
            }
            return Verdict::Repeat;
        }
        self.held.push(text.to_owned());
        if self.held.len() < MAX_HELD { Verdict::Held } else { Verdict::Full }
    }

    /// The job has ended, which waits for what was missed.
    pub(super) fn end(&mut self, outcome: Outcome, now: Instant) {
        self.ended = Some(outcome);
        self.since.get_or_insert(now);
    }

    /// Whether something waits that a cursor behind it would lose.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// When the first came of what is left out or waits.
    pub(super) const fn waits_since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes out what waits. None of it is a repeat, and neither is what follows.
    pub(super) fn release(&mut self) -> (Vec<String>, Option<Outcome>) {
        (self.old, self.found, self.since) = (0, 0, None);
        (std::mem::take(&mut self.held), self.ended.take())
    }

    /// A cursor speaks of everything that was shown on this connection. Returns whether anything is left to remember.
    pub(super) fn covered(&mut self) -> bool {
        let left: VecDeque<u64> = self.prints.iter().take(self.old).skip(self.found).copied().collect();
        (self.old, self.found) = (left.len(), 0);
        self.prints = left;
        self.old > 0 || self.ended.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(prints: &[u64]) -> Trail {
        let mut trail = Trail::default();
        for print in prints {
            trail.add(*print);
        }
        trail.reconnected();
        trail
    }

    fn takes(trail: &mut Trail, prints: &[u64]) -> Vec<Verdict> {
        let take = |print: &u64| trail.take(Some(*print), &print.to_string(), Instant::now());
        prints.iter().map(take).collect()
    }

    #[test]
    fn what_was_shown_is_left_out_and_the_rest_is_news() {
        use Verdict::{Held, News, Repeat};
        let mut trail = shown(&[1, 2, 3]);
        assert_eq!(takes(&mut trail, &[1, 2, 3, 3, 4]), [Repeat, Repeat, Repeat, News, News]);
        // A state that was shown may be of an earlier event.
        let mut trail = shown(&[5, 7]);
        assert_eq!(takes(&mut trail, &[4, 5, 6, 7, 8]), [Held, Repeat, Held, Repeat, News]);
        assert!(!trail.holds());
        let mut trail = shown(&[1, 2]);
        assert_eq!(takes(&mut trail, &[1, 3, 4]), [Repeat, Held, Held]);
        assert_eq!(trail.release().0, ["3", "4"]);
        assert_eq!(takes(&mut trail, &[2]), [News]);
    }

    #[test]
    fn progress_is_left_out_until_the_last_milestone_has_come_again() {
        let mut trail = shown(&[1, 2]);
        let now = Instant::now();
        let mut take = |print| trail.take(print, "", now);
        assert_eq!([take(None), take(Some(1)), take(None)], [Verdict::Repeat; 3]);
        assert_eq!([take(Some(2)), take(None)], [Verdict::Repeat, Verdict::News]);
        assert_eq!(trail.waits_since(), None);
        let mut trail = shown(&[1]);
        trail.take(None, "", now);
        assert_eq!(trail.waits_since(), Some(now), "not for ever");
        assert!(trail.release().0.is_empty());
        assert_eq!(trail.take(None, "", now), Verdict::News);
    }

    #[test]
    fn a_trail_that_is_cut_while_it_is_followed_begins_anew() {
        let mut trail = shown(&[1, 2]);
        assert_eq!(takes(&mut trail, &[1]), [Verdict::Repeat]);
        trail.reconnected();
        assert_eq!(takes(&mut trail, &[1, 2]), [Verdict::Repeat; 2]);
        // With a cursor behind 1, 1 does not come again.
        let mut trail = shown(&[1, 2]);
        assert_eq!(takes(&mut trail, &[1]), [Verdict::Repeat]);
        assert!(trail.covered());
        trail.reconnected();
        assert_eq!(takes(&mut trail, &[2, 1]), [Verdict::Repeat, Verdict::News]);
        assert!(!trail.covered());
    }

    #[test]
    fn a_trail_is_bounded_and_its_newest_prints_are_enough() {
        let prints: Vec<u64> = (0..1_000).collect();
        let mut trail = shown(&prints);
        assert_eq!(trail.prints.len(), MAX_PRINTS);
        let again: Vec<Verdict> = takes(&mut trail, &(500..1_001).collect::<Vec<_>>());
        assert_eq!((again[0], again[499], again[500]), (Verdict::Held, Verdict::Repeat, Verdict::News));
        let mut trail = shown(&[1]);
        let verdicts = takes(&mut trail, &(2..).take(MAX_HELD).collect::<Vec<_>>());
        assert_eq!((verdicts[0], verdicts[MAX_HELD - 1]), (Verdict::Held, Verdict::Full));
        assert_eq!(trail.release().0.len(), MAX_HELD);
    }
}

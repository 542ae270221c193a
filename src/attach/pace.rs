//! How fast things go: a job's percent, and the events of all jobs. Pure; the time is handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Percent over time within one run, for the time that is left.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    since: Option<Instant>,
    first: Option<(f64, Instant)>,
    last: Option<(f64, Instant)>,
    /// Percentage points of the current step. `last` counts the step as done, but it is still to do. 0 where the job
    /// has no steps.
    going: f64,
}

/// Least progress, in percent, and least time before the time left is estimated. The first step of many jobs is their
/// quickest, so an earlier estimate would be too short.
const LEAST_PERCENT: f64 = 1.0;
const LEAST_TIME: Duration = Duration::from_secs(1);

/// Time after the first percent in which each newer percent becomes the start of the measurement. A relay sends a late
/// joiner the whole run so far at once, which says where the job stands and not how fast it goes.
const SETTLING: Duration = Duration::from_millis(500);

/// Longest time left that is shown, in seconds: 99 hours.
const LONGEST: f64 = 99.0 * 3600.0;

impl Pace {
    /// Takes a percent that was seen `now`; `going` of it is the step that has just begun.
    pub(super) fn saw(&mut self, percent: f64, going: f64, now: Instant) {
        let newest = Some((percent, now));
        match (self.last, self.since) {
            (Some((last, _)), Some(since)) if percent > last => {
                self.last = newest;
                if now.saturating_duration_since(since) < SETTLING {
                    self.first = newest;
                }
            }
            (Some((last, _)), _) if percent >= last => {}
            // The first of the run, or the job took a step back: what was before says nothing any more.
            _ => *self = Self { since: Some(now), first: newest, last: newest, going },
        }
        self.going = going;
    }

    /// How long it will take from `now` on, going by what was seen so far; `None` too when it is overdue.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        let ((from, began), (at, seen)) = (self.first?, self.last?);
        let took = seen.saturating_duration_since(began);
        if at - from < LEAST_PERCENT || took < LEAST_TIME {
            return None;
        }
        let each = took.as_secs_f64() / (at - from);
        let seconds = each * (100.0 - at + self.going);
        if seconds > LONGEST {
            return None;
        }
        let left = Duration::from_secs_f64(seconds).checked_sub(now.saturating_duration_since(seen))?;
        // A step may take its time; those behind it take theirs all the same.
        let later = if self.going > 0.0 { each * (100.0 - at) } else { 0.0 };
        Some(left.max(Duration::from_secs_f64(later))).filter(|left| !left.is_zero())
    }
}

/// Events per second over the last [`Rate::SPAN`].
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// One entry a slice of the span at most, so that its size does not grow with the rate.
    slices: VecDeque<(Instant, u32)>,
}

impl Rate {
    const SPAN: Duration = Duration::from_secs(5);
    const SLICE: Duration = Duration::from_millis(250);

    /// Takes an event.
    pub(super) fn saw(&mut self, now: Instant) {
        match self.slices.back_mut() {
            Some((begin, count)) if now.saturating_duration_since(*begin) < Self::SLICE => *count += 1,
            _ => self.slices.push_back((now, 1)),
        }
        while self.slices.front().is_some_and(|(begin, _)| Self::is_over(*begin, now)) {
            self.slices.pop_front();
        }
    }

    /// The rate as of `now`.
    pub(super) fn per_second(&self, now: Instant) -> f64 {
        let fresh = self.slices.iter().filter(|(begin, _)| !Self::is_over(*begin, now));
        f64::from(fresh.map(|(_, count)| *count).sum::<u32>()) / Self::SPAN.as_secs_f64()
    }

    fn is_over(begin: Instant, now: Instant) -> bool {
        now.saturating_duration_since(begin) >= Self::SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_time_left_follows_from_the_pace_so_far() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.left(start), None);
        pace.saw(40.0, 0.0, start);
        assert_eq!(pace.left(at(start, 5)), None, "one percent is no pace");
        pace.saw(50.0, 0.0, at(start, 10));
        assert_eq!(pace.left(at(start, 10)), Some(Duration::from_secs(50)));
        assert_eq!(
            pace.left(at(start, 30)),
            Some(Duration::from_secs(30)),
            "it runs down while nothing comes"
        );
        assert_eq!(pace.left(at(start, 300)), None, "overdue");
        pace.saw(20.0, 0.0, at(start, 301));
        assert_eq!(pace.left(at(start, 302)), None, "a step back begins anew");
    }

    #[test]
    fn the_step_that_goes_on_is_still_to_do() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.saw(20.0, 20.0, start);
        pace.saw(40.0, 20.0, at(start, 10));
        pace.saw(60.0, 20.0, at(start, 20));
        assert_eq!(pace.left(at(start, 20)), Some(Duration::from_secs(30)), "steps 3, 4 and 5");
        assert_eq!(pace.left(at(start, 29)), Some(Duration::from_secs(21)));
        assert_eq!(pace.left(at(start, 45)), Some(Duration::from_secs(20)), "steps 4 and 5 at least");
        assert_eq!(pace.left(at(start, 51)), None, "overdue");
        pace.saw(100.0, 20.0, at(start, 52));
        assert_eq!(pace.left(at(start, 52)), Some(Duration::from_secs(13)), "the last one has begun");
    }

    #[test]
    fn a_run_that_is_told_in_one_breath_has_no_pace() {
        let start = Instant::now();
        let mut pace = Pace::default();
        pace.saw(0.0, 0.0, start);
        pace.saw(80.0, 0.0, start + Duration::from_millis(3));
        pace.saw(81.0, 0.0, at(start, 2));
        let expected = Duration::from_secs_f64(19.0 * 1.997);
        assert_eq!(pace.left(at(start, 2)), Some(expected), "one percent in two seconds, not 81");
    }

    #[test]
    fn the_rate_forgets_what_is_five_seconds_old() {
        let start = Instant::now();
        let mut rate = Rate::default();
        for _ in 0..50 {
            rate.saw(start);
        }
        assert!((rate.per_second(at(start, 1)) - 10.0).abs() < 1e-9);
        assert!(rate.per_second(at(start, 5)).abs() < 1e-9);
        rate.saw(at(start, 6));
        assert_eq!(rate.slices.len(), 1);
    }
}

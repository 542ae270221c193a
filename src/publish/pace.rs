//! Times at which events may be sent, under a limit of their rate.

use std::time::Duration;

use tokio::time::Instant;

/// Longest lag of the schedule that is caught up with. A longer lag is cut to this one.
const MAX_LAG: Duration = Duration::from_secs(1);

/// Spaces events at a rate, or not at all.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    gap: Option<Duration>,
    due: Instant,
}

impl Pace {
    /// Pace of at most `rate` events a second from `start` on; `None` sets no limit.
    pub(super) fn new(start: Instant, rate: Option<f64>) -> Self {
        Self { start, gap: rate.map(|rate| Duration::from_secs_f64(rate.recip())), due: start }
    }

    /// Beginning of the schedule.
    pub(super) const fn start(&self) -> Instant {
        self.start
    }

    /// Time at which the next event may be sent; `None` means at once.
    pub(super) fn next(&mut self, now: Instant) -> Option<Instant> {
        let gap = self.gap?;
        let due = now.checked_sub(MAX_LAG).map_or(self.due, |earliest| self.due.max(earliest));
        self.due = due + gap;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_held_and_a_short_lag_caught_up_with() {
        let start = Instant::now();
        let ms = |n| start + Duration::from_millis(n);
        let mut pace = Pace::new(start, Some(100.0));
        let due: Vec<_> = [0, 0, 55, 55].map(|now| pace.next(ms(now))).into();
        assert_eq!(due, [ms(0), ms(10), ms(20), ms(30)].map(Some));
        // After a pause of ten seconds a second's worth is caught up with, not all ten.
        assert_eq!(pace.next(ms(10_000)), Some(ms(9_000)));
        assert_eq!(pace.next(ms(10_000)), Some(ms(9_010)));
    }

    #[test]
    fn without_a_rate_it_is_at_once() {
        let start = Instant::now();
        assert_eq!(Pace::new(start, None).next(start), None);
    }
}

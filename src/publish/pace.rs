//! When the next event may go.

use std::time::Duration;

use tokio::time::Instant;

/// How far the schedule may lag behind before the lag is forgotten instead of caught up with.
const MAX_LAG: Duration = Duration::from_secs(1);

/// Spaces events: as their source says, or at a rate, or not at all.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    gap: Option<Duration>,
    due: Instant,
}

impl Pace {
    /// At most `rate` events a second, from `start` on.
    pub(super) fn new(start: Instant, rate: Option<f64>) -> Self {
        Self { start, gap: rate.map(|rate| Duration::from_secs_f64(rate.recip())), due: start }
    }

    /// When the next event is due, which its source may know; `None` is at once.
    pub(super) fn next(&mut self, at: Option<Duration>, now: Instant) -> Option<Instant> {
        if let Some(at) = at {
            return Some(self.start + at);
        }
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
        let due: Vec<_> = [0, 0, 55, 55].map(|now| pace.next(None, ms(now))).into();
        assert_eq!(due, [ms(0), ms(10), ms(20), ms(30)].map(Some));
        // After a pause of ten seconds a second's worth is caught up with, not all ten.
        assert_eq!(pace.next(None, ms(10_000)), Some(ms(9_000)));
        assert_eq!(pace.next(None, ms(10_000)), Some(ms(9_010)));
    }

    #[test]
    fn the_source_s_own_times_go_first_and_without_either_it_is_at_once() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        assert_eq!(Pace::new(start, Some(5.0)).next(Some(second), start), Some(start + second));
        assert_eq!(Pace::new(start, None).next(None, start), None);
    }
}

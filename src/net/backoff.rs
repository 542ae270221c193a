//! How long to wait before the next attempt; pure, so that it can be tested without waiting.

use std::time::Duration;

/// The least a first step may be: a back-off of nothing would be a busy loop.
const LEAST: Duration = Duration::from_millis(1);

/// Waits that double up to a maximum, each with jitter, so that many clients of one server do not return in step.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    step: Duration,
}

impl Backoff {
    /// Begins at `first` (at least 1 ms) and never waits longer than `max`.
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        let max = max.max(LEAST);
        let first = first.clamp(LEAST, max);
        Self { first, max, step: first }
    }

    /// The next wait: between half of the current step and the whole of it, as `jitter` goes from 0 to 1.
    ///
    /// A `jitter` outside of 0..=1 counts as the nearer end, and one that is no number as 1.
    pub(crate) fn next(&mut self, jitter: f64) -> Duration {
        let jitter = if jitter.is_nan() { 1.0 } else { jitter.clamp(0.0, 1.0) };
        let half = self.step / 2;
        let wait = half + half.mul_f64(jitter);
        self.step = self.step.saturating_mul(2).min(self.max);
        wait
    }

    /// Begins anew; to be called once an attempt has succeeded.
    pub(crate) fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, proptest};

    use super::{Backoff, Duration};

    const FIRST: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(10);

    #[test]
    fn doubles_to_the_maximum_and_stays_there() {
        let mut backoff = Backoff::new(FIRST, MAX);
        let waits: Vec<u128> = (0..10).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn jitter_spans_the_upper_half_of_the_step() {
        assert_eq!(Backoff::new(FIRST, MAX).next(0.0), Duration::from_millis(50));
        assert_eq!(Backoff::new(FIRST, MAX).next(0.5), Duration::from_millis(75));
        assert_eq!(Backoff::new(FIRST, MAX).next(7.0), Duration::from_millis(100));
        assert_eq!(Backoff::new(FIRST, MAX).next(f64::NAN), Duration::from_millis(100));
    }

    #[test]
    fn reset_begins_anew() {
        let mut backoff = Backoff::new(FIRST, MAX);
        for _ in 0..20 {
            backoff.next(0.3);
        }
        backoff.reset();
        assert_eq!(backoff.next(1.0), FIRST);
    }

    #[test]
    fn a_first_step_of_nothing_still_waits() {
        assert!(Backoff::new(Duration::ZERO, Duration::ZERO).next(1.0) > Duration::ZERO);
    }

    proptest! {
        #[test]
        fn every_wait_is_within_its_bounds(first in 1_u64..100_000, max in 1_u64..100_000, jitter in 0.0..1.0_f64) {
            let (first, max) = (Duration::from_millis(first), Duration::from_millis(max));
            let mut backoff = Backoff::new(first, max);
            for _ in 0..100 {
                let wait = backoff.next(jitter);
                prop_assert!(wait <= max && wait >= first.min(max) / 2);
            }
        }
    }
}

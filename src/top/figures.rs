//! Figures that two samples make: rates and CPU use. Pure.

use crate::lists::RelaySample;

/// Counts between two samples, per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rates {
    /// Time between the samples, in seconds.
    pub seconds: f64,
    /// Events that the relay took.
    pub events: f64,
    /// Deliveries to sockets.
    pub deliveries: f64,
    /// Events that a newer one replaced on their way to a slow socket.
    pub conflated: f64,
    /// CPU use of the relay, in percent of one core.
    pub cpu: Option<f64>,
}

/// Result of comparing two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Between {
    /// The rates.
    Rates(Rates),
    /// A counter went back: the relay was started again.
    Restarted,
    /// A server without counters, or no time between the samples.
    Unknown,
}

/// Compares a sample with the one before it.
pub(super) fn between(before: &RelaySample, after: &RelaySample) -> Between {
    /// Counters of the relay.
    fn counters(sample: &RelaySample) -> Option<[u64; 3]> {
        let stats = &sample.stats;
        Some([stats.events?, stats.deliveries?, stats.conflated.unwrap_or(0)])
    }
    let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
    let (Some(old), Some(new)) = (counters(before), counters(after)) else { return Between::Unknown };
    let cpu = |sample: &RelaySample| sample.stats.process.cpu_seconds;
    let used = cpu(before).zip(cpu(after)).map(|(old, new)| new - old);
    // A process that used less CPU time is another one, even if its counters have overtaken those of the other.
    if old.iter().zip(new).any(|(old, new)| new < *old) || used.is_some_and(|used| used < 0.0) {
        return Between::Restarted;
    }
    if seconds <= 0.0 {
        return Between::Unknown;
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let [events, deliveries, conflated] = std::array::from_fn(|nth| (new[nth] - old[nth]) as f64 / seconds);
    let cpu = used.map(|used| 100.0 * used / seconds);
    Between::Rates(Rates { seconds, events, deliveries, conflated, cpu })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::state::tests::sample;
    use super::*;

    #[test]
    fn rates_are_what_was_counted_by_the_time_and_a_counter_that_went_back_is_a_restart() {
        let base = sample(Vec::new());
        let counted = |events, deliveries, cpu, seconds| {
            let mut sample = base.clone();
            sample.at += Duration::from_secs(seconds);
            sample.stats.events = events;
            sample.stats.deliveries = Some(deliveries);
            sample.stats.process.cpu_seconds = cpu;
            sample
        };
        let first = counted(Some(100), 1_000, Some(1.0), 0);
        let Between::Rates(rates) = between(&first, &counted(Some(300), 5_000, Some(1.5), 2)) else {
            panic!()
        };
        assert_eq!((rates.seconds, rates.events, rates.deliveries), (2.0, 100.0, 2_000.0));
        assert_eq!((rates.conflated, rates.cpu), (0.0, Some(25.0)));
        let other =
            |events, deliveries, cpu, seconds| between(&first, &counted(events, deliveries, cpu, seconds));
        assert_eq!(other(Some(99), 1_000, None, 1), Between::Restarted);
        assert_eq!(other(Some(100), 999, None, 1), Between::Restarted);
        assert_eq!(other(Some(500), 5_000, Some(0.1), 1), Between::Restarted);
        assert_eq!(other(None, 5_000, None, 1), Between::Unknown);
        assert_eq!(other(Some(500), 5_000, None, 0), Between::Unknown);
    }
}

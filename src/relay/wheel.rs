//! One timer wheel for all the connections of a shard: a bucket a tick, so that setting a timer is a push.

use super::slots::ConnId;

/// Milliseconds since the shard began.
pub(super) type Millis = u64;

/// The wheel's resolution: a timer fires up to this much late.
pub(super) const TICK: Millis = 50;

/// Buckets; a timer further away than all of them waits in its bucket for its round.
const BUCKETS: usize = 1024;

/// Fires connection ids at or after their time. There is no cancelling: who sets a timer remembers which one counts.
#[derive(Debug)]
pub(super) struct Wheel {
    buckets: Vec<Vec<(Millis, ConnId)>>,
    /// The first tick that has not been looked at.
    next: u64,
}

impl Wheel {
    /// Without timers, beginning at time 0.
    pub(super) fn new() -> Self {
        Self { buckets: vec![Vec::new(); BUCKETS], next: 0 }
    }

    /// Sets a timer; one that lies in the past fires at the next tick.
    pub(super) fn set(&mut self, at: Millis, id: ConnId) {
        let tick = at.div_ceil(TICK).max(self.next);
        self.buckets[bucket(tick)].push((at, id));
    }

    /// Moves on to `now` and appends what is due, with the time it was set for.
    pub(super) fn advance(&mut self, now: Millis, due: &mut Vec<(Millis, ConnId)>) {
        let last = now / TICK;
        // After a long sleep every bucket is looked at once, not once per missed tick.
        let ticks = (last + 1).saturating_sub(self.next).min(BUCKETS as u64);
        for tick in (last + 1 - ticks)..=last {
            let place = &mut self.buckets[bucket(tick)];
            let before = due.len();
            place.retain(|timer| {
                let is_due = timer.0 <= now;
                if is_due {
                    due.push(*timer);
                }
                !is_due
            });
            if place.is_empty() && due.len() - before > 64 {
                place.shrink_to(64);
            }
        }
        self.next = self.next.max(last + 1);
    }
}

fn bucket(tick: u64) -> usize {
    usize::try_from(tick % BUCKETS as u64).expect("less than the number of buckets")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::relay::slots::Slots;

    proptest! {
        #[test]
        fn every_timer_fires_once_never_early_and_at_most_a_tick_late(
            times in proptest::collection::vec(0u64..200_000, 1..50),
            steps in proptest::collection::vec(1u64..90_000, 1..40),
        ) {
            let (mut wheel, mut slots) = (Wheel::new(), Slots::new());
            let ids: Vec<ConnId> = times.iter().map(|_| slots.insert(())).collect();
            for (at, id) in times.iter().zip(&ids) {
                wheel.set(*at, *id);
            }
            let mut fired = Vec::new();
            let (mut now, mut before) = (0, 0);
            for step in steps.into_iter().chain([300_000]) {
                now += step;
                let mut due = Vec::new();
                wheel.advance(now, &mut due);
                for (at, _) in &due {
                    prop_assert!(*at <= now, "early");
                    prop_assert!(*at + TICK > before, "late: set for {at}, missed at {before}");
                }
                fired.extend(due.into_iter().map(|(_, id)| id));
                before = now;
            }
            fired.sort_unstable();
            prop_assert_eq!(fired, ids);
        }
    }

    #[test]
    fn a_timer_in_the_past_fires_at_the_next_tick() {
        let (mut wheel, mut slots, mut due) = (Wheel::new(), Slots::new(), Vec::new());
        wheel.advance(10_000, &mut due);
        wheel.set(1, slots.insert(()));
        wheel.advance(10_000 + TICK, &mut due);
        assert_eq!(due.len(), 1);
    }
}

//! What a run will do, decided before it begins: when each event is due, which job it is of, and who watches what.
//!
//! The load is open: nothing that happens during the run changes when an event is due.

use serde::{Deserialize, Serialize};

use super::numbers::{as_f64, nanos, whole};

/// What a share of events is counted in; the square of it is in range.
const WHOLE: u64 = 1_000_000_000;

/// How the rate goes over the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ramp {
    /// The same from beginning to end.
    Flat,
    /// From nothing to the full rate.
    Linear,
    /// In so many equal steps up to the full rate.
    Steps(u32),
}

/// A stretch of time with a rate of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    /// When it begins, in seconds since the first event.
    at: f64,
    length: f64,
    /// Events before it.
    first: u64,
    events: u64,
    shape: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Flat,
    /// The rate grows from nothing.
    Growing,
}

/// When events are due, and of which job each is.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    segments: Vec<Segment>,
    jobs: u64,
    /// So many of [`WHOLE`] events of a job are milestones.
    milestones: u64,
    /// The first event that is measured; those before it are the warm-up.
    pub measured_from: u64,
    /// Events in all, warm-up included.
    pub events: u64,
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Events a second over all jobs, at the full height of the ramp.
    pub rate: f64,
    /// Length of the measured time in seconds.
    pub seconds: f64,
    /// Length of the warm-up in seconds, at the rate that the ramp begins with.
    pub warm_up: f64,
    /// How the rate goes over the measured time.
    pub ramp: Ramp,
    /// Measured events at most.
    pub limit: Option<u64>,
    /// Jobs that take turns.
    pub jobs: u64,
    /// The share of events that are milestones, 0 to 1.
    pub milestones: f64,
}

impl Plan {
    /// Lays the events out.
    pub fn new(load: &Load) -> Self {
        let mut plan = Self {
            segments: Vec::new(),
            jobs: load.jobs.max(1),
            milestones: part_of(WHOLE, load.milestones),
            measured_from: 0,
            events: 0,
        };
        let first_rate = match load.ramp {
            Ramp::Flat => load.rate,
            Ramp::Linear => load.rate / 10.0,
            Ramp::Steps(steps) => load.rate / f64::from(steps.max(1)),
        };
        plan.push(load.warm_up, first_rate, Shape::Flat);
        plan.measured_from = plan.events;
        match load.ramp {
            Ramp::Flat => plan.push(load.seconds, load.rate, Shape::Flat),
            Ramp::Linear => plan.push(load.seconds, load.rate, Shape::Growing),
            Ramp::Steps(steps) => {
                let steps = steps.max(1);
                for step in 1..=steps {
                    let rate = load.rate * f64::from(step) / f64::from(steps);
                    plan.push(load.seconds / f64::from(steps), rate, Shape::Flat);
                }
            }
        }
        if let Some(limit) = load.limit {
            plan.events = plan.events.min(plan.measured_from + limit);
        }
        plan
    }

    fn push(&mut self, length: f64, rate: f64, shape: Shape) {
        let at = self.segments.last().map_or(0.0, |last| last.at + last.length);
        let area = match shape {
            Shape::Flat => length * rate,
            Shape::Growing => length * rate / 2.0,
        };
        let events = whole(area);
        // A stretch without an event still takes its time.
        self.segments.push(Segment { at, length, first: self.events, events, shape });
        self.events += events;
    }

    /// When event `seq` is due, in nanoseconds since the beginning.
    pub fn due(&self, seq: u64) -> u64 {
        let segment = self.segments.iter().rev().find(|segment| segment.first <= seq && segment.events > 0);
        let Some(segment) = segment else { return 0 };
        let part = as_f64(seq - segment.first) / as_f64(segment.events);
        let part = match segment.shape {
            Shape::Flat => part,
            Shape::Growing => part.sqrt(),
        };
        nanos(segment.at + segment.length * part)
    }

    /// The first event that is due at this time or later, in nanoseconds since the beginning.
    pub fn first_due_at(&self, nanos: u64) -> u64 {
        let (mut low, mut high) = (0, self.events);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.due(middle) < nanos {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// When the measured time begins, in nanoseconds since the beginning.
    pub fn measured_at(&self) -> u64 {
        nanos(self.segments.first().map_or(0.0, |warm_up| warm_up.length))
    }

    /// The length of the whole in nanoseconds: to the end of the last stretch, or to where the next event would be due where
    /// a number of events ends it earlier.
    pub fn length(&self) -> u64 {
        let end = nanos(self.segments.last().map_or(0.0, |last| last.at + last.length));
        let planned = self.segments.last().map_or(0, |last| last.first + last.events);
        if self.events < planned { self.due(self.events) } else { end }
    }

    /// The job of an event, from 0.
    pub fn job(&self, seq: u64) -> u64 {
        seq % self.jobs
    }

    /// Which event of its job it is, from 0.
    pub fn nth(&self, seq: u64) -> u64 {
        seq / self.jobs
    }

    /// Event `nth` of a job; the inverse of [`Plan::job`] and [`Plan::nth`].
    pub fn seq(&self, job: u64, nth: u64) -> u64 {
        nth.saturating_mul(self.jobs).saturating_add(job)
    }

    /// How many events of a job come before event `seq`; the first of the job from there on.
    pub fn nth_from(&self, job: u64, seq: u64) -> u64 {
        (seq + self.jobs - 1).saturating_sub(job) / self.jobs
    }

    /// Whether the event of a job with that number may be replaced by a newer one: it is a milestone where another whole one
    /// is due with it, so that they are spread evenly and any share of them is met.
    pub fn is_conflatable(&self, nth: u64) -> bool {
        nth % WHOLE * self.milestones % WHOLE + self.milestones < WHOLE
    }
}

/// Whether connection `nth` of `all` belongs to the `share` of them, evenly spread.
pub fn chosen(nth: u64, all: u64, share: u64) -> bool {
    let up_to = |n: u64| u128::from(n) * u128::from(share) / u128::from(all.max(1));
    up_to(nth + 1) > up_to(nth)
}

/// How many of `all` are of process (or thread) `turn.0` of `turn.1`; together they are all.
pub fn part_at(all: u64, turn: (u64, u64)) -> u64 {
    let up_to = |n: u64| u128::from(n) * u128::from(all) / u128::from(turn.1.max(1));
    u64::try_from(up_to(turn.0 + 1) - up_to(turn.0)).unwrap_or(all)
}

/// `share` of `all`, rounded, and at least one where there is a share at all.
pub fn part_of(all: u64, share: f64) -> u64 {
    if share <= 0.0 { 0 } else { whole(as_f64(all) * share).clamp(1, all) }
}

#[cfg(test)]
mod tests;

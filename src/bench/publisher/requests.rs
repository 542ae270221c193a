//! Events that were handed over, and the answers to them.

use std::sync::Arc;

use super::answers::Answers;
use crate::bench::collect::count_failure;
use crate::bench::subscriber::Shared;
use crate::bench::summary::FailureCount;

/// Counts of events over all connections. Answers come in the order of what was sent.
#[derive(Default)]
pub(super) struct Requests {
    pub(super) sent: u64,
    pub(super) answered: u64,
    /// Failures since the last second that was reported, those of the warm-up too.
    pub(super) errors: u64,
    /// Failures of events that count.
    pub(super) failed: u64,
    /// Kinds of these failures.
    pub(super) failures: Vec<FailureCount>,
    /// Number of the first event that counts.
    pub(super) measured_from: u64,
    /// The run, once it is under way.
    run: Option<Arc<Shared>>,
}

impl Requests {
    /// Begins a run: what went before it is no part of it.
    pub(super) fn begin(&mut self, run: &Arc<Shared>) {
        let (measured_from, run) = (run.plan.measured_from, Some(Arc::clone(run)));
        *self = Self { measured_from, run, ..Self::default() };
    }

    /// Whether a run is under way.
    pub(super) fn is_run(&self) -> bool {
        self.run.is_some()
    }

    /// Events that have no answer yet.
    pub(super) fn unanswered(&self) -> u64 {
        self.sent - self.answered
    }

    /// Takes answers in; how many there were. What nobody asked for is not counted.
    pub(super) fn take(&mut self, answers: Answers) -> u64 {
        let before = self.answered;
        let all = answers.count.min(self.unanswered());
        for (nth, status, reason) in answers.bad.into_iter().filter(|(nth, ..)| *nth < all) {
            self.answered = before + nth;
            self.fail(status, &reason, 1);
        }
        self.answered = before + all;
        all
    }

    /// Counts as failed all that has no answer.
    pub(super) fn fail_unanswered(&mut self, reason: &str) {
        self.fail(None, reason, self.unanswered());
    }

    /// Counts as failed what is next to be answered.
    fn fail(&mut self, status: Option<u16>, reason: &str, count: u64) {
        let warm_up = self.measured_from.saturating_sub(self.answered).min(count);
        if let Some(run) = &self.run {
            run.unpublished.add(self.answered, self.answered + count);
        }
        self.answered += count;
        self.errors += count;
        if count > warm_up {
            self.failed += count - warm_up;
            count_failure(&mut self.failures, "publish", status, reason, count - warm_up);
        }
    }
}

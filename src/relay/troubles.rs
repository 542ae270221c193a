//! Troubles between the job log and the store, for the log, `/health` and `/ws/stats`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::stats::Counter;
use crate::broker::{BrokerError, Trouble};
use crate::dialect::{DialectId, Dialects};
use crate::net::seldom::Seldom;

/// How often the same trouble is logged.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

/// Kind of access to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// To read a job's state.
    Reading,
    /// To write a job's state.
    Writing,
}

/// Cause of a failed access to the store.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) trouble: Trouble,
    /// The words of Redis or the system.
    pub(super) reason: String,
}

impl Cause {
    /// The store does not answer.
    pub(super) fn away(reason: impl Into<String>) -> Self {
        Self { trouble: Trouble::Away, reason: reason.into() }
    }

    /// The state of a job is newer than what was read of the stream of its events.
    pub(super) fn behind() -> Self {
        Self { trouble: Trouble::StreamBehind, reason: "entries of the stream are yet to come".to_owned() }
    }
}

impl From<&BrokerError> for Cause {
    fn from(error: &BrokerError) -> Self {
        Self { trouble: error.trouble(), reason: error.reason() }
    }
}

/// A trouble that lasts.
#[derive(Debug)]
struct Standing {
    direction: Direction,
    /// `None`: it is no matter of single keys, so of all dialects.
    dialect: Option<DialectId>,
    cause: Cause,
    since: Timestamp,
    began: Instant,
    /// A job that it was about.
    job: (DialectId, Arc<str>),
}

/// The troubles of now, at most one a direction and dialect, and one a direction for all dialects.
#[derive(Debug)]
pub(super) struct Troubles {
    dialects: Arc<Dialects>,
    standing: Mutex<Vec<Standing>>,
    complaints: Mutex<Seldom<(Direction, Option<DialectId>, &'static str)>>,
    /// Whether a trouble with reading is over since this was last asked.
    readable: AtomicBool,
    /// Reads that failed.
    pub(super) reads: Counter,
    /// Writes of single jobs that failed; each is tried again.
    pub(super) writes: Counter,
}

impl Troubles {
    /// None yet.
    pub(super) fn new(dialects: Arc<Dialects>) -> Self {
        let complaints = Mutex::new(Seldom::every(COMPLAIN_EVERY));
        Self {
            dialects,
            standing: Mutex::default(),
            complaints,
            readable: AtomicBool::new(false),
            reads: Counter::default(),
            writes: Counter::default(),
        }
    }

    fn standing(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store did not read or write a job.
    pub(super) fn failed(&self, direction: Direction, dialect: DialectId, job: &Arc<str>, cause: &Cause) {
        match direction {
            Direction::Reading => self.reads.add(1),
            Direction::Writing => self.writes.add(1),
        }
        let scope = cause.trouble.is_of_a_key().then_some(dialect);
        self.complain(direction, scope, job, cause);
        if cause.trouble == Trouble::WrongType {
            // The key belongs to another program for good; other jobs are not affected.
            return;
        }
        let mut standing = self.standing();
        let job = (dialect, Arc::clone(job));
        match standing.iter_mut().find(|known| known.direction == direction && known.dialect == scope) {
            Some(known) if known.cause.trouble == cause.trouble => known.job = job,
            Some(known) => (known.cause, known.job) = (cause.clone(), job),
            None => {
                let (since, began) = (Timestamp::now(), Instant::now());
                let cause = cause.clone();
                standing.push(Standing { direction, dialect: scope, cause, since, began, job });
            }
        }
    }

    fn complain(&self, direction: Direction, scope: Option<DialectId>, job: &str, cause: &Cause) {
        let Cause { trouble, reason } = cause;
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(more) = complaints.due((direction, scope, trouble.code())) else { return };
        let what = match direction {
            Direction::Reading => "could not read job state back",
            Direction::Writing => "could not write job state behind, and keeps trying",
        };
        let of = scope.map(|id| format!(" of {}", self.dialects.get(id).name)).unwrap_or_default();
        let hint = trouble.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        let job = scope.map(|_| job);
        warn!(job, more, "{what}{of}: {}: {reason}{hint}", trouble.word());
    }

    /// The store keeps a state of a job that is no event of its dialect. Only the log says so: it is no trouble of the store,
    /// and the next event of the job mends it.
    pub(super) fn no_event(&self, dialect: DialectId, job: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = complaints.due((Direction::Reading, Some(dialect), "no_event")) {
            let name = &self.dialects.get(dialect).name;
            warn!(job, more, "passed over a state that is kept in the store, since it is no event of {name}");
        }
    }

    /// The store read or wrote a job of a dialect.
    pub(super) fn succeeded(&self, direction: Direction, dialect: DialectId) {
        self.end(|known| known.direction == direction && known.dialect.is_none_or(|scope| scope == dialect));
    }

    /// No job waits to be written.
    pub(super) fn all_written(&self) {
        self.end(|known| known.direction == Direction::Writing);
    }

    fn end(&self, over: impl Fn(&Standing) -> bool) {
        for known in self.standing().extract_if(.., |known| over(known)) {
            let done = match known.direction {
                Direction::Reading => {
                    self.readable.store(true, Ordering::Relaxed);
                    "read"
                }
                Direction::Writing => "written",
            };
            let of =
                known.dialect.map(|id| format!(" of {}", self.dialects.get(id).name)).unwrap_or_default();
            info!("job state{of} is {done} again after {:.1} s", known.began.elapsed().as_secs_f32());
        }
    }

    /// Jobs that could not be read, one for each trouble, to see whether they can be read now.
    pub(super) fn unread(&self) -> Vec<(DialectId, Arc<str>)> {
        let reading = |known: &&Standing| known.direction == Direction::Reading;
        self.standing().iter().filter(reading).map(|known| known.job.clone()).collect()
    }

    /// Whether jobs can be read that could not be when this was last asked.
    pub(super) fn can_read_again(&self) -> bool {
        self.readable.swap(false, Ordering::Relaxed)
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.standing().is_empty()
    }

    /// The troubles of one direction: kind, words, since when, and the dialect where it is not about all.
    pub(super) fn describe(&self, direction: Direction) -> Value {
        let standing = self.standing();
        let told = standing.iter().filter(|known| known.direction == direction).map(|known| {
            let Cause { trouble, reason } = &known.cause;
            json!({
                "code": trouble.code(),
                "problem": trouble.word(),
                "reason": reason,
                "dialect": known.dialect.map(|id| self.dialects.get(id).name.to_string()),
                "since": known.since.to_string(),
            })
        });
        told.collect()
    }
}

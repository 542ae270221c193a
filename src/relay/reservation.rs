//! A watcher's place from before its 101 is sent until its job was looked up.

use std::sync::{Arc, Mutex, PoisonError};

use super::joblog::{JobLog, Since, Stamp, Welcome};
use crate::broker::StoredJob;
use crate::dialect::DialectId;

/// Answer of a store about a job.
#[derive(Debug, Clone)]
pub(super) enum StoreReading {
    /// The stored job; `None` where the store keeps nothing of it.
    Read(Option<Arc<StoredJob>>),
    /// No answer: there is no store, it was not asked, or it did not answer.
    Unread,
}

/// Lets a job's events wait for one watcher; given up when dropped, which locks the job log.
#[derive(Debug)]
pub(super) struct Reservation {
    log: Arc<Mutex<JobLog>>,
    dialect: DialectId,
    job: Arc<str>,
    /// `None` once it was given up.
    since: Option<Since>,
    /// The last that a store said.
    reading: Option<Arc<StoredJob>>,
    /// The store did not answer.
    unread: bool,
    /// A store has outrun it, once.
    was_outrun: bool,
}

impl Reservation {
    /// Lets the events of a job wait from now on; of the state before them, `replay` wants the run so far.
    pub(super) fn begin(log: &Arc<Mutex<JobLog>>, dialect: DialectId, job: &Arc<str>, replay: bool) -> Self {
        let since =
            log.lock().unwrap_or_else(PoisonError::into_inner).wait(dialect, job, replay, Stamp::now());
        let (log, job) = (Arc::clone(log), Arc::clone(job));
        Self { log, dialect, job, since: Some(since), reading: None, unread: false, was_outrun: false }
    }

    /// A store was read, perhaps not for the last time.
    pub(super) fn note(&mut self, reading: &StoreReading) {
        self.unread = matches!(reading, StoreReading::Unread);
        if let StoreReading::Read(Some(stored)) = reading {
            self.reading = Some(Arc::clone(stored));
        }
    }

    /// Whether events are on their way that a store, as it was read, knows of already; at most once.
    pub(super) fn is_outrun(&mut self) -> bool {
        let (Some(since), Some(stored), false) = (&self.since, &self.reading, self.was_outrun) else {
            return false;
        };
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        self.was_outrun = log.is_outrun(self.dialect, &self.job, since, stored);
        self.was_outrun
    }

    /// Whether there is a store that could not say whether anybody has heard of the job.
    pub(super) const fn is_unread(&self) -> bool {
        self.unread
    }

    /// The job was looked up: what the watcher is to get. The log is the one that the place is in, locked by the caller.
    pub(super) fn end(mut self, log: &mut JobLog) -> Welcome {
        let since = self.since.take().expect("only this takes it, and it takes the whole");
        log.welcome(self.dialect, &self.job, since, self.reading.as_deref())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(since) = self.since.take() {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.give_up(self.dialect, &self.job, &since);
        }
    }
}

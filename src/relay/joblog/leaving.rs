//! States of jobs that have left the job log before the store had them. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::SWEEP;
use crate::broker::StoredJob;
use crate::dialect::DialectId;

/// Estimate of the memory of a state, in bytes, without its texts.
const OVERHEAD: usize = 256;

/// A job of a dialect.
type Key = (DialectId, Arc<str>);

/// States that are still to be written, bounded in jobs and in bytes. Where there is no room for another, the oldest that is not
/// being written is lost, and counted.
#[derive(Debug)]
pub(super) struct Leaving {
    jobs: HashMap<Key, Left>,
    /// Jobs to write, oldest first. One that came back is passed over.
    unsent: VecDeque<Key>,
    bytes: usize,
    most_jobs: usize,
    most_bytes: usize,
    lost: u64,
}

#[derive(Debug)]
struct Left {
    stored: StoredJob,
    /// The state is being written.
    is_sent: bool,
}

impl Leaving {
    pub(super) fn new(most_jobs: usize, most_bytes: usize) -> Self {
        let (jobs, unsent) = (HashMap::new(), VecDeque::new());
        Self { jobs, unsent, bytes: 0, most_jobs, most_bytes, lost: 0 }
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number of states lost since the last call.
    pub(super) const fn take_lost(&mut self) -> u64 {
        std::mem::replace(&mut self.lost, 0)
    }

    /// Adds the state of a job that leaves.
    pub(super) fn add(&mut self, id: DialectId, job: Arc<str>, stored: StoredJob) {
        self.bytes += cost(&job, &stored);
        let left = Left { stored, is_sent: false };
        if let Some(older) = self.jobs.insert((id, Arc::clone(&job)), left) {
            self.bytes -= cost(&job, &older.stored);
            if !older.is_sent {
                return;
            }
        }
        self.unsent.push_back((id, job));
        while self.jobs.len() > self.most_jobs || self.bytes > self.most_bytes {
            let Some(oldest) = self.next_unsent() else { break };
            self.remove(&oldest);
            self.lost += 1;
        }
    }

    /// Takes out the state of a job that comes back.
    pub(super) fn take(&mut self, id: DialectId, job: &str) -> Option<StoredJob> {
        if self.jobs.is_empty() { None } else { self.remove(&(id, job.into())) }
    }

    /// The next state to write. It stays until [`Leaving::saved`].
    pub(super) fn send(&mut self) -> Option<(DialectId, Arc<str>, StoredJob)> {
        let key = self.next_unsent()?;
        let left = self.jobs.get_mut(&key)?;
        left.is_sent = true;
        Some((key.0, key.1, left.stored.clone()))
    }

    /// Forgets a state that was written, unless a newer one is to be.
    pub(super) fn saved(&mut self, id: DialectId, job: &Arc<str>) {
        let key = (id, Arc::clone(job));
        if self.jobs.get(&key).is_some_and(|left| left.is_sent) {
            self.remove(&key);
        }
    }

    /// Puts a state that could not be written behind all others.
    pub(super) fn not_saved(&mut self, id: DialectId, job: &Arc<str>) {
        let key = (id, Arc::clone(job));
        if let Some(left) = self.jobs.get_mut(&key)
            && std::mem::take(&mut left.is_sent)
        {
            self.unsent.push_back(key);
        }
    }

    /// Takes the oldest job to write out of the queue.
    fn next_unsent(&mut self) -> Option<Key> {
        while let Some(key) = self.unsent.pop_front() {
            if self.jobs.get(&key).is_some_and(|left| !left.is_sent) {
                return Some(key);
            }
        }
        None
    }

    fn remove(&mut self, key: &Key) -> Option<StoredJob> {
        let left = self.jobs.remove(key)?;
        self.bytes -= cost(&key.1, &left.stored);
        if self.unsent.len() > 2 * self.jobs.len() + SWEEP {
            self.unsent.retain(|key| self.jobs.get(key).is_some_and(|left| !left.is_sent));
        }
        Some(left.stored)
    }
}

/// Estimate of the memory of a state, in bytes.
fn cost(job: &str, stored: &StoredJob) -> usize {
    OVERHEAD + 2 * job.len() + stored.state.as_ref().map_or(0, Bytes::len)
}

//! Parts of the relay that reading and writing of states share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::broker::{Broker, StateStore};
use crate::dialect::{Auth, DialectId, Dialects, Topic};
use crate::relay::foreign::Foreign;
use crate::relay::joblog::{JobLog, Restored};
use crate::relay::shard::message::WeakHandle;
use crate::relay::troubles::Troubles;

/// Broker, job log and shards, shared by reading and writing.
#[derive(Clone)]
pub(in crate::relay) struct StoreAccess {
    pub(in crate::relay) broker: Arc<dyn Broker>,
    pub(in crate::relay) dialects: Arc<Dialects>,
    pub(in crate::relay) log: Arc<Mutex<JobLog>>,
    /// State that others keep.
    pub(in crate::relay) foreign: Arc<Foreign>,
    pub(in crate::relay) troubles: Arc<Troubles>,
    /// Where it is to be known whose the jobs are. Weak, since a shard ends with the last handle.
    pub(in crate::relay) shards: Vec<WeakHandle>,
}

impl StoreAccess {
    pub(super) fn log(&self) -> MutexGuard<'_, JobLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn store(&self) -> Option<&dyn StateStore> {
        self.broker.store()
    }

    /// Tells the shards what reading a job back changed: whose it turned out to be, since others may be watching it, and
    /// its state.
    pub(super) async fn tell(&self, id: DialectId, job: &Arc<str>, news: Restored) {
        if let Some(state) = news.state {
            for shard in &self.shards {
                shard.read_back(Topic::job(id, Arc::clone(job)), state.clone()).await;
            }
        }
        if news.owned && self.dialects.get(id).auth == Auth::Owner {
            let jobs: Arc<[Topic]> = [Topic::job(id, Arc::clone(job))].into();
            for shard in &self.shards {
                shard.owned(Arc::clone(&jobs)).await;
            }
        }
    }
}

//! Streams that the sink knows of, by their numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::entry::Manner;
use crate::broker::{Position, StreamId};

/// Streams that were introduced to the sink, in that order.
#[derive(Debug, Default)]
pub(super) struct Registry {
    known: Mutex<Vec<Known>>,
    /// Grows when a stream has a hole, or was begun anew.
    holes: AtomicU64,
}

/// A stream that was introduced.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) key: Arc<str>,
    pub(super) manner: Arc<Manner>,
    /// The newest entry that was read.
    pub(super) newest: Position,
}

impl Registry {
    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers a stream; `None` when there are no numbers left.
    pub(super) fn add(&self, key: &Arc<str>, manner: &Arc<Manner>) -> Option<StreamId> {
        let mut known = self.known();
        let id = u16::try_from(known.len()).ok()?;
        let (key, manner) = (Arc::clone(key), Arc::clone(manner));
        known.push(Known { key, manner, newest: Position::default() });
        Some(StreamId(id))
    }

    /// The stream of a number.
    pub(super) fn get(&self, id: StreamId) -> Option<Known> {
        self.known().get(usize::from(id.0)).cloned()
    }

    /// Entries up to there were read.
    pub(super) fn read(&self, id: StreamId, newest: Position) {
        if let Some(known) = self.known().get_mut(usize::from(id.0)) {
            known.newest = newest;
        }
    }

    /// A stream has a hole, or was begun anew: what was read of it before may be outdated.
    pub(super) fn hole(&self) {
        self.holes.fetch_add(1, Ordering::Relaxed);
    }

    /// Number of holes so far.
    pub(super) fn holes(&self) -> u64 {
        self.holes.load(Ordering::Relaxed)
    }
}

//! One sink, which the subscription and the streams give to in turn.

use tokio::sync::{Mutex, MutexGuard};

use crate::broker::Sink;

/// A sink for several, each of which has it for what it read at a time, the flush included.
pub(super) struct Turns(Mutex<Box<dyn Sink>>);

impl Turns {
    pub(super) fn new(sink: Box<dyn Sink>) -> Self {
        Self(Mutex::new(sink))
    }

    /// Waits for its turn, which lasts until the guard is dropped; to be flushed before that.
    pub(super) async fn turn(&self) -> MutexGuard<'_, Box<dyn Sink>> {
        // Costs less than a wait that is over at once. Whoever waits already goes first all the same.
        match self.0.try_lock() {
            Ok(turn) => turn,
            Err(_) => self.0.lock().await,
        }
    }
}

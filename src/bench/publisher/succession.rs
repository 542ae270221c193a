//! Notices that the sentinels name another master.

use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use crate::broker::locate;
use crate::wire::redis::{Address, Endpoint};

/// Pause between two questions for the master. A deposed master takes events for some seconds more, which nobody gets.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// A thread that asks the sentinels, until it has a new master to tell or this is dropped.
pub(super) struct Succession(Arc<OnceLock<Address>>);

impl Succession {
    /// Asks for the successor of `master` from now on. Sentinels that do not answer, or name a server that is no master
    /// yet, are asked again.
    pub(super) fn of(master: Address, endpoint: Endpoint) -> Self {
        let successor = Arc::new(OnceLock::new());
        let told = Arc::downgrade(&successor);
        thread::spawn(move || {
            loop {
                thread::sleep(ASK_EVERY);
                if told.strong_count() == 0 {
                    return;
                }
                let Some(found) = locate(&endpoint).ok().filter(|found| *found != master) else { continue };
                if let Some(successor) = told.upgrade() {
                    let _ = successor.set(found);
                }
                return;
            }
        });
        Self(successor)
    }

    /// The new master, once there is one.
    pub(super) fn successor(&self) -> Option<&Address> {
        self.0.get()
    }
}

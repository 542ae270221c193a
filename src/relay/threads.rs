//! The relay's own threads, and what becomes of the relay when one of them fails.

use std::io;
use std::thread;

use tokio::sync::watch;
use tracing::error;

/// Learns that a thread ended although nobody asked it to. A relay without one of its threads would look alive and
/// deliver nothing, so whoever runs it is told and can end the process for its supervisor to start anew.
#[derive(Debug, Clone)]
pub(super) struct Watch(watch::Sender<Option<String>>);

impl Watch {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Runs `work` on a thread of its own; a panic in it is reported.
    pub(super) fn spawn(&self, name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let watch = self.clone();
        thread::Builder::new().name(name).spawn(move || {
            let _guard = watch.guard();
            work();
        })?;
        Ok(())
    }

    /// Reports a panic that drops it, wherever it is held: on a thread's stack or in a task.
    pub(super) fn guard(&self) -> Guard {
        Guard(self.clone())
    }

    /// Resolves with the name of the first thread that failed; pends for ever while none does.
    pub(super) async fn failed(&self) -> String {
        let mut failed = self.0.subscribe();
        let name = failed.wait_for(Option::is_some).await.map(|name| name.clone());
        match name {
            Ok(Some(name)) => name,
            // The sender lives as long as this watch does.
            _ => std::future::pending().await,
        }
    }
}

/// Made by [`Watch::guard`].
pub(super) struct Guard(Watch);

impl Drop for Guard {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let name = thread::current().name().unwrap_or("unnamed").to_owned();
        error!(thread = name, "a thread of the relay failed");
        self.0.0.send_replace(Some(name));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_reported_and_an_end_is_not() {
        let watch = Watch::new();
        watch.spawn("calm".to_owned(), || {}).unwrap();
        watch.spawn("wild".to_owned(), || panic!("on purpose")).unwrap();
        let name = tokio::time::timeout(Duration::from_secs(20), watch.failed()).await.unwrap();
        assert_eq!(name, "wild");
    }

    #[test]
    fn a_panic_in_a_task_is_reported_too() {
        let watch = Watch::new();
        let guard = watch.guard();
        let work = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let task = async move {
                let _guard = guard;
                panic!("on purpose")
            };
            let outcome = runtime.block_on(async { tokio::spawn(task).await.map(|(): ()| ()) });
            assert!(outcome.is_err());
        };
        thread::Builder::new().name("host".to_owned()).spawn(work).unwrap().join().unwrap();
        assert_eq!(watch.0.borrow().as_deref(), Some("host"));
    }
}

//! Threads between the command's streams and jobwire's: copiers, observers, and the thread that passes on keys.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_current_process_group};
use tokio::sync::mpsc;

use super::command::{Kinship, Running, Source, own};
use super::copy::{Output, copy_input};
use super::glance::Glance;
use super::observer::Observer;
use super::pty::{Keyboard, signals_of};
use super::teller::Tellings;
use super::wake::Wake;
use crate::child::Passing;
use crate::progress::{ProgressPattern, Recogniser};

/// Time between two checks whether the command needs the keys of the terminal.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// Search for progress and lines in the command's output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The user's pattern that finds progress.
    pub(super) pattern: Option<&'a ProgressPattern>,
    /// Whether lines of output are sent as log events.
    pub(super) logs: bool,
}

/// Threads that copy the command's streams and observe them.
pub(super) struct Threads {
    /// Raised when the command has ended.
    pub(super) ended: Arc<Wake>,
    /// Closed once all copiers are done or have panicked.
    pub(super) copied: mpsc::Receiver<()>,
    /// Closed once all observers are done or have panicked.
    pub(super) looked: mpsc::Receiver<()>,
}

impl Threads {
    pub(super) fn start(
        running: &mut Running,
        wanted: Wanted<'_>,
        tellings: &Tellings,
        passing: &Arc<Mutex<Passing>>,
    ) -> io::Result<Self> {
        let ended = Arc::new(Wake::new()?);
        let (done, copied) = mpsc::channel(1);
        let (looks, looked) = mpsc::channel(1);
        let first = running.outputs.0.take();
        let second = running.outputs.1.take();
        let streams = [("stdout", first, own(io::stdout())?), ("stderr", second, own(io::stderr())?)];
        for (stream, source, to) in streams {
            let Some(Source { from, is_pty }) = source else { continue };
            let glance = Arc::new(Glance::new(wanted.logs));
            let output = Output {
                from,
                is_pty,
                to,
                glance: Arc::clone(&glance),
                ended: Arc::clone(&ended),
                closes_stdout: stream == "stdout" && !is_pty,
            };
            let done = done.clone();
            spawn(stream, move || {
                output.copy();
                drop(done);
            })?;
            let recogniser = Recogniser::new(wanted.pattern);
            let observer =
                Observer { stream, glance, recogniser, logs: wanted.logs, tellings: tellings.clone() };
            let looks = looks.clone();
            spawn("look", move || {
                observer.watch();
                drop(looks);
            })?;
        }
        if let Some(keyboard) = &running.keyboard {
            let keys = Keys {
                keyboard: Arc::clone(keyboard),
                passing: Arc::clone(passing),
                is_session: running.kinship == Kinship::Session,
            };
            let (from, to) = (lock(keyboard).terminal()?, running.typewriter()?);
            spawn("keys", move || {
                copy_input(from, to, || keys.await_turn(), |typed, pty| keys.typed(typed, pty));
            })?;
        }
        Ok(Self { ended, copied, looked })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Keys on their way from the terminal to the command's pty.
struct Keys {
    keyboard: Arc<Mutex<Keyboard>>,
    passing: Arc<Mutex<Passing>>,
    is_session: bool,
}

impl Keys {
    /// Waits until jobwire may read the terminal. A read in the background would stop jobwire and could take the keys of other
    /// programs.
    fn await_turn(&self) {
        while !lock(&self.keyboard).is_captured() {
            std::thread::sleep(LOOK);
        }
    }

    /// Sends jobwire's group the signal that the terminal would send if it were not in raw mode. Ctrl-C, for example, concerns
    /// all commands of a pipeline and the script that runs them.
    fn typed(&self, keys: &[u8], pty: &File) {
        for signal in signals_of(keys, pty) {
            if signal != Signal::TSTP {
                // The pty sends the signal to the command. Other processes of the group may send it on to jobwire.
                lock(&self.passing).typed(signal, Instant::now());
                // The group contains at least this process, so the call succeeds.
                let _ = kill_current_process_group(signal);
            } else if !self.is_session {
                lock(&self.keyboard).release();
                let _ = kill_current_process_group(signal);
            }
            // The pty stops a command with a session of its own, and jobwire then stops itself.
        }
    }
}

pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

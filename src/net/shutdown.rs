//! The signals that end a process, and the one that makes it read its configuration again.

use std::io;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use crate::exit::Exit;

/// What asked the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The exit code of a process that ends because of it.
    pub(crate) const fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

/// SIGINT and SIGTERM, caught from the moment this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Stream,
    terminate: Stream,
}

impl Signals {
    /// Catches the signals; on a tokio runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// The next signal; pends for ever where none comes.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => Signal::Interrupt,
            Some(()) = self.terminate.recv() => Signal::Terminate,
            else => std::future::pending().await,
        }
    }
}

/// SIGTSTP (Ctrl-Z), caught from the moment this is made, for who has a terminal to leave in order; and SIGQUIT and SIGHUP,
/// which end a process without any.
#[derive(Debug)]
pub(crate) struct Stops {
    stop: Stream,
    quit: Stream,
    hangup: Stream,
}

/// Kind of signal that [`Stops`] caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTSTP: the process is to stop until it is told to go on.
    Pause,
    /// SIGQUIT or SIGHUP: the process is to end at once, with this code.
    End(i32),
}

impl Stops {
    /// Catches the signals; on a tokio runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        // The kind has no name of its own in tokio.
        let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
        Ok(Self {
            stop: signal(stop)?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal; pends for ever where none comes.
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            Some(()) = self.stop.recv() => Stop::Pause,
            Some(()) = self.quit.recv() => Stop::End(128 + rustix::process::Signal::QUIT.as_raw()),
            Some(()) = self.hangup.recv() => Stop::End(128 + rustix::process::Signal::HUP.as_raw()),
            else => std::future::pending().await,
        }
    }

    /// Stops this process until it is told to go on.
    pub(crate) fn pause() -> io::Result<()> {
        Ok(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?)
    }
}

/// Whether whoever was given this process's standard output has gone. A file and a terminal that is there never do.
pub(crate) fn is_stdout_unread() -> bool {
    let stdout = io::stdout();
    // Errors and hang-ups are told whether they are asked for or not.
    let mut polled = [PollFd::new(&stdout, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok()
        && polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// SIGHUP, caught from the moment this is made; until then it ends the process.
#[derive(Debug)]
pub(crate) struct Hangups(Stream);

impl Hangups {
    /// Catches the signal; on a tokio runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::hangup())?))
    }

    /// The next one; several that come while nobody asks are one. Pends for ever where none comes.
    pub(crate) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

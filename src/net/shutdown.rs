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

/// SIGTSTP (Ctrl-Z), SIGQUIT and SIGHUP, caught from the moment this is made, for a program that has something to leave in
/// order. A SIGHUP that was ignored when the process began, as under nohup, stays ignored.
///
/// Tokio's handlers stay for the life of the process: once this was made, somebody has to listen for the signals until the end.
#[derive(Debug)]
pub(crate) struct Stops {
    stop: Stream,
    quit: Stream,
    hangup: Option<Stream>,
}

/// Kind of signal that [`Stops`] caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGTSTP: the process is to stop until it is told to go on.
    Pause,
    /// SIGQUIT or SIGHUP: the process is to end at once, with this exit code.
    End(Exit),
}

/// Exit code of a process that ends because of a signal, as shells count it: 128 plus the number of the signal.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "signals have numbers from 1 to 64"
)]
const fn ended_by(signal: rustix::process::Signal) -> Exit {
    Exit::Command(128 + signal.as_raw() as u8)
}

impl Stops {
    /// Exit code of a process whose terminal has gone: that of SIGHUP.
    pub(crate) const HUNG_UP: Exit = ended_by(rustix::process::Signal::HUP);

    /// Catches the signals; on a tokio runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        // Tokio has no name for SIGTSTP.
        let catch = |caught: rustix::process::Signal| signal(SignalKind::from_raw(caught.as_raw()));
        let hangup = (!is_hangup_ignored()).then(|| catch(rustix::process::Signal::HUP)).transpose()?;
        Ok(Self {
            stop: catch(rustix::process::Signal::TSTP)?,
            quit: catch(rustix::process::Signal::QUIT)?,
            hangup,
        })
    }

    /// The next signal; pends for ever where none comes.
    pub(crate) async fn next(&mut self) -> Stop {
        tokio::select! {
            () = received(Some(&mut self.stop)) => Stop::Pause,
            () = received(Some(&mut self.quit)) => Stop::End(ended_by(rustix::process::Signal::QUIT)),
            () = received(self.hangup.as_mut()) => Stop::End(Self::HUNG_UP),
        }
    }

    /// Waits for an answer while no screen is held: a SIGTSTP stops the process and lets it go on waiting. The error is the exit
    /// code of a signal that came first.
    pub(crate) async fn unless_ended<T>(
        &mut self,
        signals: &mut Signals,
        answer: impl Future<Output = T>,
    ) -> io::Result<Result<T, Exit>> {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                signal = signals.next() => return Ok(Err(signal.exit())),
                stop = self.next() => match stop {
                    Stop::Pause => Self::pause()?,
                    Stop::End(exit) => return Ok(Err(exit)),
                },
                answer = &mut answer => return Ok(Ok(answer)),
            }
        }
    }

    /// Stops this process until it is told to go on.
    pub(crate) fn pause() -> io::Result<()> {
        Ok(rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?)
    }
}

/// The next signal of a stream; pends for ever without a stream.
async fn received(stream: Option<&mut Stream>) {
    if let Some(stream) = stream
        && stream.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}

/// Whether this process ignores SIGHUP. The system gives a mask whose lowest bit is signal 1; without /proc the answer is no.
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (mask >> (rustix::process::Signal::HUP.as_raw() - 1)) & 1 == 1
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

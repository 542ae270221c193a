//! Process between jobwire and a command that has a terminal of its own: the leader of the pty's session.
//!
//! Ctrl-Z stops a command only if the command's parent is in the same session and in another process group. Without such a
//! parent the kernel drops the signal. jobwire cannot be that parent, since jobwire belongs to the session of the user's shell.
//! jobwire therefore starts itself once more as the leader. The leader takes the pty as controlling terminal, puts the command
//! into the foreground there, and stops, goes on and ends as the command does.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, PipeReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::OFlags;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, getppid, ioctl_tiocsctty, kill_process, kill_process_group,
    setsid, waitpid,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};
use signal_hook::iterator::Signals;

use crate::child;
use crate::exit::{Exit, Failure};

/// Name under which jobwire starts itself as the leader.
pub(super) const NAME: &str = "jobwire-session";
/// Signals that the leader passes on to the command.
const PASSED_ON: [Signal; 7] =
    [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::CONT];
/// Signal that asks the leader to kill the command.
pub(super) const KILL: Signal = Signal::ALARM;

/// Result of starting the command. The leader reports it in one line on standard output. Errors are error numbers of the
/// system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// The command runs, with this process id.
    Runs(u32),
    /// The system refused to start the command.
    Refused(i32),
    /// The session could not be made.
    NoSession(i32),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs(id) => write!(f, "runs {id}"),
            Self::Refused(error) => write!(f, "refused {error}"),
            Self::NoSession(error) => write!(f, "no-session {error}"),
        }
    }
}

impl Start {
    fn parse(line: &str) -> Option<Self> {
        let (word, number) = line.trim_end().split_once(' ')?;
        match word {
            "runs" => number.parse().ok().map(Self::Runs),
            "refused" => number.parse().ok().map(Self::Refused),
            "no-session" => number.parse().ok().map(Self::NoSession),
            _ => None,
        }
    }
}

/// Reads a leader's report. Returns the process id of the command, or `None` where the leader ended before its report.
///
/// # Errors
/// The command was not started.
pub(super) fn started(report: PipeReader, program: &OsStr) -> Result<Option<u32>, Failure> {
    let mut line = String::new();
    // A report that cannot be read counts as missing.
    let _ = BufReader::new(report).read_line(&mut line);
    match Start::parse(&line) {
        None => Ok(None),
        Some(Start::Runs(id)) => Ok(Some(id)),
        Some(Start::Refused(error)) => {
            Err(child::not_started(Path::new(program), &io::Error::from_raw_os_error(error)))
        }
        Some(Start::NoSession(error)) => {
            let error = io::Error::from_raw_os_error(error);
            Err(Failure::new(Exit::CannotRun, format!("could not make a session for the command: {error}")))
        }
    }
}

/// Runs as the leader where the process was started as [`NAME`], with the arguments `NAME TERMINAL COMMAND ARG…`. Returns
/// `None` in every other process.
pub(crate) fn lead(args: &[OsString]) -> Option<Exit> {
    let mut args = args.iter().cloned();
    if args.next()? != NAME {
        return None;
    }
    let (terminal, name) = (PathBuf::from(args.next()?), args.next()?);
    let (start, leader) = match Leader::begin(terminal, &name, args) {
        Ok((id, leader)) => (Start::Runs(id), Some(leader)),
        Err(start) => (start, None),
    };
    // The write fails where jobwire was killed. The leader then notices in `follow` that its parent has gone.
    let _ = writeln!(io::stdout(), "{start}");
    Some(leader.map_or(Exit::CannotRun, |mut leader| leader.follow()))
}

struct Leader {
    command: Pid,
    signals: Signals,
    /// Process that started the leader.
    parent: Option<Pid>,
    /// Path of the user's terminal, and its settings from before the start.
    outer: (PathBuf, Option<Termios>),
}

impl Leader {
    /// Starts the command in a session of its own.
    fn begin(
        terminal: PathBuf,
        name: &OsStr,
        args: impl Iterator<Item = OsString>,
    ) -> Result<(u32, Self), Start> {
        let number = |error: &io::Error| error.raw_os_error().unwrap_or_default();
        let no_session = |error: io::Error| Start::NoSession(number(&error));
        setsid().map_err(|error| no_session(error.into()))?;
        ioctl_tiocsctty(io::stdin()).map_err(|error| no_session(error.into()))?;
        let caught = PASSED_ON.into_iter().chain([Signal::CHILD, KILL]);
        let signals = Signals::new(caught.map(Signal::as_raw)).map_err(no_session)?;
        // The leader's own standard output is for its report, so the command gets the terminal.
        let stdout = io::stdin().as_fd().try_clone_to_owned().map_err(no_session)?;
        let mut command = Command::new(name);
        command.args(args).stdout(Stdio::from(stdout)).process_group(0);
        let child = command.spawn().map_err(|error| Start::Refused(number(&error)))?;
        let command = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let command = command.ok_or_else(|| no_session(io::ErrorKind::InvalidData.into()))?;
        // The call fails where the command has ended already.
        let _ = tcsetpgrp(io::stdin(), command);
        let outer = (terminal, tcgetattr(io::stdin()).ok());
        Ok((child.id(), Self { command, signals, parent: getppid(), outer }))
    }

    /// Stops, goes on and ends as the command does.
    fn follow(&mut self) -> Exit {
        if let Some(exit) = self.look() {
            return exit;
        }
        loop {
            let caught: Vec<i32> = self.signals.wait().collect();
            for number in caught {
                let signal = match Signal::from_named_raw(number) {
                    None | Some(Signal::CHILD) => continue,
                    Some(KILL) => Signal::KILL,
                    Some(signal) => signal,
                };
                // Signals to a group that has ended fail. The loop finds the end by itself.
                let _ = kill_process_group(self.command, signal);
            }
            if getppid() != self.parent {
                self.restore();
            }
            if let Some(exit) = self.look() {
                return exit;
            }
        }
    }

    /// Looks for a stop or the end of the command. Returns the exit code at the end.
    fn look(&self) -> Option<Exit> {
        let options = WaitOptions::NOHANG | WaitOptions::UNTRACED;
        while let Ok(Some((_, status))) = waitpid(Some(self.command), options) {
            if let Some(signal) = status.stopping_signal() {
                self.stop(signal);
            } else {
                return Some(end(status));
            }
        }
        None
    }

    /// Stops the leader after the command has stopped.
    fn stop(&self, signal: i32) {
        let is_in_front = tcgetpgrp(io::stdin()).is_ok_and(|group| group == self.command);
        let wanted_terminal = [Signal::TTIN, Signal::TTOU].iter().any(|stop| stop.as_raw() == signal);
        // Signals to a group that has ended meanwhile fail.
        let _ = if wanted_terminal && is_in_front {
            // The command asked for the terminal before it was put into the foreground.
            kill_process_group(self.command, Signal::CONT)
        } else {
            kill_process(getpid(), Signal::STOP)
        };
    }

    /// Restores the settings of the user's terminal after jobwire was killed and could not do so.
    fn restore(&mut self) {
        let Some(settings) = self.outer.1.take() else { return };
        let flags = i32::try_from(OFlags::NOCTTY.bits()).unwrap_or(0);
        let terminal = OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.outer.0);
        // A terminal that has gone has no settings.
        let _ = terminal.map(|terminal| tcsetattr(terminal, OptionalActions::Now, &settings));
    }
}

/// Ends the leader as the command ended: by the same signal, or with the same exit code.
fn end(status: WaitStatus) -> Exit {
    if let Some(signal) = status.terminating_signal() {
        // The command has written the core dump already, if one is wanted.
        let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, none);
        // The call returns only where the signal does not end a process.
        let _ = signal_hook::low_level::emulate_default_handler(signal);
        if signal == Signal::KILL.as_raw() {
            let _ = kill_process(getpid(), Signal::KILL);
        }
        return Exit::Command(u8::try_from(128 + signal).unwrap_or(u8::MAX));
    }
    Exit::Command(status.exit_status().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        for start in [Start::Runs(4_000_000), Start::Refused(2), Start::NoSession(1)] {
            assert_eq!(Start::parse(&format!("{start}\n")), Some(start));
        }
        assert_eq!(Start::parse(""), None);
    }
}

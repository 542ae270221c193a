//! Exit codes, the same for every verb.

use std::io;
use std::process::ExitCode;

/// Exit code of the process. The numbers are a contract with scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; for attach: every job succeeded.
    Success,
    /// A job failed and nothing else did (attach, demo), or any other failure (other verbs).
    Failure,
    /// Bad usage or configuration; the same number clap uses.
    Usage,
    /// Could not reach the server or Redis, or lost it for good.
    Unreachable,
    /// Refused: close codes 4001 and 4003, HTTP statuses 401 and 403.
    Refused,
    /// Jobs were still running when the time was up.
    StillRunning,
    /// The measurement is invalid: the client was the bottleneck.
    ClientBound,
    /// A threshold was crossed.
    ThresholdCrossed,
    /// The command exists and cannot be run.
    CannotRun,
    /// The command does not exist.
    NoSuchCommand,
    /// Interrupted by Ctrl-C (128 + SIGINT).
    Interrupted,
    /// Terminated by SIGTERM (128 + SIGTERM).
    Terminated,
    /// Exit code of the command: its own, or 128 plus the number of the signal that ended it.
    Command(u8),
    /// SIGINT from the terminal ended the command. jobwire then ends by SIGINT too, since bash leaves its loop or script only
    /// where a child ends so. The exit code is 128 + SIGINT where the signal is blocked.
    InterruptedCommand,
}

impl Exit {
    /// The number a shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Refused => 4,
            Self::StillRunning => 8,
            Self::ClientBound => 98,
            Self::ThresholdCrossed => 99,
            Self::CannotRun => 126,
            Self::NoSuchCommand => 127,
            Self::Interrupted | Self::InterruptedCommand => 130,
            Self::Terminated => 143,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure that knows its exit code and, where the user can act, what to do next.
///
/// Printed as `error: <message>` and then `hint: <hint>` on stderr; with [`Exit::Success`], not at all.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The code the process exits with.
    pub exit: Exit,
    /// Fact and object, lower case, no full stop.
    pub message: String,
    /// Advice for the user.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// Bad usage or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Writing to stdout failed. That its reader has gone (`| head -1`) is no failure: the program ends quietly.
    pub fn stdout(error: &io::Error) -> Self {
        let exit = match error.kind() {
            io::ErrorKind::BrokenPipe => Exit::Success,
            _ => Exit::Failure,
        };
        Self::new(exit, format!("could not write to stdout: {error}"))
    }

    /// Adds advice for the user.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

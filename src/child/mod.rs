//! The user's command as a child of this process: its start, the signals passed on to it, and its end.
//!
//! The command shares the process group of this process, as in a pipeline of a shell. Signals of the terminal reach both, so
//! only other signals are passed on. The order of calls: [`CaughtSignals::catch`], so that no signal is lost, then [`start`],
//! then [`wait`].

mod caught;
mod passing;

use std::io::{self, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpgid, getpgrp, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(crate) use self::caught::{CaughtSignal, CaughtSignals, SignalSender};
pub(crate) use self::passing::{Addressee, Passing};
use crate::exit::{Exit, Failure};

/// Longest time until all processes in the foreground of a terminal have received the terminal's signal.
const TOGETHER: Duration = Duration::from_millis(100);

/// Starts a command.
///
/// # Errors
/// [`Exit::NoSuchCommand`] where no program has that name. [`Exit::CannotRun`] where the file is no program, may not be run, or
/// cannot be started for another reason.
pub(crate) fn start(command: &mut Command) -> Result<Child, Failure> {
    command.spawn().map_err(|error| {
        let program = Path::new(command.as_std().get_program());
        not_started(program, &error)
    })
}

/// The failure for a program that the system did not start.
pub(crate) fn not_started(program: &Path, error: &io::Error) -> Failure {
    let name = program.display();
    let cannot = |what: &str| Failure::new(Exit::CannotRun, format!("could not run {name}: {what}"));
    // A name without a slash is looked up in PATH.
    let is_path = program.components().count() > 1 || program.has_root();
    match error.kind() {
        ErrorKind::NotFound if is_path && program.exists() => cannot("its interpreter does not exist").hint(
            "the program after the #! of its first line, or the loader that it was linked for, is missing",
        ),
        ErrorKind::NotFound if is_path => {
            Failure::new(Exit::NoSuchCommand, format!("there is no program {name}"))
        }
        ErrorKind::NotFound if program.as_os_str().is_empty() => {
            Failure::new(Exit::NoSuchCommand, "the name of the command is empty")
        }
        ErrorKind::NotFound => Failure::new(Exit::NoSuchCommand, format!("there is no command {name}"))
            .hint("a program that is not in the PATH is named with its folder, as in ./build.sh"),
        ErrorKind::PermissionDenied if program.is_dir() => cannot("it is a folder"),
        ErrorKind::PermissionDenied => cannot("permission denied").hint("`chmod +x` makes a file a program"),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            cannot("it is no program")
                .hint("the first line of a script names its interpreter, as in #!/bin/sh")
        }
        _ => cannot(&error.to_string()),
    }
}

/// Waits for the end of a command and passes signals on until then.
///
/// # Errors
/// The system could not report how the command ended.
pub(crate) async fn wait(
    child: &mut Child,
    signals: &mut CaughtSignals,
    passing: &mut Passing,
) -> io::Result<ExitStatus> {
    loop {
        tokio::select! {
            // A command that has ended receives no more signals.
            biased;
            status = child.wait() => {
                let status = status?;
                let mut is_heard = passing.is_interrupted();
                hear_interrupt(status, signals, &mut is_heard, |caught| {
                    pass_on(child, caught, passing);
                    passing.is_interrupted()
                })
                .await;
                return Ok(status);
            }
            caught = signals.next() => pass_on(child, caught, passing),
        }
    }
}

/// Waits for the terminal's SIGINT after SIGINT has ended the command, since the terminal sends it to one process after the
/// other. `is_heard` says whether this process has received it, and `is_it` whether a signal is it. The wait takes [`TOGETHER`]
/// at most, and no time where the SIGINT is heard already.
pub(crate) async fn hear_interrupt(
    status: ExitStatus,
    signals: &mut CaughtSignals,
    is_heard: &mut bool,
    mut is_it: impl FnMut(CaughtSignal) -> bool,
) {
    if status.signal() == Some(Signal::INT.as_raw()) {
        let late = async {
            while !*is_heard {
                *is_heard = is_it(signals.next().await);
            }
        };
        // A process may have sent the SIGINT to the command alone.
        let _ = timeout(TOGETHER, late).await;
    }
}

/// Sends a caught signal to a command, where the command has not received the signal already.
pub(crate) fn pass_on(child: &Child, caught: CaughtSignal, passing: &mut Passing) {
    let id = child.id();
    if let Some(signal) = passing.decide(caught, addressee(id), Instant::now()) {
        send(id, signal);
    }
}

/// The command with this process id as an addressee of signals; `None` for a command that was waited for.
pub(crate) fn addressee(id: Option<u32>) -> Addressee {
    let is_in_group = pid(id).is_some_and(|pid| getpgid(Some(pid)) == Ok(getpgrp()));
    Addressee { id, is_in_group }
}

/// A process id in the type of the system calls.
pub(crate) fn pid(id: Option<u32>) -> Option<Pid> {
    id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// Sends a signal to a child; does nothing where `id` is `None`, since the child was waited for.
pub(crate) fn send(id: Option<u32>, signal: Signal) {
    if let Some(pid) = pid(id) {
        // The call fails where the child has ended or has changed its user.
        let _ = kill_process(pid, signal);
    }
}

/// Ends this process by SIGINT.
pub(crate) fn end_by_interrupt() {
    // The call returns where the signal is blocked. The exit code then stands for the signal.
    let _ = signal_hook::low_level::emulate_default_handler(Signal::INT.as_raw());
}

/// Exit that stands for the end of a command: its own code, or 128 plus the number of the signal that ended it.
/// `is_interrupted` says whether the terminal has sent SIGINT.
pub(crate) fn exit(status: ExitStatus, is_interrupted: bool) -> Exit {
    if is_interrupted && status.signal() == Some(Signal::INT.as_raw()) {
        return Exit::InterruptedCommand;
    }
    let number = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    // Codes have eight bits, and signals have numbers up to 64.
    Exit::Command(u8::try_from(number).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn refused(program: &Path) -> Failure {
        start(&mut Command::new(program)).unwrap_err()
    }

    #[tokio::test]
    async fn what_cannot_be_run_has_the_codes_of_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        for (program, code, said) in [
            ("no-such-command".into(), 127, "there is no command no-such-command"),
            ("".into(), 127, "the name of the command is empty"),
            (folder.path().join("missing"), 127, "there is no program "),
            (file("text", "no program\n", 0o755), 126, "it is no program"),
            (file("closed", "#!/bin/sh\n", 0o644), 126, "permission denied"),
            (file("orphan", "#!/nowhere/sh\n", 0o755), 126, "its interpreter does not exist"),
            (folder.path().to_owned(), 126, "it is a folder"),
            (folder.path().join("text/x"), 126, "could not run "),
        ] {
            let failure = refused(&program);
            assert_eq!(failure.exit.code(), code, "{failure}");
            assert!(failure.message.contains(said), "{failure}");
        }
    }

    #[tokio::test]
    async fn an_interrupt_that_was_heard_is_not_waited_for() {
        let mut signals = CaughtSignals::catch().unwrap();
        let mut context = Context::from_waker(Waker::noop());
        for (raw, was_heard, is_done) in [(2, true, true), (2, false, false), (15, false, true)] {
            let (status, mut is_heard) = (ExitStatus::from_raw(raw), was_heard);
            let wait = pin!(hear_interrupt(status, &mut signals, &mut is_heard, |_| false));
            assert_eq!(wait.poll(&mut context).is_ready(), is_done, "{raw} {was_heard}");
        }
    }

    #[test]
    fn an_end_is_the_code_of_the_command_or_its_signal_behind_128() {
        for (raw, code) in [(0, 0), (7 << 8, 7), (255 << 8, 255), (9, 137), (15, 143), (0x8b, 139)] {
            assert_eq!(exit(ExitStatus::from_raw(raw), false).code(), code, "{raw:#x}");
        }
    }
}

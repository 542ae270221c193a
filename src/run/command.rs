//! The command as a child process: its streams, its process group, and the signals sent to it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use rustix::termios::{LocalModes, tcsetwinsize};
use tokio::process::Child;

use super::layout::{Fitting, Layout, Outside, PtyChoice};
use super::pty::{Keyboard, Pty, Use, controlling_terminal, key_modes, size, terminal_at};
use super::session;
use crate::child;
use crate::exit::{Exit, Failure};

/// Program, arguments and environment of a command.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// Name or path of the program.
    pub program: OsString,
    /// Arguments, without the program's name.
    pub args: Vec<OsString>,
    /// Variables to set, or to remove where the value is `None`.
    pub environment: Vec<(OsString, Option<OsString>)>,
}

impl CommandLine {
    /// Name of the program for people, or the whole command line.
    pub(super) fn name(&self, is_whole: bool) -> String {
        if !is_whole {
            return name_of(&self.program);
        }
        let words = std::iter::once(&self.program).chain(&self.args);
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Relation of the command's processes to jobwire's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kinship {
    /// The command is in jobwire's process group. Signals of the terminal reach both.
    SameGroup,
    /// The command has a process group of its own, since there is no terminal that sends signals to groups. A signal to
    /// jobwire's group reaches the command once, through jobwire.
    OwnGroup,
    /// The command has a session of its own on a pty. A process between jobwire and the command leads the session.
    Session,
}

/// A command that was started.
#[derive(Debug)]
pub(super) struct Running {
    /// The child of this process: the command itself, or the leader of its session.
    pub(super) child: Child,
    /// Process id of the command, as far as it is known.
    pub(super) id: Option<u32>,
    pub(super) kinship: Kinship,
    /// Reading ends of the command's standard output and standard error, until they are taken. The second is `None` where both
    /// share one pty.
    pub(super) outputs: (Option<Source>, Option<Source>),
    /// Terminal whose keys jobwire passes on to the command. With a session of its own the command always gets the keys.
    /// Without one it gets them while a program has changed the mode of the pty, as programs do to read single keys.
    pub(super) keyboard: Option<Arc<Mutex<Keyboard>>>,
    /// Masters of the command's ptys, to set their sizes.
    ptys: Vec<OwnedFd>,
    /// Modes of the first pty before the start.
    key_modes: LocalModes,
}

/// Reading end of a stream.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) from: OwnedFd,
    pub(super) is_pty: bool,
}

impl Running {
    /// Starts a command; needs a tokio runtime.
    pub(super) fn start(line: &CommandLine, choice: PtyChoice) -> Result<Self, Failure> {
        let outside = Outside {
            is_stdin: terminal_at(io::stdin()).is_some(),
            stdout: terminal_at(io::stdout()),
            stderr: terminal_at(io::stderr()),
        };
        let layout = Layout::of(choice, outside);
        let failed = |error: io::Error| {
            Failure::new(Exit::CannotRun, format!("could not connect the command's streams: {error}"))
        };
        let controlling = controlling_terminal();
        let kinship = match layout.is_session {
            true => Kinship::Session,
            false if controlling.is_some() => Kinship::SameGroup,
            false => Kinship::OwnGroup,
        };
        let has_pty = layout.stdout != Fitting::Pipe || layout.stderr != Fitting::Pipe;
        let keyboard = if layout.is_session { Some(own(io::stdin()).map_err(failed)?) } else { controlling };
        let keyboard = keyboard.filter(|_| has_pty).map(Keyboard::new).transpose().map_err(failed)?;
        let streams = Streams::open(layout, keyboard.as_ref()).map_err(failed)?;
        let mut command = command(line, kinship);
        streams.connect(&mut command, layout).map_err(failed)?;
        // Read the modes before the command can change it.
        let key_modes = streams.ptys.first().map_or(LocalModes::empty(), key_modes);
        let (child, id) = start(command, line, kinship)?;
        let Streams { outputs, ptys, .. } = streams;
        let keyboard = keyboard.map(|keyboard| Arc::new(Mutex::new(keyboard)));
        Ok(Self { child, id, kinship, outputs, keyboard, ptys, key_modes })
    }

    /// Process id of the child, until the child was waited for.
    fn pid(&self) -> Option<Pid> {
        child::pid(self.child.id())
    }

    /// Sends a signal to the command.
    pub(super) fn send(&self, signal: Signal) {
        let Some(pid) = self.pid() else { return };
        // A command that has ended meanwhile receives nothing.
        let _ = match (self.kinship, signal) {
            (Kinship::OwnGroup, signal) => kill_process_group(pid, signal),
            (Kinship::Session, Signal::KILL) => {
                // A stopped leader handles the signal once it goes on.
                kill_process(pid, session::KILL).and_then(|()| kill_process(pid, Signal::CONT))
            }
            (Kinship::Session | Kinship::SameGroup, signal) => kill_process(pid, signal),
        };
    }

    /// Whether the command has been stopped since the last call.
    pub(super) fn has_stopped(&self) -> bool {
        let Some(pid) = self.pid() else { return false };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        matches!(waitid(WaitId::Pid(pid), options), Ok(Some(status)) if status.stopped())
    }

    /// Whether all output that the command has written to its ptys was read.
    pub(super) fn is_silent(&self) -> bool {
        self.ptys.iter().all(|master| ioctl_fionread(master).unwrap_or(0) == 0)
    }

    /// Gives the command's ptys the size of jobwire's terminal.
    pub(super) fn resize(&self) {
        let size = size();
        for master in &self.ptys {
            // A terminal that has gone has no size.
            let _ = tcsetwinsize(master, size);
        }
        if self.kinship != Kinship::Session && !self.ptys.is_empty() {
            // The kernel sends WINCH only where a controlling terminal was resized, and these ptys control no process.
            self.send(Signal::WINCH);
        }
    }

    /// Calls `act` with the keyboard, where there is one.
    pub(super) fn with_keyboard(&self, act: impl FnOnce(&mut Keyboard)) {
        if let Some(keyboard) = &self.keyboard {
            act(&mut keyboard.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Captures or releases the keyboard. It is captured while jobwire is in the foreground and the command needs its keys:
    /// always in a session of its own, else while a program reads single keys from the pty.
    pub(super) fn look_for_keys(&self) {
        let is_wanted = self.kinship == Kinship::Session
            || self.ptys.first().is_some_and(|master| key_modes(master) != self.key_modes);
        self.with_keyboard(|keyboard| keyboard.capture_if(is_wanted));
    }

    /// A writing end for typed keys.
    pub(super) fn typewriter(&self) -> io::Result<File> {
        match self.ptys.first() {
            Some(master) => Ok(File::from(master.try_clone()?)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Drop for Running {
    /// Restores the settings of the terminal, since the thread that reads its keys may live on.
    fn drop(&mut self) {
        self.with_keyboard(Keyboard::release);
    }
}

/// Starts a command. Returns the child, and the process id of the command.
fn start(
    mut command: Command,
    line: &CommandLine,
    kinship: Kinship,
) -> Result<(Child, Option<u32>), Failure> {
    if kinship != Kinship::Session {
        let child = child::start(&mut command.into())?;
        let id = child.id();
        return Ok((child, id));
    }
    let failed = |error| Failure::new(Exit::CannotRun, format!("could not hear of the command: {error}"));
    let (report, told) = io::pipe().map_err(failed)?;
    command.stdout(told);
    // The command's builder holds this process's copy of the pipe. Dropping the builder gives the report an end.
    let child = child::start(&mut command.into())?;
    let id = session::started(report, &line.program)?;
    Ok((child, id))
}

fn command(line: &CommandLine, kinship: Kinship) -> Command {
    let mut command = if kinship == Kinship::Session {
        // `/proc/self/exe` starts the same program, also after its file was replaced.
        let mut command = Command::new("/proc/self/exe");
        command.arg0(session::NAME).arg(terminal_path()).arg(&line.program);
        command
    } else {
        Command::new(&line.program)
    };
    command.args(&line.args);
    for (name, value) in &line.environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if kinship == Kinship::OwnGroup {
        command.process_group(0);
    }
    command
}

/// Path of the terminal at standard input; empty where the system does not give one.
fn terminal_path() -> OsString {
    fs::read_link("/proc/self/fd/0").map(OsString::from).unwrap_or_default()
}

/// Ends of the command's streams before the start.
struct Streams {
    outputs: (Option<Source>, Option<Source>),
    stdout: OwnedFd,
    stderr: OwnedFd,
    ptys: Vec<OwnedFd>,
}

impl Streams {
    fn open(layout: Layout, keyboard: Option<&Keyboard>) -> io::Result<Self> {
        let mut ptys = Vec::new();
        let mut pty = |purpose| -> io::Result<(Source, OwnedFd)> {
            let pty = Pty::open(keyboard.map(Keyboard::settings), size(), purpose)?;
            ptys.push(pty.master.try_clone()?);
            Ok((Source { from: pty.master, is_pty: true }, pty.slave))
        };
        let first = if layout.is_session { Use::Terminal } else { Use::Display };
        let (stdout_source, stdout) = match layout.stdout {
            Fitting::Pipe => pipe()?,
            Fitting::First | Fitting::Second => pty(first)?,
        };
        let (stderr_source, stderr) = match layout.stderr {
            Fitting::Pipe => pipe().map(|(source, end)| (Some(source), end))?,
            Fitting::Second => pty(Use::Display).map(|(source, end)| (Some(source), end))?,
            Fitting::First => (None, stdout.try_clone()?),
        };
        Ok(Self { outputs: (Some(stdout_source), stderr_source), stdout, stderr, ptys })
    }

    /// Gives the command its ends of the streams.
    fn connect(&self, command: &mut Command, layout: Layout) -> io::Result<()> {
        if layout.is_session {
            // The leader uses its standard output for the report. The command gets the pty on standard input as its output too.
            command.stdin(Stdio::from(self.stdout.try_clone()?));
        }
        command.stdout(Stdio::from(self.stdout.try_clone()?)).stderr(Stdio::from(self.stderr.try_clone()?));
        Ok(())
    }
}

fn pipe() -> io::Result<(Source, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((Source { from: reader.into(), is_pty: false }, writer.into()))
}

/// A copy of one of jobwire's own streams, for writing.
pub(super) fn own(stream: impl AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// Last part of a program's path, for people.
pub(crate) fn name_of(program: &OsStr) -> String {
    let path = std::path::Path::new(program);
    path.file_name().unwrap_or(program).to_string_lossy().into_owned()
}

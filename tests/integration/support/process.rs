//! Child processes whose output is captured and who do not outlive their test.

use std::io::Read;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, wait_for};

/// The binary under test.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_jobwire"))
}

/// PATH of a shell that is to find the binary under test, as `jobwire`.
pub(crate) fn search_path() -> String {
    format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap())
}

/// The binary under test, with nothing of the user's environment that could change what it does.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.env_clear().args(args);
    for kept in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn jobwire(args: &[&str]) -> Output {
    Process::spawn(&mut command(args)).finish(PATIENCE)
}

/// What a process left behind.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; -1 when a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: Captured,
    stderr: Captured,
}

impl Process {
    /// Starts a process with an empty stdin and captures what it prints.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::start(command.stdin(Stdio::null()))
    }

    /// The same, but with a stdin that the test writes to.
    pub(crate) fn spawn_fed(command: &mut Command) -> (Self, ChildStdin) {
        let mut process = Self::start(command.stdin(Stdio::piped()));
        let stdin = process.child.stdin.take().unwrap();
        (process, stdin)
    }

    fn start(command: &mut Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("could not start {command:?}: {error}"));
        let stdout = Captured::read(child.stdout.take().unwrap());
        let stderr = Captured::read(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// What it has printed on stdout so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has printed on stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until stdout holds this text, and gives all of it.
    pub(crate) fn until_printed(&self, text: &str) -> String {
        let start = Instant::now();
        loop {
            let stdout = self.stdout();
            if stdout.contains(text) {
                return stdout;
            }
            let so_far = || format!("{stdout}{}", self.stderr());
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {text:?} in {}", so_far());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends SIGINT, SIGTERM, SIGSTOP and the like.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self, deadline: Duration) -> Output {
        let program = format!("the end of the process; so far: {}{}", self.stdout(), self.stderr());
        let status = wait_for(deadline, &program, || self.child.try_wait().unwrap());
        let drained = || (self.stdout.is_complete() && self.stderr.is_complete()).then_some(());
        wait_for(deadline, "the end of its output", drained);
        Output { code: status.code().unwrap_or(-1), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A pipe that a thread empties into memory.
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<(Vec<u8>, bool)>>);

impl Captured {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let captured = Self::default();
        let sink = captured.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                sink.0.lock().unwrap().0.extend_from_slice(&chunk[..n]);
            }
            sink.0.lock().unwrap().1 = true;
        });
        captured
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap().0).into_owned()
    }

    fn is_complete(&self) -> bool {
        self.0.lock().unwrap().1
    }
}

/// Ids of the processes that a process has started and not yet waited for, in the order of their start.
pub(crate) fn children(id: u32) -> Vec<u32> {
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    children.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

/// Whether a process runs or is stopped. One that has ended may wait for its parent to ask for its exit code.
pub(crate) fn runs(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

//! A real relay in a process of its own.

use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Output, PATIENCE, Process, WebSocket, command, get, wait_for};

/// What `serve` prints once a listener is open, followed by the address.
const LISTENING: &str = "listening on http://";

/// `jobwire serve` on a port of its own choice; killed when dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    process: Process,
    address: String,
    /// Its runtime folder, where it leaves the publish key.
    runtime: TempDir,
}

impl Relay {
    /// Starts one, on the embedded broker unless the arguments name a Redis, and waits until it listens.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::listening_on("127.0.0.1:0", args)
    }

    /// Starts one on a given address, as after a restart.
    pub(crate) fn listening_on(address: &str, args: &[&str]) -> Self {
        let runtime = TempDir::new().unwrap();
        let mut serve = command(&["serve", "--listen", address]);
        serve.args(args).env("XDG_RUNTIME_DIR", runtime.path());
        let mut process = Process::spawn(&mut serve);
        let address = wait_for(PATIENCE, "the relay to listen", || {
            assert!(!process.has_ended(), "the relay did not start: {}", process.stderr());
            listening_on(&process.stderr())
        });
        Self { process, address, runtime }
    }

    /// Host and port of the first listener.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The URL of a socket on it.
    pub(crate) fn ws(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Opens a socket on it.
    pub(crate) fn connect(&self, path: &str) -> WebSocket {
        WebSocket::connect(&self.ws(path))
    }

    /// Status and body of a GET.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        get(&self.address, path)
    }

    /// What makes a process of the binary talk to this relay, and find its publish key.
    pub(crate) fn env(&self) -> [(&'static str, String); 2] {
        let runtime = self.runtime.path().to_str().unwrap().to_owned();
        [("JOBWIRE_SERVER", format!("ws://{}", self.address)), ("XDG_RUNTIME_DIR", runtime)]
    }

    /// The binary, talking to this relay.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = command(args);
        command.envs(self.env());
        command
    }

    /// A process of the binary that talks to this relay.
    pub(crate) fn spawn(&self, args: &[&str]) -> Process {
        Process::spawn(&mut self.command(args))
    }

    /// Runs such a process to its end.
    pub(crate) fn jobwire(&self, args: &[&str]) -> Output {
        self.spawn(args).finish(PATIENCE)
    }

    /// What it has printed so far.
    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(mut self) {
        self.process.kill();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Stops it with SIGTERM and waits for its end.
    pub(crate) fn stop(self) -> Output {
        self.signal(Signal::TERM);
        self.finish()
    }

    /// Waits for its end.
    pub(crate) fn finish(self) -> Output {
        self.process.finish(PATIENCE)
    }
}

/// The first address in what a relay has printed, once its line is whole.
fn listening_on(stderr: &str) -> Option<String> {
    let (_, rest) = stderr.split_once(LISTENING)?;
    let end = rest.find(|c: char| c.is_whitespace() || c == '\u{1b}')?;
    Some(rest[..end].trim_end_matches('/').to_owned())
}

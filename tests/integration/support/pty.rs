//! A terminal: the binary or a shell behind a pty, and what a person would see on the screen.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use super::{PATIENCE, program, search_path, wait_for};

/// Lines that have left the screen at its top and are still looked at.
const SCROLLBACK: usize = 1000;

/// A program on a terminal of its own; killed when dropped.
pub(crate) struct Pty {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    terminal: vt100::Parser,
    raw: Vec<u8>,
    complete: bool,
}

impl Pty {
    /// The binary under test, on a terminal of that size, with nothing else of the user's environment.
    pub(crate) fn jobwire(rows: u16, columns: u16, args: &[&str], env: &[(&str, String)]) -> Self {
        let mut command = CommandBuilder::new(program());
        command.args(args);
        Self::spawn(rows, columns, command, env)
    }

    /// An interactive shell that finds the binary under test as `jobwire`; its prompt is `$ `.
    pub(crate) fn shell(rows: u16, columns: u16, env: &[(&str, String)]) -> Self {
        let mut command = CommandBuilder::new("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        let own = [("PS1", "$ ".to_owned()), ("HISTFILE", String::new())];
        let env = [&own[..], env].concat();
        let shell = Self::spawn(rows, columns, command, &env);
        shell.until("the prompt", |screen| screen.contents().contains('$'));
        shell
    }

    /// An interactive zsh of the same kind, without anybody's settings.
    pub(crate) fn zsh(rows: u16, columns: u16, env: &[(&str, String)]) -> Self {
        let mut command = CommandBuilder::new("zsh");
        command.args(["-f", "-i"]);
        let env = [&[("PS1", "$ ".to_owned())][..], env].concat();
        let shell = Self::spawn(rows, columns, command, &env);
        shell.until("the prompt", |screen| screen.contents().contains('$'));
        shell
    }

    fn spawn(rows: u16, columns: u16, mut command: CommandBuilder, env: &[(&str, String)]) -> Self {
        command.env_clear();
        command.env("PATH", search_path());
        command.env("TERM", "xterm-256color");
        for (name, value) in env {
            command.env(name, value);
        }
        let pair = native_pty_system().openpty(size(rows, columns)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let mut output = pair.master.try_clone_reader().unwrap();
        let keyboard = pair.master.take_writer().unwrap();
        let terminal = vt100::Parser::new(cells(rows), cells(columns), SCROLLBACK);
        let seen = Arc::new(Mutex::new(Seen { terminal, raw: Vec::new(), complete: false }));
        let sink = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut chunk = [0; 8192];
            // The end is an error: the other side was closed.
            while let Ok(n @ 1..) = output.read(&mut chunk) {
                let mut seen = sink.lock().unwrap();
                seen.raw.extend_from_slice(&chunk[..n]);
                seen.terminal.process(&chunk[..n]);
            }
            sink.lock().unwrap().complete = true;
        });
        Self { child, master: pair.master, keyboard, seen }
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.process_id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(id.expect("it runs"), signal).unwrap();
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> vt100::Screen {
        self.seen.lock().unwrap().terminal.screen().clone()
    }

    /// The rows that are not empty, without blanks at their ends.
    pub(crate) fn rows(&self) -> Vec<String> {
        rows(&self.screen())
    }

    /// Every byte that was written to it.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().raw).into_owned()
    }

    /// Waits until the screen satisfies `condition`, and gives that screen.
    pub(crate) fn until(&self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) -> vt100::Screen {
        let start = Instant::now();
        loop {
            let screen = self.screen();
            if condition(&screen) {
                return screen;
            }
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}:\n{}", screen.contents());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a row holds this text, and gives the screen.
    pub(crate) fn until_shown(&self, text: &str) -> vt100::Screen {
        self.until(&format!("{text:?}"), |screen| rows(screen).iter().any(|row| row.contains(text)))
    }

    /// Types.
    pub(crate) fn send(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Makes the window another size.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let mut seen = self.seen.lock().unwrap();
        seen.terminal.set_size(cells(rows), cells(columns));
        self.master.resize(size(rows, columns)).unwrap();
    }

    /// Waits for the end of the program and of what it wrote; its exit code.
    pub(crate) fn finish(&mut self, deadline: Duration) -> u32 {
        let what = "the end of the program";
        let status = wait_for(deadline, what, || self.child.try_wait().unwrap());
        wait_for(deadline, "the end of its output", || self.seen.lock().unwrap().complete.then_some(()));
        status.exit_code()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows of a screen that are not empty, without blanks at their ends.
pub(crate) fn rows(screen: &vt100::Screen) -> Vec<String> {
    let (_, columns) = screen.size();
    let rows = screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned());
    rows.filter(|row| !row.is_empty()).collect()
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

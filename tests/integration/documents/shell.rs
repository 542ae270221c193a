//! A shell that runs the commands of a document and compares what they print.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::support::{search_path, wait_for};

/// Longest time of a command of a document, and longest wait for its output.
const DEADLINE: Duration = Duration::from_secs(30);

/// A bash with a folder of its own that runs all commands of a document.
pub(super) struct Shell {
    bash: Child,
    stdin: ChildStdin,
    lines: Arc<Mutex<Vec<String>>>,
    /// Number of output lines that have been matched.
    read: usize,
    steps: usize,
    pub(super) dir: TempDir,
}

impl Shell {
    pub(super) fn start(relay: &str, redis_port: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("bash");
        command.arg("--norc").env_clear().current_dir(dir.path()).process_group(0);
        command.env("PATH", search_path()).env("HOME", dir.path()).env("XDG_RUNTIME_DIR", dir.path());
        command.env("JOBWIRE_LISTEN", relay).env("JOBWIRE_SERVER", format!("ws://{relay}"));
        command.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut bash = command.spawn().unwrap();
        let mut stdin = bash.stdin.take().unwrap();
        // With --no-raw, redis-cli prints types as on a reader's terminal.
        writeln!(stdin, "redis-cli() {{ command redis-cli -p {redis_port} --no-raw \"$@\"; }}").unwrap();
        // `command` holds the pipe's writing end, so reading would not end with bash.
        drop(command);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                sink.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { bash, stdin, lines, read: 0, steps: 0, dir }
    }

    /// Runs a command and waits for its end and for its output. Output of commands in the background may come later.
    pub(super) fn step(&mut self, command: &str, output: &[String]) {
        self.steps += 1;
        let end = format!("@@end {} ", self.steps);
        let start = self.read;
        writeln!(self.stdin, "{{ {command}\n}} </dev/null; code=$?; echo; echo \"{end}$code\"").unwrap();
        let code = wait_for(DEADLINE, &format!("the end of: {command}"), || {
            self.lines.lock().unwrap()[start..]
                .iter()
                .find_map(|line| line.strip_prefix(&end).map(str::to_owned))
        });
        assert_eq!(code, "0", "exit code of: {command}\n{}", self.printed(start));
        for expected in output.iter().filter(|line| !matches!(line.trim(), "" | "…")) {
            // A command in the background may print the line later, so only the deadline can tell that it is missing.
            self.read = wait_for(DEADLINE, &format!("{expected:?} of: {command}"), || {
                let lines = self.lines.lock().unwrap();
                let at = lines[self.read..].iter().position(|line| holds(line, expected))?;
                Some(self.read + at + 1)
            });
        }
    }

    fn printed(&self, start: usize) -> String {
        self.lines.lock().unwrap()[start..].join("\n")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Kill bash and everything that it has started in the background. They may have ended already.
        let _ = kill_process_group(Pid::from_child(&self.bash), Signal::KILL);
        let _ = self.bash.wait();
    }
}

/// Whether a printed line contains an expected one. `…` and times of day in the expected line stand for any text.
fn holds(line: &str, expected: &str) -> bool {
    let words: Vec<&str> = expected.split(' ').map(|word| if is_time(word) { "…" } else { word }).collect();
    let mut rest = line;
    words.join(" ").split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// Whether a word is a time of day such as `10:30:02`.
fn is_time(word: &str) -> bool {
    word.len() == 8
        && word.char_indices().all(|(i, c)| if i % 3 == 2 { c == ':' } else { c.is_ascii_digit() })
}

#[test]
fn an_output_is_compared_without_its_times_and_ellipses() {
    assert!(holds("at 11:22:33 scraping/1 is done", "10:30:02 scraping/1 …done"));
    assert!(!holds("done scraping/1", "scraping/1 … done"));
}

#[test]
fn a_shell_compares_what_is_printed_in_the_background_too() {
    let mut shell = Shell::start("127.0.0.1:1", 1);
    let output = |text: &str| vec![text.to_owned()];
    shell.step("mkfifo fifo; export X=5", &[]);
    shell.step("(echo begun; read -r < fifo; echo later) &", &output("begun"));
    shell.step("jobwire --version", &output("jobwire …"));
    shell.step("echo go > fifo", &output("later"));
    shell.step("echo $X $JOBWIRE_SERVER", &output("5 ws://127.0.0.1:1"));
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shell.step("false", &[])));
    assert!(failed.is_err(), "a failing command fails the test");
}

//! Runs the README from top to bottom, as a reader would: one shell, the built binary first in its PATH.
//!
//! Every ```` ```console ```` block is run. A line that starts with `$ ` is a command, what follows until the next is its
//! output: each line must be part of a line that is printed, in this order. `…` stands for anything, and so does a time of
//! day. A command must succeed. A file that the README shows is written first where `<!-- file: NAME -->` stands before
//! its block. The documented ports are replaced by free ones.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::support::{RedisServer, free_port, program, wait_for};

/// How long one command of the README may take, or its output may take to appear.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the README holds that can be tried.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    File { name: String, text: String },
    Step { command: String, output: Vec<String> },
}

#[test]
fn the_readme_is_true() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let redis = RedisServer::start();
    let ports = [("8000", free_port()), ("8001", free_port()), ("6379", redis.port())];
    let local = |text: &str| {
        ports.iter().fold(text.to_owned(), |text, (documented, actual)| {
            text.replace(&format!("127.0.0.1:{documented}"), &format!("127.0.0.1:{actual}"))
        })
    };
    let mut shell = Shell::start(&local("127.0.0.1:8000"), redis.port());
    let items = items(&readme);
    assert!(items.len() > 10, "the README has lost its examples");
    for item in items {
        match item {
            Item::File { name, text } => fs::write(shell.dir.path().join(name), local(&text)).unwrap(),
            Item::Step { command, output } => {
                let output: Vec<String> = output.iter().map(|line| local(line)).collect();
                shell.step(&local(&command), &output);
            }
        }
    }
}

/// Takes the README apart.
fn items(readme: &str) -> Vec<Item> {
    let (mut found, mut file, mut lines) = (Vec::new(), None, readme.lines());
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- file: ") {
            file = name.strip_suffix(" -->").map(str::to_owned);
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match file.take() {
                Some(name) => found.push(Item::File { name, text: block.join("\n") + "\n" }),
                None if language == "console" => found.extend(steps(&block)),
                None => {}
            }
        }
    }
    found
}

/// The commands of a console block, each with its output.
fn steps(block: &[&str]) -> Vec<Item> {
    let mut found = Vec::new();
    for line in block {
        if let Some(start) = line.strip_prefix("$ ") {
            found.push(Item::Step { command: start.to_owned(), output: Vec::new() });
            continue;
        }
        match found.last_mut() {
            Some(Item::Step { command, output }) if output.is_empty() && command.ends_with('\\') => {
                command.push('\n');
                command.push_str(line.strip_prefix("> ").unwrap_or(line));
            }
            Some(Item::Step { output, .. }) => output.push((*line).to_owned()),
            _ => panic!("output without a command: {line}"),
        }
    }
    found
}

/// One bash that runs everything, in a folder of its own.
struct Shell {
    bash: Child,
    stdin: ChildStdin,
    lines: Arc<Mutex<Vec<String>>>,
    /// How many lines have been matched.
    read: usize,
    steps: usize,
    dir: TempDir,
}

impl Shell {
    fn start(relay: &str, redis_port: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("bash");
        command.arg("--norc").env_clear().current_dir(dir.path()).process_group(0);
        command.env("PATH", path).env("HOME", dir.path()).env("XDG_RUNTIME_DIR", dir.path());
        command.env("JOBWIRE_LISTEN", relay).env("JOBWIRE_SERVER", format!("ws://{relay}"));
        command.stdin(Stdio::piped()).stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut bash = command.spawn().unwrap();
        let mut stdin = bash.stdin.take().unwrap();
        // On a terminal redis-cli prints types, and that is what a reader sees.
        writeln!(stdin, "redis-cli() {{ command redis-cli -p {redis_port} --no-raw \"$@\"; }}").unwrap();
        // The command holds the writing end, and reading would not end with bash.
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

    /// Runs a command, and waits for its end and its output; a background command's output may come later.
    fn step(&mut self, command: &str, output: &[String]) {
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
            // A background command of an earlier step may be the one that prints it, so there is no telling that it is
            // too late before the time is up.
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
        // Bash and all that it has started in the background; they may have ended.
        let _ = kill_process_group(Pid::from_child(&self.bash), Signal::KILL);
        let _ = self.bash.wait();
    }
}

/// Whether a printed line holds an expected one; `…` and times of day in the latter stand for anything.
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

/// `10:30:02`.
fn is_time(word: &str) -> bool {
    word.len() == 8
        && word.char_indices().all(|(i, c)| if i % 3 == 2 { c == ':' } else { c.is_ascii_digit() })
}

#[test]
fn a_readme_is_taken_apart() {
    let text = "<!-- file: a.toml -->\n```toml\nx = 1\n```\n```sh\nnot run\n```\n```console\n$ one \\\n> two\nout\n$ three\n```\n";
    let step = |command: &str, output: &[&str]| Item::Step {
        command: command.to_owned(),
        output: output.iter().map(ToString::to_string).collect(),
    };
    let file = Item::File { name: "a.toml".to_owned(), text: "x = 1\n".to_owned() };
    assert_eq!(items(text), [file, step("one \\\ntwo", &["out"]), step("three", &[])]);
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

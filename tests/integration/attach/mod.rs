//! Watching jobs with the real binary: its exit codes, what it prints, what it survives, and the bars in a terminal.

mod answers;
mod channels;
mod endings;
mod exits;
mod foreign;
mod hostile;
mod junit;
mod lists;
mod lost;
mod printed;
mod recording;
mod screen;
mod shared;
mod tasks;

use serde_json::Value;

use crate::support::{PATIENCE, Process, Relay, until};

/// Publishes through the relay; the event must be accepted.
#[track_caller]
fn publish(relay: &Relay, target: &str, event: &str, fields: &[&str]) {
    let output = relay.jobwire(&[&["publish", target, event], fields].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
}

/// Waits until whoever asks the relay for the state of a scraping job is told this.
fn known(relay: &Relay, job: u32, text: &str) {
    let path = format!("/ws/scraping/{job}/status");
    until(PATIENCE, &format!("{text:?} at {path}"), || relay.get(&path).1.contains(text));
}

/// Attaches, and waits for the socket of each target.
fn attach(relay: &Relay, args: &[&str]) -> Process {
    attached(relay.spawn(&[&["attach"], args].concat()), args)
}

/// Waits until an attach that prints lines or JSON has a socket for each of its targets.
fn attached(process: Process, args: &[&str]) -> Process {
    for target in args.iter().filter(|arg| arg.contains('/') && !arg.starts_with('/')) {
        let json = format!("{{\"target\":\"{target}\"");
        until(PATIENCE, &format!("the socket of {target}"), || {
            process.stdout().lines().any(|line| {
                line.ends_with(&format!(" {target} connected"))
                    || (line.starts_with(&json) && line.ends_with("\"connection\":\"connected\"}"))
            })
        });
    }
    process
}

/// Lines without the time that they begin with.
fn untimed(stdout: &str) -> Vec<&str> {
    stdout.lines().map(|line| line.split_once(' ').unwrap().1).collect()
}

/// Every line of NDJSON.
fn json(stdout: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    stdout.lines().map(parse).collect()
}

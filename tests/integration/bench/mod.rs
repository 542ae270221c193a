//! `jobwire bench`: its figures are true, and it says what went wrong.

mod bad_input;
mod doorman;
mod faulty;
mod junit;
mod modes;
mod nodes;
mod outages;
mod publishing;
mod refused;
mod remote;
mod report;
mod schema;
mod search;
mod streams;
mod subscribing;
mod truth;
mod workers;

use serde_json::Value;

use super::support::{self, Output, PATIENCE, Process, command};

/// Runs a bench with JSON as its output, to its end.
fn bench(args: &[&str]) -> (Output, Value) {
    let output =
        Process::spawn(&mut command(&[&["bench", "--output", "json"], args].concat())).finish(PATIENCE * 2);
    let summary = if output.stdout.is_empty() { Value::Null } else { read(&output.stdout) };
    (output, summary)
}

/// A run under way, with JSON as its output.
fn start(args: &[&str]) -> Process {
    Process::spawn(&mut command(&[&["bench", "--output", "json", "--allow-client-bound"], args].concat()))
}

/// A report, which keeps to its schema.
#[track_caller]
fn read(text: &str) -> Value {
    let summary = serde_json::from_str(text).unwrap();
    schema::hold_report(&summary);
    summary
}

/// The counts of a cohort.
fn cohort<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let cohorts = summary["cohorts"].as_array().unwrap_or_else(|| panic!("no cohorts in {summary}"));
    cohorts.iter().find(|cohort| cohort["name"] == name).unwrap_or_else(|| panic!("no {name} in {summary}"))
}

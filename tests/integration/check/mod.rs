//! Tests of `jobwire check`: it finds faults, gives advice and never hangs.

mod relays;
mod servers;
mod smoke;

use serde_json::Value;

use crate::support::Output;

/// Result of a step in the output of `--output json`.
#[track_caller]
fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let steps = report["steps"].as_array().unwrap_or_else(|| panic!("no steps in {report}"));
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

/// Parsed output of a check with `--output json`.
#[track_caller]
fn report(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Names of the steps with this result.
fn named(report: &Value, result: &str) -> Vec<String> {
    let steps = report["steps"].as_array().unwrap().iter().filter(|step| step["result"] == result);
    steps.map(|step| step["name"].as_str().unwrap().to_owned()).collect()
}

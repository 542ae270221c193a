//! `scripts/chaos`, which kills what relays stand on and counts what clients got; the count is its own, in Python.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Output, Process, program};

/// Time beside that of the faults: for servers to start and to recover, and for clients to have everything.
const BESIDE: Duration = Duration::from_mins(4);

/// Runs it for so many seconds with a seed; `more` are further arguments.
fn chaos(seconds: u64, seed: u64, more: &[&str]) -> Output {
    let folder = TempDir::new().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/chaos");
    let mut command = Command::new(script);
    command.args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()]).args(more);
    command.arg("--folder").arg(folder.path()).env("JOBWIRE", program());
    Process::spawn(&mut command).finish(Duration::from_secs(seconds) + BESIDE)
}

#[track_caller]
fn assert_well(output: &Output) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, 0, "{said}");
    assert!(said.ends_with("\nok\n"), "{said}");
}

#[test]
fn with_streams_every_client_has_everything_once_and_in_order() {
    assert_well(&chaos(45, 3, &[]));
}

#[test]
fn without_streams_whatever_chaos_takes_from_a_client_is_told_by_a_gap() {
    assert_well(&chaos(25, 1, &["--pubsub", "--rounds", "2"]));
}

#[test]
fn the_faults_of_a_seed_are_always_the_same() {
    let of = |seed| chaos(60, seed, &["--sequence"]).stdout;
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    assert!(of(7).lines().count() > 10, "{}", of(7));
}

//! `scripts/chaos`, which kills what relays stand on and counts what clients got; the count is its own, in Python.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{Output, PATIENCE, Process, children, program, runs, until, wait_for};

/// Time beside that of the faults: for servers to start and to recover, and for clients to have everything.
const BESIDE: Duration = Duration::from_mins(4);

/// Starts it for so many seconds with a seed; `more` are further arguments. Its folder of logs outlives a failure.
fn start(seconds: u64, seed: u64, more: &[&str]) -> Process {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/chaos");
    let mut command = Command::new(script);
    command.args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()]).args(more);
    Process::spawn(command.env("JOBWIRE", program()))
}

/// Runs it to its end.
fn chaos(seconds: u64, seed: u64, more: &[&str]) -> Output {
    start(seconds, seed, more).finish(Duration::from_secs(seconds) + BESIDE)
}

#[track_caller]
fn assert_well(output: &Output) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, 0, "{said}");
    assert!(said.ends_with("\nok\n"), "{said}");
}

/// Waits until none of these processes runs.
fn until_gone(servers: &BTreeSet<u32>) {
    until(PATIENCE, "all servers of the run to be gone", || !servers.iter().any(|server| runs(*server)));
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
fn a_run_that_is_interrupted_or_killed_leaves_no_server_behind() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let folder = TempDir::new().unwrap();
        let folder = folder.path().to_str().unwrap();
        let run = start(60, 5, &["--no-faults", "--rounds", "1", "--folder", folder]);
        // Two Redis servers, two relays, and the leader of their group.
        let servers = wait_for(BESIDE, "the servers of the run to start", || {
            Some(children(run.id())).filter(|servers| servers.len() == 5)
        });
        // A stopped server does not see how the run ends. The first Redis has answered, and is no copy of Python any more that
        // would hold up the run.
        let redis = Pid::from_raw(servers[1].try_into().unwrap()).unwrap();
        kill_process(redis, Signal::STOP).unwrap();
        run.signal(signal);
        run.finish(PATIENCE);
        until_gone(&servers.into_iter().collect());
    }
}

#[test]
fn a_run_that_ends_by_itself_leaves_no_server_behind() {
    for (more, code) in [(&[][..], 0), (&["--binary", "/bin/false"], 1)] {
        let folder = TempDir::new().unwrap();
        let folder = folder.path().to_str().unwrap();
        let mut run = start(1, 5, &[&["--no-faults", "--rounds", "1", "--folder", folder], more].concat());
        let mut servers = BTreeSet::new();
        wait_for(BESIDE, "the end of the run", || {
            servers.extend(children(run.id()));
            run.has_ended().then_some(())
        });
        assert!(
            servers.len() >= 3,
            "two Redis servers and the leader of their group at the least: {servers:?}"
        );
        let output = run.finish(PATIENCE);
        assert_eq!(output.code, code, "{}{}", output.stdout, output.stderr);
        until_gone(&servers);
    }
}

#[test]
fn the_faults_of_a_seed_are_always_the_same() {
    let of = |seed| chaos(60, seed, &["--sequence"]).stdout;
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
    assert!(of(7).lines().count() > 10, "{}", of(7));
}

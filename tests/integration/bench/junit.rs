//! Tests of `--junit` of bench, however the run ends.

use std::fs;

use tempfile::TempDir;

use crate::support::{JunitCase, PATIENCE, Process, Relay, command, free_port, junit, junit_case};

/// Runs a bench with a JUnit report. Returns the exit code and the cases of the report.
fn bench(args: &[&str]) -> (i32, Vec<JunitCase>) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bench.xml");
    let junit_flag = ["--junit", path.to_str().unwrap(), "--output", "quiet"];
    let mut command = command(&[&["bench"], args, &junit_flag].concat());
    let output = Process::spawn(&mut command).finish(PATIENCE * 2);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}: {}", output.stderr));
    (output.code, junit(&text))
}

#[test]
fn an_assertion_that_does_not_hold_is_a_failure() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let run =
        ["idle", "-c", "3", "-d", "300ms", "--warm-up", "0s", "--server", &server, "--allow-client-bound"];
    let judged = ["--assert", "connect.failed==0,connect.failed!=0"];
    let (code, cases) = bench(&[&run[..], &judged].concat());
    assert_eq!(code, 99, "{cases:#?}");
    assert_eq!(junit_case(&cases, "connect.failed==0").wrong, None);
    let failed = junit_case(&cases, "connect.failed!=0");
    assert_eq!(failed.wrong.as_deref(), Some("failure"));
    assert_eq!(failed.message, "connect.failed was 0; connect.failed!=0 was demanded");
    assert_eq!(failed.group, "jobwire.bench.idle");
    assert_eq!(junit_case(&cases, "run").wrong, None);
}

#[test]
fn a_run_that_cannot_begin_is_an_error() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let (code, cases) = bench(&["idle", "-c", "1", "-d", "300ms", "--server", &server]);
    assert_eq!(code, 3, "{cases:#?}");
    assert!(cases.iter().any(|case| case.wrong.as_deref() == Some("error")), "{cases:#?}");
}

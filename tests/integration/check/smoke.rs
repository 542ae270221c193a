//! Smoke test as in a CI server: ten lines of shell, without a sleep.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Output, PATIENCE, Process, Relay, junit, junit_case, search_path};

/// Runs the script in a folder of its own, as the command of a relay.
fn smoke(relay: &Relay, folder: &TempDir, ending: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/smoke.sh");
    let mut command = Command::new("sh");
    command.arg(script).args(ending).current_dir(folder.path()).env("PATH", search_path()).envs(relay.env());
    Process::spawn(&mut command).finish(PATIENCE * 3)
}

#[test]
fn a_smoke_test_of_ten_lines_needs_no_sleep() {
    let script =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/smoke.sh")).unwrap();
    assert!(script.lines().count() <= 10 && !script.contains("sleep "), "{script}");
    let relay = Relay::start(&[]);
    let folder = TempDir::new().unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let output = smoke(&relay, &folder, &[]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let checked = junit(&read("check.xml"));
    assert!(
        checked.iter().all(|case| !matches!(case.wrong.as_deref(), Some("failure" | "error"))),
        "{checked:#?}"
    );
    assert_eq!(junit_case(&junit(&read("job.xml")), "jobs/smoke").wrong, None);
    let relay = Relay::start(&[]);
    let output = smoke(&relay, &folder, &["failed", "error=disk full"]);
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    let failed = junit(&read("job.xml"));
    let case = junit_case(&failed, "jobs/smoke");
    assert_eq!((case.wrong.as_deref(), case.message.as_str()), (Some("failure"), "disk full"));
}

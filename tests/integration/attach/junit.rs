//! Tests of `--junit`: a case for each job, however attach ends.

use std::fs;

use rustix::process::Signal;
use tempfile::TempDir;

use super::{attach, attached, known, publish};
use crate::support::{JunitCase, PATIENCE, Process, Relay, command, free_port, jobwire, junit, junit_case};

/// A folder, and the path of a report in the folder.
fn place() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("report.xml").to_str().unwrap().to_owned();
    (folder, path)
}

/// Cases of the report. No other file may be left in the folder.
#[track_caller]
fn cases((folder, path): &(TempDir, String)) -> Vec<JunitCase> {
    let names: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["report.xml"]);
    junit(&fs::read_to_string(path).unwrap())
}

#[test]
fn a_job_is_a_case_with_its_outcome_and_what_it_said() {
    let relay = Relay::start(&[]);
    let place = place();
    let watching = attach(&relay, &["--junit", &place.1, "scraping/1", "scraping/2"]);
    publish(&relay, "scraping/1", "job_completed", &[]);
    publish(
        &relay,
        "scraping/2",
        "job_failed",
        &["message:=\"disk <full> & \\u0000\\ud800 \\u001b[31mred\""],
    );
    assert_eq!(watching.finish(PATIENCE).code, 1);
    let cases = cases(&place);
    let one = junit_case(&cases, "scraping/1");
    assert_eq!((one.group.as_str(), one.wrong.as_deref()), ("jobwire.attach.scraping", None));
    let two = junit_case(&cases, "scraping/2");
    assert_eq!(two.wrong.as_deref(), Some("failure"));
    assert!(two.message.starts_with("disk <full> & ") && two.message.ends_with("red"), "{two:?}");
}

#[test]
fn the_end_of_the_time_a_signal_and_a_server_that_is_lost_leave_a_report() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_progress", &["progress=40"]);
    known(&relay, 1, "40");
    let timed = place();
    let output = relay.jobwire(&[
        "attach",
        "--junit",
        &timed.1,
        "--timeout",
        "1s",
        "--progress",
        "quiet",
        "scraping/1",
    ]);
    assert_eq!(output.code, 8, "{}", output.stderr);
    let found = cases(&timed);
    let case = junit_case(&found, "scraping/1");
    assert_eq!(case.wrong.as_deref(), Some("error"));
    assert_eq!(case.message, "it was not ended when the time was up after 1 s");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let place = place();
        let watching = attach(&relay, &["--junit", &place.1, "scraping/1"]);
        watching.signal(signal);
        assert_eq!(watching.finish(PATIENCE).code, code, "{signal:?}");
        let found = cases(&place);
        assert_eq!(junit_case(&found, "scraping/1").message, "it was not ended when attach was interrupted");
    }
    let lost = place();
    let server = format!("ws://127.0.0.1:{}", free_port());
    let args = ["attach", "--server", &server, "--retries", "0", "--junit", &lost.1, "scraping/1"];
    let output = Process::spawn(&mut command(&args)).finish(PATIENCE);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let found = cases(&lost);
    let case = junit_case(&found, "scraping/1");
    assert_eq!(case.wrong.as_deref(), Some("error"));
    assert!(case.message.contains("nothing listens at"), "{case:?}");
}

#[test]
fn jobs_behind_the_first_failure_are_skipped_and_those_of_a_pattern_are_cases() {
    let relay = Relay::start(&[]);
    let fast = place();
    let watching = attach(&relay, &["--junit", &fast.1, "--fail-fast", "scraping/1", "scraping/2"]);
    publish(&relay, "scraping/2", "job_failed", &[]);
    assert_eq!(watching.finish(PATIENCE).code, 1);
    let found = cases(&fast);
    assert_eq!(junit_case(&found, "scraping/1").wrong.as_deref(), Some("skipped"));
    let every = place();
    let args = ["attach", "--junit", &every.1, "--until-idle", "1s", "downloads/*"];
    let watching = attached(relay.spawn(&args), &["downloads/*"]);
    publish(&relay, "downloads/a", "completed", &[]);
    watching.finish(PATIENCE);
    assert_eq!(junit_case(&cases(&every), "downloads/a").wrong, None);
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_is_watched() {
    let output = jobwire(&["attach", "--junit", "/nowhere/report.xml", "scraping/1"]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("cannot write to /nowhere/report.xml (--junit): "), "{}", output.stderr);
    let output = jobwire(&["attach", "--junit", "-", "scraping/1"]);
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("both write to stdout"), "{}", output.stderr);
}

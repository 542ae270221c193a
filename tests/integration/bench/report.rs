//! What a run leaves behind, and what comparing two of them says.

use std::fs;
use std::path::Path;

use jobwire::bench::report::json;
use jobwire::bench::summary::{Mode, Summary};
use tempfile::TempDir;

use super::bench;
use super::support::{RedisServer, Relay, command, jobwire};

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).display().to_string()
}

#[test]
fn a_run_writes_every_report_that_was_asked_for() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let folder = TempDir::new().unwrap();
    let names = ["r.html", "r.hgrm", "r.hlog", "r.csv", "r.md"];
    let [html, hgrm, hlog, csv, markdown] = names.map(|name| path(&folder, name));
    let (url, server) = (redis.url(), format!("ws://{}", relay.address()));
    let fixed = ["--redis", &url, "--server", &server, "--allow-client-bound", "-c", "20", "-d", "1s"];
    let files = ["--html", &html, "--hgrm", &hgrm, "--hlog", &hlog, "--csv", &csv, "--markdown", &markdown];
    let (output, summary) = bench(&[&fixed[..], &files].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(summary["mode"], "fanout");
    let beginnings =
        ["<!doctype html>", "       Value", "#[Histogram log", "at_seconds,", "### jobwire bench fanout"];
    for (name, beginning) in names.into_iter().zip(beginnings) {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.starts_with(beginning), "{name}: {text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len(), "and nothing else");
    let output = jobwire(&[&["bench"], &fixed[..]].concat());
    assert!(
        output.stdout.contains("delivery latency") && output.stdout.contains("Verdict: none"),
        "{}",
        output.stdout
    );
    assert!(
        !output.stdout.contains('\u{1b}') && !output.stderr.contains('\u{1b}'),
        "no terminal, no drawing"
    );
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_the_run() {
    let folder = TempDir::new().unwrap();
    let missing = path(&folder, "none/r.html");
    let nobody = ["bench", "--redis", "redis://127.0.0.1:1", "--server", "ws://127.0.0.1:1"];
    let output = jobwire(&[&nobody[..], &["--html", &missing]].concat());
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains(&missing) && output.stderr.contains("--html"), "{}", output.stderr);
}

#[test]
fn a_report_of_before_outlives_a_run_that_does_not_begin() {
    let folder = TempDir::new().unwrap();
    let (html, csv) = (path(&folder, "r.html"), path(&folder, "r.csv"));
    fs::write(&html, "of yesterday").unwrap();
    let nobody = ["bench", "--redis", "redis://127.0.0.1:1", "--server", "ws://127.0.0.1:1"];
    let output = jobwire(&[&nobody[..], &["--html", &html, "--csv", &csv]].concat());
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert_eq!(fs::read_to_string(&html).unwrap(), "of yesterday");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "and nothing else");
}

#[test]
fn a_report_on_stdout_stands_in_for_the_text_and_its_reader_may_leave() {
    let relay = Relay::start(&[]);
    let server = format!("ws://{}", relay.address());
    let idle = ["bench", "idle", "-c", "3", "-d", "200ms", "--server", &server, "--allow-client-bound"];
    let output = jobwire(&[&idle[..], &["--csv", "-", "--assert", "connections>5"]].concat());
    assert_eq!(output.code, 99, "{}", output.stderr);
    assert!(
        output.stdout.starts_with("at_seconds,") && !output.stdout.contains("Verdict"),
        "{}",
        output.stdout
    );
    let output = jobwire(&[&idle[..], &["--csv", "-", "--output", "json"]].concat());
    assert_eq!(output.code, 2, "{}", output.stderr);
    assert!(output.stderr.contains("--output json and --csv both write to stdout"), "{}", output.stderr);
    // What was demanded counts, whether or not anyone reads the report.
    for (flags, code) in [(&["--assert", "connections>5"][..], 99), (&["--markdown", "-"], 0), (&[], 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut process = command(&[&idle[..], flags].concat());
        assert_eq!(process.stdout(writer).status().unwrap().code(), Some(code), "{flags:?}");
    }
}

/// A run in which so many of a thousand connections failed.
fn run(path: &Path, failed: u64) -> String {
    let mut summary = Summary::empty(Mode::Connect);
    summary.connections.attempts = 1000;
    summary.connections.failed = failed;
    fs::write(path, json(&summary)).unwrap();
    path.display().to_string()
}

#[test]
fn comparing_fails_only_for_what_is_worse_beyond_noise() {
    let folder = TempDir::new().unwrap();
    let side = |name: &str, failed: [u64; 3]| {
        let runs = failed.iter().enumerate();
        let paths = runs.map(|(at, failed)| run(&folder.path().join(format!("{name}{at}.json")), *failed));
        paths.collect::<Vec<_>>().join(",")
    };
    let (before, same, worse) = (side("a", [10, 12, 11]), side("b", [11, 10, 13]), side("c", [90, 93, 95]));
    let compare =
        |after: &str, flags: &[&str]| jobwire(&[&["bench", "compare", &before, after], flags].concat());
    let output = compare(&same, &["--fail-on-regression"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    assert!(output.stdout.contains("No difference shown."), "{}", output.stdout);
    let output = compare(&worse, &[]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.contains("Worse: connections failed"), "{}", output.stdout);
    assert_eq!(compare(&worse, &["--fail-on-regression"]).code, 1);
    let output = compare(&worse, &["--output", "json", "--fail-on-regression"]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    let comparison = serde_json::from_str(&output.stdout).unwrap();
    super::schema::hold_comparison(&comparison);
    assert_eq!(comparison["regressed"], true, "{comparison}");
    assert_eq!(compare(&worse, &["--output", "quiet"]).stdout, "");
    let output = compare("none.json", &[]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("none.json"), "{}", output.stderr);
}

//! What attach prints where there is no terminal: lines for people, NDJSON for scripts.

use serde_json::json;

use super::{attach, attached, json, known, publish, untimed};
use crate::support::{PATIENCE, Process, RedisServer, Relay, until};

/// With blanks, escapes and a number that a parser would write otherwise.
const ODD: &str = r#"{"job_id": 1,  "event_type":"job_progress", "progress":1.50, "message":"\u00e9 \ud83d\ude80 é","extra":[1e2,{}]}"#;

#[test]
fn json_is_a_document_a_line_with_the_event_byte_for_byte() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let watching = attach(&relay, &["scraping/1", "--progress", "json"]);
    redis.publish("scraping_events", ODD);
    redis.publish("scraping_events", "{\n  \"job_id\": 1,\n  \"event_type\": \"job_completed\"\n}");
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert!(lines[1].ends_with(&format!(",\"event\":{ODD}}}")), "{}", lines[1]);
    let expected = [
        json!({"connection": "connected"}),
        json!({"event": serde_json::from_str::<serde_json::Value>(ODD).unwrap()}),
        json!({"event": {"job_id": 1, "event_type": "job_completed"}}),
        json!({"connection": "closed"}),
        json!({"result": {"target": "scraping/1", "outcome": "succeeded", "events": 2, "seconds": 0.0, "percent": 100.0}}),
    ];
    for (mut line, expected) in json(&output.stdout).into_iter().zip(&expected) {
        let line = line.as_object_mut().unwrap();
        assert_eq!(line.remove("target").unwrap(), "scraping/1");
        let received_at = line.remove("received_at").unwrap();
        assert!(received_at.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{received_at}");
        if let Some(seconds) = line.get_mut("result").and_then(|result| result.get_mut("seconds")) {
            assert!((0.0..20.0).contains(&seconds.as_f64().unwrap()), "{seconds}");
            *seconds = json!(0.0);
        }
        assert_eq!(line, expected.as_object().unwrap());
    }
    assert_eq!(lines.len(), expected.len());
}

#[test]
fn a_reader_that_hangs_up_ends_it_quietly() {
    let relay = Relay::start(&[]);
    let script = r#""$0" attach scraping/1 --progress json | head -1; echo "attach ${PIPESTATUS[0]}""#;
    let mut bash = std::process::Command::new("bash");
    bash.args(["-c", script]).arg(crate::support::program()).envs(relay.env());
    let piped = Process::spawn(&mut bash);
    piped.until_printed("\"connection\":\"connected\"}\n");
    // No event comes, so there is nothing to write that would tell.
    let output = piped.finish(PATIENCE);
    assert!(output.stdout.ends_with("}\nattach 0\n"), "{}", output.stdout);
    assert_eq!((output.stdout.lines().count(), output.stderr.as_str()), (2, ""));
}

#[test]
fn lines_tell_every_change_once() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["scraping/1"]);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "scraper_started", &["scraper_name=kiwi", "route=MUC-BCN"]);
    publish(&relay, "scraping/1", "job_progress", &["progress=45.5", "results_count=42", "message=Half"]);
    publish(&relay, "scraping/1", "scraper_failed", &["scraper_name=kiwi", "route=MUC-BCN", "error=503"]);
    publish(&relay, "scraping/1", "job_completed", &["results_count=87"]);
    let output = watching.finish(PATIENCE);
    let expected = [
        "scraping/1 connected",
        "scraping/1 started 0%",
        "scraping/1 kiwi MUC-BCN: running",
        "scraping/1 running 45.5% 42 results Half",
        "scraping/1 kiwi MUC-BCN: failed 503",
        "scraping/1 done 100% 87 results Half",
    ];
    assert_eq!(untimed(&output.stdout), expected);
    assert!(!output.stdout.contains('\u{1b}'), "no colour but on a terminal");
}

#[test]
fn a_late_joiner_is_told_the_run_so_far_with_its_scrapers() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "scraper_failed", &["scraper_name=tap", "error=503"]);
    publish(&relay, "scraping/1", "scraper_started", &["scraper_name=kiwi"]);
    publish(&relay, "scraping/1", "job_progress", &["progress=10"]);
    publish(&relay, "scraping/1", "job_progress", &["progress=60"]);
    known(&relay, 1, "60");
    let watching = attach(&relay, &["scraping/1"]);
    watching.until_printed(" 60%");
    publish(&relay, "scraping/1", "job_failed", &["message=captcha"]);
    let output = watching.finish(PATIENCE);
    let so_far = [
        "scraping/1 connected",
        "scraping/1 started 0%",
        "scraping/1 tap: failed 503",
        "scraping/1 kiwi: running",
        "scraping/1 running 60%",
        "scraping/1 failed 60% captcha",
    ];
    assert_eq!((output.code, untimed(&output.stdout)), (1, so_far.to_vec()));
    // Of a run that has ended, the same, and its result.
    let output = relay.jobwire(&["attach", "scraping/1"]);
    assert_eq!((output.code, untimed(&output.stdout)), (1, so_far.to_vec()));
}

#[test]
fn with_new_an_ended_run_is_passed_over() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "job_failed", &[]);
    known(&relay, 1, "failed");
    let watching = attach(&relay, &["scraping/1", "--new"]);
    watching.until_printed("failed before; waiting for a new run");
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "job_completed", &[]);
    let output = watching.finish(PATIENCE);
    let expected = [
        "scraping/1 connected",
        "scraping/1 failed before; waiting for a new run",
        "scraping/1 started 0%",
        "scraping/1 done 100%",
    ];
    assert_eq!((output.code, untimed(&output.stdout)), (0, expected.to_vec()));
}

#[test]
fn a_filter_hides_events_and_the_exit_code_goes_by_all() {
    let relay = Relay::start(&[]);
    let args = ["scraping/1", "--progress", "json", "--events", "job_progress,scraper_failed"];
    let watching = attach(&relay, &args);
    publish(&relay, "scraping/1", "job_started", &[]);
    publish(&relay, "scraping/1", "job_progress", &["progress=1"]);
    publish(&relay, "scraping/1", "job_failed", &[]);
    let output = watching.finish(PATIENCE);
    let lines = json(&output.stdout);
    let events: Vec<_> = lines.iter().filter_map(|line| line["event"]["event_type"].as_str()).collect();
    assert_eq!((output.code, events), (1, vec!["job_progress"]), "{}", output.stdout);
}

#[test]
fn many_targets_of_both_dialects_are_watched_at_once() {
    let relay = Relay::start(&[]);
    let jobs: Vec<String> =
        (1..=20).flat_map(|n| [format!("scraping/{n}"), format!("downloads/video-{n}")]).collect();
    let targets: Vec<&str> = jobs.iter().map(String::as_str).collect();
    let args = [&["attach"], &targets[..]].concat();
    let watching = attached(relay.spawn(&args), &targets);
    // Each of the five dialects gets twenty jobs.
    let scenario =
        ["--scenario", "all", "--jobs", "100", "--duration", "2s", "--fail-rate", "0", "--seed", "3"];
    assert_eq!(relay.jobwire(&[&["publish"], &scenario[..]].concat()).code, 0);
    // So much of it takes its time where others need the machine too.
    let output = watching.finish(PATIENCE * 3);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let done = |job: &&String| output.stdout.contains(&format!(" {job} done 100%"));
    assert_eq!(jobs.iter().filter(done).count(), 40);
}

/// The fields of each kind of line beside `target` and `received_at`, as `jobwire-protocol(7)` has them.
const KINDS: [(&str, &[&str]); 7] = [
    ("event", &["resource", "snapshot"]),
    ("text", &["resource"]),
    ("status", &[]),
    ("connection", &["reason", "attempt", "in_ms", "error"]),
    ("gap", &[]),
    ("warning", &[]),
    ("result", &[]),
];

#[test]
fn every_line_of_json_is_of_a_kind_that_the_manual_has_and_each_job_has_one_result() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_failed", &["message=captcha", "progress=40"]);
    publish(&relay, "scraping/2", "job_progress", &["progress=5"]);
    publish(&relay, "downloads/a", "completed", &[]);
    let targets = ["scraping/1", "scraping/2", "scraping/3", "downloads/a", "channel:leads"];
    let args = [&["attach", "--progress", "json", "--timeout", "2s"], &targets[..]].concat();
    let output = relay.jobwire(&args);
    assert_eq!(output.code, 8, "{}", output.stderr);
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/man/jobwire-protocol.7")).unwrap();
    let mut results = Vec::new();
    for line in json(&output.stdout) {
        let line = line.as_object().unwrap();
        let (kind, more) = KINDS.iter().find(|(kind, _)| line.contains_key(*kind)).expect("a known kind");
        for field in line.keys().filter(|field| !["target", "received_at", kind].contains(&field.as_str())) {
            assert!(more.contains(&field.as_str()), "{field} beside {kind}");
        }
        assert!(page.contains(&format!("\\fB{kind}\\fR")), "the manual has no {kind}");
        if let Some(result) = line.get("result") {
            let percent = result.get("percent").cloned();
            results.push((line["target"].as_str().unwrap().to_owned(), result["outcome"].clone(), percent));
        }
    }
    let expected = [
        ("scraping/1", "failed", Some(40.0)),
        ("scraping/2", "running", Some(5.0)),
        ("scraping/3", "waiting", None),
        ("downloads/a", "succeeded", Some(100.0)),
    ];
    let expected: Vec<_> = expected
        .map(|(target, outcome, percent)| (target.to_owned(), json!(outcome), percent.map(|p| json!(p))))
        .into();
    assert_eq!(results, expected, "{}", output.stdout);
}

#[test]
fn a_kind_that_is_unknown_is_shown() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let watching = attach(&relay, &["scraping/9"]);
    redis.publish("scraping_events", r#"{"job_id":9,"event_type":"job_paused","message":"lunch"}"#);
    watching.until_printed("scraping/9 unknown kind 'job_paused': lunch\n");
    redis.publish("scraping_events", r#"{"job_id":9,"type":"progress"}"#);
    watching.until_printed("scraping/9 no event of scraping: ");
}

#[test]
fn quiet_prints_nothing() {
    let relay = Relay::start(&[]);
    publish(&relay, "downloads/a", "failed", &["error=gone"]);
    let output = relay.jobwire(&["attach", "downloads/a", "--progress", "quiet"]);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (1, "", ""));
}

//! Tests of the dialect `jobs`: state, log, and targets without the name of the dialect.

use serde_json::Value;

use crate::support::{PATIENCE, Relay, wait_for};

const CHANNEL: &str = "job_updates:build-42";
const SOCKET: &str = "/ws/jobs/build-42";

fn event(kind: &str, more: &str) -> String {
    format!(r#"{{"job":"build-42","event":"{kind}"{more}}}"#)
}

fn line(number: u32) -> String {
    event("log", &format!(r#","line":"cc -c {number}.c","stream":"stdout""#))
}

#[test]
fn a_late_joiner_gets_the_newest_state_and_no_line_of_the_log() {
    let relay = Relay::start(&[]);
    let (started, progress) = (event("started", r#","total":7"#), event("progress", r#","percent":45.0"#));
    let mut early = relay.connect(SOCKET);
    for payload in [&line(0), &started, &progress, &line(1)] {
        relay.publish(CHANNEL, payload);
        early.expect(payload);
    }
    relay.connect(SOCKET).expect(&progress);
    let mut replayed = relay.connect(&format!("{SOCKET}?replay=1"));
    replayed.expect(&started);
    replayed.expect(&progress);
    relay.publish(CHANNEL, &line(2));
    replayed.expect(&line(2));
    let (status, body) = relay.get("/jobs/build-42");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"], &body["percent"]), (200, &"running".into(), &45.0.into()), "{body}");
    assert_eq!(relay.get("/jobs/build-43").0, 404);
    assert_eq!(
        relay.exchange("GET", "/jobs?dialect=jobs", &[], b"").json()["jobs"][0]["target"],
        "jobs/build-42"
    );
}

#[test]
fn whoever_comes_back_gets_the_last_fifty_lines_and_every_milestone() {
    let relay = Relay::start(&[]);
    let started = event("started", "");
    let mut socket = relay.connect(&format!("{SOCKET}?cursor=1"));
    relay.publish(CHANNEL, &started);
    // A message with a cursor alone may come first.
    let text = wait_for(PATIENCE, "the event", || {
        Some(socket.next_text(PATIENCE)).filter(|t| t.contains("started"))
    });
    let with_cursor: Value = serde_json::from_str(&text).unwrap();
    let cursor = with_cursor["cursor"].as_str().unwrap();
    for number in 0..50 {
        relay.publish(CHANNEL, &line(number));
    }
    let mut back = relay.connect(&format!("{SOCKET}?since={cursor}"));
    (0..50).for_each(|number| back.expect(&line(number)));
    relay.publish(CHANNEL, &line(50));
    back.expect(&line(50));
    let mut late = relay.connect(&format!("{SOCKET}?since={cursor}"));
    late.expect_text_containing(r#""reason":"too_old""#);
    late.expect(&started);
    let mut all = relay.connect(&format!("{SOCKET}?since=0"));
    all.expect(&started);
    (1..=50).for_each(|number| all.expect(&line(number)));
}

#[test]
fn a_target_without_a_dialect_is_published_watched_and_ended() {
    let relay = Relay::start(&[]);
    let watching = relay.spawn(&["attach", "build-42", "--progress", "plain"]);
    watching.until_printed("jobs/build-42 connected\n");
    for event in [
        &["queued"][..],
        &["started", "total=7"],
        &["progress", "percent=45", "step=3", "total=7", "message=linking", "part=tests"],
        &["log", "line=cc -c a.c", "stream=stderr"],
        &["part_failed", "part=tests", "error=2 of 9"],
        &["failed", "exit_code=2"],
    ] {
        let output = relay.jobwire(&[&["publish", "build-42"], event].concat());
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{event:?}");
    }
    let output = watching.finish(PATIENCE);
    let lines: Vec<&str> = output.stdout.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected = [
        "jobs/build-42 connected",
        "jobs/build-42 queued",
        "jobs/build-42 started",
        "jobs/build-42 running 45% step 3 of 7 linking",
        "jobs/build-42 | cc -c a.c",
        "jobs/build-42 tests: failed 2 of 9",
        "jobs/build-42 failed 45% step 3 of 7 exit code 2",
    ];
    assert_eq!((output.code, lines), (1, expected.to_vec()));
}

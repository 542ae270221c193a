//! `publish --replay`: where a recording goes, how fast, and what of it is left out.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use redis::Commands as _;
use serde_json::Value;
use tempfile::NamedTempFile;

use super::outage::{subscribed, until_text};
use super::{assert_error, into};
use crate::support::{PATIENCE, Process, RedisServer, Relay, jobwire, until};

fn line(target: &str, ms: u64, event: &str) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    format!(
        r#"{{"target":"{target}","received_at":"2026-01-01T00:00:{seconds:02}.{ms:03}Z","event":{event}}}"#
    )
}

fn recording(lines: &[String]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), lines.join("\n")).unwrap();
    file
}

/// Channels and payloads of all that a command publishes, and its output, where the command needs not succeed.
fn played(args: &[&str], stdin: Option<&str>) -> (Vec<(String, String)>, crate::support::Output) {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe("*").unwrap();
    subscription.set_read_timeout(Some(PATIENCE)).unwrap();
    let (process, mut input) = Process::spawn_fed(&mut into(&redis, args));
    if let Some(text) = stdin {
        input.write_all(text.as_bytes()).unwrap();
    }
    drop(input);
    let output = process.finish(PATIENCE);
    let _: u64 = redis.connection().publish("end", "").unwrap();
    let next = || {
        let message = subscription.get_message().unwrap();
        (message.get_channel_name().to_owned(), message.get_payload::<String>().unwrap())
    };
    (std::iter::repeat_with(next).take_while(|(channel, _)| channel != "end").collect(), output)
}

const HALF: &str = r#"{"job_id": 7, "event_type":"job_progress","progress":50.0,"x":1e400}"#;
const BULL: &str = r#"{"event":"active","jobId":"1"}"#;
const DONE: &str = r#"{"job_id":7,"event_type":"job_completed","status":"completed"}"#;

#[test]
fn a_recording_is_published_byte_for_byte_at_its_pace() {
    let lead = r#"{"type":"lead:created","lead_id":2}"#;
    let lines =
        [line("scraping/7", 0, HALF), line("channel:leads", 300, lead), line("scraping/7", 1200, DONE)];
    let file = recording(&lines);
    let path = file.path().to_str().unwrap();
    let expected: Vec<(String, String)> =
        [("scraping_events", HALF), ("fliptechpro:leads", lead), ("scraping_events", DONE)]
            .map(|(channel, payload)| (channel.to_owned(), payload.to_owned()))
            .into();
    let began = Instant::now();
    let (events, output) = played(&["--replay", path, "--speed", "2"], None);
    assert_eq!((&events, output.code), (&expected, 0), "{}", output.stderr);
    assert!(began.elapsed() >= Duration::from_millis(600));
    let said =
        output.stderr.lines().find(|line| line.starts_with("published 3 events of 2 targets in ")).unwrap();
    let seconds: f64 = said.split(' ').nth_back(1).unwrap().parse().unwrap();
    assert!(seconds >= 0.6, "{said}");
    let (events, output) = played(&["--replay", "-", "--speed", "max", "--quiet"], Some(&lines.join("\r\n")));
    assert_eq!((events, output.code, output.stderr.as_str()), (expected, 0, ""));
}

#[test]
fn a_job_gets_another_name_and_nothing_else_changes() {
    let file = recording(&[line("scraping/7", 0, HALF), line("scraping/7", 1, DONE)]);
    let (events, output) = played(&["--replay", file.path().to_str().unwrap(), "--as", "scraping/-12"], None);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let payloads: Vec<&str> = events.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!(payloads, [HALF.replace("7,", "-12,"), DONE.replace("7,", "-12,")]);
}

#[test]
fn bad_lines_are_told_by_their_numbers_and_the_rest_goes_on() {
    let lines = [
        line("scraping/7", 0, HALF),
        line("scraping/7", 10, DONE)[..40].to_owned(),
        line("scarping/7", 10, DONE),
        String::new(),
        line("scraping/8", 10, DONE),
        line("scraping/7", 10, DONE),
        line("scraping/7", 5, DONE),
        line("scraping/7", 20, HALF)[..70].to_owned(),
    ];
    let file = recording(&lines);
    let path = file.path().to_str().unwrap().to_owned();
    for (args, stdin) in [(["--replay", &path], None), (["--replay", "-"], Some(lines.join("\n")))] {
        let (events, output) = played(&args, stdin.as_deref());
        assert_eq!((events.len(), output.code), (2, 1), "{}", output.stderr);
        for said in [
            "error: line 2: it is no JSON: it ends in the middle\n",
            "error: line 3: its target is none: there is no dialect 'scarping'; did you mean 'scraping'?\n",
            "error: line 5: the event is of 7, and its target is 8\n",
            "error: line 7: its time is before that of line 6\n",
            "error: line 8: it is cut off: the recording ends in the middle of a line\n",
            "left out 5 lines that could not be played\n",
        ] {
            assert!(output.stderr.contains(said), "{said:?} is not in {}", output.stderr);
        }
    }
}

#[test]
fn what_contradicts_a_recording_is_a_usage_error() {
    let one = recording(&[line("scraping/7", 0, HALF)]);
    let two = recording(&[
        line("scraping/7", 0, HALF),
        line("scraping/8", 0, r#"{"job_id":8,"event_type":"job_started"}"#),
    ]);
    let bull = recording(&[line("bullmq/videos:1", 0, BULL)]);
    let path = |file: &NamedTempFile| file.path().to_str().unwrap().to_owned();
    let (one, two, bull) = (path(&one), path(&two), path(&bull));
    for (args, said) in [
        (
            &["--replay", &one, "--rate", "5"][..],
            &["--replay and --rate cannot be used together", "hint: --speed 2"][..],
        ),
        (&["--replay", &one, "--repeat", "2"], &["--replay and --repeat cannot be used together"]),
        (&["--replay", &one, "--scenario", "all"], &["--replay and --scenario cannot be used together"]),
        (&["--replay", &one, "--stdin"], &["--replay and --stdin cannot be used together"]),
        (
            &["--replay", &one, "scraping/7"],
            &["events come from the recording; 'scraping/7' is one too many", "--as TARGET"],
        ),
        (&["--replay", &one, "--speed", "0"], &["a speed is a positive number or max; got 0"]),
        (&["--replay", &one, "--speed", "inf"], &["a speed is a positive number or max; got inf"]),
        (&["--replay", &one, "--as", "scraping/x"], &["--as: 'x' cannot be a job of scraping"]),
        (&["--replay", &one, "--as", "room:lead:1"], &["--as names a job or a channel; got 'room:lead:1'"]),
        (&["--replay", &one, "--as", "bullmq/a:1"], &["BullMQ publishes the events of bullmq"]),
        (
            &["--replay", &two, "--as", "scraping/1"],
            &["line 2: it is of scraping/8, and --as renames one job", "hint: grep -F"],
        ),
        (&["--replay", &bull], &["line 1: BullMQ publishes the events of bullmq", "hint: grep -v"]),
        (&["--replay", "/nowhere"], &["cannot read /nowhere (--replay): "]),
        (&["--replay", "/tmp"], &["cannot read /tmp (--replay): "]),
    ] {
        assert_error(&jobwire(&[&["publish"], args].concat()), 2, said);
    }
    for args in [
        &["publish", "scraping/7", "job_started", "--as", "scraping/8"][..],
        &["publish", "scraping/7", "job_started", "--speed", "2"],
        &["demo", "--speed", "2"],
    ] {
        let output = jobwire(args);
        assert_eq!(output.code, 2, "{}", output.stderr);
    }
    let output = jobwire(&["demo", "--replay", &one, "--jobs", "3"]);
    assert_eq!(output.code, 2, "{}", output.stderr);
}

/// Plays lines from a file and through a pipe. Both publish these payloads, exit so and say each of these.
fn assert_both_ways(lines: &[String], args: &[&str], expected: &[&str], code: i32, said: &[&str]) {
    let file = recording(lines);
    let path = file.path().to_str().unwrap();
    let began = Instant::now();
    for (from, stdin) in [(path, None), ("-", Some(lines.join("\n")))] {
        let (events, output) = played(&[&["--replay", from], args].concat(), stdin.as_deref());
        let payloads: Vec<&str> = events.iter().map(|(_, payload)| payload.as_str()).collect();
        assert_eq!((&payloads[..], output.code), (expected, code), "{from}: {}", output.stderr);
        for said in said {
            assert!(output.stderr.contains(said), "{from}: {said:?} is not in {}", output.stderr);
        }
    }
    assert!(began.elapsed() < PATIENCE, "an edited time was waited for");
}

#[test]
fn one_edited_time_costs_one_line() {
    let events: Vec<String> =
        (1..=5).map(|n| format!(r#"{{"job_id":7,"event_type":"job_progress","progress":{n}}}"#)).collect();
    let lines: Vec<String> =
        events.iter().zip(0..).map(|(event, nth)| line("scraping/7", 100 * nth, event)).collect();
    let without = |left_out: usize| -> Vec<&str> {
        let kept = events.iter().enumerate().filter(|(nth, _)| *nth + 1 != left_out);
        kept.map(|(_, event)| event.as_str()).collect()
    };
    assert_both_ways(&lines, &[], &without(0), 0, &["published 5 events of 1 target in "]);
    for (edited, from, to, said) in [
        (3, "2026-", "2036-", "error: line 3: its time is after that of line 4, which comes later\n"),
        (3, "2026-", "2016-", "error: line 3: its time is before that of line 2\n"),
        (3, "00:00:00.", "00:00:40.", "error: line 3: its time is after that of line 4, which comes later\n"),
        (3, "received_at", "received", "error: line 3: it has no time in `received_at`\n"),
    ] {
        let mut lines = lines.clone();
        lines[edited - 1] = lines[edited - 1].replace(from, to);
        assert_both_ways(
            &lines,
            &[],
            &without(edited),
            1,
            &[said, "left out 1 line that could not be played\n"],
        );
    }
}

#[test]
fn events_of_another_program_are_left_out_and_the_others_are_played() {
    let lines = [line("scraping/7", 0, HALF), line("bullmq/videos:1", 0, BULL), line("scraping/7", 1, DONE)];
    assert_both_ways(
        &lines,
        &[],
        &[HALF, DONE],
        1,
        &["error: line 2: BullMQ publishes the events of bullmq"],
    );
    let hint = "hint: grep -v '\"target\":\"bullmq/'";
    assert_both_ways(&lines[1..2], &[], &[], 2, &["line 1: BullMQ publishes the events of bullmq", hint]);
}

#[test]
fn a_recording_of_another_dialect_than_as_says_once_what_to_do() {
    let lines: Vec<String> = (0..14).map(|_| line("scraping/7", 0, HALF)).collect();
    let said = [
        "error: line 10: it is of scraping/7, and --as names celery/77\n",
        "error: 4 lines more of another dialect than that of --as\n",
        "hint: --as DIALECT/JOB, as in --as scraping/77\n",
    ];
    assert_both_ways(&lines, &["--as", "celery/77"], &[], 1, &said);
}

#[test]
fn a_recording_without_an_event_is_a_failure_and_so_is_one_of_polled_states() {
    let said = "error: the recording has no event that can be played";
    assert_both_ways(&["{}".to_owned()], &[], &[], 1, &["error: line 1: ", said]);
    let polled = line("scraping/7", 0, r#"{"status":"completed"}"#).replace("\"event\":", "\"status\":");
    assert_both_ways(&[polled], &[], &[], 1, &[said, "hint: it holds only states that were polled"]);
}

#[test]
fn what_a_relay_tells_of_an_unknown_job_is_recorded_as_a_state_and_not_published() {
    let (relay, folder) = (Relay::start(&[]), tempfile::TempDir::new().unwrap());
    let path = folder.path().join("run.ndjson");
    let watching =
        relay.spawn(&["attach", "downloads/a", "--progress", "quiet", "--record", path.to_str().unwrap()]);
    until(PATIENCE, "the state of an unknown job", || {
        fs::read_to_string(&path)
            .is_ok_and(|text| text.contains(r#""snapshot":true,"event":{"type":"status""#))
    });
    let done = r#"{"jobId":"a","status":"completed","progress":100}"#;
    relay.publish("download_updates:a", done);
    assert_eq!(watching.finish(PATIENCE).code, 0);
    let (events, output) = played(&["--replay", path.to_str().unwrap()], None);
    let payloads: Vec<&str> = events.iter().map(|(_, payload)| payload.as_str()).collect();
    assert_eq!((&payloads[..], output.code), (&[done][..], 0), "{}", output.stderr);
    assert!(output.stderr.contains("1 state of an unknown job"), "{}", output.stderr);
}

#[test]
fn a_recording_in_a_file_waits_through_an_outage_and_loses_nothing() {
    let events: Vec<String> =
        (1..=50).map(|n| format!(r#"{{"job_id":7,"event_type":"job_progress","progress":{n}}}"#)).collect();
    let lines: Vec<String> =
        events.iter().zip(0..).map(|(event, nth)| line("scraping/7", 40 * nth, event)).collect();
    let (file, mut redis) = (recording(&lines), RedisServer::start());
    let before = subscribed(&redis, "scraping_events");
    let process = Process::spawn(&mut into(&redis, &["--replay", file.path().to_str().unwrap()]));
    let mut came = until_text(&before, r#""progress":2}"#);
    redis.stop();
    until(PATIENCE, "the outage to be noticed", || {
        process.stderr().contains("the recording waits until it is back")
    });
    came.extend(before.try_iter());
    redis.restart();
    let after = subscribed(&redis, "scraping_events");
    came.extend(until_text(&after, r#""progress":50}"#));
    let output = process.finish(PATIENCE);
    // An event whose answer was lost comes twice.
    came.dedup();
    assert_eq!((came, output.code), (events, 0), "{}", output.stderr);
    assert!(output.stderr.contains("published 50 events of 1 target in "), "{}", output.stderr);
}

#[test]
fn a_recording_goes_into_streams_and_over_http_too() {
    let file = recording(&[line("scraping/7", 0, HALF), line("scraping/7", 1, DONE)]);
    let path = file.path().to_str().unwrap();
    let redis = RedisServer::start();
    let output = Process::spawn(&mut into(&redis, &["--replay", path, "--durable"])).finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("added 2 events to the stream scraping_events\n"), "{}", output.stderr);
    let length: u64 = redis::cmd("XLEN").arg("scraping_events").query(&mut redis.connection()).unwrap();
    assert_eq!(length, 2);
    let relay = Relay::start(&[]);
    assert_eq!(relay.jobwire(&["publish", "--replay", path]).code, 0);
    let (status, body) = relay.get("/ws/scraping/7/status");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &Value::from("completed")));
}

#[test]
fn a_demo_shows_a_recording_and_exits_as_its_jobs_end() {
    let failed = r#"{"job_id":7,"event_type":"job_failed","message":"captcha"}"#;
    let lead = r#"{"type":"lead:created","lead_id":2,"lead_name":"Ada"}"#;
    let run = |lines: &[String]| {
        let file = recording(lines);
        jobwire(&["demo", "--progress", "plain", "--speed", "max", "--replay", file.path().to_str().unwrap()])
    };
    let output =
        run(&[line("scraping/7", 0, HALF), line("channel:leads", 1, lead), line("scraping/7", 1200, DONE)]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    for said in [
        "scraping/7 started 50%",
        "scraping/7 done 100%",
        "lead:created lead:2 ",
        "events    3 published, 3 received",
    ] {
        assert!(output.stdout.contains(said), "{said:?} is not in {}", output.stdout);
    }
    assert_eq!(run(&[line("scraping/7", 0, failed)]).code, 1);
    assert_eq!(run(&[line("scraping/7", 0, HALF)]).code, 8, "its end is not in the recording");
    let cut = [line("scraping/7", 0, HALF), line("scraping/7", 1, DONE)[..90].to_owned()];
    assert_eq!(run(&cut).code, 1, "a bad line wins");
    let output = run(&[line("scraping/7", 0, DONE), "{".to_owned()]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (1, "error: line 2: it is cut off: the recording ends in the middle of a line\n")
    );
    assert_error_of_nothing(&run(&["{}".to_owned()]));
}

fn assert_error_of_nothing(output: &crate::support::Output) {
    assert_eq!(output.code, 1);
    assert!(
        output.stderr.contains("error: the recording has no event that can be played"),
        "{}",
        output.stderr
    );
}

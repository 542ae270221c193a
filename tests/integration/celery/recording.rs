//! A run of the real Celery, recorded and played again into another relay.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::poll;
use super::worker::Celery;
use crate::support::{PATIENCE, Process, RedisServer, Relay, command, until};

/// The payloads of a recording as they are written in it, and the time from the first to the last in seconds.
fn events(recording: &str) -> (Vec<String>, f64) {
    let mut times = Vec::new();
    let mut payloads = Vec::new();
    for line in recording.lines() {
        let Some((_, payload)) = line.split_once(r#","event":"#) else { continue };
        payloads.push(payload.strip_suffix('}').unwrap().to_owned());
        let line: Value = serde_json::from_str(line).unwrap();
        times.push(line["received_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
    }
    (payloads, times[times.len() - 1].duration_since(times[0]).as_secs_f64())
}

#[test]
fn a_run_is_replayed_twice_as_fast_into_another_relay_with_the_same_events_and_the_same_end() {
    let (redis, folder) = (RedisServer::start(), TempDir::new().unwrap());
    let mut celery = Celery::start(&redis, 0, r#"{"task_track_started":true}"#);
    let relay = Relay::on(&redis, &[]);
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (file("first.ndjson"), file("second.ndjson"));
    let record = |relay: &Relay, target: &str, path: &str| {
        let recording = relay.spawn(&["attach", target, "--progress", "plain", "--record", path]);
        relay.until_connections(1);
        recording
    };
    let recording = record(&relay, "celery/t", &first);
    celery.steps("t");
    recording.until_printed("celery/t started");
    for percent in [10, 35, 80] {
        let meta = format!(
            r#"{{"state":"PROGRESS","meta":{{"current":{percent},"total":100,"status":"reading"}}}}"#
        );
        celery.step("t", &meta);
        recording.until_printed(&format!("{percent}% reading"));
        // The recording is to take its time.
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    celery.step("t", r#"{"raise":[28,"No space left on device"]}"#);
    assert_eq!(recording.finish(PATIENCE).code, 1);

    let other = RedisServer::start();
    let relay = Relay::on(&other, &[]);
    let recording = record(&relay, "celery/t", &second);
    let mut args = vec!["publish", "--replay", &first, "--speed", "2", "--redis"];
    let url = other.url();
    args.push(&url);
    let output = Process::spawn(&mut command(&args)).finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.starts_with("published 5 events of 1 target in "), "{}", output.stderr);
    let replayed = recording.finish(PATIENCE);
    assert_eq!(replayed.code, 1, "the same end");
    assert!(replayed.stdout.contains("OSError: 28, No space left on device"), "{}", replayed.stdout);
    let (original, took) = events(&fs::read_to_string(&first).unwrap());
    let (again, took_again) = events(&fs::read_to_string(&second).unwrap());
    assert_eq!(original.len(), 5, "{original:#?}");
    assert_eq!(again, original, "byte for byte");
    // A replay is never early, apart from what the first event was late.
    assert!(took > 0.9 && took_again > 0.45 * took, "{took} {took_again}");
    assert!(took_again < took, "{took} {took_again}");

    args.extend(["--as", "celery/again"]);
    assert_eq!(Process::spawn(&mut command(&args)).finish(PATIENCE).code, 0);
    until(PATIENCE, "the renamed task", || poll(&relay, "again")["status"] == "FAILURE");
    assert_eq!(poll(&relay, "again")["error"], "OSError: 28, No space left on device");
}

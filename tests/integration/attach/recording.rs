//! `attach --record`: what is in a recording, of which servers, and what becomes of it however attach ends.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use super::{attach, json, publish};
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{PATIENCE, Process, Relay, command, jobwire, until};

struct Place(TempDir, String);

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("run.ndjson").to_str().unwrap().to_owned();
        Self(folder, path)
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.1).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        json(&self.text())
    }

    /// Target and payload of each event, the payload as it is written.
    fn events(&self) -> Vec<(String, String)> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(r#","event":"#));
        lines
            .map(|line| {
                let value: Value = serde_json::from_str(line).unwrap();
                let (_, payload) = line.split_once(r#","event":"#).unwrap();
                let payload = payload
                    .split_once(r#","raw":"#)
                    .map_or(&payload[..payload.len() - 1], |(event, _)| event);
                (value["target"].as_str().unwrap().to_owned(), payload.to_owned())
            })
            .collect()
    }
}

/// What each line is, in a word.
fn words(lines: &[Value]) -> Vec<String> {
    let word = |line: &Value| {
        let names = ["connection", "gap"].iter().find_map(|name| line[name].as_str());
        let result = line["result"]["outcome"].as_str().map(|outcome| format!("result {outcome}"));
        let event = line.get("event").map(|_| "event".to_owned());
        let status = line.get("status").map(|_| "status".to_owned());
        result.or(names.map(str::to_owned)).or(event).or(status).unwrap_or_else(|| line.to_string())
    };
    lines.iter().map(word).collect()
}

#[test]
fn every_event_is_there_as_it_came_whatever_is_shown() {
    let (relay, place) = (Relay::start(&[]), Place::new());
    // A character that is escaped where it would reach a terminal.
    let first = r#"{"job_id": 1,"event_type":"job_progress" , "progress":45.50,"x":12345678901234567890123456789.50,"y":"\u0041éRLO"}"#;
    let first = first.replace("RLO", "\u{202e}");
    let odd = [
        first.as_str(),
        "{\"job_id\":1,\r\n \"event_type\":\"results_updated\",\n\t\"results_count\":7}",
        r#"{"job_id":1,"event_type":"paused"}"#,
        r#"{"job_id":1,"event_type":"job_completed","progress":100}"#,
    ];
    let watching = attach(&relay, &["scraping/1", "--record", &place.1, "--events", "job_completed"]);
    for payload in odd {
        relay.publish("scraping_events", payload);
    }
    let output = watching.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(!output.stdout.contains("45.5"), "--events holds for what is shown: {}", output.stdout);
    let lines = place.lines();
    assert_eq!(
        words(&lines),
        ["connected", "event", "event", "event", "event", "closed", "result succeeded"]
    );
    let payloads: Vec<String> = place.events().into_iter().map(|(_, payload)| payload).collect();
    let flat = odd[1].replace(['\r', '\n'], " ");
    assert_eq!(payloads, [odd[0], &flat, odd[2], odd[3]]);
    let raws: Vec<Option<&str>> = lines[1..5].iter().map(|line| line["raw"].as_str()).collect();
    assert_eq!(raws, [None, Some(odd[1]), None, None]);
    let times: Vec<&str> = lines.iter().map(|line| line["received_at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.iter().all(|time| time.len() == 27), "{times:?}");
}

#[test]
fn lists_channels_and_rooms_are_recorded_under_the_target_that_brought_the_event() {
    let (relay, place) = (Relay::start(&[]), Place::new());
    let targets = ["downloads/*", "channel:conversations", "room:campaign:1", "channel:leads"];
    let args =
        [&["attach", "--progress", "quiet", "--timeout", "60s", "--record", &place.1], &targets[..]].concat();
    let watching = relay.spawn(&args);
    until(PATIENCE, "all to be watched", || {
        Path::new(&place.1).exists() && place.text().matches("\"connected\"").count() == 4
    });
    let sent = [
        ("download_updates:a%20b", r#"{"jobId":"a b","status":"processing","progress":5}"#, "downloads/a b"),
        ("fliptechpro:conversations", r#"{"type":"ai:processing","task_id":"t"}"#, "channel:conversations"),
        ("fliptechpro:emails", r#"{"type":"email:sent","email_id":5,"campaign_id":1}"#, "room:campaign:1"),
        ("fliptechpro:leads", r#"{"type":"lead:created","lead_id":2}"#, "channel:leads"),
    ];
    for (channel, payload, _) in sent {
        relay.publish(channel, payload);
    }
    until(PATIENCE, "four events", || place.text().matches(r#","event":"#).count() == 4);
    watching.signal(Signal::TERM);
    assert_eq!(watching.finish(PATIENCE).code, 143);
    let expected: Vec<(String, String)> =
        sent.iter().map(|(_, payload, target)| ((*target).to_owned(), (*payload).to_owned())).collect();
    assert_eq!(place.events(), expected);
    assert_eq!(words(&place.lines()).last().unwrap(), "result running", "complete up to the signal");
    assert!(place.lines().iter().all(|line| !line["target"].as_str().unwrap().contains(" channel:")));
}

#[test]
fn a_server_of_somebody_else_is_recorded_without_a_part_of_its_url() {
    let place = Place::new();
    let server = Server::start(|stream, path| {
        if !path.starts_with("/ws/s3cret") && !path.starts_with("/ws/download") {
            return answer(stream, &http("404 Not Found", ""));
        }
        let is_tasks = path.starts_with("/ws/s3cret");
        let mut socket = Socket::accept(stream);
        socket.send(if is_tasks {
            &[r#"{"type":"progress","task_id":"t-1","step":1}"#, r#"{"type":"completion","task_id":"t-1"}"#]
        } else {
            &[
                r#"{"type": "status", "data": {"jobId": "a b", "status": "queued", "progress": 0}}"#,
                r#"{"type":"status","data":{"jobId":"a b","status":"completed","progress":100}}"#,
            ]
        });
        socket.until_closed();
    });
    let known = server.ws("/ws/download/a%20b?token=s3cret&key=s3cret").replace("ws://", "ws://me:s3cret@");
    let unknown = server.ws("/ws/s3cret/x?token=s3cret");
    let output = jobwire(&["attach", &known, "--record", &place.1]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let other = Place::new();
    let output = jobwire(&["attach", &unknown, "--dialect", "tasks", "--record", &other.1]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let text = place.text() + &other.text();
    for secret in ["s3cret", "me:", server.address()] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    let of = |target: &str| -> Vec<String> {
        let events = place.events().into_iter().chain(other.events());
        events.filter(|(of, _)| of == target).map(|(_, payload)| payload).collect()
    };
    assert_eq!(of("tasks/t-1").len(), 2);
    assert_eq!(
        of("downloads/a b")[0],
        r#"{"type": "status", "data": {"jobId": "a b", "status": "queued", "progress": 0}}"#
    );
    assert_eq!(place.events().len() + other.events().len(), 4);
}

#[test]
fn a_server_that_only_polls_leaves_its_states() {
    let place = Place::new();
    let server = Server::start(|stream, path| {
        let body = r#"{"job_id":1,"status":"completed","progress":100,"items_scraped":7,"message":"polled"}"#;
        answer(
            stream,
            &if path.ends_with("/status") {
                http("200 OK", body)
            } else {
                http("503 Service Unavailable", "")
            },
        );
    });
    let output = jobwire(&["attach", &server.ws("/ws/scraping/1"), "--record", &place.1]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let lines = place.lines();
    assert!(words(&lines).contains(&"status".to_owned()), "{lines:?}");
    assert!(lines.iter().all(|line| line["target"] == "scraping/1"));
}

#[test]
fn a_recording_is_complete_up_to_any_end_and_replaces_the_file() {
    let (relay, place) = (Relay::start(&[]), Place::new());
    let started = r#"{"job_id":1,"event_type":"job_started","progress":0}"#;
    for (signal, code) in [
        (Signal::INT, 130),
        (Signal::TERM, 143),
        (Signal::HUP, 129),
        (Signal::QUIT, 131),
        (Signal::KILL, 137),
    ] {
        fs::write(&place.1, "old\n".repeat(1_000)).unwrap();
        let watching = attach(&relay, &["scraping/1", "--record", &place.1]);
        relay.publish("scraping_events", started);
        watching.until_printed("started 0%");
        until(PATIENCE, "the event", || place.text().contains(started));
        watching.signal(signal);
        let ended = watching.finish(PATIENCE);
        assert!(ended.code == code || signal == Signal::KILL, "{signal:?}: {}", ended.code);
        let last = words(&place.lines()).last().cloned().unwrap();
        assert!(last == "result running" || signal == Signal::KILL, "{signal:?}: {last}");
        assert!(place.text().ends_with('\n') && place.events().iter().any(|(_, payload)| payload == started));
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1);
    }
    let output = relay.jobwire(&["attach", "scraping/1", "--timeout", "1s", "--record", &place.1]);
    assert_eq!(output.code, 8);
    assert_eq!(words(&place.lines()).last().unwrap(), "result running");
}

#[test]
fn a_recording_that_cannot_be_written_fails_clearly_and_attach_goes_on() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["scraping/1", "--record", "/dev/full"]);
    publish(&relay, "scraping/1", "job_progress", &["progress=10"]);
    watching.until_printed("10%");
    publish(&relay, "scraping/1", "job_completed", &[]);
    let output = watching.finish(PATIENCE);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stdout.contains("done 100%"), "{}", output.stdout);
    for said in [
        "warning: could not write to /dev/full (--record): ",
        "; from here on nothing is recorded",
        "error: could not write",
    ] {
        assert!(output.stderr.contains(said), "{said:?} is not in {}", output.stderr);
    }
    for (args, said) in [
        (&["--record", "/nowhere/a"][..], "cannot write to /nowhere/a (--record): "),
        (&["--record", "-"], "--record - and --progress both write to stdout"),
        (&["--record", "/tmp", "--progress", "quiet"], "cannot write to /tmp (--record): is a directory"),
        (&["--record", "-", "--junit", "-", "--progress", "quiet"], "--junit and --record both write to -"),
    ] {
        let output = jobwire(&[&["attach", "scraping/1"], args].concat());
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(said), "{said:?} is not in {}", output.stderr);
    }
}

#[test]
fn a_recording_on_stdout_is_the_lines_alone_and_ends_with_its_reader() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_failed", &["message=captcha"]);
    let output = relay.jobwire(&["attach", "scraping/1", "--progress", "quiet", "--record", "-"]);
    assert_eq!(output.code, 1);
    assert_eq!(words(&json(&output.stdout)), ["connected", "event", "closed", "result failed"]);
    let mut shell = std::process::Command::new("sh");
    let program = crate::support::program().to_str().unwrap();
    let script = format!("{program} attach scraping/2 --progress quiet --record - | head -n 1");
    let output = Process::spawn(shell.args(["-c", &script]).envs(relay.env())).finish(PATIENCE);
    assert_eq!(words(&json(&output.stdout)), ["connected"]);
}

#[test]
fn what_a_relay_tells_again_after_a_restart_is_marked_or_left_out() {
    let (relay, place) = (Relay::start(&[]), Place::new());
    let watching = attach(&relay, &["scraping/1", "--record", &place.1]);
    publish(&relay, "scraping/1", "job_progress", &["progress=10"]);
    watching.until_printed("10%");
    let relay = relay.restarted(|| {});
    until(PATIENCE, "the second connection", || place.text().matches("\"connected\"").count() == 2);
    publish(&relay, "scraping/1", "job_completed", &[]);
    assert_eq!(watching.finish(PATIENCE).code, 0);
    let words = words(&place.lines());
    for word in ["disconnected", "reconnecting", "restarted", "result succeeded"] {
        assert!(words.contains(&word.to_owned()), "{word} is not in {words:?}");
    }
    // It plays as one run.
    let output =
        Process::spawn(command(&["demo", "--replay", &place.1, "--speed", "max"]).arg("--progress=plain"))
            .finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    assert!(output.stdout.contains("scraping/1 done 100%"), "{}", output.stdout);
}

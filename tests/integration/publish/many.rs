//! Many events from one process: lines of standard input, repeats, simulated jobs.

use std::io::Write;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{into, published};
use crate::support::{PATIENCE, Process, RedisServer, Relay, until};

#[test]
fn lines_of_every_form_are_sent_and_bad_ones_reported_with_their_number() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/7");
    let mut publish = relay.command(&["publish", "scraping/7", "--stdin"]);
    let (process, mut stdin) = Process::spawn_fed(&mut publish);
    let whole = r#"{"job_id":7,"event_type":"results_updated","results_count":3}"#;
    write!(stdin, "45\n\n{{\"nope\n55.5%\r\n# halfway there\n101\n{whole}\nnope\n{{\n").unwrap();
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    let errors: Vec<&str> = output.stderr.lines().collect();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    assert!(errors[0].starts_with("error: line 3: not JSON"), "{errors:#?}");
    assert_eq!(errors[1], "error: line 6: a progress is from 0 to 100, got 101");
    let mut next = || serde_json::from_str::<Value>(&socket.next_text(PATIENCE)).unwrap();
    assert_eq!(next()["progress"], 45);
    assert_eq!(next()["progress"], 55.5);
    let message = next();
    assert_eq!((&message["progress"], &message["message"]), (&json!(55.5), &json!("halfway there")));
    let updated = next();
    assert_eq!((&updated["event_type"], &updated["results_count"]), (&json!("results_updated"), &json!(3)));
}

#[test]
fn output_of_a_program_is_progress_and_its_exit_code_the_end() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/jobs/build-1");
    let mut publish = relay.command(&["publish", "build-1", "--stdin", "--end", "exit"]);
    let (process, mut stdin) = Process::spawn_fed(&mut publish);
    // Output of ninja in a terminal.
    stdin.write_all(include_bytes!("../../../src/progress/recorded/ninja.pty")).unwrap();
    stdin.write_all(b"ninja: build stopped: 12/80 of it, 100% organic\nexit:2\n").unwrap();
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (0, "", ""));
    let mut last = Value::Null;
    loop {
        let event: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        match event["event"].as_str() {
            Some("failed") => {
                assert_eq!(event["exit_code"], 2);
                break;
            }
            Some("progress") => last = event,
            _ => {}
        }
    }
    assert_eq!(
        ["percent", "step", "total", "message"].map(|name| last[name].clone()),
        [json!(100), json!(12), json!(12), json!("Linking C static library libl.a")]
    );
}

#[test]
fn bars_that_move_the_cursor_are_followed_before_their_line_ends() {
    let relay = Relay::start(&[]);
    let recordings: [(&[u8], &[u64]); 2] = [
        (include_bytes!("../../../src/progress/recorded/7z.pty"), &[0, 40, 73, 0, 83, 0, 95]),
        (
            include_bytes!("../../../src/progress/recorded/cli-progress.pty"),
            &[0, 15, 37, 57, 77, 100, 15, 20, 55, 40, 95, 100, 50],
        ),
    ];
    for (nth, (recording, percents)) in recordings.into_iter().enumerate() {
        let job = format!("archive-{nth}");
        let mut socket = relay.connect(&format!("/ws/jobs/{job}"));
        let (process, mut stdin) = Process::spawn_fed(&mut relay.command(&["publish", &job, "--stdin"]));
        let mut next =
            || serde_json::from_str::<Value>(&socket.next_text(PATIENCE)).unwrap()["percent"].clone();
        stdin.write_all(recording).unwrap();
        for percent in percents {
            assert_eq!(next(), *percent, "{job}");
        }
        stdin.write_all(b"\r\n[3/4] checking\x08").unwrap();
        assert_eq!(next(), 75);
        drop(stdin);
        let output = process.finish(PATIENCE);
        assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (0, "", ""));
    }
}

#[test]
fn the_end_of_a_job_is_an_event_of_its_own() {
    for (end, expected) in [
        ("succeeded", json!({"event": "succeeded"})),
        ("exit:0", json!({"event": "succeeded"})),
        ("exit:1", json!({"event": "failed", "exit_code": 1})),
        ("exit:143", json!({"event": "cancelled", "exit_code": 143})),
    ] {
        let mut events = published("job_updates:*", &["build-1", "--end", end, "--quiet"]);
        let event = events[0].as_object_mut().unwrap();
        event.remove("timestamp");
        assert_eq!(event.remove("job"), Some(json!("build-1")));
        assert_eq!(Value::Object(event.clone()), expected, "{end}");
    }
}

#[test]
fn lines_that_end_a_job_are_a_run_of_their_own() {
    let relay = Relay::start(&[]);
    let run = |target: &str, end: &str| {
        let mut publish = relay.command(&["publish", target, "--quiet", "--stdin", "--end", end]);
        let (process, mut stdin) = Process::spawn_fed(&mut publish);
        stdin.write_all(b"[1/2] compiling\n").unwrap();
        drop(stdin);
        let output = process.finish(PATIENCE);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{target} {end}");
    };
    let polled = |path: &str| serde_json::from_str::<Value>(&relay.get(path).1).unwrap();
    run("build-1", "succeeded");
    let mut socket = relay.connect("/ws/jobs/build-1");
    let mut kinds = Vec::new();
    let mut read = |count| {
        for _ in 0..count {
            let event: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
            kinds.push(event["event"].as_str().unwrap().to_owned());
        }
    };
    read(1);
    run("build-1", "exit:3");
    read(3);
    assert_eq!(kinds, ["succeeded", "started", "progress", "failed"]);
    let body = polled("/jobs/build-1");
    assert_eq!(
        (&body["status"], &body["percent"], &body["exit_code"]),
        (&json!("failed"), &json!(50), &json!(3))
    );
    run("downloads/a", "succeeded");
    run("downloads/a", "failed");
    let body = polled("/api/status/a");
    assert_eq!((&body["status"], &body["progress"]), (&json!("failed"), &json!(50)));
}

#[test]
fn an_interrupt_after_an_event_that_ended_the_job_ends_it_no_other_way() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/jobs/build-1");
    let mut publish = relay.command(&["publish", "build-1", "--stdin", "--end", "exit"]);
    let (process, mut stdin) = Process::spawn_fed(&mut publish);
    writeln!(stdin, r#"{{"event":"succeeded"}}"#).unwrap();
    socket.expect_text_containing("\"succeeded\"");
    process.signal(Signal::INT);
    assert_eq!(process.finish(PATIENCE).code, 130);
    let (_, body) = relay.get("/jobs/build-1");
    assert!(body.contains(r#""status":"succeeded""#), "{body}");
}

#[test]
fn an_interrupt_cancels_the_job_that_the_input_would_have_ended() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/jobs/build-1");
    let mut publish = relay.command(&["publish", "build-1", "--stdin", "--end", "exit"]);
    let (process, mut stdin) = Process::spawn_fed(&mut publish);
    writeln!(stdin, "Copying a.bin: 45%").unwrap();
    while !socket.next_text(PATIENCE).contains("\"percent\":45") {}
    process.signal(Signal::INT);
    while !socket.next_text(PATIENCE).contains("\"cancelled\"") {}
    assert_eq!(process.finish(PATIENCE).code, 130);
}

#[test]
fn a_line_is_sent_before_the_next_one_comes() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/7");
    let mut publish = relay.command(&["publish", "scraping/7", "--stdin"]);
    let (mut process, mut stdin) = Process::spawn_fed(&mut publish);
    for progress in [1, 2, 3] {
        writeln!(stdin, "{progress}").unwrap();
        let text = socket.next_text(PATIENCE);
        assert!(text.contains(&format!("\"progress\":{progress},")), "{text}");
    }
    assert!(!process.has_ended());
    drop(stdin);
    assert_eq!(process.finish(PATIENCE).code, 0);
}

#[test]
fn whole_events_name_their_own_jobs_where_the_target_does_not() {
    let relay = Relay::start(&[]);
    let mut sockets = [1, 2].map(|job| relay.connect(&format!("/ws/scraping/{job}")));
    let mut publish = relay.command(&["publish", "scraping", "--stdin"]);
    let (process, mut stdin) = Process::spawn_fed(&mut publish);
    for job in [2, 1] {
        writeln!(stdin, r#"{{"job_id":{job},"event_type":"job_completed"}}"#).unwrap();
    }
    drop(stdin);
    assert_eq!(process.finish(PATIENCE).code, 0);
    for (socket, job) in sockets.iter_mut().zip([1, 2]) {
        let event: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        assert_eq!(event["job_id"], job);
    }
}

#[test]
fn an_event_is_repeated_at_its_rate() {
    let start = std::time::Instant::now();
    let args = ["scraping/1", "job_progress", "progress=1", "--repeat", "21", "--rate", "50"];
    assert_eq!(published("scraping_events", &args).len(), 21);
    // Twenty gaps of 20 ms; a machine that is busy may take longer.
    assert!(start.elapsed().as_millis() >= 400, "{:?}", start.elapsed());
}

#[test]
fn the_same_seed_publishes_the_same_events_but_for_the_time() {
    let run = |seed| {
        let args = [
            "--scenario",
            "scraping",
            "--jobs",
            "4",
            "--duration",
            "1s",
            "--fail-rate",
            "0.5",
            "--seed",
            seed,
        ];
        let mut events = published("scraping_events", &args);
        for event in &mut events {
            assert!(event.as_object_mut().unwrap().remove("timestamp").is_some());
        }
        events
    };
    let first = run("7");
    assert!(first.len() > 20, "{}", first.len());
    assert_eq!(first, run("7"));
    assert_ne!(first, run("8"));
}

#[test]
fn a_scenario_says_what_it_published_and_which_seed_repeats_it() {
    let redis = RedisServer::start();
    let args = ["--scenario", "all", "--jobs", "2", "--duration", "10s", "--speed", "100", "--seed", "7"];
    let output = Process::spawn(&mut into(&redis, &args)).finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str()), (0, ""));
    let last = output.stderr.lines().last().unwrap();
    assert!(last.starts_with("published ") && last.ends_with(" s (seed 7)"), "{last}");
    assert!(last.contains(" events of 2 jobs in "), "{last}");
}

#[test]
fn signals_are_130_and_143_and_what_was_published_is_said() {
    let redis = RedisServer::start();
    let args = ["--scenario", "all", "--jobs", "100", "--duration", "2m", "--seed", "7"];
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let process = Process::spawn(&mut into(&redis, &args));
        until(PATIENCE, "the first event", || process.stderr().contains("warning: nobody is subscribed"));
        process.signal(signal);
        let output = process.finish(PATIENCE);
        assert_eq!(output.code, code);
        assert!(output.stderr.lines().last().unwrap().starts_with("published "), "{}", output.stderr);
    }
    // While a line is waited for, too.
    let (process, _stdin) = Process::spawn_fed(&mut into(&redis, &["scraping/7", "--stdin"]));
    let clients = || redis::cmd("CLIENT").arg("LIST").query::<String>(&mut redis.connection()).unwrap();
    until(PATIENCE, "it to log in", || clients().lines().count() == 2);
    process.signal(Signal::INT);
    assert_eq!(process.finish(PATIENCE).code, 130);
}

#[test]
fn a_bare_percent_is_progress_and_a_display_s_carriage_returns_separate_lines() {
    for percent in ["45", "45%"] {
        let event = &published("scraping_events", &["scraping/7", percent, "message=half"])[0];
        assert_eq!((&event["event_type"], &event["progress"]), (&json!("job_progress"), &json!(45)));
        assert_eq!(event["message"], "half");
    }
    let event = &published("download_updates:*", &["downloads/a", "12.5%"])[0];
    assert_eq!(event, &json!({"jobId": "a", "status": "processing", "progress": 12.5}));
    for (target, code) in [("tasks/a", 2), ("channels", 2)] {
        let output = crate::support::jobwire(&["publish", target, "45"]);
        assert_eq!(output.code, code, "{}", output.stderr);
        assert!(output.stderr.contains("no event that a percent alone stands for"), "{}", output.stderr);
    }
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/7");
    let (process, mut stdin) = Process::spawn_fed(&mut relay.command(&["publish", "scraping/7", "--stdin"]));
    write!(stdin, "\r10%\r20%").unwrap();
    // Each at its end, not only at the next line feed.
    assert!(socket.next_text(PATIENCE).contains("\"progress\":10,"));
    drop(stdin);
    assert!(socket.next_text(PATIENCE).contains("\"progress\":20,"));
    assert_eq!(process.finish(PATIENCE).code, 0);
}

#[test]
fn a_lone_surrogate_is_published_as_it_was_written() {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let mut subscription = connection.as_pubsub();
    subscription.subscribe("scraping_events").unwrap();
    subscription.set_read_timeout(Some(PATIENCE)).unwrap();
    let args = ["scraping/7", "job_failed", r#"message:="cannot read caf\udce9.txt""#];
    assert_eq!(Process::spawn(&mut into(&redis, &args)).finish(PATIENCE).code, 0);
    let payload: String = subscription.get_message().unwrap().get_payload().unwrap();
    assert!(payload.contains(r#""message":"cannot read caf\udce9.txt""#), "{payload}");
    let (process, mut stdin) = Process::spawn_fed(&mut into(&redis, &["scraping/7", "--stdin"]));
    let whole = r#"{"job_id":7, "event_type":"job_failed","message":"caf\uDCE9"}"#;
    writeln!(stdin, "{whole}").unwrap();
    drop(stdin);
    assert_eq!(process.finish(PATIENCE).code, 0);
    let payload: String = subscription.get_message().unwrap().get_payload().unwrap();
    assert_eq!(payload, whole);
}

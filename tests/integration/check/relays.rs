//! Checks of jobwire relays: without faults, on Redis, without a key, with tokens, behind TLS, and not ready.

use std::time::Duration;

use rustix::process::Signal;

use super::{named, report, step};
use crate::support::{
    Certificate, Kind, PATIENCE, Process, Pty, RedisServer, Relay, SECRET, command, free_port, jobwire,
    junit, tls_before, token, until,
};

/// Dialects without access rules, and the steps of each dialect.
const DIALECTS: [&str; 3] = ["downloads", "scraping", "jobs"];
const STEPS: [&str; 6] = ["publish", "websocket", "sse", "watch", "polling", "resume"];

/// A dialect with a channel for each job.
const BUILDS: &str = r#"
name = "builds"
route = "/ws/builds/{job}"
channel = "builds:{job}"

[job]
type = "string"

[pointers]
kind = "/event"

[kinds]
build_progress = { conflatable = true }
build_done = { ends = "succeeded" }

[publish]
fields = [{ name = "event", fill = "event" }]

[publish.events.build_progress]
[publish.events.build_done]
"#;

#[test]
fn a_relay_that_is_well_passes_with_every_dialect_and_transport() {
    let relay = Relay::start(&[]);
    let output = relay.jobwire(&["check", "--output", "json"]);
    let found = report(&output);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{found:#}");
    for name in ["tcp", "health", "ready", "version", "clock"] {
        assert_eq!(step(&found, name)["result"], "passed", "{found:#}");
    }
    for dialect in DIALECTS {
        for name in STEPS {
            assert_eq!(step(&found, &format!("{dialect}/{name}"))["result"], "passed", "{found:#}");
        }
    }
    for name in ["publish", "websocket", "sse", "watch", "resume"] {
        assert_eq!(step(&found, &format!("channels/{name}"))["result"], "passed", "{found:#}");
    }
    assert_eq!(named(&found, "failed"), [""; 0]);
    for (name, why) in [
        ("tls", "the URL asks for none"),
        ("celery/publish", "Celery alone publishes"),
        ("tasks/websocket", "no secret configured"),
        ("channels/polling", "no polling"),
    ] {
        let step = step(&found, name);
        assert_eq!(step["result"], "skipped", "{step}");
        assert!(step["message"].as_str().unwrap().contains(why), "{step}");
    }
}

#[test]
fn jobs_of_a_check_say_so_and_have_ended() {
    let relay = Relay::start(&[]);
    assert_eq!(relay.jobwire(&["check"]).code, 0);
    let jobs = relay.exchange("GET", "/jobs", &[], b"").json();
    let jobs = jobs["jobs"].as_array().unwrap();
    assert!(jobs.len() >= 2, "{jobs:?}");
    for job in jobs {
        let target = job["target"].as_str().unwrap();
        let (dialect, id) = target.split_once('/').unwrap();
        assert!(
            id.starts_with("jobwire-check-") || (dialect == "scraping" && id.starts_with("24325")),
            "{job}"
        );
        assert_eq!(job["state"], "succeeded", "{job}");
    }
}

#[test]
fn lines_name_each_step_and_are_ascii_off_a_terminal() {
    let relay = Relay::start(&[]);
    let output = relay.jobwire(&["check", "--dialect", "scraping", "--only", "tcp,websocket,sse"]);
    assert_eq!(output.code, 0, "{}", output.stdout);
    let starts =
        ["ok    tcp ", "ok    scraping/websocket ", "ok    scraping/sse ", "3 passed, 0 failed, 0 skipped"];
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), starts.len(), "{}", output.stdout);
    assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{}", output.stdout);
    assert!(output.stdout.is_ascii());
}

#[test]
fn a_terminal_with_utf_8_gets_signs() {
    let relay = Relay::start(&[]);
    let env = [&relay.env()[..], &[("LANG", "C.UTF-8".to_owned())]].concat();
    let mut pty = Pty::jobwire(30, 120, &["check", "--only", "tcp"], &env);
    let screen = pty.until_shown("1 passed");
    assert!(screen.contents().contains("\u{2713}  tcp"), "{}", screen.contents());
    assert_eq!(pty.finish(PATIENCE), 0);
}

#[test]
fn on_redis_events_go_into_it_and_its_role_is_told() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let output = relay.jobwire(&["check", "--redis", &redis.url(), "--output", "json"]);
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    let text = step(&found, "redis")["message"].as_str().unwrap().to_owned();
    assert!(text.contains("master"), "{text}");
    for name in STEPS {
        assert_eq!(step(&found, &format!("scraping/{name}"))["result"], "passed", "{found:#}");
    }
    // Without a Redis of the user's, the check reports the relay's Redis.
    let output = relay.jobwire(&["check", "--only", "redis", "--output", "json"]);
    let text = step(&report(&output), "redis")["message"].as_str().unwrap().to_owned();
    assert!(text.contains("master, as the relay says"), "{text}");
}

#[test]
fn events_into_another_redis_reach_nobody_and_it_is_named() {
    let (redis, other) = (RedisServer::start(), RedisServer::start());
    let relay = Relay::on(&redis, &[]);
    let args = ["check", "--redis", &other.url(), "--dialect", "scraping", "--output", "json"];
    let output = relay.jobwire(&args);
    let found = report(&output);
    assert_eq!(output.code, 1, "{found:#}");
    let publish = step(&found, "scraping/publish");
    assert!(
        publish["message"].as_str().unwrap().contains("nobody is subscribed to 'scraping_events'"),
        "{publish}"
    );
    let hint = publish["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("the relay reads from 127.0.0.1:{}", redis.port())), "{hint}");
    assert_eq!(step(&found, "scraping/websocket")["message"], "it opens; publish failed");
}

#[test]
fn streams_take_durable_events() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--streams", "scraping"]);
    let args = ["check", "--redis", &redis.url(), "--durable", "--dialect", "scraping"];
    let output = relay.jobwire(&args);
    assert_eq!(output.code, 0, "{}", output.stdout);
    assert!(output.stdout.contains("to the stream 'scraping_events'"), "{}", output.stdout);
}

#[test]
fn a_redis_that_is_away_is_3_and_a_relay_whose_redis_is_away_too() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.stop();
    until(PATIENCE, "the relay to notice", || relay.get("/ready").0 == 503);
    let output = relay.jobwire(&["check", "--dialect", "scraping", "--output", "json"]);
    let found = report(&output);
    assert_eq!(output.code, 3, "{found:#}");
    assert!(step(&found, "ready")["message"].as_str().unwrap().starts_with("not ready: "), "{found:#}");
    assert_eq!(
        named(&found, "failed"),
        ["health", "ready", "redis"],
        "one cause is not told of each dialect"
    );
    for name in STEPS {
        assert_eq!(step(&found, &format!("scraping/{name}"))["message"], "the relay is not ready");
    }
    // A step that needs readiness also reports why the relay is not ready.
    let output = relay.jobwire(&["check", "--only", "websocket", "--output", "json"]);
    assert!(named(&report(&output), "failed").contains(&"ready".to_owned()), "{}", output.stdout);
    let output = relay.jobwire(&["check", "--redis", &redis.url(), "--only", "redis"]);
    assert_eq!(output.code, 3, "{}", output.stdout);
    assert!(output.stdout.contains("FAIL  redis ") && output.stdout.contains("-> is Redis running there?"));
}

#[test]
fn without_a_key_nothing_is_sent_and_with_a_wrong_one_the_refusal_is_4() {
    let relay = Relay::start(&["--publish-key", "sesame"]);
    let server = format!("ws://{}", relay.address());
    let check = |more: &[&str]| {
        let args =
            [&["check", "--server", &server, "--dialect", "scraping", "--output", "json"], more].concat();
        Process::spawn(&mut command(&args)).finish(PATIENCE)
    };
    let output = check(&[]);
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    assert!(
        step(&found, "scraping/publish")["message"].as_str().unwrap().contains("no publish key"),
        "{found:#}"
    );
    assert!(step(&found, "scraping/websocket")["message"].as_str().unwrap().starts_with("it opens; "));
    let output = check(&["--publish-key", "wrong"]);
    let found = report(&output);
    assert_eq!(output.code, 4, "{found:#}");
    assert!(
        step(&found, "scraping/publish")["hint"].as_str().unwrap().contains("--publish-key"),
        "{found:#}"
    );
    assert_eq!(check(&["--publish-key", "sesame"]).code, 0);
}

#[test]
fn a_task_is_watched_as_its_owner_and_without_a_token_it_is_said() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    let args = ["check", "--dialect", "tasks", "--output", "json"];
    let output = relay.jobwire(&[&args[..], &["--token", &token("ada")]].concat());
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    for name in STEPS {
        assert_eq!(step(&found, &format!("tasks/{name}"))["result"], "passed", "{found:#}");
    }
    let output = relay.jobwire(&args);
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    assert!(
        step(&found, "tasks/websocket")["message"].as_str().unwrap().contains("wants a token"),
        "{found:#}"
    );
    let output = relay.jobwire(&[&args[..], &["--token", "a.b.c"]].concat());
    let found = report(&output);
    assert_eq!(output.code, 4, "{found:#}");
    assert!(step(&found, "tasks/websocket")["hint"].as_str().unwrap().contains("is no JWT"), "{found:#}");
    assert_eq!(named(&found, "failed"), ["tasks/websocket"], "one cause is told once, and no job is made");
}

#[test]
fn a_dialect_file_whose_events_do_not_name_their_job_passes_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("builds.toml");
    std::fs::write(&file, BUILDS).unwrap();
    let file = file.to_str().unwrap();
    let relay = Relay::start(&["--dialect-file", file]);
    let args = ["check", "--dialect-file", file, "--dialect", "builds", "--output", "json"];
    let output = relay.jobwire(&args);
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    for name in ["publish", "websocket", "sse", "watch", "resume"] {
        assert_eq!(step(&found, &format!("builds/{name}"))["result"], "passed", "{found:#}");
    }
    // A relay without the dialect refuses it on /watch as well.
    let relay = Relay::start(&[]);
    let output = relay.jobwire(&[&args[..], &["--only", "watch"]].concat());
    let found = report(&output);
    assert_eq!(
        (output.code, named(&found, "failed")),
        (3, vec!["builds/publish".to_owned(), "builds/watch".to_owned()]),
        "{found:#}"
    );
}

#[test]
fn jobs_that_their_owners_alone_may_see_are_not_held_against_a_relay() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--auth", "downloads=owner"]);
    let args = ["check", "--dialect", "downloads", "--step-timeout", "1s", "--output", "json"];
    let output = relay.jobwire(&[&args[..], &["--token", &token("ada")]].concat());
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    assert_eq!(step(&found, "downloads/publish")["result"], "passed");
    for name in ["websocket", "sse", "watch", "polling"] {
        let step = step(&found, &format!("downloads/{name}"));
        assert_eq!(
            step["message"], "it shows jobs to their owners alone, and its events name none",
            "{step}"
        );
    }
    // The wrong key is the only fault.
    let wrong = ["--publish-key", "wrong", "--token", &token("ada")];
    let output = relay.jobwire(&[&args[..], &wrong].concat());
    let found = report(&output);
    assert_eq!(
        (output.code, named(&found, "failed")),
        (4, vec!["downloads/publish".to_owned()]),
        "{found:#}"
    );
}

#[test]
fn a_channel_that_somebody_watches_gets_no_event_unless_its_dialect_is_named() {
    let relay = Relay::start(&[]);
    let watcher = Process::spawn(&mut relay.command(&["attach", "channel:ai", "--progress", "plain"]));
    until(PATIENCE, "the watcher", || watcher.stdout().contains("connected"));
    let output = relay.jobwire(&["check", "--output", "json"]);
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    let publish = step(&found, "channels/publish");
    assert!(publish["message"].as_str().unwrap().starts_with("'ai' has 1 watcher, who would"), "{publish}");
    assert!(!watcher.stdout().contains("jobwire-check"), "{}", watcher.stdout());
    let output = relay.jobwire(&["check", "--dialect", "channels", "--output", "json"]);
    assert_eq!(step(&report(&output), "channels/publish")["result"], "passed", "{}", output.stdout);
}

#[test]
fn tls_is_a_step_of_its_own() {
    let relay = Relay::start(&[]);
    let certificate = Certificate::new(Kind::SelfSigned);
    let port = tls_before(relay.address(), &certificate);
    let server = format!("wss://localhost:{port}");
    let check = |more: &[&str]| {
        let mut command = relay.command(&["check", "--server", &server, "--only", "tcp,tls,health"]);
        Process::spawn(command.args(more)).finish(PATIENCE)
    };
    let output = check(&[]);
    assert_eq!(output.code, 3, "{}", output.stdout);
    assert!(
        output.stdout.contains("ok    tcp ") && output.stdout.contains("FAIL  tls "),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("-> --ca FILE trusts a copy") && output.stdout.contains("skip  health"));
    let output = check(&["--ca", certificate.cert().to_str().unwrap()]);
    assert_eq!(output.code, 0, "{}", output.stdout);
    assert!(output.stdout.contains("TLS 1.3, and the certificate is trusted"), "{}", output.stdout);
    let output = check(&["--insecure"]);
    assert_eq!(output.code, 0, "{}", output.stdout);
    assert!(output.stdout.contains("the certificate was not checked (--insecure)"), "{}", output.stdout);
}

#[test]
fn it_waits_for_a_relay_that_is_about_to_start() {
    let address = format!("127.0.0.1:{}", free_port());
    let server = format!("ws://{address}");
    let args = ["check", "--server", &server, "--wait", "20s", "--only", "ready"];
    let checking = Process::spawn(&mut command(&args));
    until(PATIENCE, "the first look", || checking.stderr().contains("waiting for 127.0.0.1:"));
    let _relay = Relay::listening_on(&address, &[]);
    let output = checking.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.starts_with("ok    ready "), "{}", output.stdout);
}

#[test]
fn a_wait_has_an_end_and_a_signal_ends_it_sooner() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let output = jobwire(&["check", "--server", &server, "--wait", "200ms"]);
    assert_eq!(output.code, 3, "{}", output.stdout);
    assert!(
        output.stdout.contains("FAIL  tcp ")
            && output.stdout.contains("-> start a relay with `jobwire serve`")
    );
    let args = ["check", "--server", &server, "--wait", "1h", "--output", "junit"];
    let checking = Process::spawn(&mut command(&args));
    until(PATIENCE, "the first look", || checking.stderr().contains("waiting for "));
    checking.signal(Signal::TERM);
    let output = checking.finish(PATIENCE);
    assert_eq!(output.code, 143, "{}", output.stdout);
    let cases = junit(&output.stdout);
    assert_eq!(
        crate::support::junit_case(&cases, "check").wrong.as_deref(),
        Some("error"),
        "{}",
        output.stdout
    );
}

#[test]
fn ci_servers_get_junit() {
    let relay = Relay::start(&[]);
    let output = relay.jobwire(&["check", "--output", "junit"]);
    assert_eq!(output.code, 0, "{}", output.stdout);
    let cases = junit(&output.stdout);
    let case = crate::support::junit_case(&cases, "scraping/websocket");
    assert_eq!((case.group.as_str(), &case.wrong), ("jobwire.check.scraping", &None));
    assert_eq!(crate::support::junit_case(&cases, "tls").wrong.as_deref(), Some("skipped"));
}

#[test]
fn a_slip_is_2_and_names_the_nearest() {
    for (args, expected) in [
        (&["check", "--only", "websockt"][..], "did you mean 'websocket'?"),
        (&["check", "--dialect", "scrapin"], "did you mean 'scraping'?"),
        (&["check", "--durable"], "nothing names a Redis"),
        (&["check", "--step-timeout", "0"], "a step needs some time"),
    ] {
        let output = jobwire(args);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
    }
}

#[test]
fn a_token_file_that_cannot_be_read_is_2_before_anything_is_tried() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let check = ["check", "--server", &server, "--token-file", "/nowhere/token"];
    for more in [&[][..], &["--only", "tcp"], &["--wait", "1h"]] {
        let output = jobwire(&[&check[..], more].concat());
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{}", output.stderr);
        assert!(
            output.stderr.contains("could not read the token file /nowhere/token: "),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn every_step_has_its_time_also_where_redis_does_not_answer() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.pause();
    let began = std::time::Instant::now();
    let args = [
        "check",
        "--redis",
        &redis.url(),
        "--step-timeout",
        "1s",
        "--dialect",
        "scraping",
        "--only",
        "redis",
    ];
    let output = relay.jobwire(&args);
    redis.resume();
    assert_eq!(output.code, 3, "{}", output.stdout);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

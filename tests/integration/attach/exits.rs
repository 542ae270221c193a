//! The exit code is the jobs' result, or what came between.

use std::process::Command;

use rustix::process::Signal;

use super::{attach, attached, publish};
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{Output, PATIENCE, Process, Relay, command, free_port, jobwire, until};

#[track_caller]
fn assert_error(output: &Output, code: i32, expected: &[&str]) {
    assert_eq!(output.code, code, "{}", output.stderr);
    assert!(output.stderr.lines().any(|line| line.starts_with("error: ")), "{}", output.stderr);
    for text in expected {
        assert!(output.stderr.contains(text), "{text:?} is not in {}", output.stderr);
    }
}

#[test]
fn jobs_that_all_succeed_are_0_and_one_that_fails_is_1() {
    for (ending, code) in [("completed", 0), ("failed", 1)] {
        let relay = Relay::start(&[]);
        let watching = attach(&relay, &["scraping/1", "downloads/a"]);
        publish(&relay, "scraping/1", "job_completed", &[]);
        publish(&relay, "downloads/a", ending, &[]);
        let output = watching.finish(PATIENCE);
        assert_eq!((output.code, output.stderr.as_str()), (code, ""), "{}", output.stdout);
    }
}

#[test]
fn the_first_failure_ends_it_at_once_with_fail_fast() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["scraping/1", "scraping/2", "--fail-fast"]);
    publish(&relay, "scraping/2", "job_failed", &["message=captcha"]);
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    assert!(output.stdout.contains(" scraping/2 failed captcha\n"), "{}", output.stdout);
}

#[test]
fn a_job_that_runs_on_when_the_time_is_up_is_8_and_named() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_completed", &[]);
    publish(&relay, "scraping/2", "job_progress", &["progress=5"]);
    let targets = ["scraping/1", "scraping/2", "downloads/never"];
    let output =
        relay.jobwire(&[&["attach", "--timeout", "1s", "--progress", "quiet"], &targets[..]].concat());
    assert_error(&output, 8, &["the time was up after 1 s; not ended: scraping/2, downloads/never\n"]);
}

#[test]
fn signals_are_128_and_their_number() {
    let relay = Relay::start(&[]);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let watching = attach(&relay, &["scraping/1"]);
        watching.signal(signal);
        let output = watching.finish(PATIENCE);
        assert_eq!((output.code, output.stderr.as_str()), (code, ""));
    }
}

#[test]
fn a_hangup_that_is_ignored_from_the_beginning_stays_ignored() {
    let relay = Relay::start(&[]);
    let args = ["attach", "scraping/1"];
    let attach = relay.command(&args);
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap '' HUP; exec "$0" "$@""#]).arg(attach.get_program()).args(attach.get_args());
    shell.envs(attach.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let watching = attached(Process::spawn(&mut shell), &args);
    watching.signal(Signal::HUP);
    publish(&relay, "scraping/1", "job_completed", &[]);
    assert_eq!(watching.finish(PATIENCE).code, 0);
}

#[test]
fn a_full_disk_is_1_and_says_so() {
    let relay = Relay::start(&[]);
    publish(&relay, "scraping/1", "job_completed", &[]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = relay.command(&["attach", "scraping/1"]);
    let output = child.stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: could not write to stdout: No space left on device"), "{said}");
}

#[test]
fn bad_usage_is_2() {
    let url = "ws://127.0.0.1:1/elsewhere";
    for (args, expected) in [
        (&[][..], "<TARGET>"),
        (&["scraping/abc"], "abc"),
        (&["scraping/1", "--events", "job_progres"], "did you mean 'job_progress'?"),
        (&["scraping/1", "--progress", "bars"], "bars need a terminal on stderr"),
        (&["scraping/1", "--server", "redis://h"], "--server"),
        (&["scraping/1", "--timeout", "soon"], "--timeout"),
        (&[url], "--dialect"),
        (&[url, "--dialect", "scrapin"], "did you mean 'scraping'?"),
    ] {
        let output = jobwire(&[&["attach"], args].concat());
        assert_error(&output, 2, &[expected]);
    }
}

#[test]
fn a_server_that_says_no_such_job_can_exist_is_2() {
    let relay = Relay::start(&[]);
    let output = jobwire(&["attach", &relay.ws("/ws/scraping/abc"), "--progress", "quiet"]);
    assert_error(&output, 2, &["closed the connection with 4004"]);
}

#[test]
fn a_port_where_nobody_listens_is_3_after_the_retries() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let output = jobwire(&["attach", "scraping/1", "--server", &server, "--retries", "1"]);
    let said = format!("scraping/1: nothing listens at {} (after 2 attempts)\n", &server[5..]);
    assert_error(&output, 3, &[&said, "\nhint: start a relay with `jobwire serve`"]);
}

#[test]
fn what_to_do_about_a_relay_that_is_not_there_is_said_at_once_and_again_at_ctrl_c() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let args = ["attach", "scraping/1", "downloads/a", "--retries", "1000", "--server", &server];
    let watching = Process::spawn(&mut command(&args));
    let hint = "hint: start a relay with `jobwire serve`";
    until(PATIENCE, "the hint", || watching.stderr().contains(hint));
    watching.until_printed("downloads/a reconnecting");
    watching.until_printed("attempt 3");
    assert_eq!(watching.stderr().matches(hint).count(), 1, "{}", watching.stderr());
    watching.signal(Signal::INT);
    let output = watching.finish(PATIENCE);
    assert_error(
        &output,
        130,
        &[&format!("\nerror: scraping/1: nothing listens at {}\n{hint}", &server[5..])],
    );
}

#[test]
fn a_room_that_no_event_is_in_is_warned_of_and_watched() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["room:campain:1"]);
    let warning = "warning: no event of channels has a campain_id, so room:campain:1 may stay silent; did you mean \
                   'room:campaign:1'?\n";
    until(PATIENCE, "the warning", || watching.stderr() == warning);
    watching.until_printed("room:campain:1 connected");
}

#[test]
fn a_server_that_is_no_relay_is_3_and_named() {
    for (text, expected) in [
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "does not speak HTTP"),
        (http("200 OK", "hello"), "answered 200; it is plain HTTP, no WebSocket"),
        (http("404 Not Found", ""), "answered 404; it has no such route"),
        (String::new(), "does not speak HTTP"),
    ] {
        let server = Server::start(move |stream, _| answer(stream, &text));
        let http = format!("http://{}", server.address());
        let output = jobwire(&["attach", "scraping/1", "--server", &http, "--retries", "1"]);
        assert_error(&output, 3, &[expected, server.address(), "(after 2 attempts)"]);
    }
}

#[test]
fn a_relay_that_is_gone_for_good_is_3() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["scraping/1", "--retries", "1"]);
    let address = relay.address().to_owned();
    relay.kill();
    let output = watching.finish(PATIENCE);
    assert_error(&output, 3, &[&format!("nothing listens at {address} (after 2 attempts)")]);
}

#[test]
fn a_refusal_is_4_without_another_try() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let body = r#"{"error":"no","message":"not your job"}"#;
        let server = Server::start(move |stream, _| answer(stream, &http(status, body)));
        let output = jobwire(&["attach", &server.ws("/ws/scraping/1"), "--progress", "quiet"]);
        assert_error(&output, 4, &[&format!("answered {}: not your job\n", &status[..3])]);
    }
    for (code, reason) in [(4001, "token missing, invalid or expired"), (4003, "not the owner")] {
        let server = Server::start(move |stream, _| Socket::accept(stream).close(code, reason));
        let output = jobwire(&["attach", &server.ws("/ws/scraping/1"), "--progress", "quiet"]);
        assert_error(&output, 4, &[&format!("refused with {code} {reason}\n")]);
    }
}

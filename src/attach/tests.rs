//! Real sockets against a server that does what each test tells it.

use std::io::{self, Write};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::watch::watch;
use super::*;
use crate::dialect::{Dialects, Target};
use support::{Page, Server, answer, close, outputs, play, play_onto, send, timing, until_closed};

mod channels;
mod support;
mod tokens;

const DEADLINE: Duration = Duration::from_secs(20);

const STARTED: &str = r#"{"job_id":1,"event_type":"job_started","progress":0}"#;
const HALF: &str = r#"{"job_id":1,"event_type":"job_progress","progress":50.0}"#;
const DONE: &str = r#"{"job_id":1,"event_type":"job_completed","progress":100}"#;
const FAILED: &str = r#"{"job_id":2,"event_type":"job_failed","message":"captcha"}"#;

#[tokio::test]
async fn every_job_s_ending_makes_the_exit_code() {
    let server = Server::new().await;
    let script = async {
        for _ in 0..2 {
            let (mut socket, path) = server.socket_with("").await;
            let texts: &[&str] = if path == "/ws/scraping/1?replay=1" { &[STARTED, DONE] } else { &[FAILED] };
            send(&mut socket, texts).await;
            until_closed(socket).await;
        }
    };
    let (report, page) = play(server.options(&["scraping/1", "scraping/2"]), script).await;
    assert_eq!((report.exit, report.events), (Exit::Failure, 3));
    assert_eq!((report.tally.succeeded, report.tally.failed), (1, 1));
    assert!(report.problem.is_none());
    assert!(page.text().contains(&format!("\"event\":{STARTED}}}\n")), "{}", page.text());
    let first = page.lines().into_iter().find(|line| line["target"] == "scraping/1").unwrap();
    assert_eq!(first["connection"], "connected");
    let received_at = first["received_at"].as_str().unwrap();
    assert!(received_at.len() == "2026-01-01T00:00:00.000000Z".len() && received_at.ends_with('Z'));
}

#[tokio::test]
async fn a_lost_connection_is_polled_over_and_resumed_without_a_repeat() {
    let server = Server::new().await;
    let body = r#"{"job_id":1,"status":"running","progress":60,"items_scraped":1,"message":null}"#;
    let status = format!("200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let script = async {
        let (mut socket, path) = server.socket_with("").await;
        assert_eq!(path, "/ws/scraping/1?replay=1");
        send(&mut socket, &[STARTED, HALF]).await;
        close(&mut socket, 1001, "going away").await;
        drop(socket);
        let (polled, path) = server.next().await;
        assert_eq!(path, "/ws/scraping/1/status");
        answer(polled, &status).await;
        let (mut socket, path) = server.socket_with(&status).await;
        assert_eq!(path, "/ws/scraping/1", "what the run was up to is known");
        send(&mut socket, &[HALF, DONE]).await;
        until_closed(socket).await;
    };
    let page = Page::default();
    let wait = Duration::from_secs(1);
    let slow = Timing { first_wait: wait, longest_wait: wait, ..timing() };
    let report = play_onto(&page, server.options(&["scraping/1"]), slow, script).await;
    assert_eq!((report.exit, report.events), (Exit::Success, 4));
    let mut words = page.words();
    words.dedup();
    let expected = [
        "connected",
        "job_started",
        "job_progress",
        "disconnected",
        "reconnecting",
        "polling",
        "polled running",
        "connected",
        "job_completed",
        "closed",
    ];
    assert_eq!(words, expected, "{}", page.text());
}

#[tokio::test]
async fn an_ending_that_is_polled_counts() {
    let server = Server::new().await;
    let script = async {
        let mut socket = server.socket().await;
        close(&mut socket, 1001, "").await;
        drop(socket);
        loop {
            let (stream, path) = server.next().await;
            if path.ends_with("/status") {
                let body = r#"{"job_id":1,"status":"failed","progress":null,"message":"captcha"}"#;
                return answer(stream, &format!("200 OK\r\n\r\n{body}")).await;
            }
        }
    };
    let page = Page::default();
    let slow =
        Timing { first_wait: Duration::from_secs(5), longest_wait: Duration::from_secs(5), ..timing() };
    let report = play_onto(&page, server.options(&["scraping/1"]), slow, script).await;
    assert_eq!(report.exit, Exit::Failure);
}

#[tokio::test]
async fn refusals_are_final_and_an_unknown_task_is_waited_for() {
    let server = Server::new().await;
    let body = r#"{"error":"forbidden","message":"not your job"}"#;
    let forbidden = format!("403 Forbidden\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let script = async { answer(server.next().await.0, &forbidden).await };
    let (report, page) = play(server.options(&["scraping/1"]), script).await;
    let problem = report.problem.unwrap();
    assert_eq!((report.exit, problem.exit), (Exit::Refused, Exit::Refused));
    assert!(problem.message.ends_with("answered 403: not your job"), "{}", problem.message);
    assert_eq!(page.words(), ["closed"]);

    for (code, reason, exit) in [
        (4001, "token missing, invalid or expired", Exit::Refused),
        (4003, "not the owner", Exit::Refused),
        (4004, "impossible job id", Exit::Usage),
    ] {
        let script = async { close(&mut server.socket().await, code, reason).await };
        let (report, _) = play(server.options(&["scraping/1"]), script).await;
        assert_eq!(report.exit, exit, "{code}");
    }

    let script = async {
        for _ in 0..5 {
            close(&mut server.socket().await, 4003, "unknown task").await;
        }
        let mut socket = server.socket().await;
        send(&mut socket, &[DONE]).await;
        until_closed(socket).await;
    };
    let options = AttachOptions { retries: 0, ..server.options(&["scraping/1"]) };
    assert_eq!(play(options, script).await.0.exit, Exit::Success);
}

#[tokio::test]
async fn a_server_that_is_none_is_named_after_the_retries() {
    let gone = Server::new().await;
    let options = AttachOptions { retries: 2, ..gone.options(&["scraping/1", "scraping/2"]) };
    drop(gone);
    let (report, _) = play(options, async {}).await;
    let problem = report.problem.unwrap();
    assert_eq!(report.exit, Exit::Unreachable);
    assert!(problem.message.starts_with("scraping/1 and 1 more: nothing listens at 127.0.0.1:"), "{problem}");
    assert!(problem.message.ends_with("(after 3 attempts)"), "{problem}");
    assert!(problem.hint.unwrap().contains("jobwire serve"));

    let answers =
        [("200 OK\r\n\r\nhello", "it is plain HTTP"), ("404 Not Found\r\n\r\n", "it has no such route")];
    for (text, says) in answers {
        let server = Server::new().await;
        let options = AttachOptions { retries: 1, ..server.options(&["scraping/1"]) };
        let script = async {
            let mut sockets = 0;
            while sockets < 2 {
                let (stream, path) = server.next().await;
                sockets += usize::from(!path.ends_with("/status"));
                answer(stream, text).await;
            }
        };
        let (report, _) = play(options, script).await;
        let problem = report.problem.unwrap();
        assert!(problem.message.contains(says) && problem.exit == Exit::Unreachable, "{problem}");
    }
}

#[tokio::test]
async fn the_first_failure_ends_it_with_fail_fast() {
    let server = Server::new().await;
    let options = AttachOptions { fail_fast: true, ..server.options(&["scraping/1", "scraping/2"]) };
    let script = async {
        let (mut first, second) = (server.socket().await, server.socket().await);
        send(&mut first, &[FAILED]).await;
        // The client goes, although the other job runs on.
        tokio::join!(until_closed(first), until_closed(second));
    };
    let (report, _) = play(options, script).await;
    assert_eq!((report.exit, report.tally.failed, report.tally.waiting), (Exit::Failure, 1, 1));
}

#[tokio::test]
async fn when_the_time_is_up_it_says_what_has_not_ended() {
    let server = Server::new().await;
    let time = Duration::from_millis(100);
    let options = AttachOptions { timeout: Some(time), ..server.options(&["scraping/1"]) };
    let script = async {
        let mut socket = server.socket().await;
        send(&mut socket, &[STARTED]).await;
        until_closed(socket).await;
    };
    let (report, _) = play(options, script).await;
    assert_eq!(report.exit, Exit::StillRunning);
    let said = "the time was up after 0.1 s; not ended: scraping/1";
    assert_eq!(report.problem.unwrap().message, said);
}

#[tokio::test]
async fn an_ending_that_is_known_when_the_time_is_up_counts() {
    let server = Server::new().await;
    let page = Page::default();
    for (texts, exit) in [([STARTED, DONE], Exit::Success), ([STARTED, FAILED], Exit::Failure)] {
        let limit = Some(Duration::from_secs(1));
        let options = AttachOptions { timeout: limit, ..server.options(&["scraping/1"]) };
        // A server that answers no ping may have a newer ending to tell for as long as this.
        let told = Timing { told: DEADLINE, ..timing() };
        let before = page.lines().len();
        let script = async {
            let mut socket = server.socket().await;
            send(&mut socket, &texts).await;
            while !page.lines()[before..].iter().any(|line| line["result"].is_object()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let report = play_onto(&page, options, told, script).await;
        assert_eq!(report.exit, exit, "{}", page.text());
        assert!(report.problem.is_none());
        assert_eq!(
            page.lines().last().unwrap()["result"]["outcome"],
            if exit == Exit::Success { "succeeded" } else { "failed" }
        );
    }
}

#[tokio::test]
async fn with_new_the_old_ending_is_passed_over() {
    let server = Server::new().await;
    let options = AttachOptions { new: true, ..server.options(&["scraping/1"]) };
    let script = async {
        let mut socket = server.socket().await;
        send(&mut socket, &[r#"{"job_id":1,"event_type":"job_failed"}"#, STARTED, DONE]).await;
        until_closed(socket).await;
    };
    assert_eq!(play(options, script).await.0.exit, Exit::Success);
}

#[tokio::test]
async fn a_stdout_that_nobody_reads_is_success() {
    let server = Server::new().await;
    let page = Page { limit: Some(0), ..Page::default() };
    let script = async {
        let mut socket = server.socket().await;
        send(&mut socket, &[STARTED, FAILED]).await;
        until_closed(socket).await;
    };
    let report = play_onto(&page, server.options(&["scraping/1"]), timing(), script).await;
    assert_eq!(report.exit, Exit::Success);
    assert!(report.problem.is_none());
}

#[tokio::test]
async fn a_server_that_answers_no_ping_is_left() {
    let server = Server::new().await;
    let soon = Duration::from_millis(20);
    let impatient = Timing { ask: soon, give_up: soon, ..timing() };
    let script = async {
        // Open, and read by nobody, so that no pong goes back.
        let deaf = server.socket().await;
        let mut socket = server.socket().await;
        send(&mut socket, &[DONE]).await;
        until_closed(socket).await;
        drop(deaf);
    };
    let page = Page::default();
    let report = play_onto(&page, server.options(&["scraping/1"]), impatient, script).await;
    assert_eq!(report.exit, Exit::Success);
    let reasons: Vec<Value> = page.lines().iter().map(|line| line["reason"].clone()).collect();
    assert!(reasons.iter().any(|reason| reason.as_str().is_some_and(|r| r.contains("answers no ping"))));
}

#[tokio::test]
async fn a_url_is_followed_wherever_it_leads_and_its_query_stays_secret() {
    let server = Server::new().await;
    let options = AttachOptions {
        events: vec!["job_completed".into()],
        ..server.options(&["ws://HERE/mine?token=s3cret"])
    };
    let script = async {
        let (mut socket, path) = server.socket_with("").await;
        assert_eq!(path, "/mine?token=s3cret");
        send(&mut socket, &[STARTED, "no JSON", DONE]).await;
        until_closed(socket).await;
    };
    let (report, page) = play(options, script).await;
    assert_eq!(report.exit, Exit::Success);
    assert_eq!(page.words(), ["connected", "job_completed", "closed"]);
    assert!(!page.text().contains("s3cret"));
}

#[tokio::test]
async fn a_stop_interrupts_and_the_observer_saw_every_text() {
    let server = Server::new().await;
    let options = server.options(&["scraping/1"]);
    let stop = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (told, mut frames) = tokio::sync::mpsc::unbounded_channel();
    let observer: Observer = {
        let seen = Arc::clone(&seen);
        Arc::new(move |target, text, _| {
            seen.lock().unwrap().push((target.to_owned(), text.to_owned()));
            told.send(()).unwrap();
        })
    };
    let script = async {
        let mut socket = server.socket().await;
        send(&mut socket, &[STARTED]).await;
        frames.recv().await.unwrap();
        stop.cancel();
        until_closed(socket).await;
    };
    let both = async {
        tokio::join!(watch(&options, Some(observer), &stop, outputs(Box::new(Quiet)), timing()), script).0
    };
    let report = timeout(DEADLINE, both).await.unwrap().unwrap();
    assert_eq!(report.exit, Exit::Interrupted);
    assert_eq!(*seen.lock().unwrap(), [("scraping/1".to_owned(), STARTED.to_owned())]);
}

#[tokio::test]
async fn plain_lines_tell_each_change_once() {
    let server = Server::new().await;
    let page = Page::default();
    let out = io::BufWriter::new(Box::new(page.clone()) as Box<dyn Write + Send>);
    let zone = jiff::tz::TimeZone::UTC;
    let renderer = Box::new(PlainLines::new(out, Filter::default(), Paint::new(false), zone));
    let scraper = r#"{"job_id":1,"event_type":"scraper_completed","message":"ok\u001b[2J","metadata":{"scraper_name":"kiwi","results_count":1}}"#;
    let script = async {
        let mut socket = server.socket().await;
        send(&mut socket, &[STARTED, HALF, HALF, scraper, FAILED]).await;
        until_closed(socket).await;
    };
    let (options, stop) = (server.options(&["scraping/1"]), CancellationToken::new());
    let both = async { tokio::join!(watch(&options, None, &stop, outputs(renderer), timing()), script).0 };
    timeout(DEADLINE, both).await.unwrap().unwrap();
    let text = page.text();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected = [
        "scraping/1 connected",
        "scraping/1 started 0%",
        "scraping/1 running 50%",
        "scraping/1 kiwi: done 1 result ok",
        "scraping/1 failed 50% captcha",
    ];
    assert_eq!(lines, expected);
    assert_eq!(text.as_bytes()[2], b':');
}

#[test]
fn attaching_can_be_spawned() {
    fn is_send(_: &impl Send) {}
    let url = Url::parse("ws://127.0.0.1:1").unwrap();
    is_send(&run(AttachOptions::new(Vec::new(), url), None, CancellationToken::new()));
}

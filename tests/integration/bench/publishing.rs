//! Publishing goes on where it can, and says whose fault it is where it cannot.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use super::faulty::{Deal, Door, Faulty, Post};
use super::support::{Output, RedisServer, Relay, jobwire};
use super::{bench, cohort};

/// A fan-out through a server that has its own way with what is posted.
fn through(post: Post, args: &[&str]) -> (Faulty, Output, Value) {
    let server = Faulty::start_with(Door::Open, post, |_| Deal::plain());
    let (url, publish) = (server.url(), server.publish_url());
    let fixed = ["-c", "2", "--jobs", "1", "--server", &url, "--publish-url", &publish];
    let (output, summary) = bench(&[args, &fixed].concat());
    (server, output, summary)
}

/// Sent, failed, and the first reason.
fn counts(summary: &Value) -> (Option<u64>, Option<u64>, Option<&str>) {
    let publish = &summary["publish"];
    (publish["sent"].as_u64(), publish["failed"].as_u64(), publish["failures"][0]["reason"].as_str())
}

#[test]
fn connections_that_end_after_some_answers_are_replaced() {
    for says_close in [true, false] {
        let post = Post { answers: 20, says_close, ..Post::default() };
        let args = ["-r", "40", "-d", "2500ms", "--warm-up", "0s", "--allow-client-bound"];
        let (server, output, summary) = through(post, &args);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert_eq!(summary["partial"], Value::Null, "{summary}");
        // On a machine that is held up an event may leave while the connection ends.
        let (sent, failed, _) = counts(&summary);
        let failed = failed.unwrap();
        assert!(sent == Some(100) && failed < 10, "{}", summary["publish"]);
        let healthy = cohort(&summary, "healthy");
        assert_eq!((&healthy["expected"], &healthy["lost"]), (&((100 - failed) * 2).into(), &0.into()));
        // With the probe's.
        assert!(server.posting_connections() >= 5, "{}", server.posting_connections());
    }
}

#[test]
fn what_the_end_of_a_connection_left_unanswered_has_failed() {
    // While the third event is dealt with others arrive, and the connection ends behind its answer.
    let post = Post { answers: 3, work: Duration::from_millis(50), ..Post::default() };
    let args = ["-r", "200", "-d", "1s", "--warm-up", "0s", "--allow-client-bound"];
    let (_server, output, summary) = through(post, &args);
    let (sent, failed, reason) = counts(&summary);
    let failed = failed.unwrap();
    assert_eq!((sent, reason), (Some(200), Some("the connection ended before the answer")), "{summary}");
    assert!((1..200).contains(&failed), "{summary}");
    assert_eq!(summary["partial"], Value::Null, "{}", output.stderr);
    let healthy = cohort(&summary, "healthy");
    assert_eq!(healthy["received"], (200 - failed) * 2, "{healthy}");
    assert_eq!(healthy["lost"], 0, "nobody is to get what was not published: {healthy}");
}

#[test]
fn connections_that_end_for_want_of_events_are_replaced() {
    let post = Post { idle: Duration::from_millis(300), ..Post::default() };
    let args = ["-r", "2", "-d", "3s", "--warm-up", "0s", "--allow-client-bound", "--assert", "lost==0"];
    let (server, output, summary) = through(post, &args);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(counts(&summary), (Some(6), Some(0), None), "{summary}");
    assert!(server.posting_connections() >= 6, "{}", server.posting_connections());
}

#[test]
fn a_relay_that_ends_idle_connections_is_published_through() {
    const KEY: &str = "correct horse battery staple";
    let relay = Relay::start(&["--publish-key", KEY]);
    let server = format!("ws://{}", relay.address());
    let args = ["-c", "2", "--jobs", "1", "-r", "0.09", "-d", "22s", "--warm-up", "0s", "--server", &server];
    let more = ["--publish-key", KEY, "--allow-client-bound", "--assert", "lost==0"];
    let (output, summary) = bench(&[&args[..], &more].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(counts(&summary), (Some(2), Some(0), None), "{summary}");
}

#[test]
fn a_slow_endpoint_that_still_answers_is_waited_for() {
    let post = Post { work: Duration::from_millis(90), spared: 1, ..Post::default() };
    let args = ["-r", "100", "-d", "1s", "--warm-up", "0s", "--allow-client-bound"];
    let (_server, output, summary) = through(post, &args);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(counts(&summary), (Some(100), Some(0), None), "{summary}");
}

#[test]
fn an_endpoint_that_does_not_keep_up_is_blamed() {
    // Far more than buffers hold.
    let post = Post { work: Duration::from_millis(20), ..Post::default() };
    let args = ["-r", "150", "-d", "4s", "--warm-up", "0s", "--payload-size", "60000"];
    let (_server, output, summary) = through(post, &args);
    assert_eq!(output.code, 98, "{}", output.stderr);
    let bound = summary["client"]["bound"].as_array().unwrap();
    let blames =
        |reason: &Value| reason.as_str().unwrap().starts_with("the endpoint of the events did not keep up");
    assert!(bound.iter().any(blames), "{bound:?} with {}", summary["publish"]);
    assert!(summary["publish"]["endpoint_wait_seconds"].as_f64().unwrap() > 0.5, "{}", summary["publish"]);
    assert_eq!(counts(&summary), (Some(600), Some(0), None), "{}", summary["publish"]);
}

#[test]
fn an_endpoint_that_answers_no_more_ends_the_run() {
    let post = Post { silent_from: 11, ..Post::default() };
    let args = ["-r", "20", "-d", "1s", "--warm-up", "0s"];
    let (_server, output, summary) = through(post, &args);
    assert_eq!(output.code, 3, "{}", output.stderr);
    let why = summary["partial"].as_str().unwrap();
    assert!(why.contains("left 10 events unanswered for 5 s"), "{why}");
    assert_eq!(counts(&summary), (Some(20), Some(10), Some("no answer")), "{summary}");
}

#[test]
fn failures_of_the_warm_up_are_not_counted() {
    const BUSY: &str =
        "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\nX-Why: load\r\n\r\n";
    let post = Post { refusal: BUSY, spared: 1, ..Post::default() };
    let args = ["-r", "20", "-d", "1s", "--warm-up", "1s", "--allow-client-bound"];
    let (_server, output, summary) = through(post, &args);
    assert_eq!(counts(&summary), (Some(20), Some(20), Some("answered 503")), "{}", output.stderr);
    assert_eq!(summary["publish"]["failures"][0]["count"], 20);
    let errors = summary["intervals"].as_array().unwrap().iter().map(|one| one["errors"].as_u64().unwrap());
    assert_eq!(errors.sum::<u64>(), 40, "{summary}");
}

#[test]
fn a_peer_that_accepts_and_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let server = Faulty::start(Door::Open, |_| Deal::plain());
    let (redis, https) = (format!("rediss://{address}"), format!("https://{address}/publish/{{channel}}"));
    for flag in [["--redis", &redis], ["--publish-url", &https]] {
        let output = jobwire(&[&["bench", "--server", &server.url()][..], &flag].concat());
        assert_eq!(output.code, 3, "{}", output.stderr);
        let expected = "did not answer the TLS handshake within 5 s";
        assert!(
            output.stderr.contains(expected) && output.stderr.contains(&address.to_string()),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn a_redis_user_who_may_only_publish_publishes() {
    let redis = RedisServer::start();
    let rules = ["on", ">pw", "~*", "&*", "+publish"];
    let _: () =
        redis::cmd("ACL").arg("SETUSER").arg("bench").arg(&rules).query(&mut redis.connection()).unwrap();
    let relay = Relay::on(&redis, &[]);
    let (url, server) =
        (format!("redis://bench:pw@127.0.0.1:{}", redis.port()), format!("ws://{}", relay.address()));
    let args = ["-c", "2", "--jobs", "1", "-r", "20", "-d", "1s", "--redis", &url, "--server", &server];
    let (output, summary) = bench(&[&args[..], &["--allow-client-bound", "--assert", "lost==0"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(counts(&summary), (Some(20), Some(0), None), "{summary}");
    let wrong = format!("redis://bench:no@127.0.0.1:{}", redis.port());
    let output = jobwire(&["bench", "--redis", &wrong, "--server", &server]);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("WRONGPASS"), "{}", output.stderr);
}

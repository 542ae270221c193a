//! Emitting events with the real binary: into Redis and over HTTP, and what is refused.

mod carried;
mod channels;
mod durable;
mod many;
mod outage;
mod refused;
mod replay;

use std::process::Command;

use redis::Commands;
use serde_json::{Value, json};

use crate::support::{Output, PATIENCE, Process, RedisServer, Relay, command, free_port, jobwire, until};

/// The binary, publishing into this Redis.
fn into(redis: &RedisServer, args: &[&str]) -> Command {
    let mut publish = command(&["publish"]);
    publish.args(args).env("REDIS_URL", redis.url());
    publish
}

/// Everything that this command publishes on a channel of a Redis of its own.
fn published(channel: &str, args: &[&str]) -> Vec<Value> {
    let redis = RedisServer::start();
    let mut connection = redis.connection();
    let mut subscription = connection.as_pubsub();
    subscription.psubscribe(channel).unwrap();
    subscription.set_read_timeout(Some(PATIENCE)).unwrap();
    let output = Process::spawn(&mut into(&redis, args)).finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let end: u64 = redis.connection().publish(channel.replace('*', "end"), "\"end\"").unwrap();
    assert_eq!(end, 1);
    let next = || serde_json::from_slice(subscription.get_message().unwrap().get_payload_bytes()).unwrap();
    std::iter::repeat_with(next).take_while(|event| event != "end").collect()
}

#[track_caller]
fn assert_error(output: &Output, code: i32, expected: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (code, ""), "{}", output.stderr);
    assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
    for text in expected {
        assert!(output.stderr.contains(text), "{text:?} is not in {}", output.stderr);
    }
}

#[test]
fn the_dialect_fills_in_what_was_not_said() {
    let args = ["scraping/123", "job_progress", "progress=45.5", "results_count=42", "message=Scraping"];
    let mut events = published("scraping_events", &args);
    let timestamp = events[0].as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(timestamp.as_str().unwrap().parse::<jiff::civil::DateTime>().is_ok(), "{timestamp}");
    let expected = json!({
        "job_id": 123, "event_type": "job_progress", "status": "running", "progress": 45.5,
        "results_count": 42, "message": "Scraping", "metadata": {},
    });
    assert_eq!(events, [expected]);
    let args =
        ["downloads/a b", "status", "status=processing", "progress=45", "videoInfo:={\"title\":\"x\"}"];
    let expected =
        json!({"jobId": "a b", "status": "processing", "progress": 45, "videoInfo": {"title": "x"}});
    assert_eq!(published("download_updates:*", &args), [expected]);
}

#[test]
fn an_event_comes_to_a_socket_through_redis() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let mut socket = relay.connect("/ws/download/abc");
    assert!(socket.next_text(PATIENCE).contains("\"queued\""), "the state of a job nobody has heard of");
    let output = Process::spawn(&mut into(&redis, &["downloads/abc", "processing", "progress=45"]));
    let output = output.finish(PATIENCE);
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (0, "", ""));
    let expected = r#"{"type":"status","data":{"jobId":"abc","status":"processing","progress":45}}"#;
    assert_eq!(socket.next_text(PATIENCE), expected);
}

#[test]
fn a_wrong_key_is_refused_and_the_right_one_is_found_or_given() {
    let relay = Relay::start(&["--publish-key", "right"]);
    let mut socket = relay.connect("/ws/scraping/7");
    let args = ["publish", "scraping/7", "job_progress", "progress=5", "--publish-key"];
    let output = relay.jobwire(&[&args[..], &["wrong"]].concat());
    assert_error(&output, 4, &["answered 401", "\nhint: the key in --publish-key"]);
    let output = relay.jobwire(&[&args[..], &["right"]].concat());
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert!(socket.next_text(PATIENCE).contains("\"progress\":5"));
    let elsewhere = format!("ws://{}", relay.address());
    let output = jobwire(&["publish", "scraping/7", "job_progress", "--server", &elsewhere]);
    assert_error(&output, 4, &["answered 401", "\nhint: the relay's user finds its key in "]);
}

#[test]
fn a_port_where_nobody_listens_is_3_with_what_to_do() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let output = jobwire(&["publish", "scraping/7", "job_progress", "--server", &server]);
    let said =
        format!("error: nothing listens at {}\nhint: start a relay with `jobwire serve`", &server[5..]);
    assert_error(&output, 3, &[&said]);
    let redis = format!("redis://127.0.0.1:{}", free_port());
    let output = jobwire(&["publish", "scraping/7", "job_progress", "--redis", &redis]);
    assert_error(&output, 3, &[&redis, "\nhint: is Redis running there?"]);
}

#[test]
fn a_refused_password_is_3_at_once_and_never_shown() {
    let redis = RedisServer::start_with(&["--requirepass", "s3cret"]);
    for login in ["", ":hunter2@", "worker:hunter2@"] {
        let url = format!("redis://{login}127.0.0.1:{}", redis.port());
        let mut publish = command(&["publish", "scraping/7", "job_progress"]);
        let output = Process::spawn(publish.env("REDIS_URL", &url)).finish(PATIENCE);
        assert_error(&output, 3, &[&format!("127.0.0.1:{}", redis.port()), "\nhint: user and password"]);
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }
}

#[test]
fn slips_are_2_and_name_the_nearest() {
    for (args, expected) in [
        (&["scrapin/1", "job_progress"][..], "there is no dialect 'scrapin'; did you mean 'scraping'?"),
        (&["scraping/1", "job_progres"], "did you mean 'job_progress'?"),
        (&["scraping/1", "job_progress", "progres=5"], "did you mean 'progress'?"),
        (&["scraping/1", "job_progress", "progress=half"], "progress"),
        (&["scraping/1", "job_progress", "progress=101"], "progress"),
        (&["scraping/1", "job_progress", "results_count=1.5"], "results_count"),
        (&["scraping/1", "job_progress", "metadata:={"], "metadata"),
        (&["scraping/1", "job_progress", "progress"], "progress"),
        (&["downloads/a", "status", "status=procesing"], "processing"),
        (&["scraping/1", "scraper_started"], "scraper_name"),
        (&["scraping/1"], "publish needs an event"),
        (&["scraping", "job_progress"], "publish needs a job, as in scraping/123"),
        (&[], "publish needs a target"),
        (&["--scenario", "al"], "did you mean 'all'?"),
        (&["scraping/1", "job_progress", "--rate", "0"], "--rate"),
    ] {
        assert_error(&jobwire(&[&["publish"], args].concat()), 2, &[expected]);
    }
}

#[test]
fn impossible_job_ids_are_2() {
    let (fits, long) = ("x".repeat(256), "x".repeat(257));
    for job in
        ["scraping/abc", "scraping/1.5", "scraping/01", "downloads/a\nb", "downloads/", "downloads/a/b"]
    {
        assert_error(&jobwire(&["publish", job, "status", "status=queued"]), 2, &[]);
    }
    let output = jobwire(&["publish", &format!("downloads/{long}"), "status", "status=queued"]);
    assert_error(&output, 2, &["256"]);
    let server = format!("ws://127.0.0.1:{}", free_port());
    let args = ["publish", &format!("downloads/{fits}"), "status", "status=queued", "--server", &server];
    assert_eq!(jobwire(&args).code, 3, "its id is possible");
}

#[test]
fn nobody_subscribed_is_a_warning_or_with_require_subscribers_a_failure() {
    let redis = RedisServer::start();
    let args = ["scraping/1", "job_progress", "progress=1"];
    let run = |more: &[&str]| Process::spawn(&mut into(&redis, &[&args[..], more].concat())).finish(PATIENCE);
    let said = format!("nobody is subscribed to 'scraping_events' at redis://127.0.0.1:{}", redis.port());
    let output = run(&["--repeat", "3"]);
    assert_eq!((output.code, output.stderr), (0, format!("warning: {said}\n")));
    let output = run(&["--require-subscribers"]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.starts_with(&format!("error: {said}\n")), "{}", output.stderr);
    // A relay is a subscriber of Redis; on its own broker, a socket is.
    let relay = Relay::start(&[]);
    let publish = [&["publish"], &args[..], &["--require-subscribers"]].concat();
    let output = relay.jobwire(&publish);
    assert_error(&output, 1, &[&format!("no socket at {} got it; the relay keeps", relay.address())]);
    let _socket = relay.connect("/ws/scraping/1");
    until(PATIENCE, "the socket to be seen", || relay.jobwire(&publish).code == 0);
}

#[test]
fn a_relay_that_has_it_for_whoever_comes_later_is_no_reason_for_a_warning() {
    let relay = Relay::start(&[]);
    let address = relay.address();
    let said = |args: &[&str]| {
        let output = relay.jobwire(&[&["publish"], args].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stderr
    };
    let kept = format!("note: no socket at {address} got it; the relay keeps the job's state\n");
    assert_eq!(said(&["scraping/1", "job_progress", "progress=1"]), kept);
    assert_eq!(said(&["tasks/a", "registered", "user_id=ann"]), "", "it is for no socket");
    let gone = format!("warning: no socket at {address} got it; what comes on a channel is not kept\n");
    assert_eq!(said(&["channels", "campaign:paused", "campaign_id=1"]), gone);
}

#[test]
fn a_relay_whose_redis_is_down_is_3_and_says_so() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.stop();
    let output = relay.jobwire(&["publish", "scraping/1", "job_progress", "progress=1"]);
    let said = format!("the relay at {} cannot use its Redis, so nothing was published", relay.address());
    assert_error(&output, 3, &[&said, "hint: the relay comes back by itself once Redis does"]);
}

#[test]
fn the_list_names_events_and_their_fields() {
    let output = jobwire(&["publish", "scraping", "--list"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    for name in ["job_started", "scraper_failed", "results_count"] {
        assert!(output.stdout.contains(name), "{name} is not in {}", output.stdout);
    }
}

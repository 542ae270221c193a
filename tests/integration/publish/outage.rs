//! Redis or the relay goes away under `worker | jobwire publish --stdin`: the worker must not notice.

use std::io::Write;
use std::process::{ChildStdin, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::into;
use crate::support::{Output, PATIENCE, Process, RedisServer, Relay, command, until};

/// Every payload that comes on this channel, for as long as Redis stays.
pub(super) fn subscribed(redis: &RedisServer, channel: &str) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let mut connection = redis.connection();
    let channel = channel.to_owned();
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let mut subscription = connection.as_pubsub();
        subscription.subscribe(channel).unwrap();
        ready.send(()).unwrap();
        while let Ok(message) = subscription.get_message() {
            if sender.send(message.get_payload().unwrap()).is_err() {
                return;
            }
        }
    });
    is_ready.recv().unwrap();
    receiver
}

/// Payloads up to the first with this text.
pub(super) fn until_text(payloads: &mpsc::Receiver<String>, text: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let payload = payloads.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no {text} in {seen:?}"));
        seen.push(payload);
        if seen.last().is_some_and(|last| last.contains(text)) {
            return seen;
        }
    }
}

fn say(stdin: &mut ChildStdin, lines: &str) {
    stdin.write_all(lines.as_bytes()).expect("the worker got a SIGPIPE");
}

/// Waits until it is said that the sink is away.
fn until_away(process: &Process) {
    until(PATIENCE, "the outage to be noticed", || {
        process.stderr().contains("events are kept until it is back")
    });
}

const STARTED: &str = "{\"event_type\":\"job_started\"}\n";
const SCRAPER: &str = "{\"event_type\":\"scraper_completed\",\"metadata\":{\"scraper_name\":\"a\"}}\n";
const COMPLETED: &str = "{\"event_type\":\"job_completed\",\"progress\":100}\n";

fn follow(command: &mut Command) -> (Process, ChildStdin) {
    Process::spawn_fed(command.args(["scraping/7", "--stdin"]))
}

#[test]
fn a_worker_goes_on_through_a_restart_of_redis_and_milestones_and_the_newest_progress_arrive() {
    let mut redis = RedisServer::start();
    let before = subscribed(&redis, "scraping_events");
    let (process, mut stdin) = follow(&mut into(&redis, &[]));
    say(&mut stdin, STARTED);
    until_text(&before, "job_started");
    redis.stop();
    say(&mut stdin, "10\n");
    until_away(&process);
    say(&mut stdin, &format!("20\n{SCRAPER}30\n40\n50\n"));
    redis.restart();
    let after = subscribed(&redis, "scraping_events");
    say(&mut stdin, COMPLETED);
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stderr.contains("note: back after "), "{}", output.stderr);
    // The first waits until somebody is subscribed again.
    let came = until_text(&after, "job_completed");
    let kinds: Vec<bool> = came.iter().map(|payload| payload.contains("scraper_completed")).collect();
    assert_eq!(kinds, [true, false, false], "{came:?}");
    assert!(came[1].contains("\"progress\":50"), "{came:?}");
}

#[test]
fn a_redis_that_comes_after_the_worker_began_gets_it_all() {
    let mut redis = RedisServer::start();
    redis.stop();
    let (process, mut stdin) = follow(&mut into(&redis, &[]));
    say(&mut stdin, STARTED);
    until_away(&process);
    redis.restart();
    until(PATIENCE, "it to come back", || process.stderr().contains("note: back after "));
    let after = subscribed(&redis, "scraping_events");
    say(&mut stdin, COMPLETED);
    drop(stdin);
    until_text(&after, "job_completed");
    assert_eq!(process.finish(PATIENCE).code, 0);
}

#[test]
fn what_could_not_be_sent_is_counted_at_the_end_and_the_worker_has_finished() {
    let mut redis = RedisServer::start();
    let before = subscribed(&redis, "scraping_events");
    let (process, mut stdin) = follow(&mut into(&redis, &["--patience", "200ms"]));
    say(&mut stdin, STARTED);
    until_text(&before, "job_started");
    redis.stop();
    say(&mut stdin, SCRAPER);
    until_away(&process);
    // More than a pipe holds, and long after its reader might have gone.
    for n in 0..20_000 {
        say(&mut stdin, &format!("{}\n# still at work, and quite talkative about it\n", n % 100));
    }
    say(&mut stdin, COMPLETED);
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 1, "{}", output.stderr);
    let error = output.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert!(error.ends_with("; 3 events were not sent"), "{error}");
}

#[test]
fn a_relay_that_is_started_again_gets_the_rest_by_its_new_key() {
    let relay = Relay::start(&[]);
    let (process, mut stdin) = follow(&mut relay.command(&["publish"]));
    let mut socket = relay.connect("/ws/scraping/7");
    say(&mut stdin, STARTED);
    assert!(socket.next_text(PATIENCE).contains("job_started"));
    let relay = relay.restarted(|| {
        say(&mut stdin, "10\n");
        until_away(&process);
    });
    let mut socket = relay.connect("/ws/scraping/7");
    say(&mut stdin, COMPLETED);
    drop(stdin);
    while !socket.next_text(PATIENCE).contains("job_completed") {}
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

/// The end of a run that cannot send anything, whose worker writes more than a pipe holds.
fn refused(redis: &str) -> Output {
    let mut publish = command(&["publish"]);
    let (process, mut stdin) = follow(publish.env("REDIS_URL", redis));
    until(PATIENCE, "the refusal", || process.stderr().contains("standard input is only read to its end"));
    say(&mut stdin, &"# a line of a worker that must go on\n".repeat(10_000));
    drop(stdin);
    process.finish(PATIENCE)
}

#[test]
fn a_refused_login_reads_on_and_exits_3_and_a_refused_command_4() {
    let redis = RedisServer::start();
    let acl = ["SETUSER", "mute", "on", ">pw", "~*", "&*", "+ping"];
    redis::cmd("ACL").arg(&acl).query::<()>(&mut redis.connection()).unwrap();
    let login = refused(&format!("redis://mute:wrong@127.0.0.1:{}", redis.port()));
    assert_eq!(login.code, 3, "{}", login.stderr);
    assert!(login.stderr.contains("refused the login"), "{}", login.stderr);
    let mut publish = command(&["publish"]);
    publish.env("REDIS_URL", format!("redis://mute:pw@127.0.0.1:{}", redis.port()));
    let (process, mut stdin) = follow(&mut publish);
    say(&mut stdin, &"# a line of a worker that must go on\n".repeat(10_000));
    drop(stdin);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 4, "{}", output.stderr);
    assert!(
        output.stderr.contains("NOPERM") && output.stderr.contains("10000 events were not sent"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_redis_that_hangs_does_not_stop_the_worker() {
    let redis = RedisServer::start();
    let before = subscribed(&redis, "scraping_events");
    let (process, mut stdin) = follow(&mut into(&redis, &[]));
    say(&mut stdin, STARTED);
    until_text(&before, "job_started");
    redis.pause();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        for n in 0..10_000 {
            say(&mut stdin, &format!("{}\n# a message that fills the pipe soon\n", n % 100));
        }
        done.send(stdin)
    });
    // Redis is stopped all the while, so that a worker who waits for it waits for good.
    let mut stdin = is_done.recv_timeout(Duration::from_mins(1)).expect("the worker waits for Redis");
    redis.resume();
    say(&mut stdin, COMPLETED);
    drop(stdin);
    until_text(&before, "job_completed");
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn an_interrupt_ends_an_outage_at_once_and_a_scenario_goes_on_through_one() {
    let mut redis = RedisServer::start();
    let args = ["--scenario", "scraping", "--jobs", "2", "--duration", "3s", "--seed", "7"];
    let scenario = Process::spawn(&mut into(&redis, &args));
    until(PATIENCE, "the first event", || scenario.stderr().contains("nobody is subscribed"));
    redis.stop();
    until_away(&scenario);
    let (process, mut stdin) = follow(&mut into(&redis, &[]));
    say(&mut stdin, STARTED);
    until_away(&process);
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    redis.restart();
    let output = scenario.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn a_single_event_is_tried_again_only_for_as_long_as_it_is_told() {
    let mut redis = RedisServer::start();
    redis.stop();
    let args = ["scraping/7", "job_started"];
    let output = Process::spawn(&mut into(&redis, &args)).finish(PATIENCE);
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(!output.stderr.contains("were not sent"), "{}", output.stderr);
    let process = Process::spawn(into(&redis, &args).args(["--patience", "20s"]));
    until(PATIENCE, "a first attempt", || process.stderr().contains("trying again"));
    redis.restart();
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 0, "{}", output.stderr);
}

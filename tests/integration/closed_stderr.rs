//! A relay whose stderr nobody reads any more, as after `jobwire serve 2>&1 | head -1`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::support::{PATIENCE, RedisServer, command, get, until};

/// More than a pipe and the queue before it take, at about 500 bytes each.
const REQUESTS: usize = 3_000;

/// Killed when dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_relay_goes_on_when_its_log_is_a_pipe_that_nobody_empties() {
    let (redis, runtime) = (RedisServer::start(), TempDir::new().unwrap());
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--redis", &redis.url()]);
    serve.env("XDG_RUNTIME_DIR", runtime.path()).env("JOBWIRE_LOG_LEVEL", "debug");
    serve.stdin(Stdio::null()).stderr(Stdio::piped());
    let mut relay = Killed(serve.spawn().unwrap());
    let mut log = BufReader::new(relay.0.stderr.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        log.read_line(&mut line).unwrap();
        if let Some(address) = line.trim().strip_prefix("listening on http://") {
            break address.to_owned();
        }
    };
    // Each is a line of the log; a pipe holds 64 KiB, and what waits for it is bounded too.
    let path = format!("/{}", "x".repeat(400));
    for _ in 0..REQUESTS {
        assert_eq!(get(&address, &path).0, 404);
    }
    until(PATIENCE, "the relay to subscribe", || get(&address, "/ready").0 == 200);
    assert_eq!(redis.publish("scraping_events", r#"{"job_id":1,"event_type":"job_started"}"#), 1);
    until(PATIENCE, "the event", || get(&address, "/ws/scraping/1/status").0 == 200);
    // A relay that is to end is not kept by its log either.
    let pid = rustix::process::Pid::from_child(&relay.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    until(PATIENCE, "the relay to end", || relay.0.try_wait().unwrap().is_some());
    let code = relay.0.wait().unwrap().code();
    assert_eq!(code, Some(0));
}

#[test]
fn a_relay_goes_on_when_nobody_reads_its_log() {
    let (redis, runtime) = (RedisServer::start(), TempDir::new().unwrap());
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--redis", &redis.url()]);
    serve.env("XDG_RUNTIME_DIR", runtime.path()).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut relay = Killed(serve.spawn().unwrap());
    // The log may come before the line that is waited for; behind it nobody reads any more.
    let lines = BufReader::new(relay.0.stderr.take().unwrap()).lines();
    let address = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("listening on http://").map(str::to_owned))
        .unwrap();
    until(PATIENCE, "the relay to subscribe", || get(&address, "/ready").0 == 200);
    assert_eq!(redis.publish("scraping_events", "what gets dropped is logged"), 1);
    assert_eq!(redis.publish("scraping_events", r#"{"job_id":1,"event_type":"job_started"}"#), 1);
    until(PATIENCE, "the event behind it", || get(&address, "/ws/scraping/1/status").0 == 200);
}

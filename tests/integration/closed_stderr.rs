//! A relay whose stderr nobody reads any more, as after `jobwire serve 2>&1 | head -1`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use tempfile::TempDir;

use crate::support::{PATIENCE, RedisServer, command, get, until};

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

//! Memory of jobs and connections that came and went is given back. The tests measure the resident memory of the
//! process, with a generous margin, while no client asks the relay for anything.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{PATIENCE, RedisServer, Relay, resident, until};

const MIB: u64 = 1 << 20;

/// The allocator gives back what is free within ten seconds.
const GIVEN_BACK: Duration = PATIENCE.saturating_add(Duration::from_secs(15));

/// A relay's resident memory over what it began with, once `jobs` payloads of `bytes` came: `event` makes channel and payload.
fn grown(
    bytes: usize,
    jobs: u64,
    event: impl Fn(u64, &str) -> (String, String),
) -> (u64, RedisServer, Relay) {
    // Redis itself would cut off a subscriber that is behind by 32 MB.
    let redis = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub 0 0 0"]);
    let relay = Relay::on(&redis, &["--keep-bytes", "64MiB"]);
    let before = resident(relay.id());
    let padding = "x".repeat(bytes);
    let mut connection = redis.connection();
    for job in 0..jobs {
        let (channel, payload) = event(job, &padding);
        let _: u64 = redis::Commands::publish(&mut connection, channel, payload).unwrap();
    }
    relay.until_events(jobs);
    let kept = relay.stats()["job_log_bytes"].as_u64().unwrap();
    assert!((48 * MIB..=64 * MIB).contains(&kept), "{kept}");
    (before, redis, relay)
}

fn download(job: u64, padding: &str) -> (String, String) {
    let payload = format!(
        r#"{{"jobId":"{job}","status":"processing","progress":1,"videoInfo":{{"title":"{padding}"}}}}"#
    );
    (format!("download_updates:{job}"), payload)
}

/// Waits until no more than `--keep-bytes`, a third, and 32 MiB are held.
fn until_bounded(before: u64, relay: &Relay) {
    until(GIVEN_BACK, "the memory to be given back", || {
        resident(relay.id()).saturating_sub(before) < 64 * MIB * 4 / 3 + 32 * MIB
    });
}

#[test]
fn large_downloads_take_little_more_than_is_kept() {
    let (before, _redis, relay) = grown(1_000_000, 480, download);
    until_bounded(before, &relay);
}

#[test]
fn many_small_downloads_take_little_more_than_is_kept() {
    let (before, _redis, relay) = grown(2_500, 40_000, download);
    until_bounded(before, &relay);
}

#[test]
fn large_events_that_do_not_merge_take_little_more_than_is_kept() {
    let (before, _redis, relay) = grown(1_000_000, 480, |job, padding| {
        let message = format!(r#","message":"{padding}""#);
        let payload =
            format!(r#"{{"job_id":{job},"event_type":"job_progress","status":"running"{message}}}"#);
        ("scraping_events".to_owned(), payload)
    });
    until_bounded(before, &relay);
}

/// Opens `most` connections, or fewer if the limit of open files is low, calls `greet` on each, and closes them.
/// A connection may cost `each` bytes while it is open.
fn come_and_go(most: u64, each: u64, greet: impl Fn(&mut TcpStream)) {
    let limit = rlimit::increase_nofile_limit(2 * most).unwrap();
    let count = most.min(limit.saturating_sub(500));
    let relay = Relay::start(&[]);
    let before = resident(relay.id());
    let open: Vec<TcpStream> = (0..count)
        .map(|_| {
            let mut stream = TcpStream::connect(relay.address()).unwrap();
            greet(&mut stream);
            stream
        })
        .collect();
    let grown = resident(relay.id()).saturating_sub(before);
    assert!(grown < count * each + 16 * MIB, "{grown} bytes for {count} connections");
    drop(open);
    until(GIVEN_BACK, "the memory to be given back", || {
        resident(relay.id()).saturating_sub(before) < 12 * MIB
    });
}

/// Sends a request and reads the beginning of the answer.
fn ask(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    assert_ne!(stream.read(&mut [0; 4096]).unwrap(), 0);
}

#[test]
fn connections_that_send_nothing_cost_no_buffers_and_leave_hardly_anything() {
    come_and_go(8_000, 4_000, |_| {});
}

#[test]
fn connections_with_a_request_each_leave_hardly_anything() {
    come_and_go(4_000, 24_000, |stream| ask(stream, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"));
}

#[test]
fn websockets_that_come_and_go_leave_hardly_anything() {
    let request = "GET /ws/scraping/1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    come_and_go(8_000, 6_000, |stream| ask(stream, request));
}

//! A relay that has yet to read its streams back: it knows of no place in them.

use serde_json::Value;

use super::scraping;
use crate::support::{EventStream, PATIENCE, RedisServer, Relay, STREAM, UPGRADE, until};

const STREAMS: [&str; 2] = ["--streams", "scraping"];

fn append(redis: &RedisServer, results: u64) -> String {
    let payload = scraping(7, "scraper_completed", "10", results);
    let mut command = redis::cmd("XADD");
    command.arg("scraping_events").arg("*").arg("data").arg(&payload);
    command.exec(&mut redis.connection()).unwrap();
    payload
}

#[test]
fn who_comes_back_before_streams_were_read_is_told_to_come_again() {
    let redis = RedisServer::start();
    let before = Relay::on(&redis, &STREAMS);
    let mut stream = before.stream("/ws/scraping/7");
    stream.expect(&append(&redis, 1));
    let cursor = stream.last_id.clone();
    before.kill();
    let missed = append(&redis, 2);
    redis.pause();
    let relay = Relay::start(&[&["--redis", &redis.url()], &STREAMS[..]].concat());
    // Each waits for history for some seconds.
    let asked = |path: &str, header: &[(&str, &str)]| {
        let joint = if path.contains('?') { '&' } else { '?' };
        relay.exchange("GET", &format!("{path}{joint}since={cursor}"), header, b"")
    };
    let paths = ["/ws/scraping/7", "/watch?target=scraping/*", "/ws/campaigns"];
    let asked = &asked;
    std::thread::scope(|scope| {
        for path in paths {
            scope.spawn(move || {
                let refused = asked(path, &UPGRADE).refusal();
                assert_eq!(refused, (503, "reading_history".to_owned()), "{path}");
            });
            scope.spawn(move || {
                let again = asked(path, &[STREAM]);
                let is_empty = again.body.starts_with("retry: ") && !again.body.contains("data");
                assert!(again.status == 200 && is_empty, "{path}: {again:?}");
            });
        }
    });
    redis.resume();
    until(PATIENCE, "history to be read", || relay.get("/ready").0 == 200);
    let mut stream = EventStream::open(relay.address(), "/ws/scraping/7", &[("Last-Event-ID", &cursor)]);
    stream.expect(&missed);
    let mut socket = relay.connect(&format!("/watch?target=scraping/7&since={cursor}"));
    socket.expect_text_containing(r#""type":"watching""#);
    let event: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
    assert_eq!(event["event"]["results_count"], 2, "{event}");
}

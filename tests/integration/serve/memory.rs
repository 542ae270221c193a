//! What came and went is given back: the memory of the process itself, with a generous margin.

use std::net::TcpStream;

use crate::support::{PATIENCE, RedisServer, Relay, resident, until};

const MIB: u64 = 1 << 20;

#[test]
fn large_payloads_that_come_and_go_take_little_more_than_what_is_kept() {
    // Redis itself would cut off a subscriber that is behind by 32 MB.
    let redis = RedisServer::start_with(&["--client-output-buffer-limit", "pubsub 0 0 0"]);
    let relay = Relay::on(&redis, &["--keep-bytes", "64MiB"]);
    let before = resident(relay.id());
    let padding = "x".repeat(1_000_000);
    let mut events = 0;
    for round in 0..8 {
        let mut connection = redis.connection();
        for number in 0..60 {
            let job = format!("{round}-{number}");
            let payload = format!(
                r#"{{"jobId":"{job}","status":"processing","progress":1,"videoInfo":{{"title":"{padding}"}}}}"#
            );
            let _: u64 =
                redis::Commands::publish(&mut connection, format!("download_updates:{job}"), payload)
                    .unwrap();
            events += 1;
        }
        relay.until_events(events);
    }
    let kept = relay.stats()["job_log_bytes"].as_u64().unwrap();
    assert!((32 * MIB..=64 * MIB).contains(&kept), "{kept}");
    // Allocators give back a little later, and only while something happens.
    until(PATIENCE, "the memory to be given back", || {
        redis.publish("scraping_events", super::scraping(1, "job_progress", "1", 1));
        resident(relay.id()).saturating_sub(before) < 2 * kept + 32 * MIB
    });
}

#[test]
fn connections_that_come_and_go_leave_hardly_anything() {
    const MOST: u64 = 8_000;
    let limit = rlimit::increase_nofile_limit(2 * MOST).unwrap();
    let relay = Relay::start(&[]);
    let before = resident(relay.id());
    let idle: Vec<TcpStream> = (0..MOST.min(limit.saturating_sub(500)))
        .map(|_| TcpStream::connect(relay.address()).unwrap())
        .collect();
    until(PATIENCE, "the connections to take memory", || resident(relay.id()) > before + 8 * MIB);
    drop(idle);
    until(PATIENCE, "the memory to be given back", || {
        relay.stats();
        resident(relay.id()).saturating_sub(before) < 24 * MIB
    });
}

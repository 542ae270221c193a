//! History of streams, and what comes after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::super::fixture::{Got, RedisServer, channel};
use super::{AOF, data, of_job};
use crate::broker::{Broker, RedisBroker};

#[tokio::test]
async fn history_comes_before_live_entries_and_its_end_is_told_once() {
    let server = RedisServer::start(&[]);
    for number in 1..=3 {
        server.add("a", &format!("{number}-0"), &["data", &number.to_string()]).await;
    }
    let mut running = server.streams();
    running.broker = Arc::new(
        RedisBroker::new(&server.url()).unwrap().stream_history(Duration::from_secs(u32::MAX.into())),
    );
    running.subscribe(vec![data("a"), data("missing")]).await;
    let mut followed = Vec::new();
    for _ in 0..2 {
        let Got::Stream { key, after, .. } = running.got().await else { panic!() };
        followed.push((key, after));
    }
    followed.sort_unstable();
    assert_eq!(followed, [("a".to_owned(), "0-0".to_owned()), ("missing".to_owned(), "0-0".to_owned())]);
    for number in 1..=3 {
        running.expect_entry(&format!("{number}-0"), &number.to_string(), true).await;
    }
    assert_eq!(running.got().await, Got::HistoryRead);
    server.add("a", "4-0", &["data", "4"]).await;
    running.expect_entry("4-0", "4", false).await;
    server.add("missing", "1-1", &["data", "5"]).await;
    running.expect_entry("1-1", "5", false).await;
}

#[tokio::test]
async fn entries_older_than_the_history_are_left_out() {
    let server = RedisServer::start(&[]);
    server.add("a", "1-0", &["data", "old"]).await;
    let recent = server.add("a", "*", &["data", "recent"]).await;
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    assert!(matches!(running.got().await, Got::Stream { .. }));
    running.expect_entry(&recent, "recent", true).await;
    assert_eq!(running.got().await, Got::HistoryRead);
}

#[tokio::test]
async fn a_history_of_no_time_begins_at_the_end() {
    let server = RedisServer::start(&[]);
    let last = server.add("a", "*", &["data", "before"]).await;
    let mut running = server.streams();
    running.broker = Arc::new(RedisBroker::new(&server.url()).unwrap().stream_history(Duration::ZERO));
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", &last).await;
    assert_eq!(running.got().await, Got::HistoryRead);
    let next = server.add("a", "*", &["data", "after"]).await;
    running.expect_entry(&next, "after", false).await;
}

#[tokio::test]
async fn a_history_of_100_000_entries_is_the_newest_ones_of_a_longer_stream() {
    const ALL: usize = 130_000;
    let server = RedisServer::start(&[]);
    let script = "for i = ARGV[1], ARGV[2] do redis.call('XADD', KEYS[1], '*', 'data', ARGV[3] .. i) end";
    let payload = format!("{{\"text\":\"{}\"}}", "x".repeat(280));
    for from in (1..=ALL).step_by(10_000) {
        let (from, to) = (from.to_string(), (from + 9_999).to_string());
        let _: () = server.command(&["EVAL", script, "1", "a", &from, &to, &payload]).await;
    }
    let mut running = server.streams();
    let started = Instant::now();
    running.subscribe(vec![data("a")]).await;
    assert!(matches!(running.got().await, Got::Stream { .. }));
    for number in ALL - 100_000 + 1..=ALL {
        let Got::Entry { payload, is_history: true, .. } = running.got().await else { panic!() };
        assert!(payload.ends_with(&format!("}}{number}")), "{number}: {payload}");
    }
    assert_eq!(running.got().await, Got::HistoryRead);
    // A second is promised of a build that is optimized, on a machine that does nothing else.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_comes_twice_when_redis_is_killed() {
    let mut server = RedisServer::start(&AOF);
    let mut running = server.following(of_job("jobs", "job:")).await;
    for round in 0..4 {
        server.add("jobs", "*", &["data", &format!("{round} live"), "job", "7"]).await;
        server.kill();
        running.status("lost", |status| !status.connected).await;
        server.launch();
        server.add("jobs", "*", &["data", &format!("{round} while away"), "job", "8"]).await;
        running.status("back", |status| status.connected).await;
        server.add("jobs", "*", &["data", &format!("{round} after"), "job", "9"]).await;
        for (job, when) in [(7, "live"), (8, "while away"), (9, "after")] {
            let Got::Entry { channel, payload, is_history: false, .. } = running.got().await else {
                panic!()
            };
            assert_eq!((channel, payload), (format!("job:{job}"), format!("{round} {when}")));
        }
    }
}

#[tokio::test]
async fn a_redis_that_falls_silent_is_given_up_and_read_on_later() {
    let server = RedisServer::start(&[]);
    let mut running = server.following(data("a")).await;
    server.signal(Signal::STOP);
    running.status("given up", |status| !status.connected).await;
    server.signal(Signal::CONT);
    running.status("back", |status| status.connected).await;
    let id = server.add("a", "*", &["data", "1"]).await;
    running.expect_entry(&id, "1", false).await;
}

#[tokio::test]
async fn channels_and_streams_come_to_one_sink() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![data("a"), channel("b")]).await;
    for number in 0..500 {
        running.publish("b", format!("b{number}")).await;
        running.broker.append("a", None, format!("a{number}").into()).await.unwrap();
    }
    let (mut a, mut b) = (0, 0);
    while a < 500 || b < 500 {
        match running.got().await {
            Got::Entry { payload, channel, .. } => {
                assert_eq!((channel.as_str(), payload), ("a", format!("a{a}")));
                a += 1;
            }
            Got::Publication { payload, subscription: 1, .. } => {
                assert_eq!(payload, format!("b{b}").into_bytes());
                b += 1;
            }
            Got::Stream { .. } | Got::HistoryRead | Got::Confirmed(_) => {}
            got => panic!("{got:?}"),
        }
    }
}

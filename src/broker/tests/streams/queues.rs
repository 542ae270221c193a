//! Queues of BullMQ.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::super::fixture::{DEADLINE, Got, RedisServer};
use super::queues;

#[tokio::test]
async fn queues_are_found_and_their_events_are_objects() {
    let server = RedisServer::start(&[]);
    let _: u64 = server.command(&["HSET", "bull:a/b:meta", "opts.maxLenEvents", "10000"]).await;
    let _: () = server.command(&["SET", "bull:text:meta", "no queue"]).await;
    server.add("bull:a/b:events", "*", &["event", "added", "jobId", "1", "name", "x"]).await;
    let mut running = server.streams();
    running.subscribe(vec![queues(None)]).await;
    let Got::Stream { key, .. } = running.got().await else { panic!() };
    assert_eq!(key, "bull:a/b:events");
    let Got::Entry { channel, payload, is_history: true, .. } = running.got().await else { panic!() };
    assert_eq!(channel, "bull:a/b:1");
    assert_eq!(payload, r#"{"event":"added","jobId":"1","name":"x"}"#);
    assert_eq!(running.got().await, Got::HistoryRead);
}

#[tokio::test]
async fn a_queue_that_comes_later_is_found_by_the_next_pass_a_minute_after_the_first() {
    let server = RedisServer::start(&[]);
    let begun = Instant::now();
    let mut running = server.streams();
    running.subscribe(vec![queues(None)]).await;
    assert_eq!(running.got().await, Got::HistoryRead);
    let _: u64 = server.command(&["HSET", "bull:late:meta", "a", "b"]).await;
    server.add("bull:late:events", "*", &["event", "progress", "data", "{\"a\":1}", "jobId", "2"]).await;
    server.add("bull:late:events", "*", &["event", "drained"]).await;
    // The flush of the history, and then nothing for a minute.
    assert_eq!(running.anything().await, Got::Flush);
    while running.waiting() == 0 {
        assert!(begun.elapsed() < Duration::from_mins(1) + DEADLINE);
        sleep(Duration::from_millis(100)).await;
    }
    assert!(begun.elapsed() >= Duration::from_mins(1));
    let Got::Stream { stream: 0, key, .. } = running.got().await else { panic!() };
    assert_eq!(key, "bull:late:events");
    let Got::Entry { channel, payload, is_history: false, .. } = running.got().await else { panic!() };
    assert_eq!(
        (channel.as_str(), payload.as_str()),
        ("bull:late:2", r#"{"event":"progress","data":{"a":1},"jobId":"2"}"#)
    );
}

#[tokio::test]
async fn queues_that_are_named_need_not_be_there() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![queues(Some(&["a", "b"]))]).await;
    server.add("bull:b:events", "*", &["event", "active", "jobId", "1"]).await;
    server.add("bull:c:events", "*", &["event", "active", "jobId", "1"]).await;
    loop {
        match running.got().await {
            Got::Entry { channel, .. } => break assert_eq!(channel, "bull:b:1"),
            Got::Stream { key, .. } => assert!(["bull:a:events", "bull:b:events"].contains(&key.as_str())),
            got => assert_eq!(got, Got::HistoryRead),
        }
    }
}

//! Answers and entries that are longer than a connection bears.

use super::super::fixture::{Got, RedisServer, within};
use super::data;
use crate::broker::{Broker, Position, StreamId};

#[tokio::test]
async fn a_redis_that_cuts_long_answers_off_is_asked_for_shorter_ones() {
    const ALL: usize = 150;
    let limit = ["--client-output-buffer-limit", "normal", "500kb", "0", "0"];
    let server = RedisServer::start(&limit);
    let payload = "x".repeat(64 * 1024);
    for number in 0..ALL {
        server.add("a", "*", &["data", &format!("{number} {payload}")]).await;
    }
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    assert!(matches!(running.got().await, Got::Stream { .. }));
    let mut all = Vec::new();
    for number in 0..ALL {
        let Got::Entry { payload, position, is_history: true, .. } = running.got().await else { panic!() };
        assert!(payload.starts_with(&format!("{number} ")), "wanted {number}");
        all.push(position);
    }
    assert_eq!(running.got().await, Got::HistoryRead);
    // The first connection, and the one on which answers came; those between do not count.
    assert_eq!(running.broker.status().borrow().connects, 2);
    let history = running.broker.history().unwrap();
    let (mut again, mut after) = (Vec::new(), Position::default());
    loop {
        let page = within("a page", history.page(StreamId(0), after, 500)).await.unwrap();
        again.extend(page.entries.iter().map(|entry| entry.position.to_string()));
        match page.entries.last() {
            Some(last) => after = last.position,
            None => break,
        }
    }
    assert_eq!(again, all);
}

#[tokio::test]
async fn a_first_or_last_entry_of_any_length_keeps_no_stream_from_being_followed() {
    let server = RedisServer::start(&[]);
    let many: Vec<String> = (0..120_000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.add("a", "1-0", &many).await;
    let long = "return redis.call('XADD', KEYS[1], '2-0', 'data', string.rep('x', 70 * 1024 * 1024))";
    let _: String = server.command(&["EVAL", long, "1", "a"]).await;
    let mut running = server.streams();
    running.subscribe(vec![data("a"), data("b")]).await;
    server.add("a", "3-0", &["data", "a"]).await;
    server.add("b", "3-0", &["data", "b"]).await;
    let mut payloads = Vec::new();
    while payloads.len() < 2 {
        match running.got().await {
            Got::Entry { payload, .. } => payloads.push(payload),
            Got::Oversized { .. } | Got::Stream { .. } | Got::HistoryRead => {}
            got => panic!("{got:?}"),
        }
    }
    payloads.sort_unstable();
    assert_eq!(payloads, ["a", "b"]);
    assert_eq!(running.broker.status().borrow().connects, 1);
}

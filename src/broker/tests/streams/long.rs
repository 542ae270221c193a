//! Entries of any length.

use super::super::fixture::{Got, RedisServer};
use super::data;
use crate::broker::Broker;

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

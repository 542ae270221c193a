//! Entries that are read again.

use std::sync::Arc;

use super::super::fixture::{Got, RedisServer, within};
use super::{data, of_job};
use crate::broker::{Broker, EntryFault, Position, StreamId};

#[tokio::test]
async fn pages_give_entries_again_and_say_whether_any_is_missing() {
    let server = RedisServer::start(&[]);
    let mut running = server.following(of_job("a", "a:")).await;
    for number in 1..=9 {
        let id = format!("{number}-0");
        server.add("a", &id, &["data", &id, "job", "7"]).await;
        running.expect_entry(&id, &id, false).await;
    }
    let broker = Arc::clone(&running.broker);
    let history = broker.history().unwrap();
    let at = |millis| Position { millis, number: 0 };
    let page = async |after, most| {
        let page = within("a page", history.page(StreamId(0), at(after), most)).await.unwrap();
        let millis: Vec<u64> = page.entries.iter().map(|entry| entry.position.millis).collect();
        (millis, page.is_whole, page.newest.millis)
    };
    assert_eq!(page(0, 4).await, (vec![1, 2, 3, 4], true, 9));
    assert_eq!(page(2, 4).await, (vec![3, 4], true, 9), "from memory");
    assert_eq!(page(4, 100).await, (vec![5, 6, 7, 8, 9], true, 9));
    assert_eq!(page(9, 100).await, (vec![], true, 9));
    assert_eq!(page(10, 100).await, (vec![], false, 9));
    let entries = history.page(StreamId(0), at(8), 1).await.unwrap().entries;
    assert_eq!((entries[0].channel.as_deref(), &entries[0].payload[..]), (Some(&b"a:7"[..]), &b"9-0"[..]));
    let _: u64 = server.command(&["XTRIM", "a", "MAXLEN", "1"]).await;
    server.add("a", "10-0", &["other", "form"]).await;
    assert_eq!(running.got().await, Got::Odd(EntryFault::NoPayload));
    assert_eq!(page(9, 100).await, (vec![10], true, 10));
    assert_eq!(history.page(StreamId(0), at(9), 1).await.unwrap().entries[0].channel, None);
}

#[tokio::test]
async fn a_page_behind_a_position_that_was_trimmed_is_not_whole() {
    let server = RedisServer::start(&[]);
    for number in 1..=9 {
        server.add("a", &format!("{number}-0"), &["data", "x"]).await;
    }
    let _: u64 = server.command(&["XTRIM", "a", "MAXLEN", "3"]).await;
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", "9-0").await;
    let history = running.broker.history().unwrap();
    for (after, wanted) in [(3, false), (7, true), (9, true), (99, false)] {
        let page = history.page(StreamId(0), Position { millis: after, number: 0 }, 10).await.unwrap();
        assert_eq!(page.is_whole, wanted, "{after}");
    }
}

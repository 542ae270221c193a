//! Keys that hold something else, and entries of another form.

use super::super::fixture::{Got, RedisServer};
use super::{data, of_job};
use crate::broker::EntryFault;

#[tokio::test]
async fn a_key_of_another_type_is_named_and_leaves_the_others_alone_until_it_is_gone() {
    let server = RedisServer::start(&[]);
    let _: u64 = server.command(&["LPUSH", "wrong", "x"]).await;
    let mut running = server.streams();
    running.subscribe(vec![data("fine"), data("wrong")]).await;
    let status = running.status("denied", |status| !status.denied.is_empty()).await;
    let [denied] = &status.denied[..] else { panic!("{status:?}") };
    assert_eq!((denied.name.as_str(), denied.subscriptions.as_slice()), ("wrong", &[1][..]));
    assert_eq!(denied.reason, "the key holds a list, not a stream");
    running.expect_stream(0, "fine", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
    server.add("fine", "1-0", &["data", "1"]).await;
    running.expect_entry("1-0", "1", false).await;
    let _: u64 = server.command(&["DEL", "wrong"]).await;
    server.add("wrong", "*", &["data", "healed"]).await;
    running.status("healed", |status| status.denied.is_empty()).await;
    let Got::Stream { stream: 1, subscription: 1, .. } = running.got().await else { panic!() };
    let Got::Entry { payload, is_history: false, .. } = running.got().await else { panic!() };
    assert_eq!(payload, "healed");
}

#[tokio::test]
async fn a_key_that_becomes_another_type_fails_no_other_stream() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![data("a"), data("b")]).await;
    server.add("a", "1-0", &["data", "1"]).await;
    running.status("connected", |status| status.connected).await;
    let _: () = server.command(&["SET", "b", "text"]).await;
    let status = running.status("denied", |status| !status.denied.is_empty()).await;
    assert_eq!(status.denied[0].reason, "the key holds a string, not a stream");
    assert!(status.connected && !status.denied[0].revoked);
    server.add("a", "2-0", &["data", "2"]).await;
    loop {
        if let Got::Entry { payload, .. } = running.got().await
            && payload == "2"
        {
            break;
        }
    }
}

#[tokio::test]
async fn a_source_of_nothing_but_keys_of_another_type_is_not_connected() {
    let server = RedisServer::start(&[]);
    let _: () = server.command(&["SET", "a", "text"]).await;
    let mut running = server.streams();
    running.start(vec![data("a")], None);
    let status = running.status("denied", |status| !status.denied.is_empty()).await;
    assert!(!status.connected);
    assert!(status.error.unwrap().contains("the key holds a string, not a stream"));
    let _: u64 = server.command(&["DEL", "a"]).await;
    running.status("healed", |status| status.connected && status.denied.is_empty()).await;
}

#[tokio::test]
async fn entries_of_another_form_are_told_of_and_passed_over() {
    let server = RedisServer::start(&[]);
    let mut running = server.following(of_job("a", "a:")).await;
    for (fields, fault) in [
        (&["payload", "{}"][..], EntryFault::NoPayload),
        (&["data", "{}"], EntryFault::NoJob),
        (&["", ""], EntryFault::NoPayload),
    ] {
        server.add("a", "*", fields).await;
        assert_eq!(running.got().await, Got::Odd(fault));
    }
    let id = server.add("a", "*", &["more", "x", "job", "7", "data", "{}"]).await;
    running.expect_entry(&id, "{}", false).await;
    let large = "x".repeat(3 * 1024 * 1024);
    server.add("a", "*", &["job", "8", "data", &large]).await;
    let wanted = Got::Oversized {
        subscription: 0,
        channel: "a:8".to_owned(),
        head: large.as_bytes()[..80].to_vec(),
        len: large.len() as u64,
    };
    assert!(running.got().await == wanted);
    server.add("a", "*", &["job", "9", "data", &large[..1024 * 1024 + 10]]).await;
    assert!(matches!(running.got().await, Got::Oversized { len: 1_048_586, .. }));
}

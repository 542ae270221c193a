//! Streams: history, holes, keys that cannot be read, and queues.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::Semaphore;

use super::fixture::{Got, RedisServer, Running, channel, free_port, within};
use crate::broker::{Broker, Entries, EntryFault, Position, RedisBroker, StreamId, Subscription};

fn data(key: &str) -> Subscription {
    Subscription::Stream { key: key.to_owned(), entries: Entries::Data }
}

fn of_job(key: &str, prefix: &str) -> Subscription {
    Subscription::Stream { key: key.to_owned(), entries: Entries::DataOfJob(prefix.to_owned()) }
}

fn queues(names: Option<&[&str]>) -> Subscription {
    let names = names.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    Subscription::Queues { prefix: "bull".to_owned(), names }
}

impl RedisServer {
    /// A broker whose sink notes everything of streams.
    fn streams(&self) -> Running<RedisBroker> {
        let mut running = self.broker();
        running.is_detailed = true;
        running
    }

    async fn add(&self, key: &str, id: &str, fields: &[&str]) -> String {
        self.command(&[&["XADD", key, id], fields].concat()).await
    }
}

impl Running<RedisBroker> {
    /// The next thing that the sink got but flushes.
    async fn got(&mut self) -> Got {
        loop {
            match self.anything().await {
                Got::Flush => {}
                got => return got,
            }
        }
    }

    async fn expect_stream(&mut self, stream: u16, key: &str, after: &str) {
        let wanted = Got::Stream { stream, key: key.to_owned(), subscription: 0, after: after.to_owned() };
        assert_eq!(self.got().await, wanted);
    }

    async fn expect_entry(&mut self, position: &str, payload: &str, is_history: bool) {
        match self.got().await {
            Got::Entry { position: found, payload: text, is_history: history, .. } => {
                assert_eq!(
                    (found.as_str(), text.as_str(), history),
                    (position, payload, is_history),
                    "wanted {payload}"
                );
            }
            got => panic!("got {got:?}, wanted {payload}"),
        }
    }
}

const AOF: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

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
    let mut running = server.streams();
    running.subscribe(vec![of_job("jobs", "job:")]).await;
    running.expect_stream(0, "jobs", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
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
async fn entries_that_were_trimmed_while_redis_was_away_are_a_hole() {
    let mut server = RedisServer::start(&AOF);
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
    for id in ["1-0", "2-0"] {
        server.add("a", id, &["data", id]).await;
        running.expect_entry(id, id, false).await;
    }
    let away = |server: &mut RedisServer| {
        server.kill();
        server.launch();
    };
    // Trimmed up to what was read, nothing is missing.
    server.kill();
    running.status("lost", |status| !status.connected).await;
    server.launch();
    server.add("a", "3-0", &["data", "3-0"]).await;
    let _: u64 = server.command(&["XTRIM", "a", "MAXLEN", "1"]).await;
    running.expect_entry("3-0", "3-0", false).await;
    server.kill();
    running.status("lost", |status| !status.connected).await;
    // Nobody may read before all of it is done.
    let port = std::mem::replace(&mut server.port, free_port());
    server.launch();
    for id in ["4-0", "5-0", "6-0"] {
        server.add("a", id, &["data", id]).await;
    }
    let _: u64 = server.command(&["XTRIM", "a", "MAXLEN", "2"]).await;
    server.port = port;
    away(&mut server);
    running.expect_stream(0, "a", "4-18446744073709551615").await;
    running.expect_entry("5-0", "5-0", false).await;
    running.expect_entry("6-0", "6-0", false).await;
}

#[tokio::test]
async fn entries_that_are_trimmed_while_the_sink_pushes_back_are_a_hole() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    // One for the flush of the stream, and one for that of the history.
    let gate = Arc::new(Semaphore::new(2));
    running.start(vec![data("a")], Some(Arc::clone(&gate)));
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
    server.add("a", "1-0", &["data", "1"]).await;
    running.expect_entry("1-0", "1", false).await;
    let held = Instant::now();
    for number in 2..=50 {
        let id = format!("{number}-0");
        let _: String = server.command(&["XADD", "a", "MAXLEN", "2", &id, "data", "x"]).await;
    }
    // As long as it takes to be called late.
    while held.elapsed() < Duration::from_millis(60) {
        tokio::task::yield_now().await;
    }
    gate.add_permits(1000);
    running.expect_stream(0, "a", "48-18446744073709551615").await;
    running.expect_entry("49-0", "x", false).await;
    running.expect_entry("50-0", "x", false).await;
}

#[tokio::test]
async fn a_hole_that_nobody_saw_is_told_of_soon() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
    // Both are added, and the first one is gone, before anybody can read.
    let script = "for i = 1, 2 do redis.call('XADD', KEYS[1], 'MAXLEN', 1, i .. '-0', 'data', i) end";
    let _: () = server.command(&["EVAL", script, "1", "a"]).await;
    running.expect_entry("2-0", "2", false).await;
    running.expect_stream(0, "a", "2-0").await;
}

#[tokio::test]
async fn a_key_that_was_deleted_and_made_anew_is_read_from_its_beginning() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
    server.add("a", "5-0", &["data", "old"]).await;
    running.expect_entry("5-0", "old", false).await;
    let _: u64 = server.command(&["DEL", "a"]).await;
    server.add("a", "1-0", &["data", "new"]).await;
    running.expect_stream(0, "a", "0-0").await;
    running.expect_entry("1-0", "new", false).await;
    server.add("a", "2-0", &["data", "newer"]).await;
    running.expect_entry("2-0", "newer", false).await;
}

#[tokio::test]
async fn entries_that_redis_lost_are_told_of_and_the_others_do_not_come_twice() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
    for id in ["1-0", "2-0"] {
        server.add("a", id, &["data", id]).await;
        running.expect_entry(id, id, false).await;
    }
    let kept: Vec<u8> = server.command_raw(&[b"DUMP", b"a"]).await;
    server.add("a", "9-0", &["data", "9-0"]).await;
    running.expect_entry("9-0", "9-0", false).await;
    let _: () = server.command_raw(&[b"RESTORE", b"a", b"0", &kept, b"REPLACE"]).await;
    running.expect_stream(0, "a", "2-0").await;
    server.add("a", "3-0", &["data", "3-0"]).await;
    running.expect_entry("3-0", "3-0", false).await;
}

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
    let mut running = server.streams();
    running.subscribe(vec![of_job("a", "a:")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
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

#[tokio::test]
async fn a_redis_that_falls_silent_is_given_up_and_read_on_later() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![data("a")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
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
    let _: u64 = server.command(&["HSET", "bull:late:meta", "a", "b"]).await;
    server.add("bull:late:events", "*", &["event", "progress", "data", "{\"a\":1}", "jobId", "2"]).await;
    server.add("bull:late:events", "*", &["event", "drained"]).await;
    let Got::Stream { stream: 1, key, .. } = running.got().await else { panic!() };
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

#[tokio::test]
async fn pages_give_entries_again_and_say_whether_any_is_missing() {
    let server = RedisServer::start(&[]);
    let mut running = server.streams();
    running.subscribe(vec![of_job("a", "a:")]).await;
    running.expect_stream(0, "a", "0-0").await;
    assert_eq!(running.got().await, Got::HistoryRead);
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

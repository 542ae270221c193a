//! Entries that are gone before they were read, and streams that were begun anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::super::fixture::{Got, RedisServer, free_port};
use super::{AOF, data};

#[tokio::test]
async fn entries_that_were_trimmed_while_redis_was_away_are_a_hole() {
    let mut server = RedisServer::start(&AOF);
    let mut running = server.following(data("a")).await;
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
    // The relay must not read before all of this is done.
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
    // Two permits: for the flush of the stream, and for that of the history.
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
    // The sink is late after 50 ms.
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
    let mut running = server.following(data("a")).await;
    // Both are added, and the first one is gone, before anybody can read.
    let script = "for i = 1, 2 do redis.call('XADD', KEYS[1], 'MAXLEN', 1, i .. '-0', 'data', i) end";
    let _: () = server.command(&["EVAL", script, "1", "a"]).await;
    running.expect_entry("2-0", "2", false).await;
    running.expect_stream(0, "a", "2-0").await;
}

#[tokio::test]
async fn a_key_that_was_deleted_and_made_anew_is_read_from_its_beginning() {
    let server = RedisServer::start(&[]);
    let mut running = server.following(data("a")).await;
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
    let mut running = server.following(data("a")).await;
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

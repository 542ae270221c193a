//! One who stops reading among many.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use super::scraping;
use crate::support::{CLOSE, PATIENCE, PING, PONG, RawSocket, RedisServer, Relay, TEXT, resident, until};

const OTHERS: usize = 50;
const EVENTS: u64 = 4_000;
/// Events that are published before the others are given time to read them: far fewer than a socket holds.
const CHUNK: usize = 20;
/// Every so many events one is a milestone.
const MILESTONE: u64 = 100;

fn kind(number: u64) -> &'static str {
    match number {
        EVENTS => "job_completed",
        n if n.is_multiple_of(MILESTONE) => "scraper_completed",
        _ => "job_progress",
    }
}

fn number(text: &str) -> u64 {
    let (_, rest) = text.split_once("\"results_count\":").unwrap();
    rest[..rest.find(',').unwrap()].parse().unwrap()
}

fn publish(redis: &RedisServer, numbers: Range<u64>) {
    let mut pipeline = redis::pipe();
    for n in numbers {
        pipeline.publish("scraping_events", scraping(1, kind(n), "1", n));
    }
    let _: Vec<u64> = pipeline.query(&mut redis.connection()).unwrap();
}

/// Redis and a relay that knows the job already.
fn start(args: &[&str]) -> (RedisServer, Relay) {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, args);
    redis.publish("scraping_events", scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    (redis, relay)
}

/// A socket that has the job's state, so that it is there for every event from now on.
fn watch(relay: &Relay) -> RawSocket {
    watching(relay.raw("/ws/scraping/1"))
}

/// The same, of a client whose system takes hardly anything that the client does not read.
fn watch_narrowly(relay: &Relay) -> RawSocket {
    watching(RawSocket::with_receive_buffer(relay.address(), "/ws/scraping/1", 4 << 10))
}

fn watching(mut socket: RawSocket) -> RawSocket {
    assert_eq!(number(socket.next_but_pings(PATIENCE).unwrap().text()), 0);
    socket
}

/// Reads until the job's ending; the numbers of the events.
fn read_all(socket: &mut RawSocket) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.last() != Some(&EVENTS) {
        let frame = socket.next(PATIENCE).expect("the socket stays open");
        match frame.opcode {
            PING => {}
            TEXT => numbers.push(number(frame.text())),
            other => panic!("opcode {other}: {frame:?}"),
        }
    }
    numbers
}

#[test]
fn one_who_stops_reading_gets_the_newest_state_later_and_nobody_else_notices() {
    let (redis, relay) = start(&[]);
    let mut slow = watch_narrowly(&relay);
    let mut others: Vec<_> = (0..OTHERS).map(|_| watch(&relay)).collect();
    let before = resident(relay.id());
    for first in (1..=EVENTS).step_by(CHUNK) {
        let chunk = first..first + CHUNK as u64;
        publish(&redis, chunk.clone());
        for socket in &mut others {
            let numbers = (0..CHUNK).map(|_| number(socket.next_but_pings(PATIENCE).unwrap().text()));
            assert!(numbers.eq(chunk.clone()), "lost or repeated");
        }
    }
    let stats = relay.stats();
    assert!(stats["conflated"].as_u64().unwrap() > 1_000, "{stats}");
    assert_eq!(stats["slow_consumers"], 0);
    let clients = relay.exchange("GET", "/clients", &[], b"").json();
    let one = &clients["clients"][0];
    assert_eq!((&one["address"], &one["slow"]), (&"127.0.0.1".into(), &1.into()), "{clients}");
    assert_eq!(one["sockets"], 1 + OTHERS, "{clients}");
    for waiting in ["waiting_bytes", "waiting_messages", "waiting_ms"] {
        assert!(one[waiting].as_u64().unwrap() > 0, "{clients}");
    }
    let grown = resident(relay.id()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");

    let numbers = read_all(&mut slow);
    assert!(numbers.is_sorted_by(|a, b| a < b), "out of order: {numbers:?}");
    let milestones: Vec<u64> = numbers.iter().copied().filter(|n| kind(*n) != "job_progress").collect();
    assert!(milestones.into_iter().eq((MILESTONE..=EVENTS).step_by(100)), "{numbers:?}");
    assert!(numbers.contains(&(EVENTS - 1)), "the newest progress: {numbers:?}");
    assert!(numbers.len() < 2_000, "hardly conflated: {}", numbers.len());
    slow.expect_silence();
}

#[test]
fn one_whose_milestones_exceed_the_outbox_is_closed_with_1013() {
    let (redis, relay) = start(&["--outbox", "16KiB"]);
    let (mut slow, mut quick) = (watch_narrowly(&relay), watch(&relay));
    for n in 1..=1_000 {
        redis.publish("scraping_events", scraping(1, "scraper_completed", "null", n));
        assert_eq!(number(quick.next_but_pings(PATIENCE).unwrap().text()), n);
    }
    until(PATIENCE, "the slow consumer", || relay.stats()["slow_consumers"] == 1);
    let mut expected = 1;
    let close = loop {
        let frame = slow.next_but_pings(PATIENCE).expect("a close frame");
        if frame.opcode == CLOSE {
            break frame;
        }
        assert_eq!(number(frame.text()), expected, "a gap before the close");
        expected += 1;
    };
    assert_eq!(close.close_code(), 1013);
    assert!(expected < 1_000);
    slow.send_frame(CLOSE, &close.payload);
    relay.until_connections(1);
}

#[test]
fn one_who_reads_slowly_without_pause_is_not_stale() {
    let (redis, relay) = start(&["--ping-interval", "300ms"]);
    let mut slow = watch_narrowly(&relay);
    let total = 2_500;
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=total {
                redis.publish("scraping_events", scraping(1, "scraper_completed", "null", n));
            }
        });
        for n in 1..=total {
            let frame = loop {
                let frame = slow.next(PATIENCE).expect("it stays open");
                if frame.opcode != PING {
                    break frame;
                }
                slow.send_frame(PONG, &frame.payload);
            };
            assert_eq!(number(frame.text()), n);
            // Slower than events come: this is the client's speed, not a wait for anything.
            thread::sleep(Duration::from_micros(700));
        }
    });
    assert_eq!(relay.stats()["stale_connections"], 0);
}

/// Events of some 16 kB, all of them milestones, with these numbers.
fn publish_large(redis: &RedisServer, numbers: Range<u64>) {
    let padding = format!(r#""message":"{}""#, "x".repeat(16_000));
    let mut pipeline = redis::pipe();
    for n in numbers {
        let event = scraping(1, "scraper_completed", "null", n).replacen(r#""message":null"#, &padding, 1);
        pipeline.publish("scraping_events", event);
    }
    let _: Vec<u64> = pipeline.query(&mut redis.connection()).unwrap();
}

#[test]
fn one_who_reads_promptly_gets_bursts_of_large_events_at_any_size_of_segments() {
    const BURST: u64 = 200;
    let (redis, relay) = start(&[]);
    let mut sockets =
        [watch(&relay), watching(RawSocket::with_segments(relay.address(), "/ws/scraping/1", 1460))];
    thread::scope(|scope| {
        for socket in &mut sockets {
            scope.spawn(move || {
                for n in 1..=4 * BURST + 250 {
                    let frame = socket.next_but_pings(PATIENCE).expect("it stays open");
                    assert_eq!(number(frame.text()), n);
                }
                socket.expect_silence();
            });
        }
        for burst in 0..4 {
            let first = 1 + burst * BURST;
            publish_large(&redis, first..first + BURST);
            // The next burst meets readers that have caught up.
            until(PATIENCE, "the burst to be delivered", || {
                relay.stats()["deliveries"].as_u64().unwrap() >= 2 * (first + BURST - 1)
            });
            // Bursts are apart, or they are one.
            thread::sleep(Duration::from_millis(500));
        }
        publish_large(&redis, 4 * BURST + 1..4 * BURST + 251);
    });
    assert_eq!(relay.stats()["slow_consumers"], 0);
}

//! Clients that come back: `?cursor=1`, `?since=`, `Last-Event-ID`, gaps.

use std::time::Duration;

use serde_json::Value;

use super::stream::number;
use super::{scraping, wrapped};
use crate::support::{EventStream, PATIENCE, RedisServer, Relay, SECRET, WebSocket, token, until, wait_for};

const EVENTS: &str = "scraping_events";
const JOB: &str = "/ws/scraping/1";

/// The cursor at the beginning of a text, and the text without it.
#[track_caller]
fn taken_apart(text: &str) -> (String, String) {
    let rest = text.strip_prefix(r#"{"cursor":""#).unwrap_or_else(|| panic!("no cursor in {text}"));
    let (cursor, rest) = rest.split_once('"').unwrap();
    (cursor.to_owned(), format!("{{{}", rest.strip_prefix(',').unwrap_or(rest)))
}

/// The next text, which must be this one with a cursor first.
#[track_caller]
fn expect_with_cursor(socket: &mut WebSocket, text: &str) -> String {
    let (cursor, rest) = taken_apart(&socket.next_text(PATIENCE));
    assert_eq!(rest, text);
    cursor
}

/// The next text, which must be a gap for this reason. Returns its cursor.
#[track_caller]
fn expect_gap(socket: &mut WebSocket, reason: &str) -> String {
    let text = socket.next_text(PATIENCE);
    let gap: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&gap["type"], &gap["reason"]), (&"gap".into(), &reason.into()), "{text}");
    gap["cursor"].as_str().expect("a cursor").to_owned()
}

#[test]
fn a_cursor_is_the_first_member_of_each_event_and_of_the_state() {
    let relay = Relay::start(&[]);
    let started = scraping(1, "job_started", "0", 0);
    relay.publish(EVENTS, &started);
    let mut socket = relay.connect("/ws/scraping/1?cursor=1");
    let mut last = expect_with_cursor(&mut socket, &started);
    for n in 1..5 {
        let event = scraping(1, "scraper_completed", "1", n);
        relay.publish(EVENTS, &event);
        let cursor = expect_with_cursor(&mut socket, &event);
        assert_ne!(cursor, last);
        last = cursor;
    }
    socket.expect_silence();
    for plain in ["", "?cursor=0", "?cursor=", "?cursor=true"] {
        relay.connect(&format!("{JOB}{plain}")).expect(&scraping(1, "scraper_completed", "1", 4));
    }
}

#[test]
fn an_event_with_a_cursor_of_its_own_stands_beside_ours() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws?channels=campaigns&cursor=1");
    socket.expect_text_containing(r#""type":"connection""#);
    for payload in [r#"{"type":"x","cursor":"mine"}"#, r#"{"\u0063ursor":1}"#] {
        relay.publish("fliptechpro:campaigns", payload);
        let text = loop {
            let text = socket.next_text(PATIENCE);
            if !text.starts_with(r#"{"type":"#) {
                break text;
            }
        };
        let (_, rest) = taken_apart(&text);
        assert_eq!(rest, format!(r#"{{"event":{payload}}}"#));
    }
}

#[test]
fn the_envelope_of_downloads_has_the_cursor_outermost_and_a_placeholder_has_none() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/download/a?cursor=1");
    socket.expect(&wrapped(r#"{"jobId":"a","status":"queued","progress":0}"#));
    let told: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
    assert_eq!(told["type"], "cursor");
    let events: Vec<_> = [
        r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"v"}}"#,
        r#"{"jobId":"a","status":"processing","progress":20}"#,
        r#"{"jobId":"a","status":"completed","progress":100}"#,
    ]
    .into();
    for event in &events {
        relay.publish("download_updates:a", event);
        expect_with_cursor(&mut socket, &wrapped(event));
    }
    // Each event again as it was, not their merge.
    for since in [told["cursor"].as_str().unwrap(), "0"] {
        let mut again = relay.connect(&format!("/ws/download/a?since={since}"));
        for event in &events {
            again.expect(&wrapped(event));
        }
        again.expect_silence();
    }
}

#[test]
fn since_sends_what_was_missed_once_and_goes_on_live_without_the_state() {
    let relay = Relay::start(&["--shards", "2"]);
    let events: Vec<String> = (0..10).map(|n| scraping(1, "scraper_completed", "1", n)).collect();
    let mut socket = relay.connect("/ws/scraping/1?cursor=1");
    let told: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
    assert_eq!(told["type"], "cursor", "nothing is known of the job, but the place is");
    relay.publish(EVENTS, &events[0]);
    let cursor = expect_with_cursor(&mut socket, &events[0]);
    for event in &events[1..9] {
        relay.publish(EVENTS, event);
        relay.publish(EVENTS, &scraping(2, "scraper_completed", "1", 0));
    }
    for query in [
        format!("since={cursor}"),
        format!("since={cursor}&replay=1"),
        format!("replay=1&since={cursor}&cursor=0"),
    ] {
        let mut again = relay.connect(&format!("{JOB}?{query}"));
        for event in &events[1..9] {
            again.expect(event);
        }
        again.expect_silence();
    }
    // A header goes before the query, for streams alone.
    let mut stream =
        EventStream::open(relay.address(), &format!("{JOB}?since=0"), &[("Last-Event-ID", &cursor)]);
    assert_eq!(stream.next_data(), events[1]);
    let headers = [("Last-Event-ID", cursor.as_str())];
    let mut plain = WebSocket::try_connect(&relay.ws(JOB), &headers).unwrap();
    plain.expect(&events[8]);
    plain.expect_silence();
    let mut live = relay.connect(&format!("{JOB}?since=0"));
    for event in &events[..9] {
        live.expect(event);
    }
    relay.publish(EVENTS, &events[9]);
    live.expect(&events[9]);
    live.expect_silence();
}

#[test]
fn an_id_of_the_stream_and_a_cursor_of_the_socket_are_one() {
    let relay = Relay::start(&[]);
    let events: Vec<String> = (0..3).map(|n| scraping(1, "scraper_completed", "1", n)).collect();
    relay.publish(EVENTS, &events[0]);
    let mut stream = relay.stream(JOB);
    stream.expect(&events[0]);
    relay.publish(EVENTS, &events[1]);
    let mut socket = relay.connect(&format!("{JOB}?cursor=1&since={}", stream.last_id));
    let cursor = expect_with_cursor(&mut socket, &events[1]);
    relay.publish(EVENTS, &events[2]);
    relay.stream_after(JOB, &cursor).expect(&events[2]);
}

#[test]
fn a_stream_that_ended_before_its_state_has_it_again() {
    let relay = Relay::start(&[]);
    let started = scraping(1, "job_started", "0", 0);
    relay.publish(EVENTS, &started);
    let mut stream = relay.stream(JOB);
    let first = stream.next_block(PATIENCE).unwrap().id.unwrap();
    relay.stream_after(JOB, &first).expect(&started);
}

#[test]
fn garbage_is_one_gap_then_the_state_then_live() {
    let relay = Relay::start(&[]);
    let (started, progress) = (scraping(1, "job_started", "0", 0), scraping(1, "job_progress", "5", 1));
    relay.publish(EVENTS, &started);
    let long = "a".repeat(300);
    for since in
        ["", "x", "00", "-1", "1.2.3", "%C3%BC", "a%20b", "%00", "0%0a", &long, "ffffffffffffffffffffffff.1"]
    {
        let mut socket = relay.connect(&format!("{JOB}?cursor=1&since={since}"));
        expect_gap(&mut socket, "invalid");
        expect_with_cursor(&mut socket, &started);
        socket.expect_silence();
        let mut stream = relay.stream(&format!("{JOB}?since={since}"));
        stream.expect_gap("invalid");
        stream.expect(&started);
    }
    let mut stream = EventStream::open(relay.address(), JOB, &[("Last-Event-ID", "caf\u{e9}")]);
    stream.expect_gap("invalid");
    stream.expect(&started);
    relay.publish(EVENTS, &progress);
    stream.expect(&progress);
    // One that has not been given out yet.
    let (epoch, _) = stream.last_id.split_once('.').unwrap();
    relay.stream_after(JOB, &format!("{epoch}.ffffffff")).expect_gap("invalid");
}

#[test]
fn a_restart_is_a_gap_for_jobs_and_for_channels() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    let mut stream = relay.stream(JOB);
    stream.next_data();
    let old = stream.last_id.clone();
    drop(stream);
    let relay = relay.restarted(|| {});
    let mut stream = relay.stream_after(JOB, &old);
    stream.expect_gap("restarted");
    let started = scraping(1, "job_started", "0", 1);
    relay.publish(EVENTS, &started);
    stream.expect(&started);
    relay.stream_after(JOB, &stream.last_id.clone()).expect_nothing_before(
        &relay,
        EVENTS,
        &scraping(1, "job_progress", "1", 2),
    );
    let mut channel = relay.stream_after("/ws?channels=campaigns", &old);
    assert!(channel.next_data().contains(r#""type":"connection""#));
    channel.expect_gap("restarted");
}

#[test]
fn a_state_that_redis_kept_follows_the_gap_of_a_restart() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let done = scraping(1, "job_completed", "100", 3);
    redis.publish(EVENTS, &done);
    relay.until_events(1);
    let mut stream = relay.stream(JOB);
    stream.expect(&done);
    let old = stream.last_id.clone();
    assert_eq!(relay.stop().code, 0);
    let relay = Relay::on(&redis, &[]);
    let mut stream = relay.stream_after(JOB, &old);
    stream.expect_gap("restarted");
    stream.expect(&done);
    let told = stream.last_id.clone();
    drop(stream);
    relay.stream_after(JOB, &told).expect_nothing_before(&relay, "", "");
}

impl EventStream {
    /// Sees nothing but an event that is published now, if one is.
    #[track_caller]
    fn expect_nothing_before(&mut self, relay: &Relay, channel: &str, payload: &str) {
        if payload.is_empty() {
            assert!(self.next_block(PATIENCE).unwrap().id.is_some());
            assert!(self.next_block(PATIENCE).unwrap().retry.is_some());
            return;
        }
        relay.publish(channel, payload);
        self.expect(payload);
    }
}

#[test]
fn two_hundred_milestones_are_kept_and_one_more_is_a_gap() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut stream = relay.stream(JOB);
    stream.next_data();
    let start = stream.last_id.clone();
    let publish = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            redis.publish(EVENTS, scraping(1, "scraper_completed", "1", n));
            redis.publish(EVENTS, scraping(1, "job_progress", "1", n));
        }
    };
    publish(1..201);
    relay.until_events(401);
    let mut again = relay.stream_after(JOB, &start);
    let mut milestones = Vec::new();
    let mut last = 0;
    while last < 200 || milestones.len() < 200 {
        let data = again.next_data();
        assert!(number(&data) >= last, "in order");
        last = number(&data);
        if data.contains("scraper_completed") {
            milestones.push(last);
        }
    }
    assert_eq!(milestones, (1..201).collect::<Vec<_>>());
    publish(201..202);
    relay.until_events(403);
    let mut late = relay.stream_after(JOB, &start);
    late.expect_gap("too_old");
    assert_eq!(late.next_data(), scraping(1, "job_progress", "1", 201));
    // The beginning of what is kept is no gap, and its first event is what the job's record holds of its beginning.
    let mut all = relay.stream(&format!("{JOB}?since=0"));
    all.expect(&scraping(1, "job_started", "0", 0));
    assert!(number(&all.next_data()) > 0);
}

#[test]
fn progress_that_newer_progress_replaced_is_no_gap() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut stream = relay.stream(JOB);
    stream.next_data();
    let start = stream.last_id.clone();
    for n in 1..2_000 {
        redis.publish(EVENTS, scraping(1, "job_progress", "1", n));
    }
    relay.until_events(2_000);
    let mut again = relay.stream_after(JOB, &start);
    let mut numbers = vec![number(&again.next_data())];
    while numbers.last() != Some(&1_999) {
        numbers.push(number(&again.next_data()));
    }
    assert!(numbers.is_sorted() && numbers.len() < 500 && numbers.len() > 50, "{}", numbers.len());
}

#[test]
fn a_thousand_events_of_a_channel_are_kept_and_rooms_filter_them() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let event = |n: u32| format!(r#"{{"type":"campaign:paused","campaign_id":{},"n":{n}}}"#, n % 2);
    let paths = ["/ws?channels=campaigns", "/ws/campaigns?campaign_id=1", "/ws?campaign_id=1"];
    let starts = paths.map(|path| {
        let mut stream = relay.stream(path);
        stream.next_data();
        stream.last_id
    });
    for n in 0..600 {
        redis.publish("fliptechpro:campaigns", event(n));
        redis.publish("fliptechpro:emails", event(n));
    }
    relay.until_events(1_200);
    for (path, start) in paths.iter().zip(&starts) {
        let mut stream = relay.stream_after(path, start);
        assert!(stream.next_data().contains("connection"));
        for n in 0..600 {
            if *path == paths[0] || n % 2 == 1 {
                stream.expect(&event(n));
                if *path == paths[2] {
                    stream.expect(&event(n));
                }
            }
        }
    }
    for n in 0..401 {
        redis.publish("fliptechpro:campaigns", event(n));
    }
    relay.until_events(1_601);
    for (path, start) in paths.iter().zip(&starts) {
        let mut stream = relay.stream_after(path, start);
        stream.next_data();
        stream.expect_gap("too_old");
    }
}

/// Has Redis end the relay's subscriptions, and waits until it is there again.
fn lose_source(redis: &RedisServer, relay: &Relay) {
    let connects = relay.stats()["broker_connects"].as_u64().unwrap();
    let _: redis::Value =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).query(&mut redis.connection()).unwrap();
    until(PATIENCE, "the relay to be back", || relay.stats()["broker_connects"].as_u64() > Some(connects));
    until(PATIENCE, "the relay to be ready", || relay.get("/ready").0 == 200);
}

#[test]
fn a_lost_source_is_told_once_to_open_clients_with_cursors_and_to_old_cursors() {
    let redis = RedisServer::start();
    // No place is refreshed meanwhile.
    let relay = Relay::on(&redis, &["--shards", "2", "--ping-interval", "1d"]);
    let started = scraping(1, "job_started", "0", 0);
    redis.publish(EVENTS, &started);
    relay.until_events(1);
    let mut stream = relay.stream(JOB);
    stream.expect(&started);
    let old = stream.last_id.clone();
    let mut socket = relay.connect("/ws/scraping/1?cursor=1");
    expect_with_cursor(&mut socket, &started);
    let mut plain = relay.connect(JOB);
    plain.expect(&started);
    let mut channel = relay.stream("/ws?channels=campaigns");
    channel.next_data();
    lose_source(&redis, &relay);
    stream.expect_gap("source_lost");
    expect_gap(&mut socket, "source_lost");
    channel.expect_gap("source_lost");
    plain.expect_silence();
    assert!(relay.stats()["redis"]["gaps"].as_u64() >= Some(1), "{}", relay.stats());
    let open = stream.last_id.clone();
    assert_ne!(open, old);
    let mut back = relay.stream_after(JOB, &old);
    back.expect_gap("source_lost");
    back.expect(&started);
    // It was told, and is not told again.
    let told = back.next_id_alone();
    let progress = scraping(1, "job_progress", "5", 1);
    redis.publish(EVENTS, &progress);
    stream.expect(&progress);
    expect_with_cursor(&mut socket, &progress);
    plain.expect(&progress);
    back.expect(&progress);
    relay.stream_after(JOB, &told).expect(&progress);
    relay.stream_after(JOB, &open).expect(&progress);
    // Those who come for the first time hear of no gap.
    relay.stream(JOB).expect(&progress);
    relay.connect(&format!("{JOB}?since=0")).expect(&started);
}

#[test]
fn a_job_that_left_memory_is_a_gap_only_before_it_left() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--keep-jobs", "2"]);
    let done = scraping(1, "job_completed", "100", 1);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut stream = relay.stream(JOB);
    stream.next_data();
    let before = stream.last_id.clone();
    redis.publish(EVENTS, &done);
    stream.expect(&done);
    for job in 2..6 {
        redis.publish(EVENTS, scraping(job, "job_started", "0", 0));
    }
    relay.until_events(6);
    let mut late = relay.stream_after(JOB, &before);
    late.expect_gap("too_old");
    late.expect(&done);
    let mut other = relay.stream("/ws/scraping/5");
    other.next_data();
    let after = other.last_id.clone();
    let again = scraping(1, "job_started", "0", 7);
    redis.publish(EVENTS, &again);
    relay.until_events(7);
    relay.stream_after(JOB, &after).expect(&again);
}

#[test]
fn kinds_choose_events_live_and_missed_but_never_the_state() {
    // A ping would bring the cursor of events that are not wanted.
    let relay = Relay::start(&["--ping-interval", "1d"]);
    let progress = scraping(1, "job_progress", "5", 1);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    relay.publish(EVENTS, &progress);
    let path = "/ws/scraping/1?kinds=job_failed,job_completed&cursor=1";
    let mut socket = relay.connect(path);
    let cursor = expect_with_cursor(&mut socket, &progress);
    relay.publish(EVENTS, &scraping(1, "scraper_completed", "1", 2));
    relay.publish(EVENTS, &scraping(1, "job_progress", "6", 3));
    let done = scraping(1, "job_completed", "100", 4);
    relay.publish(EVENTS, &done);
    expect_with_cursor(&mut socket, &done);
    socket.expect_silence();
    for since in [cursor.as_str(), "0"] {
        let mut again = relay.connect(&format!("{path}&since={since}"));
        expect_with_cursor(&mut again, &done);
        let mut stream =
            relay.stream(&format!("/ws/scraping/1?kinds=job_failed&kinds=job_completed&since={since}"));
        stream.expect(&done);
    }
    let mut plain = relay.connect("/ws/scraping/1?kinds=job_failed");
    plain.expect(&done);
    plain.expect_silence();
    let mut channel = relay.connect("/ws/campaigns?kinds=campaign:paused");
    channel.expect_text_containing("connection");
    relay.publish("fliptechpro:campaigns", r#"{"type":"campaign:resumed","campaign_id":1}"#);
    let paused = r#"{"type":"campaign:paused","campaign_id":1}"#;
    relay.publish("fliptechpro:campaigns", paused);
    assert_eq!(channel.next_text(PATIENCE), paused);
}

#[test]
fn an_owner_resumes_and_another_does_not() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--unknown-grace", "300ms"]);
    relay.publish("task_updates:t", r#"{"type":"registered","task_id":"t","user_id":"alice"}"#);
    let event = |step: u32| format!(r#"{{"type":"progress","task_id":"t","step":{step},"total_steps":9}}"#);
    relay.publish("task_updates:t", &event(1));
    let (alice, bob) = (token("alice"), token("bob"));
    let mut stream = relay.stream(&format!("/ws/t?token={alice}"));
    stream.expect(&event(1));
    relay.publish("task_updates:t", &event(2));
    relay.publish("task_updates:t", &event(3));
    let back = |token: &str| relay.connect(&format!("/ws/t?token={token}&since={}&cursor=1", stream.last_id));
    let mut socket = back(&alice);
    expect_with_cursor(&mut socket, &event(2));
    expect_with_cursor(&mut socket, &event(3));
    socket.expect_silence();
    assert_eq!(back(&bob).close_code(), 4003);
    // The registration is never sent.
    let mut all = relay.connect(&format!("/ws/t?token={alice}&since=0"));
    for step in 1..4 {
        all.expect(&event(step));
    }
    all.expect_silence();
}

/// Follows a stream that is cut off at any moment; the numbers of its events.
fn follow(
    relay: &Relay,
    path: &str,
    cuts: &[usize],
    wanted: u64,
    of: impl Fn(&str) -> Option<u64>,
) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut stream = relay.stream_after(path, "0");
    let mut cuts = cuts.iter().cycle();
    let mut left = *cuts.next().unwrap();
    while numbers.last() != Some(&wanted) {
        if left == 0 {
            let id = stream.last_id.clone();
            drop(stream);
            stream = relay.stream_after(path, &id);
            left = *cuts.next().unwrap();
        }
        left -= 1;
        let block = stream.next_block(PATIENCE).unwrap();
        assert_eq!(block.event, None);
        if let Some(data) = block.data {
            assert!(!data.contains(r#""type":"gap""#), "{data}");
            numbers.extend(of(&data));
        }
    }
    numbers
}

const CUTS: [usize; 12] = [1, 3, 40, 2, 7, 90, 5, 1, 150, 11, 4, 23];

#[test]
fn no_milestone_is_missed_or_repeated_over_many_cuts_while_events_flow() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--shards", "2", "--tail", "10000"]);
    let total = 3_000;
    let publisher = {
        let url = redis.url();
        std::thread::spawn(move || {
            let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
            for n in 1..=total {
                let mut pipeline = redis::pipe();
                pipeline.publish(EVENTS, scraping(1, "scraper_completed", "1", n)).ignore();
                pipeline.publish(EVENTS, scraping(2, "job_progress", "1", n)).ignore();
                pipeline.publish(EVENTS, scraping(1, "job_progress", "1", n)).ignore();
                pipeline.exec(&mut connection).unwrap();
                if n % 10 == 0 {
                    // A pace, not a wait for something.
                    std::thread::sleep(Duration::from_millis(3));
                }
            }
        })
    };
    let milestone = |data: &str| data.contains("scraper_completed").then(|| number(data));
    std::thread::scope(|scope| {
        let followers: Vec<_> = (0..4)
            .map(|nth| {
                let (relay, cuts) = (&relay, &CUTS[nth..]);
                scope.spawn(move || follow(relay, JOB, cuts, total, milestone))
            })
            .collect();
        for follower in followers {
            assert_eq!(follower.join().unwrap(), (1..=total).collect::<Vec<_>>());
        }
    });
    publisher.join().unwrap();
}

#[test]
fn no_event_of_channels_and_rooms_is_missed_or_repeated_over_many_cuts() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--shards", "2", "--tail", "10000"]);
    let total = 3_000;
    let publisher = {
        let url = redis.url();
        std::thread::spawn(move || {
            let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
            for n in 1..=total {
                // Each is the client's by one room, by another, or by both.
                let (lead, campaign) = [(1, 1), (1, 9), (9, 1)][usize::try_from(n).unwrap() % 3];
                let event = format!(
                    r#"{{"type":"x","lead_id":{lead},"campaign_id":{campaign},"results_count":{n},"a":0}}"#
                );
                let channel = ["fliptechpro:campaigns", "fliptechpro:leads"][usize::try_from(n).unwrap() % 2];
                let _: u64 = redis::cmd("PUBLISH").arg(channel).arg(event).query(&mut connection).unwrap();
                if n % 10 == 0 {
                    // A pace, not a wait for something.
                    std::thread::sleep(Duration::from_millis(3));
                }
            }
        })
    };
    let of = |data: &str| data.contains(r#""type":"x""#).then(|| number(data));
    std::thread::scope(|scope| {
        let followers: Vec<_> = (0..4)
            .map(|nth| {
                let (relay, cuts) = (&relay, &CUTS[nth..]);
                scope.spawn(move || {
                    follow(relay, "/ws?channels=campaigns,leads&lead_id=1&campaign_id=1", cuts, total, of)
                })
            })
            .collect();
        for follower in followers {
            let numbers = follower.join().unwrap();
            assert_eq!(numbers.len() as u64, total);
            assert!(numbers.is_sorted());
        }
    });
    publisher.join().unwrap();
}

#[test]
fn who_asks_for_nothing_new_sees_what_it_saw_before() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--ping-interval", "100ms"]);
    let started = scraping(1, "job_started", "0", 0);
    redis.publish(EVENTS, &started);
    relay.until_events(1);
    let mut socket = relay.raw(JOB);
    assert_eq!(socket.next_but_pings(PATIENCE).unwrap().text(), started);
    lose_source(&redis, &relay);
    redis.publish(EVENTS, scraping(2, "job_started", "0", 0));
    relay.until_events(2);
    socket.expect_silence();
    let _ = wait_for(PATIENCE, "a ping", || {
        socket.next(PATIENCE).filter(|frame| frame.opcode == crate::support::PING)
    });
    socket.expect_silence();
}

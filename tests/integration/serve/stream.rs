//! Event streams: `GET` with `Accept: text/event-stream` on the routes of sockets.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{scraping, wrapped};
use crate::support::{
    Block, EventStream, PATIENCE, Process, RawTcp, RedisServer, Relay, SECRET, STREAM, UPGRADE, narrow,
    request_head, token, token_for, until, wait_for,
};

const EVENTS: &str = "scraping_events";
const JOB: &str = "/ws/scraping/1";

/// The first two blocks, with which every stream begins.
fn opening(stream: &mut EventStream) -> (String, u64) {
    let first = stream.next_block(PATIENCE).unwrap();
    let id = first.id.clone().expect("an id");
    assert_eq!(first, Block { id: Some(id.clone()), ..Block::default() }, "an id alone");
    let second = stream.next_block(PATIENCE).unwrap();
    let retry = second.retry.expect("a retry");
    assert_eq!(second, Block { retry: Some(retry), ..Block::default() });
    (id, retry)
}

#[test]
fn a_stream_begins_with_an_id_alone_and_its_head_forbids_keeping_and_changing_it() {
    let relay = Relay::start(&[]);
    let started = scraping(1, "job_started", "0", 0);
    relay.publish(EVENTS, &started);
    let mut retries = BTreeSet::new();
    for _ in 0..5 {
        let mut stream = relay.stream(JOB);
        for (name, value) in [
            ("cache-control", Some("no-store, no-transform")),
            ("x-accel-buffering", Some("no")),
            ("content-length", None),
            ("content-encoding", None),
            ("transfer-encoding", None),
            ("access-control-allow-origin", None),
        ] {
            assert_eq!(stream.head.header(name), value, "{name}");
        }
        let (id, retry) = opening(&mut stream);
        assert!(
            id.len() <= 256 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte))
        );
        retries.insert(retry);
        let state = stream.next_block(PATIENCE).unwrap();
        assert_eq!((state.data.as_deref(), state.event), (Some(started.as_str()), None));
        assert!(state.id.is_some());
    }
    assert!(retries.len() > 1, "{retries:?}");
}

#[test]
fn a_text_of_several_lines_is_data_of_several_lines_however_they_end() {
    let relay = Relay::start(&[]);
    let mut stream = relay.stream(JOB);
    opening(&mut stream);
    let payload = "\r{\"job_id\":1,\r\n\"event_type\":\"job_started\",\r\"progress\":\n\n1}\r\n";
    relay.publish(EVENTS, payload);
    stream.expect("\n{\"job_id\":1,\n\"event_type\":\"job_started\",\n\"progress\":\n\n1}\n");
}

#[test]
fn every_route_of_every_dialect_has_a_stream() {
    let relay = Relay::start(&["--no-auth"]);
    let done = r#"{"type":"completion","task_id":"t","status":"SUCCESS"}"#;
    let data = r#"{"jobId":"d","status":"queued","progress":1}"#;
    let meta = r#"{"task_id":"c","status":"STARTED","result":null}"#;
    for (path, channel, payload, text) in [
        ("/ws/t", "task_updates:t", done, done.to_owned()),
        ("/ws/download/d", "download_updates:d", data, wrapped(data)),
        (JOB, EVENTS, &scraping(1, "job_started", "0", 0), scraping(1, "job_started", "0", 0)),
        ("/ws/celery/c", "celery-task-meta-c", meta, meta.to_owned()),
    ] {
        let mut stream = relay.stream(path);
        opening(&mut stream);
        if path.contains("download") {
            stream.expect(&wrapped(r#"{"jobId":"d","status":"queued","progress":0}"#));
        }
        relay.publish(channel, payload);
        stream.expect(&text);
    }
    let event = r#"{"type":"campaign:paused","campaign_id":1}"#;
    for path in
        ["/ws?channels=campaigns", "/ws/campaigns", "/ws/campaigns?campaign_id=1", "/ws?campaign_id=1"]
    {
        let mut stream = relay.stream(path);
        opening(&mut stream);
        assert!(stream.next_data().starts_with(r#"{"type":"connection","#));
        relay.publish("fliptechpro:campaigns", event);
        assert_eq!(stream.next_data(), event, "{path}");
    }
}

#[test]
fn accept_decides_and_an_upgrade_decides_before_it() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    for accept in [
        "text/event-stream",
        "TEXT/Event-Stream",
        "text/html, text/event-stream;q=0.1",
        "text/event-stream; charset=utf-8",
        "*/*;q=0, text/event-stream",
    ] {
        opening(&mut EventStream::open(relay.address(), JOB, &[("Accept", accept)]));
    }
    opening(&mut EventStream::open(
        relay.address(),
        JOB,
        &[("Accept", "text/html"), ("Accept", "text/event-stream")],
    ));
    let h2c = [STREAM, ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA")];
    opening(&mut EventStream::open(relay.address(), JOB, &h2c));
    for accept in [
        "*/*",
        "text/*",
        "text/event-stream;q=0",
        "text/event-stream; q=0.000",
        "text/event-stream;Q=0",
        "text/event-streams",
        "application/json",
        "",
    ] {
        assert_eq!(relay.exchange("GET", JOB, &[("Accept", accept)], b"").status, 426, "{accept}");
    }
    assert_eq!(relay.exchange("HEAD", JOB, &[STREAM], b"").status, 426);
    assert_eq!(relay.exchange("POST", JOB, &[STREAM], b"").status, 405);
    let upgrade = [&UPGRADE[..], &[STREAM]].concat();
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send(request_head(relay.address(), "GET", JOB, &upgrade, 0)).unwrap();
    let head = tcp.read_until(PATIENCE, |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n"));
    assert!(head.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn routes_that_watch_nothing_know_no_streams() {
    let relay = Relay::start(&[]);
    for path in ["/health", "/ready", "/ws/stats"] {
        let answer = relay.exchange("GET", path, &[STREAM], b"");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{path}");
    }
    let answer = relay.exchange("POST", "/publish/scraping_events", &[STREAM], b"{}");
    assert_eq!(answer.status, 401);
    assert_eq!(relay.exchange("GET", "/nothing", &[STREAM], b"").status, 404);
}

#[test]
fn an_old_http_a_body_and_what_is_sent_later_change_nothing() {
    let relay = Relay::start(&[]);
    let (started, progress) = (scraping(1, "job_started", "0", 0), scraping(1, "job_progress", "5", 1));
    relay.publish(EVENTS, &started);
    for request in [
        "GET /ws/scraping/1 HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n",
        "GET /ws/scraping/1 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nContent-Length: 5\r\n\r\nhello",
        "GET /ws/scraping/1 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET /ws/scraping/1 HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut tcp = RawTcp::connect(relay.address());
        tcp.send(request).unwrap();
        let mut stream = EventStream::begun(tcp);
        assert_eq!(stream.head.status, 200, "{request:?}");
        stream.next_data();
        stream.tcp.send(b"\x81\x84\0\0\0\0ping\x88\0 GET / HTTP/1.1\r\n\r\n".repeat(1_000)).unwrap();
        relay.publish(EVENTS, &progress);
        stream.expect(&progress);
    }
}

#[test]
fn requests_before_a_stream_on_its_connection_are_answered_in_full() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    let one = format!("GET /ws/stats HTTP/1.1\r\nHost: {}\r\n\r\n", relay.address());
    let stream = request_head(relay.address(), "GET", JOB, &[STREAM, ("Connection", "keep-alive")], 0);
    // From none to more answers than a socket holds that is not read.
    for count in (0..400).step_by(20) {
        let mut tcp = narrow(relay.address(), 4 << 10);
        let mut sender = RawTcp(tcp.0.try_clone().unwrap());
        let requests = one.repeat(count) + &stream;
        let sent = std::thread::spawn(move || sender.send(requests));
        // As a rule the stream begins before anything is read.
        let start = Instant::now();
        while relay.stats()["total_connections"] == 0 && start.elapsed() < Duration::from_millis(200) {}
        let bytes = tcp.read_until(PATIENCE, |bytes| bytes.ends_with(b"}\n\n"));
        sent.join().unwrap().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), count + 1);
        assert_eq!(text.matches("\"total_connections\"").count(), count);
        drop(tcp);
        relay.until_connections(0);
    }
}

#[test]
fn a_stream_shows_a_sign_of_life_and_a_fresh_id_every_ping_interval() {
    let relay = Relay::start(&["--ping-interval", "200ms"]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    let mut stream = relay.stream(JOB);
    stream.next_data();
    let id = stream.last_id.clone();
    let mut comments = 0;
    // Longer than a socket is left open that answers nothing.
    while comments < 6 {
        let block = stream.next_block(PATIENCE).unwrap();
        assert_eq!(block, Block { has_comment: true, ..Block::default() });
        comments += 1;
    }
    relay.publish(EVENTS, &scraping(2, "job_started", "0", 0));
    let fresh = stream.next_id_alone();
    assert_ne!(fresh, id);
    // Told once.
    for _ in 0..3 {
        let block = stream.next_block(PATIENCE).unwrap();
        assert_eq!(block, Block { has_comment: true, ..Block::default() });
    }
    let progress = scraping(1, "job_progress", "5", 1);
    relay.publish(EVENTS, &progress);
    relay.stream_after(JOB, &fresh).expect(&progress);
}

#[test]
fn a_page_of_an_allowed_origin_may_read_a_stream_and_say_where_it_was() {
    let relay = Relay::start(&["--allowed-origins", "https://app.example.com"]);
    let origin = ("Origin", "https://app.example.com");
    let stream = EventStream::open(relay.address(), JOB, &[origin]);
    assert_eq!(stream.head.header("access-control-allow-origin"), Some("https://app.example.com"));
    let asked = [
        origin,
        ("Access-Control-Request-Method", "GET"),
        ("Access-Control-Request-Headers", "last-event-id"),
    ];
    let preflight = relay.exchange("OPTIONS", JOB, &asked, b"");
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("last-event-id"));
    let refused = relay.exchange("GET", JOB, &[STREAM, ("Origin", "https://other.example.com")], b"");
    assert_eq!(refused.status, 403);
}

fn with_auth(args: &[&str]) -> Relay {
    Relay::start(&[&["--jwt-secret", SECRET], args].concat())
}

#[test]
fn an_owner_is_known_before_the_head_and_a_refusal_is_a_status() {
    let relay = with_auth(&["--unknown-grace", "300ms"]);
    relay.publish("task_updates:t", r#"{"type":"registered","task_id":"t","user_id":"alice"}"#);
    relay.publish("task_updates:n", r#"{"type":"progress","task_id":"n","step":1,"total_steps":2}"#);
    let answer = |task: &str, token: &str| {
        relay.exchange("GET", &format!("/ws/{task}?token={token}"), &[STREAM], b"").refusal()
    };
    let (alice, bob) = (token("alice"), token("bob"));
    assert_eq!(relay.exchange("GET", "/ws/t", &[STREAM], b"").status, 401);
    assert_eq!(answer("t", "x").0, 401);
    assert_eq!(answer("t", &token_for("alice", Duration::ZERO)).0, 401);
    assert_eq!(answer("t", &bob), (403, "not_the_owner".to_owned()));
    assert_eq!(answer("n", &alice), (403, "not_the_owner".to_owned()));
    assert_eq!(answer("u", &alice), (404, "unknown_job".to_owned()));
    opening(&mut relay.stream(&format!("/ws/t?token={alice}")));
    let bearer = format!("Bearer {alice}");
    opening(&mut EventStream::open(relay.address(), "/ws/t", &[("Authorization", &bearer)]));
}

#[test]
fn an_owner_that_appears_within_the_grace_is_let_in_and_misses_nothing() {
    let relay = with_auth(&["--unknown-grace", "20s"]);
    let path = format!("/ws/t?token={}", token("alice"));
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send(request_head(relay.address(), "GET", &path, &[STREAM, ("Connection", "keep-alive")], 0))
        .unwrap();
    // It is asked for by now, or comes to a state.
    let events =
        [1, 2, 3].map(|step| format!(r#"{{"type":"progress","task_id":"t","step":{step},"total_steps":3}}"#));
    relay.publish("task_updates:t", r#"{"type":"registered","task_id":"t","user_id":"alice"}"#);
    for event in &events {
        relay.publish("task_updates:t", event);
    }
    let mut stream = EventStream::begun(tcp);
    assert_eq!(stream.head.status, 200);
    while stream.next_data() != events[2] {}
}

#[test]
fn an_owner_who_is_looked_for_while_redis_is_away_is_told_to_come_again() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET, "--unknown-grace", "20s"]);
    let path = format!("/ws/t?token={}", token("alice"));
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send(request_head(relay.address(), "GET", &path, &[STREAM, ("Connection", "keep-alive")], 0))
        .unwrap();
    assert_eq!(relay.stats()["total_connections"], 0);
    drop(redis);
    let mut stream = EventStream::begun(tcp);
    assert_eq!(stream.head.status, 200);
    assert!(stream.next_block(PATIENCE).unwrap().retry.is_some());
}

#[test]
fn a_token_that_expires_ends_its_stream_with_4001() {
    let relay = with_auth(&[]);
    relay.publish("task_updates:t", r#"{"type":"registered","task_id":"t","user_id":"alice"}"#);
    let mut stream = relay.stream(&format!("/ws/t?token={}", token_for("alice", Duration::from_secs(2))));
    assert_eq!(stream.expect_close(), 4001);
}

#[test]
fn an_impossible_job_is_404() {
    let relay = Relay::start(&[]);
    for id in ["x", "01", "1.0", "-", "+1"] {
        let answer = relay.exchange("GET", &format!("/ws/scraping/{id}"), &[STREAM], b"");
        assert_eq!(answer.refusal(), (404, "impossible_job_id".to_owned()), "{id}");
    }
    let long = "x".repeat(257);
    assert_eq!(relay.exchange("GET", &format!("/ws/download/{long}"), &[STREAM], b"").status, 404);
}

#[test]
fn an_unknown_job_has_its_error_as_an_event_and_the_stream_goes_on() {
    let relay = Relay::start(&["--unknown-grace", "100ms"]);
    let mut stream = relay.stream(JOB);
    assert!(stream.next_data().contains("Job 1 not found"));
    let started = scraping(1, "job_started", "0", 0);
    relay.publish(EVENTS, &started);
    stream.expect(&started);
}

/// A whole answer that tells a page to come again.
fn expect_come_again(relay: &Relay, path: &str) {
    let answer = relay.exchange("GET", path, &[STREAM], b"");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("text/event-stream")),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store, no-transform"));
    let retry = answer.body.strip_prefix("retry: ").and_then(|rest| rest.trim_end().parse::<u64>().ok());
    assert!(retry.is_some_and(|retry| (500..60_000).contains(&retry)), "{:?}", answer.body);
}

#[test]
fn while_redis_is_away_a_stream_is_told_to_come_again() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET]);
    drop(redis);
    until(PATIENCE, "the relay to notice", || relay.get("/ready").0 == 503);
    for path in [JOB, "/ws/download/a", "/ws?channels=campaigns", "/watch?target=scraping/1", "/ws/celery/a"]
    {
        expect_come_again(&relay, path);
    }
    expect_come_again(&relay, &format!("/ws/t?token={}", token("alice")));
}

#[test]
fn a_drain_ends_streams_with_1001_and_newcomers_come_again() {
    let relay = Relay::start(&["--drain", "5s"]);
    let mut stream = relay.stream(JOB);
    opening(&mut stream);
    let mut kept = RawTcp::connect(relay.address());
    kept.send(format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", relay.address())).unwrap();
    kept.read_until(PATIENCE, |bytes| bytes.ends_with(b"}"));
    relay.signal(Signal::TERM);
    assert_eq!(stream.expect_close(), 1001);
    drop(stream);
    assert_eq!(relay.finish().code, 0);
}

#[test]
fn one_who_stops_reading_gets_the_newest_and_then_1013_and_goes_on_by_its_id() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--outbox", "64KiB"]);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut slow = EventStream::narrow(relay.address(), JOB, 4 << 10);
    assert_eq!(slow.next_data(), scraping(1, "job_started", "0", 0));
    let publish = |kind: &str, numbers: std::ops::Range<u64>| {
        let mut pipeline = redis::pipe();
        for n in numbers {
            pipeline.publish(EVENTS, scraping(1, kind, "1", n));
        }
        let _: Vec<u64> = pipeline.query(&mut redis.connection()).unwrap();
    };
    publish("job_progress", 1..4_001);
    relay.until_events(4_001);
    assert_eq!(relay.stats()["slow_consumers"], 0);
    let mut last = 0;
    let mut seen = 0;
    while last != 4_000 {
        let data = slow.next_data();
        let next = number(&data);
        assert!(next > last, "{next} after {last}");
        (last, seen) = (next, seen + 1);
    }
    assert!(seen < 4_000, "conflated");
    publish("scraper_completed", 4_001..4_151);
    relay.until_events(4_151);
    publish("results_updated", 4_151..9_151);
    relay.until_events(9_151);
    publish("scraper_completed", 9_151..9_651);
    until(PATIENCE, "the slow one to be closed", || relay.stats()["slow_consumers"] == 1);
    let mut numbers = Vec::new();
    let code = loop {
        let block = slow.next_event();
        let data = block.data.unwrap();
        if block.event.is_some() {
            break data;
        }
        numbers.push(number(&data));
    };
    assert!(code.contains("1013"), "{code}");
    assert!(numbers.is_sorted() && numbers.first() == Some(&4_001), "{numbers:?}");
    // More than a tail holds went by.
    let mut again = relay.stream_after(JOB, &slow.last_id);
    again.expect_gap("too_old");
    assert_eq!(number(&again.next_data()), 9_650);
}

/// The number of an event.
pub(super) fn number(text: &str) -> u64 {
    let (_, rest) = text.split_once("\"results_count\":").unwrap_or_else(|| panic!("no number in {text}"));
    rest[..rest.find(',').unwrap()].parse().unwrap()
}

#[test]
fn a_slow_reader_that_comes_back_has_every_milestone_once() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--outbox", "8KiB"]);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut slow = EventStream::narrow(relay.address(), JOB, 4 << 10);
    slow.next_data();
    let mut n = 0;
    while relay.stats()["slow_consumers"] == 0 {
        // No more than a tail holds, so that nothing is lost between two looks.
        for _ in 0..10 {
            n += 1;
            redis.publish(EVENTS, scraping(1, "scraper_completed", "1", n));
        }
        relay.until_events(n + 1);
        assert!(n < 5_000, "it never got slow");
    }
    let mut numbers = Vec::new();
    loop {
        let block = slow.next_event();
        if block.event.is_some() {
            break;
        }
        numbers.push(number(&block.data.unwrap()));
    }
    assert_eq!(slow.next_block(PATIENCE), None);
    let mut again = relay.stream_after(JOB, &slow.last_id);
    while numbers.last() != Some(&n) {
        numbers.push(number(&again.next_data()));
    }
    assert_eq!(numbers, (1..=n).collect::<Vec<_>>());
}

#[test]
fn a_client_that_is_gone_is_forgotten() {
    let relay = Relay::start(&["--ping-interval", "200ms"]);
    let stream = relay.stream(JOB);
    relay.until_connections(1);
    drop(stream);
    relay.until_connections(0);
}

#[test]
fn a_client_that_takes_nothing_any_more_is_forgotten() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--ping-interval", "300ms"]);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut stream = EventStream::narrow(relay.address(), JOB, 4 << 10);
    stream.next_data();
    // More than it holds; from then on its window is shut.
    for n in 0..200 {
        redis.publish(EVENTS, scraping(1, "scraper_completed", "1", n));
    }
    relay.until_events(201);
    wait_for(PATIENCE, "the relay to forget it", || (relay.stats()["total_connections"] == 0).then_some(()));
    drop(stream);
}

/// The data of everything that a process of Python prints about a stream, line by line.
#[test]
fn pythons_and_curls_clients_read_a_stream() {
    let relay = Relay::start(&[]);
    let started = scraping(1, "job_started", "0", 0);
    relay.publish(EVENTS, &started);
    let url = format!("http://{}{JOB}", relay.address());
    let script = "import sys, urllib.request as r\nq = r.Request(sys.argv[1], headers={'Accept': 'text/event-stream'})\nfor line in r.urlopen(q): sys.stdout.write(line.decode()); sys.stdout.flush()";
    let mut clients = vec![std::process::Command::new("python3")];
    clients[0].args(["-c", script, &url]);
    for options in [&["-sN"][..], &["-sN", "--http1.0"], &["-sN", "--http2"]] {
        let mut curl = std::process::Command::new("curl");
        curl.args(options).args(["-H", "Accept: text/event-stream", &url]);
        clients.push(curl);
    }
    let clients: Vec<_> = clients.iter_mut().map(Process::spawn).collect();
    relay.until_connections(clients.len() as u64);
    relay.publish(EVENTS, &scraping(1, "job_completed", "100", 1));
    for client in &clients {
        until(PATIENCE, "the ending", || client.stdout().contains("job_completed"));
        let out = client.stdout();
        assert!(out.starts_with("id: ") && out.contains(&format!("\ndata: {started}\n\n")), "{out}");
    }
}

#[test]
fn a_stream_of_several_targets_begins_once() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    relay.publish(EVENTS, &scraping(2, "job_started", "0", 0));
    let mut stream = relay.stream("/watch?target=scraping/1&target=scraping/2&since=0");
    assert_eq!(opening(&mut stream).0, "0");
    for _ in 0..3 {
        let block = stream.next_block(PATIENCE).unwrap();
        assert!(block.data.is_some() && block.id.as_deref() != Some("0"), "{block:?}");
    }
}

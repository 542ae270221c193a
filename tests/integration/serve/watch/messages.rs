//! Each message as the contract has it, and what is said about odd ones.

use serde_json::json;

use super::{Watcher, short};
use crate::serve::scraping;
use crate::support::{BINARY, PATIENCE, RawTcp, RedisServer, Relay, TEXT, until};

const EVENTS: &str = "scraping_events";

fn started(job: i64) -> String {
    scraping(job, "job_started", "0", 0)
}

#[test]
fn each_message_is_as_the_contract_has_it() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(&relay, "target=scraping/1");
    let text = watcher.text();
    let cursor = text.strip_prefix(r#"{"type":"watching","targets":["scraping/1"],"cursor":""#).expect(&text);
    let cursor = cursor.strip_suffix(r#""}"#).expect(&text).to_owned();
    assert!((1..=256).contains(&cursor.len()));
    let (epoch, _) = cursor.split_once('.').unwrap();

    relay.publish(EVENTS, &started(1));
    let text = watcher.text();
    let rest = text.strip_prefix(&format!(r#"{{"type":"event","target":"scraping/1","cursor":"{epoch}."#));
    let (_, rest) = rest.expect(&text).split_once('"').unwrap();
    assert_eq!(rest, format!(r#","event":{}}}"#, started(1)));

    let completed = scraping(1, "job_completed", "100", 9);
    relay.publish(EVENTS, &completed);
    assert!(watcher.text().ends_with(&format!(r#","event":{completed}}}"#)));
    assert_eq!(watcher.text(), r#"{"type":"ended","target":"scraping/1","outcome":"succeeded"}"#);
    watcher.0.send(r#"{"type":"ping"}"#);
    assert_eq!(watcher.text(), r#"{"type":"pong"}"#);
    watcher.0.expect_silence();

    let mut late = Watcher::open(&relay, "target=scraping/1&target=scraping/x");
    let text = late.text();
    let error = r#"{"type":"error","code":"impossible_job_id","target":"scraping/x","message":""#;
    assert!(text.starts_with(error), "{text}");
    let snapshot = format!(r#"{{"type":"event","target":"scraping/1","snapshot":true,"event":{completed}}}"#);
    assert_eq!(late.text(), snapshot);
    assert_eq!(late.text(), r#"{"type":"ended","target":"scraping/1","outcome":"succeeded"}"#);
    assert_eq!(late.watching().0, ["scraping/1"]);
}

#[test]
fn an_ending_is_told_whatever_kinds_are_wanted_and_once() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(&relay, "target=scraping/1&target=scraping/*&kinds=job_progress");
    watcher.until_caught_up();
    relay.publish(EVENTS, &started(1));
    relay.publish(EVENTS, &scraping(1, "job_progress", "5", 1));
    relay.publish(EVENTS, &scraping(1, "job_failed", "5", 1));
    relay.publish(EVENTS, &scraping(2, "job_failed", "5", 1));
    watcher.expect(&[
        "event scraping/1 job_progress 1",
        "ended scraping/1 failed",
        "ended scraping/2 failed",
    ]);
    watcher.expect_silence();
    let mut late = Watcher::open(&relay, "target=scraping/1&kinds=job_progress");
    assert_eq!(late.until_caught_up(), ["snapshot scraping/1 job_failed 1", "ended scraping/1 failed"]);
}

#[test]
fn each_watch_message_has_its_own_kinds() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(&relay, "");
    assert_eq!(watcher.watching().0, [""; 0]);
    watcher.say(&json!({"type": "watch", "targets": ["scraping/1"], "kinds": ["job_started"]}));
    watcher.say(
        &json!({"type": "watch", "targets": ["scraping/*"], "kinds": ["job_progress", "job_completed"]}),
    );
    watcher.expect_silence();
    relay.publish(EVENTS, &started(1));
    relay.publish(EVENTS, &started(2));
    relay.publish(EVENTS, &scraping(1, "job_progress", "5", 1));
    relay.publish(EVENTS, &scraping(2, "results_updated", "5", 1));
    relay.publish(EVENTS, &scraping(1, "job_completed", "5", 1));
    watcher.expect(&[
        "event scraping/1 job_started 0",
        "event scraping/1 job_progress 1",
        "event scraping/1 job_completed 1",
        "ended scraping/1 succeeded",
    ]);
    watcher.expect_silence();
}

#[test]
fn payloads_are_as_published_and_what_a_dialect_makes_up_is_not_sent() {
    let relay = Relay::start(&["--unknown-grace", "0s"]);
    let mut watcher = Watcher::open(&relay, "target=downloads/a&target=scraping/9");
    assert!(watcher.until_caught_up().is_empty());
    let bare = r#"{ "jobId":"a","status":"processing","progress":5,"videoInfo":{"id":"x"}}"#;
    relay.publish("download_updates:a", bare);
    assert!(watcher.text().ends_with(&format!(r#","event":{bare}}}"#)));
    let wrapped = r#"{"type":"status","data":{"jobId":"a","status":"processing","progress":6}}"#;
    relay.publish("download_updates:a", wrapped);
    assert!(watcher.text().ends_with(&format!(r#","event":{wrapped}}}"#)));
    watcher.expect_silence();
    let snapshot = Watcher::open(&relay, "target=downloads/a").next();
    let merged = json!({"jobId": "a", "status": "processing", "progress": 6, "videoInfo": {"id": "x"}});
    assert_eq!(snapshot["event"], merged, "{snapshot}");
}

#[test]
fn odd_messages_are_answered_and_the_socket_goes_on() {
    let relay = Relay::start(&[]);
    let mut raw = relay.raw("/watch?target=scraping/1");
    assert!(raw.next_but_pings(PATIENCE).unwrap().text().starts_with(r#"{"type":"watching""#));
    for message in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"\"ping\"",
        b"{}",
        br#"{"type":"watch"}"#,
        br#"{"type":"watch","targets":"a"}"#,
        br#"{"type":"watch","targets":[1]}"#,
        br#"{"type":"watch","targets":["scraping/1"],"kinds":"a"}"#,
        br#"{"type":"watch","targets":["scraping/1"],"since":7}"#,
        br#"{"type":"unwatch"}"#,
        br#"{"type":"token"}"#,
        br#"{"type":"subscribe","channels":["campaigns"]}"#,
        br#"{"type":["watch"]}"#,
        br#"{"type":"WATCH","targets":[]}"#,
    ] {
        raw.send_frame(TEXT, message);
        let answer = raw.next_but_pings(PATIENCE).unwrap();
        assert!(
            answer.text().starts_with(r#"{"type":"error","code":"bad_message","message":""#),
            "{answer:?}"
        );
    }
    raw.send_frame(BINARY, br#"{"type":"ping"}"#);
    let answer = raw.next_but_pings(PATIENCE).unwrap();
    assert!(answer.text().starts_with(r#"{"type":"error","code":"bad_message""#), "{answer:?}");
    raw.send_frame(TEXT, &[b"[".repeat(30_000), b"]".repeat(30_000)].concat());
    assert!(raw.next_but_pings(PATIENCE).unwrap().text().contains("bad_message"));
    raw.expect_silence();
}

#[test]
fn a_flood_is_told_and_then_cut_off() {
    let relay = Relay::start(&[]);
    let mut raw = relay.raw("/watch");
    raw.next_but_pings(PATIENCE).unwrap();
    let ping = crate::support::frame(0x80 | TEXT, br#"{"type":"ping"}"#);
    raw.send(&ping.repeat(2_000));
    let (mut pongs, mut limits) = (0, 0);
    let code = loop {
        let frame = raw.next_but_pings(PATIENCE).unwrap();
        if frame.opcode != TEXT {
            break frame.close_code();
        }
        match frame.text() {
            r#"{"type":"pong"}"# => pongs += 1,
            text => {
                assert!(text.starts_with(r#"{"type":"error","code":"limit","#), "{text}");
                limits += 1;
            }
        }
    };
    assert_eq!(code, 1013);
    assert!(pongs >= 256 && limits >= 100, "{pongs} {limits}");
}

#[test]
fn a_thousand_targets_fit_on_a_socket_and_one_more_does_not() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(&relay, "");
    watcher.watching();
    let names = |range: std::ops::Range<i64>| range.map(|job| format!("scraping/{job}")).collect::<Vec<_>>();
    watcher.say(&json!({"type": "watch", "targets": names(0..500)}));
    watcher.say(&json!({"type": "watch", "targets": names(500..1_002)}));
    watcher.expect(&["error limit scraping/1000", "error limit scraping/1001"]);
    watcher.expect_silence();
    for job in [0, 999, 1000] {
        relay.publish(EVENTS, &started(job));
    }
    watcher.expect(&["event scraping/0 job_started 0", "event scraping/999 job_started 0"]);
    watcher.say(&json!({"type": "unwatch", "targets": ["scraping/0"]}));
    watcher.say(&json!({"type": "watch", "targets": ["scraping/1000"]}));
    watcher.expect(&["snapshot scraping/1000 job_started 0"]);
    watcher.expect_silence();
    // The header has room for so many.
    let query: Vec<String> = (0..800).map(|job| format!("target=scraping/{job}")).collect();
    let mut other = Watcher::open(&relay, &query[..700].join("&"));
    other.until_caught_up();
    let path = format!("/watch?{}", query.join("&").repeat(2));
    assert_eq!(relay.exchange("GET", &path, &crate::support::UPGRADE, b"").status, 431);
}

#[test]
fn targets_in_excess_are_refused_one_by_one_and_the_socket_goes_on() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(&relay, "target=scraping/1");
    watcher.watching();
    // Errors up to a list of so many targets, in short.
    let until_watching = |watcher: &mut Watcher, wanted: usize| {
        let mut errors = Vec::new();
        loop {
            let next = watcher.news();
            match next["targets"].as_array() {
                Some(targets) if targets.len() == wanted => return errors,
                Some(_) => {}
                None => errors.push(short(&next)),
            }
        }
    };
    watcher.say(&json!({"type": "watch", "targets": vec!["/"; 12_000]}));
    watcher.say(&json!({"type": "watch", "targets": ["scraping/2"]}));
    let unknown = until_watching(&mut watcher, 2);
    assert_eq!(unknown, vec!["error unknown_target /"; 12_000]);
    // Each of them could be watched, but not so many.
    let possible: Vec<String> = (1..=8_000).map(|job| format!("{job:04}")).collect();
    watcher.say(&json!({"type": "watch", "targets": possible}));
    let excess = until_watching(&mut watcher, 1_000);
    let last = possible[998..].iter().map(|job| format!("error limit {job}"));
    assert_eq!(excess, last.collect::<Vec<_>>());
    relay.publish(EVENTS, &started(2));
    watcher.expect(&["event scraping/2 job_started 0"]);
}

#[test]
fn ends_and_errors_of_channels_are_no_endings_of_jobs() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(
        &relay,
        "target=channel:scrapers&target=room:scraper:a&target=channel:nonsense&target=room:x",
    );
    let mut seen = watcher.until_caught_up();
    seen.sort();
    assert_eq!(seen, ["error unknown_target channel:nonsense", "error unknown_target room:x"]);
    let completed = r#"{"type":"scraper:completed","scraper_id":"a","n":1}"#;
    let other = r#"{"type":"scraper:completed","scraper_id":"b","n":2}"#;
    relay.publish("fliptechpro:scrapers", completed);
    relay.publish("fliptechpro:scrapers", other);
    let failed = r#"{"type":"scraper:failed","scraper_id":"a","error":"Captcha wall","n":3}"#;
    relay.publish("fliptechpro:scrapers", failed);
    relay.publish("fliptechpro:leads", r#"{"type":"lead:created","scraper_id":"a","lead_id":1,"n":4}"#);
    watcher.expect(&[
        "event room:scraper:a scraper:completed 1",
        "event channel:scrapers scraper:completed 2",
        "event room:scraper:a scraper:failed 3",
        "event room:scraper:a lead:created 4",
    ]);
    watcher.expect_silence();
}

#[test]
fn with_a_store_the_cursor_comes_once_all_targets_were_looked_up() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    redis.publish(EVENTS, started(1));
    relay.until_events(1);
    let mut watcher = Watcher::open(&relay, "target=scraping/1");
    assert_eq!(watcher.until_caught_up(), ["snapshot scraping/1 job_started 0"]);
    redis.pause();
    watcher.say(&json!({"type": "watch", "targets": ["scraping/77"]}));
    assert_eq!(watcher.watching(), (vec!["scraping/1".to_owned(), "scraping/77".to_owned()], None));
    // The one that waits goes: the others are caught up.
    watcher.say(&json!({"type": "unwatch", "targets": ["scraping/77"]}));
    let (targets, cursor) = watcher.watching();
    assert_eq!(targets, ["scraping/1"]);
    assert!(cursor.is_some());
    watcher.say(&json!({"type": "watch", "targets": ["scraping/78"]}));
    assert_eq!(watcher.watching().1, None);
    redis.resume();
    assert!(watcher.until_caught_up().is_empty());
    until(PATIENCE, "the relay to be subscribed", || redis.publish(EVENTS, started(78)) == 1);
    watcher.expect(&["event scraping/78 job_started 0"]);
}

#[test]
fn an_event_stream_of_watch_has_the_same_messages_and_ids() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &started(1));
    let stream = |id: Option<&str>| {
        let mut tcp = RawTcp::connect(relay.address());
        let id = id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        tcp.send(format!(
            "GET /watch?target=scraping/1&target=scraping/x HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n{id}\r\n",
            relay.address()
        ))
        .unwrap();
        tcp
    };
    let mut first = stream(None);
    let head = read_until(&mut first, "\"watching\"");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    let body = head.split_once("\r\n\r\n").unwrap().1;
    assert!(body.starts_with("id: "), "{body}");
    assert!(body.contains("retry: "), "{body}");
    assert!(
        body.contains(r#"data: {"type":"error","code":"impossible_job_id","target":"scraping/x""#),
        "{body}"
    );
    assert!(body.contains(r#"data: {"type":"event","target":"scraping/1","snapshot":true"#), "{body}");
    relay.publish(EVENTS, &scraping(1, "job_progress", "5", 1));
    let more = read_until(&mut first, "\"results_count\":1,");
    let id = more.rsplit_once("id: ").unwrap().1.split('\n').next().unwrap().to_owned();
    drop(first);
    relay.publish(EVENTS, &scraping(1, "job_completed", "5", 2));
    let rest = read_until(&mut stream(Some(&id)), "\"ended\"");
    assert!(!rest.contains("snapshot") && !rest.contains("\"results_count\":1,"), "{rest}");
    assert!(rest.contains("\"results_count\":2,"), "{rest}");
}

fn read_until(tcp: &mut RawTcp, text: &str) -> String {
    let bytes = tcp.read_until(PATIENCE, |so_far| String::from_utf8_lossy(so_far).contains(text));
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_for_the_operators_of_workers_alone_is_not_sent() {
    let relay = Relay::start(&[]);
    let failure = r#"{"status":"FAILURE","result":{"exc_type":"OSError","exc_message":["x"],"exc_module":"builtins"},"traceback":"secret","args":["secret"],"kwargs":{"a":"secret"},"children":[],"task_id":"a/b"}"#;
    let mut live = Watcher::open(&relay, "target=celery/a/b&target=celery/*");
    live.until_caught_up();
    relay.publish_fast("celery-task-meta-a/b", failure);
    let mut late = Watcher::open(&relay, "target=celery/a/b");
    let mut back = Watcher::open(&relay, "target=celery/*&since=0");
    for watcher in [&mut live, &mut late, &mut back] {
        let mut event = watcher.news();
        while event["type"] == "watching" {
            event = watcher.news();
        }
        assert_eq!((&event["target"], &event["event"]["status"]), (&"celery/a/b".into(), &"FAILURE".into()));
        assert_eq!(event["event"]["traceback"], serde_json::Value::Null);
        assert!(!event.to_string().contains("secret"), "{event}");
        watcher.expect(&["ended celery/a/b failed"]);
    }
    let row = relay.exchange("GET", "/jobs?dialect=celery&state=failed", &[], b"");
    assert_eq!(row.json()["jobs"][0]["message"], "OSError: x", "{row:?}");
}

//! Events that come by Redis Streams: clients that come back to any relay, and what is read back.

use serde_json::{Value, json};

use super::scraping;
use crate::support::{EventStream, PATIENCE, RedisServer, Relay, jobwire, until};

const EVENTS: &str = "scraping_events";
const JOB: &str = "/ws/scraping/1";
const STREAMS: [&str; 2] = ["--streams", "scraping,channels"];

fn relay_on(redis: &RedisServer, more: &[&str]) -> Relay {
    Relay::on(redis, &[&STREAMS, more].concat())
}

fn append(redis: &RedisServer, key: &str, payload: &str) -> String {
    redis::cmd("XADD").arg(key).arg("*").arg("data").arg(payload).query(&mut redis.connection()).unwrap()
}

/// Appends numbered milestones of job 1.
fn milestones(redis: &RedisServer, numbers: std::ops::Range<u64>) -> Vec<String> {
    let texts: Vec<String> = numbers.map(|n| scraping(1, "scraper_completed", "1", n)).collect();
    let mut pipe = redis::pipe();
    for text in &texts {
        pipe.cmd("XADD").arg(EVENTS).arg("*").arg("data").arg(text).ignore();
    }
    pipe.query::<()>(&mut redis.connection()).unwrap();
    texts
}

#[track_caller]
fn expect_all(stream: &mut EventStream, texts: &[String]) {
    for text in texts {
        stream.expect(text);
    }
}

#[test]
fn a_client_goes_on_at_another_relay_and_at_one_that_was_started_anew() {
    let redis = RedisServer::start();
    let (first, second) = (relay_on(&redis, &[]), relay_on(&redis, &[]));
    let mut stream = first.stream(JOB);
    expect_all(&mut stream, &milestones(&redis, 0..3));
    let missed = milestones(&redis, 3..6);
    let mut there = second.stream_after(JOB, &stream.last_id);
    expect_all(&mut there, &missed);
    expect_all(&mut there, &milestones(&redis, 6..8));
    first.kill();
    let missed = milestones(&redis, 8..10);
    let first = relay_on(&redis, &[]);
    let mut back = first.stream_after(JOB, &there.last_id);
    expect_all(&mut back, &missed);
    expect_all(&mut back, &milestones(&redis, 10..11));
    let mut socket = second.connect(&format!("{JOB}?cursor=1&since={}", back.last_id));
    let live = milestones(&redis, 11..12);
    let mut text = socket.next_text(PATIENCE);
    while text.starts_with(r#"{"type":"cursor""#) {
        text = socket.next_text(PATIENCE);
    }
    assert!(text.starts_with(r#"{"cursor":""#) && text.ends_with(&live[0][1..]), "{text}");
}

#[test]
fn what_is_in_no_memory_any_more_is_sent_out_of_the_stream_in_order_and_once() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &[]);
    let mut stream = relay.stream(JOB);
    expect_all(&mut stream, &milestones(&redis, 0..1));
    relay.kill();
    let mut all = Vec::new();
    for hundred in 0..13 {
        all.extend(milestones(&redis, 100 * hundred + 1..100 * hundred + 101));
        // Events of another job lie in between, and entries that are no events.
        for n in 0..50 {
            append(&redis, EVENTS, &scraping(2, "scraper_completed", "1", n));
        }
        append(&redis, EVENTS, "garbage");
    }
    let done = scraping(1, "job_completed", "100", 9);
    append(&redis, EVENTS, &done);
    all.push(done);
    // A second relay reads nothing back, and keeps next to nothing.
    let relay = relay_on(&redis, &["--stream-history", "1ms", "--tail", "10"]);
    let mut again = relay.stream_after(JOB, &stream.last_id);
    expect_all(&mut again, &all);
    let live = milestones(&redis, 2_000..2_300);
    expect_all(&mut again, &live);
    // A watcher goes on in the middle of a page, behind what is live.
    let mut watcher = relay.connect(&format!("/watch?target=scraping/1&since={}", stream.last_id));
    let mut seen = Vec::new();
    let mut has_ended = 0;
    while seen.len() < all.len() + live.len() {
        let message: Value = serde_json::from_str(&watcher.next_text(PATIENCE)).unwrap();
        match message["type"].as_str().unwrap() {
            "event" => seen.push(message["event"].to_string()),
            "ended" => has_ended += 1,
            "gap" => panic!("{message}"),
            _ => {}
        }
    }
    let texts: Vec<Value> = all.iter().chain(&live).map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(seen, texts.iter().map(Value::to_string).collect::<Vec<_>>());
    assert_eq!(has_ended, 1);
}

#[test]
fn each_event_of_a_replay_has_a_place_to_go_on_from() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &[]);
    let mut stream = relay.stream(JOB);
    expect_all(&mut stream, &milestones(&redis, 0..1));
    let all = milestones(&redis, 1..601);
    relay.kill();
    let relay = relay_on(&redis, &["--stream-history", "1ms"]);
    let mut last = stream.last_id;
    for (nth, text) in all.iter().enumerate().step_by(59) {
        let mut again = relay.stream_after(JOB, &last);
        let from = if nth == 0 { 0 } else { nth - 58 };
        expect_all(&mut again, &all[from..=nth]);
        assert_eq!(&all[nth], text);
        last = again.last_id;
    }
}

#[test]
fn what_was_trimmed_is_a_gap_and_so_is_what_redis_has_lost() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &[]);
    let mut stream = relay.stream(JOB);
    expect_all(&mut stream, &milestones(&redis, 0..2));
    let before = stream.last_id;
    relay.kill();
    milestones(&redis, 2..5);
    let last = milestones(&redis, 5..6);
    redis::cmd("XTRIM").arg(EVENTS).arg("MAXLEN").arg(2).exec(&mut redis.connection()).unwrap();
    let relay = relay_on(&redis, &[]);
    let mut again = relay.stream_after(JOB, &before);
    again.expect_gap("too_old");
    expect_all(&mut again, &last);
    // A position beyond all that was ever written.
    let (stream_name, _) = again.last_id.split_once('.').unwrap();
    let mut beyond = relay.stream_after(JOB, &format!("{stream_name}.fffffffffff.0"));
    beyond.expect_gap("source_lost");
    expect_all(&mut beyond, &last);
    expect_all(&mut beyond, &milestones(&redis, 6..7));
}

#[test]
fn since_the_beginning_is_all_that_is_kept_without_a_gap() {
    let redis = RedisServer::start();
    let all = milestones(&redis, 0..600);
    let relay = relay_on(&redis, &["--stream-history", "1ms", "--tail", "10"]);
    for path in [format!("{JOB}?since=0"), format!("{JOB}?since=0&replay=1")] {
        let mut stream = relay.stream(&path);
        expect_all(&mut stream, &all);
    }
    let live = milestones(&redis, 600..601);
    let mut stream = relay.stream(&format!("{JOB}?since=0"));
    expect_all(&mut stream, &all);
    expect_all(&mut stream, &live);
}

/// Events and gaps of a client of `/watch`, in short, until as many events came and a cursor behind them.
fn messages(socket: &mut crate::support::WebSocket, events: usize) -> (Vec<String>, String) {
    let (mut seen, mut cursor, mut count) = (Vec::new(), String::new(), 0);
    while count < events || cursor.is_empty() {
        let message: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        message["cursor"].as_str().unwrap_or_default().clone_into(&mut cursor);
        let target = message["target"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap() {
            "event" => {
                count += 1;
                seen.push(format!("{target} {}", message["event"]["n"]));
            }
            "gap" => seen.push(format!("{target} gap {}", message["reason"].as_str().unwrap())),
            _ => {}
        }
    }
    (seen, cursor)
}

/// Waits until a client of `/watch` gets all that comes to its targets.
fn until_caught_up(socket: &mut crate::support::WebSocket) {
    until(PATIENCE, "all targets to be caught up", || {
        let message: Value = serde_json::from_str(&socket.next_text(PATIENCE)).unwrap();
        message["type"] == "watching" && message["cursor"].is_string()
    });
}

#[test]
fn several_streams_and_channels_on_one_socket_each_go_on_where_they_were() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &["--no-auth"]);
    let targets = "target=scraping/1&target=channel:emails&target=room:campaign:1&target=tasks/a";
    let mut socket = relay.connect(&format!("/watch?{targets}"));
    until_caught_up(&mut socket);
    let send = |n: u64| {
        append(
            &redis,
            EVENTS,
            &json!({ "job_id": 1, "event_type": "scraper_completed", "n": n }).to_string(),
        );
        append(&redis, "fliptechpro:emails", &json!({ "type": "email:sent", "n": n + 1 }).to_string());
        let event = json!({ "type": "lead:created", "campaign_id": 1, "n": n + 2 });
        append(&redis, "fliptechpro:leads", &event.to_string());
        let task = json!({ "task_id": "a", "status": "PROGRESS", "n": n + 3 }).to_string();
        redis.publish("task_updates:a", task);
    };
    send(0);
    let (seen, cursor) = messages(&mut socket, 4);
    let mut sorted = seen.clone();
    sorted.sort();
    assert_eq!(sorted, ["channel:emails 1", "room:campaign:1 2", "scraping/1 0", "tasks/a 3"]);
    drop(socket);
    send(10);
    until(PATIENCE, "the relay to take all of them", || relay.stats()["events"].as_u64() >= Some(8));
    let mut socket = relay.connect(&format!("/watch?{targets}&since={cursor}"));
    let (mut seen, cursor) = messages(&mut socket, 4);
    seen.sort();
    assert_eq!(seen, ["channel:emails 11", "room:campaign:1 12", "scraping/1 10", "tasks/a 13"]);
    drop(socket);
    relay.kill();
    let relay = relay_on(&redis, &["--no-auth"]);
    send(20);
    until(PATIENCE, "the relay to take all of them", || relay.stats()["events"].as_u64() >= Some(4));
    let mut socket = relay.connect(&format!("/watch?{targets}&since={cursor}"));
    let (mut seen, _) = messages(&mut socket, 4);
    seen.sort();
    assert_eq!(
        seen,
        ["channel:emails 21", "room:campaign:1 22", "scraping/1 20", "tasks/a 23", "tasks/a gap restarted"]
    );
}

#[test]
fn what_memory_has_lost_of_one_stream_does_not_hold_up_a_client_of_several() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &["--tail", "10"]);
    let targets = "target=scraping/*&target=channel:emails&target=room:lead:2&target=channel:demos";
    let mut socket = relay.connect(&format!("/watch?{targets}"));
    until_caught_up(&mut socket);
    let email = |n: u64| json!({ "type": "email:sent", "lead_id": 2, "n": n }).to_string();
    append(&redis, "fliptechpro:emails", &email(0));
    let (_, cursor) = messages(&mut socket, 1);
    drop(socket);
    append(&redis, "fliptechpro:emails", &email(1));
    milestones(&redis, 0..700);
    append(&redis, "fliptechpro:emails", &email(2));
    until(PATIENCE, "the relay to take all of them", || relay.stats()["events"].as_u64() >= Some(703));
    let mut socket = relay.connect(&format!("/watch?{targets}&since={cursor}"));
    let (seen, _) = messages(&mut socket, 702);
    let of = |target: &str| seen.iter().filter(|one| one.starts_with(target)).count();
    assert_eq!((of("scraping/1 "), of("room:lead:2 ")), (700, 2), "{seen:?}");
    append(&redis, "fliptechpro:emails", &email(3));
    assert_eq!(messages(&mut socket, 1).0, ["room:lead:2 3"]);
}

#[test]
fn states_are_there_once_history_was_read_and_it_is_not_counted_as_news() {
    let redis = RedisServer::start();
    let texts = milestones(&redis, 0..5_000);
    let relay = Relay::start(&["--redis", &redis.url(), "--streams", "scraping"]);
    // The relay may not be ready yet: the request waits.
    let mut socket = relay.connect(JOB);
    socket.expect(&texts[4_999]);
    let (status, body) = relay.get("/jobs");
    assert_eq!(status, 200);
    let listed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(listed["jobs"][0]["target"], "scraping/1", "{listed}");
    assert_eq!(relay.stats()["events"], 0);
    socket.expect_silence();
}

#[test]
fn what_is_published_over_http_is_appended() {
    let redis = RedisServer::start();
    let relay = relay_on(&redis, &[]);
    let mut stream = relay.stream(JOB);
    let event = scraping(1, "job_started", "0", 0);
    let answer = relay.jobwire(&["publish", "scraping/1", "--help"]);
    assert_eq!(answer.code, 0);
    relay.publish_fast(EVENTS, &event);
    stream.expect(&event);
    let count: u64 = redis::cmd("XLEN").arg(EVENTS).query(&mut redis.connection()).unwrap();
    assert_eq!(count, 1);
    stream.expect_nothing_more(&redis);
}

impl EventStream {
    /// Sees nothing but an event that is appended now.
    #[track_caller]
    fn expect_nothing_more(&mut self, redis: &RedisServer) {
        expect_all(self, &milestones(redis, 7_000..7_001));
    }
}

#[test]
fn a_dialect_that_there_is_not_or_that_has_no_stream_is_a_usage_error() {
    let redis = ["--redis", "redis://127.0.0.1:1"];
    for (streams, said) in [
        ("scrapping", "there is no dialect scrapping; did you mean 'scraping'?"),
        ("tasks,al", "there is no dialect al; did you mean 'all'?"),
        ("celery", "celery"),
        ("tasks,\u{7}", "there is no dialect \\u{7}"),
    ] {
        let output =
            jobwire(&[&["serve", "--listen", "127.0.0.1:0", "--streams", streams][..], &redis].concat());
        assert_eq!(output.code, 2, "{streams}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{streams}: {}", output.stderr);
        assert!(output.stderr.contains("hint:"), "{}", output.stderr);
    }
    let output = jobwire(&["serve", "--listen", "127.0.0.1:0", "--streams", "all"]);
    assert_eq!(output.code, 2);
    assert!(output.stderr.contains("the embedded broker has no streams"), "{}", output.stderr);
}

#[test]
fn a_state_that_another_relay_wrote_is_not_shown_before_the_stream_was_read_as_far() {
    let redis = RedisServer::start();
    let acl = |rules: &[&str]| {
        let user = ["SETUSER", "late"].iter().chain(rules);
        redis::cmd("ACL").arg(user.collect::<Vec<_>>()).exec(&mut redis.connection()).unwrap();
    };
    acl(&["on", ">pw", "+@all", "~*", "allchannels"]);
    let (_prompt, late) = (
        relay_on(&redis, &[]),
        Relay::start(&[&["--redis", &redis.url().replace("://", "://late:pw@")][..], &STREAMS].concat()),
    );
    until(PATIENCE, "the relay to follow its streams", || late.get("/ready").0 == 200);
    milestones(&redis, 0..3);
    late.until_events(3);
    acl(&["-xread"]);
    until(PATIENCE, "the relay to be denied its streams", || late.get("/health").1.contains("xread"));
    let ending = scraping(1, "job_completed", "100", 10);
    milestones(&redis, 3..10);
    append(&redis, EVENTS, &ending);
    until(PATIENCE, "the ending to be written", || {
        let state: Option<String> =
            redis::cmd("HGET").arg(&["jobwire:scraping:1", "state"]).query(&mut redis.connection()).unwrap();
        state.is_some_and(|state| state.contains("job_completed"))
    });
    // The relay looks the job up, and is told of the ending.
    let mut socket = late.connect(JOB);
    let body = late.get("/ws/scraping/1/status").1;
    acl(&["+xread"]);
    let mut seen = vec![socket.next_text(PATIENCE)];
    while seen.last() != Some(&ending) {
        seen.push(socket.next_text(PATIENCE));
    }
    let numbers: Vec<u64> = seen
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["results_count"].as_u64().unwrap())
        .collect();
    assert!(numbers.is_sorted_by(|before, after| before < after), "{numbers:?}, polled {body}");
    append(&redis, EVENTS, &scraping(1, "job_started", "0", 11));
    socket.expect(&scraping(1, "job_started", "0", 11));
}

#[test]
fn a_state_is_shown_where_its_stream_has_nothing_newer_or_nobody_may_ask() {
    for rule in ["+@all", "-xrange"] {
        let redis = RedisServer::start();
        let acl = ["SETUSER", "reader", "on", ">pw", "+@all", "~*", "allchannels", rule];
        redis::cmd("ACL").arg(&acl).exec(&mut redis.connection()).unwrap();
        let url = redis.url().replace("://", "://reader:pw@");
        let relay = Relay::start(&[&["--redis", &url][..], &STREAMS].concat());
        until(PATIENCE, "the relay to follow its streams", || relay.get("/ready").0 == 200);
        let kept = scraping(5, "job_progress", "40", 1);
        // Newer than all entries, of which there are none: the state of a stream that was deleted since.
        let hash = ["jobwire:scraping:5", "state", &kept, "updated", "4000000000000000"];
        redis::cmd("HSET").arg(&hash).exec(&mut redis.connection()).unwrap();
        relay.connect("/ws/scraping/5").expect(&kept);
    }
}

//! Events that come between a socket's 101 and the moment at which its job has been looked up.

use std::time::Duration;

use redis::Commands;

use super::{scraping, wrapped};
use crate::support::{Far, PATIENCE, RedisServer, Relay, SECRET, WebSocket, token, until};

/// Round trip to a Redis that is far away.
const FAR: Duration = Duration::from_millis(100);

/// A relay on a Redis that is far away.
fn far_relay(redis: &RedisServer, args: &[&str]) -> Relay {
    let far = Far::from(redis.port(), FAR);
    let relay = Relay::start(&[&["--redis", &far.redis_url()], args].concat());
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    relay
}

/// Milestones and progress of a scraping job, in the order in which they are published.
fn events(job: i64) -> Vec<String> {
    let kinds = ["job_started", "scraper_started", "scraper_started", "job_progress", "scraper_completed"];
    let kinds = kinds.into_iter().chain(["job_progress", "scraper_failed", "job_completed"]);
    kinds.zip(1..).map(|(kind, number)| scraping(job, kind, "1", number)).collect()
}

fn publish(redis: &RedisServer, channel: &str, payloads: &[String]) {
    let mut pipeline = redis::pipe();
    for payload in payloads {
        pipeline.publish(channel, payload);
    }
    let _: Vec<u64> = pipeline.query(&mut redis.connection()).unwrap();
}

fn expect_all(socket: &mut WebSocket, payloads: &[String]) {
    for payload in payloads {
        socket.expect(payload);
    }
}

#[test]
fn a_watcher_of_a_fresh_job_gets_everything_that_is_published_after_its_101() {
    let redis = RedisServer::start();
    for relay in [far_relay(&redis, &[]), Relay::on(&redis, &["--shards", "2"]), Relay::on(&redis, &[])] {
        let sockets: Vec<(i64, WebSocket)> = (0..60)
            .map(|number| {
                let job = number + 100 * i64::from(relay.id());
                let replay = if number % 2 == 0 { "" } else { "?replay=1" };
                let socket = relay.connect(&format!("/ws/scraping/{job}{replay}"));
                publish(&redis, "scraping_events", &events(job));
                (job, socket)
            })
            .collect();
        for (job, mut socket) in sockets {
            expect_all(&mut socket, &events(job));
            socket.expect_silence();
        }
    }
}

#[test]
fn watchers_that_come_one_after_another_each_get_what_follows_their_own_101() {
    let redis = RedisServer::start();
    let relay = far_relay(&redis, &[]);
    let events: Vec<String> = (1..=40).map(|n| scraping(1, "scraper_completed", "null", n)).collect();
    let sockets: Vec<WebSocket> = events
        .iter()
        .map(|event| {
            let socket = relay.connect("/ws/scraping/1");
            redis.publish("scraping_events", event);
            socket
        })
        .collect();
    for (first, mut socket) in sockets.into_iter().enumerate() {
        let mut got = socket.next_text(PATIENCE);
        // Events of the time before its 101 were still on their way then, and come as the state or as events.
        while got != events[first] {
            let at = events.iter().position(|event| *event == got).unwrap();
            assert!(at < first, "{at} in place of {first}");
            got = socket.next_text(PATIENCE);
        }
        expect_all(&mut socket, &events[first + 1..]);
    }
}

#[test]
fn a_stored_state_comes_first_and_what_was_published_meanwhile_follows_it() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let state = scraping(5, "scraper_started", "1", 7);
    redis.publish("scraping_events", &state);
    let download = r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"x"}}"#;
    redis.publish("download_updates:a", download);
    relay.until_events(2);
    assert_eq!(relay.stop().code, 0);

    let relay = far_relay(&redis, &[]);
    let events = events(5)[1..4].to_vec();
    let mut socket = relay.connect("/ws/scraping/5");
    publish(&redis, "scraping_events", &events);
    socket.expect(&state);
    expect_all(&mut socket, &events);
    // By now the relay itself knows the run so far: of each kind the last.
    let mut socket = relay.connect("/ws/scraping/5?replay=1");
    publish(&redis, "scraping_events", &events);
    expect_all(&mut socket, &events[1..]);
    expect_all(&mut socket, &events);
    let mut socket = relay.connect("/ws/download/a");
    let updates = [15, 20].map(|n| format!(r#"{{"jobId":"a","status":"processing","progress":{n}}}"#));
    publish(&redis, "download_updates:a", &updates);
    socket.expect(&wrapped(download));
    for update in &updates {
        socket.expect(&wrapped(update));
    }
}

#[test]
fn what_is_remembered_comes_first_where_redis_has_forgotten_the_job() {
    let mut redis = RedisServer::start();
    let relay = far_relay(&redis, &[]);
    let state = scraping(5, "scraper_started", "1", 7);
    redis.publish("scraping_events", &state);
    let download = r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"x"}}"#;
    redis.publish("download_updates:a", download);
    for key in ["jobwire:scraping:5", "jobwire:downloads:a"] {
        until(PATIENCE, "the state to be written", || redis.connection().exists(key).unwrap());
    }
    redis.restart();
    until(PATIENCE, "the relay to be back", || relay.stats()["broker_connects"] == 2);

    let events = events(5)[1..4].to_vec();
    let mut socket = relay.connect("/ws/scraping/5");
    publish(&redis, "scraping_events", &events);
    socket.expect(&state);
    expect_all(&mut socket, &events);
    let mut socket = relay.connect("/ws/download/a");
    let update = |n, more| format!(r#"{{"jobId":"a","status":"processing","progress":{n}{more}}}"#);
    publish(&redis, "download_updates:a", &[15, 20].map(|n| update(n, "")));
    socket.expect(&wrapped(&update(15, "")));
    socket.expect(&wrapped(&update(20, r#","videoInfo":{"id":"x"}"#)));
}

#[test]
fn a_download_that_is_known_is_not_called_queued_to_who_waited_for_its_owner() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET, "--auth", "downloads=owner"]);
    let update = |n, more| format!(r#"{{"jobId":"a","status":"processing","progress":{n}{more}}}"#);
    let title = r#","videoInfo":{"id":"x"}"#;
    redis.publish("download_updates:a", update(1, title));
    relay.until_events(1);
    let mut socket = relay.connect(&format!("/ws/download/a?token={}", token("ann")));
    publish(&redis, "download_updates:a", &[5, 9].map(|n| update(n, "")));
    relay.until_events(3);
    let _: () = redis.connection().hset("jobwire:downloads:a", "owner", "ann").unwrap();
    socket.expect(&wrapped(&update(5, "")));
    socket.expect(&wrapped(&update(9, title)));
}

#[test]
fn a_store_that_may_not_be_read_costs_no_event() {
    let redis = RedisServer::start();
    let rules = ["on", ">pw", "+@all", "-hmget", "-hgetall", "-hget", "~*", "&*"];
    let _: () =
        redis::cmd("ACL").arg("SETUSER").arg("relay").arg(&rules).query(&mut redis.connection()).unwrap();
    let relay = Relay::start(&["--redis", &format!("redis://relay:pw@127.0.0.1:{}", redis.port())]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    for job in 1..5 {
        let mut socket = relay.connect(&format!("/ws/scraping/{job}"));
        publish(&redis, "scraping_events", &events(job));
        expect_all(&mut socket, &events(job));
        let live = scraping(job, "scraper_started", "2", 99);
        redis.publish("scraping_events", &live);
        socket.expect(&live);
    }
}

#[test]
fn nothing_is_sent_before_the_owner_is_known_and_all_of_it_afterwards() {
    let redis = RedisServer::start();
    let embedded = Relay::start(&["--jwt-secret", SECRET]);
    let far = far_relay(&redis, &["--jwt-secret", SECRET]);
    let progress = |step| {
        format!(r#"{{"type":"progress","task_id":"t","step":{step},"total_steps":5,"status":"Reading"}}"#)
    };
    for relay in [embedded, far] {
        let send = |payload: &str| relay.publish("task_updates:t", payload);
        let (mut ann, mut bob) = (
            relay.connect(&format!("/ws/t?token={}", token("ann"))),
            relay.connect(&format!("/ws/t?token={}", token("bob"))),
        );
        for step in 1..4 {
            send(&progress(step));
        }
        ann.expect_silence();
        send(r#"{"type":"registered","task_id":"t","user_id":"ann"}"#);
        send(&progress(4));
        for step in 1..5 {
            ann.expect(&progress(step));
        }
        ann.expect_silence();
        assert_eq!(bob.close_code(), 4003);
    }
}

#[test]
fn milestones_beyond_what_may_wait_close_with_1013_and_progress_makes_room() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--outbox", "4KiB"]);
    let send = |payload: &str| relay.publish("task_updates:t", payload);
    let mut socket = relay.connect(&format!("/ws/t?token={}", token("ann")));
    for step in 1..100 {
        send(&format!(r#"{{"type":"progress","task_id":"t","step":{step}}}"#));
    }
    send(r#"{"type":"registered","task_id":"t","user_id":"ann"}"#);
    socket.expect(r#"{"type":"progress","task_id":"t","step":99}"#);

    let mut socket = relay.connect(&format!("/ws/u?token={}", token("ann")));
    for number in 1..100 {
        relay.publish("task_updates:u", &format!(r#"{{"type":"remark","task_id":"u","number":{number}}}"#));
    }
    relay.publish("task_updates:u", r#"{"type":"registered","task_id":"u","user_id":"ann"}"#);
    let close = socket.next_close(PATIENCE).unwrap();
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1013, "overloaded, try again later"));
    assert_eq!(relay.stats()["slow_consumers"], 1);
}

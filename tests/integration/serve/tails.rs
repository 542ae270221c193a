//! What is kept for clients that come back, and what leaves first.

use super::scraping;
use super::stream::number;
use crate::support::{PATIENCE, RedisServer, Relay, until};

const EVENTS: &str = "scraping_events";
const JOB: &str = "/ws/scraping/1";

/// A relay whose job has begun, and the id behind that.
fn start(redis: &RedisServer, args: &[&str]) -> (Relay, String) {
    let relay = Relay::on(redis, args);
    redis.publish(EVENTS, scraping(1, "job_started", "0", 0));
    relay.until_events(1);
    let mut stream = relay.stream(JOB);
    stream.next_data();
    (relay, stream.last_id)
}

#[test]
fn without_a_tail_whatever_was_missed_is_a_gap_and_the_state() {
    let redis = RedisServer::start();
    for kind in ["scraper_completed", "job_progress"] {
        let (relay, start) = start(&redis, &["--tail", "0"]);
        // Nothing was missed yet.
        let (first, second) = (scraping(1, kind, "1", 1), scraping(1, kind, "2", 2));
        let mut open = relay.stream_after(JOB, &start);
        open.next_block(PATIENCE);
        relay.until_connections(1);
        redis.publish(EVENTS, &first);
        open.expect(&first);
        redis.publish(EVENTS, &second);
        open.expect(&second);
        for id in [&start, "0"] {
            let mut back = relay.stream_after(JOB, id);
            if id != "0" {
                back.expect_gap("too_old");
                back.expect(&second);
            }
        }
        relay.kill();
    }
}

#[test]
fn a_tail_of_five_keeps_five() {
    let redis = RedisServer::start();
    let (relay, start) = start(&redis, &["--tail", "5"]);
    for n in 1..6 {
        redis.publish(EVENTS, scraping(1, "scraper_completed", "1", n));
    }
    relay.until_events(6);
    let mut back = relay.stream_after(JOB, &start);
    for n in 1..6 {
        assert_eq!(number(&back.next_data()), n);
    }
    redis.publish(EVENTS, scraping(1, "scraper_completed", "1", 6));
    relay.until_events(7);
    relay.stream_after(JOB, &start).expect_gap("too_old");
}

#[test]
fn where_memory_is_short_tails_go_before_states() {
    let redis = RedisServer::start();
    let (relay, start) = start(&redis, &["--keep-bytes", "300KiB"]);
    let jobs = 200;
    for job in 2..jobs {
        redis.publish(EVENTS, scraping(job, "job_started", "0", 0));
    }
    for round in 0..20 {
        for job in 1..jobs {
            redis.publish(EVENTS, scraping(job, "scraper_completed", "1", round));
        }
    }
    until(PATIENCE, "all events", || relay.stats()["events"].as_u64() >= Some(199 + 20 * 199));
    let mut back = relay.stream_after(JOB, &start);
    back.expect_gap("too_old");
    assert_eq!(number(&back.next_data()), 19);
    for job in 1..jobs {
        assert_eq!(number(&relay.stream(&format!("/ws/scraping/{job}")).next_data()), 19);
    }
}

//! A relay that was cut off from Redis while another one went on.

use std::collections::BTreeSet;

use redis::Commands;
use rustix::process::Signal;

use super::{scraping, wrapped};
use crate::support::{PATIENCE, RedisServer, Relay, until};

/// Two relays on one Redis; of the second it is known which of Redis' clients are its own.
struct Two {
    redis: RedisServer,
    going: Relay,
    cut: Relay,
    others: BTreeSet<String>,
}

impl Two {
    fn start(args: &[&str]) -> Self {
        let redis = RedisServer::start();
        let going = Relay::on(&redis, args);
        // Once it has written something, it has all the connections that it will ever have.
        redis.publish("scraping_events", scraping(1000, "job_completed", "100", 1));
        stored(&redis, "jobwire:scraping:1000", "succeeded");
        let others = clients(&redis);
        let cut = Relay::on(&redis, args);
        Self { redis, going, cut, others }
    }

    fn publish(&self, channel: &str, payload: &str) {
        self.redis.publish(channel, payload);
    }

    /// Publishes what both relays take.
    fn publish_to_both(&self, channel: &str, payload: &str) {
        let events = |relay: &Relay| relay.stats()["events"].as_u64().unwrap();
        let before = (events(&self.going), events(&self.cut));
        assert_eq!(self.redis.publish(channel, payload), 2);
        until(PATIENCE, "both relays", || {
            (events(&self.going), events(&self.cut)) == (before.0 + 1, before.1 + 1)
        });
    }

    /// Runs `meanwhile` while the second relay is stopped and Redis has closed its connections.
    fn cut_off(&self, meanwhile: impl FnOnce()) {
        let connects = self.cut.stats()["broker_connects"].as_u64().unwrap();
        self.cut.signal(Signal::STOP);
        let mut connection = self.redis.connection();
        for id in clients(&self.redis).difference(&self.others) {
            // One of them may be gone already.
            let _: redis::RedisResult<()> =
                redis::cmd("CLIENT").arg(&["KILL", "ID", id.as_str()]).query(&mut connection);
        }
        meanwhile();
        self.cut.signal(Signal::CONT);
        until(PATIENCE, "the relay to be back", || {
            self.cut.stats()["broker_connects"].as_u64() > Some(connects)
        });
    }
}

fn clients(redis: &RedisServer) -> BTreeSet<String> {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut redis.connection()).unwrap();
    let ids = list.lines().filter(|line| !line.contains("cmd=client|list"));
    ids.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()).map(str::to_owned).collect()
}

/// Waits until a job's ending is in the store.
fn stored(redis: &RedisServer, key: &str, outcome: &str) {
    until(PATIENCE, "the stored ending", || {
        let ended: Option<String> = redis.connection().hget(key, "ended").unwrap();
        ended.as_deref() == Some(outcome)
    });
}

const EVENTS: &str = "scraping_events";

#[test]
fn an_ending_that_one_relay_missed_reaches_its_open_sockets_new_ones_and_polling() {
    let two = Two::start(&[]);
    let (started, completed) = (scraping(1, "job_started", "0", 0), scraping(1, "job_completed", "100", 9));
    let unchanged = scraping(2, "job_started", "0", 0);
    let (mut open, mut other) = (two.cut.connect("/ws/scraping/1"), two.cut.connect("/ws/scraping/2"));
    two.publish_to_both(EVENTS, &started);
    two.publish_to_both(EVENTS, &unchanged);
    open.expect(&started);
    other.expect(&unchanged);
    two.cut_off(|| {
        two.publish(EVENTS, &completed);
        stored(&two.redis, "jobwire:scraping:1", "succeeded");
    });
    open.expect(&completed);
    two.cut.connect("/ws/scraping/1").expect(&completed);
    let polled = two.cut.exchange("GET", "/ws/scraping/1/status", &[], b"").json();
    assert_eq!((&polled["status"], &polled["progress"]), (&"completed".into(), &100.into()));
    open.expect_silence();
    other.expect_silence();
    let progress = scraping(2, "job_progress", "5", 1);
    two.publish_to_both(EVENTS, &progress);
    other.expect(&progress);
}

#[test]
fn what_comes_late_to_a_relay_that_was_cut_off_undoes_no_ending() {
    let two = Two::start(&[]);
    two.publish_to_both(EVENTS, &scraping(1, "job_started", "0", 0));
    let completed = scraping(1, "job_completed", "100", 9);
    two.cut_off(|| {
        two.publish(EVENTS, &completed);
        stored(&two.redis, "jobwire:scraping:1", "succeeded");
    });
    two.publish_to_both(EVENTS, &scraping(1, "job_progress", "50", 5));
    // Progress of another job is written at the next turn, and with it what is dirty of this one.
    two.publish_to_both(EVENTS, &scraping(3, "job_started", "0", 0));
    until(PATIENCE, "the next turn", || {
        let there: bool = two.redis.connection().exists("jobwire:scraping:3").unwrap();
        there
    });
    assert_eq!(two.cut.stop().code, 0);
    let state: String = two.redis.connection().hget("jobwire:scraping:1", "state").unwrap();
    assert_eq!(state, completed);
    stored(&two.redis, "jobwire:scraping:1", "succeeded");
}

#[test]
fn a_job_that_began_and_ended_in_the_gap_reaches_who_waited_for_it() {
    let two = Two::start(&["--unknown-grace", "1h"]);
    let mut waiting = two.cut.connect("/ws/scraping/1");
    waiting.expect_silence();
    let failed = scraping(1, "job_failed", "3", 0);
    two.cut_off(|| {
        two.publish(EVENTS, &scraping(1, "job_started", "0", 0));
        two.publish(EVENTS, &failed);
        stored(&two.redis, "jobwire:scraping:1", "failed");
    });
    waiting.expect(&failed);
    waiting.expect_silence();
}

#[test]
fn the_merge_of_a_download_has_what_was_missed() {
    let two = Two::start(&[]);
    let processing = r#"{"jobId":"a","status":"processing","progress":10}"#;
    let completed = r#"{"jobId":"a","status":"completed","progress":100,"downloadUrl":"u"}"#;
    let mut open = two.cut.connect("/ws/download/a");
    open.next_text(PATIENCE);
    two.publish_to_both("download_updates:a", processing);
    open.expect(&wrapped(processing));
    two.cut_off(|| {
        two.publish("download_updates:a", completed);
        stored(&two.redis, "jobwire:downloads:a", "succeeded");
    });
    open.expect(&wrapped(completed));
    assert_eq!(two.cut.exchange("GET", "/api/status/a", &[], b"").body, completed);
    open.expect_silence();
}

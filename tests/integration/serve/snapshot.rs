//! Late joiners while events flow: no gap, no repeat.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::scraping;
use crate::support::{PATIENCE, RedisServer, Relay, WebSocket};

/// The sequence that the test counts in an event's results.
fn number(event: &str) -> u64 {
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    event["results_count"].as_u64().unwrap()
}

/// Ends the publisher with its test, also with one that fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads `count` events, each of which must follow the one before.
fn assert_contiguous(socket: &mut WebSocket, count: usize, deadline: Duration) {
    let first = number(&socket.next_text(deadline));
    for expected in (first + 1..).take(count) {
        assert_eq!(number(&socket.next_text(deadline)), expected, "after a snapshot at {first}");
    }
}

/// Events after which the publisher waits until the relay has those before them: at most some 5 MB wait in Redis, which
/// cuts a subscriber off at 8 MB for a minute or 32 MB.
const FAR_AHEAD: u64 = 10_000;

/// Publishes rounds of events, one a job and all with the round's number, until `stop`. They are milestones, which are
/// never conflated; a round is a pipeline of its own, so that Redis gets them as fast as it can take them. The publisher
/// waits where a relay without optimization is so far behind that Redis would soon cut it off.
fn publish_rounds(redis: &RedisServer, relay: &Relay, jobs: i64, stop: &AtomicBool) {
    let mut connection = redis.connection();
    let (mut published, mut checked) = (0, 0);
    for round in 1.. {
        let mut pipeline = redis::pipe();
        for job in 0..jobs {
            pipeline.publish("scraping_events", scraping(job, "scraper_completed", "1", round));
        }
        let _: Vec<u64> = pipeline.query(&mut connection).unwrap();
        if stop.load(Ordering::Relaxed) {
            return;
        }
        published += jobs.cast_unsigned();
        if published - checked > FAR_AHEAD {
            relay.until_events(checked);
            checked = published;
        }
    }
}

#[test]
fn joiners_of_one_busy_job_see_every_event_from_their_first_on() {
    let redis = RedisServer::start();
    // On a slow machine a great deal is published before a joiner has been looked up.
    let relay = Relay::on(&redis, &["--shards", "3", "--outbox", "64MiB"]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| publish_rounds(&redis, &relay, 1, &stop));
        let _stop = StopOnDrop(&stop);
        let joiners: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..5 {
                        assert_contiguous(&mut relay.connect("/ws/scraping/0"), 100, PATIENCE);
                    }
                })
            })
            .collect();
        for joiner in joiners {
            joiner.join().unwrap();
        }
    });
}

#[test]
fn the_first_joiners_of_busy_jobs_see_every_event_while_the_store_is_asked() {
    const JOBS: i64 = 60;
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--shards", "3"]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| publish_rounds(&redis, &relay, JOBS, &stop));
        let (_stop, relay) = (StopOnDrop(&stop), &relay);
        let joiners: Vec<_> = (0..4)
            .map(|nth| {
                scope.spawn(move || {
                    for job in (0..JOBS).filter(|job| job % 4 == nth) {
                        let mut socket = relay.connect(&format!("/ws/scraping/{job}"));
                        assert_contiguous(&mut socket, 20, PATIENCE);
                    }
                })
            })
            .collect();
        for joiner in joiners {
            joiner.join().unwrap();
        }
    });
}

#[test]
fn joiners_of_the_embedded_broker_see_every_event_from_their_first_on() {
    let relay = Relay::start(&["--shards", "3"]);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1.. {
                relay.publish("scraping_events", &scraping(0, "scraper_completed", "1", round));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let _stop = StopOnDrop(&stop);
        let joiners: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..3 {
                        assert_contiguous(&mut relay.connect("/ws/scraping/0"), 20, PATIENCE);
                    }
                })
            })
            .collect();
        for joiner in joiners {
            joiner.join().unwrap();
        }
    });
}

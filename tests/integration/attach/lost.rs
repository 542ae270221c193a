//! A relay or a Redis that goes away and comes back under attach.

use super::{attach, publish, untimed};
use crate::support::{PATIENCE, RedisServer, Relay, until};

fn percents(lines: &[&str]) -> Vec<f64> {
    let words = lines.iter().flat_map(|line| line.split(' '));
    words.filter_map(|word| word.strip_suffix('%')?.parse().ok()).collect()
}

#[test]
fn a_relay_that_is_killed_and_restarted_is_returned_to_and_nothing_goes_backwards() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let mut watching = attach(&relay, &["scraping/1"]);
    // One after the other: what comes while the relay still looks up the state is part of that state.
    for (kind, percent) in [("job_started", "0"), ("job_progress", "40"), ("job_progress", "60")] {
        publish_into(&redis, kind, percent);
        watching.until_printed(&format!(" {percent}%\n"));
    }
    let stored = || redis::cmd("HGET").arg("jobwire:scraping:1").arg("state").query(&mut redis.connection());
    until(PATIENCE, "the state in Redis", || {
        stored()
            .is_ok_and(|state: Option<String>| state.is_some_and(|state| state.contains("\"progress\":60")))
    });
    let address = relay.address().to_owned();
    relay.kill();
    watching.until_printed("nothing listens at");
    let relay = Relay::listening_on(&address, &["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    until(PATIENCE, "the socket", || watching.stdout().matches(" connected\n").count() == 2);
    assert!(!watching.has_ended());
    publish_into(&redis, "job_progress", "70");
    watching.until_printed(" 70%\n");
    publish_into(&redis, "job_completed", "100");
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    assert_eq!(percents(&untimed(&output.stdout)), [0.0, 40.0, 60.0, 70.0, 100.0], "{}", output.stdout);
}

#[test]
fn a_relay_that_has_forgotten_the_job_sends_it_back_nowhere() {
    let relay = Relay::start(&[]);
    let watching = attach(&relay, &["downloads/a"]);
    publish(&relay, "downloads/a", "processing", &["progress=60"]);
    watching.until_printed(" 60%");
    let address = relay.address().to_owned();
    relay.kill();
    let relay = Relay::listening_on(&address, &[]);
    until(PATIENCE, "the socket", || watching.stdout().matches(" connected\n").count() == 2);
    publish(&relay, "downloads/a", "processing", &["progress=61"]);
    watching.until_printed(" 61%");
    publish(&relay, "downloads/a", "completed", &[]);
    let output = watching.finish(PATIENCE);
    let expected = [0.0, 60.0, 61.0, 100.0];
    assert_eq!(
        (output.code, percents(&untimed(&output.stdout))),
        (0, expected.to_vec()),
        "{}",
        output.stdout
    );
}

#[test]
fn a_redis_that_is_killed_and_restarted_is_a_gap_that_attach_tells() {
    let mut redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let watching = attach(&relay, &["scraping/1"]);
    publish_into(&redis, "job_progress", "40");
    watching.until_printed(" 40%");
    redis.stop();
    until(PATIENCE, "the relay to miss Redis", || relay.get("/ready").0 == 503);
    redis.restart();
    until(PATIENCE, "the relay to subscribe again", || relay.get("/ready").0 == 200);
    publish_into(&redis, "job_progress", "50");
    watching.until_printed(" 50%");
    publish_into(&redis, "job_completed", "100");
    let output = watching.finish(PATIENCE);
    let expected = [
        "scraping/1 connected",
        "scraping/1 started 40%",
        "scraping/1 gap: events are missing, since the relay was cut off from its source",
        "scraping/1 running 50%",
        "scraping/1 done 100%",
    ];
    assert_eq!((output.code, untimed(&output.stdout)), (0, expected.to_vec()));
}

fn publish_into(redis: &RedisServer, kind: &str, percent: &str) {
    let payload = format!(
        r#"{{"job_id":1,"event_type":"{kind}","status":"running","progress":{percent},"results_count":0,"message":null,"metadata":{{}},"timestamp":"2025-11-21T10:30:00"}}"#
    );
    assert_eq!(redis.publish("scraping_events", payload), 1);
}

//! Several targets that overlap: each event once, by the name that tells most.

use serde_json::json;

use super::Watcher;
use crate::serve::scraping;
use crate::support::{RedisServer, Relay};

const EVENTS: &str = "scraping_events";

#[test]
fn an_event_of_several_targets_comes_once_named_by_the_job_or_the_room() {
    let relay = Relay::start(&[]);
    let query = "target=scraping/*&target=scraping/1&target=channel:campaigns&target=room:campaign:1&target=room:email:5";
    let mut watcher = Watcher::open(&relay, query);
    watcher.until_caught_up();
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    relay.publish(EVENTS, &scraping(2, "job_started", "0", 0));
    relay.publish("fliptechpro:campaigns", r#"{"type":"campaign:paused","campaign_id":1}"#);
    relay.publish("fliptechpro:campaigns", r#"{"type":"campaign:paused","campaign_id":2}"#);
    relay.publish("fliptechpro:campaigns", r#"{"type":"email:sent","campaign_id":1,"email_id":5}"#);
    relay.publish("fliptechpro:emails", r#"{"type":"email:sent","campaign_id":2,"email_id":5}"#);
    relay.publish("fliptechpro:emails", r#"{"type":"email:sent","campaign_id":2,"email_id":6}"#);
    watcher.expect(&[
        "event scraping/1 job_started 0",
        "event scraping/2 job_started 0",
        "event room:campaign:1 campaign:paused",
        "event channel:campaigns campaign:paused",
    ]);
    let both = watcher.news();
    assert!(both["target"].as_str().unwrap().starts_with("room:"), "{both}");
    watcher.expect(&["event room:email:5 email:sent"]);
    watcher.expect_silence();
    watcher.say(&json!({"type": "unwatch", "targets": ["scraping/1", "scraping/1", "nothing/1"]}));
    watcher.expect(&["error unknown_target nothing/1"]);
    assert_eq!(watcher.watching().0.len(), 4);
    relay.publish(EVENTS, &scraping(1, "job_completed", "0", 0));
    watcher.expect(&["event scraping/1 job_completed 0", "ended scraping/1 succeeded"]);
    watcher.expect_silence();
}

#[test]
fn a_list_opens_with_the_newest_unfinished_jobs_but_those_that_are_named() {
    let relay = Relay::start(&[]);
    for job in 0..1_005 {
        relay.publish_fast(EVENTS, &scraping(job, "job_started", "0", 0));
    }
    relay.publish(EVENTS, &scraping(1_003, "job_completed", "0", 0));
    let mut watcher = Watcher::open(&relay, "target=scraping/*&target=scraping/1004&target=scraping/1003");
    let seen = watcher.until_caught_up();
    assert_eq!(seen.len(), 999 + 2 + 1, "{:?}", &seen[..10]);
    let named = |text: &str| seen.iter().filter(|seen| *seen == text).count();
    assert_eq!(named("snapshot scraping/1004 job_started 0"), 1);
    assert_eq!(named("snapshot scraping/1003 job_completed 0"), 1);
    assert_eq!(named("ended scraping/1003 succeeded"), 1);
    assert_eq!(named("snapshot scraping/0 job_started 0"), 0);
    relay.publish(EVENTS, &scraping(5_000, "job_started", "0", 0));
    watcher.expect(&["event scraping/5000 job_started 0"]);
}

#[test]
fn what_is_missed_of_one_target_comes_while_another_is_live() {
    let relay = Relay::start(&[]);
    let mut first = Watcher::open(&relay, "target=scraping/1");
    let (_, cursor) = first.watching();
    for count in 0..3 {
        relay.publish(EVENTS, &scraping(1, "scraper_completed", "0", count));
        relay.publish(EVENTS, &scraping(2, "scraper_completed", "0", count));
    }
    // The job opened with its newest event; what came before is missed by the list.
    let mut watcher = Watcher::open(&relay, "target=scraping/1");
    assert_eq!(watcher.until_caught_up(), ["snapshot scraping/1 scraper_completed 2"]);
    relay.publish(EVENTS, &scraping(1, "scraper_completed", "0", 3));
    watcher.expect(&["event scraping/1 scraper_completed 3"]);
    watcher.say(&json!({"type": "watch", "targets": ["scraping/*"], "since": cursor}));
    assert_eq!(
        watcher.until_caught_up(),
        [
            "event scraping/1 scraper_completed 0",
            "event scraping/2 scraper_completed 0",
            "event scraping/1 scraper_completed 1",
            "event scraping/2 scraper_completed 1",
            "event scraping/1 scraper_completed 2",
            "event scraping/2 scraper_completed 2",
        ]
    );
    // All of that was sent; nothing comes again.
    watcher.say(&json!({"type": "watch", "targets": ["scraping/2", "scraping/3"], "since": cursor}));
    assert!(watcher.until_caught_up().is_empty());
    relay.publish(EVENTS, &scraping(2, "job_completed", "0", 4));
    watcher.expect(&["event scraping/2 job_completed 4", "ended scraping/2 succeeded"]);
    watcher.expect_silence();
}

#[test]
fn what_a_list_did_not_want_is_missed_by_a_job_that_wants_it() {
    let relay = Relay::start(&[]);
    let mut watcher = Watcher::open(&relay, "target=scraping/*&kinds=job_started");
    let (_, cursor) = watcher.watching();
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    relay.publish(EVENTS, &scraping(1, "scraper_completed", "0", 1));
    relay.publish(EVENTS, &scraping(1, "job_completed", "0", 2));
    watcher.expect(&["event scraping/1 job_started 0", "ended scraping/1 succeeded"]);
    watcher.say(&json!({"type": "watch", "targets": ["scraping/1"], "since": cursor}));
    assert_eq!(
        watcher.until_caught_up(),
        [
            "event scraping/1 scraper_completed 1",
            "event scraping/1 job_completed 2",
            "ended scraping/1 succeeded"
        ]
    );
}

#[test]
fn a_cursor_that_is_none_is_told_once_for_all_targets() {
    let relay = Relay::start(&[]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    for (since, reason) in [("junk%20", "invalid"), ("1.1", "restarted"), ("", "invalid")] {
        let query = format!("since={since}&target=scraping/1&target=scraping/2&target=channel:leads");
        let seen = Watcher::open(&relay, &query).until_caught_up();
        assert_eq!(seen, [format!("gap {reason}"), "snapshot scraping/1 job_started 0".to_owned()]);
    }
}

#[test]
fn a_loss_of_the_source_is_told_once_to_each_connection() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let query = "target=scraping/1&target=downloads/a&target=channel:leads";
    let mut watcher = Watcher::open(&relay, query);
    watcher.until_caught_up();
    let mut plain = relay.connect("/ws/scraping/1");
    redis.stop();
    redis.restart();
    let gap = watcher.news();
    assert_eq!(
        (&gap["type"], &gap["reason"], gap.get("target")),
        (&"gap".into(), &"source_lost".into(), None)
    );
    let cursor = gap["cursor"].as_str().unwrap().to_owned();
    watcher.expect_silence();
    plain.expect_silence();
    // The cursor behind the gap is good.
    let mut back = Watcher::open(&relay, &format!("{query}&since={cursor}"));
    assert!(back.until_caught_up().is_empty());
}

#[test]
fn messages_that_come_together_begin_each_watch_as_the_last_one_says() {
    // A ping would bring the cursor of an event that is not watched.
    let relay = Relay::start(&["--ping-interval", "1d"]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    relay.publish(EVENTS, &scraping(2, "job_started", "0", 0));
    let mut raw = relay.raw("/watch");
    let say = |message: serde_json::Value| {
        crate::support::frame(0x80 | crate::support::TEXT, message.to_string().as_bytes())
    };
    raw.next_but_pings(crate::support::PATIENCE).unwrap();
    let watch = |target: &str, since: Option<&str>| {
        say(json!({"type": "watch", "targets": [target], "since": since}))
    };
    let unwatch = |target: &str| say(json!({"type": "unwatch", "targets": [target]}));
    raw.send(
        &[
            watch("scraping/1", Some("0")),
            unwatch("scraping/1"),
            watch("scraping/2", None),
            unwatch("scraping/2"),
            watch("scraping/2", None),
        ]
        .concat(),
    );
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let frame = raw.next_but_pings(crate::support::PATIENCE).unwrap();
        seen.push(super::short(&serde_json::from_str(frame.text()).unwrap()));
    }
    assert_eq!(seen, ["snapshot scraping/2 job_started 0", "watching"]);
    relay.publish(EVENTS, &scraping(1, "job_completed", "0", 0));
    relay.publish(EVENTS, &scraping(2, "job_completed", "0", 0));
    let event = raw.next_but_pings(crate::support::PATIENCE).unwrap();
    assert!(event.text().contains("\"target\":\"scraping/2\""), "{event:?}");
}

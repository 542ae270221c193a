//! Which events reach whom, and how often.

use super::{Client, campaign, join, leave, subscribe, unsubscribe};
use crate::support::{PATIENCE, RedisServer, Relay, until};

#[test]
fn subscribing_and_unsubscribing_change_what_comes() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &[]);
    let mut client = Client::connect(&relay, "/ws");
    let event = campaign("launched", 1);
    let mut expected = 0;
    let mut publish = |channel: &str| {
        redis.publish(&format!("fliptechpro:{channel}"), event.clone());
        expected += 1;
        relay.until_events(expected);
    };
    publish("campaigns");
    client.expect_silence();
    client.subscribed(&subscribe(&["campaigns", "emails"]), &["campaigns", "emails"], &[]);
    publish("campaigns");
    client.expect(&event);
    client.subscribed(&unsubscribe(&["campaigns"]), &["emails"], &[]);
    publish("campaigns");
    client.expect_silence();
    client.subscribed(&join("campaign:1"), &["emails"], &["campaign:1"]);
    publish("conversations");
    client.expect(&event);
    client.subscribed(&leave("campaign:1"), &["emails"], &[]);
    publish("campaigns");
    publish("emails");
    client.expect(&event);
    client.expect_silence();
}

#[test]
fn every_channel_comes_through_redis_with_every_type_byte_for_byte() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--shards", "2"]);
    let names = ["campaigns", "emails", "scrapers", "ai", "demos", "notifications", "leads", "conversations"];
    let mut client = Client::connect(&relay, &format!("/ws?channels={}", names.join(",")));
    for channel in names {
        let known = format!(r#"{{ "type":"lead:created",  "lead_id":5, "x":"é\u00e9", "n":{channel:?} }}"#);
        let unknown = r#"{"type":"nobody:knows","nested":{"a":[1,2.50]},"type2":null}"#.to_owned();
        for payload in [known, unknown, "{}".to_owned(), r#"{"type":7,"campaign_id":{}}"#.to_owned()] {
            redis.publish(&format!("fliptechpro:{channel}"), payload.clone());
            client.expect(&payload);
        }
    }
    // A channel of the same prefix that the contract does not have, and what is no event at all.
    redis.publish("fliptechpro:internal", "{}");
    redis.publish("fliptechpro:ai", "hello");
    until(PATIENCE, "the relay to drop it", || relay.stats()["dropped"]["not_json"] == 1);
    client.expect_silence();
}

#[test]
fn who_matches_twice_gets_an_event_once() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws/emails?channels=campaigns");
    client.subscribed(&join("campaign:1"), &["emails", "campaigns"], &["campaign:1"]);
    client.subscribed(&join("email:2"), &["emails", "campaigns"], &["campaign:1", "email:2"]);
    let both = r#"{"type":"email:opened","campaign_id":1,"email_id":2}"#;
    for _ in 0..3 {
        assert_eq!(relay.publish("fliptechpro:emails", both), 1);
        client.expect(both);
    }
    client.expect_silence();
    assert_eq!(relay.stats()["deliveries"], 3);
}

#[test]
fn a_narrowed_channel_is_channel_and_room() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws/campaigns?campaign_id=123");
    let (mine, other) = (campaign("launched", 123), campaign("launched", 124));
    assert_eq!(relay.publish("fliptechpro:campaigns", &other), 0);
    assert_eq!(relay.publish("fliptechpro:emails", &mine), 0);
    assert_eq!(relay.publish("fliptechpro:campaigns", &mine), 1);
    client.expect(&mine);
    client.subscribed(&join("campaign:123"), &["campaigns"], &["campaign:123"]);
    assert_eq!(relay.publish("fliptechpro:emails", &mine), 1);
    client.expect(&mine);
    client.subscribed(&subscribe(&["campaigns"]), &["campaigns"], &["campaign:123"]);
    assert_eq!(relay.publish("fliptechpro:campaigns", &other), 1);
    client.expect(&other);
    client.expect_silence();
}

#[test]
fn ids_of_all_kinds_make_rooms_whether_they_are_numbers_or_text() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws");
    for (kind, id, json) in [
        ("campaign", "123", "123"),
        ("conversation", "4", "4"),
        ("scraper", "scrape_1", "\"scrape_1\""),
        ("demo", "a:b", "\"a:b\""),
        ("lead", "5", "\"5\""),
        ("email", "6", "6"),
        ("task", "ai_1", "\"ai_1\""),
    ] {
        client.ask(&join(&format!("{kind}:{id}")));
        let event = format!(r#"{{"type":"x","{kind}_id":{json}}}"#);
        assert_eq!(relay.publish("fliptechpro:notifications", &event), 1, "{kind}");
        client.expect(&event);
        assert_eq!(relay.publish("fliptechpro:notifications", &event.replace("_id", "")), 0, "{kind}");
    }
}

#[test]
fn a_room_of_another_dialect_is_just_an_empty_room() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws");
    for room in ["task:X", "tasks:X", "scraping:1", "downloads:X", "task_updates:X", "job:X"] {
        assert_eq!(client.ask(&join(room))["type"], "subscribed", "{room}");
    }
    let progress = r#"{"type":"progress","task_id":"X","step":1,"total_steps":5,"status":"x"}"#;
    assert_eq!(relay.publish("task_updates:X", progress), 0);
    assert_eq!(relay.publish("scraping_events", &crate::serve::scraping(1, "job_progress", "1", 1)), 0);
    assert_eq!(relay.publish("download_updates:X", r#"{"jobId":"X","status":"queued","progress":0}"#), 0);
    client.expect_silence();
    // Its own dialect's events are in that room.
    let own = r#"{"type":"ai:processing","task_id":"X"}"#;
    assert_eq!(relay.publish("fliptechpro:ai", own), 1);
    client.expect(own);
}

#[test]
fn a_channel_of_many_watchers_gets_each_event_whoever_comes_and_goes() {
    let relay = Relay::start(&["--shards", "2"]);
    let mut crowd: Vec<Client> = (0..200).map(|_| Client::connect(&relay, "/ws/campaigns")).collect();
    let event = campaign("stats_updated", 1);
    assert_eq!(relay.publish("fliptechpro:campaigns", &event), 200);
    for client in crowd.drain(..150) {
        client.0.close();
    }
    relay.until_connections(50);
    assert_eq!(relay.publish("fliptechpro:campaigns", &event), 50);
    for client in &mut crowd {
        client.expect(&event);
        client.expect(&event);
        client.expect_silence();
    }
}

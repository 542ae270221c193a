//! Signs of life, and what the statistics say of channels and rooms.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Client, campaign, join};
use crate::support::{PATIENCE, PING, PONG, RedisServer, Relay};

#[test]
fn a_heartbeat_comes_with_every_ping() {
    let interval = Duration::from_millis(200);
    let relay = Relay::start(&["--ping-interval", "200ms"]);
    let mut socket = relay.raw("/ws/campaigns");
    let hello = socket.next(PATIENCE).unwrap();
    assert!(hello.text().contains("connection"), "{hello:?}");
    let (start, mut before) = (Instant::now(), None);
    for _ in 0..5 {
        let ping = socket.next(PATIENCE).unwrap();
        assert_eq!(ping.opcode, PING);
        socket.send_frame(PONG, &ping.payload);
        let heartbeat: Value = serde_json::from_str(socket.next(PATIENCE).unwrap().text()).unwrap();
        let text = heartbeat["timestamp"].as_str().unwrap().to_owned();
        assert_eq!(heartbeat, json!({ "type": "heartbeat", "timestamp": text }));
        assert!(text.ends_with('Z'), "{text}");
        let time: jiff::Timestamp = text.parse().unwrap();
        assert!(before.is_none_or(|before| before < time), "{text}");
        before = Some(time);
    }
    // The first one comes anywhere in the interval, and may have been read late.
    assert!(start.elapsed() >= interval * 3, "{:?}", start.elapsed());
}

#[test]
fn a_job_s_watcher_gets_no_heartbeats() {
    let relay = Relay::start(&["--ping-interval", "100ms"]);
    let mut socket = relay.raw("/ws/scraping/1");
    for _ in 0..5 {
        let ping = socket.next(PATIENCE).unwrap();
        assert_eq!(ping.opcode, PING);
        socket.send_frame(PONG, &ping.payload);
    }
}

#[test]
fn who_answers_nothing_for_two_intervals_is_closed_although_it_gets_heartbeats() {
    let relay = Relay::start(&["--ping-interval", "200ms"]);
    let mut socket = relay.raw("/ws/campaigns");
    let close = loop {
        let next = socket.next_but_pings(PATIENCE).unwrap();
        if next.opcode != crate::support::TEXT {
            break next;
        }
    };
    assert_eq!(close.close_code(), 1001);
    relay.until_connections(0);
    assert_eq!(relay.stats()["channels"]["campaigns"]["subscribers"], 0);
}

#[test]
fn stats_count_subscribers_of_channels_and_rooms_and_events_of_channels() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--shards", "2"]);
    let mut clients = [
        "/ws/campaigns",
        "/ws/campaigns?campaign_id=1",
        "/ws/campaigns?campaign_id=1&campaign_id=2",
        "/ws?channels=campaigns,emails",
    ]
    .map(|path| Client::connect(&relay, path));
    clients[3].ask(&join("campaign:1"));
    clients[2].ask(&join("campaign:1"));
    for channel in ["campaigns", "campaigns", "leads"] {
        redis.publish(&format!("fliptechpro:{channel}"), campaign("launched", 9));
    }
    relay.until_events(3);
    let _job = relay.connect("/ws/scraping/1");
    relay.until_connections(5);
    let stats = relay.stats();
    let channel = |name: &str| stats["channels"][name].clone();
    assert_eq!(channel("campaigns"), json!({ "subscribers": 4, "events": 2 }));
    assert_eq!(channel("emails"), json!({ "subscribers": 1, "events": 0 }));
    assert_eq!(channel("leads"), json!({ "subscribers": 0, "events": 1 }));
    assert_eq!(stats["channels"].as_object().unwrap().len(), 8);
    let rooms = json!({ "subscriptions": 4, "busiest": { "campaign:1": 3, "campaign:2": 1 } });
    assert_eq!(stats["rooms"], rooms);
    let broker = &stats["redis"];
    let up = ["connected", "connects", "error", "denied"].map(|field| broker[field].clone());
    assert_eq!(up, [json!(true), json!(1), Value::Null, json!([])]);
    assert_eq!(
        (&broker["server"], &broker["role"]),
        (&redis.url().replace("redis://", "").into(), &"master".into())
    );
    for counter in ["reconnects", "probes_lost", "role_changes", "gaps"] {
        assert_eq!(broker[counter], 0, "{counter}");
    }
    assert_eq!((&stats["total_connections"], &stats["active_jobs"]), (&json!(5), &json!(1)));
    let other = relay.exchange("GET", "/api/v1/ws/stats", &[], b"").json();
    assert_eq!((&other["channels"], &other["rooms"]), (&stats["channels"], &stats["rooms"]));
    assert_eq!(Relay::start(&[]).stats()["redis"], Value::Null);
}

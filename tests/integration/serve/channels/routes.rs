//! Paths and their queries, and who may come that way.

use serde_json::{Value, json};

use super::{Client, campaign, refusal, subscribe};
use crate::support::{Relay, UPGRADE, WebSocket};

/// What a socket is greeted with, without the time.
fn greeting(relay: &Relay, path: &str) -> (Value, Client) {
    let mut client = Client(relay.connect(path));
    let mut hello = client.next();
    let time = hello.as_object_mut().unwrap().remove("timestamp").unwrap();
    let time = time.as_str().unwrap();
    assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    (hello, client)
}

fn connection(channels: &[&str], rooms: &[&str]) -> Value {
    json!({ "type": "connection", "status": "connected", "channels": channels, "rooms": rooms })
}

#[test]
fn each_path_subscribes_to_its_channel() {
    let relay = Relay::start(&[]);
    for (path, channel) in [
        ("/ws/campaigns", "campaigns"),
        ("/ws/emails", "emails"),
        ("/ws/ai", "ai"),
        ("/ws/demos", "demos"),
        ("/ws/leads", "leads"),
        ("/ws/scraper", "scrapers"),
    ] {
        let (hello, mut client) = greeting(&relay, path);
        assert_eq!(hello, connection(&[channel], &[]), "{path}");
        let event = format!(r#"{{"type":"on {channel}"}}"#);
        for other in ["campaigns", "emails", "ai", "demos", "leads", "scrapers", "notifications"] {
            let sockets = relay.publish(&format!("fliptechpro:{other}"), &event);
            assert_eq!(sockets, u64::from(other == channel), "{path}");
        }
        client.expect(&event);
        client.expect_silence();
        client.0.close();
        relay.until_connections(0);
    }
}

#[test]
fn the_query_names_channels_and_narrows_them() {
    let relay = Relay::start(&[]);
    for (path, channels, rooms) in [
        ("/ws", &[][..], &[][..]),
        ("/ws?channels=campaigns,emails", &["campaigns", "emails"], &[]),
        ("/ws?channels=notifications&channels=conversations", &["notifications", "conversations"], &[]),
        ("/ws/campaigns?channels=emails", &["campaigns", "emails"], &[]),
        ("/ws/campaigns?campaign_id=123", &["campaigns"], &["campaign:123"]),
        ("/ws/scraper?scraper_id=scrape_123", &["scrapers"], &["scraper:scrape_123"]),
        ("/ws/ai?task_id=ai%3A1&conversation_id=4", &["ai"], &["task:ai:1", "conversation:4"]),
        ("/ws/demos?demo_id=d", &["demos"], &["demo:d"]),
        ("/ws/leads?lead_id=5", &["leads"], &["lead:5"]),
        ("/ws/emails?email_id=6", &["emails"], &["email:6"]),
        ("/ws?campaign_id=1", &[], &["campaign:1"]),
    ] {
        assert_eq!(greeting(&relay, path).0, connection(channels, rooms), "{path}");
    }
}

#[test]
fn an_unknown_name_in_the_query_gets_the_error_behind_the_greeting_and_the_socket_stays() {
    let relay = Relay::start(&[]);
    let (hello, mut client) = greeting(&relay, "/ws?channels=campains,emails");
    assert_eq!(hello, connection(&["emails"], &[]));
    let error = client.next();
    assert_eq!(refusal(&error), "unknown_channel");
    assert!(error["message"].as_str().unwrap().contains("did you mean 'campaigns'?"), "{error}");
    client.subscribed(&subscribe(&["campaigns"]), &["emails", "campaigns"], &[]);
    let event = campaign("paused", 1);
    relay.publish("fliptechpro:campaigns", &event);
    client.expect(&event);
}

#[test]
fn a_page_of_a_foreign_origin_is_refused_and_a_plain_get_is_told_to_upgrade() {
    let relay = Relay::start(&[]);
    for path in ["/ws", "/ws/campaigns", "/ws/scraper?channels=ai"] {
        let foreign = WebSocket::try_connect(&relay.ws(path), &[("Origin", "https://evil.example")]);
        assert_eq!(foreign.err(), Some(403), "{path}");
        assert!(WebSocket::try_connect(&relay.ws(path), &[("Origin", "http://localhost:3000")]).is_ok());
        assert_eq!(relay.exchange("GET", path, &[], b"").refusal(), (426, "upgrade_required".to_owned()));
        let refusal = relay.exchange("POST", path, &UPGRADE, b"").refusal();
        assert_eq!(refusal, (405, "method_not_allowed".to_owned()));
    }
}

#[test]
fn publishing_counts_the_sockets_and_knows_the_channels() {
    let relay = Relay::start(&["--publish-key", "sesame", "--shards", "2"]);
    let keyed = [("Authorization", "Bearer sesame")];
    let mut both = Client::connect(&relay, "/ws/campaigns?channels=emails");
    both.ask(&super::join("campaign:7"));
    let _narrow = Client::connect(&relay, "/ws/campaigns?campaign_id=7");
    let _other = Client::connect(&relay, "/ws/campaigns?campaign_id=8");
    let event = campaign("launched", 7);
    let post =
        |channel: &str, body: &[u8]| relay.exchange("POST", &format!("/publish/{channel}"), &keyed, body);
    assert_eq!(post("fliptechpro:campaigns", event.as_bytes()).body, r#"{"subscribers":1,"sockets":2}"#);
    assert_eq!(post("fliptechpro%3Aleads", event.as_bytes()).body, r#"{"subscribers":1,"sockets":1}"#);
    for unknown in ["fliptechpro:foo", "fliptechpro:", "campaigns", "fliptechpro:campaigns:1", "x"] {
        assert_eq!(
            post(unknown, event.as_bytes()).refusal(),
            (404, "unknown_channel".to_owned()),
            "{unknown}"
        );
    }
    for (body, code) in [("hello", "not_json"), ("[1]", "not_an_object"), ("", "empty")] {
        assert_eq!(post("fliptechpro:ai", body.as_bytes()).refusal(), (400, code.to_owned()), "{body}");
    }
}

#[test]
fn the_prefix_is_a_setting() {
    let relay = Relay::start(&["--channel-prefix", "acme/"]);
    let mut client = Client::connect(&relay, "/ws/campaigns");
    let event = campaign("launched", 1);
    assert_eq!(relay.publish("acme/campaigns", &event), 1);
    client.expect(&event);
    assert!(relay.stderr().contains("acme/{channel}"), "{}", relay.stderr());
}

//! Commands that make no sense, and what they get: an error that helps, and nothing else.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{Client, join, refusal, subscribe, unsubscribe};
use crate::support::Relay;

#[test]
fn what_is_no_command_is_answered_with_bad_message() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws/ai");
    for text in [
        "",
        "hello",
        "PING",
        "[]",
        "{",
        r#"{"channels":["ai"]}"#,
        r#"{"type":7}"#,
        r#"{"type":"subscibe","channels":["ai"]}"#,
        r#"{"type":"subscribe"}"#,
        r#"{"type":"subscribe","channels":"campaigns"}"#,
        r#"{"type":"subscribe","channels":{"0":"campaigns"}}"#,
        r#"{"type":"unsubscribe","channels":null}"#,
        r#"{"type":"subscribe","channels":["campaigns",1]}"#,
        r#"{"type":"join_room"}"#,
        r#"{"type":"join_room","room":123}"#,
        r#"{"type":"join_room","room":"campaign"}"#,
        r#"{"type":"join_room","room":":1"}"#,
        r#"{"type":"leave_room","room":"campaign:"}"#,
        r#"{"type":"join_room","room":"campaign:1\u0000"}"#,
    ] {
        assert_eq!(client.refusal(text), "bad_message", "{text}");
    }
    let deep = "[".repeat(30_000);
    assert_eq!(client.refusal(&deep), "bad_message");
    client.0.send_message(Message::binary(br#"{"type":"ping"}"#.to_vec()));
    assert_eq!(refusal(&client.next()), "bad_message");
    client.subscribed(&subscribe(&[]), &["ai"], &[]);
}

#[test]
fn an_unknown_channel_is_named_and_nothing_of_its_command_applies() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws/ai");
    let answer = client.ask(&subscribe(&["leads", "emial"]));
    assert_eq!(refusal(&answer), "unknown_channel");
    assert_eq!(answer["message"], "there is no channel 'emial'; did you mean 'emails'?");
    let text = unsubscribe(&["ai", "fliptechpro:ai"]).to_string();
    assert_eq!(client.refusal(&text), "unknown_channel");
    client.subscribed(&join("lead:1"), &["ai"], &["lead:1"]);
}

#[test]
fn ten_thousand_subscriptions_are_over_the_limit_however_they_come() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws/emails");
    let command = json!({ "type": "subscribe", "channels": vec!["ai"; 10_000] });
    assert_eq!(refusal(&client.ask(&command)), "limit");
    client.subscribed(&subscribe(&[]), &["emails"], &[]);
    // One by one they end at 128, the channel included.
    for lead in 1..128 {
        assert_eq!(client.ask(&join(&format!("lead:{lead}")))["type"], "subscribed");
    }
    assert_eq!(client.refusal(&join("lead:128").to_string()), "limit");
    assert_eq!(client.refusal(&subscribe(&["ai"]).to_string()), "limit");
    assert_eq!(relay.stats()["rooms"]["subscriptions"], 127);
    // Who is at the limit is served all the same.
    let event = r#"{"type":"lead:created","lead_id":127}"#;
    assert_eq!(relay.publish("fliptechpro:leads", event), 1);
    client.expect(event);
}

//! Clients that say too much, and what becomes of them and of their neighbours.

use serde_json::Value;

use super::{Client, campaign, refusal};
use crate::support::{CLOSE, PATIENCE, RawSocket, Relay, TEXT, frame};

/// What the server says until it closes: how many granted commands, how many refused ones, and the code.
fn until_closed(socket: &mut RawSocket) -> (usize, usize, u16) {
    let (mut granted, mut refused) = (0, 0);
    loop {
        let next = socket.next_but_pings(PATIENCE).expect("a close frame before the end");
        if next.opcode == CLOSE {
            assert_eq!(socket.next_but_pings(PATIENCE), None, "nothing follows a close frame");
            return (granted, refused, next.close_code());
        }
        let answer: Value = serde_json::from_str(next.text()).unwrap();
        match answer["type"].as_str().unwrap() {
            "subscribed" | "pong" => granted += 1,
            "error" => {
                assert_eq!(refusal(&answer), "limit");
                refused += 1;
            }
            other => assert!(matches!(other, "connection" | "heartbeat"), "{answer}"),
        }
    }
}

#[test]
fn a_thousand_commands_a_second_get_limit_and_then_1013() {
    let relay = Relay::start(&["--shards", "1"]);
    let mut neighbour = Client::connect(&relay, "/ws/campaigns");
    for command in [r#"{"type":"subscribe","channels":["ai"]}"#, r#"{"type":"ping"}"#, "ping"] {
        let mut socket = relay.raw("/ws");
        socket.send(&frame(0x80 | TEXT, command.as_bytes()).repeat(1_000));
        let (granted, refused, code) = until_closed(&mut socket);
        assert_eq!(code, 1013, "{command}");
        // A pong that waits is replaced by the next one, so there may be fewer of these.
        assert!(granted > 0 && refused >= 200 && granted + refused < 1_000, "{granted} {refused}");
    }
    relay.until_connections(1);
    let event = campaign("launched", 1);
    assert_eq!(relay.publish("fliptechpro:campaigns", &event), 1);
    neighbour.expect(&event);
}

#[test]
fn two_hundred_commands_at_once_are_all_carried_out() {
    let relay = Relay::start(&[]);
    let mut client = Client::connect(&relay, "/ws");
    for lead in 0..100 {
        client.0.send(&super::join(&format!("lead:{lead}")).to_string());
        client.0.send(&super::leave(&format!("lead:{lead}")).to_string());
    }
    for _ in 0..200 {
        assert_eq!(client.next()["type"], "subscribed");
    }
    client.expect_silence();
}

#[test]
fn who_floods_and_reads_nothing_is_cut_off_too() {
    let relay = Relay::start(&["--shards", "1"]);
    let mut socket = relay.raw("/ws");
    socket.send(&frame(0x80 | TEXT, br#"{"type":"join_room","room":"lead:1"}"#).repeat(20_000));
    relay.until_connections(0);
}

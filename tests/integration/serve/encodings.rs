//! Other forms of the same messages: compressed ones, and MessagePack.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::scraping;
use crate::support::{
    BINARY, CLOSE, COMPRESSED, PATIENCE, RawFrame, RawSocket, Relay, SECRET, TEXT, frame, resident,
};

const EVENTS: &str = "scraping_events";
const OFFER: (&str, &str) = ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits");
const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const PACKED: (&str, &str) = ("Sec-WebSocket-Protocol", "jobwire.msgpack");

/// An event of more than 2 KiB.
fn large(job: i64, results: u64) -> String {
    let metadata = format!(r#""metadata":{{"text":"{}"}}"#, "flights and hotels, ".repeat(100));
    scraping(job, "job_progress", "5", results).replace(r#""metadata":{}"#, &metadata)
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut stream = flate2::Compress::new(flate2::Compression::default(), false);
    let mut out = Vec::with_capacity(message.len() + 64);
    stream.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

fn is_compressed(frame: &RawFrame) -> bool {
    frame.opcode & COMPRESSED != 0
}

/// A frame's message, inflated where it is compressed.
fn message(frame: &RawFrame) -> Vec<u8> {
    if !is_compressed(frame) {
        return frame.payload.clone();
    }
    let payload = [&frame.payload[..], &[0, 0, 0xff, 0xff]].concat();
    let mut out = Vec::with_capacity(1 << 20);
    let mut stream = flate2::Decompress::new(false);
    stream.decompress_vec(&payload, &mut out, flate2::FlushDecompress::Sync).unwrap();
    out
}

/// A MessagePack message as JSON.
fn unpacked(frame: &RawFrame) -> Value {
    assert_eq!(frame.opcode & !COMPRESSED, BINARY, "{frame:?}");
    let message = message(frame);
    let mut rest = &message[..];
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty());
    plain(value)
}

fn plain(value: rmpv::Value) -> Value {
    match value {
        rmpv::Value::Nil => Value::Null,
        rmpv::Value::Boolean(value) => value.into(),
        rmpv::Value::Integer(value) if value.is_u64() => value.as_u64().into(),
        rmpv::Value::Integer(value) => value.as_i64().into(),
        rmpv::Value::F64(value) => value.into(),
        rmpv::Value::String(value) => value.into_str().expect("a text").into(),
        rmpv::Value::Array(items) => items.into_iter().map(plain).collect(),
        rmpv::Value::Map(members) => {
            members.into_iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), plain(value))).collect()
        }
        other => panic!("{other}"),
    }
}

/// The MessagePack of a JSON value that is a text, or an object of texts and lists of them.
fn packed(value: &Value) -> Vec<u8> {
    fn of(value: &Value) -> rmpv::Value {
        match value {
            Value::String(text) => text.as_str().into(),
            Value::Array(items) => rmpv::Value::Array(items.iter().map(of).collect()),
            Value::Object(members) => rmpv::Value::Map(
                members.iter().map(|(name, value)| (name.as_str().into(), of(value))).collect(),
            ),
            other => panic!("{other}"),
        }
    }
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &of(value)).unwrap();
    out
}

fn next(socket: &mut RawSocket) -> RawFrame {
    socket.next_but_pings(PATIENCE).expect("a frame")
}

fn open(relay: &Relay, path: &str, headers: &[(&str, &str)]) -> RawSocket {
    RawSocket::with_headers(relay.address(), path, headers)
}

#[test]
fn a_client_that_offers_nothing_is_answered_with_nothing() {
    let relay = Relay::start(&[]);
    for path in ["/ws/scraping/1", "/ws/download/a", "/ws", "/watch"] {
        let head = relay.raw(path).head.to_ascii_lowercase();
        let names: Vec<&str> =
            head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
        assert!(
            !names
                .iter()
                .any(|name| name.starts_with("sec-websocket-e") || name.starts_with("sec-websocket-p")),
            "{head}"
        );
    }
}

#[test]
fn every_route_compresses_what_is_large_and_leaves_the_rest() {
    let relay = Relay::start(&["--no-auth"]);
    relay.publish(EVENTS, &large(1, 1));
    for path in ["/ws/scraping/1", "/watch?target=scraping/1", "/ws/scraping/1?cursor=1"] {
        let mut socket = open(&relay, path, &[OFFER]);
        assert!(
            socket.head.to_ascii_lowercase().contains(&format!("sec-websocket-extensions: {AGREED}\r\n")),
            "{}",
            socket.head
        );
        let first = next(&mut socket);
        assert!(first.opcode == TEXT | COMPRESSED && first.payload.len() < 400, "{first:?}");
        assert!(String::from_utf8(message(&first)).unwrap().contains("flights and hotels"));
        socket.send_frame(TEXT, b"ping");
        let mut pong = next(&mut socket);
        while pong.payload != br#"{"type":"pong"}"# {
            assert!(!is_compressed(&pong) || message(&pong).len() >= 256);
            pong = next(&mut socket);
        }
        assert!(!is_compressed(&pong));
        // A client may compress what it sends, in one frame or several.
        let asked = deflated(b"ping");
        socket.send(&frame(0xc0 | TEXT, &asked));
        assert_eq!(next(&mut socket).payload, br#"{"type":"pong"}"#);
        let (head, tail) = asked.split_at(2);
        socket.send(&[frame(0x40 | TEXT, head), frame(0x89, b"x"), frame(0x80, tail)].concat());
        assert_eq!(
            (next(&mut socket).opcode, next(&mut socket).payload),
            (10, br#"{"type":"pong"}"#.to_vec())
        );
        relay.publish(EVENTS, &scraping(1, "job_progress", "6", 2));
        assert!(!is_compressed(&next(&mut socket)) || path.contains("watch") || path.contains("cursor"));
        relay.publish(EVENTS, &large(1, 3));
        assert!(is_compressed(&next(&mut socket)));
    }
    let mut channels = open(&relay, "/ws/campaigns", &[OFFER]);
    assert!(!is_compressed(&next(&mut channels)));
    let text = format!(r#"{{"type":"campaign:paused","campaign_id":1,"reason":"{}"}}"#, "a".repeat(2_000));
    relay.publish("fliptechpro:campaigns", &text);
    let event = next(&mut channels);
    assert!(is_compressed(&event));
    assert_eq!(message(&event), text.as_bytes());
}

#[test]
fn odd_offers_are_done_without_and_refuse_nobody() {
    let relay = Relay::start(&[]);
    for (offer, agreed) in [
        ("permessage-deflate; server_max_window_bits=8", false),
        ("permessage-deflate; server_max_window_bits=15", true),
        ("permessage-deflate; client_max_window_bits=7", false),
        ("permessage-deflate; nonsense", false),
        ("permessage-deflate; nonsense, permessage-deflate", true),
        ("x-webkit-deflate-frame, permessage-bzip2", false),
        ("permessage-deflate, permessage-deflate; server_no_context_takeover", true),
        (";;;===,,\"", false),
    ] {
        let mut socket = open(&relay, "/ws/scraping/1", &[("Sec-WebSocket-Extensions", offer)]);
        assert_eq!(
            socket.head.to_ascii_lowercase().contains("sec-websocket-extensions: permessage-deflate;"),
            agreed,
            "{offer}"
        );
        socket.expect_silence();
    }
    let two = [("Sec-WebSocket-Extensions", "foo"), OFFER];
    assert!(open(&relay, "/ws/scraping/1", &two).head.contains(AGREED));
}

#[test]
fn what_was_not_agreed_on_is_1002_and_what_inflates_too_far_is_1009() {
    let relay = Relay::start(&[]);
    let code = |offer: &[(&str, &str)], bytes: &[u8]| {
        let mut socket = open(&relay, "/ws/scraping/1", offer);
        socket.send(bytes);
        loop {
            let frame = next(&mut socket);
            if frame.opcode == CLOSE {
                return frame.close_code();
            }
        }
    };
    let ping = deflated(b"ping");
    assert_eq!(code(&[], &frame(0xc0 | TEXT, &ping)), 1002);
    assert_eq!(code(&[OFFER], &frame(0xc0 | 9, b"")), 1002, "a control frame");
    assert_eq!(code(&[OFFER], &[frame(0x40 | TEXT, &ping[..2]), frame(0xc0, &ping[2..])].concat()), 1002);
    assert_eq!(code(&[OFFER], &frame(0xa0 | TEXT, b"ping")), 1002, "RSV2");
    assert_eq!(code(&[OFFER], &frame(0xc0 | TEXT, b"\xff\xff\xff\xff")), 1002);
    assert_eq!(code(&[OFFER], &frame(0xc0 | TEXT, &deflated(b"\xff\xfe"))), 1007);
    assert_eq!(code(&[OFFER], &frame(0xc0 | TEXT, &deflated(&vec![b'a'; (64 << 10) + 1]))), 1009);
    let before = resident(relay.id());
    let bomb = frame(0xc0 | TEXT, &deflated(&vec![b'a'; 50 << 20]));
    assert!(bomb.len() < 64 << 10);
    for _ in 0..50 {
        assert_eq!(code(&[OFFER], &bomb), 1009);
    }
    assert!(resident(relay.id()) < before + (8 << 20));
    let mut socket = open(&relay, "/ws/scraping/1", &[OFFER]);
    socket.send(&frame(0xc0 | TEXT, &deflated(&vec![b'a'; 64 << 10])));
    socket.expect_silence();
}

#[test]
fn messagepack_says_what_the_text_says_on_every_route() {
    let relay = Relay::start(&["--no-auth"]);
    let events = [
        (EVENTS, scraping(1, "job_progress", "45.5", 42), "/ws/scraping/1"),
        (
            "download_updates:a",
            r#"{"jobId":"a","status":"processing","progress":5}"#.to_owned(),
            "/ws/download/a",
        ),
        ("task_updates:t", r#"{"type":"progress","task_id":"t","step":1,"ü":"€😀"}"#.to_owned(), "/ws/t"),
        (EVENTS, large(2, 1), "/ws/scraping/2"),
    ];
    for (channel, payload, path) in &events {
        relay.publish(channel, payload);
        let mut text = relay.connect(path);
        let wanted: Value = serde_json::from_str(&text.next_text(PATIENCE)).unwrap();
        for offer in [&[PACKED][..], &[PACKED, OFFER]] {
            let mut socket = open(&relay, path, offer);
            assert!(socket.head.to_ascii_lowercase().contains("sec-websocket-protocol: jobwire.msgpack\r\n"));
            assert_eq!(unpacked(&next(&mut socket)), wanted);
            // The text `ping` as ever, and as MessagePack.
            socket.send_frame(TEXT, b"ping");
            assert_eq!(unpacked(&next(&mut socket)), json!({"type": "pong"}));
            socket.send_frame(BINARY, &packed(&"ping".into()));
            assert_eq!(unpacked(&next(&mut socket)), json!({"type": "pong"}));
            socket.send_frame(BINARY, b"\xc1 nonsense");
            socket.send_frame(TEXT, b"ping");
            assert_eq!(unpacked(&next(&mut socket)), json!({"type": "pong"}));
        }
        let mut cursors = open(&relay, &format!("{path}?cursor=1"), &[PACKED]);
        let with_cursor = unpacked(&next(&mut cursors));
        assert_eq!(with_cursor.as_object().unwrap().keys().next().unwrap(), "cursor", "{with_cursor}");
    }
    let mut channels = open(&relay, "/ws?channels=campaigns,nonsense", &[PACKED]);
    assert_eq!(unpacked(&next(&mut channels))["type"], "connection");
    assert_eq!(unpacked(&next(&mut channels))["code"], "unknown_channel");
    let join = json!({"type": "join_room", "room": "campaign:1"});
    channels.send_frame(BINARY, &packed(&join));
    assert_eq!(unpacked(&next(&mut channels))["rooms"], json!(["campaign:1"]));
    channels.send_frame(BINARY, b"\xc1");
    assert_eq!(unpacked(&next(&mut channels))["code"], "bad_message");
    let mut watch = open(&relay, "/watch", &[PACKED, OFFER]);
    assert_eq!(unpacked(&next(&mut watch))["type"], "watching");
    let message = json!({"type": "watch", "targets": ["scraping/1"]});
    watch.send(&frame(0xc0 | BINARY, &deflated(&packed(&message))));
    assert_eq!(unpacked(&next(&mut watch))["snapshot"], true);
}

#[test]
fn odd_payloads_survive_each_encoding() {
    let relay = Relay::start(&[]);
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    for (nth, (odd, wanted)) in [
        (r#""\ud800""#.to_owned(), Some(json!("\u{fffd}"))),
        (r#"{"a":1,"a":2}"#.to_owned(), Some(json!({"a": 2}))),
        ("123456789012345678901234567890".to_owned(), Some(json!(123_456_789_012_345_678_901_234_567_890.0))),
        ("18446744073709551615".to_owned(), Some(json!(u64::MAX))),
        ("[1, \r\n 2]".to_owned(), Some(json!([1, 2]))),
        (r#"{"cursor":1}"#.to_owned(), Some(json!({"cursor": 1}))),
        ("1e400".to_owned(), None),
        (deep, None),
    ]
    .into_iter()
    .enumerate()
    {
        let job = i64::try_from(nth).unwrap();
        let payload = scraping(job, "job_progress", "5", 1)
            .replace(r#""metadata":{}"#, &format!(r#""metadata":{odd}"#));
        let path = format!("/ws/scraping/{job}");
        let mut plain = relay.connect(&path);
        let mut socket = open(&relay, &path, &[PACKED]);
        let mut watch = open(&relay, &format!("/watch?target=scraping/{job}"), &[PACKED, OFFER]);
        next(&mut watch);
        relay.publish(EVENTS, &payload);
        plain.expect(&payload);
        let (frame, watched) = (next(&mut socket), next(&mut watch));
        match wanted {
            Some(wanted) => {
                assert_eq!(unpacked(&frame)["metadata"], wanted, "{odd}");
                assert_eq!(unpacked(&watched)["event"]["metadata"], wanted, "{odd}");
            }
            None if odd == "1e400" => {
                let infinite = [&[0xcb][..], &f64::INFINITY.to_be_bytes()].concat();
                assert!(frame.payload.windows(9).any(|bytes| bytes == infinite));
            }
            None => {
                assert_eq!(frame.text(), payload);
                assert_eq!(watched.opcode, TEXT | COMPRESSED);
                assert!(String::from_utf8(message(&watched)).unwrap().contains(&odd));
            }
        }
    }
}

#[test]
fn the_subprotocol_is_chosen_as_the_contract_says() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    for (offer, chosen) in [
        ("chat, jobwire.json", "jobwire.json"),
        ("jobwire.json, jobwire.msgpack", "jobwire.msgpack"),
        ("chat, superchat", "chat"),
        ("jobwire.token.a.b.c, chat", "chat"),
        ("jobwire.token.a.b.c", "jobwire.token.a.b.c"),
    ] {
        let mut wanted = String::new();
        let _ = write!(wanted, "sec-websocket-protocol: {chosen}\r\n");
        for path in ["/ws/scraping/1", "/ws", "/watch"] {
            let socket = open(&relay, path, &[("Sec-WebSocket-Protocol", offer)]);
            assert!(socket.head.contains(&wanted), "{}", socket.head);
        }
    }
}

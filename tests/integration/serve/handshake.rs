//! From the first byte of a connection to its upgrade.

use std::time::{Duration, Instant};

use super::scraping;
use crate::support::{Answer, PATIENCE, RawTcp, Relay, UPGRADE, request_head, until};

fn upgrade_with<'a>(extra: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&UPGRADE[..], extra].concat()
}

/// The answer to an upgrade of a scraping socket; one that is granted is left at once.
fn upgrade(relay: &Relay, extra: &[(&str, &str)]) -> Answer {
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send(request_head(relay.address(), "GET", "/ws/scraping/1", &upgrade_with(extra), 0)).unwrap();
    Answer::parse(&tcp.read_until(PATIENCE, |bytes| bytes.windows(4).any(|four| four == b"\r\n\r\n")))
}

#[test]
fn half_a_handshake_is_cut_off_when_its_time_is_up() {
    let relay = Relay::start(&["--header-timeout", "300ms"]);
    for half in ["", "GET /ws/scraping/1 HTTP/1.1\r\nHost: x\r\nUpgr"] {
        let start = Instant::now();
        let mut tcp = RawTcp::connect(relay.address());
        tcp.send(half).unwrap();
        tcp.read_to_end(PATIENCE);
        assert!(start.elapsed() >= Duration::from_millis(300), "{:?} for {half:?}", start.elapsed());
    }
    assert_eq!(relay.get("/health").0, 200);
}

#[test]
fn a_header_that_comes_drop_by_drop_gets_no_more_time() {
    let relay = Relay::start(&["--header-timeout", "300ms"]);
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send("GET /health HTTP/1.1\r\n").unwrap();
    until(PATIENCE, "the relay to hang up", || tcp.send("a: b\r\n").is_err());
}

#[test]
fn a_header_over_the_limit_gets_431() {
    let relay = Relay::start(&[]);
    for (bytes, status) in [(12 << 10, 200), (20 << 10, 431), (1 << 20, 431)] {
        let mut tcp = RawTcp::connect(relay.address());
        let head = format!(
            "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx: {}\r\n\r\n",
            "y".repeat(bytes)
        );
        // The relay need not read all of it.
        let _ = tcp.send(head);
        assert_eq!(Answer::parse(&tcp.read_to_end(PATIENCE)).status, status, "{bytes} bytes");
    }
    assert_eq!(relay.get("/health").0, 200);
}

#[test]
fn what_is_not_http_is_refused_and_disturbs_nobody() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/1");
    socket.expect_silence();
    for garbage in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], b"hello\r\n\r\n", &[0; 64]] {
        let mut tcp = RawTcp::connect(relay.address());
        tcp.send(garbage).unwrap();
        // The relay may have hung up already.
        let _ = tcp.0.shutdown(std::net::Shutdown::Write);
        tcp.read_to_end(PATIENCE);
    }
    let event = scraping(1, "job_progress", "1", 1);
    assert_eq!(relay.publish("scraping_events", &event), 1);
    socket.expect(&event);
}

#[test]
fn a_page_of_a_foreign_origin_is_refused_with_403() {
    let relay = Relay::start(&[]);
    for foreign in ["https://evil.example", "null", "http://localhost.evil.example", "\u{e9}"] {
        let answer = upgrade(&relay, &[("Origin", foreign), ("Connection", "close")]);
        assert_eq!(answer.status, 403, "{foreign}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let answer = relay.exchange(
        "GET",
        "/ws/scraping/1",
        &upgrade_with(&[("Origin", "https://evil.example")])[1..],
        b"",
    );
    assert_eq!(answer.refusal(), (403, "origin_not_allowed".to_owned()));
    for friend in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
        assert_eq!(upgrade(&relay, &[("Origin", friend)]).status, 101, "{friend}");
    }
    assert_eq!(upgrade(&relay, &[]).status, 101, "no browser");
}

#[test]
fn a_list_of_origins_replaces_the_loopback_ones() {
    let relay = Relay::start(&["--allowed-origins", "https://app.example.com,http://other.example:3000"]);
    assert_eq!(upgrade(&relay, &[("Origin", "https://app.example.com")]).status, 101);
    assert_eq!(upgrade(&relay, &[("Origin", "http://other.example:3000")]).status, 101);
    assert_eq!(upgrade(&relay, &[("Origin", "http://localhost:3000")]).status, 403);
    assert_eq!(upgrade(&relay, &[]).status, 101);
}

#[test]
fn a_plain_get_on_a_socket_path_gets_426() {
    let relay = Relay::start(&[]);
    let answer = relay.exchange("GET", "/ws/download/a", &[], b"");
    assert_eq!(answer.refusal(), (426, "upgrade_required".to_owned()));
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    let old = [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "8"), ("Connection", "Upgrade, close")];
    let answer = relay.exchange("GET", "/ws/download/a", &old, b"");
    assert_eq!(answer.refusal(), (426, "bad_version".to_owned()));
    assert_eq!(answer.header("sec-websocket-version"), Some("13"));
    let keyless =
        [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("Connection", "Upgrade, close")];
    assert_eq!(relay.exchange("GET", "/ws/download/a", &keyless, b"").refusal(), (400, "bad_key".to_owned()));
}

#[test]
fn an_extension_that_is_unknown_or_odd_is_done_without() {
    let relay = Relay::start(&[]);
    let offers = [(
        "Sec-WebSocket-Extensions",
        "x-webkit-deflate-frame, permessage-deflate; server_max_window_bits=8",
    )];
    let answer = upgrade(&relay, &offers);
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    assert_eq!(answer.header("sec-websocket-protocol"), None);
}

#[test]
fn a_client_that_offers_subprotocols_is_answered_with_one_on_every_route() {
    let relay = Relay::start(&["--no-auth"]);
    let paths = ["/ws/scraping/1", "/ws/download/a", "/ws/t", "/ws", "/ws/campaigns", "/ws/scraper"];
    for path in paths {
        let answer = |extra: &[(&str, &str)]| {
            let mut tcp = RawTcp::connect(relay.address());
            tcp.send(request_head(relay.address(), "GET", path, &upgrade_with(extra), 0)).unwrap();
            Answer::parse(&tcp.read_until(PATIENCE, |bytes| bytes.windows(4).any(|four| four == b"\r\n\r\n")))
        };
        let name = "Sec-WebSocket-Protocol";
        for (offers, chosen) in [
            (&["jobwire.json, jobwire.token.a.b.c"][..], Some("jobwire.json")),
            (&["chat", " superchat ,jobwire.json"], Some("jobwire.json")),
            (&["jobwire.token.a.b.c", "chat"], Some("chat")),
            (&["jobwire.token.a.b.c"], Some("jobwire.token.a.b.c")),
            (&["jobwire.msgpack"], Some("jobwire.msgpack")),
            (&["jobwire.json", "jobwire.msgpack"], Some("jobwire.msgpack")),
            (&["a b, , \"", ""], None),
            (&[], None),
        ] {
            let extra: Vec<(&str, &str)> = offers.iter().map(|offer| (name, *offer)).collect();
            let answer = answer(&extra);
            assert_eq!(answer.status, 101, "{path} {offers:?}");
            assert_eq!(answer.header("sec-websocket-protocol"), chosen, "{path} {offers:?}");
        }
    }
}

//! Clients with and without manners, and the connection that each deserves.

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;

use super::scraping;
use crate::support::{
    BINARY, CLOSE, PATIENCE, PING, PONG, RawFrame, RawSocket, RawTcp, Relay, TEXT, UPGRADE, frame,
    request_head,
};

const PONG_TEXT: &str = r#"{"type":"pong"}"#;

/// What the server says before it hangs up, which it must: the code of its close frame.
fn close_code(socket: &mut RawSocket) -> u16 {
    let code = socket.next_but_pings(PATIENCE).expect("a close frame before the end").close_code();
    assert_eq!(socket.next_but_pings(PATIENCE), None, "nothing follows a close frame");
    code
}

/// Runs `misbehave` on a socket and then checks that another one of the same job noticed nothing.
fn beside_another(misbehave: impl FnOnce(&Relay, RawSocket)) {
    let relay = Relay::start(&["--shards", "1"]);
    let mut other = relay.connect("/ws/scraping/1");
    other.expect_silence();
    misbehave(&relay, relay.raw("/ws/scraping/1"));
    let event = scraping(1, "job_progress", "1", 1);
    relay.publish("scraping_events", &event);
    other.expect(&event);
    relay.until_connections(1);
}

#[test]
fn the_text_ping_is_answered_and_everything_else_is_ignored() {
    let relay = Relay::start(&[]);
    let mut socket = relay.connect("/ws/scraping/1");
    for text in ["", "PING", " ping", r#"{"type":"ping"}"#, "{", "\u{1f980}"] {
        socket.send(text);
    }
    socket.send_message(Message::binary(vec![0, 159, 146, 150]));
    socket.send_message(Message::binary(b"ping".to_vec()));
    socket.send_message(Message::text("x".repeat(64 << 10)));
    socket.send_message(Message::Pong("nobody asked".into()));
    socket.expect_silence();
    let event = scraping(1, "job_progress", "1", 1);
    relay.publish("scraping_events", &event);
    socket.expect(&event);
}

#[test]
fn a_websocket_ping_is_answered_with_its_own_payload() {
    let relay = Relay::start(&[]);
    let mut socket = relay.raw("/ws/scraping/1");
    for payload in [b"".to_vec(), b"hello".to_vec(), vec![0xff; 125]] {
        socket.send_frame(PING, &payload);
        assert_eq!(socket.next_but_pings(PATIENCE), Some(RawFrame { opcode: PONG, payload }));
    }
}

#[test]
fn a_fragmented_ping_text_is_whole_again_with_a_control_frame_in_its_middle() {
    let relay = Relay::start(&[]);
    let mut socket = relay.raw("/ws/scraping/1");
    socket.send(&[frame(TEXT, b"pi"), frame(0x80 | PING, b"x"), frame(0x80, b"ng")].concat());
    let mut answers = [0; 2].map(|_| socket.next_but_pings(PATIENCE).unwrap());
    answers.sort_by_key(|answer| answer.opcode);
    assert_eq!(answers[0].text(), PONG_TEXT);
    assert_eq!(answers[1], RawFrame { opcode: PONG, payload: b"x".to_vec() });
}

#[test]
fn what_follows_the_handshake_in_one_packet_is_not_lost() {
    let relay = Relay::start(&[]);
    let mut tcp = RawTcp::connect(relay.address());
    let head = request_head(relay.address(), "GET", "/ws/scraping/1", &UPGRADE, 0);
    tcp.send([head.as_bytes(), &frame(0x80 | TEXT, b"ping")].concat()).unwrap();
    let answer = tcp.read_until(PATIENCE, |bytes| bytes.ends_with(PONG_TEXT.as_bytes()));
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn a_close_is_answered_with_its_own_code() {
    let relay = Relay::start(&[]);
    for code in [1000_u16, 1001, 3000, 4999] {
        let mut socket = relay.raw("/ws/scraping/1");
        socket.send_frame(CLOSE, &code.to_be_bytes());
        assert_eq!(close_code(&mut socket), code);
    }
    relay.until_connections(0);
}

#[test]
fn sockets_are_pinged_at_the_interval() {
    let interval = Duration::from_millis(200);
    let relay = Relay::start(&["--ping-interval", "200ms"]);
    let mut socket = relay.raw("/ws/scraping/1");
    let start = Instant::now();
    for _ in 0..5 {
        let ping = socket.next(PATIENCE).unwrap();
        assert_eq!(ping.opcode, PING);
        socket.send_frame(PONG, &ping.payload);
    }
    // The first one comes anywhere in the interval, and may have been read late.
    assert!(start.elapsed() >= interval * 3, "{:?}", start.elapsed());
    assert_eq!(relay.stats()["stale_connections"], 0);
}

#[test]
fn who_answers_nothing_for_two_intervals_is_closed_and_forgotten() {
    let relay = Relay::start(&["--ping-interval", "400ms"]);
    let mut live = relay.connect("/ws/scraping/1");
    let event = scraping(1, "job_progress", "1", 1);
    std::thread::scope(|scope| {
        let live = scope.spawn(|| live.expect(&event));
        let start = Instant::now();
        let mut stale = relay.raw("/ws/scraping/1");
        assert_eq!(stale.next_but_pings(PATIENCE).unwrap().close_code(), 1001);
        assert!(start.elapsed() >= Duration::from_millis(800), "{:?}", start.elapsed());
        relay.until_connections(1);
        assert_eq!(relay.stats()["stale_connections"], 1);
        assert_eq!(relay.publish("scraping_events", &event), 1);
        live.join().unwrap();
    });
}

#[test]
fn a_frame_over_the_limit_is_closed_with_1009() {
    beside_another(|_, mut socket| {
        socket.send_frame(TEXT, &vec![b'x'; (64 << 10) + 1]);
        assert_eq!(close_code(&mut socket), 1009);
    });
    beside_another(|_, mut socket| {
        socket.send_frame(BINARY, &vec![b'x'; 1 << 20]);
        assert_eq!(close_code(&mut socket), 1009);
    });
}

#[test]
fn fragments_that_add_up_to_more_than_the_limit_are_closed_with_1009() {
    beside_another(|_, mut socket| {
        socket.send(&frame(TEXT, &vec![b'x'; 64 << 10]));
        socket.send(&frame(0x80, b"x"));
        assert_eq!(close_code(&mut socket), 1009);
    });
}

#[test]
fn a_broken_frame_is_closed_with_1002() {
    let unmasked = vec![0x81, 4, b'p', b'i', b'n', b'g'];
    let broken = [
        unmasked,
        frame(0x80 | 0x40 | TEXT, b"reserved bit"),
        frame(0x80 | 3, b"reserved opcode"),
        frame(0x80, b"a continuation of nothing"),
        frame(PING, b"a fragmented control frame"),
        frame(0x80 | PING, &[0; 126]),
        frame(0x80 | CLOSE, &[3]),
        frame(0x80 | CLOSE, &1005_u16.to_be_bytes()),
    ];
    beside_another(|relay, _| {
        for bytes in broken {
            let mut socket = relay.raw("/ws/scraping/1");
            socket.send(&bytes);
            assert_eq!(close_code(&mut socket), 1002, "{bytes:?}");
        }
    });
}

#[test]
fn a_text_that_is_not_utf_8_is_closed_with_1007() {
    beside_another(|relay, _| {
        for bytes in [&b"\xff"[..], b"caf\xc3", b"\xed\xa0\x80"] {
            let mut socket = relay.raw("/ws/scraping/1");
            socket.send_frame(TEXT, bytes);
            assert_eq!(close_code(&mut socket), 1007, "{bytes:?}");
        }
    });
}

#[test]
fn a_client_that_vanishes_is_forgotten_whether_it_says_so_or_not() {
    beside_another(|relay, politely| {
        let abruptly = relay.raw("/ws/scraping/1");
        let half = relay.raw("/ws/scraping/1");
        relay.until_connections(4);
        socket2::SockRef::from(&abruptly.tcp).set_linger(Some(Duration::ZERO)).unwrap();
        half.tcp.shutdown(std::net::Shutdown::Write).unwrap();
        drop((politely, abruptly));
        relay.until_connections(1);
    });
}

#[test]
fn a_flood_of_pings_delays_nobody_else() {
    beside_another(|_, mut socket| {
        let flood = frame(0x80 | TEXT, b"ping").repeat(20_000);
        socket.send(&flood);
        // It reads no answer, and leaves.
    });
}

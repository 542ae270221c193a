//! Every ping gets its pong, in its place among the other answers.

use std::time::Duration;

use crate::support::{CLOSE, PATIENCE, PING, PONG, RawFrame, RawSocket, Relay, TEXT, frame, resident, until};

const PONG_TEXT: &str = r#"{"type":"pong"}"#;

fn answer(opcode: u8, payload: impl AsRef<[u8]>) -> RawFrame {
    RawFrame { opcode, payload: payload.as_ref().to_vec() }
}

/// Asserts the answers of a relay to `input`, which is sent once in one write and once byte by byte. The relay's own
/// pings are left out.
fn assert_answers(path: &str, input: &[Vec<u8>], answers: &[RawFrame]) {
    let relay = Relay::start(&[]);
    for at_once in [true, false] {
        let mut socket = relay.raw(path);
        socket.tcp.set_nodelay(true).unwrap();
        let input = input.concat();
        for part in input.chunks(if at_once { input.len() } else { 1 }) {
            socket.send(part);
        }
        for wanted in answers {
            assert_eq!(socket.next_but_pings(PATIENCE).as_ref(), Some(wanted), "at once: {at_once}");
        }
        if answers.last().is_none_or(|last| last.opcode != CLOSE) {
            socket.expect_silence();
        }
    }
}

fn ping(payload: &str) -> Vec<u8> {
    frame(0x80 | PING, payload.as_bytes())
}

fn pong(payload: &str) -> RawFrame {
    answer(PONG, payload)
}

fn text(payload: &str) -> Vec<u8> {
    frame(0x80 | TEXT, payload.as_bytes())
}

#[test]
fn ten_pings_at_once_or_chopped_get_ten_pongs_with_their_payloads_in_order() {
    let payloads: Vec<String> = (0..10).map(|number| format!("payload-{number}")).collect();
    let pings: Vec<Vec<u8>> = payloads.iter().map(|payload| ping(payload)).collect();
    let answers: Vec<RawFrame> = payloads.iter().map(|payload| pong(payload)).collect();
    assert_answers("/ws/scraping/1", &pings, &answers);
}

#[test]
fn a_ping_between_the_two_fragments_of_a_text_is_answered_before_the_text() {
    let input = [frame(TEXT, b"pi"), ping("ping payload"), frame(0x80, b"ng")];
    assert_answers("/ws/scraping/1", &input, &[pong("ping payload"), answer(TEXT, PONG_TEXT)]);
}

#[test]
fn two_pings_among_five_fragments_are_answered_before_the_text() {
    let input = [
        frame(TEXT, b"p"),
        frame(0, b"i"),
        ping("pongme 1!"),
        frame(0, b""),
        frame(0, b"n"),
        ping("pongme 2!"),
        frame(0x80, b"g"),
    ];
    let answers = [pong("pongme 1!"), pong("pongme 2!"), answer(TEXT, PONG_TEXT)];
    assert_answers("/ws/scraping/1", &input, &answers);
}

#[test]
fn a_ping_among_fragments_is_answered_although_the_text_goes_on_only_later() {
    let relay = Relay::start(&[]);
    let mut socket = relay.raw("/ws/scraping/1");
    for (fragments, payload) in
        [([frame(TEXT, b"p"), frame(0, b"i")], "1"), ([frame(0, b""), frame(0, b"n")], "2")]
    {
        socket.send(&fragments.concat());
        socket.send(&ping(payload));
        assert_eq!(socket.next_but_pings(PATIENCE), Some(pong(payload)));
    }
    socket.send(&frame(0x80, b"g"));
    assert_eq!(socket.next_but_pings(PATIENCE).unwrap().text(), PONG_TEXT);
}

#[test]
fn pings_of_both_kinds_are_answered_in_their_order() {
    let input = [text("ping"), ping("a"), ping("b"), text("ping"), text("no ping"), ping("")];
    let word = answer(TEXT, PONG_TEXT);
    assert_answers("/ws/scraping/1", &input, &[word.clone(), pong("a"), pong("b"), word, pong("")]);
}

#[test]
fn a_ping_among_commands_is_answered_among_their_answers() {
    let relay = Relay::start(&[]);
    let mut socket = relay.raw("/ws");
    assert!(socket.next_but_pings(PATIENCE).unwrap().text().contains("connected"));
    let subscribe = |channel| text(&format!(r#"{{"type":"subscribe","channels":["{channel}"]}}"#));
    let input =
        [ping("1"), subscribe("ai"), ping("2"), text(r#"{"type":"ping"}"#), subscribe("leads"), ping("3")];
    socket.send(&input.concat());
    let mut next = || loop {
        let next = socket.next_but_pings(PATIENCE).unwrap();
        if next.opcode != TEXT || !next.text().contains("heartbeat") {
            return next;
        }
    };
    assert_eq!(next(), pong("1"));
    assert_eq!(next().text(), r#"{"type":"subscribed","channels":["ai"],"rooms":[]}"#);
    assert_eq!(next(), pong("2"));
    assert_eq!(next().text(), PONG_TEXT);
    assert_eq!(next().text(), r#"{"type":"subscribed","channels":["ai","leads"],"rooms":[]}"#);
    assert_eq!(next(), pong("3"));
}

#[test]
fn what_comes_with_a_close_is_answered_before_it_and_what_follows_it_is_not() {
    let close = [&1000u16.to_be_bytes()[..], b"bye"].concat();
    let input = [ping("a"), text("ping"), ping("b"), frame(0x80 | CLOSE, &close), ping("c")];
    let answers = [pong("a"), answer(TEXT, PONG_TEXT), pong("b"), answer(CLOSE, 1000u16.to_be_bytes())];
    assert_answers("/ws/scraping/1", &input, &answers);
}

#[test]
fn what_comes_with_a_broken_frame_is_answered_before_the_close() {
    let relay = Relay::start(&[]);
    let mut socket = relay.raw("/ws/scraping/1");
    socket.send(&[ping("a"), frame(0x80 | 3, b""), ping("b")].concat());
    assert_eq!(socket.next_but_pings(PATIENCE), Some(pong("a")));
    assert_eq!(socket.next_but_pings(PATIENCE).unwrap().close_code(), 1002);
    assert_eq!(socket.next(PATIENCE), None);
}

#[test]
fn one_who_floods_with_pings_and_reads_nothing_is_closed_with_1013_and_takes_no_memory() {
    let relay = Relay::start(&["--outbox", "1MiB"]);
    let before = resident(relay.id());
    for (number, ping) in [(1, ping("")), (2, ping(&"x".repeat(125))), (3, text("ping"))] {
        let mut socket = RawSocket::with_receive_buffer(relay.address(), "/ws/scraping/1", 4 << 10);
        socket.tcp.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let many = ping.repeat(100_000);
        until(PATIENCE, "the end of its patience", || {
            socket.send(&many);
            relay.stats()["slow_consumers"] == number
        });
        let last = std::iter::from_fn(|| socket.next(PATIENCE)).last().unwrap();
        assert_eq!(last.close_code(), 1013);
    }
    let grown = resident(relay.id()).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

//! The codec against tungstenite, which serves the clients, and against garbage.

use std::io::{self, Read, Write};
use std::ops::ControlFlow;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::testing::{LIMIT, decode, frame, server_frame};
use super::{Decoder, Role as Side, Rules, close};

/// A socket in memory: reads are cut as told, and then would block; writes are kept.
#[derive(Default)]
struct Pipe {
    reads: Vec<Vec<u8>>,
    written: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(next) = self.reads.first_mut() else { return Err(io::ErrorKind::WouldBlock.into()) };
        let size = next.as_slice().read(into)?;
        next.drain(..size);
        if next.is_empty() {
            self.reads.remove(0);
        }
        Ok(size)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Cuts `bytes` at the given places.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut chunks = Vec::new();
    let mut from = 0;
    for place in places.into_iter().chain([bytes.len()]) {
        if place > from {
            chunks.push(&bytes[from..place]);
            from = place;
        }
    }
    chunks
}

/// What tungstenite makes of `chunks`, up to its first error.
fn tungstenite_reads(chunks: &[&[u8]], role: Role) -> Vec<Message> {
    let reads = chunks.iter().map(|chunk| chunk.to_vec()).collect();
    let mut socket = WebSocket::from_raw_socket(Pipe { reads, written: Vec::new() }, role, None);
    std::iter::from_fn(|| socket.read().ok()).collect()
}

fn control() -> impl Strategy<Value = Message> {
    vec(any::<u8>(), 0..=125).prop_flat_map(|data| {
        prop_oneof![Just(Message::Ping(data.clone().into())), Just(Message::Pong(data.into()))]
    })
}

/// Sizes on both sides of where the length's encoding changes.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..20_usize, 4 => 120..132_usize, 2 => 0..4000_usize, 1 => 65_500..=LIMIT]
}

fn words() -> impl Strategy<Value = Message> {
    (".{1,8}", size()).prop_map(|(word, size)| {
        let text = word.repeat(size / word.len() + 1);
        Message::text(&text[..text.floor_char_boundary(size)])
    })
}

fn bytes() -> impl Strategy<Value = Message> {
    (any::<u8>(), size()).prop_map(|(first, size)| {
        Message::binary((0..251).cycle().take(size).map(|byte: u8| byte ^ first).collect::<Vec<_>>())
    })
}

/// A message, where to cut it into fragments, and what to send between those.
fn fragmented() -> impl Strategy<Value = (Message, Vec<Index>, Vec<Message>)> {
    (prop_oneof![words(), bytes()], vec(any::<Index>(), 0..4), vec(control(), 0..3))
}

fn ending() -> impl Strategy<Value = Option<CloseFrame>> {
    // 1014 may be sent too, but tungstenite does not know it.
    let code = prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16];
    proptest::option::of(
        (code, ".{0,30}").prop_map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() }),
    )
}

/// Sends the message in fragments, each but the last followed by one of `between` while there are any.
fn send(
    socket: &mut WebSocket<Pipe>,
    message: &Message,
    cuts: &[Index],
    between: &[Message],
) -> Vec<Message> {
    let opcode = if message.is_text() { Data::Text } else { Data::Binary };
    let payload = message.clone().into_data();
    let mut parts = cut(&payload, cuts);
    if parts.is_empty() {
        parts.push(&[]);
    }
    let mut sent = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let opcode = OpCode::Data(if at == 0 { opcode } else { Data::Continue });
        let last = at + 1 == parts.len();
        let frame = Frame::message(part.to_vec(), opcode, last);
        socket.send(Message::Frame(frame)).unwrap();
        if let Some(control) = between.get(at).filter(|_| !last) {
            socket.send(control.clone()).unwrap();
            sent.push(control.clone());
        }
    }
    sent.push(message.clone());
    sent
}

/// The codec's side, and the library's.
fn sides() -> impl Strategy<Value = (Side, Role)> {
    prop_oneof![Just((Side::Server, Role::Client)), Just((Side::Client, Role::Server))]
}

/// Frames for that side that are right in most ways and wrong in some.
fn nearly_right(side: Side) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        8 => proptest::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88]),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => ".{0,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..140),
        1 => Just(b"\x03\xe8done".to_vec()),
        1 => Just(b"\xe2\x82".to_vec()),
        1 => Just(b"\xac".to_vec()),
    ];
    (first, payload).prop_map(move |(first, payload)| match side {
        Side::Server => frame(first, &payload),
        Side::Client => server_frame(first, &payload),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_peer_sends_is_decoded_as_sent(
        (side, theirs) in sides(),
        messages in vec(fragmented(), 0..6),
        ending in ending(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut socket = WebSocket::from_raw_socket(Pipe::default(), theirs, None);
        let rules = Rules::new(side, LIMIT);
        let mut sent = Vec::new();
        for (message, cuts, between) in &messages {
            sent.extend(send(&mut socket, message, cuts, between));
        }
        socket.close(ending.clone()).unwrap();
        sent.push(Message::Close(ending));
        let wire = &socket.get_ref().written;
        for rules in [rules, rules.lenient(), rules.deflate(true)] {
            prop_assert_eq!(decode(cut(wire, &cuts), rules), (sent.clone(), Ok(())));
            prop_assert_eq!(decode(wire.chunks(1), rules), (sent.clone(), Ok(())));
        }
    }

    #[test]
    fn what_is_encoded_a_peer_reads_as_meant(
        (side, theirs) in sides(),
        messages in vec(prop_oneof![words(), bytes(), control()], 0..6),
        ending in ending(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut wire = Vec::new();
        for message in &messages {
            wire.extend_from_slice(&match message {
                Message::Ping(data) => side.ping(data),
                Message::Pong(data) => side.pong(data),
                Message::Binary(data) => side.binary(data),
                message => side.text(&message.clone().into_data()),
            });
        }
        let mut sent = messages;
        if let Some(ending) = ending {
            wire.extend_from_slice(&side.close(ending.code.into(), &ending.reason));
            sent.push(Message::Close(Some(ending)));
        }
        prop_assert_eq!(tungstenite_reads(&cut(&wire, &cuts), theirs), sent);
    }

    #[test]
    fn what_is_accepted_tungstenite_reads_alike(
        (side, frames) in sides().prop_flat_map(|(side, _)| (Just(side), vec(nearly_right(side), 0..12))),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let wire = frames.concat();
        let (rules, role) = match side {
            Side::Server => (Rules::from(LIMIT), Role::Server),
            Side::Client => (Rules::new(side, LIMIT), Role::Client),
        };
        let (messages, outcome) = decode([&wire[..]], rules);
        prop_assert_eq!(&decode(cut(&wire, &cuts), rules), &(messages.clone(), outcome));
        prop_assert_eq!(&decode(wire.chunks(1), rules), &(messages.clone(), outcome));
        let mut theirs = tungstenite_reads(&[&wire], role);
        // It hands a close with a bad code on as its own answer to it; here that is a violation.
        if outcome.is_err() && theirs.last().is_some_and(Message::is_close) {
            theirs.pop();
        }
        prop_assert_eq!(messages, theirs);
    }

    #[test]
    fn garbage_never_panics_nor_takes_more_than_the_limit(
        garbage in vec(any::<u8>(), 0..600),
        (side, frames) in sides().prop_flat_map(|(side, _)| (Just(side), vec(nearly_right(side), 0..8))),
        cuts in vec(any::<Index>(), 0..30),
        limit in 0..300_usize,
        (deflate, lenient) in any::<(bool, bool)>(),
    ) {
        let rules = Rules::new(side, limit).deflate(deflate);
        let rules = if lenient { rules.lenient() } else { rules };
        // Valid frames first, so that garbage also comes in the middle of things.
        let wire = [frames.concat(), garbage].concat();
        let mut decoder = Decoder::new();
        for chunk in cut(&wire, &cuts) {
            let outcome = decoder.feed(&mut chunk.to_vec(), rules, |_| ControlFlow::Continue(()));
            prop_assert!(decoder.heap() <= limit + 400, "{} bytes", decoder.heap());
            if outcome.is_err() {
                break;
            }
        }
        prop_assert_eq!(decode(cut(&wire, &cuts), rules), decode(wire.chunks(1), rules));
    }
}

#[test]
fn client_takes_a_refusal_for_what_it_says() {
    let mut socket = WebSocket::from_raw_socket(
        Pipe { reads: vec![close(4003, "not the owner").to_vec()], written: Vec::new() },
        Role::Client,
        None,
    );
    let ending = CloseFrame { code: 4003.into(), reason: "not the owner".into() };
    assert_eq!(socket.read().unwrap(), Message::Close(Some(ending)));
    assert!(matches!(socket.read(), Err(Error::Io(_) | Error::ConnectionClosed)));
}

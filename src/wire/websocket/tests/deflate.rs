//! Compressed messages: where their bit may stand, and how they are handed out.

use tokio_tungstenite::tungstenite::Message;

use super::{BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, broken};
use crate::wire::websocket::header::{FIN, RSV1};
use crate::wire::websocket::testing::{LIMIT, decode_every_way, frame, packed, server_frame};
use crate::wire::websocket::{Decoder, Role, Rules, Violation, compressed};

const DEFLATE: Rules = Rules::new(Role::Server, LIMIT).deflate(true);

/// "Hello" as RFC 7692, section 7.2.3.1, compresses it.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn example_of_rfc_7692_is_handed_out_compressed() {
    let hello = frame(FIN | RSV1 | TEXT, &HELLO);
    assert_eq!(decode_every_way(&hello, DEFLATE), (vec![packed(true, &HELLO)], Ok(())));
    let (start, end) = HELLO.split_at(3);
    let parts = [
        frame(RSV1 | TEXT, start),
        frame(FIN | PING, b"between"),
        frame(CONTINUATION, b""),
        frame(FIN | CONTINUATION, end),
    ];
    let messages = vec![Message::Ping("between".into()), packed(true, &HELLO)];
    assert_eq!(decode_every_way(&parts.concat(), DEFLATE), (messages, Ok(())));
}

#[test]
fn compressed_frames_of_a_server_are_read_by_a_client() {
    let rules = Rules::new(Role::Client, LIMIT).deflate(true);
    for (text, first) in [(true, FIN | RSV1 | TEXT), (false, FIN | RSV1 | BINARY)] {
        assert_eq!(compressed(text, &HELLO)[..], server_frame(first, &HELLO));
        let expected = vec![packed(text, &HELLO)];
        assert_eq!(decode_every_way(&compressed(text, &HELLO), rules), (expected.clone(), Ok(())));
        assert_eq!(decode_every_way(&compressed(text, &HELLO), rules.lenient()), (expected, Ok(())));
    }
}

#[test]
fn plain_and_compressed_messages_may_take_turns() {
    let input = [
        frame(FIN | TEXT, b"plain"),
        frame(FIN | RSV1 | BINARY, b"\xff"),
        frame(TEXT, b"pl"),
        frame(FIN | CONTINUATION, b"ain"),
        frame(FIN | RSV1 | TEXT, b""),
    ];
    let messages =
        vec![Message::text("plain"), packed(false, b"\xff"), Message::text("plain"), packed(true, b"")];
    assert_eq!(decode_every_way(&input.concat(), DEFLATE), (messages, Ok(())));
}

#[test]
fn compressed_texts_are_not_checked_for_utf8_and_plain_ones_are() {
    let input = [frame(RSV1 | TEXT, b"\xff"), frame(FIN | CONTINUATION, b"\xc3")].concat();
    assert_eq!(decode_every_way(&input, DEFLATE), (vec![packed(true, b"\xff\xc3")], Ok(())));
    assert_eq!(decode_every_way(&frame(FIN | TEXT, b"\xff"), DEFLATE), (vec![], Err(Violation::NotUtf8)));
}

#[test]
fn compression_bit_is_broken_without_negotiation_and_outside_first_data_frames() {
    let reason = "reserved bit is set";
    for opcode in [TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG] {
        assert_eq!(decode_every_way(&[FIN | RSV1 | opcode], LIMIT), broken(reason), "{opcode}");
        assert_eq!(
            decode_every_way(&[FIN | RSV1 | opcode], DEFLATE.deflate(false)),
            broken(reason),
            "{opcode}"
        );
    }
    for opcode in [CONTINUATION, CLOSE, PING, PONG] {
        assert_eq!(decode_every_way(&[FIN | RSV1 | opcode], DEFLATE), broken(reason), "{opcode}");
        let inside = [frame(RSV1 | TEXT, b"a"), vec![FIN | RSV1 | opcode]].concat();
        assert_eq!(decode_every_way(&inside, DEFLATE), broken(reason), "{opcode} inside");
    }
    for bit in [0x20, 0x10] {
        assert_eq!(decode_every_way(&[FIN | RSV1 | bit | TEXT], DEFLATE), broken(reason));
    }
}

#[test]
fn limit_bounds_compressed_bytes_over_all_fragments() {
    let rules = Rules::new(Role::Server, 5).deflate(true);
    let start = frame(RSV1 | BINARY, b"abc");
    let full = [start.clone(), frame(FIN | CONTINUATION, b"de")].concat();
    assert_eq!(decode_every_way(&full, rules), (vec![packed(false, b"abcde")], Ok(())));
    let over = [start, frame(FIN | CONTINUATION, b"def")].concat();
    assert_eq!(decode_every_way(&over, rules), (vec![], Err(Violation::TooBig)));
    assert_eq!(
        decode_every_way(&frame(FIN | RSV1 | TEXT, b"abcdef"), rules),
        (vec![], Err(Violation::TooBig))
    );
}

#[test]
fn negotiated_extension_costs_an_idle_decoder_no_memory() {
    let mut decoder = Decoder::new();
    let mut input = frame(FIN | RSV1 | TEXT, &HELLO);
    decoder.feed(&mut input, DEFLATE, |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!((size_of::<Decoder>(), decoder.heap()), (size_of::<usize>(), 0));
}

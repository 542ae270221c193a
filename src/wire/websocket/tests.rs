//! The decoder's rules one by one.

use std::ops::ControlFlow;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

use super::header::FIN;
use super::testing::{Decoded, LIMIT, closing, decode, decode_every_way, frame};
use super::{Decoder, Violation, payload_of, text};

mod client;
mod deflate;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

fn broken(reason: &'static str) -> Decoded {
    (vec![], Err(Violation::Protocol(reason)))
}

#[test]
fn masked_example_of_the_rfc_is_decoded() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(decode_every_way(&hello, LIMIT), (vec![Message::text("Hello")], Ok(())));
}

#[test]
fn control_frames_may_come_between_fragments() {
    let input = [
        frame(TEXT, "zw".as_bytes()),
        frame(FIN | PING, b"a"),
        frame(CONTINUATION, b""),
        frame(FIN | PONG, b""),
        frame(FIN | CONTINUATION, "ölf".as_bytes()),
        frame(BINARY, b""),
        frame(FIN | CONTINUATION, b""),
        frame(FIN | TEXT, b""),
    ];
    let messages = vec![
        Message::Ping("a".into()),
        Message::Pong(Bytes::new()),
        Message::text("zwölf"),
        Message::binary(vec![]),
        Message::text(""),
    ];
    assert_eq!(decode_every_way(&input.concat(), LIMIT), (messages, Ok(())));
}

#[test]
fn lengths_at_the_borders_of_their_encodings_are_read_and_written() {
    for (length, header) in [(0, 2), (1, 2), (125, 2), (126, 4), (127, 4), (65_535, 4), (65_536, 10)] {
        let payload: Vec<u8> = (b'a'..=b'z').cycle().take(length).collect();
        let message = Message::text(String::from_utf8(payload.clone()).unwrap());
        let input = frame(FIN | TEXT, &payload);
        assert_eq!(input.len(), header + 4 + length);
        assert_eq!(decode_every_way(&input, LIMIT), (vec![message], Ok(())), "{length}");
        assert_eq!(text(&payload).len(), header + length);
        assert_eq!(payload_of(&text(&payload).into()), payload);
    }
}

#[test]
fn lengths_not_in_their_shortest_form_are_broken() {
    let reason = "length is not in its shortest form";
    for length in [&[126, 0, 0][..], &[126, 0, 125], &[127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]] {
        let input = [&[FIN | TEXT, 0x80 | length[0]], &length[1..]].concat();
        assert_eq!(decode_every_way(&input, LIMIT), broken(reason));
    }
    let input = [FIN | TEXT, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(decode_every_way(&input, usize::MAX), broken("length has its top bit set"));
}

#[test]
fn unmasked_frames_are_broken() {
    assert_eq!(decode_every_way(&[FIN | TEXT, 0], LIMIT), broken("frame is not masked"));
}

#[test]
fn reserved_bits_and_opcodes_are_broken() {
    for bit in [0x40, 0x20, 0x10] {
        assert_eq!(decode_every_way(&[FIN | bit | TEXT], LIMIT), broken("reserved bit is set"));
    }
    for opcode in (3..=7).chain(11..=15) {
        assert_eq!(decode_every_way(&[FIN | opcode], LIMIT), broken("reserved opcode"));
    }
}

#[test]
fn control_frames_are_whole_and_at_most_125_bytes() {
    for opcode in [CLOSE, PING, PONG] {
        assert_eq!(decode_every_way(&[opcode], LIMIT), broken("fragmented control frame"));
        for length in [126, 127] {
            let input = [FIN | opcode, 0x80 | length];
            assert_eq!(decode_every_way(&input, LIMIT), broken("control frame over 125 bytes"));
        }
    }
    let longest = Message::Ping(vec![7; 125].into());
    assert_eq!(decode_every_way(&frame(FIN | PING, &[7; 125]), 0), (vec![longest], Ok(())));
}

#[test]
fn fragments_out_of_order_are_broken() {
    for fin in [0, FIN] {
        assert_eq!(decode_every_way(&[fin | CONTINUATION], LIMIT), broken("continuation of no message"));
        for opcode in [TEXT, BINARY] {
            let input = [frame(TEXT, b"a"), vec![fin | opcode]].concat();
            assert_eq!(decode_every_way(&input, LIMIT), broken("new message inside a fragmented one"));
        }
    }
}

const NOT_UTF8: [&[u8]; 12] = [
    b"\x80",
    b"\xc0\xaf",
    b"\xc3",
    b"\xc3(",
    b"\xe0\x80\x80",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x80\x80\x80",
    b"\xf0\x9f\x92",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
];

#[test]
fn invalid_text_fails_wherever_it_is_cut() {
    for invalid in NOT_UTF8 {
        let payload = [b"k\xc3\xb6ln ", invalid].concat();
        assert_eq!(decode_every_way(&frame(FIN | TEXT, &payload), LIMIT), (vec![], Err(Violation::NotUtf8)));
        for cut in 0..=payload.len() {
            let (start, end) = payload.split_at(cut);
            let input = [frame(TEXT, start), frame(FIN | CONTINUATION, end)].concat();
            assert_eq!(decode_every_way(&input, LIMIT), (vec![], Err(Violation::NotUtf8)), "{cut}");
        }
    }
}

#[test]
fn invalid_text_fails_at_the_byte_that_makes_it_certain() {
    for invalid in NOT_UTF8 {
        // The message goes on, so that a cut-off character is not yet an error.
        let input = frame(TEXT, &[invalid, b"and on"].concat());
        let hopeless = |n: &usize| {
            let prefix = [invalid, b"and on"].concat()[..*n].to_vec();
            str::from_utf8(&prefix).is_err_and(|error| error.error_len().is_some())
        };
        let certain = (1..=invalid.len() + 1).find(hopeless).unwrap();
        let header = 6;
        assert_eq!(decode(input[..header + certain - 1].chunks(1), LIMIT), (vec![], Ok(())));
        assert_eq!(decode([&input[..header + certain]], LIMIT), (vec![], Err(Violation::NotUtf8)));
    }
}

#[test]
fn valid_text_may_be_cut_inside_a_character() {
    let payload = "aß€💡";
    for cut in 0..=payload.len() {
        let (start, end) = payload.as_bytes().split_at(cut);
        let input = [frame(TEXT, start), frame(FIN | CONTINUATION, end)].concat();
        assert_eq!(decode_every_way(&input, LIMIT), (vec![Message::text(payload)], Ok(())));
    }
}

#[test]
fn close_codes_that_may_not_be_sent_are_broken() {
    for code in 0..=u16::MAX {
        let valid = !matches!(code, 0..=999 | 1004..=1006 | 1015..=2999 | 5000..);
        let input = frame(FIN | CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat());
        let expected = if valid {
            (vec![closing(code, "bye")], Ok(()))
        } else {
            broken("close code that may not be sent")
        };
        assert_eq!(decode([&input[..]], LIMIT), expected, "{code}");
    }
}

#[test]
fn close_payload_is_empty_or_a_code_and_a_reason() {
    let close = |payload: &[u8]| decode_every_way(&frame(FIN | CLOSE, payload), LIMIT);
    assert_eq!(close(b""), (vec![Message::Close(None)], Ok(())));
    assert_eq!(close(b"\x03"), broken("close code of one byte"));
    assert_eq!(close(b"\x03\xe8"), (vec![closing(1000, "")], Ok(())));
    assert_eq!(close(b"\x03\xe8\xc3"), (vec![], Err(Violation::NotUtf8)));
}

#[test]
fn nothing_counts_after_a_break() {
    let input = [frame(FIN | CLOSE, b""), vec![0xff; 40]].concat();
    assert_eq!(decode_every_way(&input, LIMIT), (vec![Message::Close(None)], Ok(())));
}

#[test]
fn messages_before_a_violation_are_delivered() {
    let input = [frame(FIN | TEXT, b"a"), frame(FIN | BINARY, b"b"), vec![0xff]].concat();
    let messages = vec![Message::text("a"), Message::binary(b"b".to_vec())];
    let violation = Violation::Protocol("reserved bit is set");
    assert_eq!(decode_every_way(&input, LIMIT), (messages, Err(violation)));
}

#[test]
fn frame_over_the_limit_is_refused_at_its_length() {
    assert_eq!(decode_every_way(&frame(FIN | TEXT, &[b'a'; 130]), 130).1, Ok(()));
    for opcode in [FIN | TEXT, FIN | BINARY, TEXT] {
        let input = frame(opcode, &[b'a'; 131]);
        assert_eq!(decode_every_way(&input[..4], 130), (vec![], Err(Violation::TooBig)));
    }
    let input = [FIN | TEXT, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(decode_every_way(&input, LIMIT), (vec![], Err(Violation::TooBig)));
}

#[test]
fn message_over_the_limit_is_refused_at_the_fragment_that_exceeds_it() {
    let start = [frame(TEXT, b"abc"), frame(FIN | PING, b"longer than the limit")].concat();
    let full = [start.clone(), frame(FIN | CONTINUATION, b"de")].concat();
    let ping = Message::Ping("longer than the limit".into());
    assert_eq!(decode_every_way(&full, 5), (vec![ping.clone(), Message::text("abcde")], Ok(())));
    let over = [start, frame(FIN | CONTINUATION, b"def")[..2].to_vec()].concat();
    assert_eq!(decode_every_way(&over, 5), (vec![ping], Err(Violation::TooBig)));
}

#[test]
fn idle_decoder_is_one_pointer_and_no_heap() {
    assert_eq!(size_of::<Decoder>(), size_of::<usize>());
    let input = [frame(TEXT, b"ab"), frame(FIN | PING, b"c"), frame(FIN | CONTINUATION, b"de")].concat();
    let mut decoder = Decoder::new();
    for _ in 0..2 {
        assert_eq!(decoder.heap(), 0);
        for (at, byte) in input.iter().enumerate() {
            decoder.feed(&mut [*byte], LIMIT, |_| ControlFlow::Continue(())).unwrap();
            assert_eq!(decoder.heap() == 0, at + 1 == input.len(), "after byte {at}");
        }
    }
    let mut whole = frame(FIN | TEXT, b"abc");
    decoder.feed(&mut whole, LIMIT, |_| ControlFlow::Continue(())).unwrap();
    assert_eq!(decoder.heap(), 0);
}

#[test]
fn memory_grows_with_what_arrived_and_no_further_than_the_limit() {
    let mut decoder = Decoder::new();
    let mut arrived = 0;
    for chunk in frame(BINARY, &vec![0; LIMIT]).chunks_mut(1000) {
        arrived += chunk.len();
        decoder.feed(chunk, LIMIT, |_| ControlFlow::Continue(())).unwrap();
        assert!(decoder.heap() < LIMIT.min(2 * arrived) + 200, "{} after {arrived}", decoder.heap());
    }
}

#[test]
fn violations_know_their_close_code() {
    let codes = [Violation::Protocol(""), Violation::NotUtf8, Violation::TooBig]
        .map(|violation| violation.reason().code());
    assert_eq!(codes, [1002, 1007, 1009]);
}

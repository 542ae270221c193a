//! The decoder on a client's side, strict and lenient.

use tokio_tungstenite::tungstenite::Message;

use super::{CLOSE, CONTINUATION, TEXT, broken};
use crate::wire::websocket::header::{FIN, MASKED};
use crate::wire::websocket::testing::{LIMIT, closing, decode, decode_every_way, frame, server_frame};
use crate::wire::websocket::{Role, Rules, Violation};

const STRICT: Rules = Rules::new(Role::Client, LIMIT);
const LENIENT: Rules = STRICT.lenient();

#[test]
fn unmasked_example_of_the_rfc_is_decoded() {
    let hello = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!(decode_every_way(&hello, STRICT), (vec![Message::text("Hello")], Ok(())));
    let fragments = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f];
    assert_eq!(decode_every_way(&fragments, LENIENT), (vec![Message::text("Hello")], Ok(())));
}

#[test]
fn masked_frames_of_a_server_are_broken() {
    assert_eq!(decode_every_way(&frame(FIN | TEXT, b"a"), STRICT), broken("frame is masked"));
    assert_eq!(decode_every_way(&[FIN | TEXT, MASKED], LENIENT), broken("frame is masked"));
}

#[test]
fn whole_frames_are_handed_out_where_they_were_read() {
    let mut input = [server_frame(FIN | TEXT, b"abc"), server_frame(FIN | TEXT, b"de")].concat();
    let places = [input[2..].as_ptr(), input[7..].as_ptr()];
    let mut found = Vec::new();
    let mut decoder = crate::wire::websocket::Decoder::new();
    let outcome = decoder.feed(&mut input, LENIENT, |incoming| {
        if let crate::wire::websocket::Incoming::Unchecked(text) = incoming {
            found.push(text.as_ptr());
        }
        std::ops::ControlFlow::Continue(())
    });
    assert_eq!((outcome, &found[..], decoder.heap()), (Ok(()), &places[..], 0));
}

#[test]
fn lenient_client_forgives_texts_closes_and_long_lengths() {
    let long = [FIN | TEXT, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'a'];
    assert_eq!(decode_every_way(&long, LENIENT), (vec![Message::text("a")], Ok(())));
    assert_eq!(decode_every_way(&long, STRICT), broken("length is not in its shortest form"));

    let text = [server_frame(TEXT, b"\xff"), server_frame(FIN | CONTINUATION, b"\xfe")].concat();
    assert_eq!(decode_every_way(&text, LENIENT), (vec![Message::text("\u{fffd}\u{fffd}")], Ok(())));
    assert_eq!(decode_every_way(&text, STRICT), (vec![], Err(Violation::NotUtf8)));

    let close = |payload: &[u8]| decode_every_way(&server_frame(FIN | CLOSE, payload), LENIENT);
    assert_eq!(close(b"\x03"), (vec![Message::Close(None)], Ok(())));
    assert_eq!(close(b"\x03\xf5x"), (vec![closing(1013, "x")], Ok(())));
    assert_eq!(close(b"\x03\xe8\xc3"), (vec![closing(1000, "\u{fffd}")], Ok(())));
    assert_eq!(decode([&server_frame(FIN | CLOSE, b"\x03\xee")[..]], LENIENT).1, Ok(()));
}

#[test]
fn lenient_client_still_refuses_broken_framing() {
    for (input, reason) in [
        (&[0x91, 0][..], "reserved bit is set"),
        (&[0xc1, 0], "reserved bit is set"),
        (&[0x83, 0], "reserved opcode"),
        (&[0x09, 0], "fragmented control frame"),
        (&[0x80, 0], "continuation of no message"),
        (&[0x89, 126], "control frame over 125 bytes"),
    ] {
        assert_eq!(decode_every_way(input, LENIENT), broken(reason), "{input:?}");
    }
    let over = [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1];
    assert_eq!(decode_every_way(&over, LENIENT), (vec![], Err(Violation::TooBig)));
}

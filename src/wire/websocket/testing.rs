//! What the codec's tests share: frames written out by hand, and messages to compare.

use std::ops::ControlFlow;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::header::MASKED;
use super::{Decoder, Incoming, Rules, Violation};

pub(super) const LIMIT: usize = 64 * 1024;

/// An owned copy, in the words of the library that the property tests compare with.
fn owned(incoming: Incoming<'_>) -> Message {
    match incoming {
        Incoming::Text(text) => Message::text(text),
        Incoming::Unchecked(text) => Message::text(String::from_utf8_lossy(text).into_owned()),
        Incoming::Binary(data) => Message::binary(data.to_vec()),
        Incoming::Compressed { text, payload } => packed(text, payload),
        Incoming::Ping(data) => Message::Ping(data.to_vec().into()),
        Incoming::Pong(data) => Message::Pong(data.to_vec().into()),
        Incoming::Close { code: None, reason } => {
            assert_eq!(reason, "");
            Message::Close(None)
        }
        Incoming::Close { code: Some(code), reason } => closing(code, reason),
    }
}

/// A compressed message, which the library has no word for, as the frame that would carry it.
pub(super) fn packed(text: bool, payload: &[u8]) -> Message {
    let opcode = OpCode::Data(if text { Data::Text } else { Data::Binary });
    let mut frame = Frame::message(payload.to_vec(), opcode, true);
    frame.header_mut().rsv1 = true;
    Message::Frame(frame)
}

pub(crate) fn closing(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

pub(super) type Decoded = (Vec<Message>, Result<(), Violation>);

/// Feeds the chunks one after the other, up to the first close or violation.
pub(crate) fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, rules: impl Into<Rules>) -> Decoded {
    let rules = rules.into();
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for chunk in chunks {
        let mut closed = false;
        let outcome = decoder.feed(&mut chunk.to_vec(), rules, |incoming| {
            closed = matches!(incoming, Incoming::Close { .. });
            messages.push(owned(incoming));
            if closed { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if closed || outcome.is_err() {
            assert_eq!(decoder.heap(), 0);
            return (messages, outcome);
        }
    }
    (messages, Ok(()))
}

/// Feeds `input` whole, byte by byte, and in two parts cut at each place; all must agree.
pub(crate) fn decode_every_way(input: &[u8], rules: impl Into<Rules>) -> Decoded {
    let rules = rules.into();
    let whole = decode([input], rules);
    assert_eq!(decode(input.chunks(1), rules), whole, "byte by byte");
    // Long inputs are long payloads; the borders worth a cut are at the ends.
    let middle = 20..input.len().saturating_sub(20);
    for cut in (0..=input.len()).filter(|cut| !middle.contains(cut)) {
        let (start, end) = input.split_at(cut);
        assert_eq!(decode([start, end], rules), whole, "cut at {cut}");
    }
    whole
}

/// A client's frame with the length in its shortest form.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, MASKED, payload.len());
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A server's frame with the length in its shortest form.
pub(super) fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, 0, payload.len());
    frame.extend(payload);
    frame
}

fn header(first: u8, masked: u8, length: usize) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..126 => header.push(masked | u8::try_from(length).unwrap()),
        126..65_536 => {
            header.push(masked | 0x7e);
            header.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            header.push(masked | 0x7f);
            header.extend((length as u64).to_be_bytes());
        }
    }
    header
}

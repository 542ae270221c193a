//! What the codec's tests share: frames written out by hand, and messages to compare.

use std::ops::ControlFlow;

use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::header::MASKED;
use super::{Decoder, Incoming, Violation};

pub(super) const LIMIT: usize = 64 * 1024;

/// An owned copy, in the words of the library that the property tests compare with.
fn owned(incoming: Incoming<'_>) -> Message {
    match incoming {
        Incoming::Text(text) => Message::text(text),
        Incoming::Binary(data) => Message::binary(data.to_vec()),
        Incoming::Ping(data) => Message::Ping(data.to_vec().into()),
        Incoming::Pong(data) => Message::Pong(data.to_vec().into()),
        Incoming::Close { code: None, reason } => {
            assert_eq!(reason, "");
            Message::Close(None)
        }
        Incoming::Close { code: Some(code), reason } => closing(code, reason),
    }
}

pub(crate) fn closing(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

pub(super) type Decoded = (Vec<Message>, Result<(), Violation>);

/// Feeds the chunks one after the other, up to the first close or violation.
pub(crate) fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> Decoded {
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    for chunk in chunks {
        let mut closed = false;
        let outcome = decoder.feed(&mut chunk.to_vec(), limit, |incoming| {
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
pub(crate) fn decode_every_way(input: &[u8], limit: usize) -> Decoded {
    let whole = decode([input], limit);
    assert_eq!(decode(input.chunks(1), limit), whole, "byte by byte");
    // Long inputs are long payloads; the borders worth a cut are at the ends.
    let middle = 20..input.len().saturating_sub(20);
    for cut in (0..=input.len()).filter(|cut| !middle.contains(cut)) {
        let (start, end) = input.split_at(cut);
        assert_eq!(decode([start, end], limit), whole, "cut at {cut}");
    }
    whole
}

/// A client's frame with the length in its shortest form.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len();
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(MASKED | u8::try_from(length).unwrap()),
        126..65_536 => {
            frame.push(MASKED | 0x7e);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(MASKED | 0x7f);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

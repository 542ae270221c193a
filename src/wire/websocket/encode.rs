//! Server frames: final, unmasked, each with its header in one allocation, ready to be written to any number of sockets.

use bytes::Bytes;

use super::header::{FIN, Opcode};
use super::{MAX_CONTROL, may_be_sent};
use crate::wire::Frame;

/// A text frame. The caller vouches for UTF-8: what Redis carried is relayed as it is, and checked where it is parsed.
pub fn text(payload: &[u8]) -> Frame {
    encode(Opcode::Text, &[payload])
}

/// One text frame of several slices in a row, for payloads that are wrapped or merged. UTF-8 as in [`text`].
pub fn text_of(parts: &[&[u8]]) -> Frame {
    encode(Opcode::Text, parts)
}

/// A ping (RFC 6455, 5.5.2). A payload over [`MAX_CONTROL`] bytes is cut there.
pub fn ping(payload: &[u8]) -> Frame {
    encode(Opcode::Ping, &[&payload[..payload.len().min(MAX_CONTROL)]])
}

/// A pong (RFC 6455, 5.5.3). A payload over [`MAX_CONTROL`] bytes is cut there.
pub fn pong(payload: &[u8]) -> Frame {
    encode(Opcode::Pong, &[&payload[..payload.len().min(MAX_CONTROL)]])
}

/// A close (RFC 6455, 5.5.1). A reason over 123 bytes is cut at the last character that fits.
///
/// `code` must be one that may be sent: not 1005, 1006 or 1015, nor an unassigned one under 3000.
pub fn close(code: u16, reason: &str) -> Frame {
    debug_assert!(may_be_sent(code), "close code {code} may not be sent");
    let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL - size_of::<u16>())];
    encode(Opcode::Close, &[&code.to_be_bytes(), reason.as_bytes()])
}

/// The payload of a frame that this module encoded, sharing its memory. Any other bytes give nonsense or a panic.
pub fn payload_of(frame: &Bytes) -> Bytes {
    let header = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    frame.slice(header..)
}

fn encode(opcode: Opcode, parts: &[&[u8]]) -> Frame {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let first = FIN | opcode as u8;
    // The shortest length encoding that fits is the only legal one (RFC 6455, 5.2).
    let mut header = [0; 10];
    let header: &[u8] = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => {
            header[..2].copy_from_slice(&[first, short]);
            &header[..2]
        }
        (_, Ok(medium)) => {
            header[..2].copy_from_slice(&[first, 126]);
            header[2..4].copy_from_slice(&medium.to_be_bytes());
            &header[..4]
        }
        _ => {
            header[..2].copy_from_slice(&[first, 127]);
            header[2..].copy_from_slice(&(length as u64).to_be_bytes());
            &header
        }
    };
    let mut frame = Vec::with_capacity(header.len() + length);
    frame.extend_from_slice(header);
    for part in parts {
        frame.extend_from_slice(part);
    }
    // Exactly full, so the allocation is taken over as it is.
    Frame::from(frame)
}

#[cfg(test)]
mod tests {
    use super::{close, payload_of, ping, pong, text, text_of};

    #[test]
    fn encoded_control_frames_are_cut_to_125_bytes() {
        assert_eq!(ping(&[1; 126])[..], [&[0x89, 125][..], &[1; 125]].concat());
        assert_eq!(pong(b"a")[..], [0x8a, 1, b'a'][..]);
        let reason = "€".repeat(42);
        let frame = close(1013, &reason);
        assert_eq!(frame[..4], [0x88, 125, 0x03, 0xf5]);
        assert_eq!(payload_of(&frame.clone().into())[2..], reason.as_bytes()[..123]);
        assert_eq!(payload_of(&close(4001, &format!("a{reason}")).into()).len(), 2 + 121);
    }

    #[test]
    fn text_of_parts_is_the_text_of_them_in_a_row() {
        assert_eq!(text_of(&[b"{\"data\":", b"{}", b"}"]), text(b"{\"data\":{}}"));
        assert_eq!(text_of(&[]), text(b""));
    }

    #[test]
    fn payload_of_a_frame_shares_its_memory() {
        let frame = text(b"hello");
        assert_eq!(payload_of(&frame.clone().into()).as_ptr(), frame[2..].as_ptr());
    }
}

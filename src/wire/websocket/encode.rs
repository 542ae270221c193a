//! Frames to send: final, each with its header in one allocation, ready to be written to any number of sockets.

#[cfg(test)]
use bytes::Bytes;

use super::header::{FIN, MASKED, MAX_HEADER, Opcode, RSV1, xor};
use super::{MAX_CONTROL, Role, may_be_sent};
use crate::wire::Frame;

/// Mask of a client's frames. A browser draws it at random, since a page chooses the payload (RFC 6455, 10.3); the
/// program's own clients choose theirs themselves, so the mask only has to be there.
const MASK: [u8; 4] = *b"jobw";

/// Frames of either side.
impl Role {
    /// A text frame. The caller vouches for UTF-8: what Redis carried is relayed as it is, and checked where it is parsed.
    pub(crate) fn text(self, payload: &[u8]) -> Frame {
        encode(self, FIN | Opcode::Text as u8, &[payload])
    }

    /// A binary frame.
    pub(crate) fn binary(self, payload: &[u8]) -> Frame {
        encode(self, FIN | Opcode::Binary as u8, &[payload])
    }

    /// A frame of a compressed message, a text or a binary one. `payload` is what RFC 7692, section 7.2.1, makes of the
    /// message: deflated, without the last four bytes of the flush.
    pub(crate) fn compressed(self, text: bool, payload: &[u8]) -> Frame {
        let opcode = if text { Opcode::Text } else { Opcode::Binary };
        encode(self, FIN | RSV1 | opcode as u8, &[payload])
    }

    /// A ping (RFC 6455, 5.5.2). A payload over [`MAX_CONTROL`] bytes is cut there.
    pub(crate) fn ping(self, payload: &[u8]) -> Frame {
        encode(self, FIN | Opcode::Ping as u8, &[&payload[..payload.len().min(MAX_CONTROL)]])
    }

    /// A pong (RFC 6455, 5.5.3). A payload over [`MAX_CONTROL`] bytes is cut there.
    pub(crate) fn pong(self, payload: &[u8]) -> Frame {
        encode(self, FIN | Opcode::Pong as u8, &[&payload[..payload.len().min(MAX_CONTROL)]])
    }

    /// A close (RFC 6455, 5.5.1). A reason over 123 bytes is cut at the last character that fits.
    ///
    /// `code` must be one that may be sent: not 1005, 1006 or 1015, nor an unassigned one under 3000.
    pub(crate) fn close(self, code: u16, reason: &str) -> Frame {
        debug_assert!(may_be_sent(code), "close code {code} may not be sent");
        let reason = &reason[..reason.floor_char_boundary(MAX_CONTROL - size_of::<u16>())];
        encode(self, FIN | Opcode::Close as u8, &[&code.to_be_bytes(), reason.as_bytes()])
    }

    /// The answer to a close: its code once more, or no code if it had none (RFC 6455, 5.5.1). A code that may not be sent
    /// is answered with 1002.
    pub(crate) fn close_answer(self, code: Option<u16>) -> Frame {
        match code {
            None => encode(self, FIN | Opcode::Close as u8, &[]),
            Some(code) => self.close(if may_be_sent(code) { code } else { 1002 }, ""),
        }
    }
}

/// [`Role::text`] of a server.
pub(crate) fn text(payload: &[u8]) -> Frame {
    Role::Server.text(payload)
}

/// One text frame of a server, of several slices in a row, for payloads that are wrapped or merged. UTF-8 as in
/// [`Role::text`].
pub(crate) fn text_of(parts: &[&[u8]]) -> Frame {
    encode(Role::Server, FIN | Opcode::Text as u8, parts)
}

/// [`Role::binary`] of a server.
pub(crate) fn binary(payload: &[u8]) -> Frame {
    Role::Server.binary(payload)
}

/// [`Role::compressed`] of a server.
pub(crate) fn compressed(text: bool, payload: &[u8]) -> Frame {
    Role::Server.compressed(text, payload)
}

/// [`Role::ping`] of a server.
pub(crate) fn ping(payload: &[u8]) -> Frame {
    Role::Server.ping(payload)
}

/// [`Role::pong`] of a server.
pub(crate) fn pong(payload: &[u8]) -> Frame {
    Role::Server.pong(payload)
}

/// [`Role::close`] of a server.
pub(crate) fn close(code: u16, reason: &str) -> Frame {
    Role::Server.close(code, reason)
}

/// The payload of a server's frame that this module encoded, sharing its memory. Any other bytes give nonsense or a
/// panic.
#[cfg(test)]
pub(super) fn payload_of(frame: &Bytes) -> Bytes {
    let header = match frame[1] {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    frame.slice(header..)
}

fn encode(role: Role, first: u8, parts: &[&[u8]]) -> Frame {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // The shortest length encoding that fits is the only legal one (RFC 6455, 5.2).
    let mut header = [0; MAX_HEADER];
    header[0] = first;
    let mut size = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => {
            header[1] = short;
            2
        }
        (_, Ok(medium)) => {
            header[1] = 126;
            header[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        }
        _ => {
            header[1] = 127;
            header[2..10].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    };
    if role == Role::Client {
        header[1] |= MASKED;
        header[size..size + MASK.len()].copy_from_slice(&MASK);
        size += MASK.len();
    }
    let mut frame = Vec::with_capacity(size + length);
    frame.extend_from_slice(&header[..size]);
    for part in parts {
        frame.extend_from_slice(part);
    }
    if role == Role::Client {
        xor(&mut frame[size..], MASK);
    }
    // Exactly full, so the allocation is taken over as it is.
    Frame::from(frame)
}

#[cfg(test)]
mod tests {
    use super::{Role, binary, close, compressed, payload_of, ping, pong, text, text_of};

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

    #[test]
    fn binary_and_compressed_frames_say_what_they_are() {
        assert_eq!(binary(b"\xff")[..], [0x82, 1, 0xff]);
        assert_eq!(compressed(true, b"\xff")[..], [0xc1, 1, 0xff]);
        assert_eq!(compressed(false, b"\xff")[..], [0xc2, 1, 0xff]);
        assert_eq!(Role::Client.compressed(true, b"")[..2], [0xc1, 0x80]);
    }

    #[test]
    fn frames_of_a_client_are_masked() {
        let plain = b"masked all through";
        let frame = Role::Client.text(plain);
        assert_eq!((frame[0], frame[1]), (0x81, 0x92));
        let unmasked: Vec<u8> =
            frame[6..].iter().zip(frame[2..6].iter().cycle()).map(|(a, b)| a ^ b).collect();
        assert_eq!(unmasked, plain);
        assert_ne!(frame[2..6], [0; 4]);
    }

    #[test]
    fn close_is_answered_with_its_own_code_where_that_may_be_sent() {
        assert_eq!(Role::Server.close_answer(None)[..], [0x88, 0]);
        assert_eq!(Role::Server.close_answer(Some(4001)), close(4001, ""));
        for code in [0, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(Role::Server.close_answer(Some(code)), close(1002, ""), "{code}");
        }
    }
}

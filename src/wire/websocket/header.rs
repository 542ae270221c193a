//! The header of a frame (RFC 6455, 5.2), and its mask (5.3).

use super::{MAX_CONTROL, Role, Rules, Violation};

/// The longest header of a frame: two bytes, a 64-bit length, the mask of a client.
pub(super) const MAX_HEADER: usize = 14;

/// The bit that marks a message's last frame.
pub(super) const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
/// The bit that marks a compressed message, in its first frame (RFC 7692, 6).
pub(super) const RSV1: u8 = 0x40;
/// The bit of the second byte that says the payload is masked, as a client must.
pub(super) const MASKED: u8 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    pub(super) const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// A frame of which `remaining` payload bytes are still to come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// The first frame of a compressed message.
    pub(super) compressed: bool,
    pub(super) remaining: usize,
    /// Turned so that it starts at the next payload byte; zero if nothing is masked.
    mask: [u8; 4],
}

impl Frame {
    /// Unmasks the next bytes of the payload in place and counts them off.
    #[inline]
    pub(super) fn unmask(&mut self, chunk: &mut [u8]) {
        if self.mask != [0; 4] {
            xor(chunk, self.mask);
            self.mask.rotate_left(chunk.len() % 4);
        }
        self.remaining -= chunk.len();
    }
}

/// Masks or unmasks bytes in place, with a mask that starts at the first of them.
pub(super) fn xor(chunk: &mut [u8], [a, b, c, d]: [u8; 4]) {
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = chunk.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.to_ne_bytes()) {
        *byte ^= key;
    }
}

/// Reads the header that `bytes` start with: the frame and the header's size, or none if it goes on beyond `bytes`.
///
/// `message` is the length so far of the fragmented message that is pending, if one is. A data frame that would take
/// its message over the limit is refused.
///
/// Each rule is checked at the first byte that decides it, so the verdict does not depend on how the input was cut, and
/// a peer that breaks one is not waited for.
#[inline]
pub(super) fn parse(
    bytes: &[u8],
    message: Option<usize>,
    rules: Rules,
) -> Result<Option<(Frame, usize)>, Violation> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let opcode = opcode(first, message.is_some(), rules.deflate)?;
    let Some(&second) = bytes.get(1) else { return Ok(None) };
    match (rules.role, second & MASKED) {
        (Role::Server, 0) => return Err(Violation::Protocol("frame is not masked")),
        (Role::Client, MASKED) => return Err(Violation::Protocol("frame is masked")),
        _ => {}
    }
    let short = second & !MASKED;
    if opcode.is_control() && usize::from(short) > MAX_CONTROL {
        return Err(Violation::Protocol("control frame over 125 bytes"));
    }
    let Some((length, at)) = length(short, bytes, rules.lenient)? else { return Ok(None) };
    // Control frames have their own bound and are no part of the message.
    let allowed =
        if opcode.is_control() { MAX_CONTROL } else { rules.limit.saturating_sub(message.unwrap_or(0)) };
    let remaining = usize::try_from(length).map_err(|_| Violation::TooBig)?;
    if remaining > allowed {
        return Err(Violation::TooBig);
    }
    let (mask, size) = match (rules.role, bytes[at..].first_chunk::<4>()) {
        (Role::Client, _) => ([0; 4], at),
        (Role::Server, Some(&mask)) => (mask, at + mask.len()),
        (Role::Server, None) => return Ok(None),
    };
    let frame = Frame { opcode, fin: first & FIN != 0, compressed: first & RSV1 != 0, remaining, mask };
    Ok(Some((frame, size)))
}

/// What the first byte says, and whether it may come here (RFC 6455, 5.4).
#[inline]
fn opcode(first: u8, in_message: bool, deflate: bool) -> Result<Opcode, Violation> {
    // Only the first frame of a data message can say that the message is compressed (RFC 7692, 6.1).
    let allowed = if deflate && matches!(first & 0x0f, 1 | 2) { RSV1 } else { 0 };
    if first & RESERVED & !allowed != 0 {
        return Err(Violation::Protocol("reserved bit is set"));
    }
    let opcode = match first & 0x0f {
        0 if !in_message => return Err(Violation::Protocol("continuation of no message")),
        1 | 2 if in_message => return Err(Violation::Protocol("new message inside a fragmented one")),
        8..=10 if first & FIN == 0 => return Err(Violation::Protocol("fragmented control frame")),
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return Err(Violation::Protocol("reserved opcode")),
    };
    Ok(opcode)
}

/// The payload's length and where in the header it ends; none if `bytes` end before.
#[inline]
fn length(short: u8, bytes: &[u8], lenient: bool) -> Result<Option<(u64, usize)>, Violation> {
    let rest = &bytes[2..];
    let (length, at, least) = match short {
        126 => match rest.first_chunk() {
            Some(&medium) => (u64::from(u16::from_be_bytes(medium)), 4, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(&long) => (u64::from_be_bytes(long), 10, 1 << 16),
            None => return Ok(None),
        },
        _ => (u64::from(short), 2, 0),
    };
    if length < least && !lenient {
        return Err(Violation::Protocol("length is not in its shortest form"));
    }
    if length >> 63 != 0 {
        return Err(Violation::Protocol("length has its top bit set"));
    }
    Ok(Some((length, at)))
}

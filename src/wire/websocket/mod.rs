//! The WebSocket framing, RFC 6455 section 5, of either side: bytes in, messages out, and back.
//!
//! Pure: no sockets, no clock. An event is encoded once for all of its watchers, header included, which a general
//! WebSocket library has no way to say; and an idle connection costs the decoder one pointer.
//!
//! A reserved bit is a violation, but for the one that marks compressed messages where permessage-deflate was negotiated
//! ([`Rules::deflate`]). Messages are neither compressed nor inflated here.

use crate::dialect::CloseReason;

mod decode;
mod encode;
mod header;
mod rules;

pub(crate) use decode::Decoder;
#[cfg(test)]
use encode::payload_of;
pub(crate) use encode::{binary, close, compressed, ping, pong, text, text_of};
pub(crate) use rules::{Role, Rules};

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

/// Most bytes a control frame can carry (RFC 6455, 5.5).
pub(crate) const MAX_CONTROL: usize = 125;

/// A whole message or a control frame of the peer. It borrows from the read buffer where it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// A text message, reassembled if it came in fragments.
    Text(&'a str),
    /// A text message that may be no UTF-8, reassembled if it came in fragments. Only under [`Rules::lenient`].
    Unchecked(&'a [u8]),
    /// A binary message, reassembled if it came in fragments.
    Binary(&'a [u8]),
    /// A message that is still compressed, reassembled if it came in fragments. Only under [`Rules::deflate`].
    Compressed {
        /// Whether the inflated message is to be a text, which is then still to be checked for UTF-8.
        text: bool,
        /// Deflated bytes, without the four that the sender left out at the end (RFC 7692, 7.2.1).
        payload: &'a [u8],
    },
    /// A ping, at most [`MAX_CONTROL`] bytes, to be answered with a [`pong`] of the same payload (RFC 6455, 5.5.2).
    Ping(&'a [u8]),
    /// A pong, at most [`MAX_CONTROL`] bytes, asked for or not.
    Pong(&'a [u8]),
    /// The peer closes (RFC 6455, 5.5.1). Nothing that follows it counts.
    Close {
        /// The peer's code, one that may appear on the wire (any under [`Rules::lenient`]); none if it sent an empty close.
        code: Option<u16>,
        /// At most 123 bytes, often empty.
        reason: &'a str,
    },
}

/// Why a connection cannot go on: what the peer sent breaks the protocol or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Broken framing; the text says which rule.
    #[error("broken frame: {0}")]
    Protocol(&'static str),
    /// A text message or a close reason that is not UTF-8 (RFC 6455, 8.1).
    #[error("text is not utf-8")]
    NotUtf8,
    /// A frame or a reassembled message over the limit.
    #[error("message is over the size limit")]
    TooBig,
}

impl Violation {
    /// What to close the connection with (RFC 6455, 7.4.1).
    pub(crate) const fn reason(self) -> CloseReason {
        match self {
            Self::Protocol(_) => CloseReason::Protocol,
            Self::NotUtf8 => CloseReason::NotUtf8,
            Self::TooBig => CloseReason::TooBig,
        }
    }
}

/// Whether a close code may appear in a close frame: registered ones but for those that only describe a close that had
/// no frame, and the ranges for libraries and applications (RFC 6455, 7.4).
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

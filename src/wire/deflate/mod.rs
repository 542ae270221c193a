//! permessage-deflate, RFC 7692: the negotiation of the extension, and the payloads of compressed frames.
//!
//! Pure: no sockets, no clock. Neither side keeps its context from one message to the next (`server_no_context_takeover`,
//! `client_no_context_takeover`), so one compression of a message serves all connections, a [`Compressor`] and an
//! [`Inflater`] serve all connections of a thread, and a connection keeps nothing.

mod codec;
mod negotiation;

pub(crate) use codec::{Compressor, Inflater, is_worth_it};
pub(crate) use negotiation::{OFFER, accept, check_answer};

#[cfg(test)]
mod properties;

/// Base-2 logarithm of our compressor's window in bytes, 4 KiB. An offer whose `server_max_window_bits` is less is declined.
///
/// A small window suits more offers, and a window of 32 KiB would gain nothing, as measured with zlib-rs 0.6 at level 2: JSON
/// events of 2 KiB become 3.5 times smaller with either, of 64 KiB 6.9 times with ours and 6.4 times with the larger.
const WINDOW_BITS: u8 = 12;

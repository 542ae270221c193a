//! Server-Sent Events, both sides: HTML Living Standard, 9.2 "Server-sent events".
//!
//! Pure: no sockets, no clock. An [`Event`] is written in one piece for all of its watchers; a [`Reader`] takes a stream in
//! any pieces. A stream has no length, so over HTTP/1.1 it is either chunked ([`Framing::Chunked`]) or ends with its
//! connection.

mod read;
mod write;

pub use read::{Incoming, Reader, TooBig};
pub use write::{Event, Framing, close, comment};

#[cfg(test)]
mod tests;

/// The media type of a stream.
pub const MEDIA_TYPE: &str = "text/event-stream";

//! Server-Sent Events, both sides: HTML Living Standard, 9.2 "Server-sent events".
//!
//! Pure: no sockets, no clock. An [`Event`] is written in one piece for all of its watchers; a [`Reader`] takes a stream in
//! any pieces. A stream has no length: it ends with its connection, or comes in chunks that a proxy made.

mod read;
mod write;

pub(crate) use read::{Incoming, Reader, TooBig};
pub(crate) use write::{Event, close, comment};

#[cfg(test)]
mod tests;

/// The media type of a stream.
pub(crate) const MEDIA_TYPE: &str = "text/event-stream";

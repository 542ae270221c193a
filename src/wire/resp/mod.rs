//! RESP2, the protocol of Redis: one reader of any reply, one of pub/sub messages, one of streams, one writer of commands; pure.
//!
//! All of it is written by hand. A crate's decoder follows nested arrays until the stack is used up, allocates for each
//! message, and cannot tell how long an incomplete one will be, so that a large payload would be scanned anew at every
//! read. Every reader here is bounded, says how many bytes it needs next, and copies nothing.

mod buffer;
mod entries;
mod push;
mod reader;
mod reply;
mod write;

pub(crate) use self::entries::{Answer, EntryHandler, EntryReader, Fields, LongField};
pub(crate) use self::reader::{Handler, Reader};
pub(crate) use self::reply::{Bounds, Broken, Reply, Stop, read};
pub(crate) use self::write::command;

//! Sending of events: an event before it is sent, and the sinks for events (channels or streams of Redis, or a relay over
//! HTTP).

mod outgoing;
mod sink;
mod watching;

pub(crate) use self::outgoing::{Content, Outgoing};
pub(crate) use self::sink::{Arrival, Sink, SinkOptions, Trouble, Undelivered};
pub(crate) use self::watching::{attach_command, quoted};

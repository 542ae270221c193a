//! Where events are sent: an event on its way out, and the sinks it may go to (channels or streams of Redis, or a relay over
//! HTTP).

mod outgoing;
mod sink;

pub(crate) use self::outgoing::{Content, Outgoing};
pub(crate) use self::sink::{Arrival, Sink, SinkOptions, Trouble, Undelivered};

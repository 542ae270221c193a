//! What goes over a wire, whoever speaks it: codecs and streams that two features share. All but [`stream`] are pure: no
//! sockets, no clock.

pub(crate) mod channels;
pub(crate) mod chunked;
pub(crate) mod deflate;
mod frame;
pub(crate) mod head;
pub(crate) mod messagepack;
mod payload;
pub(crate) mod redis;
pub(crate) mod resp;
pub(crate) mod sse;
pub(crate) mod stream;
pub(crate) mod view;
pub(crate) mod watch;
pub(crate) mod websocket;

pub(crate) use frame::Frame;
pub(crate) use payload::Payload;

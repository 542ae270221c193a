//! What goes over a wire, whoever speaks it: codecs and streams that two features share. All but [`stream`] are pure: no
//! sockets, no clock.

pub mod channels;
pub mod chunked;
pub mod deflate;
mod frame;
pub mod head;
pub mod messagepack;
mod payload;
pub mod redis;
pub(crate) mod resp;
pub mod sse;
pub mod stream;
pub mod watch;
pub mod websocket;

pub use frame::Frame;
pub use payload::Payload;

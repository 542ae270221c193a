//! What goes over a wire, whoever speaks it: codecs that two features share. Pure: no sockets, no clock.

mod frame;
mod payload;
pub mod websocket;

pub use frame::Frame;
pub use payload::Payload;

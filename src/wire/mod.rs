//! What goes over a wire, whoever speaks it: codecs that two features share. Pure: no sockets, no clock.

mod frame;
pub mod redis;
pub(crate) mod resp;
pub mod websocket;

pub use frame::Frame;

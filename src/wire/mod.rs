//! What goes over a wire, whoever speaks it: codecs and streams that two features share. All but [`stream`] are pure: no
//! sockets, no clock.

mod frame;
pub mod head;
mod payload;
pub mod stream;
pub mod websocket;

pub use frame::Frame;
pub use payload::Payload;

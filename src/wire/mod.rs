//! What goes over a wire, whoever speaks it: codecs that two features share. Pure: no sockets, no clock.

pub mod deflate;
pub mod messagepack;
pub mod websocket;

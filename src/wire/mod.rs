//! What goes over a wire, whoever speaks it: codecs that two features share. Pure: no sockets, no clock.

pub mod chunked;
pub mod deflate;
pub mod messagepack;
pub mod sse;
pub mod websocket;

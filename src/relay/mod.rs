//! The relay: sockets in front, a broker behind.

pub mod frame;

//! MessagePack for JSON: the subprotocol `jobwire.msgpack` in both directions.
//!
//! Pure: no sockets, no clock. [`Encoder`] turns a JSON text into MessagePack by one pass over it, and [`decode`] a client's
//! MessagePack into a JSON text, which is then read as any other. Format: the MessagePack specification, `spec.md` of
//! msgpack/msgpack.

mod decode;
mod encode;
mod text;

pub(crate) use decode::decode;
pub(crate) use encode::Encoder;

#[cfg(test)]
mod tests;

/// How deep maps and arrays may nest, in both directions. Common decoders bear more.
pub(crate) const MAX_DEPTH: usize = 128;

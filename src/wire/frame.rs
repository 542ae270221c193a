//! An encoded frame: bytes that go to a socket as they are.

use std::ops::Deref;

use bytes::Bytes;

/// A WebSocket frame, header included, ready to be written to any number of sockets. Cloning it shares the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// No bytes, for a place that has no frame yet. Allocates nothing.
    pub const fn new() -> Self {
        Self(Bytes::new())
    }

    /// Bytes that are a frame already, in memory that the program itself holds.
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self(Bytes::from_static(bytes))
    }

    /// Number of bytes on the wire, header included.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds no bytes at all; an encoded frame always has a header.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

/// Takes over the allocation of a buffer that is exactly full.
impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Frame> for Bytes {
    fn from(frame: Frame) -> Self {
        frame.0
    }
}

impl Deref for Frame {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

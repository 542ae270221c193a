//! Sides of a connection, and the rules by which one of them reads.

/// The side of a connection on which frames are read and written (RFC 6455, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads masked frames and writes unmasked ones.
    Server,
    /// Reads unmasked frames and writes masked ones.
    Client,
}

/// Rules by which a [`Decoder`](super::Decoder) reads. They are passed to it with the bytes, so that they take no memory
/// in each connection, and must stay the same all through a connection.
///
/// A bare limit in bytes stands for the rules of a server without extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(super) role: Role,
    pub(super) limit: usize,
    pub(super) deflate: bool,
    pub(super) lenient: bool,
}

impl Rules {
    /// Rules without extensions. `limit` is the most bytes that one data frame, and one reassembled message, may have.
    pub(crate) const fn new(role: Role, limit: usize) -> Self {
        Self { role, limit, deflate: false, lenient: false }
    }

    /// Lets messages be compressed, if `negotiated` says that permessage-deflate was agreed on (RFC 7692). The limit then
    /// bounds the compressed bytes.
    #[must_use]
    pub(crate) const fn deflate(self, negotiated: bool) -> Self {
        Self { deflate: negotiated, ..self }
    }

    /// Forgives what a sloppy peer may do: texts are not checked for UTF-8 and handed out as
    /// [`Incoming::Unchecked`](super::Incoming::Unchecked), closes may have any code and reason, and lengths need not be in
    /// their shortest form. For clients that measure a server instead of judging it.
    #[must_use]
    pub(crate) const fn lenient(self) -> Self {
        Self { lenient: true, ..self }
    }
}

impl From<usize> for Rules {
    fn from(limit: usize) -> Self {
        Self::new(Role::Server, limit)
    }
}

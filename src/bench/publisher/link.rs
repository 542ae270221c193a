//! A connection of either protocol, and how it stands.

use super::wire::Wire;

/// A connection, with what came over it and was not taken yet.
pub(super) struct Link {
    pub(super) wire: Wire,
    pub(super) unread: Vec<u8>,
    /// A link over which no more can be sent.
    pub(super) has_ended: bool,
    /// Something was answered over it.
    pub(super) has_answered: bool,
}

impl Link {
    /// Link over a connection that was just made.
    pub(super) fn new(wire: Wire) -> Self {
        Self { wire, unread: Vec::new(), has_ended: false, has_answered: false }
    }
}

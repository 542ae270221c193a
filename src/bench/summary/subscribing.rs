//! How connections subscribed, where that was not by plain WebSockets.

use serde::{Deserialize, Serialize};

use crate::bench::manner::Transport;

/// How connections subscribed, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Subscribing {
    /// `ws` or `sse`.
    pub transport: Transport,
    /// Whether messages came in MessagePack.
    pub msgpack: bool,
    /// Targets that each connection watched over `/watch`; `None`: the route of the contract.
    pub targets_per_connection: Option<u64>,
    /// Whether connections that came back did so with their last cursor.
    pub resume: bool,
    /// permessage-deflate; `None` where it was not offered.
    pub deflate: Option<Deflated>,
    /// Bytes of the messages that came, without framing and after inflating.
    pub message_bytes: u64,
    /// Gaps that servers told of, the most frequent reason first.
    pub gaps: Vec<GapCount>,
}

/// permessage-deflate, where it was offered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deflated {
    /// Openings at which the server agreed to it.
    pub agreed: u64,
    /// Openings at which it did not.
    pub declined: u64,
    /// Messages that came compressed.
    pub messages: u64,
    /// Their bytes as they came.
    pub compressed_bytes: u64,
    /// Their bytes after inflating.
    pub inflated_bytes: u64,
}

/// A reason for gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapCount {
    /// The server's reason, as in `too_old`.
    pub reason: String,
    /// How often.
    pub count: u64,
}

impl Subscribing {
    /// All gaps together.
    pub fn gap_count(&self) -> u64 {
        self.gaps.iter().map(|gap| gap.count).sum()
    }
}

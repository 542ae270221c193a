//! How connections subscribe: over which transport, in which encoding, to how many targets, and whether they resume.

use serde::{Deserialize, Serialize};

/// What a connection speaks once it is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// WebSocket, RFC 6455.
    #[default]
    Ws,
    /// Server-Sent Events in the body of an answer to a GET.
    Sse,
}

impl Transport {
    /// As it is written on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
        }
    }

    /// Whether a client can say something once it is connected.
    pub const fn is_ws(self) -> bool {
        matches!(self, Self::Ws)
    }

    /// What is said of a connection that a server ended without a word.
    pub const fn end(self) -> &'static str {
        match self {
            Self::Ws => "closed without a close frame",
            Self::Sse => "the event stream ended",
        }
    }

    /// What people call a connection of this kind, with its article.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Ws => "a WebSocket",
            Self::Sse => "an event stream",
        }
    }
}

/// How connections subscribe. The default is a plain WebSocket at the route of the target's own contract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// What connections speak.
    pub transport: Transport,
    /// Whether permessage-deflate is offered.
    pub deflate: bool,
    /// Whether the subprotocol `jobwire.msgpack` is demanded.
    pub msgpack: bool,
    /// Targets that each connection watches over `/watch`; `None`: the route of the contract, which has one.
    pub watch: Option<u64>,
    /// Whether connections that come back go on from their last cursor.
    pub resume: bool,
}

impl Manner {
    /// Whether messages are plain texts of the contract over WebSocket, which need no further look.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// Targets of one connection, at least 1.
    pub fn targets(&self) -> u64 {
        self.watch.unwrap_or(1).max(1)
    }

    /// Whether a server tells gaps on such connections.
    pub fn has_cursors(&self) -> bool {
        self.resume || self.watch.is_some() || self.transport == Transport::Sse
    }
}

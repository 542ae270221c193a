//! What became of the connections, and how long connecting took.

use serde::{Deserialize, Serialize};

use crate::bench::timing::Timing;

/// What became of the connections.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// Connections that were to be open at a time.
    pub wanted: u64,
    /// Attempts, reconnections included.
    pub attempts: u64,
    /// Attempts that ended in an open connection.
    pub opened: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Why, the most frequent first.
    pub failures: Vec<FailureCount>,
    /// The most that were open at one time.
    pub peak: u64,
    /// Open at the end.
    pub open_at_end: u64,
    /// Connections that ended although nobody here ended them, the most frequent first.
    pub closed_early: Vec<CloseCount>,
    /// Opened connections a second, while they were being opened.
    pub rate: f64,
    /// Frames that break RFC 6455 or are no event of the dialect where one belongs.
    pub garbage: u64,
    /// Bytes received, WebSocket headers included.
    pub received_bytes: u64,
}

impl Connections {
    /// How many ended early, all reasons together.
    pub fn closed_early_count(&self) -> u64 {
        self.closed_early.iter().map(|close| close.count).sum()
    }
}

/// A reason for which connecting failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureCount {
    /// At which step: `tcp`, `tls`, `upgrade`, `watch`, `first_message` or `local` (this machine).
    pub step: String,
    /// The HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// What went wrong, as in `connection refused` or the server's own message.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A way in which connections ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseCount {
    /// The close code; `None` where the connection ended without one.
    pub code: Option<u16>,
    /// The server's reason, or what the system said.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// How long connecting took, by part; only attempts that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectTime {
    /// To the established TCP connection.
    pub tcp: Timing,
    /// From there to the end of the TLS handshake; empty without TLS.
    pub tls: Timing,
    /// From there to the end of the HTTP upgrade.
    pub upgrade: Timing,
    /// From there to the first message; empty where the server sends none by itself.
    pub first_message: Timing,
    /// From the intended start to the end of the upgrade.
    pub total: Timing,
}

/// Reconnecting after a storm, by churn, or with --resume after the server ended a connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reconnect {
    /// Connections that were cut.
    pub cut: u64,
    /// Connections that the server ended and that were to come back, as they do with --resume.
    #[serde(default)]
    pub dropped: u64,
    /// Connections that came back, of both.
    pub back: u64,
    /// Attempts to come back that failed, and were followed by another, in a run with --resume; they count nowhere else.
    #[serde(default)]
    pub failed: u64,
    /// Those of them that went on from a cursor, so that nothing that came meanwhile may be missing.
    #[serde(default)]
    pub resumed: u64,
    /// Events of their jobs that were due while they were away, within 0.5 s of that, or under way when they left: nobody can
    /// say which of these should have reached them, so that they are not expected.
    pub unaccounted: u64,
    /// From the cut until the last was back, in seconds; `None` where not all came back.
    pub all_back_seconds: Option<f64>,
    /// From the cut to the open WebSocket, each.
    pub time: Timing,
}

impl Reconnect {
    /// Connections that were away at some time.
    pub const fn away(&self) -> u64 {
        self.cut + self.dropped
    }
}

//! Log lines about publications that are dropped, and about slips in those that are relayed.

use std::time::Duration;

use tracing::warn;

use crate::dialect::{DialectId, JsonFault, Slip, Undecodable};
use crate::net::seldom::Seldom;

/// Bytes of a payload, a channel or a kind that are logged.
const LOGGED: usize = 80;

/// Logs dropped payloads, at most one a second.
#[derive(Debug)]
pub(in crate::relay) struct DropLog(Seldom<()>);

impl Default for DropLog {
    fn default() -> Self {
        Self(Seldom::every(Duration::from_secs(1)))
    }
}

impl DropLog {
    /// Logs a payload that was dropped, with the place of the fault where there is one.
    pub(super) fn log(&mut self, reason: Undecodable, channel: &[u8], payload: &[u8]) {
        let Some(more) = self.0.due(()) else { return };
        let channel = start(channel);
        let fault = match reason {
            Undecodable::NotJson | Undecodable::NotUtf8 => JsonFault::find(payload),
            _ => None,
        };
        if let Some(JsonFault { offset, reason: why, around }) = fault {
            warn!(%reason, channel, offset, "dropped a publication: {why}; around it \"{around}\" ({more} more)");
        } else {
            warn!(%reason, channel, payload = start(payload), more, "dropped a publication");
        }
    }
}

/// Logs slips of workers, each of a dialect's at most once a minute.
#[derive(Debug)]
pub(in crate::relay) struct SlipLog {
    slips: Seldom<(DialectId, Slip)>,
    unmerged: Seldom<()>,
}

impl Default for SlipLog {
    fn default() -> Self {
        let minute = Duration::from_mins(1);
        Self { slips: Seldom::every(minute), unmerged: Seldom::every(minute) }
    }
}

impl SlipLog {
    /// Logs what is odd about an event that is relayed.
    pub(super) fn log(&mut self, id: DialectId, dialect: &str, slip: Slip, odd: &Odd<'_>) {
        let Some(more) = self.slips.due((id, slip)) else { return };
        let (channel, payload) = (start(odd.channel), start(odd.payload));
        let kind = start(odd.kind.as_bytes());
        warn!(dialect, channel, kind, payload, more, "an event is relayed as it is, but {slip}");
    }

    /// Logs that payloads could not be merged into a job's state.
    pub(super) fn unmerged(&mut self, dialect: &str, job: &str) {
        let Some(more) = self.unmerged.due(()) else { return };
        warn!(
            dialect,
            job = start(job.as_bytes()),
            more,
            "a payload could not be merged into its job's state"
        );
    }
}

/// An event in which something is odd.
#[derive(Debug, Clone, Copy)]
pub(super) struct Odd<'a> {
    pub(super) channel: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) kind: &'a str,
}

/// The start of what came from outside; the log escapes it.
fn start(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LOGGED)]);
    let more = if bytes.len() > LOGGED { "…" } else { "" };
    format!("{text}{more}")
}

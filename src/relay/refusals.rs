//! The log of those who were refused: why, never with what.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use super::auth::Fault;
use crate::dialect::CloseReason;

/// How often one reason is logged at most; in between it is counted.
const EVERY: Duration = Duration::from_secs(10);

/// Why somebody may not see a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// There is no secret to check a token with.
    NoSecret,
    /// The token is missing, or no good.
    Token(Fault),
    /// The token was good once, and its time is over while its socket is open.
    ExpiredMeanwhile,
    /// The job is somebody else's, or it is not known whose.
    NotOwner,
    /// Nobody registered the job.
    UnknownTask,
}

impl Why {
    /// Of a socket that is closed though its token was good when it came; `None` where that is no refusal.
    pub(super) const fn of_close(reason: CloseReason) -> Option<Self> {
        match reason {
            CloseReason::Unauthorized => Some(Self::ExpiredMeanwhile),
            CloseReason::NotOwner => Some(Self::NotOwner),
            CloseReason::UnknownTask => Some(Self::UnknownTask),
            _ => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSecret => "there is no secret to check a token with: --jwt-secret sets one",
            Self::Token(fault) => fault.text(),
            Self::ExpiredMeanwhile => "its token expired while it was connected",
            Self::NotOwner => "the token's sub is not the task's user_id, or the task has none",
            Self::UnknownTask => "nobody has registered the task",
        })
    }
}

/// What was logged of each reason, and when. As many entries as there are reasons.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    why: Why,
    logged: Instant,
    silent: u64,
}

impl Refusals {
    /// Logs that somebody was refused, unless the same was logged a moment ago.
    pub(super) fn note(&self, why: Why, client: IpAddr) {
        if let Some(more) = self.count(why, Instant::now()) {
            warn!(%client, reason = %why, more, "refused");
        }
    }

    /// How many were refused for this reason without a line since the last one; `None` where this gets none either.
    fn count(&self, why: Why, now: Instant) -> Option<u64> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = entries.iter_mut().find(|entry| entry.why == why) else {
            entries.push(Entry { why, logged: now, silent: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(entry.logged) < EVERY {
            entry.silent += 1;
            return None;
        }
        entry.logged = now;
        Some(std::mem::take(&mut entry.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_gets_a_line_in_a_while_and_the_next_one_counts_the_others() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let at = |why, seconds| refusals.count(why, start + Duration::from_secs(seconds));
        assert_eq!(at(Why::Token(Fault::Expired), 0), Some(0));
        assert_eq!(at(Why::Token(Fault::Signature), 0), Some(0));
        assert_eq!(at(Why::Token(Fault::Expired), 1), None);
        assert_eq!(at(Why::Token(Fault::Expired), 9), None);
        assert_eq!(at(Why::Token(Fault::Expired), 10), Some(2));
        assert_eq!(at(Why::Token(Fault::Signature), 60), Some(0));
    }
}

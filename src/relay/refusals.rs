//! The log of those who were refused: why, never with what.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::auth::Fault;
use crate::dialect::CloseReason;
use crate::net::seldom::Seldom;

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

/// The log of refusals, a line a reason in a while.
#[derive(Debug)]
pub(super) struct Refusals(Mutex<Seldom<Why>>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Mutex::new(Seldom::every(EVERY)))
    }
}

impl Refusals {
    /// Logs that somebody was refused, unless the same was logged a moment ago.
    pub(super) fn note(&self, why: Why, client: IpAddr) {
        let due = self.0.lock().unwrap_or_else(PoisonError::into_inner).due(why);
        if let Some(more) = due {
            warn!(%client, reason = %why, more, "refused");
        }
    }
}

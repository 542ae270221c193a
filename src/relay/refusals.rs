//! The log of those who were refused: why, never with what.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use super::auth::Refusal;
use crate::dialect::CloseReason;
use crate::jwt::Fault;
use crate::net::seldom::Seldom;

/// How often one reason is logged at most; in between it is counted.
const EVERY: Duration = Duration::from_secs(10);

/// How often a refused origin is logged at most, whichever it is: anybody can make up a new one.
const ORIGINS_EVERY: Duration = Duration::from_mins(1);

/// Characters of an origin that are logged.
const SHOWN: usize = 80;

/// Why somebody may not see a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// There is nothing to check a token with.
    NoSecret,
    /// The keys to check it with cannot be fetched.
    KeysAway,
    /// The token is missing, or no good.
    Token(Fault),
    /// The token is restricted to other targets.
    NotAllowed,
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

    const fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoSecret => Self::NoSecret,
            Refusal::KeysAway => Self::KeysAway,
            Refusal::Token(flaw) => Self::Token(flaw.fault),
            Refusal::NotAllowed => Self::NotAllowed,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NoSecret => {
                "there is no secret or key to check a token with: --jwt-secret, --jwks or --jwt-key sets one"
            }
            Self::KeysAway => {
                "the token's key is not known, and a key set could not be fetched; /ws/stats says why"
            }
            Self::Token(_) => "the token is no good",
            Self::NotAllowed => "the token's claim watch does not name what was asked for",
            Self::ExpiredMeanwhile => "its token expired while it was connected",
            Self::NotOwner => "the token's sub is not the task's user_id, or the task has none",
            Self::UnknownTask => "nobody has registered the task",
        }
    }
}

/// The log of refusals, a line a reason in a while.
#[derive(Debug)]
pub(super) struct Refusals {
    reasons: Mutex<Seldom<Why>>,
    origins: Mutex<Seldom<()>>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { reasons: Mutex::new(Seldom::every(EVERY)), origins: Mutex::new(Seldom::every(ORIGINS_EVERY)) }
    }
}

impl Refusals {
    /// Logs that somebody was refused, unless the same was logged a moment ago.
    pub(super) fn note(&self, why: Why, client: IpAddr) {
        self.log(why, &why.text(), client);
    }

    /// Logs that a request was refused, with what is known of its token.
    pub(super) fn refused(&self, refusal: &Refusal, client: IpAddr) {
        match refusal {
            Refusal::Token(flaw) => self.log(Why::of(refusal), flaw, client),
            _ => self.note(Why::of(refusal), client),
        }
    }

    fn log(&self, why: Why, reason: &dyn fmt::Display, client: IpAddr) {
        let due = self.reasons.lock().unwrap_or_else(PoisonError::into_inner).due(why);
        if let Some(more) = due {
            warn!(%client, %reason, more, "refused");
        }
    }

    /// Logs that a page of this origin was refused, unless one was a moment ago.
    pub(super) fn origin(&self, origin: &str, allowed: &str, client: IpAddr) {
        let due = self.origins.lock().unwrap_or_else(PoisonError::into_inner).due(());
        if let Some(more) = due {
            let origin = origin.chars().take(SHOWN).collect::<String>().escape_debug().to_string();
            warn!(%client, origin, allowed, more, "refused a web page: --allowed-origins (ALLOWED_ORIGINS) lists those that may connect");
        }
    }
}

//! Next steps after a connection, or an attempt at one: how often and when another is made.

use std::time::Duration;

use url::Url;

use super::access::Access;
use super::job::Link;
use super::report::Timing;
use super::verdict::{Verdict, of_close, of_error};
use crate::dialect::Dialect;
use crate::exit::Failure;
use crate::net::backoff::Backoff;
use crate::net::token_source::TokenSource;
use crate::net::{NetError, address};

/// A connection that ends sooner than this was cut off at once.
const AT_ONCE: Duration = Duration::from_millis(500);

/// How a connection, or an attempt at one, ended.
pub(super) enum End {
    /// Nothing more is wanted.
    Stopped,
    /// There was no token to try with.
    NoToken(Failure),
    /// The server closed it.
    Closed {
        /// The close code.
        code: Option<u16>,
        /// The reason that came with it.
        reason: String,
    },
    /// The network failed, or the server refused the upgrade.
    Failed(NetError),
}

/// Next step of a follower.
pub(super) enum Next {
    /// Nothing.
    Stop,
    /// Give up.
    Lost(Failure),
    /// Wait, and try again.
    Pause {
        /// The state of the connection meanwhile.
        link: Link,
        /// How long.
        wait: Duration,
        /// What the user can do about it.
        hint: Option<String>,
    },
}

/// Attempts so far.
pub(super) struct Tries {
    /// There was a connection, so that what the run was up to then is known.
    pub(super) connected: bool,
    failed: u32,
    backoff: Backoff,
    /// When polling may begin, or go on.
    pub(super) next_poll: tokio::time::Instant,
    /// The way in.
    pub(super) access: Access,
}

impl Tries {
    /// None so far, with this token, which is sent only where it `may` be.
    pub(super) fn new(timing: &Timing, token: Option<TokenSource>, may: bool) -> Self {
        Self {
            connected: false,
            failed: 0,
            backoff: Backoff::new(timing.first_wait, timing.longest_wait),
            next_poll: tokio::time::Instant::now(),
            access: Access::new(token, may),
        }
    }

    /// A connection has lasted, which makes up for the failed attempts before it.
    pub(super) fn held(&mut self) {
        self.failed = 0;
        self.backoff.reset();
    }

    /// A relay has confirmed what it watches on a connection that lasted `for_long`. That makes up for failed attempts too; the next
    /// wait is short again only if it was not cut off at once.
    pub(super) fn confirmed(&mut self, for_long: Duration) {
        self.failed = 0;
        if for_long >= AT_ONCE {
            self.backoff.reset();
        }
    }

    /// The server is there and tells what it knows, so it is not lost, however its socket fares.
    pub(super) fn reached(&mut self) {
        self.failed = 0;
    }

    /// What comes after this end of a connection to `socket`.
    pub(super) fn next(&mut self, end: End, dialect: &Dialect, socket: &Url, retries: u32) -> Next {
        let verdict = match end {
            End::Stopped => return Next::Stop,
            End::NoToken(failure) => Verdict::retry(failure),
            End::Closed { code, reason } => of_close(dialect, &address(socket), code, &reason),
            End::Failed(error) => of_error(&error),
        };
        let verdict = match verdict {
            Verdict::Unauthorized(failure) => self.access.refused(failure),
            verdict => verdict,
        };
        let mut wait = self.backoff.next(rand::random());
        let attempt = self.failed + 1;
        let mut hint = None;
        let link = match verdict {
            Verdict::Final(failure) | Verdict::Unauthorized(failure) => return Next::Lost(failure),
            Verdict::Wait { reason } => Link::Awaiting { wait, reason },
            Verdict::Again { reason } => Link::Reconnecting { attempt, wait, reason },
            Verdict::Retry { last, .. } if attempt > retries => return Next::Lost(last.after(attempt)),
            Verdict::Retry { reason, last, after } => {
                self.failed = attempt;
                hint = last.hint();
                if let Some(after) = after {
                    // Polling would be a request too many as well.
                    wait = wait.max(after);
                    self.next_poll = tokio::time::Instant::now() + wait;
                }
                Link::Reconnecting { attempt: attempt + 1, wait, reason }
            }
        };
        Next::Pause { link, wait, hint }
    }
}

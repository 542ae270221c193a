//! Opening of watchers, and the findings on watchers that the server does not let in.

use std::time::Duration;

use super::finding::{Blame, Finding, Trial, Wrong};
use super::options::CheckOptions;
use super::server::Nature;
use super::watching::{Shutting, Watching, Where};
use crate::dialect::{CloseReason, Dialect};
use crate::net::NetError;
use crate::net::token_source::Token;

/// Advice for a proxy that blocks WebSockets.
const UPGRADE_HINT: &str = "a proxy in between drops the headers Upgrade and Connection; for nginx: proxy_http_version 1.1; \
                            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;";

/// Advice for a proxy that holds back event streams.
const BUFFER_HINT: &str =
    "a proxy in between keeps answers back until they are whole; for nginx: proxy_buffering off;";

/// The server under check, and the token to use there.
#[derive(Clone, Copy)]
pub(super) struct Checked<'a> {
    pub(super) options: &'a CheckOptions,
    pub(super) nature: Nature,
    /// Token, read once for all dialects.
    pub(super) token: Option<&'a Token>,
}

/// The ways into a server for watchers of one job or channel.
#[derive(Clone, Copy)]
pub(super) struct Door<'a> {
    pub(super) checked: Checked<'a>,
    pub(super) dialect: &'a Dialect,
    /// Path of the socket, with its own query.
    pub(super) path: &'a str,
    /// Name of the job or the channel on `/watch`.
    pub(super) target: &'a str,
}

/// Reason why a watcher could not be opened.
#[derive(Debug, Clone)]
pub(super) enum Shut {
    /// The server refuses or lacks the whole dialect.
    Dialect(Finding),
    /// The server refuses or lacks this transport; others may work.
    Way(Finding),
}

impl Shut {
    /// Finding for the report.
    pub(super) const fn finding(&self) -> &Finding {
        match self {
            Self::Dialect(finding) | Self::Way(finding) => finding,
        }
    }
}

impl Checked<'_> {
    /// Whether the server has cursors, event streams and `/watch`.
    pub(super) fn is_new(self) -> bool {
        self.nature == Nature::Relay
    }

    pub(super) const fn limit(self) -> Duration {
        self.options.timeout
    }

    /// Reason for skipping a step that needs a current relay.
    pub(super) fn only_relays_have(self, what: &str) -> String {
        match self.nature {
            Nature::OldRelay => format!("the relay is too old for {what}"),
            _ => format!("only a jobwire relay has {what}"),
        }
    }

    /// Finding of a server that refuses every watcher, or this token.
    pub(super) fn refused(self, said: &str) -> Finding {
        if said.contains(CloseReason::NoSecret.text()) && self.token.is_none() {
            let hint = "it needs --jwt-secret, --jwks or --jwt-key, or --no-auth";
            return Finding::Skipped(format!(
                "the relay lets nobody in: {}; {hint}",
                CloseReason::NoSecret.text()
            ));
        }
        match (self.token, &self.options.token) {
            (Some(token), Some(source)) => {
                Finding::Wrong(Wrong::new(Blame::Refused, said).hint(source.advice(token)))
            }
            _ => Finding::Skipped("it wants a token: give one with --token or --token-file".to_owned()),
        }
    }
}

impl<'a> Door<'a> {
    fn place(&self) -> Where<'a> {
        let CheckOptions { server, tls, .. } = self.checked.options;
        let (token, limit) = (self.checked.token, self.checked.limit());
        Where { server, path: self.path, target: self.target, token, tls, limit }
    }

    /// Opens a watcher by one transport and waits until the server has let the watcher in.
    pub(super) async fn open(&self, transport: Trial) -> Result<Watching, Shut> {
        let limit = self.checked.limit();
        let opened = match transport {
            Trial::Sse => Watching::stream(&self.place(), None).await,
            Trial::Watch => Watching::of_everything(&self.place()).await,
            _ => Watching::socket(&self.place(), self.checked.is_new(), None).await,
        };
        let mut watching = opened.map_err(|error| self.unopened(transport, &error))?;
        match watching.let_in(limit).await {
            Err(shutting) => Err(self.shut(&shutting)),
            Ok(()) => Ok(watching),
        }
    }

    /// Opens a watcher that resumes from a cursor.
    pub(super) async fn resume(&self, transport: Trial, cursor: &str) -> Result<Watching, Finding> {
        let opened = match transport {
            Trial::Sse => Watching::stream(&self.place(), Some(cursor)).await,
            _ => Watching::socket(&self.place(), true, Some(cursor)).await,
        };
        opened.map_err(|error| self.unopened(transport, &error).finding().clone())
    }

    /// Classifies the error of a watcher that could not be opened.
    fn unopened(&self, transport: Trial, error: &NetError) -> Shut {
        let checked = self.checked;
        let NetError::Status { status, .. } = error else { return Shut::Way(unanswered(transport, error)) };
        let is_foreign = checked.nature == Nature::Foreign;
        match status {
            _ if is_foreign && !checked.options.are_named => {
                Shut::Dialect(Finding::Skipped(format!("it has no such socket: it answered {status}")))
            }
            401 => Shut::Dialect(checked.refused(&error.to_string())),
            403 if !is_foreign => Shut::Dialect(checked.refused(&error.to_string())),
            400 | 426 if !is_foreign => {
                let message =
                    format!("the upgrade to a WebSocket does not reach the relay: it answered {status}");
                Shut::Way(Finding::Wrong(Wrong::new(Blame::NoRelay, message).hint(UPGRADE_HINT)))
            }
            // Python frameworks answer 403 where there is no route.
            403 | 404 | 405 | 410 | 426 => {
                let name = &self.dialect.name;
                let message =
                    format!("the server does not know {}: it answered {status}", self.bare_path(transport));
                Shut::Dialect(Finding::Wrong(Wrong::new(Blame::NoRelay, message).hint(format!(
                    "is it a relay of this version, with the dialect {name} (--dialect-file)? --dialect tries others"
                ))))
            }
            _ => Shut::Way(Finding::Wrong(Wrong::from(error))),
        }
    }

    fn bare_path(&self, transport: Trial) -> &str {
        if transport == Trial::Watch {
            return crate::net::offer::WATCH;
        }
        self.path.split('?').next().unwrap_or_default()
    }

    /// Classifies the end of a watcher that the server shut out.
    fn shut(&self, shutting: &Shutting) -> Shut {
        let finding = self.closed(shutting);
        if shutting.is_refusal() { Shut::Dialect(finding) } else { Shut::Way(finding) }
    }

    /// Finding on the end of a watcher.
    pub(super) fn closed(&self, shutting: &Shutting) -> Finding {
        let said = match shutting {
            Shutting::Closed { code: Some(code), reason } => {
                format!("the server closed the connection with {code} {reason}")
            }
            Shutting::Closed { code: None, reason } if reason.is_empty() => {
                "the server ended the connection without a word".to_owned()
            }
            Shutting::Closed { code: None, reason } => reason.clone(),
            Shutting::Refused { message, .. } => message.clone(),
        };
        let said = said.trim_end();
        if shutting.is_refusal() {
            self.checked.refused(said)
        } else {
            let hint = "the log of the relay tells why, and that of a proxy in between";
            Finding::Wrong(Wrong::new(Blame::Broken, said).hint(hint))
        }
    }
}

/// Finding on a server that did not answer as the transport requires.
fn unanswered(transport: Trial, error: &NetError) -> Finding {
    let wrong = Wrong::from(error);
    Finding::Wrong(match (transport, error) {
        // The server has answered other requests before, so a proxy is likely to hold back the stream.
        (Trial::Sse, NetError::TimedOut { .. }) => Wrong { blame: Blame::Broken, ..wrong }.hint(BUFFER_HINT),
        _ => wrong,
    })
}

//! Smoke test of a relay, or of any other server of the contracts.
//!
//! The steps of the server as a whole come first ([`server`]), then those of the dialects ([`journey`]), all dialects at once.
//! Each step has a time limit, and each fault has advice. Jobs of a check have `jobwire-check` or 24325 in their id
//! ([`route`]), and are ended however the check ends ([`ledger`]).

mod audience;
mod door;
mod finding;
mod health;
mod journey;
mod ledger;
mod options;
mod report;
mod route;
mod server;
mod watching;

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::door::Checked;
use self::finding::{Blame, exit};
use self::journey::Journeys;
use self::ledger::Ledger;
use self::report::Manner;
use self::server::{Look, Nature, look};
use crate::emit::Sink;
use crate::exit::{Exit, Failure};
use crate::net;
use crate::net::backoff::Backoff;
use crate::net::token_source::TokenSource;
use crate::outfile::print;

pub(crate) use self::finding::{Finding, Trial, Tried, Wrong};
pub(crate) use self::options::{CheckOptions, CheckOutput};

/// Reason for sending nothing.
const NO_KEY: &str = "no publish key: give the relay's with --publish-key, or its Redis with --redis";

/// Number of dialects that are checked at once.
const AT_ONCE: usize = 8;

/// Time for ending the jobs that are open when a check is stopped.
const GOODBYE: Duration = Duration::from_secs(2);

/// First and longest wait between two looks at a server that is not ready.
const WAITS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Checks the server and prints the findings on stdout. `stop` ends the check early.
///
/// # Errors
/// Bad options, such as a token file that cannot be read ([`Exit::Usage`]), and errors of standard output. Faults of the server
/// are reported by the exit code.
pub(crate) async fn run(options: &CheckOptions, stop: &CancellationToken) -> Result<Exit, Failure> {
    // A token that cannot be read is an error before anything is tried. Another program may write a new one during the wait.
    options.token.as_ref().map(TokenSource::read).transpose()?;
    let ledger = OnceCell::new();
    let mut check = Check { options, found: Vec::new(), began: (Timestamp::now(), Instant::now()) };
    let tried = stop.run_until_cancelled(check.all(&ledger)).await;
    if let Some(ledger) = ledger.get() {
        // A user who stops the check does not wait for a Redis that is away.
        let _ = timeout(GOODBYE, ledger.end_all()).await;
    }
    let is_stopped = tried.is_none();
    tried.transpose()?;
    check.finish(is_stopped)
}

/// A check in progress.
struct Check<'a> {
    options: &'a CheckOptions,
    found: Vec<Tried>,
    began: (Timestamp, Instant),
}

impl Check<'_> {
    async fn all(&mut self, opened: &OnceCell<Ledger>) -> Result<(), Failure> {
        let options = self.options;
        let Look { tried, nature, redis, is_shut, wants_login } = self.server().await;
        self.take(tried)?;
        let Some(nature) = nature else { return Ok(()) };
        if !options.wants_dialects() {
            let is_of_relay = |trial| matches!(trial, Trial::Health | Trial::Ready | Trial::Version);
            let wants_relay = options.only.iter().copied().any(is_of_relay);
            return if wants_relay { self.contract(nature, wants_login) } else { Ok(()) };
        }
        if is_shut {
            return self.skip_dialects("the relay is not ready");
        }
        let is_redis_wrong =
            self.found.iter().any(|tried| tried.trial == Trial::Redis && tried.wrong().is_some());
        let ledger = match &options.redis {
            Some(_) if is_redis_wrong => Err("redis failed"),
            _ if !options.has_key() => Err(NO_KEY),
            _ => {
                let sink = Sink::new(options.sink.clone())?;
                Ok(opened.get_or_init(|| Ledger::new(sink, options.timeout)))
            }
        };
        let token = options.token.as_ref().map(TokenSource::read).transpose()?;
        let checked = Checked { options, nature, token: token.as_ref() };
        let journeys = Journeys { checked, redis: redis.as_deref(), ledger };
        let travels = options.dialects.iter().map(|dialect| journeys.travel(dialect));
        let mut travels = std::pin::pin!(stream::iter(travels).buffered(AT_ONCE));
        while let Some(tried) = travels.next().await {
            self.take(tried)?;
        }
        self.contract(nature, wants_login)
    }

    /// Skips the steps of all dialects for one reason.
    fn skip_dialects(&mut self, why: &str) -> Result<(), Failure> {
        for dialect in &self.options.dialects {
            let wanted = Trial::OF_DIALECT.into_iter().filter(|trial| self.options.wants(*trial));
            let tried = wanted.map(|trial| Tried {
                trial,
                dialect: Some(dialect.name.to_string()),
                took: Duration::ZERO,
                finding: Finding::Skipped(why.to_owned()),
            });
            self.take(tried.collect())?;
        }
        Ok(())
    }

    /// Takes the steps of the server until none has a fault that may pass, or until the time to wait is over.
    async fn server(&self) -> Look {
        let until = self.options.wait.map(|wait| Instant::now() + wait);
        let mut waits = Backoff::new(WAITS.0, WAITS.1);
        let mut said = String::new();
        loop {
            let limit = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = limit.map_or(self.options.timeout, |limit| self.options.timeout.min(limit));
            // An attempt without time would find nothing. Whole milliseconds are shorter in messages.
            let timeout =
                Duration::from_millis(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(100));
            let look = look(&CheckOptions { timeout, ..self.options.clone() }).await;
            let obstacle = look.obstacle().map(|wrong| wrong.message.clone());
            let (Some(obstacle), Some(until)) = (obstacle, until) else { return look };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return look;
            }
            if obstacle != said {
                tracing::warn!("waiting for {}: {obstacle}", net::address(&self.options.server));
                said = obstacle;
            }
            sleep(waits.next(rand::random()).min(left)).await;
        }
    }

    /// Adds a fault where the server is no relay: it has neither a relay's `/health` nor a socket of a contract.
    fn contract(&mut self, nature: Nature, wants_login: bool) -> Result<(), Failure> {
        let is_spoken = self.found.iter().any(|tried| {
            let is_of_socket = matches!(tried.trial, Trial::Websocket | Trial::Polling);
            let is_wrong = tried.dialect.is_some() && tried.wrong().is_some();
            is_wrong || (is_of_socket && matches!(tried.finding, Finding::Good(_)))
        });
        if nature != Nature::Foreign || is_spoken {
            return Ok(());
        }
        let server = net::address(&self.options.server);
        let wrong = if wants_login {
            Wrong::new(
                Blame::Refused,
                format!("the server at {server} wants to know who is there: it answered 401"),
            )
            .hint("a user and a password stand in the URL, as in ws://USER:PASSWORD@HOST")
        } else {
            let names: Vec<&str> = self.options.dialects.iter().map(|dialect| &*dialect.name).collect();
            let lacks = if self.options.wants_dialects() {
                format!(", and no socket of {}", names.join(", "))
            } else {
                String::new()
            };
            let message = format!("the server at {server} is no relay: it has no /health of one{lacks}");
            Wrong::new(Blame::NoRelay, message)
                .hint("start a relay with `jobwire serve`, or name another with --server")
        };
        // This finding replaces the first finding of `health`.
        self.found.retain(|tried| tried.trial != Trial::Health);
        let finding = Finding::Wrong(wrong);
        self.take(vec![Tried { trial: Trial::Health, dialect: None, took: Duration::ZERO, finding }])
    }

    /// Adds findings that belong together. The text report prints them at once.
    fn take(&mut self, tried: Vec<Tried>) -> Result<(), Failure> {
        if self.options.output == CheckOutput::Text {
            print(&self.manner().lines(&tried))?;
        }
        self.found.extend(tried);
        Ok(())
    }

    fn manner(&self) -> Manner {
        Manner { color: self.options.color, unicode: self.options.unicode }
    }

    /// Prints the rest of the report and returns the exit code.
    fn finish(self, is_stopped: bool) -> Result<Exit, Failure> {
        let exit = if is_stopped { Exit::Interrupted } else { exit(&self.found) };
        let server = net::address(&self.options.server);
        print(&match self.options.output {
            CheckOutput::Text => self.manner().sum(&self.found, exit),
            CheckOutput::Json => report::json(&server, &self.found, exit),
            CheckOutput::Junit => {
                report::junit(&server, (self.began.0, self.began.1.elapsed()), &self.found, is_stopped)
            }
        })?;
        Ok(exit)
    }
}

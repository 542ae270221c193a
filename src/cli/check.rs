//! `check`.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::Globals;
use super::bearer::BearerArgs;
use super::sink::SinkArgs;
use super::values::duration;
use crate::check::{self, CheckOptions, CheckOutput, Trial};
use crate::dialect::{Dialect, Dialects};
use crate::emit::SinkOptions;
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;
use crate::text::is_utf8;

const EXAMPLES: &str = "\
Examples:
  jobwire check                                      the relay on this machine
  jobwire check --wait 30s                           when it has just been started
  jobwire check --server wss://relay.example.com --publish-key KEY
  jobwire check --redis redis://127.0.0.1:6379       events go into Redis, as those of workers do
  jobwire check --dialect scraping,jobs --only publish,websocket,resume
  jobwire check --output junit > check.xml           for a CI server
  jobwire check --output json | jq -r '.steps[] | select(.result == \"failed\") | .name'

The steps: tcp, tls, health, ready, version, clock and redis; and for each dialect publish, websocket, sse, watch, polling and \
resume, as in scraping/websocket. Each has the time that --step-timeout gives it, and one that cannot be tried says why: no \
publish key, no token, or the step before it failed.

An event is sent through the relay, or into Redis with --redis, and has to come out of each transport. Jobs that this makes are \
called jobwire-check-NUMBER, or a number that begins with 24325 (CHECK on the keys of a telephone) where ids are numbers, and are \
ended; lists show them as long as other jobs that have ended. Of channels it is an event about a resource of such a name. Where somebody \
watches the channel at this relay, it is sent only if --dialect names the dialect.

Other servers of the contracts are checked as far as they go: what only a jobwire relay has is skipped, and so is a dialect \
that the server does not speak, unless --dialect names it.

Exit codes: 0 nothing is wrong; 1 a step failed; 2 bad usage or configuration; 3 it is no relay, half of one or an old one, or \
it or Redis cannot be reached; 4 the key or the token is refused, and nothing else is wrong.";

/// Smoke test: publish and receive through a relay, and say what is broken and what to do
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    sink: SinkArgs,

    #[command(flatten)]
    token: BearerArgs,

    /// What stands before the names of channels on Redis; the same as the relay's.
    #[arg(long, value_name = "PREFIX", env = "JOBWIRE_CHANNEL_PREFIX", default_value = "fliptechpro:")]
    channel_prefix: String,

    /// Try these dialects, comma-separated, and no others.
    #[arg(long, value_name = "NAMES", env = "JOBWIRE_DIALECT", value_delimiter = ',')]
    dialect: Vec<String>,

    /// Try these steps, comma-separated, as in health,websocket; those that they need are made too, and shown where they fail.
    #[arg(long, value_name = "STEPS", env = "JOBWIRE_ONLY", value_delimiter = ',', value_parser = Trial::parse)]
    only: Vec<Trial>,

    /// Wait at most this long for the relay to be ready, then check it.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_WAIT", value_parser = duration)]
    wait: Option<Duration>,

    /// How long each step may take.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_STEP_TIMEOUT", default_value = "5s", value_parser = limit)]
    step_timeout: Duration,

    /// What to print on stdout.
    #[arg(long, value_enum, value_name = "FORMAT", env = "JOBWIRE_OUTPUT", default_value_t)]
    output: CheckFormat,
}

/// Format of the report, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// A line a step.
    #[default]
    Text,
    /// A JSON document.
    Json,
    /// JUnit XML.
    Junit,
}

impl CheckArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let options = self.options(globals)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("could not start the runtime")?;
        let exit = runtime.block_on(until_signal(&options));
        // The runtime must not wait for a look-up of a name that is still going on.
        runtime.shutdown_background();
        exit
    }

    fn options(self, globals: &Globals) -> Result<CheckOptions, Failure> {
        let prefixed = globals.dialects.with_channel_prefix(&self.channel_prefix);
        let all = prefixed.map_err(|error| Failure::usage(error.to_string()))?;
        let sink = self.sink.options()?;
        let (redis, tls) = match &sink {
            SinkOptions::Redis { url, .. } => (Some(url.clone()), self.sink.relay.tls.tls()?),
            SinkOptions::Http { tls, .. } => (None, tls.clone()),
        };
        Ok(CheckOptions {
            server: self.sink.relay.server,
            tls,
            token: self.token.source()?,
            redis,
            sink,
            dialects: named(&all, &self.dialect)?,
            are_named: !self.dialect.is_empty(),
            only: self.only,
            wait: self.wait,
            timeout: self.step_timeout,
            output: match self.output {
                CheckFormat::Text => CheckOutput::Text,
                CheckFormat::Json => CheckOutput::Json,
                CheckFormat::Junit => CheckOutput::Junit,
            },
            color: globals.color.on_stdout(),
            unicode: std::io::stdout().is_terminal() && is_utf8(|name| std::env::var(name).ok()),
        })
    }
}

/// Dialects with these names, or all dialects where none is named.
fn named(all: &Dialects, names: &[String]) -> Result<Vec<Arc<Dialect>>, Failure> {
    if names.is_empty() {
        return Ok(all.iter().map(|(_, dialect)| Arc::clone(dialect)).collect());
    }
    let mut found: Vec<Arc<Dialect>> = Vec::new();
    for name in names {
        let dialect = all.require(name.trim()).map_err(|error| Failure::usage(error.to_string()))?;
        if !found.iter().any(|other| other.name == dialect.name) {
            found.push(dialect);
        }
    }
    Ok(found)
}

/// Parses a time limit, which must not be zero.
fn limit(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        limit if limit.is_zero() => Err("a step needs some time, as in 5s".to_owned()),
        limit => Ok(limit),
    }
}

/// Checks until the check is finished or a signal asks for the end.
async fn until_signal(options: &CheckOptions) -> Result<Exit> {
    let stop = CancellationToken::new();
    let mut signals = Signals::catch().context("could not catch signals")?;
    let mut checking = std::pin::pin!(check::run(options, &stop));
    let signal = tokio::select! {
        exit = &mut checking => return Ok(exit?),
        signal = signals.next() => signal,
    };
    stop.cancel();
    // The check ends its jobs and prints its findings.
    checking.await?;
    Ok(signal.exit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_tried_once_and_a_slip_names_the_nearest() {
        let all = Dialects::builtin();
        let names = |names: &[&str]| named(&all, &names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(names(&["scraping", "scraping"]).unwrap().len(), 1);
        assert_eq!(names(&[]).unwrap().len(), all.iter().count());
        assert!(names(&["scrapin"]).unwrap_err().message.contains("did you mean 'scraping'?"));
    }
}

//! Flags of `check`.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::bearer::BearerArgs;
use super::sink::SinkArgs;
use super::values::duration;
use super::{Globals, locale};
use crate::check::{self, CheckOptions, CheckOutput, Trial};
use crate::dialect::{Dialect, Dialects};
use crate::emit::SinkOptions;
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;

const EXAMPLES: &str = "\
Examples:
  jobwire check                                      the relay on this machine
  jobwire check --wait 30s                           when it has just been started
  jobwire check --server wss://relay.example.com --publish-key KEY
  jobwire check --redis redis://127.0.0.1:6379       events go into Redis, as those of workers do
  jobwire check --dialect scraping,jobs --only publish,websocket,resume
  jobwire check --output junit > check.xml           for a CI server
  jobwire check --output json | jq -r '.steps[] | select(.result == \"failed\") | .name'

The steps of the server are tcp, tls, health, ready, version, clock and redis. The steps of each dialect are publish, websocket, \
sse, watch, polling and resume, as in scraping/websocket. Each step takes at most the time of --step-timeout. A step that cannot be \
tried is skipped, with the reason: no publish key, no token, or an earlier step that failed. The step clock fails where the clocks \
differ by more than 5 seconds.

The check sends events through the relay, or into Redis with --redis, and expects them by each transport. Its jobs are called \
jobwire-check-NUMBER, or 24325NUMBER where ids are numbers (CHECK on the keys of a telephone); NUMBER has 8 digits. The check ends its \
jobs, and lists show them as long as other jobs that have ended. On a channel, the event is about a resource with such a name. It is \
sent only where the relay tells that nobody watches the channel, or where --dialect names the dialect.

Other servers of the contracts are checked too. Steps that need a jobwire relay are skipped, and so are dialects that the server does \
not speak, unless --dialect names them.

Exit codes: 0 no step failed; 1 a step failed; 2 bad usage or configuration; 3 the server is no relay, an old relay or one that \
delivers no event, or the server or Redis cannot be reached; 4 the key or the token is refused, and nothing else is wrong.";

/// Smoke test: publish and receive through a relay, and say what is broken and what to do
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    sink: SinkArgs,

    #[command(flatten)]
    token: BearerArgs,

    /// Prefix of the names of channels on Redis, as the relay has it.
    #[arg(long, value_name = "PREFIX", env = "JOBWIRE_CHANNEL_PREFIX", default_value = "fliptechpro:")]
    channel_prefix: String,

    /// Try these dialects alone, comma-separated, as in scraping,jobs.
    #[arg(long, value_name = "NAMES", env = "JOBWIRE_DIALECT", value_delimiter = ',')]
    dialect: Vec<String>,

    /// Try these steps alone, comma-separated, as in health,websocket. Steps that they need are taken too, and shown if they fail.
    #[arg(long, value_name = "STEPS", env = "JOBWIRE_ONLY", value_delimiter = ',', value_parser = Trial::parse)]
    only: Vec<Trial>,

    /// Longest wait until the relay is ready, as in 30s; without it, the check does not wait.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_WAIT", value_parser = duration)]
    wait: Option<Duration>,

    /// Longest time of each step, more than 0.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_STEP_TIMEOUT", default_value = "5s", value_parser = limit)]
    step_timeout: Duration,

    /// Format of the report on stdout.
    #[arg(long, value_enum, value_name = "FORMAT", env = "JOBWIRE_OUTPUT", default_value_t)]
    output: CheckFormat,
}

/// Format of the report, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum CheckFormat {
    /// One line for each step.
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
            unicode: std::io::stdout().is_terminal() && locale::is_utf8(),
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

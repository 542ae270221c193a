//! Flags of streams.

use std::time::Duration;

use clap::Args;

use crate::cli::values::duration;
use crate::dialect::{Dialect, Dialects, with_nearest};
use crate::exit::Failure;

/// The word for all dialects that can be taken from streams.
const ALL: &str = "all";

/// Flags that say which events come by Redis Streams, and how much of them is read back.
#[derive(Debug, Args)]
#[command(next_help_heading = "Streams")]
pub(super) struct StreamArgs {
    /// Dialects whose events come by Redis Streams (XADD) instead of PUBLISH, comma-separated, or all: none is lost while
    /// the relay is away.
    #[arg(long, value_name = "DIALECTS", env = "JOBWIRE_STREAMS", value_delimiter = ',')]
    streams: Vec<String>,

    /// How far back streams are read at the start, for the states of jobs; at most 100,000 entries of each.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_STREAM_HISTORY", default_value = "10m", value_parser = duration)]
    stream_history: Duration,
}

impl StreamArgs {
    /// Time for which streams are read back at the start.
    pub(super) const fn history(&self) -> Duration {
        self.stream_history
    }

    /// Marks the dialects whose events come by streams. Fails without a Redis, and with a name that is of no dialect or of
    /// one whose publisher writes no stream.
    pub(super) fn apply(&self, dialects: Dialects, has_redis: bool) -> Result<Dialects, Failure> {
        let given = || self.streams.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        if given().next().is_none() {
            return Ok(dialects);
        }
        if !has_redis {
            return Err(Failure::usage("--streams: the embedded broker has no streams")
                .hint("name a Redis: --redis redis://127.0.0.1:6379/0"));
        }
        let can = |dialect: &Dialect| dialect.streams || dialect.publisher.is_none();
        let mut names: Vec<&str> = given().filter(|name| *name != ALL).collect();
        for name in &names {
            match dialects.named(name) {
                Some((_, dialect)) if can(dialect) => {}
                Some((_, dialect)) => {
                    let publisher = dialect.publisher.as_deref().unwrap_or_default();
                    let message = format!(
                        "--streams: {name}'s events are published by {publisher}, which writes no stream"
                    );
                    return Err(Failure::usage(message)
                        .hint("leave it out: it is relayed by its channels all the same"));
                }
                None => {
                    let known = dialects.iter().filter(|(_, dialect)| can(dialect));
                    let known: Vec<&str> = known.map(|(_, dialect)| &*dialect.name).chain([ALL]).collect();
                    let message = format!("--streams: there is no dialect {}", name.escape_debug());
                    let message = with_nearest(&message, name, known.iter().copied());
                    return Err(Failure::usage(message).hint(format!("one or more of {}", known.join(", "))));
                }
            }
        }
        if given().any(|name| name == ALL) {
            names = dialects
                .iter()
                .filter(|(_, dialect)| can(dialect))
                .map(|(_, dialect)| &*dialect.name)
                .collect();
        }
        dialects
            .with_streams(&names)
            .map_err(|name| Failure::usage(format!("--streams: {name} has no streams")))
    }
}

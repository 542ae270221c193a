//! `top`.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use super::Globals;
use super::bearer::BearerArgs;
use super::locale;
use super::sink::ServerArgs;
use super::values::{dialect_of_jobs, duration, publish_key};
use crate::dialect::{JobState, with_nearest};
use crate::exit::{Exit, Failure};
use crate::lists::{ListClient, MOST_JOBS};
use crate::net::shutdown::Signals;
use crate::screen::{Abilities, Order, Place, RowFilter, is_on_terminal};
use crate::top::{self, OnceFormat, TopOptions};

/// Shortest time between two questions to the relay.
const SHORTEST: Duration = Duration::from_millis(100);

/// What a relay is doing, live: its jobs, watchers, rates, slow clients and its Redis
///
/// Lists the jobs with their bars, the ones at work first. Enter opens a job: its parts and its last events, live. `/` finds a
/// text in names and messages, `s` and `d` filter by state and dialect, big letters order by a column, `?` shows all keys, `q`
/// quits. It needs a terminal of 40 columns and 10 rows or more; on a narrow one columns are left out.
///
/// While the relay is away, the screen stays, says since when, and asks again. Slow clients are listed by address with what
/// waits for them.
///
/// The jobs are listed for who has the relay's publish key, or a token whose claim `watch` covers them, and for everybody on the
/// relay's own machine or with `serve --lists open`. The clients are listed for the key, and for everybody there.
///
/// `--once` prints one sample instead. It takes one interval, over which the rates are measured; `--interval 0` prints at once,
/// without rates.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire top                                          the relay on this machine\n  \
    jobwire top --server wss://relay.example.com --publish-key KEY\n  \
    jobwire top --dialect celery --state running,queued  some of the jobs\n  \
    jobwire top --once                                   a look, as lines\n  \
    jobwire top --once --output json | jq '.rates.events, .totals.connections'\n  \
    jobwire top --once --output json | jq -r '.jobs[] | select(.state == \"failed\") | .target'\n  \
    jobwire top --once --interval 0 --sort elapsed --limit 5\n  \
    jobwire top --once --output json | jq -e '.redis.connected'\n\n\
Exit codes: 0 left by q, or the sample is printed; 2 bad usage, or no terminal and no --once; 3 the relay cannot be reached at the \
first look, or is none; 4 it refuses the list of jobs; 130 left by Ctrl-C; 143 terminated.")]
pub(crate) struct TopArgs {
    #[command(flatten)]
    token: BearerArgs,

    #[command(flatten)]
    relay: ServerArgs,

    /// The relay's publish key, which lets jobs and clients be listed; a relay of this user on this machine leaves it where top
    /// finds it.
    #[arg(long, value_name = "KEY", env = "JOBWIRE_PUBLISH_KEY", hide_env_values = true, value_parser = publish_key)]
    publish_key: Option<String>,

    /// Time between two looks at the relay, and over which rates are measured.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_INTERVAL", default_value = "1s", value_parser = duration)]
    interval: Duration,

    /// Print one sample on stdout and end.
    #[arg(long, env = "JOBWIRE_ONCE")]
    once: bool,

    /// With --once: what to print.
    #[arg(long, value_enum, value_name = "FORMAT", env = "JOBWIRE_OUTPUT", default_value_t)]
    output: TopFormat,

    /// Show jobs in these states, comma-separated: running, queued, failed, cancelled, succeeded.
    #[arg(long, value_name = "STATES", env = "JOBWIRE_STATE", value_delimiter = ',', value_parser = state)]
    state: Vec<JobState>,

    /// Show jobs of this dialect.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_DIALECT")]
    dialect: Option<String>,

    /// Order of the jobs.
    #[arg(long, value_enum, value_name = "COLUMN", env = "JOBWIRE_SORT", default_value_t)]
    sort: SortChoice,

    /// With --once: print at most so many jobs, the first by the order.
    #[arg(long, value_name = "N", env = "JOBWIRE_LIMIT", default_value_t = 100)]
    limit: usize,
}

/// Format of the sample, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum TopFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Order of the jobs, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum SortChoice {
    /// Those at work first, the newest first.
    #[default]
    State,
    /// By name.
    Name,
    /// The furthest first.
    Percent,
    /// The longest first.
    Elapsed,
    /// The most watched first.
    Watchers,
    /// The last heard of first.
    Updated,
    /// The last begun first.
    Started,
}

impl SortChoice {
    const fn order(self) -> Order {
        match self {
            Self::State => Order::State,
            Self::Name => Order::Name,
            Self::Percent => Order::Percent,
            Self::Elapsed => Order::Elapsed,
            Self::Watchers => Order::Watchers,
            Self::Updated => Order::Updated,
            Self::Started => Order::Started,
        }
    }
}

/// Parses a state.
fn state(text: &str) -> Result<JobState, String> {
    let name = text.trim().to_ascii_lowercase();
    let found = JobState::ALL.into_iter().find(|state| state.as_str() == name);
    found.ok_or_else(|| {
        with_nearest("there is no such state", &name, JobState::ALL.iter().map(|state| state.as_str()))
    })
}

impl TopArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let format = match self.output {
            TopFormat::Text => OnceFormat::Text,
            TopFormat::Json => OnceFormat::Json,
        };
        let once = self.once;
        self.check()?;
        let options = self.options(globals)?;
        if !once && std::io::stderr().is_terminal() {
            // Log lines would be written into the picture.
            globals.log.set("off")?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("could not start the runtime")?;
        let exit = runtime.block_on(async {
            if once { until_signal(&options, format).await } else { top::run(options).await }
        });
        // The runtime must not wait for a look-up of a name that is still going on.
        runtime.shutdown_background();
        exit
    }

    /// Refuses what makes no sense together.
    fn check(&self) -> Result<(), Failure> {
        if self.once {
            if self.limit == 0 || self.limit > MOST_JOBS {
                return Err(Failure::usage(format!("--limit is a number from 1 to {MOST_JOBS}")));
            }
            return Ok(());
        }
        if self.output == TopFormat::Json {
            return Err(Failure::usage("--output json is for --once: the screen is no JSON"));
        }
        if !is_on_terminal(Place::Stdout) {
            return Err(top::off_terminal());
        }
        if self.interval < SHORTEST {
            let message = "--interval is at least 100ms: the relay is asked for all its jobs each time";
            return Err(Failure::usage(message));
        }
        Ok(())
    }

    fn options(self, globals: &Globals) -> Result<TopOptions, Failure> {
        let dialect = dialect_of_jobs(self.dialect.as_deref(), &globals.dialects)?;
        Ok(TopOptions {
            relay: ListClient {
                tls: self.relay.tls.tls()?,
                server: self.relay.server,
                token: self.token.source()?,
                publish_key: self.publish_key,
            },
            interval: self.interval,
            dialects: globals.dialects.clone(),
            abilities: Abilities { color: globals.color.on_stdout(), unicode: locale::is_utf8() },
            order: self.sort.order(),
            filter: RowFilter {
                states: self.state,
                dialect: dialect.map(|dialect| dialect.name.to_string()),
                ..RowFilter::default()
            },
            limit: self.limit,
        })
    }
}

/// Prints a sample, unless a signal comes first.
async fn until_signal(options: &TopOptions, format: OnceFormat) -> Result<Exit> {
    let mut signals = Signals::catch().context("could not catch signals")?;
    tokio::select! {
        exit = top::once(options, format) => Ok(exit?),
        signal = signals.next() => Ok(signal.exit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_known_by_its_name_and_a_slip_names_the_nearest() {
        assert_eq!(state(" Running"), Ok(JobState::Running));
        assert!(state("runing").unwrap_err().contains("did you mean 'running'?"));
    }
}

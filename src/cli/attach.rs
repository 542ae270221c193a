//! `attach`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory as _, ValueEnum, ValueHint};
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::bearer::BearerArgs;
use super::config::with_environment;
use super::locale;
use super::sink::ServerArgs;
use super::values::{dialect_of_jobs, duration, publish_key};
use super::{Cli, Globals, Invocation};
use crate::attach::{self, AttachOptions, AttachReport, ProgressMode};
use crate::dialect::{Dialect, Target};
use crate::exit::{Exit, Failure};
use crate::lists::ListClient;
use crate::net::publish_key::for_server;
use crate::net::shutdown::Signals;
use crate::pick::{PickOptions, Picked, pick};
use crate::screen::{Abilities, Place, is_on_terminal};

/// Watch jobs until they end, or channels: bars, lines or JSON, and the jobs' result as the exit code
///
/// Waits for jobs that have not begun, comes back after a lost connection, and polls meanwhile. Exits 0 when every job
/// succeeded, 1 when one failed, 3 when the server cannot be reached or is lost for good, 4 when it refuses, 8 when the
/// time was up first.
///
/// `--progress json` prints a line for each event, change of a connection, polled state, and at the end one with the result
/// of each job; jobwire-protocol(7) has every field.
///
/// A jobwire relay is watched over one socket for all targets. After a lost connection attach goes on where it was: nothing
/// is missed or shown twice, or a line says that there is a gap. Of another server, what happened meanwhile is missed.
///
/// A terminal that is known to show progress in its tab or taskbar (OSC 9;4) is told that of all jobs together while there are
/// bars.
///
/// DIALECT/* is every job of a dialect, those that begin later included. It goes on until it is interrupted, or with
/// `--until-idle` until nothing runs any more; the newest run of each job makes the exit code.
///
/// Without a target, on a terminal, the jobs that are queued or running are listed, the newest first, to pick from: Space marks
/// one, Enter attaches to the marked ones or to the one under the cursor, `/` finds a text in names and messages, Esc, q or Ctrl-C
/// leaves with exit code 130. The list is drawn on stderr. Elsewhere a missing target is bad usage.
///
/// Channels and rooms have no end: with one among the targets attach runs until it is interrupted (130), the time is up
/// (8) or the server is lost (3), and a resource that fails is shown and changes no exit code.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire attach build-42                              bars on a terminal, lines elsewhere\n  \
    jobwire attach                                       pick from the jobs that are queued or running\n  \
    jobwire attach celery/6b1f0c5e                       a Celery task, which needs no line of code\n  \
    jobwire attach bullmq/videos:1                       a job of a BullMQ queue, which needs none either\n  \
    jobwire attach --timeout 10m downloads/a downloads/b both, but not for ever\n  \
    jobwire attach 'scraping/*' --until-idle 30s         every job, until none has run for 30 s\n  \
    jobwire attach --progress json scraping/123 | jq 'select(.event) | .event.progress'\n  \
    jobwire attach wss://example.com/ws/scraping/123     any server that speaks the contract\n  \
    jobwire attach tasks/7f3a --token-file ~/.token      a task, as its owner\n  \
    jobwire attach --junit report.xml build-42           a test report for the CI server\n  \
    jobwire attach channel:campaigns channel:scrapers room:lead:42\n  \
    jobwire attach channel:emails --events email:bounced --progress plain")]
pub(crate) struct AttachArgs {
    /// Jobs, as in build-42 or scraping/123, every job of a dialect, as in 'scraping/*', channel:NAME, room:KIND:ID, or whole ws:// URLs.
    /// Without one, on a terminal, the jobs that are queued or running are listed to pick from.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,

    #[command(flatten)]
    token: BearerArgs,

    #[command(flatten)]
    relay: ServerArgs,

    /// How to show what happens; auto is bars on a terminal and plain lines elsewhere.
    #[arg(long, value_enum, value_name = "HOW", env = "JOBWIRE_PROGRESS", default_value_t)]
    progress: ProgressChoice,

    /// Show only these kinds of event, comma-separated, as lines or JSON; the exit code goes by all of them.
    #[arg(long, value_name = "KINDS", env = "JOBWIRE_EVENTS", value_delimiter = ',')]
    events: Vec<String>,

    /// End as soon as one job fails.
    #[arg(long, env = "JOBWIRE_FAIL_FAST")]
    fail_fast: bool,

    /// Wait for a new run of a job that has ended.
    #[arg(long, env = "JOBWIRE_NEW")]
    new: bool,

    /// Stop waiting after this time and exit 8.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_TIMEOUT", value_parser = duration)]
    timeout: Option<Duration>,

    /// With DIALECT/*: end when no job has run for this time.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_UNTIL_IDLE", value_parser = duration)]
    until_idle: Option<Duration>,

    /// The relay's publish key, which lets DIALECT/* be watched; a relay of this user on this machine leaves it where attach
    /// finds it.
    #[arg(long, value_name = "KEY", env = "JOBWIRE_PUBLISH_KEY", hide_env_values = true, value_parser = publish_key)]
    publish_key: Option<String>,

    /// Write what came of the jobs as JUnit XML, a test case for each, for CI servers; written at every end, by a signal or
    /// --timeout too.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_JUNIT", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,

    /// Record all that comes, whatever is shown of it: NDJSON with times, which `publish --replay` plays. `-` is stdout. A file that is
    /// there is replaced at the beginning.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_RECORD", value_hint = ValueHint::FilePath)]
    record: Option<PathBuf>,

    /// Failed attempts to connect in a row that are followed by another.
    #[arg(long, value_name = "N", env = "JOBWIRE_RETRIES", default_value_t = 10)]
    retries: u32,

    /// The dialect of targets that name none, in place of jobs, and of ws:// URLs whose path does not tell it.
    #[arg(long, value_name = "NAME", env = "JOBWIRE_DIALECT")]
    dialect: Option<String>,
}

/// How to show what happens, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ProgressChoice {
    /// Bars on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Live bars on stderr.
    Bars,
    /// A line per change on stdout.
    Plain,
    /// NDJSON on stdout.
    Json,
    /// Nothing; the exit code tells.
    Quiet,
}

impl ProgressChoice {
    /// Bars need both: a stdout that goes into a file or a pipe is there to get the lines. And a dumb terminal moves no
    /// cursor.
    pub(super) fn resolve(self) -> Result<ProgressMode, Failure> {
        let terminal = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self {
            Self::Auto if terminal && !dumb && std::io::stdout().is_terminal() => Ok(ProgressMode::Bars),
            Self::Auto | Self::Plain => Ok(ProgressMode::Plain),
            Self::Bars if !terminal => {
                Err(Failure::usage("bars need a terminal on stderr").hint("--progress plain needs none"))
            }
            Self::Bars => Ok(ProgressMode::Bars),
            Self::Json => Ok(ProgressMode::Json),
            Self::Quiet => Ok(ProgressMode::Quiet),
        }
    }
}

impl AttachArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().context("could not start")?;
        let options = if self.targets.is_empty() {
            if !is_on_terminal(Place::Stderr) {
                return Err(no_target(&globals.invocation));
            }
            let dialect = dialect_of_jobs(self.dialect.as_deref(), &globals.dialects)?;
            // Nobody picks jobs for options that are refused then.
            let options = self.options(globals, Vec::new())?;
            if let Some(dialect) = &dialect {
                options.check_for(&[dialect])?;
            } else {
                let all = globals.dialects.iter().map(|(_, dialect)| &**dialect);
                let with_jobs: Vec<_> = all.filter(|dialect| dialect.channels.is_none()).collect();
                options.check_for(&with_jobs)?;
            }
            match runtime.block_on(pick(&pick_options(&options, dialect.as_deref(), globals)))? {
                Picked::Jobs(names) => AttachOptions { targets: listed(&names, globals)?, ..options },
                Picked::None(exit) => return Ok(exit),
            }
        } else {
            let targets = self.targets(globals)?;
            self.options(globals, targets)?
        };
        let (report, signal) = runtime.block_on(until_signal(options))?;
        match (signal, report.problem) {
            (Some(exit), problem) if report.exit == Exit::Interrupted => match problem {
                Some(problem) => Err(Failure { exit, ..problem }.into()),
                None => Ok(exit),
            },
            (_, Some(problem)) => Err(problem.into()),
            (_, None) => Ok(report.exit),
        }
    }

    /// Relay to ask for jobs while the command line is typed; `None` where a flag is invalid.
    pub(super) fn asked(self) -> Option<Asked> {
        let token = match self.token.source().ok()? {
            Some(source) => Some(source.read().ok()?),
            None => None,
        };
        let key = self.publish_key.or_else(|| token.map(|token| token.as_str().to_owned()));
        Some(Asked {
            bearer: key.or_else(|| for_server(&self.relay.server)),
            tls: self.relay.tls.quiet()?,
            server: self.relay.server,
        })
    }

    /// The targets that were typed.
    fn targets(&self, globals: &Globals) -> Result<Vec<Target>, Failure> {
        let parse = |text: &String| {
            Target::parse(text, &globals.dialects, self.dialect.as_deref())
                .map_err(|error| Failure::usage(error.to_string()))
        };
        self.targets.iter().map(parse).collect()
    }

    fn options(self, globals: &Globals, targets: Vec<Target>) -> Result<AttachOptions, Failure> {
        let token = self.token.source()?;
        let tls = self.relay.tls.tls()?;
        let progress = self.progress.resolve()?;
        let color = match progress {
            ProgressMode::Bars => globals.color.on_stderr(),
            _ => globals.color.on_stdout(),
        };
        Ok(AttachOptions {
            token,
            tls,
            progress,
            color,
            events: self.events,
            fail_fast: self.fail_fast,
            new: self.new,
            timeout: self.timeout,
            retries: self.retries,
            until_idle: self.until_idle,
            publish_key: self.publish_key,
            junit: self.junit,
            record: self.record,
            ..AttachOptions::new(targets, self.relay.server)
        })
    }
}

/// Settings of the list to pick from, for these settings of attach.
fn pick_options(options: &AttachOptions, dialect: Option<&Dialect>, globals: &Globals) -> PickOptions {
    PickOptions {
        relay: ListClient {
            server: options.server.clone(),
            tls: options.tls.clone(),
            token: options.token.clone(),
            publish_key: options.publish_key.clone(),
        },
        dialect: dialect.map(|dialect| dialect.name.to_string()),
        abilities: Abilities { color: globals.color.on_stderr(), unicode: locale::is_utf8() },
    }
}

/// The targets of jobs that a relay lists, whatever characters are in their names.
fn listed(names: &[String], globals: &Globals) -> Result<Vec<Target>, Failure> {
    let target = |name: &String| {
        Target::listed(name, &globals.dialects).map_err(|error| {
            Failure::usage(error.to_string()).hint("--dialect-file loads a dialect that only the relay has")
        })
    };
    names.iter().map(target).collect()
}

/// The error of a command line without a target, as of one without a required argument.
fn no_target(invocation: &Invocation) -> anyhow::Error {
    let required = |attach: clap::Command| attach.mut_arg("targets", |targets| targets.required(true));
    let command = with_environment(Cli::command()).mut_subcommand("attach", required);
    match command.try_get_matches_from(&invocation.args) {
        Err(error) => error.into(),
        Ok(_) => Failure::usage("a target is missing").into(),
    }
}

/// Attaches until it is over or a signal says so; the second is what that signal makes of the exit code.
async fn until_signal(options: AttachOptions) -> Result<(AttachReport, Option<Exit>)> {
    let stop = CancellationToken::new();
    let mut signals = Signals::catch().context("could not catch signals")?;
    let attached = attach::run(options, None, stop.clone());
    tokio::pin!(attached);
    let exit = tokio::select! {
        report = &mut attached => return Ok((report?, None)),
        signal = signals.next() => signal.exit(),
    };
    stop.cancel();
    Ok((attached.await?, Some(exit)))
}

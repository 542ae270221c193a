//! `run`: its flags, and the options made from them.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use rand::RngExt as _;

use super::Globals;
use super::dialect_files::{DIALECT_FILES, dialect_files};
use super::sink::SinkArgs;
use super::values::duration;
use crate::dialect::{Dialects, Target};
use crate::emit::SinkOptions;
use crate::exit::{Exit, Failure};
use crate::progress::{PatternError, ProgressPattern};
use crate::run::{self, CommandLine, PtyChoice, RunOptions, name_of};
use crate::wire::redis::redis_environment;

const EXAMPLES: &str = "\
Examples:
  jobwire run -- make -j8
  jobwire run build-42 -- cargo build --release
  jobwire run nightly --log -- ./backup.sh
  jobwire run -- rsync -a --info=progress2 photos/ host:photos/
  jobwire run --progress-regex 'epoch (?<step>\\d+)/(?<total>\\d+)' -- ./train
  jobwire run --redis redis://db:6379 --durable etl -- python3 etl.py

The command's output passes through as it is, and its exit code becomes that of jobwire. What it writes is looked at for progress: 45%, [12/80], 12 of 80, and what \
ffmpeg, pv, rsync, curl, wget, tqdm, cargo, pytest and make write. Where stdout or stderr is a terminal the command has \
one too, of the same size, so that it draws as it would by itself.

Inside the command JOBWIRE_TARGET names the job, and other variables where it is told of, so that this reports to the same job:
  jobwire publish \"$JOBWIRE_TARGET\" progress percent=50 message=halfway

The job ends as succeeded where the command exits with 0, as cancelled where INT or TERM ended it or was passed on to it, and \
as failed otherwise, with its exit code or signal. What is sent to jobwire alone is passed on; a second INT or TERM kills the command.

The command never waits for its reporting. While Redis or the relay is away the newest progress waits, with what must not be \
lost, and at its end at most 2 seconds are spent on the last word. What could not be told is said on stderr. Of lines (--log) the newest \
1,000 wait, and those left out are counted.

Events go to Redis where a URL is set, by --redis or in JOBWIRE_REDIS or REDIS_URL, and to the relay at --server where \
none is.

Exit codes: 2 bad usage or configuration, and nothing was run; 126 the command cannot be run; 127 there is no such command; else \
the command's own code, or 128 and the number of the signal that ended it.";

/// Shortest time between two heartbeats, which is also the shortest time between two progress events.
const LEAST_SILENCE: Duration = Duration::from_millis(100);

/// Run a command and tell of it as a job: start, progress, end
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES, override_usage = "jobwire run [OPTIONS] [TARGET] -- COMMAND [ARG]...")]
pub(super) struct RunArgs {
    /// The job, as in build-42 or jobs/build-42 [default: the command's name and four letters].
    target: Option<String>,

    /// The command and its arguments, after `--`.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// When the command's output goes through a pseudoterminal.
    #[arg(long, value_enum, value_name = "WHEN", env = "JOBWIRE_PTY", default_value_t)]
    pty: PtyFlag,

    /// Find progress by this regular expression, whose named groups are percent (0 to 100), step, total and message, in place
    /// of the forms that are built in.
    #[arg(long, value_name = "REGEX", env = "JOBWIRE_PROGRESS_REGEX")]
    progress_regex: Option<String>,

    /// Publish the lines of the output too.
    #[arg(long, env = "JOBWIRE_LOG")]
    log: bool,

    /// Publish the whole command line rather than the program's name.
    #[arg(long, env = "JOBWIRE_SHOW_COMMAND")]
    show_command: bool,

    /// Publish the newest progress again after a silence of this length, as in 30s, for relays that start later.
    #[arg(long, value_name = "TIME", env = "JOBWIRE_HEARTBEAT", value_parser = silence)]
    heartbeat: Option<Duration>,

    /// Do not say how to watch the job.
    #[arg(long, env = "JOBWIRE_QUIET")]
    quiet: bool,

    #[command(flatten)]
    sink: SinkArgs,
}

/// When the command's output goes through a pseudoterminal, as written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum PtyFlag {
    /// For a stream that is a terminal.
    #[default]
    Auto,
    /// Always, so that a command draws as on a terminal.
    Always,
    /// Never.
    Never,
}

impl RunArgs {
    pub(super) fn run(self, globals: &Globals) -> Result<Exit> {
        let options = self.resolve(globals)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("could not start the runtime")?;
        let exit = runtime.block_on(run::run(options, &mut anstream::stderr()));
        // The runtime must not wait for a look-up of a name that is still going on.
        runtime.shutdown_background();
        exit
    }

    fn resolve(self, globals: &Globals) -> Result<RunOptions, Failure> {
        let mut words = self.command.into_iter();
        let program = words.next().ok_or_else(|| Failure::usage("run needs a command after --"))?;
        let (dialect, job) = job(self.target.as_deref(), &program, &globals.dialects)?;
        let pattern = self.progress_regex.as_deref().map(ProgressPattern::new).transpose();
        let pattern = pattern.map_err(|error| {
            Failure::usage(format!("--progress-regex: {error}")).hint(PatternError::hint())
        })?;
        let mut environment = vec![set("JOBWIRE_TARGET", format!("{}/{job}", dialect.name))];
        let files = dialect_files(&globals.dialect_files);
        environment.extend(files.map(|files| (DIALECT_FILES.into(), Some(files))));
        let sink = self.sink.options()?;
        match &sink {
            SinkOptions::Redis { url, durable } => {
                environment.extend(of_redis(url));
                environment.extend(durable.then(|| set("JOBWIRE_DURABLE", "true".to_owned())));
            }
            SinkOptions::Http { server, key, .. } => {
                environment.push(set("JOBWIRE_SERVER", server.to_string()));
                environment.extend(key.clone().map(|key| set("JOBWIRE_PUBLISH_KEY", key)));
                let trust = self.sink.relay.tls.environment();
                environment.extend(trust.into_iter().map(|(name, value)| (name.into(), Some(value))));
            }
        }
        Ok(RunOptions {
            command: CommandLine { program, args: words.collect(), environment },
            dialect,
            job,
            sink,
            pty: match self.pty {
                PtyFlag::Auto => PtyChoice::Auto,
                PtyFlag::Always => PtyChoice::Always,
                PtyFlag::Never => PtyChoice::Never,
            },
            pattern,
            logs: self.log,
            heartbeat: self.heartbeat,
            shows_command: self.show_command,
            quiet: self.quiet,
        })
    }
}

/// A variable of the command's environment.
fn set(name: &str, value: String) -> (OsString, Option<OsString>) {
    (name.into(), Some(value.into()))
}

/// Variables by which a jobwire inside the command finds the same Redis; none where the command inherits them.
fn of_redis(url: &str) -> Vec<(OsString, Option<OsString>)> {
    let is_known =
        ["JOBWIRE_REDIS", "REDIS_URL"].iter().find_map(std::env::var_os).is_some_and(|own| own == url);
    if is_known {
        return Vec::new();
    }
    redis_environment(url).map(|(name, value)| (name.into(), value)).collect()
}

/// Dialect and name of the job.
fn job(
    target: Option<&str>,
    program: &OsString,
    dialects: &Dialects,
) -> Result<(std::sync::Arc<crate::dialect::Dialect>, String), Failure> {
    let text = target.map_or_else(|| usual_job(program), str::to_owned);
    match Target::parse(&text, dialects, None).map_err(|error| Failure::usage(error.to_string()))? {
        Target::Job { dialect, job } => Ok((dialect, job)),
        _ => Err(Failure::usage(format!(
            "run tells of one job, as in build-42; got '{}'",
            text.escape_debug()
        ))
        .hint("a name without a dialect is a job of jobs")),
    }
}

/// Parses the time between two heartbeats.
fn silence(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        time if time < LEAST_SILENCE => {
            Err("a heartbeat comes at most ten times a second, as in 30s".to_owned())
        }
        time => Ok(time),
    }
}

/// Default name of a job: the name of the program and four random letters.
fn usual_job(program: &OsString) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = name_of(program).chars().map(|c| if is_plain(c) { c } else { '-' }).take(60).collect();
    let letters: String = (0..4).map(|_| char::from(rand::rng().random_range(b'a'..=b'z'))).collect();
    // Other programs would take a name that begins with a dash for a flag.
    let name = name.trim_start_matches('-');
    format!("jobs/{}-{letters}", if name.is_empty() { "command" } else { name })
}

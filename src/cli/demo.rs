//! `demo`.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueHint};
use tokio_util::sync::CancellationToken;

use super::Globals;
use super::attach::ProgressChoice;
use super::recording::{self, Recording, parse_speed};
use super::values::duration;
use crate::demo::{self, DemoOptions, DemoSource};
use crate::dialect::Dialects;
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;
use crate::outfile::print;
use crate::publish::replay::{ReplayOptions, Speed};
use crate::publish::scenario::{DEMO_OWNER, ScenarioOptions};
use crate::text::printable_lines;

/// The share of scrapers that fail: some do even where every job succeeds.
const PART_FAIL_RATE: f64 = 0.15;

/// See it all at once: a relay, simulated jobs and their bars, with nothing to install
///
/// Starts an embedded relay on a free port, simulates scraping jobs, downloads, recipe tasks, an outreach platform with its
/// campaigns and channels, builds in the neutral dialect jobs, and a Celery task, and watches them over real sockets. Ends by itself with a summary: jobs by outcome, events, and the delivery latency from publish to receipt.
///
/// With `--replay` it shows a recording of `attach --record` instead, and exits as its jobs end. A line of it that cannot be played is
/// reported with its number before it begins; the exit code is then 1.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire demo\n  \
    jobwire demo --jobs 50 --duration 30s\n  \
    jobwire demo --fail-rate 0.2 --seed 7    the same jobs fail every time; exits 1\n  \
    jobwire demo --replay run.ndjson --speed 2")]
pub(crate) struct DemoArgs {
    /// How long all of it takes.
    #[arg(long, value_name = "DURATION", env = "JOBWIRE_DURATION", default_value = "15s", value_parser = duration)]
    duration: Duration,

    /// Jobs, shared out among the dialects.
    #[arg(long, value_name = "COUNT", env = "JOBWIRE_JOBS", default_value_t = 8)]
    jobs: u32,

    /// The share of jobs that fail, 0 to 1; with any the demo exits 1.
    #[arg(long, value_name = "SHARE", env = "JOBWIRE_FAIL_RATE", default_value_t = 0.0)]
    fail_rate: f64,

    /// The same seed gives the same jobs [default: a random one, shown at the end].
    #[arg(long, value_name = "NUMBER", env = "JOBWIRE_SEED")]
    seed: Option<u64>,

    /// Show the events of a recording (`attach --record`) in place of simulated jobs; `-` is standard input.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_REPLAY", value_hint = ValueHint::FilePath, conflicts_with_all = ["duration", "jobs", "fail_rate", "seed"])]
    replay: Option<PathBuf>,

    /// With --replay: how much faster than it was recorded to go; max leaves out the pauses.
    #[arg(long, value_name = "FACTOR", env = "JOBWIRE_SPEED", default_value = "1", value_parser = parse_speed, requires = "replay")]
    speed: Speed,

    /// How to show it; auto: bars on a terminal, plain lines elsewhere.
    #[arg(long, value_enum, value_name = "MODE", env = "JOBWIRE_PROGRESS", default_value_t)]
    progress: ProgressChoice,
}

impl DemoArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let seed = self.seed.unwrap_or_else(rand::random);
        let (source, bad_lines) = match &self.replay {
            Some(path) => self.recording(path, &globals.dialects)?,
            None => (self.simulated(seed), 0),
        };
        let is_simulated = self.replay.is_none();
        let options =
            DemoOptions { source, progress: self.progress.resolve()?, color: globals.color.on_stderr() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = runtime.block_on(async {
            let mut signals = Signals::catch().context("could not catch signals")?;
            let stop = CancellationToken::new();
            let run = demo::run(options, &globals.dialects, stop.clone());
            let mut run = std::pin::pin!(run);
            tokio::select! {
                report = &mut run => report.map(|report| (report, None)),
                signal = signals.next() => {
                    stop.cancel();
                    // Once more: the terminal is to be left as it was found.
                    run.await.map(|report| (report, Some(signal.exit())))
                }
            }
        });
        let (report, interrupted) = report.map_err(as_usage)?;
        let seed = if is_simulated { format!("seed      {seed}\n") } else { String::new() };
        let summary = format!("\n{}{seed}", report.summary());
        print(&summary)?;
        let exit = match report.attach.exit {
            Exit::Success | Exit::StillRunning if bad_lines > 0 => Exit::Failure,
            exit => exit,
        };
        Ok(interrupted.unwrap_or(exit))
    }

    fn simulated(&self, seed: u64) -> DemoSource {
        DemoSource::Scenario(ScenarioOptions {
            jobs: self.jobs,
            duration: self.duration,
            speed: 1.0,
            fail_rate: self.fail_rate,
            part_fail_rate: PART_FAIL_RATE,
            seed,
            first_job: None,
            owner: DEMO_OWNER.to_owned(),
        })
    }

    /// The recording, and the number of its lines that cannot be played. What is wrong with them is told here, since there are
    /// bars later.
    fn recording(&self, path: &Path, dialects: &Dialects) -> Result<(DemoSource, u64), Failure> {
        let speed = recording::speed(self.speed)?;
        let options = ReplayOptions {
            dialects: dialects.clone(),
            speed,
            renamed: None,
            is_durable: false,
            misplaced: None,
        };
        let file = if recording::is_stdin(path) {
            recording::spooled(std::io::stdin(), path)?
        } else {
            let file = recording::open(path)?;
            if recording::is_whole(&file) { file } else { recording::spooled(file, path)? }
        };
        let Recording { file, mut survey } = Recording::read(file, path, &options)?;
        for (line, error) in &survey.bad {
            let _ =
                writeln!(anstream::stderr(), "{}", printable_lines(&format!("error: line {line}: {error}")));
        }
        let more = survey.bad_lines - survey.bad.len() as u64;
        if more > 0 {
            let _ = writeln!(anstream::stderr(), "error: {more} lines more cannot be played");
        }
        if let Some(nothing) = survey.nothing.take() {
            return Err(nothing);
        }
        let bad_lines = survey.bad_lines;
        let options = ReplayOptions { misplaced: Some(survey.misplaced.clone()), ..options };
        let input = Box::new(BufReader::with_capacity(recording::BUFFER, file));
        Ok((DemoSource::Recording { survey, input, options }, bad_lines))
    }
}

/// An option that makes no sense is bad usage.
fn as_usage(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<crate::publish::scenario::ScenarioError>() {
        Ok(error) => Failure::usage(error.to_string()).into(),
        Err(error) => error,
    }
}

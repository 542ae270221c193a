//! `demo`.

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::Globals;
use super::attach::ProgressChoice;
use super::values::duration;
use crate::demo::{self, DemoOptions};
use crate::exit::{Exit, Failure};
use crate::net::shutdown::Signals;
use crate::outfile::print;
use crate::publish::scenario::{DEMO_OWNER, ScenarioOptions};

/// The share of scrapers that fail: some do even where every job succeeds.
const PART_FAIL_RATE: f64 = 0.15;

/// See it all at once: a relay, simulated jobs and their bars, with nothing to install
///
/// Starts an embedded relay on a free port, simulates scraping jobs, downloads, recipe tasks, an outreach platform with its
/// campaigns and channels, builds in the neutral dialect jobs, and a Celery task, and watches them over real sockets. Ends by itself with a summary: jobs by outcome, events, and the delivery latency from publish to receipt.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    jobwire demo\n  \
    jobwire demo --jobs 50 --duration 30s\n  \
    jobwire demo --fail-rate 0.2 --seed 7    the same jobs fail every time; exits 1")]
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

    /// How to show it; auto: bars on a terminal, plain lines elsewhere.
    #[arg(long, value_enum, value_name = "MODE", env = "JOBWIRE_PROGRESS", default_value_t)]
    progress: ProgressChoice,
}

impl DemoArgs {
    pub(crate) fn run(self, globals: &Globals) -> Result<Exit> {
        let seed = self.seed.unwrap_or_else(rand::random);
        let options = DemoOptions {
            scenario: ScenarioOptions {
                jobs: self.jobs,
                duration: self.duration,
                speed: 1.0,
                fail_rate: self.fail_rate,
                part_fail_rate: PART_FAIL_RATE,
                seed,
                first_job: None,
                owner: DEMO_OWNER.to_owned(),
            },
            progress: self.progress.resolve()?,
            color: globals.color.on_stderr(),
        };
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
        let summary = format!("\n{}seed      {seed}\n", report.summary());
        print(&summary)?;
        Ok(interrupted.unwrap_or(report.attach.exit))
    }
}

/// An option that makes no sense is bad usage.
fn as_usage(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<crate::publish::scenario::ScenarioError>() {
        Ok(error) => Failure::usage(error.to_string()).into(),
        Err(error) => error,
    }
}

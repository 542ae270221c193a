//! Watching jobs, and streams of events of many resources: sockets, a board of the states, and a renderer; the exit code
//! is the jobs' result.
//!
//! [`run`] starts a follower per job, and one for all channels and rooms together. They report over one bounded channel
//! to a single loop, which puts every report on the [`board`] and shows it. A job's first ending that counts closes its socket.

mod access;
pub(crate) mod board;
mod follow;
pub(crate) mod job;
mod junit;
mod options;
mod pace;
mod place;
mod poll;
mod record;
mod render;
mod report;
mod retry;
mod shared;
mod state;
pub(crate) mod stream;
mod telling;
mod verdict;
mod watch;

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use crate::exit::{Exit, Failure};
use crate::outfile::OutFile;
use junit::Junit;
pub(crate) use options::{AttachOptions, ProgressMode};
use record::Recording;
use render::{Bars, Filter, Json, Paint, PlainLines, Quiet, Renderer};
use report::Timing;

/// Called with the target's name, the text and the time of every text frame, as soon as it was read.
pub(crate) type Observer = Arc<dyn Fn(&str, &str, Instant) + Send + Sync>;

/// How it ended.
#[derive(Debug)]
pub(crate) struct AttachReport {
    /// What to exit with.
    pub exit: Exit,
    /// How many jobs are in which state.
    pub tally: board::Tally,
    /// Text frames of the jobs' sockets, and events of the streams.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests count by it"))]
    pub events: u64,
    /// What to tell the user, unless the jobs themselves say it all.
    pub problem: Option<Failure>,
}

impl AttachReport {
    /// Adds the result of writing a file. A failure of the jobs is more important.
    #[must_use]
    fn with(self, written: Result<(), Failure>) -> Self {
        match written {
            Err(failure) if self.exit == Exit::Success => {
                Self { exit: failure.exit, problem: Some(failure), ..self }
            }
            Err(failure) => {
                tracing::warn!("{failure}");
                self
            }
            Ok(()) => self,
        }
    }
}

/// Watches the targets until every job has ended, the time is up, a server is lost, or `stop` is cancelled. A stream
/// does not end.
///
/// What the jobs do is shown as `options` say, on this process's stdout or stderr. A `stop` is reported as
/// [`Exit::Interrupted`]; who cancelled for another reason knows better.
///
/// # Errors
/// Only those of the options ([`Exit::Usage`]) and of standard output; a closed pipe there is none.
pub(crate) async fn run(
    options: AttachOptions,
    observer: Option<Observer>,
    stop: CancellationToken,
) -> anyhow::Result<AttachReport> {
    options.check()?;
    let junit = options.junit.as_deref().map(|path| OutFile::open("--junit", path, &[])).transpose()?;
    let others: Vec<&OutFile> = junit.iter().collect();
    let record =
        options.record.as_deref().map(|path| OutFile::open("--record", path, &others)).transpose()?;
    // The recording begins here: no error of the options can follow.
    let recording = Recording::new(record.map(OutFile::stream).transpose()?, &options.places());
    let paint = Paint::new(options.color);
    let filter = Filter(options.events.clone());
    let renderer: Box<dyn Renderer> = match options.progress {
        ProgressMode::Bars => Box::new(Bars::stderr(paint, filter, jiff::tz::TimeZone::system())),
        ProgressMode::Plain => Box::new(PlainLines::stdout(filter, paint, jiff::tz::TimeZone::system())),
        ProgressMode::Json => Box::new(Json::stdout(filter)),
        ProgressMode::Quiet => Box::new(Quiet),
    };
    let outputs = watch::Outputs { renderer, junit: Junit::new(junit), recording };
    let watched = watch::watch(&options, observer, &stop, outputs, Timing::default()).await;
    watched.map_err(|error| match options.progress {
        ProgressMode::Bars => anyhow::Error::new(error).context("could not draw on the terminal"),
        _ => Failure::stdout(&error).into(),
    })
}

#[cfg(test)]
mod tests;

//! Emitting events: a source (arguments, standard input, a scenario), a pace, and a sink (Redis, or a relay over HTTP);
//! each goes with each.

mod announce;
pub mod line;
pub mod outgoing;
mod pace;
pub mod scenario;
mod sink;
mod source;

use std::io::Write;

use anyhow::Context;
use jiff::Timestamp;
use tokio::io::AsyncBufRead;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::line::Lines;
use self::outgoing::Outgoing;
use self::pace::Pace;
use self::scenario::Scenario;
use self::sink::Sink;
pub use self::sink::SinkOptions;
use self::source::{Next, Source};
use crate::exit::{Exit, Failure};
use crate::text::printable_lines;

/// What to publish, where, and how fast.
#[derive(Debug)]
pub struct PublishOptions {
    /// Where events come from.
    pub source: SourceOptions,
    /// Where they go.
    pub sink: SinkOptions,
    /// At most so many a second; positive and finite. A scenario has its own times.
    pub rate: Option<f64>,
    /// An event that reaches nobody is a failure.
    pub require_subscribers: bool,
}

/// Where events come from.
#[derive(Debug)]
pub enum SourceOptions {
    /// One event, this many times, each with its own timestamp.
    Event {
        /// The event.
        event: Outgoing,
        /// How often.
        repeat: u64,
    },
    /// One event a line.
    Lines(Lines),
    /// Simulated jobs.
    Scenario {
        /// The planned steps.
        scenario: Scenario,
        /// What repeats them, for the summary.
        seed: u64,
    },
}

/// What has happened so far.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    bad_lines: u64,
    /// Of the first event that nobody got, what to say.
    nobody: Option<String>,
}

/// Publishes until the source ends or `stop`. `input` is standard input, read only for [`SourceOptions::Lines`]; what
/// there is to say goes to `notes`. Errors are [`Failure`]s wherever the user can act.
pub async fn run(
    options: PublishOptions,
    input: impl AsyncBufRead + Unpin,
    notes: &mut impl Write,
    stop: CancellationToken,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let pace = Pace::new(start, options.rate);
    let mut summary = None;
    let source = match options.source {
        SourceOptions::Event { event, repeat } => Source::Event { event: Box::new(event), left: repeat },
        SourceOptions::Lines(lines) => Source::lines(input, lines),
        SourceOptions::Scenario { scenario, seed } => {
            for line in announce::announce(&scenario, &options.sink) {
                note(notes, &line);
            }
            summary = Some((scenario.jobs().count(), seed));
            Source::Scenario(Box::new(scenario))
        }
    };
    let mut pump = Pump { tally: Tally::default(), notes, quiet: options.require_subscribers };
    let finished = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        result = pump.run(options.sink, source, pace) => Some(result),
    };
    let tally = pump.tally;
    let failed = finished.as_ref().is_some_and(Result::is_err);
    if let Some((jobs, seed)) = summary.filter(|_| !failed) {
        let (sent, seconds) = (tally.sent, start.elapsed().as_secs_f64());
        note(notes, &format!("published {sent} events of {jobs} jobs in {seconds:.1} s (seed {seed})"));
    }
    match finished {
        None => return Ok(Exit::Interrupted),
        Some(result) => result?,
    }
    match tally.nobody {
        Some(nobody) if options.require_subscribers => Err(Failure::new(Exit::Failure, nobody).into()),
        _ if tally.bad_lines > 0 => Ok(Exit::Failure),
        _ => Ok(Exit::Success),
    }
}

struct Pump<'a, W> {
    tally: Tally,
    notes: &'a mut W,
    /// Nobody being there is the caller's to report.
    quiet: bool,
}

impl<W: Write> Pump<'_, W> {
    async fn run(
        &mut self,
        sink: SinkOptions,
        mut source: Source<impl AsyncBufRead + Unpin>,
        mut pace: Pace,
    ) -> anyhow::Result<()> {
        let sink = Sink::open(sink).await?;
        while let Some(next) = source.next().await.context("could not read standard input")? {
            match next {
                Next::Bad(line, error) => {
                    self.tally.bad_lines += 1;
                    note(self.notes, &format!("error: line {line}: {error}"));
                }
                Next::Event(event, at) => {
                    if let Some(due) = pace.next(at, Instant::now()) {
                        tokio::time::sleep_until(due).await;
                    }
                    self.send(&sink, &event).await?;
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, sink: &Sink, event: &Outgoing) -> Result<(), Failure> {
        let payload = event.payload(Timestamp::now()).map_err(|error| Failure::usage(error.to_string()))?;
        let channel = event.channel();
        // First, so that a relay which reads it back knows no less than one that hears of it.
        if !sink.register(&event.dialect, &channel, &payload).await? {
            let (dialect, job) = (&event.dialect.name, event.job.escape_debug());
            note(self.notes, &format!("warning: {dialect}/{job} has another owner already, who stays"));
        }
        let reach = sink.publish(&channel, payload).await?;
        self.tally.sent += 1;
        // What no socket is to get has reached whom it is for.
        let is_hidden = || {
            let payload = event.payload(Timestamp::now()).unwrap_or_default();
            let event = event.dialect.decode(channel.as_bytes(), payload.as_bytes());
            event.is_ok_and(|event| event.kind.is_some_and(|kind| kind.hidden))
        };
        if reach.is_nobody() && self.tally.nobody.is_none() && !(reach.is_at_a_relay() && is_hidden()) {
            let nobody = sink.nobody(&event.dialect, &channel, reach);
            if !self.quiet {
                let is_kept = reach.is_at_a_relay() && event.dialect.channels.is_none();
                note(self.notes, &format!("{}: {nobody}", if is_kept { "note" } else { "warning" }));
            }
            self.tally.nobody = Some(nobody);
        }
        Ok(())
    }
}

/// Prints a line. A stderr that nobody reads is no reason to stop publishing.
fn note(notes: &mut impl Write, text: &str) {
    let _ = writeln!(notes, "{}", printable_lines(text));
}

#[cfg(test)]
mod tests;

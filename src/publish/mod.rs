//! Emitting events: a source (arguments, standard input, a recording, a scenario), a pace, and a sink (channels or streams of Redis, or a
//! relay over HTTP); each goes with each.

mod announce;
mod backlog;
pub(crate) mod ending;
pub(crate) mod line;
mod pace;
mod probe;
mod pump;
pub(crate) mod replay;
pub(crate) mod scenario;
mod source;

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncBufRead;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::backlog::Message;
use self::line::InputLines;
use self::pace::Pace;
use self::pump::{FileSource, MOST_OTHERS, MOST_STREAMS, Persistence, Pump, Tally, unsent};
use self::replay::{Replay, ReplayOptions, ReplaySource, ReplayTally};
use self::scenario::Scenario;
use self::source::Source;
use crate::emit::{Outgoing, Sink, SinkOptions};
use crate::exit::{Exit, Failure};
use crate::text::{counted, printable_lines};

/// Settings of `publish`.
#[derive(Debug)]
pub(crate) struct PublishOptions {
    /// Source of the events.
    pub source: SourceOptions,
    /// Sink of the events.
    pub sink: SinkOptions,
    /// Largest number of events a second; positive and finite. A scenario has its own times.
    pub rate: Option<f64>,
    /// Time for which a sink that is away is tried again: from the end of standard input or a scenario on (default
    /// [`PATIENCE`]), and for a first event (default: not at all).
    pub patience: Option<Duration>,
    /// An event that reaches nobody is a failure.
    pub require_subscribers: bool,
    /// Standard input is a terminal: nobody is killed where it is no longer read.
    pub is_typed: bool,
    /// Whether to print errors only, without notes and warnings.
    pub is_quiet: bool,
}

/// Source of events.
#[derive(Debug)]
pub(crate) enum SourceOptions {
    /// One event, sent several times, each with its own timestamp.
    Event {
        /// The event.
        event: Outgoing,
        /// Number of times.
        repeat: u64,
    },
    /// Events that are read from lines.
    Lines(InputLines),
    /// A recording.
    Replay {
        /// How it is played.
        options: ReplayOptions,
        /// Count of the events, and the time that they take, where the input is a file, which can wait.
        file: Option<(u64, Duration)>,
    },
    /// Simulated jobs.
    Scenario {
        /// The planned steps.
        scenario: Scenario,
        /// Seed of the steps, for the summary.
        seed: u64,
    },
}

/// Longest time for the event that ends a job whose publisher was interrupted.
const ENDING_TIMEOUT: Duration = Duration::from_secs(2);

/// Default time for which a sink that is away is tried again after the end of a source.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes until the source ends or `stop`. `input` is standard input or a recording, read only for [`SourceOptions::Lines`]
/// and [`SourceOptions::Replay`], and then to its end, unless `stop` comes first; what there is to say goes to `notes`. Errors
/// are [`Failure`]s wherever the user can act.
pub(crate) async fn run(
    options: PublishOptions,
    input: impl AsyncBufRead + Unpin,
    notes: &mut (impl Write + Send),
    stop: CancellationToken,
) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let persistence = options.persistence();
    // The times of a scenario and of a recording are their own.
    let is_timed = matches!(options.source, SourceOptions::Scenario { .. } | SourceOptions::Replay { .. });
    let rate = options.rate.filter(|_| !is_timed);
    let (is_quiet, mut summary, mut interrupted) = (options.is_quiet, None, None);
    let source = match options.source {
        SourceOptions::Event { event, repeat } => Source::Event { event: Box::new(event), left: repeat },
        SourceOptions::Lines(lines) => {
            interrupted = lines.interrupted();
            Source::lines(input, lines)
        }
        SourceOptions::Replay { options, .. } => {
            let replay = Replay::new(options);
            summary = Some(Summary::Recording(replay.tally()));
            Source::Replay(Box::new(ReplaySource::new(input, replay)))
        }
        SourceOptions::Scenario { scenario, seed } => {
            for line in announce::announce(&scenario, &options.sink) {
                if !is_quiet {
                    note(notes, &line);
                }
            }
            summary = Some(Summary::Scenario { jobs: scenario.jobs().count(), seed });
            Source::Scenario(Box::new(scenario))
        }
    };
    let sink = Sink::new(options.sink)?;
    let pump = Pump::new(notes, persistence, is_quiet, options.require_subscribers);
    let finished = pump.run(&sink, source, Pace::new(start, rate), &stop).await;
    let is_cut_off = finished.is_none() && interrupted.is_some();
    let ending = if is_cut_off { pump.take_ending() } else { None };
    let (tally, is_run_over) = (pump.tally(), pump.is_run_over());
    let failed = finished.as_ref().is_some_and(Result::is_err);
    let played = summary.as_ref().map_or(Ok(()), Summary::check);
    let summary = summary.filter(|_| (!failed || tally.sent > 0) && played.is_ok());
    if let Some(error) = more_than_told(&tally) {
        note(notes, &error);
    }
    let lines = summary.map(|summary| summary.lines(&tally, start.elapsed().as_secs_f64()));
    for line in lines.into_iter().flatten().chain(added(&tally)).filter(|_| !is_quiet) {
        note(notes, &line);
    }
    match finished {
        None => {
            let interrupted = interrupted.filter(|_| !is_run_over && ending.is_none());
            let lost = tally.lost + tally.waiting + ending_lost(&sink, ending, interrupted).await;
            if lost > 0 && !is_quiet {
                note(notes, &format!("warning: {}", unsent(lost)));
            }
            return Ok(Exit::Interrupted);
        }
        Some(result) => result?,
    }
    played?;
    exit_of(tally, options.require_subscribers)
}

/// Exit code of a source that was read to its end.
fn exit_of(tally: Tally, require_subscribers: bool) -> anyhow::Result<Exit> {
    match tally.nobody {
        _ if tally.lost > 0 => Err(Failure::new(Exit::Failure, unsent(tally.lost)).into()),
        Some(nobody) if require_subscribers => Err(Failure::new(Exit::Failure, nobody).into()),
        _ if tally.bad_lines > 0 => Ok(Exit::Failure),
        _ => Ok(Exit::Success),
    }
}

/// Error that counts the lines of another dialect than that of `--as` whose own errors were not printed.
fn more_than_told(tally: &Tally) -> Option<String> {
    let more = tally.other_than_as.checked_sub(MOST_OTHERS).filter(|more| *more > 0)?;
    Some(format!("error: {} more of another dialect than that of --as", counted(more, "line")))
}

impl PublishOptions {
    /// Limits of the time for which a sink that is away is tried again. By default a single event does not wait, and a
    /// scenario does not begin without its sink.
    fn persistence(&self) -> Persistence {
        let is_read = match self.source {
            SourceOptions::Lines(_) => true,
            SourceOptions::Replay { file, .. } => file.is_none(),
            SourceOptions::Event { .. } | SourceOptions::Scenario { .. } => false,
        };
        let file = match self.source {
            SourceOptions::Replay { file: Some((events, duration)), .. } => {
                Some(FileSource { events, until: Instant::now() + duration })
            }
            _ => None,
        };
        Persistence {
            gathers: file.is_none() && !matches!(self.source, SourceOptions::Event { .. }),
            file,
            reads_on: is_read,
            leaves_out: matches!(self.source, SourceOptions::Replay { .. }),
            drains: is_read && !self.is_typed,
            at_first: self.patience.unwrap_or_default(),
            at_last: self.patience.unwrap_or(PATIENCE),
        }
    }
}

/// Sends the event that ends a job whose input was cut off: `ending` where the input had it, and otherwise `interrupted`. Returns
/// the number of events that could not be sent.
async fn ending_lost(sink: &Sink, ending: Option<Arc<Message>>, interrupted: Option<Outgoing>) -> u64 {
    if ending.is_none() && interrupted.is_none() {
        return 0;
    }
    let sending = async {
        let message = if let Some(ending) = ending {
            ending
        } else {
            let mut event = interrupted?;
            if event.needs_standing()
                && let Ok(Some(standing)) = sink.standing(&event.dialect, &event.job).await
            {
                event.carry(&standing);
            }
            Arc::new(Message::new(event, true, Timestamp::now()).ok()?)
        };
        sink.publish(&message.dialect, &message.channel, message.payload.clone().into()).await.ok()
    };
    u64::from(!matches!(timeout(ENDING_TIMEOUT, sending).await, Ok(Some(_))))
}

/// Summary of a source at its end.
enum Summary {
    Scenario { jobs: usize, seed: u64 },
    Recording(Arc<Mutex<ReplayTally>>),
}

impl Summary {
    /// Fails for a recording without an event to play.
    fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Scenario { .. } => Ok(()),
            Self::Recording(replayed) => replayed.lock().unwrap_or_else(PoisonError::into_inner).check(),
        }
    }

    fn lines(&self, tally: &Tally, seconds: f64) -> Vec<String> {
        let sent = tally.sent;
        match self {
            Self::Scenario { jobs, seed } => {
                let (events, jobs) = (counted(sent, "event"), counted(*jobs as u64, "job"));
                vec![format!("published {events} of {jobs} in {seconds:.1} s (seed {seed})")]
            }
            Self::Recording(replayed) => {
                let (targets, passed) = replayed.lock().unwrap_or_else(PoisonError::into_inner).words();
                let events = counted(sent, "event");
                let published = format!("published {events} of {targets} in {seconds:.1} s");
                let left_out = (tally.bad_lines > 0).then(|| {
                    format!("left out {} that could not be played", counted(tally.bad_lines, "line"))
                });
                let conflated = (tally.replaced > 0).then(|| {
                    let progress = counted(tally.replaced, "event");
                    format!("left out {progress} of progress that newer progress replaced during an outage")
                });
                [Some(published), passed, conflated, left_out].into_iter().flatten().collect()
            }
        }
    }
}

/// Words for events that are in streams now.
fn added(tally: &Tally) -> Option<String> {
    let first = tally.streams.first()?;
    let events = counted(tally.sent, "event");
    Some(match tally.streams.len() {
        1 => format!("added {events} to the stream {}", first.escape_debug()),
        MOST_STREAMS => format!("added {events} to {MOST_STREAMS} streams or more"),
        count => format!("added {events} to {count} streams"),
    })
}

/// Prints a line. A stderr that nobody reads is no reason to stop publishing.
fn note(notes: &mut impl Write, text: &str) {
    let _ = writeln!(notes, "{}", printable_lines(text));
}

#[cfg(test)]
mod tests;

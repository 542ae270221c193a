//! A recording that is read before it is played.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Seek};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::entry::line_time;
use super::lines::LineCutter;
use super::order::{LineTime, misplaced};
use super::{Played, Replay, ReplayError, ReplayOptions, Taken};
use crate::exit::{Exit, Failure};

/// Lines that cannot be played whose errors are kept.
const MAX_BAD: usize = 1_000;

/// Content of a recording.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Dialects and jobs (or channels) of its events, each once.
    pub targets: Vec<(String, String)>,
    /// Numbers and errors of lines that cannot be played: the first [`MAX_BAD`].
    pub bad: Vec<(u64, ReplayError)>,
    /// Count of all lines that cannot be played.
    pub bad_lines: u64,
    /// Count of events.
    pub events: u64,
    /// Time from the first event to the last, as it is played.
    pub duration: Duration,
    /// Failure of a recording without an event to play.
    pub nothing: Option<Failure>,
    /// Lines whose times are out of order, for [`ReplayOptions::misplaced`].
    pub misplaced: Arc<BTreeMap<u64, ReplayError>>,
}

/// Reads all of a recording, twice.
pub(crate) fn survey(mut input: impl BufRead + Seek, options: ReplayOptions) -> io::Result<Survey> {
    let misplaced = Arc::new(misplaced(&times(&mut input)?));
    input.rewind()?;
    let options = ReplayOptions { misplaced: Some(Arc::clone(&misplaced)), ..options };
    let mut survey = Survey { misplaced, ..Survey::default() };
    let mut steps = ReplaySteps::new(input, options);
    while let Some(step) = steps.next()? {
        match step {
            Ok(step) => {
                survey.events += 1;
                survey.duration = step.at.unwrap_or_default();
            }
            Err(bad) => {
                survey.bad_lines += 1;
                if survey.bad.len() < MAX_BAD {
                    survey.bad.push(bad);
                }
            }
        }
    }
    let tally = steps.replay.tally();
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    survey.nothing = tally.check().err();
    survey.targets = tally.targets.iter().map(|(dialect, job)| (dialect.to_string(), job.clone())).collect();
    Ok(survey)
}

/// The times of all lines that have one.
fn times(input: &mut impl BufRead) -> io::Result<Vec<LineTime>> {
    let (mut cutter, mut times) = (LineCutter::default(), Vec::new());
    loop {
        let bytes = input.fill_buf()?;
        let is_end = bytes.is_empty();
        let (used, is_ended) = cutter.take(bytes);
        input.consume(used);
        if is_ended || (is_end && cutter.has_rest()) {
            let line = cutter.line(is_ended);
            if let Some((at, is_event)) = line.bytes.and_then(line_time) {
                times.push(LineTime { line: line.number, at, is_event });
            }
            cutter.clear();
        }
        if is_end {
            return Ok(times);
        }
    }
}

impl Survey {
    /// Refuses a recording that the options contradict: it has several jobs that are to become one, or events that no stream takes.
    /// Refuses one whose events only another program publishes.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        if let Some(nothing) = self.nothing.take_if(|nothing| nothing.exit == Exit::Usage) {
            return Err(nothing);
        }
        let refused = self.bad.iter().find_map(|(line, error)| {
            let hint = match error {
                ReplayError::Several { first, .. } => format!(
                    "grep -F '\"target\":\"{first}\"' FILE | jobwire publish --replay - --as TARGET plays one of them"
                ),
                ReplayError::NotDurable(_) => "without --durable they are published".to_owned(),
                _ => return None,
            };
            Some(Failure::usage(format!("line {line}: {error}")).hint(hint))
        });
        refused.map_or(Ok(()), Err)
    }
}

/// The events of a recording, read as they are wanted.
#[derive(Debug)]
pub(crate) struct ReplaySteps<R> {
    input: R,
    cutter: LineCutter,
    pub(super) replay: Replay,
}

impl<R: BufRead> ReplaySteps<R> {
    /// Plays what `input` holds.
    pub(crate) fn new(input: R, options: ReplayOptions) -> Self {
        Self { input, cutter: LineCutter::default(), replay: Replay::new(options) }
    }

    /// The next event, or the number of a line that is not published and why; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Played>> {
        loop {
            let (used, taken) = self.replay.take(&mut self.cutter, self.input.fill_buf()?);
            self.input.consume(used);
            match taken {
                Taken::Nothing => {}
                Taken::Step(step) => return Ok(Some(step)),
                Taken::End => return Ok(None),
            }
        }
    }
}

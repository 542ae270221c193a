//! A recording that is read before it is played.

use std::io::{self, BufRead};
use std::sync::PoisonError;
use std::time::Duration;

use super::lines::LineCutter;
use super::{Played, Replay, ReplayError, ReplayOptions, Taken};
use crate::exit::Failure;

/// Lines that cannot be played whose errors are kept.
const MAX_BAD: usize = 1_000;

/// What is in a recording.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Dialects and jobs (or channels) of its events, each once.
    pub targets: Vec<(String, String)>,
    /// Numbers of lines that cannot be played, and why: the first [`MAX_BAD`].
    pub bad: Vec<(u64, ReplayError)>,
    /// How many there are.
    pub bad_lines: u64,
    /// Count of events.
    pub events: u64,
    /// Time from the first event to the last, as it is played.
    pub duration: Duration,
}

/// Reads all of a recording.
pub(crate) fn survey(input: impl BufRead, options: ReplayOptions) -> io::Result<Survey> {
    let mut survey = Survey::default();
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
    survey.targets = tally.targets.iter().map(|(dialect, job)| (dialect.to_string(), job.clone())).collect();
    Ok(survey)
}

impl Survey {
    /// Refuses a recording of which no part is to be played: it has events that only another program publishes, or several jobs
    /// that are to become one.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let refused = self.bad.iter().find_map(|(line, error)| {
            let hint = match error {
                ReplayError::Foreign { dialect, .. } => {
                    format!("grep -v '\"target\":\"{dialect}/' FILE | jobwire publish --replay - leaves them out")
                }
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

//! Counts of a replay, and what they say of a recording without an event to play.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Place, ReplayError};
use crate::exit::{Exit, Failure};

/// Targets that are counted.
const MOST_TARGETS: usize = 100_000;

/// Counts of a replay.
#[derive(Debug, Default)]
pub(crate) struct ReplayTally {
    /// Jobs and channels with an event, up to [`MOST_TARGETS`].
    pub(super) targets: BTreeSet<(Arc<str>, String)>,
    /// Lines that are no events, by the member that they have.
    pub(super) others: BTreeMap<&'static str, u64>,
    /// States that repeat earlier events.
    pub(super) repeats: u64,
    /// What relays told of jobs that they did not know.
    pub(super) placeholders: u64,
    /// First line of a dialect whose events another program publishes, and its error.
    foreign: Option<(u64, ReplayError)>,
    /// Target that `--as` could name instead, from the first line of another dialect.
    example: Option<String>,
}

impl ReplayTally {
    /// Whether no event of a job or channel was played.
    pub(super) fn is_new(&self, place: &Place) -> bool {
        !self.targets.contains(&(Arc::clone(&place.dialect.name), place.job.clone()))
    }

    /// Counts an event.
    pub(super) fn played(&mut self, place: &Place) {
        if self.targets.len() < MOST_TARGETS {
            self.targets.insert((Arc::clone(&place.dialect.name), place.job.clone()));
        }
    }

    /// Counts a line that is not played.
    pub(super) fn refused(&mut self, line: u64, error: &ReplayError) {
        match error {
            ReplayError::Foreign { .. } => {
                self.foreign.get_or_insert_with(|| (line, error.clone()));
            }
            ReplayError::OtherThanAs { example, .. } => {
                self.example.get_or_insert_with(|| example.clone());
            }
            _ => {}
        }
    }

    /// Fails where no line was an event to play.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if !self.targets.is_empty() {
            return Ok(());
        }
        if let Some((line, error @ ReplayError::Foreign { dialect, .. })) = &self.foreign {
            let hint = format!(
                "grep -v '\"target\":\"{dialect}/' FILE | jobwire publish --replay - leaves them out"
            );
            return Err(Failure::usage(format!("line {line}: {error}")).hint(hint));
        }
        let failure = Failure::new(Exit::Failure, "the recording has no event that can be played");
        Err(if let Some(example) = &self.example {
            let form = if example.starts_with("channel:") { "channel:NAME" } else { "DIALECT/JOB" };
            failure.hint(format!("--as {form}, as in --as {example}"))
        } else if self.others.contains_key("status") {
            failure.hint("it holds only states that were polled, which are no events; record a server that sends events")
        } else {
            failure
        })
    }

    /// What was played, and what was passed over, for people.
    pub(crate) fn words(&self) -> (String, Option<String>) {
        let targets = match self.targets.len() {
            1 => "1 target".to_owned(),
            MOST_TARGETS => format!("{MOST_TARGETS} targets or more"),
            count => format!("{count} targets"),
        };
        let mut passed: Vec<String> =
            self.others.iter().map(|(name, count)| format!("{count} {name}")).collect();
        if self.repeats > 0 {
            passed.push(format!("{} repeated state", self.repeats));
        }
        if self.placeholders > 0 {
            passed.push(format!("{} state of an unknown job", self.placeholders));
        }
        let passed = (!passed.is_empty())
            .then(|| format!("passed over, since they are no news: {}", passed.join(", ")));
        (targets, passed)
    }
}

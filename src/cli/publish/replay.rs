//! `publish --replay`.

use std::fs::File;
use std::path::Path;

use super::PublishArgs;
use crate::cli::recording::{self, Recording};
use crate::dialect::Dialects;
use crate::exit::Failure;
use crate::publish::SourceOptions;
use crate::publish::replay::ReplayOptions;

impl PublishArgs {
    /// The recording as a source, and its file; without one it is read from standard input.
    pub(super) fn recording(
        &self,
        path: &Path,
        dialects: &Dialects,
    ) -> Result<(SourceOptions, Option<File>), Failure> {
        self.check_alone()?;
        let renamed = self.renamed.as_deref().map(|text| recording::renamed(text, dialects)).transpose()?;
        let options = ReplayOptions {
            dialects: dialects.clone(),
            speed: recording::speed(self.speed)?,
            renamed,
            is_durable: self.sink.durable,
            misplaced: None,
        };
        if recording::is_stdin(path) {
            return Ok((SourceOptions::Replay { options, file: None }, None));
        }
        let file = recording::open(path)?;
        if !recording::is_whole(&file) {
            return Ok((SourceOptions::Replay { options, file: None }, Some(file)));
        }
        let Recording { file, survey } = Recording::read(file, path, &options)?;
        let options = ReplayOptions { misplaced: Some(survey.misplaced), ..options };
        Ok((SourceOptions::Replay { options, file: Some((survey.events, survey.duration)) }, Some(file)))
    }

    /// Refuses what says otherwise where events come from, or when.
    fn check_alone(&self) -> Result<(), Failure> {
        if let Some(target) = &self.target {
            let target = target.escape_debug();
            return Err(Failure::usage(format!(
                "events come from the recording; '{target}' is one too many"
            ))
            .hint("--as TARGET publishes them as those of another job"));
        }
        let given = [
            ("--stdin", self.stdin),
            ("--end", self.end.is_some()),
            ("--scenario", self.scenario.is_some()),
            ("--rate", self.rate.is_some()),
            ("--repeat", self.repeat != 1),
            ("--channel", self.channel.is_some()),
            ("--unchecked", self.unchecked),
            ("--seed", self.seed.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((flag @ "--rate", _)) => {
                let message =
                    format!("--replay and {flag} cannot be used together: a recording has its own times");
                Err(Failure::usage(message).hint("--speed 2 plays it twice as fast"))
            }
            Some((flag, _)) => Err(Failure::usage(format!("--replay and {flag} cannot be used together"))),
            None => Ok(()),
        }
    }
}

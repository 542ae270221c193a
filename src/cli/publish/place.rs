//! Where events go: what a target says, and `--channel`.

use std::sync::Arc;

use crate::dialect::{Dialect, Dialects, Shorthand, Target, TargetError};
use crate::exit::Failure;

/// A dialect and, if the user named one, a job of it; where the dialect has channels, one of those.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) dialect: Arc<Dialect>,
    pub(super) job: Option<String>,
}

impl Place {
    /// Parses `JOB`, `DIALECT/JOB`, `DIALECT` or `channel:NAME`.
    pub(super) fn parse(text: &str, dialects: &Dialects) -> Result<Self, Failure> {
        if let Some((_, dialect)) = dialects.named(text) {
            return Ok(Self { dialect: Arc::clone(dialect), job: None });
        }
        match Target::parse(text, dialects, None).map_err(|error| usage(&error))? {
            Target::Job { dialect, job } => Ok(Self { dialect, job: Some(job) }),
            Target::Channel { dialect, name } => Ok(Self { dialect, job: Some(name.to_string()) }),
            Target::Room { dialect, .. } => {
                Err(Failure::usage(format!("nothing is published to a room: {}", text.escape_debug())).hint(
                    format!(
                        "publish to {}; an event is in the rooms that the ids among its fields name",
                        dialect.name
                    ),
                ))
            }
            Target::Every { .. } => Err(Failure::usage(format!(
                "an event is of one job, as in {}; got '{text}'",
                text.replace('*', "ID")
            ))
            .hint("attach takes DIALECT/* and watches every job")),
            Target::Url { .. } => {
                Err(Failure::usage("publish takes DIALECT/JOB, as in scraping/123, and no URL")
                    .hint("name the relay with --server"))
            }
        }
    }

    /// The same on that channel.
    pub(super) fn on_channel(self, channel: &str, dialects: &Dialects) -> Result<Self, Failure> {
        if self.dialect.channels.is_none() {
            let hint = match dialects.with_channels() {
                Some((_, other)) => format!("--channel is for events of {}", other.name),
                None => "no dialect that is on has channels".to_owned(),
            };
            return Err(Failure::usage(format!("{} has no channels", self.dialect.name)).hint(hint));
        }
        let named = Self::parse(&format!("channel:{channel}"), dialects)?;
        match (&self.job, &named.job) {
            (Some(target), Some(channel)) if target != channel => Err(Failure::usage(format!(
                "the target is channel:{target}, but --channel is {channel}; name one of them"
            ))),
            _ => Ok(named),
        }
    }

    /// An event of a job needs one.
    pub(super) fn check_job_is_named(&self) -> Result<(), Failure> {
        if self.job.is_some() || self.dialect.channels.is_some() {
            return Ok(());
        }
        Err(Failure::usage(format!("publish needs a job, as in {}/123", self.dialect.name))
            .hint("a dialect alone is enough for --stdin and --list, and for channels"))
    }

    /// The event, and the assignment that a bare percent in its place stands for.
    pub(super) fn bare_percent(
        &self,
        event: String,
        unchecked: bool,
    ) -> Result<(String, Option<String>), String> {
        let catalogue = &self.dialect.catalogue;
        let is_known = unchecked || catalogue.events.iter().any(|def| def.name == event);
        let Some(percent) = percent(&event).filter(|_| !is_known) else { return Ok((event, None)) };
        let Some(Shorthand { event, field }) = &catalogue.progress else {
            return Err(format!("{} has no event that a percent alone stands for", self.dialect.name));
        };
        Ok((event.clone(), Some(format!("{field}={percent}"))))
    }

    /// The job, or the channel that an event of this name goes to.
    pub(super) fn of_event(&self, event: &str) -> Result<String, Failure> {
        let by_type = || self.dialect.channels.as_ref()?.of_kind(event).map(ToString::to_string);
        self.job.clone().or_else(by_type).ok_or_else(|| {
            let names = self.dialect.channels.iter().flat_map(|channels| &channels.names);
            let names: Vec<&str> = names.map(|name| &**name).collect();
            let message = format!("no channel belongs to the type '{}'", event.escape_debug());
            Failure::usage(message).hint(format!("name one with --channel: {}", names.join(", ")))
        })
    }
}

/// The number of a bare percent, such as `45` or `45.5%`.
fn percent(text: &str) -> Option<&str> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (is_plain && number.parse::<f64>().is_ok()).then_some(number)
}

fn usage(error: &TargetError) -> Failure {
    Failure::usage(error.to_string())
}

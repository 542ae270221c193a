//! Parsing of targets: `JOB`, `DIALECT/JOB`, `DIALECT/*`, `channel:NAME`, `room:KIND:ID`.

use std::sync::Arc;

use super::{Code, Refused};
use crate::dialect::{Channels, DialectId, Dialects, Topic, TopicKind, with_nearest};

/// Bytes of a client's text that an error repeats.
const SHOWN: usize = 60;

/// A target that there can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named(Topic);

impl Named {
    /// Reads a target.
    pub(super) fn parse(text: &str, dialects: &Dialects) -> Result<Self, Refused> {
        let unknown = |message: String| (Code::UnknownTarget, message);
        let with_channels = || {
            let found = dialects.with_channels().and_then(|(id, of)| Some((id, of.channels.as_ref()?)));
            found.ok_or_else(|| unknown("no dialect that is on has channels".to_owned()))
        };
        if let Some(name) = text.strip_prefix("channel:") {
            let (id, channels) = with_channels()?;
            let known = channels.named(name).ok_or_else(|| {
                let message = format!("there is no channel {}", quote(name));
                unknown(with_nearest(&message, name, channels.names.iter().map(|name| &**name)))
            })?;
            return Ok(Self(Topic::channel(id, Arc::clone(known))));
        }
        if let Some(room) = text.strip_prefix("room:") {
            let (id, _) = with_channels()?;
            Channels::check_room(room).map_err(|error| unknown(error.to_string()))?;
            return Ok(Self(Topic::room(id, room)));
        }
        let (name, job) = match text.split_once('/') {
            Some(parts) => parts,
            None => (bare(text, dialects).map_err(unknown)?, text),
        };
        let found = dialects.named(name).filter(|(_, dialect)| dialect.channels.is_none());
        let (id, dialect) = found.ok_or_else(|| {
            let message = format!("there is no dialect {} with jobs", quote(name));
            unknown(with_nearest(&message, name, dialects.names()))
        })?;
        if job == "*" {
            return Ok(Self(Topic::every(id)));
        }
        dialect.check_job(job).map_err(|reason| {
            (Code::ImpossibleJobId, format!("{} cannot be a job of {name}: {reason}", quote(job)))
        })?;
        Ok(Self(Topic::job(id, job)))
    }

    /// A topic that is watched.
    pub(super) fn of(topic: &Topic) -> Self {
        Self(topic.clone())
    }

    /// The topic.
    pub(super) fn topic(&self) -> Topic {
        self.0.clone()
    }

    /// The dialect.
    pub(super) const fn dialect(&self) -> DialectId {
        self.0.dialect
    }

    /// What sort of thing it is.
    pub(super) const fn kind(&self) -> TopicKind {
        self.0.kind
    }

    /// The job, the channel or the room.
    pub(super) fn name(&self) -> &str {
        &self.0.name
    }
}

/// Dialect of a target that is a job's id alone. A text that probably means something else is an error.
fn bare<'a>(text: &str, dialects: &'a Dialects) -> Result<&'a str, String> {
    let meant = dialects.meant_by(text).map(|meant| format!("; did you mean {meant}?"));
    if text.is_empty() || meant.is_some() {
        return Err(format!(
            "a target is JOB, DIALECT/JOB, DIALECT/*, channel:NAME or room:KIND:ID; got {}{}",
            quote(text),
            meant.unwrap_or_default()
        ));
    }
    Ok(&dialects.unnamed().name)
}

/// A topic as a target.
pub(super) fn name(topic: &Topic, dialects: &Dialects) -> String {
    match topic.kind {
        TopicKind::Job => format!("{}/{}", dialects.get(topic.dialect).name, topic.name),
        TopicKind::Every => format!("{}/*", dialects.get(topic.dialect).name),
        TopicKind::Channel => format!("channel:{}", topic.name),
        TopicKind::Room => format!("room:{}", topic.name),
        // No target names one.
        TopicKind::ChannelAndRoom => topic.name.replace('\n', " "),
    }
}

/// A client's own words, shortened and on one line.
fn quote(text: &str) -> String {
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("'{}{more}'", start.escape_debug())
}

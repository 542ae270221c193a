//! What a system's events look like and what they mean, as data: one dialect per wire contract.
//!
//! A dialect says by which path a job is watched, on which Redis channel its events come, and where in a payload (JSON
//! pointers) the job, the kind, the percent and so on are found; which kinds start a run, may be conflated, or end it;
//! what an unknown job gets; and what the polling body looks like. The built-in dialects are TOML files in `builtin/`,
//! and a user's own is loaded from the same format. Everything here is pure: no sockets, no clock, no async.

mod build;
mod catalogue;
mod channels;
mod close;
mod compile;
mod decode;
mod event;
mod fields;
mod job;
mod locate;
mod pointer;
mod spec;
mod status;
mod suggest;
mod surrogate;
mod target;
mod template;
mod topic;
mod unchecked;
mod view;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use catalogue::{Catalogue, EventDef, Shorthand};
pub use channels::{ChannelEvent, Channels, RoomError};
pub use close::CloseReason;
pub use compile::DialectError;
pub use decode::{Decoded, Undecodable};
pub use event::{ConflationKey, Event, Frame};
pub use fields::{Assignment, FieldDef, FieldError, Given};
pub use job::{ImpossibleJob, MAX_JOB_BYTES};
pub use locate::line_at;
pub use pointer::{Pointer, PointerError};
pub use status::StatusSource;
pub use suggest::{nearest, with_nearest};
pub use target::{Target, TargetError};
pub use topic::{DialectId, Topic, TopicKind};
pub use view::{EntityView, StatusView, View};
pub use whole::{Whole, WholeError};

/// What a job's id looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobIdType {
    /// Any text without a slash or a control character.
    #[default]
    String,
    /// A canonical decimal integer that fits 64 bits with a sign.
    Integer,
}

/// Who may watch a job, in its socket and by polling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Everybody.
    #[default]
    None,
    /// Who has a token whose subject is the job's owner.
    Owner,
}

/// Whether a kind opens a new run of its job, which forgets everything of the run before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opens {
    /// It belongs to the run that is going on.
    #[default]
    Never,
    /// It opens a new run if the one before has ended.
    AfterEnding,
    /// It always opens a new run.
    Always,
}

/// How a run of a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It did what it was asked.
    Succeeded,
    /// It did not.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl Outcome {
    /// The word for it, as it is stored and printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The inverse of [`Outcome::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Succeeded, Self::Failed, Self::Cancelled].into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// What an event says of one part of a job (a scraper).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The part is at work.
    Running,
    /// The part is done.
    Succeeded,
    /// The part gave up; the job may go on.
    Failed,
}

/// The state that a polling body names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waiting for its turn.
    Queued,
    /// At work.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Stopped.
    Cancelled,
}

/// How the publisher writes the time into a payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimestampStyle {
    /// Not at all.
    #[default]
    None,
    /// `2025-11-21T10:30:00.123456`, UTC without saying so.
    UtcNaive,
    /// `2025-11-21T10:30:00.123456Z`.
    UtcZulu,
    /// Seconds since the Unix epoch as a float.
    UnixSeconds,
}

/// The type of a field that a publisher may set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Any text.
    #[default]
    String,
    /// A whole number of 64 bits with a sign.
    Int,
    /// A finite number.
    Float,
    /// `true` or `false`.
    Bool,
    /// A JSON object.
    Object,
}

/// What a publisher fills in by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// The job's id, as the dialect types it.
    Job,
    /// The event's name.
    Event,
    /// The time, in the dialect's style.
    Timestamp,
    /// `100 · current / total` of the event's own fields of those names; 0 where the total is 0.
    Percent,
}

/// A kind of event and what it does to its job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any of them may hold")]
pub struct Kind {
    /// As the payload spells it.
    pub name: Arc<str>,
    /// A newer event of the kind makes an older one worthless.
    pub conflatable: bool,
    /// Whether it opens a new run.
    pub opens: Opens,
    /// The outcome it ends the run with.
    pub ends: Option<Outcome>,
    /// What it says of the part of the job it names.
    pub entity: Option<Phase>,
    /// A remark that changes no state.
    pub notice: bool,
    /// The job waits for its turn.
    pub queued: bool,
    /// Known to the relay, never sent to a socket.
    pub hidden: bool,
}

/// What a socket of a job that nobody has heard of gets.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// How long the job may take to appear.
    pub after: Duration,
    /// `None`: it is refused, where the dialect has owners.
    frame: Option<template::Template>,
}

/// The envelope of a dialect whose socket messages are wrapped.
#[derive(Debug, Clone)]
pub struct Wrap {
    field: String,
    /// `{"type":"…","field":`, to be followed by the payload and `}`.
    before: String,
}

/// Polling: a path and the body it answers with.
#[derive(Debug, Clone)]
pub struct Status {
    /// Path with `{job}` as one segment.
    pub route: String,
    /// The relay may send the body after each event, where it is told to: some clients read nothing else.
    pub echo: bool,
    body: status::Body,
    read: view::StatusReader,
}

/// One wire contract.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// The name users write, as in `scraping/123`.
    pub name: Arc<str>,
    /// One line for people.
    pub about: String,
    /// Path of the socket, with `{job}` as one segment.
    pub route: String,
    /// Where its publications come from.
    pub source: Source,
    /// Channels and rooms, where the dialect has those instead of jobs.
    pub channels: Option<Channels>,
    /// Who may watch.
    pub auth: Auth,
    /// How long a connection lives at most.
    pub lifetime: Option<Duration>,
    /// What a job's id looks like.
    pub job_id: JobIdType,
    /// What a socket of an unknown job gets; `None`: nothing.
    pub unknown: Option<Unknown>,
    /// Polling, where the contract has it.
    pub status: Option<Status>,
    /// What the publisher knows of its events.
    pub catalogue: Catalogue,
    wrap: Option<Wrap>,
    kinds: Vec<Kind>,
    stages: Vec<(f64, String)>,
    decoder: decode::Decoder,
    viewer: view::Viewer,
}

/// The Redis channel or channels of a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// One channel; the payload names the job.
    Channel(String),
    /// A channel per job: this prefix, then the job's id.
    PerJob(String),
    /// Several channels, by their full names.
    Channels(Vec<String>),
}

impl Dialect {
    /// Reads a dialect from TOML; `origin` is the file's name for error messages.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, DialectError> {
        compile::compile(text, origin)
    }

    /// Reads a dialect file.
    pub fn load(path: &Path) -> Result<Self, DialectError> {
        let origin = path.display().to_string();
        let text =
            std::fs::read_to_string(path).map_err(|error| DialectError::unreadable(&origin, &error))?;
        Self::from_toml(&text, &origin)
    }

    /// The kinds of event it knows.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// Whether polling and snapshot are the merge of the payloads of a run.
    pub fn merges(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.body == status::Body::Merged)
    }

    /// Whether its polling body may be sent to sockets, after each event.
    pub fn echoes(&self) -> bool {
        self.status.as_ref().is_some_and(|status| status.echo)
    }

    /// The kind of that name: the one that is spelled so, or the pattern that it matches.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        let matches = |kind: &&Kind| kind.name.strip_prefix('*').is_some_and(|end| name.ends_with(end));
        self.kinds
            .iter()
            .find(|kind| *kind.name == *name)
            .or_else(|| self.kinds.iter().filter(|_| self.channels.is_some()).find(matches))
    }

    /// The Redis channel on which events of `job`, or of a channel of that name, are published.
    pub fn channel_of(&self, job: &str) -> String {
        match (&self.source, &self.channels) {
            (Source::Channel(channel), _) => channel.clone(),
            (Source::PerJob(prefix), _) => format!("{prefix}{job}"),
            (Source::Channels(_), Some(channels)) => channels.redis_name(job),
            (Source::Channels(_), None) => String::new(),
        }
    }

    /// The path of a job's socket, the id percent-encoded.
    pub fn socket_path(&self, job: &str) -> String {
        job::fill_route(&self.route, job)
    }

    /// The job's id in a path of one of this dialect's routes, percent-decoded.
    pub fn job_in(&self, route: &str, path: &str) -> Option<String> {
        job::match_route(route, path)
    }

    /// The path at which a job is polled, the id percent-encoded.
    pub fn status_path(&self, job: &str) -> Option<String> {
        self.status.as_ref().map(|status| job::fill_route(&status.route, job))
    }

    /// What a percentage means in this contract, if it says so.
    pub fn stage(&self, percent: f64) -> Option<&str> {
        self.stages.iter().rev().find(|(from, _)| percent >= *from).map(|(_, text)| text.as_str())
    }

    /// Whether that frame is a remark such as an error, and no state that a job could be in.
    pub fn complains_of_unknown(&self) -> bool {
        let Some(frame) = self.unknown_frame("1", "") else { return false };
        let channel = self.channel_of("1");
        let decoded = self.decode(channel.as_bytes(), frame.as_bytes());
        decoded.map_or(true, |decoded| decoded.kind.is_none_or(|kind| kind.notice))
    }

    /// The frame text for a job that nobody has heard of, or whose id is impossible.
    pub fn unknown_frame(&self, job: &str, timestamp: &str) -> Option<String> {
        let unknown = self.unknown.as_ref()?;
        Some(unknown.frame.as_ref()?.render(self.job_id, job, timestamp))
    }
}

/// The dialects that are on, in a fixed order.
#[derive(Debug, Clone)]
pub struct Dialects(Vec<Arc<Dialect>>);

impl Dialects {
    /// The built-in ones.
    pub fn builtin() -> Self {
        let load = |text, origin| {
            Arc::new(Dialect::from_toml(text, origin).expect("a test loads every built-in dialect"))
        };
        Self(vec![
            load(include_str!("builtin/downloads.toml"), "builtin/downloads.toml"),
            load(include_str!("builtin/scraping.toml"), "builtin/scraping.toml"),
            load(include_str!("builtin/channels.toml"), "builtin/channels.toml"),
            // Last: its route is one segment behind /ws, and every other path wins.
            load(include_str!("builtin/tasks.toml"), "builtin/tasks.toml"),
        ])
    }

    /// Adds a user's dialect; a name, a route or a channel that is taken is refused.
    pub fn add(&mut self, dialect: Dialect, origin: &str) -> Result<(), DialectError> {
        compile::check_clash(&self.0, &dialect, origin)?;
        self.0.push(Arc::new(dialect));
        Ok(())
    }

    /// The same dialects, but for how long an unknown job may take to appear where it is given time at all.
    #[must_use]
    pub fn with_grace(&self, grace: Duration) -> Self {
        let change = |dialect: &Arc<Dialect>| {
            let mut dialect = Dialect::clone(dialect);
            if let Some(unknown) = dialect.unknown.as_mut().filter(|unknown| !unknown.after.is_zero()) {
                unknown.after = grace;
            }
            Arc::new(dialect)
        };
        Self(self.0.iter().map(change).collect())
    }

    /// The same dialects, but that nobody is asked for a token.
    #[must_use]
    pub fn open(&self) -> Self {
        let open = |dialect: &Arc<Dialect>| Arc::new(Dialect { auth: Auth::None, ..Dialect::clone(dialect) });
        Self(self.0.iter().map(open).collect())
    }

    /// The same dialects, but for what stands before the names of channels on Redis. A prefix with which a channel would
    /// belong to another dialect too is refused.
    pub fn with_channel_prefix(&self, prefix: &str) -> Result<Self, DialectError> {
        let mut all = Self(Vec::new());
        for dialect in &self.0 {
            let mut dialect = Dialect::clone(dialect);
            if let Some(channels) = dialect.channels.as_mut() {
                channels.set_prefix(prefix);
                dialect.source = Source::Channels(channels.redis_names());
            }
            all.add(dialect, "--channel-prefix")?;
        }
        Ok(all)
    }

    /// All of them, with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (DialectId, &Arc<Dialect>)> {
        self.0.iter().enumerate().map(|(index, dialect)| (DialectId::from_index(index), dialect))
    }

    /// The dialect behind an id handed out by this very set.
    pub fn get(&self, id: DialectId) -> &Arc<Dialect> {
        &self.0[id.index()]
    }

    /// The dialect of that name.
    pub fn named(&self, name: &str) -> Option<(DialectId, &Arc<Dialect>)> {
        self.iter().find(|(_, dialect)| *dialect.name == *name)
    }

    /// Names, for error messages.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|dialect| &*dialect.name)
    }

    /// The dialect that listens on a Redis channel.
    pub fn on_channel(&self, channel: &str) -> Option<(DialectId, &Arc<Dialect>)> {
        self.iter().find(|(_, dialect)| match &dialect.source {
            Source::Channel(name) => name == channel,
            Source::PerJob(prefix) => {
                channel.strip_prefix(prefix.as_str()).is_some_and(|job| !job.is_empty())
            }
            Source::Channels(names) => names.iter().any(|name| name == channel),
        })
    }

    /// The dialect whose socket has this path, and the job's id, percent-decoded; no job where the path is one of
    /// channels. Paths of channels win over those of jobs.
    pub fn on_path(&self, path: &str) -> Option<(DialectId, &Arc<Dialect>, Option<String>)> {
        let fixed = self.iter().find(|(_, dialect)| {
            dialect
                .channels
                .as_ref()
                .is_some_and(|channels| channels.routes.iter().any(|(route, _)| route == path))
        });
        fixed.map(|(id, dialect)| (id, dialect, None)).or_else(|| {
            self.iter()
                .find_map(|(id, dialect)| Some((id, dialect, Some(job::match_route(&dialect.route, path)?))))
        })
    }

    /// The dialect of channels and rooms, if one is on.
    pub fn with_channels(&self) -> Option<(DialectId, &Arc<Dialect>)> {
        self.iter().find(|(_, dialect)| dialect.channels.is_some())
    }
}

#[cfg(test)]
mod tests;

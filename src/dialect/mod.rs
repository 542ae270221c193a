//! What a system's events look like and what they mean, as data: one dialect per wire contract.
//!
//! A dialect says by which path a job is watched, on which Redis channel its events come, and where in a payload (JSON
//! pointers) the job, the kind, the percent and so on are found; which kinds start a run, may be conflated, or end it;
//! what an unknown job gets; and what the polling body looks like. The built-in dialects are TOML files in `builtin/`,
//! and a user's own is loaded from the same format. Everything here is pure: no sockets, no clock, no async.

mod build;
mod carried;
mod catalogue;
mod channels;
mod close;
mod compile;
mod decode;
mod duration;
mod error;
mod facts;
mod fault;
mod fields;
mod job;
mod locate;
mod pointer;
mod raw;
mod recorded;
mod redact;
mod sample;
mod schema;
mod set;
mod slip;
mod source;
mod spec;
mod state;
mod status;
mod suggest;
mod surrogate;
mod target;
mod telling;
mod template;
mod topic;
mod unchecked;
mod view;
mod whole;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use carried::Standing;
pub use catalogue::{Catalogue, EventDef, Shorthand};
pub use channels::{ChannelEvent, Channels, RoomError};
pub use close::CloseReason;
pub use decode::{Decoded, Undecodable, identity};
pub use duration::duration;
pub use error::DialectError;
pub use fault::JsonFault;
pub use fields::{Assignment, FieldDef, FieldError, Given};
pub use job::{ImpossibleJob, MAX_JOB_BYTES};
pub use locate::line_at;
pub use pointer::{Pointer, PointerError};
pub use raw::scalars;
pub use recorded::{Recorded, RecordedError};
pub use sample::Sample;
#[cfg(test)]
pub(crate) use schema::schema_words;
pub use schema::{SchemaFormat, schema};
pub use set::Dialects;
pub use slip::{Slip, Slips};
pub use source::Source;
pub use state::KeptField;
pub use status::{Merge, StatusSource};
pub use suggest::{nearest, slip_of, with_nearest};
pub use target::{Target, TargetError, masked};
pub use telling::Telling;
pub use topic::{DialectId, Topic, TopicKind};
pub use view::{EntityView, LogView, StatusView, View};
pub use whole::{Whole, WholeError};

/// The kind that stands for every one that is not named.
const EVERY_OTHER: &str = "*";

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

/// Access rule: the people who may watch a job, in its socket and by polling.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Everybody.
    #[default]
    None,
    /// Bearers of a valid token.
    Token,
    /// Bearers of a token whose subject is the job's owner.
    Owner,
}

/// Whether a kind opens a new run of its job, which forgets everything of the run before.
///
/// An event that comes after an ending and opens no run came late: it is relayed and changes no state. The values are
/// ordered by how readily they open a run, the least ready first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opens {
    /// Belongs to the run that is going on.
    #[default]
    Never,
    /// Opens a new run, as a retry, if the run before has failed or was cancelled. After a success the event came late.
    AfterFailure,
    /// Opens a new run if the run before has ended.
    AfterEnding,
    /// Opens a new run always.
    Always,
}

impl Opens {
    /// Whether a new run begins, given how the run before ended, if it did.
    pub const fn after(self, ended: Option<Outcome>) -> bool {
        match self {
            Self::Never => false,
            Self::AfterFailure => matches!(ended, Some(Outcome::Failed | Outcome::Cancelled)),
            Self::AfterEnding => ended.is_some(),
            Self::Always => true,
        }
    }
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

impl JobState {
    /// All states, from the first of a job to the last.
    pub const ALL: [Self; 5] = [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Name of the state, as the list of jobs and the descriptions of polling bodies have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
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
    /// A line of a log, which changes no state.
    pub log: bool,
    /// The job waits for its turn.
    pub queued: bool,
    /// Known to the relay, never sent to a socket.
    pub hidden: bool,
    /// A remark where the run has ended already.
    pub unless_ended: bool,
    /// Words for a person about a job that is queued so.
    pub says: Option<Arc<str>>,
    /// Words for a person where the job was at work before.
    pub again: Option<Arc<str>>,
    /// Word → the kind that an event with that word is of instead; of the same name, and without variants.
    variants: Vec<(Box<str>, Kind)>,
}

impl Kind {
    /// The kind of an event whose variant is `word`.
    fn of_variant(&self, word: &str) -> &Self {
        self.variants.iter().find(|(name, _)| **name == *word).map_or(self, |(_, kind)| kind)
    }
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
    /// Whether they come by Redis Streams of these channels' names, instead of by the channels.
    pub streams: bool,
    /// Channels and rooms, where the dialect has those instead of jobs.
    pub channels: Option<Channels>,
    /// Who may watch.
    pub auth: Auth,
    /// How long a connection lives at most.
    pub lifetime: Option<Duration>,
    /// How long a job may take to become somebody's, where it has to.
    pub owner_grace: Duration,
    /// What a job's id looks like.
    pub job_id: JobIdType,
    /// Whether it may hold a slash.
    slash: bool,
    /// What a socket of an unknown job gets; `None`: nothing.
    pub unknown: Option<Unknown>,
    /// Polling, where the contract has it.
    pub status: Option<Status>,
    /// What the publisher knows of its events.
    pub catalogue: Catalogue,
    /// Program that alone publishes the dialect's events; `jobwire publish` refuses to.
    pub publisher: Option<String>,
    /// Hint that is logged once when a payload is no JSON.
    pub undecodable: Option<String>,
    /// What a person is told of an event of a channel.
    pub telling: Telling,
    /// Whether a user's dialect of the same name replaces this one.
    replaceable: bool,
    /// Place in Redis at which another program keeps the state of its jobs.
    state: Option<state::KeptState>,
    redactor: redact::Redactor,
    wrap: Option<Wrap>,
    kinds: Vec<Kind>,
    stages: Vec<(f64, String)>,
    decoder: decode::Decoder,
    viewer: view::Viewer,
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
        // An event that names no kind is none of those that a star stands for.
        let has_patterns = self.channels.is_some() || !name.is_empty();
        self.kinds
            .iter()
            .find(|kind| *kind.name == *name)
            .or_else(|| self.kinds.iter().filter(|_| has_patterns).find(matches))
    }

    /// A payload as it may leave the relay: with null for what is not for watchers.
    pub fn redacted<'a>(&self, payload: &'a [u8]) -> Cow<'a, [u8]> {
        if self.redactor.is_empty() {
            return Cow::Borrowed(payload);
        }
        match std::str::from_utf8(payload).map(|text| self.redactor.apply(text)) {
            Ok(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
            _ => Cow::Borrowed(payload),
        }
    }

    /// Whether a user's file may take its name.
    pub const fn is_replaceable(&self) -> bool {
        self.replaceable
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

#[cfg(test)]
mod tests;

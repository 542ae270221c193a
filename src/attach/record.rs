//! The recording of what was watched (`--record`): the lines of `--progress json`, with targets that can be published to.
//!
//! A line is written as soon as nothing more is there to be read, so that a process that is killed leaves whole lines, but for the
//! last one. No part of a URL stands in a recording, apart from the job or the channels that it names. Times never go back,
//! even where the clock does.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use url::Url;

use super::board::Board;
use super::job::Job;
use super::place::Place;
use super::render::{Flow, Flowed, JsonLine, LOOK_FOR_READER, Seen, What};
use super::stream::Happening;
use crate::dialect::{Channels, Dialect, JobIdType};
use crate::exit::Failure;
use crate::net::shutdown::is_stdout_unread;
use crate::outfile::OutStream;

/// Bytes of lines that wait at most, beside the newest line, until they are written.
const BUFFER: usize = 64 << 10;

/// Name of a job that neither its URL nor an event tells, where ids are texts and where they are integers.
const UNKNOWN: (&str, &str) = ("unknown", "0");

/// A recording under way, or none.
#[derive(Debug)]
pub(super) struct Recording {
    out: Option<OutStream>,
    buffer: Vec<u8>,
    /// Error of writing that the user was not told of yet.
    error: Option<io::Error>,
    /// Reason why the recording is incomplete.
    failure: Option<Failure>,
    /// Names of the jobs that the board began with. Others are called by their names on the board.
    jobs: Vec<JobName>,
    streams: Vec<StreamName>,
    /// Time of the newest line.
    newest: Timestamp,
}

/// Name of a job of the board in the recording.
#[derive(Debug)]
enum JobName {
    /// Target with a job: `DIALECT/JOB`.
    Known(String),
    /// Target whose URL names no job. `newest` is the job that the newest event with a job's id names.
    Told { dialect: Arc<Dialect>, newest: Option<String> },
    /// Repetition of an earlier target. Its lines are left out, so that no event is recorded twice.
    Again,
}

/// Names of a stream in the recording.
#[derive(Debug)]
struct StreamName {
    /// Channels and rooms; empty where the URL names none.
    targets: Vec<String>,
    dialect: Arc<Dialect>,
    /// Whether the stream repeats an earlier one. Its lines are left out.
    is_again: bool,
}

impl Recording {
    /// A recording of these places into a file. `None`: nothing is recorded.
    pub(super) fn new(out: Option<OutStream>, places: &[Place]) -> Self {
        let (mut jobs, mut streams) = (Vec::new(), Vec::new());
        for (nth, place) in places.iter().enumerate().filter(|_| out.is_some()) {
            let is_it =
                |other: &Place| other.socket == place.socket && other.dialect.name == place.dialect.name;
            let is_again = places[..nth].iter().any(is_it);
            let dialect = Arc::clone(&place.dialect);
            if place.is_stream() {
                let targets = targets_of_stream(place);
                streams.push(StreamName { targets, dialect, is_again });
                continue;
            }
            jobs.push(match &place.job {
                _ if is_again => JobName::Again,
                Some(job) => JobName::Known(format!("{}/{job}", dialect.name)),
                None => JobName::Told { dialect, newest: None },
            });
        }
        let (buffer, error, failure, newest) = (Vec::new(), None, None, Timestamp::MIN);
        Self { out, buffer, error, failure, jobs, streams, newest }
    }

    /// Time between two checks that a recording on stdout still has a reader; `None` for a file.
    pub(super) fn interval(&self) -> Option<Duration> {
        self.out.as_ref().filter(|out| out.is_stdout()).map(|_| LOOK_FOR_READER)
    }

    /// Fails with a broken pipe once nobody reads a recording on stdout any more.
    pub(super) fn look(&self) -> io::Result<()> {
        let is_unread = self.interval().is_some() && is_stdout_unread();
        if is_unread { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    /// Records news of a job.
    pub(super) fn seen(&mut self, seen: &Seen<'_>, board: &Board) {
        if self.out.is_none() {
            return;
        }
        let at = self.time(seen.received_at);
        let text = if let What::Event { text, .. } = seen.what { Some(text) } else { None };
        let Some(target) = self.job(seen.index, board, text) else { return };
        let line = JsonLine::new(&target, &at);
        let line = match &seen.what {
            What::Event { text, view, is_state } => {
                let is_state = *is_state || is_of_unknown_job(text, &board.jobs()[seen.index], &target);
                line.seen(&What::Event { text, view: *view, is_state }).map(|line| line.with_raw(text))
            }
            what => line.seen(what),
        };
        if let Some(line) = line {
            self.put(&line);
        }
    }

    /// Records news of a stream. `target` is the channel or room of an event, where the server names it.
    pub(super) fn flowed(&mut self, flowed: &Flowed<'_>, target: Option<&str>) {
        if self.out.is_none() {
            return;
        }
        let at = self.time(flowed.received_at);
        let stream = &self.streams[flowed.index];
        if stream.is_again {
            return;
        }
        let (targets, text) = match &flowed.flow {
            Flow::Event { text, happening, .. } if !matches!(happening, Happening::Warning(_)) => {
                let found = target.map_or_else(|| stream.target_of(text), str::to_owned);
                (vec![found], Some(*text))
            }
            _ if stream.targets.is_empty() => (vec![stream.any()], None),
            _ => (stream.targets.clone(), None),
        };
        for target in targets {
            let Some(line) = JsonLine::new(&target, &at).flowed(&flowed.flow) else { return };
            let line = if let Some(text) = text { line.with_raw(text) } else { line };
            self.put(&line);
        }
    }

    /// Records the result of a job that has left the board.
    pub(super) fn retired(&mut self, job: &Job) {
        self.result(&job.name, job, Instant::now());
    }

    /// Writes the buffer. Returns a warning for the user, if the recording ends here. The error is a stdout without a reader.
    pub(super) fn flush(&mut self) -> io::Result<Option<String>> {
        self.write();
        let Some(error) = self.error.take() else { return Ok(None) };
        let Some(out) = self.out.take() else { return Ok(None) };
        if out.is_stdout() && error.kind() == io::ErrorKind::BrokenPipe {
            return Err(error);
        }
        let failure = out.failure(&error);
        let told = format!("warning: {failure}; from here on nothing is recorded");
        self.failure = Some(failure);
        Ok(Some(told))
    }

    /// Writes the results of all jobs, at the end.
    pub(super) fn finish(&mut self, board: &Board, now: Instant) -> io::Result<Option<String>> {
        for index in 0..board.jobs().len() {
            if let Some(target) = self.job(index, board, None).map(Cow::into_owned) {
                self.result(&target, &board.jobs()[index], now);
            }
        }
        self.flush()
    }

    /// Fails where the recording is incomplete.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn result(&mut self, target: &str, job: &Job, now: Instant) {
        let at = self.time(&Timestamp::now());
        self.put(&JsonLine::new(target, &at).result(job, now));
    }

    /// The time for a line of what came at `received_at`.
    fn time(&mut self, received_at: &Timestamp) -> Timestamp {
        self.newest = self.newest.max(*received_at);
        self.newest
    }

    /// Name of a job in the recording; `None` for a repeated target, which has no lines.
    fn job<'a>(&mut self, index: usize, board: &'a Board, text: Option<&str>) -> Option<Cow<'a, str>> {
        self.out.as_ref()?;
        match self.jobs.get_mut(index) {
            None => Some(Cow::Borrowed(board.jobs()[index].name.as_str())),
            Some(JobName::Again) => None,
            Some(JobName::Known(name)) => Some(Cow::Owned(name.clone())),
            Some(JobName::Told { dialect, newest }) => {
                if let Some(job) = text.and_then(|text| dialect.job_named_in(text)) {
                    *newest = Some(job);
                }
                let unknown = if dialect.job_id == JobIdType::Integer { UNKNOWN.1 } else { UNKNOWN.0 };
                Some(Cow::Owned(format!("{}/{}", dialect.name, newest.as_deref().unwrap_or(unknown))))
            }
        }
    }

    fn put(&mut self, line: &JsonLine<'_>) {
        if self.out.is_none() || self.error.is_some() {
            return;
        }
        if let Err(error) = serde_json::to_writer(&mut self.buffer, line) {
            self.error = Some(error.into());
            return;
        }
        self.buffer.push(b'\n');
        if self.buffer.len() > BUFFER {
            self.write();
        }
    }

    fn write(&mut self) {
        let Some(out) = self.out.as_mut().filter(|_| self.error.is_none() && !self.buffer.is_empty()) else {
            return;
        };
        self.error = out.write(&self.buffer).err();
        self.buffer.clear();
    }
}

impl StreamName {
    /// The target that an event belongs to, where the server does not say that: the channel of its type, or a room of its ids.
    fn target_of(&self, text: &str) -> String {
        if let [target] = &self.targets[..] {
            return target.clone();
        }
        let known = |target: &String| self.targets.is_empty() || self.targets.contains(target);
        let (kind, rooms) = self.dialect.kind_and_rooms(text);
        let channel = self.dialect.channels.as_ref().and_then(|channels| channels.of_kind(&kind));
        let channel = channel.map(|channel| format!("channel:{channel}"));
        let mut rooms = rooms.iter().map(|room| format!("room:{room}"));
        channel
            .into_iter()
            .find(known)
            .or_else(|| rooms.find(|room| self.targets.contains(room)))
            .unwrap_or_else(|| self.any())
    }

    /// Any target of the stream, a channel before a room.
    fn any(&self) -> String {
        let channel = self.targets.iter().find(|target| target.starts_with("channel:"));
        let first = || self.dialect.channels.as_ref().and_then(|channels| channels.names.first());
        match channel.or(self.targets.first()) {
            Some(target) => target.clone(),
            None => format!("channel:{}", first().map_or("", |name| name)),
        }
    }
}

/// Whether a text is what a relay tells of a job that it does not know, before any worker has sent an event.
fn is_of_unknown_job(text: &str, job: &Job, target: &str) -> bool {
    let name = target.split_once('/').map_or(target, |(_, name)| name);
    job.events <= 1 && job.dialect.is_of_unknown_job(text, name)
}

/// The targets of a stream: those that the user named, or those in the URL that the user gave.
fn targets_of_stream(place: &Place) -> Vec<String> {
    match &place.dialect.channels {
        Some(channels) if place.targets.is_empty() => targets_of_url(&place.socket, channels),
        _ => place.targets.clone(),
    }
}

/// The channels that a URL names, by its path or its query.
fn targets_of_url(url: &Url, channels: &Channels) -> Vec<String> {
    let of_path = channels.routes.iter().filter(|(route, _)| url.path().ends_with(route.as_str()));
    let of_path = of_path.max_by_key(|(route, _)| route.len()).and_then(|(_, channel)| channel.clone());
    let query: Vec<String> = url
        .query_pairs()
        .filter(|(name, _)| name == "channels")
        .flat_map(|(_, names)| names.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
        .collect();
    let of_query = query.iter().filter_map(|name| channels.named(name).cloned());
    let mut targets: Vec<String> =
        of_path.into_iter().chain(of_query).map(|name| format!("channel:{name}")).collect();
    let mut known = std::collections::BTreeSet::new();
    targets.retain(|target| known.insert(target.clone()));
    targets
}

//! NDJSON on stdout: a line an event, as it came; changes of the connection and polled states as lines of their own, and
//! the result of each job at the end.
//!
//! A promise to scripts: `{"target":…,"received_at":…,…}` and one of `event` (the payload, untouched), `text` (a message
//! that is no JSON), `status` (a polling body), `connection`, `gap` (events are missing), `warning` (the server's) or `result`.
//! `snapshot` beside an `event` says that it is the job's state, told anew after a break, and no news. Channels and rooms share
//! a socket, which is one target with all their names; `resource` beside an `event` is what it is about.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Filter, Flow, Flowed, LOOK_FOR_READER, Out, Renderer, Seen, What, stdout, still_read};
use crate::attach::board::Board;
use crate::attach::job::{Job, Link, State};
use crate::attach::stream::Happening;
use crate::dialect::Outcome;
use crate::text::safe_json;

/// One line.
#[derive(Debug, Default, Serialize)]
struct JsonLine<'a> {
    target: &'a str,
    received_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<JobResult<'a>>,
}

/// How a job went, as far as was seen.
#[derive(Debug, Serialize)]
struct JobResult<'a> {
    target: &'a str,
    outcome: &'static str,
    events: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> JobResult<'a> {
    fn of(job: &'a Job, now: Instant) -> Self {
        let problem = job.problem.as_ref().map(|problem| problem.message.as_str());
        let (outcome, error) = match job.state {
            State::Connecting | State::Waiting | State::EndedBefore(_) => ("waiting", None),
            State::Queued => ("queued", None),
            State::Running => ("running", None),
            State::Ended(Outcome::Failed) => ("failed", job.facts.error.as_deref()),
            State::Ended(outcome) => (outcome.as_str(), None),
            State::Lost => ("lost", problem),
        };
        let millis = job.elapsed(now).as_millis();
        let seconds = u32::try_from(millis).map_or(f64::MAX, |millis| f64::from(millis) / 1000.0);
        Self { target: &job.name, outcome, events: job.events, seconds, percent: job.facts.percent, error }
    }
}

/// Writes the lines.
pub(crate) struct Json {
    out: Out,
    filter: Filter,
    /// Whether `out` is the stdout of this process, so that its reader may close the pipe.
    is_stdout: bool,
}

impl Json {
    /// Writes to stdout, of the events those that `filter` lets through.
    pub(crate) fn stdout(filter: Filter) -> Self {
        Self { is_stdout: true, ..Self::new(stdout(), filter) }
    }

    /// Writes to `out`, of the events those that `filter` lets through.
    pub(crate) fn new(out: Out, filter: Filter) -> Self {
        Self { out, filter, is_stdout: false }
    }
}

impl Renderer for Json {
    fn seen(&mut self, seen: &Seen<'_>, board: &Board) -> io::Result<()> {
        let target = board.jobs()[seen.index].name.as_str();
        let mut line =
            JsonLine { target, received_at: format!("{:.6}", seen.received_at), ..JsonLine::default() };
        let flat;
        match &seen.what {
            What::Event { view, .. } if !self.filter.lets(*view) => return Ok(()),
            What::Event { text, is_state, .. } => {
                line.snapshot = is_state.then_some(true);
                flat = one_line(text);
                match serde_json::from_str(&flat) {
                    Ok(event) => line.event = Some(event),
                    Err(_) => line.text = Some(text),
                }
            }
            What::Status(body) => {
                flat = one_line(body);
                line.status = serde_json::from_str(&flat).ok();
            }
            // The result has it.
            What::Outcome | What::Link(Link::Connecting) => return Ok(()),
            What::Gap { reason, .. } => line.gap = Some(reason),
            What::Link(change) => connection(&mut line, change),
            What::Lost(reason) => lost(&mut line, reason),
        }
        self.write(&line)
    }

    fn flowed(&mut self, flowed: &Flowed<'_>, board: &Board) -> io::Result<()> {
        let target = board.streams()[flowed.index].name.as_str();
        let mut line =
            JsonLine { target, received_at: format!("{:.6}", flowed.received_at), ..JsonLine::default() };
        let flat;
        match &flowed.flow {
            Flow::Event { happening: Happening::Nothing, .. } | Flow::Link(Link::Connecting) => return Ok(()),
            Flow::Event { happening: Happening::Warning(warning), .. } => line.warning = Some(warning),
            Flow::Event { view, .. } if !self.filter.lets(*view) => return Ok(()),
            Flow::Event { text, view, .. } => {
                line.resource = view.and_then(|view| view.resource.as_deref());
                flat = one_line(text);
                match serde_json::from_str(&flat) {
                    Ok(event) => line.event = Some(event),
                    Err(_) => line.text = Some(text),
                }
            }
            Flow::Link(change) => connection(&mut line, change),
            Flow::Gap { reason, .. } => line.gap = Some(reason),
            Flow::Lost(reason) => lost(&mut line, reason),
        }
        self.write(&line)
    }

    fn retired(&mut self, job: &Job) -> io::Result<()> {
        self.result(job, Instant::now())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn interval(&self) -> Option<Duration> {
        self.is_stdout.then_some(LOOK_FOR_READER)
    }

    fn draw(&mut self, _board: &Board, _now: Instant) -> io::Result<()> {
        still_read()
    }

    fn finish(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        for job in board.jobs() {
            self.result(job, now)?;
        }
        self.out.flush()
    }
}

impl Json {
    fn result(&mut self, job: &Job, now: Instant) -> io::Result<()> {
        let received_at = format!("{:.6}", Timestamp::now());
        let result = Some(JobResult::of(job, now));
        self.write(&JsonLine { target: &job.name, received_at, result, ..JsonLine::default() })
    }

    fn write(&mut self, line: &JsonLine<'_>) -> io::Result<()> {
        let line = serde_json::to_string(line)?;
        writeln!(self.out, "{}", safe_json(&line))
    }
}

fn lost<'a>(line: &mut JsonLine<'a>, reason: &'a str) {
    line.connection = Some("closed");
    line.error = Some(reason);
}

fn connection<'a>(line: &mut JsonLine<'a>, change: &'a Link) {
    line.connection = Some(match change {
        Link::Connecting => "connecting",
        Link::Connected => "connected",
        Link::Disconnected { reason } => {
            line.reason = Some(reason);
            "disconnected"
        }
        Link::Reconnecting { attempt, wait, reason } => {
            line.reason = Some(reason);
            line.attempt = Some(*attempt);
            line.in_ms = u64::try_from(wait.as_millis()).ok();
            "reconnecting"
        }
        Link::Awaiting { wait, reason } => {
            line.reason = Some(reason);
            line.in_ms = u64::try_from(wait.as_millis()).ok();
            "awaiting"
        }
        Link::Polling => "polling",
        Link::Closed => "closed",
    });
}

/// A line break in valid JSON can only stand between its tokens, where a blank means the same.
fn one_line(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ").into() } else { text.into() }
}

//! A line of NDJSON about one thing that happened. What is shown (`--progress json`) and what is recorded (`--record`) have the
//! same lines.

use std::borrow::Cow;
use std::time::Instant;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Flow, What};
use crate::attach::job::{Job, Link, State};
use crate::attach::stream::Happening;
use crate::dialect::Outcome;

/// One line.
#[derive(Debug, Default, Serialize)]
pub(in crate::attach) struct JsonLine<'a> {
    target: &'a str,
    received_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Cow<'a, RawValue>>,
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
    fn of(target: &'a str, job: &'a Job, now: Instant) -> Self {
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
        Self { target, outcome, events: job.events, seconds, percent: job.facts.percent, error }
    }
}

impl<'a> JsonLine<'a> {
    /// A line about `target` that says nothing yet.
    pub(in crate::attach) fn new(target: &'a str, received_at: &Timestamp) -> Self {
        Self { target, received_at: format!("{received_at:.6}"), ..Self::default() }
    }

    /// What happened to a job; `None` where that has no line.
    pub(in crate::attach) fn seen(mut self, what: &What<'a>) -> Option<Self> {
        match what {
            What::Event { text, is_state, .. } => {
                self.snapshot = is_state.then_some(true);
                self.set_event(text);
            }
            What::Status(body) => self.status = json(body),
            // The result has it.
            What::Outcome | What::Link(Link::Connecting) => return None,
            What::Gap { reason, .. } => self.gap = Some(reason),
            What::Link(change) => self.set_connection(change),
            What::Lost(reason) => self.set_lost(reason),
        }
        Some(self)
    }

    /// What happened on a stream; `None` where that has no line.
    pub(in crate::attach) fn flowed(mut self, flow: &Flow<'a>) -> Option<Self> {
        match flow {
            Flow::Event { happening: Happening::Nothing, .. } | Flow::Link(Link::Connecting) => return None,
            Flow::Event { happening: Happening::Warning(warning), .. } => self.warning = Some(warning),
            Flow::Event { text, view, .. } => {
                self.resource = view.and_then(|view| view.resource.as_deref());
                self.set_event(text);
            }
            Flow::Link(change) => self.set_connection(change),
            Flow::Gap { reason, .. } => self.gap = Some(reason),
            Flow::Lost(reason) => self.set_lost(reason),
        }
        Some(self)
    }

    /// What came of a job that the line calls by its target.
    pub(in crate::attach) fn result(mut self, job: &'a Job, now: Instant) -> Self {
        self.result = Some(JobResult::of(self.target, job, now));
        self
    }

    /// Adds the event as a text where the line does not hold it byte for byte, since there were line breaks in it.
    pub(in crate::attach) fn with_raw(mut self, text: &'a str) -> Self {
        self.raw = self.event.as_ref().filter(|event| event.get() != text).map(|_| text);
        self
    }

    fn set_event(&mut self, text: &'a str) {
        self.event = json(text);
        self.text = if self.event.is_none() { Some(text) } else { None };
    }

    fn set_lost(&mut self, reason: &'a str) {
        self.connection = Some("closed");
        self.error = Some(reason);
    }

    fn set_connection(&mut self, change: &'a Link) {
        self.connection = Some(match change {
            Link::Connecting => "connecting",
            Link::Connected => "connected",
            Link::Disconnected { reason } => {
                self.reason = Some(reason);
                "disconnected"
            }
            Link::Reconnecting { attempt, wait, reason } => {
                self.reason = Some(reason);
                self.attempt = Some(*attempt);
                self.in_ms = u64::try_from(wait.as_millis()).ok();
                "reconnecting"
            }
            Link::Awaiting { wait, reason } => {
                self.reason = Some(reason);
                self.in_ms = u64::try_from(wait.as_millis()).ok();
                "awaiting"
            }
            Link::Polling => "polling",
            Link::Closed => "closed",
        });
    }
}

/// JSON on one line; `None` where the text is no JSON. A line break in valid JSON can only stand between its tokens, where a
/// blank means the same.
fn json(text: &str) -> Option<Cow<'_, RawValue>> {
    if text.contains(['\n', '\r']) {
        return RawValue::from_string(text.replace(['\n', '\r'], " ")).ok().map(Cow::Owned);
    }
    serde_json::from_str(text).ok().map(Cow::Borrowed)
}

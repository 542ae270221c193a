//! One plain line per change, with the local time, on stdout.

use std::io::{self, Write};
use std::time::Instant;

use colored::Color;
use jiff::tz::TimeZone;

use super::text::{percent, printable, results};
use super::{Filter, Out, Paint, Renderer, Seen, What};
use crate::attach::board::Board;
use crate::attach::job::{Effect, Job, Link, State};
use crate::dialect::{Outcome, Phase};

/// Writes the lines.
pub(crate) struct Lines {
    out: Out,
    filter: Filter,
    paint: Paint,
    zone: TimeZone,
}

impl Lines {
    /// Writes to `out`, of the events those that `filter` lets through.
    pub(crate) fn new(out: Out, filter: Filter, paint: Paint, zone: TimeZone) -> Self {
        Self { out, filter, paint, zone }
    }
}

impl Renderer for Lines {
    fn seen(&mut self, seen: &Seen<'_>, board: &Board) -> io::Result<()> {
        let job = &board.jobs()[seen.index];
        let said = match &seen.what {
            What::Event { view, .. } if !self.filter.lets(*view) => None,
            What::Event { .. } => self.effect(job, seen.effect),
            What::Status(_) => self.effect(job, seen.effect).map(|said| format!("{said} (polled)")),
            What::Link(link) => link_words(link).map(|said| self.paint.dim(&said)),
            What::Lost(reason) => Some(self.paint.color(&format!("lost: {}", printable(reason)), Color::Red)),
        };
        let Some(said) = said else { return Ok(()) };
        let time = seen.received_at.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        writeln!(self.out, "{} {} {said}", self.paint.dim(&time), printable(&job.name))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _board: &Board, _now: Instant) -> io::Result<()> {
        self.out.flush()
    }
}

impl Lines {
    fn effect(&self, job: &Job, effect: &Effect) -> Option<String> {
        Some(match effect {
            Effect::Nothing => return None,
            Effect::Changed => whole(job, "running"),
            Effect::Began(1) => whole(job, "started"),
            Effect::Began(run) => whole(job, &format!("run {run} started")),
            Effect::Part(name) => self.part(job, name)?,
            Effect::Remark(text) => printable(text).into_owned(),
            Effect::EndedBefore(outcome) => {
                format!("{} before; waiting for a new run", outcome.as_str())
            }
            Effect::Ended(outcome) => {
                let (word, color) = match outcome {
                    Outcome::Succeeded => ("done", Color::Green),
                    Outcome::Failed => ("failed", Color::Red),
                    Outcome::Cancelled => ("cancelled", Color::Yellow),
                };
                whole(job, word).replacen(word, &self.paint.color(word, color), 1)
            }
        })
    }

    fn part(&self, job: &Job, name: &str) -> Option<String> {
        let part = job.parts.get(name)?;
        let (word, color) = match part.phase {
            Phase::Running => ("running", Color::Cyan),
            Phase::Succeeded => ("done", Color::Green),
            Phase::Failed => ("failed", Color::Red),
        };
        let said = [
            Some(format!("{}: {}", printable(name), self.paint.color(word, color))),
            part.count.map(results),
            part.text.as_deref().map(|text| printable(text).into_owned()),
        ];
        Some(said.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

/// All that is known of the job, behind a word for its state.
fn whole(job: &Job, running: &str) -> String {
    let word = if job.state == State::Queued { "queued" } else { running };
    let facts = &job.facts;
    let step = facts.step.map(|step| match facts.total {
        Some(total) => format!("step {step}/{total}"),
        None => format!("step {step}"),
    });
    let ended = matches!(job.state, State::Ended(_));
    let text = facts.error.clone().filter(|_| ended).or_else(|| job.text());
    let parts = [
        Some(word.to_owned()),
        facts.percent.map(|p| percent(p, true)),
        step,
        facts.count.filter(|count| *count > 0).map(results),
        text.map(|text| printable(&text).into_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn link_words(link: &Link) -> Option<String> {
    Some(match link {
        // The first attempt says nothing yet, the end says itself, and what comes after a loss says why.
        Link::Connecting | Link::Closed | Link::Disconnected { .. } => return None,
        Link::Connected => "connected".to_owned(),
        Link::Reconnecting { attempt, wait, reason } => {
            let wait = wait.as_secs_f64();
            format!("reconnecting in {wait:.1} s, attempt {attempt}: {}", printable(reason))
        }
        Link::Polling => "polling while the socket is down".to_owned(),
    })
}

//! One plain line per change, with the local time, on stdout.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use colored::Color;
use jiff::tz::TimeZone;

use super::event::{gap_words, link_words, log_words, remark, time, words};
use super::text::results;
use super::{Filter, Flow, Flowed, LOOK_FOR_READER, Out, Paint, Renderer, Seen, What, stdout, still_read};
use crate::attach::board::Board;
use crate::attach::job::{Effect, Job, Link, State};
use crate::attach::stream::Happening;
use crate::dialect::{Outcome, Phase};
use crate::text::{brief, percent};

/// Writes the lines.
pub(crate) struct PlainLines {
    out: Out,
    filter: Filter,
    paint: Paint,
    zone: TimeZone,
    /// Jobs that the server does not know yet, which is said once and not at every attempt.
    awaited: BTreeSet<usize>,
    /// Whether the lines go to the process's own stdout, whose reader may go.
    is_stdout: bool,
}

impl PlainLines {
    /// Writes to stdout, of the events those that `filter` lets through.
    pub(crate) fn stdout(filter: Filter, paint: Paint, zone: TimeZone) -> Self {
        Self { is_stdout: true, ..Self::new(stdout(), filter, paint, zone) }
    }

    /// Writes to `out`, of the events those that `filter` lets through.
    pub(crate) fn new(out: Out, filter: Filter, paint: Paint, zone: TimeZone) -> Self {
        Self { out, filter, paint, zone, awaited: BTreeSet::new(), is_stdout: false }
    }
}

impl Renderer for PlainLines {
    fn seen(&mut self, seen: &Seen<'_>, board: &Board) -> io::Result<()> {
        let job = &board.jobs()[seen.index];
        let said = match &seen.what {
            What::Event { view, .. } if !self.filter.lets(*view) => None,
            What::Event { .. } | What::Outcome => self.effect(job, seen.effect),
            What::Gap { repeats: true, .. } => None,
            What::Gap { reason, .. } => Some(self.paint.color(&gap_words(reason), Color::Yellow)),
            What::Status(_) => self.effect(job, seen.effect).map(|said| format!("{said} (polled)")),
            What::Link(link) if !self.is_news(seen.index, link) => None,
            What::Link(link) => link_words(link).map(|said| self.paint.dim(&said)),
            What::Lost(reason) => Some(self.paint.color(&format!("lost: {}", brief(reason)), Color::Red)),
        };
        let Some(said) = said else { return Ok(()) };
        let time = time(seen.received_at, &self.zone, self.paint);
        writeln!(self.out, "{time} {} {said}", brief(&job.name))
    }

    fn flowed(&mut self, flowed: &Flowed<'_>, board: &Board) -> io::Result<()> {
        let stream = &board.streams()[flowed.index];
        let said = match &flowed.flow {
            Flow::Event { happening: Happening::Nothing, .. } => None,
            Flow::Event { happening: Happening::Warning(_), .. }
            | Flow::Link(_)
            | Flow::Gap { .. }
            | Flow::Lost(_) => {
                remark(&flowed.flow, self.paint).map(|said| format!("{} {said}", brief(&stream.name)))
            }
            Flow::Event { view, .. } if !self.filter.lets(*view) => None,
            Flow::Event { text, view, happening } => {
                let row = view.and_then(|view| stream.resource(view.resource.as_deref()?));
                Some(words(&stream.dialect, text, *view, happening, row, (0, 0), self.paint))
            }
        };
        let Some(said) = said else { return Ok(()) };
        writeln!(self.out, "{} {said}", time(flowed.received_at, &self.zone, self.paint))
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

    fn finish(&mut self, _board: &Board, _now: Instant) -> io::Result<()> {
        self.out.flush()
    }
}

impl PlainLines {
    /// Whether a change of a job's connection is worth a line: not each of the attempts to find a job that is awaited.
    fn is_news(&mut self, job: usize, link: &Link) -> bool {
        match link {
            Link::Awaiting { .. } => self.awaited.insert(job),
            Link::Connected => !self.awaited.contains(&job),
            Link::Disconnected { .. } => true,
            _ => {
                self.awaited.remove(&job);
                true
            }
        }
    }

    fn effect(&self, job: &Job, effect: &Effect) -> Option<String> {
        Some(match effect {
            Effect::Nothing => return None,
            Effect::Changed => whole(job, "running"),
            Effect::Began(1) => whole(job, "started"),
            Effect::Began(run) => whole(job, &format!("run {run} started")),
            Effect::Part(name) => self.part(job, name)?,
            Effect::Remark(text) => brief(text).into_owned(),
            Effect::Log(log) => log_words(log, self.paint),
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
            Some(format!("{}: {}", brief(name), self.paint.color(word, color))),
            part.count.map(results),
            part.text.as_deref().map(|text| brief(text).into_owned()),
        ];
        Some(said.into_iter().flatten().collect::<Vec<_>>().join(" "))
    }
}

/// All that is known of the job, behind a word for its state.
fn whole(job: &Job, running: &str) -> String {
    let word = if job.state == State::Queued { "queued" } else { running };
    let facts = &job.facts;
    let step = facts.step.map(|step| match facts.total {
        Some(total) => format!("step {step} of {total}"),
        None => format!("step {step}"),
    });
    let ended = matches!(job.state, State::Ended(_));
    let text = match &job.remark {
        Some(remark) if job.state == State::Queued => Some(remark.clone()),
        _ if ended => job.ending(),
        _ => job.text(),
    };
    let parts = [
        Some(word.to_owned()),
        facts.percent.map(|p| percent(p, true)),
        step,
        facts.count.filter(|count| *count > 0).map(results),
        text.map(|text| brief(&text).into_owned()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

//! The picture that the bars draw, as lines of text for a screen of some size. Pure.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use colored::Color;

use super::Paint;
use super::text::{column, results};
use crate::attach::board::{Board, Tally};
use crate::attach::job::{Job, Link, Part, State};
use crate::attach::stream::Stream;
use crate::dialect::{Outcome, Phase};
use crate::text::{Side, brief, clock, columns, counted, elided, fit, padded, percent};

/// A job that is under way and says nothing for longer than this is called quiet.
const QUIET: Duration = Duration::from_secs(10);

/// A job that was waited for longer than this without a word is said to be unheard of: its name may be misspelt.
const UNHEARD: Duration = Duration::from_secs(5);

/// Lines for the parts of one job, at most.
const PART_LINES: usize = 9;

/// One frame a redraw: as smooth as it gets.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// What a screen shows at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    /// Columns; every line has fewer, since a full one makes some terminals wrap.
    pub(super) columns: usize,
    /// Rows; the picture leaves one free for the shell's next line.
    pub(super) rows: usize,
    /// Counts the redraws.
    pub(super) tick: usize,
    /// Whether to paint.
    pub(super) paint: Paint,
}

/// Widths of columns.
#[derive(Debug, Clone, Copy)]
struct Widths {
    names: usize,
    elapsed: usize,
    left: usize,
}

/// As wide as most times that are left.
const NO_LEFT: &str = " eta 0:00";

impl Screen {
    fn width(&self) -> usize {
        self.columns.saturating_sub(1).max(10)
    }

    fn bar(&self) -> usize {
        if self.columns < 60 { 0 } else { (self.columns / 6).min(40) }
    }

    /// The picture while jobs run: as many of them as fit, the parts of some, and the footer.
    pub(super) fn live(&self, board: &Board, now: Instant) -> Vec<String> {
        let streams: Vec<String> =
            board.streams().iter().filter_map(|stream| self.stream(stream, now)).collect();
        // Of a stream the most is told by the lines that scroll by above, so they get the other half of the screen.
        let scrolls = board.streams().iter().any(|stream| !stream.is_pattern());
        let room = if scrolls { self.rows / 2 } else { self.rows.saturating_sub(2) };
        let room = room.saturating_sub(streams.len()).max(1);
        let jobs = bars(board);
        let mut lines = Vec::new();
        if jobs.len() > room {
            let shown = most_telling(&jobs, room.saturating_sub(1), now);
            let widths = self.widths(shown.iter().map(|index| jobs[*index]), now);
            lines.extend(shown.iter().map(|index| self.job(jobs[*index], widths, now)));
            lines.push(self.paint.dim(&fit(&hidden(&jobs, &shown), self.width())));
        } else {
            let widths = self.widths(jobs.iter().copied(), now);
            let running = jobs.iter().filter(|job| has_parts(job)).count();
            let each = (room - jobs.len()).checked_div(running).unwrap_or(0).min(PART_LINES);
            for job in &jobs {
                lines.push(self.job(job, widths, now));
                lines.extend(self.parts(job, each));
            }
        }
        lines.extend(streams);
        lines.push(self.paint.dim(&fit(&footer(board, now), self.width())));
        lines
    }

    /// The picture that stays: every job, what the streams were about, and how many jobs ended how. The screen may
    /// scroll.
    pub(super) fn last(&self, board: &Board, now: Instant) -> Vec<String> {
        let jobs = bars(board);
        // Named jobs are as many as the user wanted; resources and other jobs are not.
        let shown = most_telling(&jobs, board.named().len().max(self.rows / 2), now);
        let widths = self.widths(shown.iter().map(|index| jobs[*index]), now);
        let (mut lines, mut told) = (Vec::new(), BTreeSet::new());
        for job in shown.iter().map(|index| jobs[*index]) {
            lines.push(self.job(job, widths, now));
            // There is room now for an error that its line had to cut; jobs of one server share theirs.
            let error = error(job).filter(|error| columns(error) > self.text(widths));
            if let Some(error) = error.filter(|error| told.insert(error.clone())) {
                lines.push(format!("    {}", self.paint.color(&error, Color::Red)));
            }
        }
        if jobs.len() > shown.len() {
            lines.push(self.paint.dim(&fit(&hidden(&jobs, &shown), self.width())));
        }
        lines.extend(
            board.streams().iter().filter(|stream| stream.is_lost()).filter_map(|s| self.stream(s, now)),
        );
        let took = clock(now.saturating_duration_since(board.began()));
        let events = counted(board.events(), "event");
        let words = Some(board.tally().words()).filter(|words| !words.is_empty());
        let summary = [words, Some(format!("{events} in {took}"))];
        let summary = summary.into_iter().flatten().collect::<Vec<_>>().join(" · ");
        lines.push(self.paint.dim(&fit(&summary, self.width())));
        lines
    }

    /// The widths of the columns that all of these jobs share.
    fn widths<'a>(&self, jobs: impl Iterator<Item = &'a Job>, now: Instant) -> Widths {
        let mut widths = Widths { names: 0, elapsed: 0, left: 0 };
        for job in jobs {
            widths.names = widths.names.max(columns(&brief(&job.label)));
            widths.elapsed = widths.elapsed.max(columns(&clock(job.elapsed(now))));
            // Room for it before it is known, so that the words behind it stay in their place.
            if job.state == State::Running && self.bar() > 0 {
                widths.left = widths.left.max(columns(&left(job, now))).max(NO_LEFT.len());
            }
        }
        widths.names = widths.names.min(self.names());
        widths
    }

    /// The line of a stream that nothing else on the screen speaks of: it is silent, or down.
    fn stream(&self, stream: &Stream, now: Instant) -> Option<String> {
        let (glyph, color, text) = match &stream.link.0 {
            _ if stream.is_lost() => ("!", Color::Red, brief(&stream.problem.as_ref()?.message).into_owned()),
            Link::Connected if stream.events > 0 => return None,
            Link::Connected if stream.is_pattern() => ("◌", Color::Yellow, "waiting for jobs".to_owned()),
            Link::Connected => ("◌", Color::Yellow, "waiting for events".to_owned()),
            Link::Connecting => ("…", Color::Yellow, "connecting".to_owned()),
            Link::Closed => return None,
            _ => {
                ("…", Color::Yellow, trouble(&stream.link, now).unwrap_or_else(|| "reconnecting".to_owned()))
            }
        };
        // A name that was put together from many targets is cut before what is wrong.
        let room = self.width().saturating_sub(columns(&text) + 4).max(self.names());
        let name = brief(&stream.name);
        let name = elided(&name, room);
        let line = format!("{} {name}  {text}", self.paint.color(glyph, color));
        Some(fit(&line, self.width()).trim_end().to_owned())
    }

    /// The most columns for names.
    fn names(&self) -> usize {
        (self.columns / 4).max(12)
    }

    fn job(&self, job: &Job, widths: Widths, now: Instant) -> String {
        let (glyph, color) = self.glyph(job.state);
        let name = padded(&elided(&brief(&job.label), widths.names), widths.names, Side::Left);
        let done = job.facts.percent.map(|p| percent(p, false)).unwrap_or_default();
        let done = column(&done, 4, Side::Right);
        let bar = self.bar_of(job, color);
        let elapsed = column(&clock(job.elapsed(now)), widths.elapsed, Side::Right);
        let times = format!("{elapsed}{}", column(&left(job, now), widths.left, Side::Left));
        let text = fit(&said(job, now), self.text(widths)).into_owned();
        let text = match job.state {
            State::Ended(Outcome::Failed) | State::Lost => self.paint.color(&text, Color::Red),
            _ => text,
        };
        let (glyph, times) = (self.paint.color(glyph, color), self.paint.dim(&times));
        let line = format!("{glyph} {name} {done} {bar}{times}  {text}");
        // A screen too narrow for all of it shows the beginning.
        fit(&line, self.width()).trim_end().to_owned()
    }

    /// The columns that are left for words: all but glyph, name, percent, bar and times.
    fn text(&self, widths: Widths) -> usize {
        let bar = if self.bar() > 0 { self.bar() + 1 } else { 0 };
        let taken = 2 + widths.names + 1 + 4 + 1 + bar + widths.elapsed + widths.left + 2;
        self.width().saturating_sub(taken)
    }

    fn glyph(&self, state: State) -> (&'static str, Color) {
        match state {
            State::Connecting => ("…", Color::Yellow),
            State::Waiting | State::EndedBefore(_) => ("◌", Color::Yellow),
            State::Queued => ("○", Color::Blue),
            State::Running => (SPINNER[self.tick % SPINNER.len()], Color::Cyan),
            State::Ended(Outcome::Succeeded) => ("✓", Color::Green),
            State::Ended(Outcome::Failed) => ("✗", Color::Red),
            State::Ended(Outcome::Cancelled) => ("⊘", Color::Yellow),
            State::Lost => ("!", Color::Red),
        }
    }

    /// The bar and the blank behind it; blank where no percent is known, nothing where there is no room.
    fn bar_of(&self, job: &Job, color: Color) -> String {
        let width = self.bar();
        let Some(percent) = job.facts.percent.filter(|_| width > 0) else {
            return " ".repeat(if width > 0 { width + 1 } else { 0 });
        };
        // In halves of a column. Both casts are of small numbers that are not negative.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let halves = (percent.clamp(0.0, 100.0) / 100.0 * (2 * width) as f64).floor() as usize;
        let full = format!("{}{}", "━".repeat(halves / 2), if halves % 2 == 1 { "╸" } else { "" });
        let rest = "─".repeat(width - halves.div_ceil(2));
        format!("{}{} ", self.paint.color(&full, color), self.paint.dim(&rest))
    }

    /// The lines beneath a job: its parts, those at work first, and how many more there are.
    fn parts(&self, job: &Job, room: usize) -> Vec<String> {
        if room == 0 || !has_parts(job) {
            return Vec::new();
        }
        let mut parts: Vec<(&String, &Part)> = job.parts.iter().collect();
        let rank = |phase: Phase| match phase {
            Phase::Running => 0,
            Phase::Failed => 1,
            Phase::Succeeded => 2,
        };
        parts.sort_by_key(|(_, part)| (rank(part.phase), std::cmp::Reverse(part.changed)));
        let shown = if parts.len() > room { room - 1 } else { parts.len() };
        let longest = parts[..shown].iter().map(|(name, _)| columns(&brief(name))).max().unwrap_or(0);
        let names = longest.min(self.columns / 3);
        let mut lines: Vec<String> =
            parts[..shown].iter().map(|(name, part)| self.part(name, part, names)).collect();
        if parts.len() > shown {
            lines.push(self.paint.dim(&format!("    +{} more", parts.len() - shown)));
        }
        lines
    }

    fn part(&self, name: &str, part: &Part, names: usize) -> String {
        let (glyph, color) = match part.phase {
            Phase::Running => (SPINNER[self.tick % SPINNER.len()], Color::Cyan),
            Phase::Succeeded => ("✓", Color::Green),
            Phase::Failed => ("✗", Color::Red),
        };
        let count = part.count.map(results);
        let text = part.text.as_deref().map(|text| brief(text).into_owned());
        let said = [count, text].into_iter().flatten().collect::<Vec<_>>().join(" · ");
        let name = padded(&elided(&brief(name), names), names, Side::Left);
        let line = format!("    {} {name}  {}", self.paint.color(glyph, color), self.paint.dim(&said));
        fit(&line, self.width()).trim_end().to_owned()
    }
}

/// All that has a bar: the jobs, and the resources of the streams that are under way.
fn bars(board: &Board) -> Vec<&Job> {
    board.jobs().iter().chain(board.streams().iter().flat_map(Stream::resources)).collect()
}

/// Whether a job has lines beneath it.
fn has_parts(job: &Job) -> bool {
    job.state == State::Running && !job.parts.is_empty()
}

/// What a job's line says in words.
fn said(job: &Job, now: Instant) -> String {
    let facts = &job.facts;
    // Steps are a job's; a resource counts what it works through.
    let counts = job.dialect.channels.is_some();
    let step = facts.step.and_then(|step| match facts.total {
        Some(total) if counts => Some(format!("{step}/{total}")),
        None if counts => None,
        Some(total) => Some(format!("Step {step} of {total}")),
        None => Some(format!("Step {step}")),
    });
    let text = match job.state {
        State::Connecting => Some(trouble(&job.link, now).unwrap_or_else(|| "connecting".to_owned())),
        State::Waiting if matches!(job.link.0, Link::Awaiting { .. }) => trouble(&job.link, now),
        State::Waiting => Some(match &job.remark {
            Some(remark) => format!("waiting · {remark}"),
            None if job.elapsed(now) < UNHEARD => "waiting".to_owned(),
            None => "waiting · nothing heard of it yet".to_owned(),
        }),
        State::EndedBefore(outcome) => Some(format!("{} before; waiting for a new run", outcome.as_str())),
        State::Ended(Outcome::Failed) | State::Lost => error(job),
        State::Ended(Outcome::Cancelled) => Some("cancelled".to_owned()),
        State::Queued => {
            let told = job.remark.clone().or_else(|| job.text());
            Some(told.map_or("queued".into(), |told| format!("queued · {told}")))
        }
        State::Ended(Outcome::Succeeded) => job.remark.clone().or_else(|| job.ending()),
        State::Running => job.remark.clone().or_else(|| job.text()),
    };
    let quiet = job.quiet(now).filter(|quiet| *quiet >= QUIET).map(|quiet| {
        let unit = if quiet.as_secs() < 100 { format!("{} s", quiet.as_secs()) } else { clock(quiet) };
        format!("no event for {unit}")
    });
    // Many a message says it too, and the room is dear.
    let is_said = |count: u64| text.as_deref().is_some_and(|text| has_number(text, count));
    let count = facts.count.filter(|count| *count > 0 && !is_said(*count)).map(results);
    let text = text.map(|text| brief(&text).into_owned());
    let parts = match job.state {
        // What went wrong is what one looks for.
        State::Ended(Outcome::Failed) | State::Lost => [text, step, count, None],
        _ => [quiet, step, count, text],
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// What went wrong, if anything did.
fn error(job: &Job) -> Option<String> {
    let text = match job.state {
        State::Ended(Outcome::Failed) => job.ending().unwrap_or_else(|| "failed".to_owned()),
        State::Lost => job.problem.as_ref()?.message.clone(),
        _ => return None,
    };
    Some(brief(&text).into_owned())
}

/// Whether a text has this number, whole.
fn has_number(text: &str, number: u64) -> bool {
    let number = number.to_string();
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == number)
}

/// What is wrong with a connection that has not come about.
fn trouble((link, since): &(Link, Instant), now: Instant) -> Option<String> {
    let left = |wait: &Duration| wait.saturating_sub(now.saturating_duration_since(*since)).as_secs() + 1;
    match link {
        Link::Reconnecting { attempt, wait, reason } => {
            Some(format!("{}; attempt {attempt} in {} s", brief(reason), left(wait)))
        }
        Link::Awaiting { reason, .. } => Some(brief(reason).into_owned()),
        _ => None,
    }
}

/// The time that is left, as far as one can tell.
fn left(job: &Job, now: Instant) -> String {
    // Rounded up: what is left is never nothing.
    let whole = |left: Duration| Duration::from_secs(left.as_secs() + u64::from(left.subsec_millis() > 0));
    job.left(now).map(|left| format!(" eta {}", clock(whole(left)))).unwrap_or_default()
}

/// The jobs to show where not all fit: those under way first, then what went wrong; in the order of the board.
fn most_telling(jobs: &[&Job], room: usize, now: Instant) -> Vec<usize> {
    let rank = |job: &Job| match job.state {
        // A resource may never be heard of again.
        State::Running if job.dialect.channels.is_some() && is_quiet(job, now) => 3,
        State::Running => 0,
        State::Ended(Outcome::Failed | Outcome::Cancelled) | State::Lost => 1,
        State::Queued => 2,
        State::Connecting | State::Waiting | State::EndedBefore(_) => 3,
        State::Ended(Outcome::Succeeded) => 4,
    };
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|index| rank(jobs[*index]));
    order.truncate(room);
    order.sort_unstable();
    order
}

fn is_quiet(job: &Job, now: Instant) -> bool {
    job.quiet(now).is_some_and(|quiet| quiet >= QUIET)
}

/// `… 31 more: 12 queued, 19 running`.
fn hidden(jobs: &[&Job], shown: &[usize]) -> String {
    let mut tally = Tally::default();
    let others = jobs.iter().enumerate().filter(|(index, _)| shown.binary_search(index).is_err());
    others.for_each(|(_, job)| tally.add(job.state));
    format!("… {} more: {}", jobs.len() - shown.len(), tally.words())
}

/// The state of the connections, the events, the jobs.
fn footer(board: &Board, now: Instant) -> String {
    // A connection counts once for each of its bars, and at least once: the resources of a stream share one connection.
    let jobs = board.named().iter().map(|job| (&job.link, 1));
    let streams = board.streams().iter().map(|stream| (&stream.link, stream.resources().len().max(1)));
    let open: Vec<(&(Link, Instant), usize)> =
        jobs.chain(streams).filter(|((link, _), _)| *link != Link::Closed).collect();
    let count = |wanted: &Link| -> usize {
        open.iter().filter(|((link, _), _)| link == wanted).map(|(_, count)| count).sum()
    };
    let all: usize = open.iter().map(|(_, count)| count).sum();
    let (connected, polling) = (count(&Link::Connected), count(&Link::Polling));
    let next = open.iter().filter_map(|((link, since), _)| match link {
        Link::Reconnecting { wait, .. } | Link::Awaiting { wait, .. } => {
            Some(wait.saturating_sub(now.saturating_duration_since(*since)))
        }
        _ => None,
    });
    let link = if open.is_empty() {
        "closed".to_owned()
    } else if connected == all {
        if connected == 1 { "connected".to_owned() } else { format!("{connected} connected") }
    } else {
        format!("{connected} of {all} connected")
    };
    let parts = [
        Some(link),
        next.min().map(|next| format!("reconnecting in {} s", next.as_secs() + 1)),
        (polling > 0).then(|| "polling".to_owned()),
        Some(format!("{:.1} events/s", board.rate(now))),
        Some(board.tally().words()).filter(|_| board.jobs().len() > 1),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

//! One line for one event of a stream: time, type, resource, and what it tells.

use colored::Color;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Flow, Paint};
use crate::attach::job::{Job, Link};
use crate::attach::stream::Happening;
use crate::attach::telling::telling;
use crate::dialect::{Dialect, LogView, Outcome, View};
use crate::text::{brief, clock, percent};

/// The local time, as lines begin with.
pub(super) fn time(at: &Timestamp, zone: &TimeZone, paint: Paint) -> String {
    paint.dim(&at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string())
}

/// Type, resource and the rest of an event; both of the first at least as wide as `widths`. `row` is its resource, where
/// that has a bar.
pub(super) fn words(
    dialect: &Dialect,
    text: &str,
    view: Option<&View>,
    happening: &Happening,
    row: Option<&Job>,
    widths: (usize, usize),
    paint: Paint,
) -> String {
    let Some(view) = view else { return brief(text).into_owned() };
    let kind = brief(&view.kind.name).into_owned();
    let resource = view.resource.as_deref().map_or("-".into(), |name| brief(name).into_owned());
    let told = match (happening, row) {
        // What its bar says.
        (Happening::Progress, Some(row)) => {
            let step = row.facts.step.zip(row.facts.total).map(|(step, total)| format!("{step}/{total}"));
            [row.facts.percent.map(|p| percent(p, true)), step, row.text()].into_iter().flatten().collect()
        }
        (Happening::Ended(_, took), _) => {
            let told =
                Some(telling(dialect, text, view.resource.as_deref(), &[])).filter(|told| !told.is_empty());
            let took = took.map(|took| format!("in {}", clock(took)));
            [took, told].into_iter().flatten().collect()
        }
        _ => vec![telling(dialect, text, view.resource.as_deref(), &[])],
    };
    let told = told.join(" · ");
    let padded = format!("{kind:<0$}", widths.0);
    let kind = paint.color(&padded, color(dialect, view, happening));
    format!("{kind} {resource:<0$} {1}", widths.1, brief(&told)).trim_end().to_owned()
}

fn color(dialect: &Dialect, view: &View, happening: &Happening) -> Color {
    match happening {
        Happening::Ended(Outcome::Succeeded, _) => Color::Green,
        Happening::Ended(Outcome::Cancelled, _) => Color::Yellow,
        _ if dialect.telling.is_bad(&view.kind.name) => Color::Red,
        _ => Color::Cyan,
    }
}

/// What is said of a stream, but for its events; `None` where that is nothing.
pub(super) fn remark(flow: &Flow<'_>, paint: Paint) -> Option<String> {
    match flow {
        Flow::Event { happening: Happening::Warning(warning), .. } => {
            Some(paint.color(&format!("warning: {}", brief(warning)), Color::Yellow))
        }
        Flow::Event { .. } | Flow::Gap { repeats: true, .. } => None,
        Flow::Gap { reason, .. } => Some(paint.color(&gap_words(reason), Color::Yellow)),
        Flow::Link(link) => link_words(link).map(|said| paint.dim(&said)),
        Flow::Lost(reason) => Some(paint.color(&format!("lost: {}", brief(reason)), Color::Red)),
    }
}

/// A line of a job's log.
pub(super) fn log_words(log: &LogView, paint: Paint) -> String {
    let mark = match log.stream.as_deref() {
        Some("stderr") => paint.color("|", Color::Yellow),
        _ => paint.dim("|"),
    };
    format!("{mark} {}", brief(&log.line)).trim_end().to_owned()
}

/// What a gap is in words.
pub(super) fn gap_words(reason: &str) -> String {
    let why = match reason {
        "too_old" => "the relay no longer has them",
        "restarted" => "the relay was restarted",
        "source_lost" => "the relay was cut off from its source",
        "invalid" => "the relay does not know the cursor",
        other => &brief(other),
    };
    format!("gap: events are missing, since {why}")
}

/// What a change of a connection is in words.
pub(super) fn link_words(link: &Link) -> Option<String> {
    Some(match link {
        // The first attempt says nothing yet, the end says itself, and what comes after a loss says why.
        Link::Connecting | Link::Closed | Link::Disconnected { .. } => return None,
        Link::Connected => "connected".to_owned(),
        Link::Reconnecting { attempt, wait, reason } => {
            let wait = wait.as_secs_f64();
            format!("reconnecting in {wait:.1} s, attempt {attempt}: {}", brief(reason))
        }
        Link::Awaiting { reason, .. } => brief(reason).into_owned(),
        Link::Polling => "polling while the socket is down".to_owned(),
    })
}

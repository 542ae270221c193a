//! The picture of one job: its bar, its parts, its last events.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::job::{JobPage, LineKind, PageLine, PagePart, Watch};
use super::picture::{Moment, Texts};
use crate::dialect::JobState;
use crate::lists::JobRow;
use crate::screen::{Canvas, Tone, elapsed, glyph, remaining};
use crate::text::{Side, clock, columns, elided, grouped, percent};

/// Draws the page. Gives how many lines of events there is room for.
pub(super) fn draw(canvas: &mut Canvas<'_>, page: &JobPage, moment: &Moment) -> usize {
    let area = canvas.area();
    let width = area.width;
    let (sign, tone) = glyph(page.state);
    let row = JobRow { state: page.state, percent: page.percent, ..listed(page) };
    let name = elided(&page.target, width.saturating_sub(24).into()).into_owned();
    let mut title: Texts<'_> = vec![
        (format!("{sign} ").into(), tone),
        (name.into(), Tone::Bold),
        (format!("  {}", page.state.as_str()).into(), tone),
    ];
    title.push(match &page.watch {
        Watch::Connecting => ("  connecting".into(), Tone::Warn),
        Watch::Live => ("".into(), Tone::Plain),
        Watch::Lost(reason) => (format!("  not live: {reason}").into(), Tone::Bad),
    });
    canvas.line((0, 0), width, title);
    let bar = (width / 3).clamp(10, 60);
    canvas.bar((0, 1), bar, page.percent.or(Some(0.0)), tone);
    canvas.put((bar + 1, 1), width.saturating_sub(bar + 1), &facts(page, &row, moment.now), Tone::Plain);
    let mut y = 2;
    let said = [(&page.error, Tone::Bad), (&page.message, Tone::Plain), (&page.result, Tone::Good)];
    let mut told = Vec::new();
    for (text, tone) in said {
        if let Some(text) = text.as_ref().filter(|text| !told.contains(text)) {
            canvas.put((0, y), width, text, tone);
            told.push(text);
            y += 1;
        }
    }
    let room = area.height.saturating_sub(y + 2);
    let mut drawn = 0;
    if !page.parts.is_empty() {
        let rows = u16::try_from(page.parts.len()).unwrap_or(u16::MAX).min(room / 2).max(1);
        parts(canvas, page, (y, rows));
        drawn = rows + 1;
    }
    y += drawn;
    let lines = usize::from(area.bottom().saturating_sub(y + 2));
    events(canvas, page, (y, lines), moment);
    foot(canvas, page, lines);
    lines
}

/// The job's row in the list; of a job that is not listed any more, what the page knows.
fn listed(page: &JobPage) -> JobRow {
    page.row.clone().unwrap_or(JobRow {
        target: page.target.clone(),
        state: page.state,
        percent: page.percent,
        message: None,
        started: None,
        updated: None,
        watchers: 0,
    })
}

/// Percent, step, results, times and watchers.
fn facts(page: &JobPage, row: &JobRow, now: Timestamp) -> String {
    let step = page.step.map(|step| match page.total {
        Some(total) => format!("step {step} of {total}"),
        None => format!("step {step}"),
    });
    let count = page.count.filter(|count| *count > 0).map(|count| format!("{} results", grouped(count)));
    let watchers = match row.watchers {
        0 => None,
        1 => Some("1 watcher".to_owned()),
        watchers => Some(format!("{} watchers", grouped(watchers))),
    };
    let facts = [
        page.percent.map(|done| percent(done, true)),
        elapsed(row, now).map(clock),
        remaining(row, now).map(|left| format!("eta {}", clock(left))),
        step,
        count,
        watchers,
    ];
    facts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Glyph of a part, its tone, and its place among the others: those at work first.
fn part_glyph(part: &PagePart) -> (&'static str, Tone, u8) {
    let (state, rank) = match part.state.as_deref() {
        Some("failed") => (JobState::Failed, 1),
        Some("succeeded") => (JobState::Succeeded, 2),
        _ => (JobState::Running, 0),
    };
    let (sign, tone) = glyph(state);
    (sign, tone, rank)
}

/// Draws a title and so many rows of parts.
fn parts(canvas: &mut Canvas<'_>, page: &JobPage, (y, rows): (u16, u16)) {
    let width = canvas.area().width;
    let mut parts: Vec<(&String, &PagePart)> = page.parts.iter().collect();
    parts.sort_by_key(|(_, part)| part_glyph(part).2);
    let tally = |rank: u8| parts.iter().filter(|(_, part)| part_glyph(part).2 == rank).count();
    let total = page.parts.len() as u64 + page.more_parts;
    let tallies = [(tally(0), "running"), (tally(1), "failed"), (tally(2), "done")];
    let tallies = tallies.iter().filter(|(count, _)| *count > 0);
    let tallies: Vec<String> = tallies.map(|(count, word)| format!("{count} {word}")).collect();
    let shown = usize::from(rows);
    let hidden = total.saturating_sub(shown as u64);
    let more = if hidden > 0 { format!(" · {} not shown", grouped(hidden)) } else { String::new() };
    let title = format!("{} PARTS: {}{more}", grouped(total), tallies.join(", "));
    canvas.put((0, y), width, &title, Tone::Dim);
    let longest = parts.iter().take(shown).map(|(name, _)| columns(name)).max().unwrap_or(0);
    let names = u16::try_from(longest).unwrap_or(u16::MAX).min(width / 3);
    for ((name, part), y) in parts.into_iter().take(shown).zip(y + 1..) {
        let (sign, tone, _) = part_glyph(part);
        canvas.put((2, y), 1, sign, tone);
        canvas.field((4, y), names, Side::Left, &elided(name, names.into()), Tone::Plain);
        let count = part.count.filter(|count| *count > 0).map(|count| format!("{} results", grouped(count)));
        let said: Vec<String> = [count, part.text.clone()].into_iter().flatten().collect();
        let x = names + 6;
        canvas.put((x, y), width.saturating_sub(x), &said.join(" · "), Tone::Dim);
    }
}

/// Draws a title and so many of the last lines, the newest last.
fn events(canvas: &mut Canvas<'_>, page: &JobPage, (y, rows): (u16, usize), moment: &Moment) {
    let width = canvas.area().width;
    canvas.put((0, y), width, "EVENTS", Tone::Dim);
    for (line, y) in window(&page.lines, page.back, rows).zip(y + 1..) {
        let time = line.at.map(|at| at.to_zoned(moment.zone.clone()).strftime("%H:%M:%S ").to_string());
        let (mark, tone) = match line.kind {
            LineKind::Event => ("", Tone::Plain),
            LineKind::Failure => ("", Tone::Bad),
            LineKind::Log => ("| ", Tone::Dim),
            LineKind::Note => ("", Tone::Warn),
        };
        let time = time.unwrap_or_else(|| " ".repeat(9));
        canvas.line((0, y), width, [(time.into(), Tone::Dim), (format!("{mark}{}", line.text).into(), tone)]);
    }
}

/// The lines that are on a screen of so many rows, scrolled back by `back` lines.
fn window(lines: &VecDeque<PageLine>, back: usize, rows: usize) -> impl Iterator<Item = &PageLine> {
    let back = back.min(lines.len().saturating_sub(rows));
    let end = lines.len() - back;
    lines.range(end.saturating_sub(rows)..end)
}

fn foot(canvas: &mut Canvas<'_>, page: &JobPage, rows: usize) {
    let area = canvas.area();
    let y = area.bottom().saturating_sub(1);
    let back = page.back.min(page.lines.len().saturating_sub(rows));
    let place = match (page.lines.len(), back) {
        (0, _) => "nothing heard yet".to_owned(),
        (lines, 0) => format!("last {} of {lines} lines", rows.min(lines)),
        (lines, back) => format!("scrolled back: {back} newer of {lines} lines"),
    };
    canvas.highlight(y);
    let text = format!("{place} · Esc back  ↑ ↓ scroll  End newest  q quit");
    canvas.put((0, y), area.width, &text, Tone::Reversed);
}

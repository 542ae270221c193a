//! Draws a table of jobs.

use jiff::Timestamp;
use ratatui::layout::Rect;

use super::canvas::{Canvas, Tone};
use super::columns::{Column, layout};
use super::table::{JobTable, Order};
use super::time::{elapsed, remaining};
use crate::dialect::JobState;
use crate::lists::JobRow;
use crate::text::{Side, brief, clock, columns, elided, grouped, percent};

/// Glyph of a state, and its tone.
pub(crate) const fn glyph(state: JobState) -> (&'static str, Tone) {
    match state {
        JobState::Queued => ("○", Tone::Idle),
        JobState::Running => ("●", Tone::Busy),
        JobState::Succeeded => ("✓", Tone::Good),
        JobState::Failed => ("✗", Tone::Bad),
        JobState::Cancelled => ("⊘", Tone::Warn),
    }
}

/// Draws the titles and as many rows as there is room for, the one under the cursor among them. Gives the numbers of the first
/// and the last row that are drawn, from 1; none where there is none.
pub(crate) fn draw_table(
    canvas: &mut Canvas<'_>,
    area: Rect,
    table: &mut JobTable,
    has_marks: bool,
    now: Timestamp,
) -> Option<(usize, usize)> {
    let height = usize::from(area.height.saturating_sub(1));
    let top = table.scroll(height);
    let longest = table.shown().map(|job| columns(&brief(&job.target))).max().unwrap_or(0);
    let layout = layout(area.width, u16::try_from(longest).unwrap_or(u16::MAX), has_marks);
    titles(canvas, area, &layout, table.order());
    let shown: Vec<&JobRow> = table.shown().skip(top).take(height).collect();
    for (row, (y, job)) in (area.y + 1..).zip(&shown).enumerate() {
        let mut x = area.x;
        for (column, width) in &layout {
            let is_marked = *column == Column::Mark && table.marked().contains(&job.target);
            cell(canvas, (x, y), *column, *width, job, is_marked, now);
            x += width + 1;
        }
        if table.is_under_cursor(top + row) {
            canvas.highlight(y);
        }
    }
    (!shown.is_empty()).then(|| (top + 1, top + shown.len()))
}

fn titles(canvas: &mut Canvas<'_>, area: Rect, layout: &[(Column, u16)], order: (Order, bool)) {
    let mut x = area.x;
    for (column, width) in layout {
        let (title, side, own) = match column {
            Column::Job => ("JOB", Side::Left, Some(Order::Name)),
            Column::Word => ("STATE", Side::Left, Some(Order::State)),
            Column::Percent => ("%", Side::Right, Some(Order::Percent)),
            Column::Mark | Column::State | Column::Bar => ("", Side::Left, None),
            Column::Elapsed => ("ELAPSED", Side::Right, Some(Order::Elapsed)),
            Column::Left => ("ETA", Side::Right, None),
            Column::Watchers => ("WATCH", Side::Right, Some(Order::Watchers)),
            Column::Message => ("MESSAGE", Side::Left, Some(Order::Updated)),
        };
        let is_own = own == Some(order.0);
        let tone = if is_own { Tone::Bold } else { Tone::Dim };
        canvas.field((x, area.y), *width, side, title, tone);
        x += width + 1;
    }
}

fn cell(
    canvas: &mut Canvas<'_>,
    at: (u16, u16),
    column: Column,
    width: u16,
    job: &JobRow,
    is_marked: bool,
    now: Timestamp,
) {
    let (sign, tone) = glyph(job.state);
    let time = |time: Option<std::time::Duration>| time.map(clock).unwrap_or_default();
    match column {
        Column::Mark => canvas.field(at, width, Side::Left, if is_marked { "▸" } else { "" }, Tone::Bold),
        Column::State => canvas.field(at, width, Side::Left, sign, tone),
        Column::Job => {
            let name = brief(&job.target);
            let tone = if is_marked { Tone::Bold } else { Tone::Plain };
            canvas.field(at, width, Side::Left, &elided(&name, width.into()), tone);
        }
        Column::Word => canvas.field(at, width, Side::Left, job.state.as_str(), tone),
        Column::Percent => {
            let done = job.percent.map(|done| percent(done, false)).unwrap_or_default();
            canvas.field(at, width, Side::Right, &done, Tone::Plain);
        }
        Column::Bar => canvas.bar(at, width, job.percent, tone),
        Column::Elapsed => canvas.field(at, width, Side::Right, &time(elapsed(job, now)), Tone::Dim),
        Column::Left => canvas.field(at, width, Side::Right, &time(remaining(job, now)), Tone::Dim),
        Column::Watchers => {
            let watchers = if job.watchers > 0 { grouped(job.watchers) } else { String::new() };
            canvas.field(at, width, Side::Right, &watchers, Tone::Plain);
        }
        Column::Message => {
            let tone = if job.state == JobState::Failed { Tone::Bad } else { Tone::Plain };
            canvas.put(at, width, job.message.as_deref().unwrap_or_default(), tone);
        }
    }
}

//! The picture of the list.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::Rect;
use tokio::time::Instant;

use super::state::PickState;
use crate::screen::{Canvas, Tone, draw_table};
use crate::text::{columns, grouped};

/// The least screen that says anything, in columns and rows.
const LEAST: (u16, u16) = (30, 6);

/// Draws the list. `server` is its address.
pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    state: &mut PickState,
    server: &str,
    zone: &TimeZone,
    (now, instant): (Timestamp, Instant),
) {
    let area = canvas.area();
    let width = area.width;
    if width < LEAST.0 || area.height < LEAST.1 {
        canvas.put((0, 0), width, &format!("{width}x{} is too small", area.height), Tone::Plain);
        return;
    }
    let listed = state.table.rows().len();
    let jobs = match state.total {
        Some(total) if total > listed as u64 => {
            format!("newest {} of {} unfinished jobs", grouped(listed as u64), grouped(total))
        }
        _ => format!("{} unfinished {}", grouped(listed as u64), if listed == 1 { "job" } else { "jobs" }),
    };
    let marked = match state.table.marked().len() {
        0 => String::new(),
        count => format!(" · {} marked", grouped(count as u64)),
    };
    canvas.line(
        (0, 0),
        width,
        [
            ("Which jobs?".into(), Tone::Bold),
            (format!(" · {server} · {jobs}").into(), Tone::Plain),
            (marked.into(), Tone::Busy),
        ],
    );
    let mut y = 1;
    if let Some((failure, since, again)) = &state.away {
        let since = since.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        let wait = again.saturating_duration_since(instant).as_secs_f64().ceil();
        let text = format!("relay away since {since}: {failure}; again in {wait:.0} s");
        canvas.put((0, y), width, &text, Tone::Bad);
        y += 1;
    }
    let list = Rect { x: 0, y, width, height: area.bottom().saturating_sub(y + 1) };
    state.page = usize::from(list.height.saturating_sub(1));
    let drawn = draw_table(canvas, list, &mut state.table, true, now);
    if drawn.is_none() {
        let text = if listed == 0 {
            "no job is queued or running; waiting for one"
        } else {
            "no job fits; Esc takes the filter away"
        };
        canvas.put((2, y + 1), width.saturating_sub(2), text, Tone::Dim);
    }
    foot(canvas, state, drawn);
}

/// Draws the last row: the text that is typed, or the keys.
fn foot(canvas: &mut Canvas<'_>, state: &PickState, drawn: Option<(usize, usize)>) {
    let area = canvas.area();
    let y = area.bottom().saturating_sub(1);
    let text = &state.table.filter().text;
    if state.is_typing {
        let x = canvas.put((0, y), area.width, &format!("/{text}"), Tone::Bold);
        canvas.put((x, y), area.width.saturating_sub(x), " ", Tone::Reversed);
        let at = x + 2;
        canvas.put((at, y), area.width.saturating_sub(at), "Enter keeps, Esc clears", Tone::Dim);
        return;
    }
    let shown = state.table.shown().len();
    let mut words = match drawn {
        Some((1, last)) if last == shown => String::new(),
        Some((first, last)) => {
            let [first, last, shown] = [first, last, shown].map(|count| grouped(count as u64));
            format!("{first}-{last} of {shown} · ")
        }
        None => String::new(),
    };
    if !text.is_empty() {
        words.extend(["\"", text, "\" · "]);
    }
    for key in ["Enter attach", "Space mark", "/ find", "q leave", "↑ ↓ move"] {
        if columns(&words) + key.len() > usize::from(area.width) {
            break;
        }
        words.push_str(key);
        words.push_str("  ");
    }
    canvas.highlight(y);
    canvas.put((0, y), area.width, words.trim_end(), Tone::Reversed);
}

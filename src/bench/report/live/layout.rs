//! The lines of the live view; pure.

use crate::bench::numbers::as_f64;
use crate::bench::report::figures::{count, micros, rate, seconds};
use crate::bench::summary::RunProgress;
use crate::text::fit;
use colored::{Color, Colorize};

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    /// Which of many runs it is, where there are many.
    pub(super) trying: Option<&'a str>,
    pub(super) progress: &'a RunProgress,
    /// Deliveries or answers received a second, in the last one.
    pub(super) received: f64,
    /// Events published a second, in the last one.
    pub(super) published: f64,
    /// What `received` was, oldest first.
    pub(super) history: &'a [f64],
}

/// Lines of at most `width` columns.
pub(super) fn layout(view: &View<'_>, width: usize, color: bool) -> Vec<String> {
    let paint = |text: String, tint: Color| if color { text.color(tint).to_string() } else { text };
    let progress = view.progress;
    let whole = |seconds: f64| seconds.floor();
    let time = match progress.planned_seconds {
        // A run can take longer than planned, for example while it drains. `12 s of 10 s` would make no sense then.
        Some(planned) if progress.elapsed_seconds <= planned => {
            format!("{} of {}", seconds(whole(progress.elapsed_seconds)), seconds(planned))
        }
        Some(planned) => {
            format!("{}, planned {}", seconds(whole(progress.elapsed_seconds)), seconds(planned))
        }
        None if progress.elapsed_seconds < 1.0 => "0 s".to_owned(),
        None => seconds(whole(progress.elapsed_seconds)),
    };
    let bar =
        progress.planned_seconds.map(|planned| share_bar(progress.elapsed_seconds / planned.max(0.001)));
    let mut lines: Vec<String> = view.trying.iter().map(ToString::to_string).collect();
    lines.push(format!(
        "{} {time}{}",
        paint(progress.phase.to_owned(), Color::Cyan),
        bar.map(|bar| format!("  {bar}")).unwrap_or_default()
    ));
    let errors = format!("errors {}", count(progress.errors));
    let errors = if progress.errors > 0 { paint(errors, Color::Red) } else { errors };
    lines.push(format!(
        "  connections  {} of {} · {errors}",
        count(progress.connections),
        count(progress.wanted)
    ));
    if progress.published > 0 || progress.received > 0 {
        lines.push(format!(
            "  events       {} published · {} received",
            rate(view.published),
            rate(view.received)
        ));
    }
    let time = |value: Option<u64>| value.map_or_else(|| "–".to_owned(), micros);
    if progress.p50.is_some() || progress.p50_now.is_some() {
        lines.push(format!(
            "  now          median {} · 99 % {}",
            time(progress.p50_now),
            time(progress.p99_now)
        ));
        lines.push(format!("  overall      median {} · 99 % {}", time(progress.p50), time(progress.p99)));
    }
    if view.history.len() > 1 {
        let room = width.saturating_sub(16).max(4);
        let line = sparkline(&view.history[view.history.len().saturating_sub(room)..]);
        lines.push(format!("  received     {}", paint(line, Color::Cyan)));
    }
    // The last column stays free: a terminal may break a line that fills it.
    lines.iter().map(|line| fit(line, width.saturating_sub(1)).into_owned()).collect()
}

const BAR: usize = 20;

fn share_bar(share: f64) -> String {
    let filled = (1..=BAR).filter(|cell| as_f64(*cell as u64) / as_f64(BAR as u64) <= share + 1e-9).count();
    format!("{}{}", "━".repeat(filled), "┄".repeat(BAR - filled))
}

/// A character for each value, by its share of the greatest.
fn sparkline(values: &[f64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let greatest = values.iter().copied().fold(0.0, f64::max);
    let level = |value: &f64| {
        let reached = (1..LEVELS.len()).rev().find(|level| {
            greatest > 0.0
                && value / greatest >= as_f64(*level as u64) / as_f64(LEVELS.len() as u64 - 1) - 0.05
        });
        LEVELS[reached.unwrap_or(0)]
    };
    values.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_seen_in_six_lines() {
        let progress = RunProgress {
            phase: "measuring",
            elapsed_seconds: 5.2,
            planned_seconds: Some(10.0),
            connections: 4990,
            wanted: 5000,
            errors: 10,
            published: 2500,
            received: 250_000,
            p50_now: Some(1200),
            p99_now: Some(5250),
            p50: Some(1100),
            p99: Some(4900),
        };
        let view = View {
            trying: None,
            progress: &progress,
            received: 50_000.0,
            published: 500.0,
            history: &[0.0, 25_000.0, 50_000.0],
        };
        assert_eq!(
            layout(&view, 80, false),
            [
                "measuring 5 s of 10 s  ━━━━━━━━━━┄┄┄┄┄┄┄┄┄┄",
                "  connections  4,990 of 5,000 · errors 10",
                "  events       500/s published · 50,000/s received",
                "  now          median 1.2 ms · 99 % 5.25 ms",
                "  overall      median 1.1 ms · 99 % 4.9 ms",
                "  received     ▁▄█",
            ]
        );
        let narrow = layout(&view, 24, true);
        assert!(narrow.iter().all(|line| crate::text::columns(line) < 24), "{narrow:?}");
    }

    #[test]
    fn what_takes_longer_than_planned_says_so() {
        let progress = RunProgress {
            phase: "draining",
            elapsed_seconds: 7.2,
            planned_seconds: Some(6.0),
            ..RunProgress::default()
        };
        let view = View { trying: None, progress: &progress, received: 0.0, published: 0.0, history: &[] };
        let bar = "━".repeat(BAR);
        assert_eq!(layout(&view, 80, false)[0], format!("draining 7 s, planned 6 s  {bar}"));
    }

    #[test]
    fn before_anything_happened_there_is_little_to_see() {
        let progress = RunProgress { phase: "checking", ..RunProgress::default() };
        let view = View { trying: None, progress: &progress, received: 0.0, published: 0.0, history: &[] };
        assert_eq!(layout(&view, 80, false), ["checking 0 s", "  connections  0 of 0 · errors 0"]);
        assert_eq!(sparkline(&[0.0, 0.0]), "▁▁");
    }
}

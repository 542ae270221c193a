//! Times, figures and colours, as the renderers write them.

use std::time::Duration;

use colored::{Color, Colorize};

use crate::text::{Side, counted, fit, padded};

/// Cut or padded to exactly `width` columns.
pub(super) fn column(text: &str, width: usize, side: Side) -> String {
    padded(&fit(text, width), width, side)
}

/// `0:07`, `12:34`, `1:02:03`.
pub(super) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `45%`, or `45.5%` where a percent has a fraction and there is room for it.
pub(super) fn percent(percent: f64, exact: bool) -> String {
    // Never 100 % before it is: rounding down is what a person expects of progress.
    if exact && percent.fract() > 0.0 {
        format!("{:.1}%", (percent * 10.0).floor() / 10.0)
    } else {
        format!("{}%", percent.floor())
    }
}

/// `1 result`, `42 results`.
pub(super) fn results(count: u64) -> String {
    counted(count, "result")
}

/// Paints, or does not. What the terminal can do was decided before; nothing here looks at the environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    /// Whether to paint.
    pub(crate) fn new(on: bool) -> Self {
        if on {
            // colored would decide by stdout and the environment, at the time of printing.
            colored::control::set_override(true);
        }
        Self(on)
    }

    /// The text in a colour.
    pub(super) fn color(self, text: &str, color: Color) -> String {
        if self.0 && !text.is_empty() { text.color(color).to_string() } else { text.to_owned() }
    }

    /// The text, less conspicuous.
    pub(super) fn dim(self, text: &str) -> String {
        if self.0 && !text.is_empty() { text.dimmed().to_string() } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_percents_read_well() {
        assert_eq!(clock(Duration::from_secs(7)), "0:07");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!((percent(99.96, true), percent(99.96, false)), ("99.9%".into(), "99%".into()));
        assert_eq!(percent(45.0, true), "45%");
        assert_eq!(column("ä日本語", 6, Side::Left), "ä日本…");
    }
}

//! Text for terminals: made safe, cut and padded to columns, painted.

use std::borrow::Cow;
use std::time::Duration;

use colored::{Color, Colorize};
use console::{Alignment, measure_text_width, pad_str, strip_ansi_codes, truncate_str};

/// Longer texts are cut: one event must not fill the screen.
const LONGEST: usize = 500;

/// A text from outside on one line and without anything that moves the cursor, paints, or turns the direction of
/// writing: nobody who publishes an event gets to command the terminal of those who watch.
pub fn printable(text: &str) -> Cow<'_, str> {
    let stripped = strip_ansi_codes(text);
    let is_bad = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    if !stripped.chars().any(is_bad) && stripped.len() <= LONGEST {
        return stripped;
    }
    let spaced = stripped.chars().take(LONGEST).map(|c| if c.is_whitespace() { ' ' } else { c });
    Cow::Owned(spaced.filter(|c| !is_bad(*c)).collect())
}

/// Cut to at most `width` columns, with an ellipsis where something is missing.
pub(super) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    truncate_str(text, width, if width > 0 { "…" } else { "" })
}

/// Cut or padded to exactly `width` columns.
pub(super) fn column(text: &str, width: usize, alignment: Alignment) -> String {
    let text = fit(text, width);
    pad_str(&text, width, alignment, None).into_owned()
}

/// How many columns a text takes.
pub(super) fn columns(text: &str) -> usize {
    measure_text_width(text)
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
    format!("{count} {}", if count == 1 { "result" } else { "results" })
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
    fn a_text_from_outside_commands_nothing() {
        let cases = [
            ("plain ✓", "plain ✓"),
            ("\u{1b}[2J\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("two\nlines\r\u{8}\tand\u{9b}31m", "two lines  andm"),
            ("\u{202e}evil", "evil"),
        ];
        for (text, safe) in cases {
            let got = printable(text);
            assert!(!got.chars().any(char::is_control), "{got:?}");
            if text.contains('\u{9b}') {
                continue; // Whether a C1 sequence is taken out whole is the library's business.
            }
            assert_eq!(got, safe);
        }
        assert_eq!(printable(&"x".repeat(100_000)).len(), LONGEST);
    }

    #[test]
    fn clocks_and_percents_read_well() {
        assert_eq!(clock(Duration::from_secs(7)), "0:07");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!((percent(99.96, true), percent(99.96, false)), ("99.9%".into(), "99%".into()));
        assert_eq!(percent(45.0, true), "45%");
        assert_eq!(column("ä日本語", 6, Alignment::Left), "ä日本…");
    }
}

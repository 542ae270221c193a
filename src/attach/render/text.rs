//! Columns, figures and colours, as the renderers write them.

use colored::{Color, Colorize};

use crate::text::{Side, counted, fit, padded};

/// Cut or padded to exactly `width` columns.
pub(super) fn column(text: &str, width: usize, side: Side) -> String {
    padded(&fit(text, width), width, side)
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
    fn a_column_is_cut_by_what_a_terminal_draws() {
        assert_eq!(column("ä日本語", 6, Side::Left), "ä日本…");
    }
}

//! A comparison for a terminal: a table where it fits, and two lines a metric where it does not.

use std::fmt::Write as _;

use colored::{Color, Colorize};

use super::{Change, Compared, Comparison};
use crate::bench::report::table::Table;
use crate::text::columns;

/// What the columns of a table are headed.
const HEAD: [&str; 6] = ["", "before", "after", "change", "between", "result"];

/// The column that is left out first.
const BETWEEN: usize = 4;

impl Comparison {
    /// The comparison for a terminal of this width.
    pub fn text(&self, width: usize, color: bool) -> String {
        if color {
            colored::control::set_override(true);
        }
        let paint =
            |text: &str, tint: Color| if color { text.color(tint).to_string() } else { text.to_owned() };
        let (mut out, has_intervals) = self.rows(width, &paint);
        let names = |wanted: Change| {
            let of = self.metrics.iter().filter(|metric| metric.change == wanted);
            of.map(|metric| metric.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        out.push('\n');
        for (change, word) in [(Change::Worse, "Worse"), (Change::Better, "Better")] {
            if self.metrics.iter().any(|metric| metric.change == change) {
                let _ = writeln!(out, "{}", filled(&format!("{word}: {}", names(change)), width));
            }
        }
        if self.metrics.iter().all(|metric| metric.change == Change::Unjudged) {
            out.push_str("Nothing could be judged.\n");
        } else if !self.metrics.iter().any(|metric| matches!(metric.change, Change::Better | Change::Worse)) {
            out.push_str("No difference shown.\n");
        }
        for remark in self.remarks.iter().chain(self.about_intervals.iter().filter(|_| has_intervals)) {
            let remark = filled(&format!("note: {remark}"), width);
            let _ = writeln!(out, "{}{}", paint("note", Color::Yellow), &remark["note".len()..]);
        }
        out
    }

    /// Every metric, and whether the intervals are there.
    fn rows(&self, width: usize, paint: &dyn Fn(&str, Color) -> String) -> (String, bool) {
        let mut out = String::new();
        let mut add = |text: &str, change: Option<Change>| {
            out.push_str(&match change {
                Some(Change::Better) => paint(text, Color::Green),
                Some(Change::Worse) => paint(text, Color::Red),
                _ => text.to_owned(),
            });
            out.push('\n');
        };
        let all: Vec<[String; 6]> = self.metrics.iter().map(cells).collect();
        let any = self.metrics.iter().any(|metric| metric.interval.is_some());
        for has_intervals in [any, false] {
            let shown = |at: &usize| has_intervals || *at != BETWEEN;
            let mut table = Table::new((0..HEAD.len()).filter(shown).map(|at| HEAD[at]));
            for cells in &all {
                table.row((0..HEAD.len()).filter(shown).map(|at| cells[at].clone()));
            }
            let lines = table.lines(usize::MAX / 2);
            if lines.iter().all(|line| columns(line) <= width) {
                let changes = std::iter::once(None).chain(self.metrics.iter().map(|one| Some(one.change)));
                lines.iter().zip(changes).for_each(|(line, change)| add(line, change));
                return (out, has_intervals);
            }
        }
        for (metric, [name, before, after, change, _, result]) in self.metrics.iter().zip(&all) {
            add(name, Some(metric.change));
            add(&format!("  {before} to {after}: {change}, {result}"), Some(metric.change));
        }
        (out, false)
    }
}

/// A row of the table.
fn cells(metric: &Compared) -> [String; 6] {
    let between = match metric.interval {
        Some((low, high)) => format!("{} … {}", metric.unit.change(low), metric.unit.change(high)),
        None => "–".to_owned(),
    };
    let change = metric.unit.change(metric.unit.difference(metric.before, metric.after));
    let result = match metric.change {
        Change::Better => "better",
        Change::Worse => "worse",
        Change::Unshown => "not shown",
        Change::Unjudged => "not judged",
    };
    let value = |value| metric.unit.value(value);
    [metric.name.clone(), value(metric.before), value(metric.after), change, between, result.to_owned()]
}

/// A text in lines that break between words, as far as its words go that narrow; all but the first are indented.
fn filled(text: &str, width: usize) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut taken = 0;
    for word in text.split(' ') {
        let wide = columns(word);
        if taken > 0 && taken + 1 + wide > width {
            filled.push_str("\n  ");
            taken = 2;
        } else if taken > 0 {
            filled.push(' ');
            taken += 1;
        }
        filled.push_str(word);
        taken += wide;
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(filled("note: a longer text", 10), "note: a\n  longer\n  text");
        assert_eq!(filled("note: incomprehensible", 10), "note:\n  incomprehensible");
        assert_eq!(filled("note: a longer text", 100), "note: a longer text");
    }
}

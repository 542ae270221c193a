//! The report on a terminal: what was run, what came of it, and the verdict last, where it is seen.

pub(super) mod sections;
pub(super) mod subscribed;

use std::fmt::Write as _;

use colored::{Color, Colorize};

use super::buckets::buckets;
use super::figures::{count, micros, printable, share_of};
use super::table::Table;
use super::timings::{self, Named, SHOWN};
use crate::bench::summary::Summary;
use crate::text::columns;

/// Rows of a histogram at most.
const ROWS: usize = 16;

/// The narrowest that is laid out for; a narrower terminal breaks lines.
const NARROWEST: usize = 40;

/// Wider ones do not read better.
const WIDEST: usize = 120;

/// The whole report in lines of at most `width` columns, as far as its tables go that narrow; coloured where `color` is
/// set, whatever stdout is.
pub fn text(summary: &Summary, width: usize, color: bool) -> String {
    if color {
        // colored would decide by stdout and the environment.
        colored::control::set_override(true);
    }
    let width = width.clamp(NARROWEST, WIDEST);
    let mut page = Page { out: String::new(), width, color };
    sections::head(&mut page, summary);
    sections::connections(&mut page, summary);
    sections::publish(&mut page, summary);
    sections::deliveries(&mut page, summary);
    sections::others(&mut page, summary);
    times(&mut page, summary);
    histogram(&mut page, &timings::main(summary));
    sections::server(&mut page, summary);
    sections::client(&mut page, summary);
    sections::workers(&mut page, summary);
    sections::find(&mut page, summary);
    sections::verdict(&mut page, summary);
    page.out
}

/// A run in a sentence: the answer of a search, what spoils it, or the verdict.
pub fn headline(summary: &Summary) -> String {
    if let Some(find) = &summary.find {
        return super::search::answer(find);
    }
    let verdict = &summary.verdict;
    let (word, _) = sections::word(summary);
    let broken: Vec<String> = verdict
        .assertions
        .iter()
        .filter(|assertion| !assertion.passed)
        .map(|assertion| format!("{} was {}", assertion.text, assertion.value))
        .collect();
    match (&verdict.unclean, word) {
        (Some(why), _) => format!("NOT CLEAN: {why}"),
        (None, "none") => "nothing was demanded".to_owned(),
        (None, word) if !broken.is_empty() => format!("{word}: {}", broken.join(", ")),
        (None, word) => word.to_owned(),
    }
}

/// The verdict in a word or two, and the colour that goes with it.
pub(super) fn verdict_word(summary: &Summary) -> (&'static str, Color) {
    sections::word(summary)
}

/// A report on its way.
struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let text = if self.color { text.bold().to_string() } else { text.to_owned() };
        self.write(format_args!("\n{text}\n"));
    }

    fn line(&mut self, text: &str) {
        self.write(format_args!("  {text}\n"));
    }

    /// Facts on as few lines as they fit on.
    fn facts(&mut self, facts: &[String]) {
        let mut line = String::new();
        for fact in facts {
            let gap = if line.is_empty() { "" } else { " · " };
            if !line.is_empty() && columns(&line) + columns(fact) + 5 > self.width {
                self.line(&line);
                line.clear();
                line.push_str(fact);
            } else {
                line.push_str(gap);
                line.push_str(fact);
            }
        }
        if !line.is_empty() {
            self.line(&line);
        }
    }

    fn table(&mut self, table: &Table) {
        for (at, line) in table.lines(self.width - 2).into_iter().enumerate() {
            let line = if at == 0 { self.dim(&line) } else { line };
            self.line(&line);
        }
    }

    fn paint(&self, text: &str, color: Color) -> String {
        if self.color { text.color(color).to_string() } else { text.to_owned() }
    }

    fn dim(&self, text: &str) -> String {
        if self.color { text.dimmed().to_string() } else { text.to_owned() }
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).expect("writing into memory does not fail");
    }
}

/// Every timing with its percentiles.
fn times(page: &mut Page, summary: &Summary) {
    let rows: Vec<Named<'_>> =
        timings::of_server(summary).into_iter().chain(timings::of_client(summary)).collect();
    if rows.is_empty() {
        return;
    }
    page.heading("Times");
    let head = ["", "count", "min"].into_iter().chain(SHOWN.map(|(name, _)| name)).chain(["max"]);
    let mut table = Table::new(head).optional(["75 %", "95 %", "min", "count", "90 %"]);
    for named in rows {
        let name = format!("{}{}", if named.part { "  " } else { "" }, printable(&named.name));
        let timing = named.timing;
        let percentiles = SHOWN.iter().map(|(_, percent)| micros(timing.micros_at(*percent)));
        let cells = [name, count(timing.count()), micros(timing.min_micros())];
        table.row(cells.into_iter().chain(percentiles).chain([micros(timing.max_micros())]));
    }
    page.table(&table);
}

fn histogram(page: &mut Page, named: &Named<'_>) {
    let rows = buckets(named.timing, ROWS);
    let Some(largest) = rows.iter().map(|row| row.count).max().filter(|_| rows.len() > 1) else { return };
    page.heading(&timings::heading(&printable(&named.name)));
    let mut figures = Table::new(["", "from", "to"]);
    let mut shares = Table::new(["", "count", "share"]);
    for row in &rows {
        figures.row([String::new(), micros(row.from), micros(row.to)]);
        let share = share_of(row.count, named.timing.count()).unwrap_or_default();
        shares.row([String::new(), count(row.count), share]);
    }
    let (figures, shares) = (figures.lines(page.width), shares.lines(page.width));
    let taken = columns(&figures[1]) + columns(&shares[1]);
    let room = page.width.saturating_sub(taken + 4).clamp(8, 50);
    for (at, row) in rows.iter().enumerate() {
        let bar = page.paint(&bar(row.count, largest, room), Color::Cyan);
        let padding = " ".repeat(room - bar_columns(row.count, largest, room));
        let line = format!("{}  {bar}{padding}{}", &figures[at + 1][2..], shares[at + 1]);
        page.line(line.trim_end());
    }
}

/// A bar in eighths of a column; what is not nothing shows.
fn bar(part: u64, whole: u64, room: usize) -> String {
    let eighths = eighths(part, whole, room);
    let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
    format!("{}{rest}", "█".repeat(eighths / 8))
}

fn bar_columns(part: u64, whole: u64, room: usize) -> usize {
    eighths(part, whole, room).div_ceil(8)
}

fn eighths(part: u64, whole: u64, room: usize) -> usize {
    let eighths = u128::from(part) * (room as u128 * 8) / u128::from(whole.max(1));
    usize::try_from(eighths).unwrap_or(room * 8).max(usize::from(part > 0))
}

#[cfg(test)]
mod tests;

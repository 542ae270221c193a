//! A table in plain text or Markdown: the first column to the left, figures to the right.

use crate::text::{Side, columns, is_unsafe, padded};

/// A table; every row has as many cells as the head.
#[derive(Debug, Clone)]
pub(super) struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// The columns that go first where there is no room, in this order.
    optional: Vec<&'static str>,
}

impl Table {
    /// One without rows.
    pub(super) fn new<'a>(head: impl IntoIterator<Item = &'a str>) -> Self {
        Self { head: head.into_iter().map(str::to_owned).collect(), rows: Vec::new(), optional: Vec::new() }
    }

    /// Names the columns that go first where there is no room.
    pub(super) fn optional(mut self, columns: impl IntoIterator<Item = &'static str>) -> Self {
        self.optional = columns.into_iter().collect();
        self
    }

    pub(super) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        debug_assert_eq!(cells.len(), self.head.len(), "a cell for every column");
        self.rows.push(cells);
    }

    /// Lines of at most `width` columns, as far as dropping the optional ones gets there; the head first.
    pub(super) fn lines(&self, width: usize) -> Vec<String> {
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width_of(column)).collect();
        let mut shown: Vec<usize> = (0..self.head.len()).collect();
        let taken = |shown: &[usize]| shown.iter().map(|column| widths[*column] + 2).sum::<usize>();
        for name in &self.optional {
            if taken(&shown) <= width + 2 {
                break;
            }
            shown.retain(|column| self.head[*column] != *name);
        }
        let line = |cells: &Vec<String>| {
            let mut line = String::new();
            for column in &shown {
                let side = if *column == 0 { Side::Left } else { Side::Right };
                if *column > 0 {
                    line.push_str("  ");
                }
                line.push_str(&padded(&cells[*column], widths[*column], side));
            }
            line.truncate(line.trim_end().len());
            line
        };
        std::iter::once(&self.head).chain(&self.rows).map(line).collect()
    }

    /// The table in Markdown.
    pub(super) fn markdown(&self) -> String {
        let line = |cells: &Vec<String>| {
            let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let rule = format!("|---|{}\n", "--:|".repeat(self.head.len() - 1));
        let rows: String = self.rows.iter().map(line).collect();
        format!("{}{rule}{rows}", line(&self.head))
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = std::iter::once(&self.head).chain(&self.rows);
        cells.map(|cells| columns(&cells[column])).max().unwrap_or(0)
    }
}

/// A text as Markdown shows it literally, on one line.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '$' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            c if is_unsafe(c) => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_optional_goes_where_there_is_no_room() {
        let mut table = Table::new(["", "count", "99 %"]).optional(["count"]);
        table.row(["delivery latency", "50,000", "5.25 ms"]);
        table.row(["µ", "1", "7 µs"]);
        assert_eq!(
            table.lines(80),
            [
                "                   count     99 %",
                "delivery latency  50,000  5.25 ms",
                "µ                      1     7 µs"
            ]
        );
        assert_eq!(table.lines(25)[1], "delivery latency  5.25 ms");
        assert_eq!(table.lines(33)[1].len(), 33);
    }

    #[test]
    fn markdown_is_not_commanded_by_a_cell() {
        let mut table = Table::new(["reason", "count"]);
        table.row(["a|b\n<script> ~~$x$~~", "1"]);
        assert_eq!(
            table.markdown(),
            "| reason | count |\n|---|--:|\n| a\\|b &lt;script&gt; \\~\\~\\$x\\$\\~\\~ | 1 |\n"
        );
    }
}

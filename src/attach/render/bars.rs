//! Bars on a terminal, drawn to stderr with indicatif.
//!
//! The whole picture is the message of one indicatif bar, and a redraw is one frame in one write, however many jobs there
//! are: nothing half drawn is seen. The cursor is hidden while bars are drawn, and shown again however it ends: by the last
//! frame, before the process is stopped, and when the bars are dropped.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use colored::Color;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use jiff::tz::TimeZone;

use super::event::{remark, time, words};
use super::frame::{Cursor, Frame};
use super::layout::Screen;
use super::{Filter, Flow, Flowed, Paint, Renderer, Seen};
use crate::attach::board::Board;
use crate::attach::job::Link;
use crate::attach::stream::Happening;
use crate::text::{brief, columns, fit};

/// Ten redraws a second: smooth to the eye, and cheap.
const INTERVAL: Duration = Duration::from_millis(100);

/// indicatif's own limit, above ours so that it never swallows a redraw.
const DRAWS_PER_SECOND: u8 = 30;

/// Lines that scroll up between two redraws, at most: nobody reads more, and a terminal is slow. The rest is counted.
const MAX_SCROLLED: usize = 100;

/// Columns of an event's type and resource, where they are no wider, so that lines can be read as a table.
const EVENT_COLUMNS: (usize, usize) = (20, 12);

/// Draws the bars.
pub(crate) struct Bars<T: TermLike = Term> {
    bar: ProgressBar,
    /// What the bar is drawn on.
    term: Frame<T>,
    /// The cursor is hidden.
    hidden: bool,
    drawn: Drawn,
    tick: usize,
    paint: Paint,
    filter: Filter,
    zone: TimeZone,
    /// Lines that scroll up at the next redraw.
    scrolled: Vec<String>,
    /// How many more there would have been.
    left_out: usize,
    /// Streams that have lost their connection.
    broken: BTreeSet<usize>,
}

/// The picture that is on the screen.
#[derive(Default)]
struct Drawn {
    /// The columns of each line.
    lines: Vec<usize>,
    /// The width of the screen at that time.
    columns: u16,
}

impl Bars<Term> {
    /// Draws on the terminal behind stderr. Of the streams' events those that `filter` lets through scroll up.
    pub(crate) fn stderr(paint: Paint, filter: Filter, zone: TimeZone) -> Self {
        Self::new(Term::buffered_stderr(), paint, filter, zone)
    }
}

impl<T: TermLike + 'static> Bars<T> {
    fn new(term: T, paint: Paint, filter: Filter, zone: TimeZone) -> Self {
        let term = Frame::new(term);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), DRAWS_PER_SECOND);
        let style =
            ProgressStyle::with_template("{msg}").expect("the template is constant, and a test draws it");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self {
            bar,
            term,
            hidden: false,
            drawn: Drawn::default(),
            tick: 0,
            paint,
            filter,
            zone,
            scrolled: Vec::new(),
            left_out: 0,
            broken: BTreeSet::new(),
        }
    }

    fn screen(&self) -> Screen {
        let (rows, columns) = (self.term.height(), self.term.width());
        Screen { columns: columns.into(), rows: rows.into(), tick: self.tick, paint: self.paint }
    }

    /// What is worth a line above the bars: every event but those that move a bar, and a gap in the stream.
    fn said(&mut self, flowed: &Flowed<'_>, board: &Board) -> Option<String> {
        let index = flowed.index;
        match &flowed.flow {
            Flow::Event { happening: Happening::Nothing | Happening::Progress, .. } => None,
            Flow::Event { happening: Happening::Warning(_), .. } => remark(&flowed.flow, self.paint),
            Flow::Event { view, .. } if !self.filter.lets(*view) => None,
            Flow::Event { text, view, happening } => {
                Some(words(text, *view, happening, None, EVENT_COLUMNS, self.paint))
            }
            Flow::Link(Link::Disconnected { .. }) if self.broken.insert(index) => {
                let text = "connection lost; what happens until it is back is missed";
                Some(self.paint.color(text, Color::Yellow))
            }
            Flow::Link(Link::Connected) if self.broken.remove(&index) => {
                Some(self.paint.color(
                    &format!("connected again: {}", brief(&board.streams()[index].name)),
                    Color::Yellow,
                ))
            }
            // The picture says it.
            Flow::Link(_) | Flow::Lost(_) => None,
        }
    }

    /// The lines that have gathered since the last redraw, cut to the screen.
    fn gathered(&mut self) -> Vec<String> {
        let width = usize::from(self.term.width()).saturating_sub(1).max(10);
        let mut lines: Vec<String> =
            self.scrolled.drain(..).map(|line| fit(&line, width).into_owned()).collect();
        if self.left_out > 0 {
            lines.push(self.paint.dim(&format!("… {} more events, too fast to show", self.left_out)));
            self.left_out = 0;
        }
        lines
    }

    /// Takes the picture off a screen that has become narrower since.
    ///
    /// Most terminals break a line that has no room any more, so that the picture has more rows than indicatif thinks.
    /// They are cleared here and replaced by as many empty ones as it expects.
    fn clear_after_resize(&self) -> io::Result<()> {
        let columns = self.term.width();
        let Some((_, above)) = self.drawn.lines.split_last() else { return Ok(()) };
        if columns == 0 || columns >= self.drawn.columns {
            return Ok(());
        }
        let rows = above.iter().map(|line| line.div_ceil(columns.into()).max(1)).sum();
        self.term.move_cursor_up(rows)?;
        // The frame clears what is below when it ends, and the rows that are written until then from their beginning.
        self.term.write_str(&format!("\r\u{1b}[J{}", "\r\n".repeat(above.len())))
    }
}

impl<T: TermLike> Drop for Bars<T> {
    fn drop(&mut self) {
        if self.hidden {
            // A terminal that is gone has no cursor.
            let _ = self.term.restore();
        }
    }
}

impl<T: TermLike + Send + Sync + 'static> Renderer for Bars<T> {
    fn seen(&mut self, _seen: &Seen<'_>, _board: &Board) -> io::Result<()> {
        Ok(())
    }

    fn flowed(&mut self, flowed: &Flowed<'_>, board: &Board) -> io::Result<()> {
        let Some(said) = self.said(flowed, board) else { return Ok(()) };
        if self.scrolled.len() < MAX_SCROLLED {
            let time = time(flowed.received_at, &self.zone, self.paint);
            self.scrolled.push(format!("{time} {said}"));
        } else {
            self.left_out += 1;
        }
        Ok(())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.scrolled.push(self.paint.color(&brief(text), Color::Yellow));
        Ok(())
    }

    fn interval(&self) -> Option<Duration> {
        Some(INTERVAL)
    }

    fn draw(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        let screen = self.screen();
        self.clear_after_resize()?;
        let lines = screen.live(board, now);
        let widths = lines.iter().map(|line| columns(line)).collect();
        self.drawn = Drawn { lines: widths, columns: self.term.width() };
        self.tick += 1;
        self.bar.set_message(lines.join("\n"));
        let gathered = self.gathered();
        if !gathered.is_empty() {
            self.bar.println(gathered.join("\n"));
        }
        self.hidden = true;
        self.term.show(Cursor::Hidden)
    }

    fn holds_terminal(&self) -> bool {
        true
    }

    fn pause(&mut self) -> io::Result<()> {
        // The picture stays where it is, and the next one begins below whatever is written meanwhile. indicatif goes up
        // from there by the rows that it knows of.
        self.term.write_str(&"\r\n".repeat(self.drawn.lines.len().min(1)))?;
        self.hidden = false;
        self.term.show(Cursor::Shown)
    }

    fn resume(&mut self) -> io::Result<()> {
        self.term.write_str(&"\r\n".repeat(self.drawn.lines.len().saturating_sub(1)))
    }

    fn finish(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        self.clear_after_resize()?;
        self.bar.finish_and_clear();
        for line in self.gathered() {
            self.term.write_line(&line)?;
        }
        // Plain lines from here on: unlike a bar they may be higher than the screen.
        for line in self.screen().last(board, now) {
            self.term.write_line(&line)?;
        }
        self.hidden = false;
        self.term.show(Cursor::Shown)
    }
}

#[cfg(test)]
mod tests;

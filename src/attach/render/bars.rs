//! Bars on a terminal, drawn to stderr with indicatif.
//!
//! The whole picture is the message of one indicatif bar: one draw a redraw, however many jobs there are, and nothing
//! half drawn in between. The cursor is never hidden and the terminal never put into another mode, so there is nothing
//! to restore after a Ctrl-C, nor after a kill.

use std::io;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::layout::Screen;
use super::lined::Lined;
use super::text::columns;
use super::{Paint, Renderer, Seen};
use crate::attach::board::Board;

/// Ten redraws a second: smooth to the eye, and cheap.
const INTERVAL: Duration = Duration::from_millis(100);

/// indicatif's own limit, above ours so that it never swallows a redraw.
const DRAWS_PER_SECOND: u8 = 30;

/// From the cursor to the end of the screen.
const CLEAR_BELOW: &str = "\u{1b}[J";

/// Draws the bars.
pub(crate) struct Bars {
    bar: ProgressBar,
    /// What the bar is drawn on.
    term: Box<dyn TermLike>,
    drawn: Drawn,
    tick: usize,
    paint: Paint,
}

/// The picture that is on the screen.
#[derive(Default)]
struct Drawn {
    /// The columns of each line.
    lines: Vec<usize>,
    /// The width of the screen at that time.
    columns: u16,
}

impl Bars {
    /// Draws on the terminal behind stderr.
    pub(crate) fn stderr(paint: Paint) -> Self {
        Self::new(Term::buffered_stderr(), paint)
    }

    fn new(term: impl TermLike + Clone + 'static, paint: Paint) -> Self {
        let lined = Box::new(Lined::new(term.clone()));
        let target = ProgressDrawTarget::term_like_with_hz(lined, DRAWS_PER_SECOND);
        let style =
            ProgressStyle::with_template("{msg}").expect("the template is constant, and a test draws it");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self { bar, term: Box::new(term), drawn: Drawn::default(), tick: 0, paint }
    }

    fn screen(&self) -> Screen {
        let (rows, columns) = (self.term.height(), self.term.width());
        Screen { columns: columns.into(), rows: rows.into(), tick: self.tick, paint: self.paint }
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
        self.term.write_str("\r")?;
        self.term.write_str(CLEAR_BELOW)?;
        self.term.write_str(&"\r\n".repeat(above.len()))
    }
}

impl Renderer for Bars {
    fn seen(&mut self, _seen: &Seen<'_>, _board: &Board) -> io::Result<()> {
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
        // At the end of a full line, the `^C` that a terminal echoes would break it, and all would be a row off.
        self.term.write_str("\r")?;
        self.term.flush()
    }

    fn finish(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        self.clear_after_resize()?;
        self.bar.finish_and_clear();
        // Plain lines from here on: unlike a bar they may be higher than the screen.
        for line in self.screen().last(board, now) {
            self.term.write_line(&line)?;
        }
        self.term.flush()
    }
}

#[cfg(test)]
mod tests;

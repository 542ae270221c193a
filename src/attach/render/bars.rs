//! Bars on a terminal, drawn to stderr with indicatif.
//!
//! The whole picture is the message of one indicatif bar: one draw a redraw, however many jobs there are, and nothing
//! half drawn in between. The cursor is never hidden and the terminal never put into another mode, so there is nothing
//! to restore after a Ctrl-C, nor after a kill.

use std::io;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::layout::Screen;
use super::{Paint, Renderer, Seen};
use crate::attach::board::Board;

/// Ten redraws a second: smooth to the eye, and cheap.
const INTERVAL: Duration = Duration::from_millis(100);

/// indicatif's own limit, above ours so that it never swallows a redraw.
const DRAWS_PER_SECOND: u8 = 30;

/// Draws the bars.
pub(crate) struct Bars {
    bar: ProgressBar,
    size: Box<dyn Fn() -> (u16, u16) + Send>,
    term: Option<Term>,
    drawn: Option<Drawn>,
    tick: usize,
    paint: Paint,
}

/// The picture that is on the screen.
struct Drawn {
    lines: usize,
    columns: u16,
}

impl Bars {
    /// Draws on the terminal behind stderr.
    pub(crate) fn stderr(paint: Paint) -> Self {
        let term = Term::stderr();
        let target = ProgressDrawTarget::term(Term::buffered_stderr(), DRAWS_PER_SECOND);
        let asked = term.clone();
        Self { term: Some(term), ..Self::new(target, Box::new(move || asked.size()), paint) }
    }

    /// Draws on any target of this size (rows, columns).
    fn new(target: ProgressDrawTarget, size: Box<dyn Fn() -> (u16, u16) + Send>, paint: Paint) -> Self {
        let style =
            ProgressStyle::with_template("{msg}").expect("the template is constant, and a test draws it");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self { bar, size, term: None, drawn: None, tick: 0, paint }
    }

    fn screen(&self) -> Screen {
        let (rows, columns) = (self.size)();
        Screen { columns: columns.into(), rows: rows.into(), tick: self.tick, paint: self.paint }
    }

    /// Takes the picture off a screen that was resized since.
    ///
    /// indicatif fills its lines to the edge, so a terminal takes them for one long line and breaks it anew; it then
    /// has other rows than indicatif thinks. They are cleared here and replaced by as many empty ones as it expects.
    fn clear_after_resize(&mut self, columns: u16) -> io::Result<()> {
        let (Some(term), Some(drawn)) = (&self.term, &self.drawn) else { return Ok(()) };
        if drawn.columns == columns || drawn.lines == 0 || columns == 0 {
            return Ok(());
        }
        let cells_before = (drawn.lines - 1) * usize::from(drawn.columns);
        term.move_cursor_up(cells_before / usize::from(columns))?;
        term.write_str("\r")?;
        term.clear_to_end_of_screen()?;
        term.write_str(&"\n".repeat(drawn.lines - 1))
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
        let columns = u16::try_from(screen.columns).unwrap_or(u16::MAX);
        self.clear_after_resize(columns)?;
        let lines = screen.live(board, now);
        self.drawn = Some(Drawn { lines: lines.len(), columns });
        self.tick += 1;
        self.bar.set_message(lines.join("\n"));
        // At the end of a full line, the `^C` that a terminal echoes would break it, and all would be a row off.
        self.term.as_ref().map_or(Ok(()), |term| term.write_str("\r"))
    }

    fn finish(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        let screen = self.screen();
        self.clear_after_resize(u16::try_from(screen.columns).unwrap_or(u16::MAX))?;
        self.bar.finish_and_clear();
        // Plain lines from here on, written without indicatif, which fills them to the edge: a terminal that is resized
        // or copied from later must find them whole.
        let lines = screen.last(board, now).join("\n");
        match &self.term {
            Some(term) => term.write_line(&lines),
            None => {
                self.bar.println(lines);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;

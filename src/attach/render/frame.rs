//! A terminal for indicatif that shows whole frames: what it draws is gathered, and goes out in one write inside a
//! synchronized update.
//!
//! Between two frames the cursor waits at the beginning of the picture, not at its end. When a terminal is resized it breaks
//! lines that have no room any more, joins them again, and may tell the program later; the cursor it keeps at the letter
//! where it was. So a frame begins where the one before it did, whatever happened to its lines, and what is below is stale.
//! indicatif counts rows from the end, so its own moves of the cursor are left out, and so are the blanks with which it fills
//! lines up to the edge: a terminal would take the picture for one long line.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

use crate::text::{BEGIN_UPDATE, END_UPDATE, columns};

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
/// A line that is wider than was thought is cut by the terminal and does not wrap.
const NO_WRAP: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";
/// From the cursor to the end of its line, and of the screen.
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";
/// To the next row, which is there: on the last one of a screen that has become flatter nothing scrolls.
const NEXT_ROW: &str = "\r\u{1b}[B";
const SAVE_CURSOR: &str = "\u{1b}7";
const RESTORE_CURSOR: &str = "\u{1b}8";

/// Gathers what is drawn. Clones share one frame.
#[derive(Debug)]
pub(super) struct Frame<T> {
    term: Arc<T>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Lines that were drawn and are not shown yet.
    lines: Vec<String>,
    /// Whether the last line is open: the next text of only blanks fills it up and is left out.
    open: bool,
    /// The picture that the cursor waits in.
    shown: Option<Shown>,
}

/// A picture that is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    rows: usize,
    /// Rows and columns of the screen at that time.
    screen: (u16, u16),
}

impl<T> Clone for Frame<T> {
    fn clone(&self) -> Self {
        Self { term: Arc::clone(&self.term), state: Arc::clone(&self.state) }
    }
}

impl<T: TermLike> Frame<T> {
    pub(super) fn new(term: T) -> Self {
        Self { term: Arc::new(term), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what was gathered, in place of the picture before it. The first lines, as many as `scrolled`, stay above the
    /// next one. The cursor is hidden from here on.
    pub(super) fn show(&self, scrolled: usize) -> io::Result<()> {
        let mut state = self.state();
        let lines = std::mem::take(&mut state.lines);
        if lines.is_empty() {
            return Ok(());
        }
        let screen = (self.term.height(), self.term.width());
        let has_room = state.shown.is_some_and(|shown| shown.rows >= lines.len() && shown.screen == screen);
        let (above, picture) = lines.split_at(scrolled.min(lines.len() - 1));
        let mut text = format!("{BEGIN_UPDATE}{HIDE_CURSOR}{NO_WRAP}\r");
        for line in above {
            text.extend([line, CLEAR_LINE, "\r\n"]);
        }
        if !has_room {
            text.push_str(&room(picture.len() - 1));
        }
        text.push_str(SAVE_CURSOR);
        for (nth, line) in picture.iter().enumerate() {
            text.extend([if nth > 0 { NEXT_ROW } else { "" }, line, CLEAR_LINE]);
        }
        text.extend([CLEAR_BELOW, RESTORE_CURSOR, WRAP, END_UPDATE]);
        state.shown = Some(Shown { rows: picture.len(), screen });
        self.write(&text)
    }

    /// Shows these lines in place of the picture, whole, and gives the terminal back as it was found: the cursor below.
    pub(super) fn leave(&self, lines: &[String]) -> io::Result<()> {
        let mut state = self.state();
        (state.shown, state.lines) = (None, Vec::new());
        let width = usize::from(self.term.width()).max(1);
        let mut text = format!("{BEGIN_UPDATE}\r");
        for line in lines {
            // At the end of a full row the cursor is still on its last letter.
            let clear =
                if columns(line) > 0 && columns(line).is_multiple_of(width) { "" } else { CLEAR_LINE };
            text.extend([line, clear, "\r\n"]);
        }
        text.extend([CLEAR_BELOW, SHOW_CURSOR, END_UPDATE]);
        self.write(&text)
    }

    /// Gives the terminal back with the picture that is there, if there is one.
    pub(super) fn restore(&self) -> io::Result<()> {
        let Some(shown) = self.state().shown.take() else { return Ok(()) };
        self.write(&format!("{}\r\n{SHOW_CURSOR}", NEXT_ROW.repeat(shown.rows - 1)))
    }

    /// Writes a sequence that moves no cursor and shows nothing on the screen.
    pub(super) fn tell(&self, sequence: &str) -> io::Result<()> {
        self.write(sequence)
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.term.write_str(text)?;
        self.term.flush()
    }
}

/// Makes room for as many rows below the cursor's, by scrolling where there is none; they are empty, and no row goes on in
/// the next one. The cursor stays in the first.
///
/// Row by row, since some terminals take a screen that is cleared as a whole for one that is to be kept, and scroll it up.
fn room(below: usize) -> String {
    match below {
        0 => CLEAR_LINE.to_owned(),
        _ => format!("{}{CLEAR_BELOW}\u{1b}[{below}A", format!("{CLEAR_LINE}\n").repeat(below)),
    }
}

impl<T: TermLike> TermLike for Frame<T> {
    fn width(&self) -> u16 {
        self.term.width()
    }

    fn height(&self) -> u16 {
        self.term.height()
    }

    /// Every drawing begins with it, and takes the place of one that was not shown.
    fn move_cursor_up(&self, _n: usize) -> io::Result<()> {
        let mut state = self.state();
        (state.lines, state.open) = (Vec::new(), false);
        Ok(())
    }

    fn move_cursor_down(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _n: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        state.lines.push(text.to_owned());
        state.open = false;
        Ok(())
    }

    /// A line, or the blanks behind it. Lines of ours begin with a glyph or an indent and a glyph, so that only the filling is
    /// blank throughout.
    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        let is_filling = state.open && text.bytes().all(|byte| byte == b' ');
        state.open = !is_filling;
        if !is_filling {
            state.lines.push(text.to_owned());
        }
        Ok(())
    }

    /// Does nothing: a line is erased only when its next text is written, so that the picture does not flicker.
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    /// Does nothing: the gathered lines wait for [`Frame::show`].
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! A terminal for indicatif that shows whole frames: everything between two of them is gathered, and goes out in one write
//! inside a synchronized update.
//!
//! indicatif fills every line with blanks up to the edge and lets the terminal wrap. The terminal then takes the whole
//! picture for one long line: it breaks it anew when it is resized, and gives it without line ends to who copies it. So that
//! filling is left out, and lines end where their text does.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;

/// Begins a synchronized update (DEC private mode 2026): the terminal shows what follows at once when it ends. One that
/// knows no such thing ignores it.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";
const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
/// A line that is wider than was thought is cut by the terminal and does not wrap.
const NO_WRAP: &str = "\u{1b}[?7l";
const WRAP: &str = "\u{1b}[?7h";
/// From the cursor to the end of its line, and of the screen.
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// What a frame leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cursor {
    /// More frames follow, so it is hidden.
    Hidden,
    /// The terminal is as it was found.
    Shown,
}

/// Gathers what is drawn. Clones share one frame.
#[derive(Debug)]
pub(super) struct Frame<T> {
    term: Arc<T>,
    gathered: Arc<Mutex<Gathered>>,
}

#[derive(Debug, Default)]
struct Gathered {
    text: String,
    /// A line is complete, and its end is still to be written.
    ended: bool,
}

impl<T> Clone for Frame<T> {
    fn clone(&self) -> Self {
        Self { term: Arc::clone(&self.term), gathered: Arc::clone(&self.gathered) }
    }
}

impl<T: TermLike> Frame<T> {
    pub(super) fn new(term: T) -> Self {
        Self { term: Arc::new(term), gathered: Arc::default() }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what was gathered; what stood below and behind it goes.
    pub(super) fn show(&self, cursor: Cursor) -> io::Result<()> {
        let text = std::mem::take(&mut *self.gathered()).text;
        // What stays on the screen may be longer than a line, and wraps.
        let (before, after) = match cursor {
            Cursor::Hidden => (NO_WRAP, WRAP),
            Cursor::Shown => ("", SHOW_CURSOR),
        };
        // At the end of a full line, the `^C` that a terminal echoes would break it, and all would be a row off.
        self.term.write_str(&format!("{BEGIN}{HIDE_CURSOR}{before}{text}{CLEAR_BELOW}\r{after}{END}"))?;
        self.term.flush()
    }

    /// Gives the cursor back, whatever was gathered.
    pub(super) fn restore(&self) -> io::Result<()> {
        self.term.write_str(SHOW_CURSOR)?;
        self.term.flush()
    }

    fn sequence(&self, count: usize, last: char) {
        if count > 0 {
            self.gathered().text.extend(["\u{1b}[", &count.to_string(), last.encode_utf8(&mut [0; 4])]);
        }
    }
}

impl Gathered {
    fn next(&mut self) {
        if std::mem::take(&mut self.ended) {
            self.text.push_str(CLEAR_LINE);
            self.text.push_str("\r\n");
        }
    }
}

impl<T: TermLike> TermLike for Frame<T> {
    fn width(&self) -> u16 {
        self.term.width()
    }

    fn height(&self) -> u16 {
        self.term.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.sequence(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut gathered = self.gathered();
        gathered.next();
        gathered.text.push_str(text);
        gathered.ended = true;
        gathered.next();
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut gathered = self.gathered();
        // Lines of ours begin with a glyph or an indent and a glyph, so that only the filling is blank throughout.
        if !text.is_empty() && text.bytes().all(|byte| byte == b' ') {
            gathered.ended = true;
        } else {
            gathered.next();
            gathered.text.push_str(text);
        }
        Ok(())
    }

    /// Nothing is erased before the next text is there: what it leaves over goes when its line ends.
    fn clear_line(&self) -> io::Result<()> {
        self.gathered().text.push('\r');
        Ok(())
    }

    /// The end of the last line stays unwritten: the cursor stays in the picture. What was gathered waits for
    /// [`Frame::show`].
    fn flush(&self) -> io::Result<()> {
        let mut gathered = self.gathered();
        if std::mem::take(&mut gathered.ended) {
            gathered.text.push_str(CLEAR_LINE);
        }
        Ok(())
    }
}

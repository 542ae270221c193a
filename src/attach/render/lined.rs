//! A terminal for indicatif on which lines end where their text does.
//!
//! indicatif fills every line with blanks up to the edge and lets the terminal wrap. The terminal then takes the whole
//! picture for one long line: it breaks it anew when it is resized, and gives it without line ends to who copies it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::TermLike;

/// Passes everything on but that filling, for which a line end comes before the next line.
#[derive(Debug)]
pub(super) struct Lined<T> {
    term: T,
    /// A line is complete, and its end is still to be written.
    ended: AtomicBool,
}

impl<T> Lined<T> {
    pub(super) const fn new(term: T) -> Self {
        Self { term, ended: AtomicBool::new(false) }
    }
}

impl<T: TermLike> Lined<T> {
    fn next(&self) -> io::Result<()> {
        if self.ended.swap(false, Ordering::Relaxed) { self.term.write_line("") } else { Ok(()) }
    }
}

impl<T: TermLike> TermLike for Lined<T> {
    fn width(&self) -> u16 {
        self.term.width()
    }

    fn height(&self) -> u16 {
        self.term.height()
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.term.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.next()?;
        self.term.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        // Lines of ours begin with a glyph or an indent and a glyph, so that only the filling is blank throughout.
        if !text.is_empty() && text.bytes().all(|byte| byte == b' ') {
            self.ended.store(true, Ordering::Relaxed);
            return Ok(());
        }
        self.next()?;
        self.term.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.term.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        // The end of the last line stays unwritten: the cursor stays in the picture.
        self.ended.store(false, Ordering::Relaxed);
        self.term.flush()
    }
}

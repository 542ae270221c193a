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
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::event::{gap_words, log_words, remark, time, words};
use super::frame::Frame;
use super::layout::Screen;
use super::taskbar::Taskbar;
use super::{Filter, Flow, Flowed, Paint, Renderer, Seen, What};
use crate::attach::board::Board;
use crate::attach::job::{Effect, Link};
use crate::attach::stream::Happening;
use crate::text::{brief, fit};

/// Ten redraws a second: smooth to the eye, and cheap.
const INTERVAL: Duration = Duration::from_millis(100);

/// indicatif's own limit, above ours so that it never swallows a redraw.
const DRAWS_PER_SECOND: u8 = 30;

/// For so long after the window was resized it may be resized again. A terminal that breaks long lines then would push the
/// beginning of the picture out of the screen, where nothing can be drawn anew.
const SETTLING: Duration = Duration::from_secs(1);

/// Columns that hardly any window has fewer of.
const NARROW: usize = 40;

/// Lines that scroll up between two redraws, at most: nobody reads more, and a terminal is slow. The rest is counted.
const MAX_SCROLLED: usize = 100;

/// Columns of an event's type and resource, where they are no wider, so that lines can be read as a table.
const EVENT_COLUMNS: (usize, usize) = (20, 12);

/// Draws the bars.
pub(crate) struct Bars<T: TermLike = Term> {
    bar: ProgressBar,
    /// What the bar is drawn on.
    term: Frame<T>,
    /// The lines of the picture that is on the screen.
    drawn: Vec<String>,
    /// Rows and columns of the screen at the last redraw.
    last_size: Option<(u16, u16)>,
    /// When they changed.
    resized: Option<Instant>,
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
    taskbar: Taskbar,
}

impl Bars<Term> {
    /// Draws on the terminal behind stderr. Of the streams' events those that `filter` lets through scroll up.
    pub(crate) fn stderr(paint: Paint, filter: Filter, zone: TimeZone) -> Self {
        Self::new(Term::buffered_stderr(), Taskbar::of_stderr(), paint, filter, zone)
    }
}

impl<T: TermLike + 'static> Bars<T> {
    fn new(term: T, taskbar: Taskbar, paint: Paint, filter: Filter, zone: TimeZone) -> Self {
        let term = Frame::new(term);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), DRAWS_PER_SECOND);
        let style =
            ProgressStyle::with_template("{msg}").expect("the template is constant, and a test draws it");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self {
            bar,
            term,
            drawn: Vec::new(),
            last_size: None,
            resized: None,
            tick: 0,
            paint,
            filter,
            zone,
            scrolled: Vec::new(),
            left_out: 0,
            broken: BTreeSet::new(),
            taskbar,
        }
    }

    fn screen(&self) -> Screen {
        let (rows, columns) = self.size();
        Screen { columns: columns.into(), rows: rows.into(), tick: self.tick, paint: self.paint }
    }

    fn size(&self) -> (u16, u16) {
        (self.term.height(), self.term.width())
    }

    /// The screen for the picture of this moment: narrow while the window is being resized.
    fn screen_at(&mut self, now: Instant) -> Screen {
        let size = self.size();
        if self.last_size.replace(size).is_some_and(|last| last != size) {
            self.resized = Some(now);
        }
        let is_settling = self.resized.is_some_and(|at| now.saturating_duration_since(at) < SETTLING);
        let screen = self.screen();
        Screen { columns: if is_settling { screen.columns.min(NARROW) } else { screen.columns }, ..screen }
    }

    /// What is worth a line above the bars: every event but those that move a bar, and a gap in the stream.
    fn said(&mut self, flowed: &Flowed<'_>, board: &Board) -> Option<String> {
        let index = flowed.index;
        match &flowed.flow {
            Flow::Event { happening: Happening::Nothing | Happening::Progress, .. } => None,
            Flow::Event { happening: Happening::Warning(_), .. } | Flow::Gap { .. } => {
                remark(&flowed.flow, self.paint)
            }
            Flow::Event { view, .. } if !self.filter.lets(*view) => None,
            Flow::Event { text, view, happening } => {
                let dialect = &board.streams()[index].dialect;
                Some(words(dialect, text, *view, happening, None, EVENT_COLUMNS, self.paint))
            }
            Flow::Link(Link::Disconnected { .. }) if self.broken.insert(index) => {
                let text = if board.streams()[index].resumes {
                    "connection lost; what happens until it is back is told then"
                } else {
                    "connection lost; what happens until it is back is missed"
                };
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

    /// A line scrolls up at the next redraw.
    fn scroll(&mut self, said: &str, at: &Timestamp) {
        if self.scrolled.len() < MAX_SCROLLED {
            self.scrolled.push(format!("{} {said}", time(at, &self.zone, self.paint)));
        } else {
            self.left_out += 1;
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
}

impl<T: TermLike> Bars<T> {
    /// Sends the terminal the sequence that `what` returns, if any.
    fn tell(&mut self, what: impl FnOnce(&mut Taskbar) -> Option<String>) -> io::Result<()> {
        what(&mut self.taskbar).map_or(Ok(()), |text| self.term.tell(&text))
    }
}

impl<T: TermLike> Drop for Bars<T> {
    fn drop(&mut self) {
        // A terminal that is gone has no cursor.
        let _ = self.term.restore();
        let _ = self.tell(Taskbar::remove);
    }
}

impl<T: TermLike + Send + Sync + 'static> Renderer for Bars<T> {
    fn seen(&mut self, seen: &Seen<'_>, board: &Board) -> io::Result<()> {
        let said = match (&seen.what, seen.effect) {
            (What::Gap { reason, repeats: false }, _) => self.paint.color(&gap_words(reason), Color::Yellow),
            (What::Event { view, .. }, Effect::Log(log)) if self.filter.lets(*view) => {
                let line = log_words(log, self.paint);
                // Lines of a single job need no name of the job.
                match board.jobs() {
                    [_] => line,
                    jobs => format!("{} {line}", brief(&jobs[seen.index].label)),
                }
            }
            _ => return Ok(()),
        };
        self.scroll(&said, seen.received_at);
        Ok(())
    }

    fn flowed(&mut self, flowed: &Flowed<'_>, board: &Board) -> io::Result<()> {
        if let Some(said) = self.said(flowed, board) {
            self.scroll(&said, flowed.received_at);
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
        let screen = self.screen_at(now);
        self.drawn = screen.live(board, now);
        self.tick += 1;
        self.bar.set_message(self.drawn.join("\n"));
        let gathered = self.gathered();
        if !gathered.is_empty() {
            self.bar.println(gathered.join("\n"));
        }
        self.term.show(gathered.len())?;
        self.tell(|taskbar| taskbar.show(board))
    }

    fn pause(&mut self) -> io::Result<()> {
        self.tell(Taskbar::remove)?;
        // Anew, since the terminal echoed the key into it, as `^Z`. The next picture begins below what is written meanwhile.
        self.term.leave(&self.drawn)
    }

    fn finish(&mut self, board: &Board, now: Instant) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.tell(Taskbar::remove)?;
        // Plain lines from here on: unlike a bar they may be wider and higher than the screen.
        let lines = [self.gathered(), self.screen().last(board, now)].concat();
        self.term.leave(&lines)
    }
}

#[cfg(test)]
mod tests;

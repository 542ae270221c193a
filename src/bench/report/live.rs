//! A run while it goes on, drawn in place on a terminal: a handful of lines, at most four times a second, and never at
//! more than 1 % of the time.

mod layout;

use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use console::Term;

use crate::bench::summary::{RunProgress, Watcher};
use crate::text::{BEGIN_UPDATE, END_UPDATE};
use layout::{View, layout};

/// The least time between two drawings.
const PACE: Duration = Duration::from_millis(240);

/// A drawing is followed by so many times its own cost without one.
const REST: u32 = 100;

/// Seconds that the sparkline remembers.
const REMEMBERED: usize = 60;

/// Whoever fits stderr: the live view on a terminal that can move its cursor, otherwise the remarks alone.
pub fn watcher(wanted: bool, color: bool) -> Box<dyn Watcher> {
    let moves = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    if wanted && moves && io::stderr().is_terminal() {
        let columns = || usize::from(Term::stderr().size().1);
        Box::new(Live::new(io::stderr(), columns, color))
    } else {
        Box::new(Remarks(io::stderr()))
    }
}

/// Remarks on lines of their own, and nothing else.
#[derive(Debug)]
pub struct Remarks<W>(W);

impl<W: Write + Send> Watcher for Remarks<W> {
    fn progress(&mut self, _: &RunProgress) {}

    // What came of it is a remark.
    fn trying(&mut self, _: &str) {}

    fn note(&mut self, text: &str) {
        // A stderr that is gone has nobody who would miss it.
        let _ = writeln!(self.0, "note: {}", super::figures::printable(text));
    }

    fn end(&mut self) {}
}

/// Draws every state over the one before it.
#[derive(Debug)]
pub struct Live<W, C> {
    out: W,
    columns: C,
    color: bool,
    /// Lines on the screen.
    drawn: usize,
    /// When drawing is allowed again.
    next: Option<Instant>,
    /// Which of many runs it is.
    trying: Option<String>,
    newest: Option<RunProgress>,
    second: Option<RunProgress>,
    /// Received and published a second, of the last whole second.
    rates: (f64, f64),
    history: VecDeque<f64>,
}

impl<W: Write + Send, C: Fn() -> usize + Send> Live<W, C> {
    /// Draws into a terminal that is as wide as `columns` says.
    pub fn new(out: W, columns: C, color: bool) -> Self {
        if color {
            colored::control::set_override(true);
        }
        Self {
            out,
            columns,
            color,
            drawn: 0,
            next: None,
            trying: None,
            newest: None,
            second: None,
            rates: (0.0, 0.0),
            history: VecDeque::with_capacity(REMEMBERED),
        }
    }

    /// What the rates of the last second were, from states about a second apart.
    fn remember(&mut self, progress: &RunProgress) {
        let Some(before) = &self.second else {
            self.second = Some(progress.clone());
            return;
        };
        let length = progress.elapsed_seconds - before.elapsed_seconds;
        if length < 0.95 {
            return;
        }
        let rate = |now: u64, then: u64| crate::bench::numbers::as_f64(now.saturating_sub(then)) / length;
        self.rates = (rate(progress.received, before.received), rate(progress.published, before.published));
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(self.rates.0);
        self.second = Some(progress.clone());
    }

    fn draw(&mut self) {
        let Some(progress) = &self.newest else { return };
        let history: Vec<f64> = self.history.iter().copied().collect();
        let (received, published) = self.rates;
        let view = View { trying: self.trying.as_deref(), progress, received, published, history: &history };
        let lines = layout(&view, (self.columns)().max(20), self.color);
        let mut frame = self.to_top();
        for line in &lines {
            // What the line before it left over goes.
            frame.push_str(line);
            frame.push_str("\x1b[K\n");
        }
        if lines.len() < self.drawn {
            frame.push_str("\x1b[J");
        }
        self.drawn = lines.len();
        self.put(&frame);
    }

    fn to_top(&self) -> String {
        if self.drawn > 0 { format!("\r\x1b[{}A", self.drawn) } else { String::new() }
    }

    /// In one piece, so that no half of a frame is seen.
    fn put(&mut self, frame: &str) {
        // A terminal that is gone has nobody who would miss it.
        let frame = format!("{BEGIN_UPDATE}{frame}{END_UPDATE}");
        let _ = self.out.write_all(frame.as_bytes()).and_then(|()| self.out.flush());
    }

    fn clear(&mut self) {
        if self.drawn > 0 {
            let frame = format!("{}\x1b[J", self.to_top());
            self.put(&frame);
            self.drawn = 0;
        }
    }
}

impl<W: Write + Send, C: Fn() -> usize + Send> Watcher for Live<W, C> {
    fn progress(&mut self, progress: &RunProgress) {
        let began = Instant::now();
        self.remember(progress);
        self.newest = Some(progress.clone());
        if self.next.is_none_or(|next| began >= next) {
            self.draw();
            let cost = began.elapsed();
            self.next = Some(began + PACE.max(cost * REST));
        }
    }

    fn trying(&mut self, what: &str) {
        self.trying = Some(super::figures::printable(what));
    }

    fn note(&mut self, text: &str) {
        self.clear();
        let line = format!("note: {}\n", super::figures::printable(text));
        self.put(&line);
        self.draw();
    }

    fn end(&mut self) {
        self.clear();
        self.newest = None;
        // The next run of a search has seconds of its own.
        self.second = None;
        self.rates = (0.0, 0.0);
        self.history.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;

    use super::*;

    fn state(seconds: f64, received: u64) -> RunProgress {
        RunProgress {
            phase: "measuring",
            elapsed_seconds: seconds,
            connections: 100,
            wanted: 100,
            received,
            ..RunProgress::default()
        }
    }

    fn screen(bytes: &[u8]) -> String {
        let size = |cells| NonZero::new(cells).unwrap();
        let mut terminal = vt100::Parser::new(size(12), size(80), 0);
        // What a terminal's line discipline does to a line's end.
        terminal.process(String::from_utf8_lossy(bytes).replace('\n', "\r\n").as_bytes());
        terminal.screen().contents()
    }

    #[test]
    fn a_state_replaces_the_one_before_it_and_a_remark_stays() {
        let mut live = Live::new(Vec::new(), || 80, false);
        live.progress(&state(1.0, 0));
        live.next = None;
        live.progress(&state(2.0, 500));
        live.note("probe of 1,000 connections: kept");
        let raw = String::from_utf8_lossy(&live.out);
        assert_eq!(raw.matches(BEGIN_UPDATE).count(), raw.matches(END_UPDATE).count());
        assert!(raw.starts_with(BEGIN_UPDATE) && raw.ends_with(END_UPDATE), "{raw:?}");
        let seen = screen(&live.out);
        assert!(seen.starts_with("note: probe of 1,000 connections: kept\n"), "{seen}");
        assert_eq!(seen.matches("measuring").count(), 1, "{seen}");
        assert!(seen.contains("500/s"), "{seen}");
        live.end();
        assert_eq!(screen(&live.out).trim(), "note: probe of 1,000 connections: kept");
    }

    #[test]
    fn a_search_shows_which_load_it_tries_and_each_run_its_own_rates() {
        let mut live = Live::new(Vec::new(), || 80, false);
        live.trying("probe 3: 400 connections");
        live.progress(&state(8.0, 0));
        live.next = None;
        live.progress(&state(9.0, 500));
        let seen = screen(&live.out);
        assert!(seen.starts_with("probe 3: 400 connections\nmeasuring 9 s"), "{seen}");
        live.end();
        live.trying("probe 4: 800 connections");
        live.next = None;
        live.progress(&state(1.0, 0));
        let seen = screen(&live.out);
        assert!(seen.starts_with("probe 4: 800 connections\nmeasuring 1 s"), "{seen}");
        assert!(!seen.contains("probe 3") && !seen.contains("500/s"), "{seen}");
        live.next = None;
        live.progress(&state(2.0, 700));
        assert!(screen(&live.out).contains("700/s"));
    }

    #[test]
    fn states_that_come_too_fast_are_not_drawn() {
        let mut live = Live::new(Vec::new(), || 80, false);
        live.progress(&state(1.0, 0));
        let once = live.out.len();
        live.next = Some(Instant::now() + Duration::from_hours(1));
        (0..1000).for_each(|n| live.progress(&state(1.0, n)));
        assert_eq!(live.out.len(), once);
    }

    #[test]
    fn without_a_terminal_there_are_remarks_alone() {
        let mut remarks = Remarks(Vec::new());
        remarks.progress(&state(1.0, 1));
        remarks.note("a worker is lost\u{1b}[2J");
        remarks.end();
        assert_eq!(remarks.0, b"note: a worker is lost\n");
    }
}

//! Events of a command that wait to be sent. Pure.
//!
//! The queue is bounded whatever the command writes. Only the newest progress waits, and the newest [`LINES`] lines within
//! [`LINE_BYTES`] bytes. A command has few milestones. Lines without room are dropped and counted.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::emit::Outgoing;
use crate::progress::Progress;

/// The most lines that wait.
const LINES: usize = 1000;
/// The most bytes of lines that wait.
const LINE_BYTES: usize = 256 << 10;
/// Lines that are still sent after the end of the command: as many as a relay keeps of a job.
const LAST_LINES: usize = 50;
/// Lines that may be sent at once. Further lines are sent one every [`LINE_PACE`].
const LINE_BURST: u32 = 50;
const LINE_PACE: Duration = Duration::from_millis(5);
/// Shortest time between two events of progress.
const PROGRESS_PACE: Duration = Duration::from_millis(100);

/// A line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    /// Name of the stream that it was written to.
    pub(super) stream: &'static str,
    /// Text of the line, safe for a terminal.
    pub(super) text: String,
}

/// Something to send.
#[derive(Debug)]
pub(super) enum Item {
    /// An event that must not be lost, such as the start.
    Milestone(Box<Outgoing>),
    /// The newest progress.
    Progress(Progress),
    /// A line of output.
    Line(LogLine),
    /// Number of lines that were dropped.
    LeftOut(u64),
    /// The end event, after all others.
    Ending(Box<Outgoing>),
}

impl Item {
    /// Number of lines that the item stands for; `None` for an event of another kind.
    pub(super) const fn lines(&self) -> Option<u64> {
        match self {
            Self::Line(_) => Some(1),
            Self::LeftOut(lines) => Some(*lines),
            Self::Milestone(_) | Self::Progress(_) | Self::Ending(_) => None,
        }
    }
}

/// Answer of the queue: what the teller is to do next.
#[derive(Debug)]
pub(super) enum Turn {
    /// Send this item.
    Due(Item),
    /// Wait until this time, or, with `None`, until something is added.
    Wait(Option<Instant>),
    /// Stop: the end event was sent.
    Over,
}

/// Queue of items to send.
#[derive(Debug)]
pub(super) struct Queue {
    milestones: VecDeque<Box<Outgoing>>,
    progress: Option<Progress>,
    lines: VecDeque<LogLine>,
    line_bytes: usize,
    left_out: u64,
    ending: Option<Box<Outgoing>>,
    is_ended: bool,
    /// Earliest time of the next progress.
    progress_at: Instant,
    /// Time up to which the allowance of lines is used.
    lines_at: Instant,
}

impl Queue {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            milestones: VecDeque::new(),
            progress: None,
            lines: VecDeque::new(),
            line_bytes: 0,
            left_out: 0,
            ending: None,
            is_ended: false,
            progress_at: now,
            lines_at: now,
        }
    }

    pub(super) fn milestone(&mut self, event: Outgoing) {
        self.milestones.push_back(Box::new(event));
    }

    /// Adds progress. Values that it lacks are taken from the waiting progress.
    pub(super) fn progress(&mut self, newer: Progress) {
        let older = self.progress.take().unwrap_or_default();
        self.progress = Some(merged(older, newer));
    }

    /// Adds a line. The oldest lines are dropped where there is no room.
    pub(super) fn line(&mut self, line: LogLine) {
        self.line_bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES || self.line_bytes > LINE_BYTES {
            self.drop_line();
        }
    }

    pub(super) fn left_out(&mut self, lines: u64) {
        self.left_out += lines;
    }

    /// Adds the end event and keeps only the newest [`LAST_LINES`] lines.
    pub(super) fn end(&mut self, event: Outgoing) {
        while self.lines.len() > LAST_LINES {
            self.drop_line();
        }
        self.ending = Some(Box::new(event));
        self.is_ended = true;
    }

    /// Drops all lines for lack of time.
    pub(super) fn drop_lines(&mut self) {
        while self.drop_line() {}
    }

    pub(super) const fn is_ended(&self) -> bool {
        self.is_ended
    }

    fn drop_line(&mut self) -> bool {
        let Some(line) = self.lines.pop_front() else { return false };
        self.line_bytes -= line.text.len();
        self.left_out += 1;
        true
    }

    /// Takes out the next item that is due. Before the end progress and lines have their pace; after the end all items are due
    /// at once.
    pub(super) fn next(&mut self, now: Instant) -> Turn {
        if let Some(event) = self.milestones.pop_front() {
            return Turn::Due(Item::Milestone(event));
        }
        if self.progress.is_some() && (self.is_ended || self.progress_at <= now) {
            self.progress_at = now + PROGRESS_PACE;
            return self
                .progress
                .take()
                .map_or(Turn::Wait(None), |progress| Turn::Due(Item::Progress(progress)));
        }
        let has_lines = self.left_out > 0 || !self.lines.is_empty();
        let lines_from = self.lines_at.checked_sub(LINE_PACE * LINE_BURST).unwrap_or(now);
        if has_lines && (self.is_ended || lines_from <= now) {
            self.lines_at = self.lines_at.max(now) + LINE_PACE;
            if self.left_out > 0 {
                return Turn::Due(Item::LeftOut(std::mem::take(&mut self.left_out)));
            }
            if let Some(line) = self.lines.pop_front() {
                self.line_bytes -= line.text.len();
                return Turn::Due(Item::Line(line));
            }
        }
        if let Some(event) = self.ending.take() {
            return Turn::Due(Item::Ending(event));
        }
        if self.is_ended {
            return Turn::Over;
        }
        let progress = self.progress.is_some().then_some(self.progress_at);
        Turn::Wait(progress.into_iter().chain(has_lines.then_some(lines_from)).min())
    }

    /// Puts back an item that could not be sent yet.
    pub(super) fn put_back(&mut self, item: Item) {
        match item {
            Item::Milestone(event) => self.milestones.push_front(event),
            Item::Progress(older) => {
                let newer = self.progress.take().unwrap_or_default();
                self.progress = Some(merged(older, newer));
            }
            Item::Line(line) => {
                self.line_bytes += line.text.len();
                self.lines.push_front(line);
                if self.lines.len() > LINES {
                    self.drop_line();
                }
            }
            Item::LeftOut(lines) => self.left_out += lines,
            Item::Ending(event) => self.ending = Some(event),
        }
    }

    /// Number of events and number of lines that wait. Milestones and the end count as events.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let events =
            self.milestones.len() + usize::from(self.progress.is_some()) + usize::from(self.ending.is_some());
        (events as u64, self.lines.len() as u64 + self.left_out)
    }
}

/// Newer progress, with the values of the older where the newer has none.
fn merged(older: Progress, newer: Progress) -> Progress {
    Progress {
        percent: newer.percent.or(older.percent),
        step: newer.step.or(older.step),
        total: newer.total.or(older.total),
        message: newer.message.or(older.message),
    }
}

//! Looking at what the command writes: progress, and lines for the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::glance::Glance;
use super::screen::Screen;
use super::teller::Tellings;
use crate::progress::{Line, Lines, Recogniser};

/// Least time between two looks. Nobody sees more than that many updates a second.
const PAUSE: Duration = Duration::from_millis(20);
/// Share of the time that looking may take, as a divisor: while output pours out, the processors belong to the command.
const SHARE: u32 = 10;

/// Looker at one stream of the command.
pub(super) struct Observer {
    /// Name of the stream, as in a log event.
    pub(super) stream: &'static str,
    /// What has been written.
    pub(super) glance: Arc<Glance>,
    /// Recogniser with the progress of this stream.
    pub(super) recogniser: Recogniser,
    /// Whether lines are told.
    pub(super) logs: bool,
    /// Where progress and lines are told.
    pub(super) tellings: Tellings,
}

impl Observer {
    /// Looks until the stream has ended.
    pub(super) fn watch(mut self) {
        let (mut lines, mut screen) = (Lines::default(), Screen::default());
        let mut buffer = Vec::new();
        let mut is_cut = false;
        let glance = Arc::clone(&self.glance);
        while let Some(seen) = glance.take(buffer) {
            let begun = Instant::now();
            if seen.has_gap {
                lines = Lines::default();
                is_cut = true;
                self.tellings.left_out(seen.dropped_lines);
            }
            let mut bytes = &seen.bytes[..];
            if is_cut {
                // Half a line may say something else than the whole.
                let end = memchr::memchr2(b'\n', b'\r', bytes);
                is_cut = end.is_none();
                bytes = end.map_or(&[], |end| &bytes[end + 1..]);
            }
            screen.outside(bytes, |bytes| {
                lines.feed(bytes, |line| self.line(&line, line.end.is_newline()));
            });
            buffer = seen.bytes;
            if !glance.is_ended() {
                std::thread::sleep(PAUSE.max(begun.elapsed() * (SHARE - 1)));
            }
        }
        lines.end(|line| self.line(&line, true));
    }

    fn line(&mut self, line: &Line<'_>, is_whole: bool) {
        if let Some(progress) = self.recogniser.line(line.bytes) {
            self.tellings.progress(progress);
        }
        if self.logs && is_whole {
            self.tellings.line(self.stream, line.bytes, line.left_out);
        }
    }
}

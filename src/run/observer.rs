//! Observer of the command's output: finds progress, and lines for the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::glance::Glance;
use super::screen::Screen;
use super::teller::Tellings;
use crate::progress::{Line, Lines, Recogniser};

/// Shortest time between two looks: people cannot follow more updates a second.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest time between two looks. Without this limit one slow look, such as the first use of a pattern, would delay the next
/// look too long.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Share of the time that looks may take, as a divisor. While much output comes, the processors belong to the command.
const SHARE: u32 = 10;

/// Observer of one stream of the command.
pub(super) struct Observer {
    /// Name of the stream, as in a log event.
    pub(super) stream: &'static str,
    /// Output of the stream.
    pub(super) glance: Arc<Glance>,
    /// Recogniser of progress in this stream.
    pub(super) recogniser: Recogniser,
    /// Whether lines are sent as log events.
    pub(super) logs: bool,
    /// Receiver of progress and lines.
    pub(super) tellings: Tellings,
}

impl Observer {
    /// Looks at the output until the stream has ended.
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
                // The rest of a line whose beginning was dropped could be misread, so all bytes up to its end are skipped.
                let end = memchr::memchr2(b'\n', b'\r', bytes);
                is_cut = end.is_none();
                bytes = end.map_or(&[], |end| &bytes[end + 1..]);
            }
            screen.outside(bytes, |bytes| {
                lines.feed(bytes, |line| self.line(&line, line.end.is_newline()));
            });
            buffer = seen.bytes;
            if !glance.is_ended() {
                std::thread::sleep((begun.elapsed() * (SHARE - 1)).clamp(PAUSE, LONGEST_PAUSE));
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

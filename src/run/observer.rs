//! Observer of the command's output: finds progress, and lines for the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr2;

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
        let mut remainder = Remainder::None;
        let glance = Arc::clone(&self.glance);
        while let Some(seen) = glance.take(buffer) {
            let begun = Instant::now();
            if seen.has_gap {
                lines = Lines::default();
                remainder = Remainder::Begun;
                self.tellings.left_out(seen.dropped_lines);
            }
            let (bytes, is_newline) = remainder.skip(&seen.bytes);
            self.tellings.left_out(u64::from(self.logs && is_newline));
            screen.outside(bytes, |bytes| {
                lines.feed(bytes, |line| self.line(&line, line.end.is_newline()));
            });
            buffer = seen.bytes;
            if !glance.is_ended() {
                std::thread::sleep((begun.elapsed() * (SHARE - 1)).clamp(PAUSE, LONGEST_PAUSE));
            }
        }
        self.tellings.left_out(u64::from(self.logs && remainder == Remainder::Begun));
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

/// Remainder of a line whose beginning was dropped. It could be misread, so all bytes up to its end are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remainder {
    /// The next bytes begin a line.
    None,
    /// The next bytes belong to the remainder.
    Begun,
    /// The last byte was a `\r` that ended the remainder. A `\n` after it belongs to the same end.
    Returned,
}

impl Remainder {
    /// Skips the remainder at the beginning of output. Returns the bytes after it, and whether `\n` has ended its line.
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], bool) {
        let mut rest = bytes;
        if *self == Self::Begun {
            let Some(end) = memchr2(b'\n', b'\r', rest) else { return (&[], false) };
            *self = if rest[end] == b'\n' { Self::None } else { Self::Returned };
            rest = &rest[end + 1..];
            if *self == Self::None {
                return (rest, true);
            }
        }
        if *self == Self::Returned && !rest.is_empty() {
            *self = Self::None;
            if let Some(after) = rest.strip_prefix(b"\n") {
                return (after, true);
            }
        }
        (rest, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_flood_is_told_or_counted() {
        for (end, last) in [("\n", ""), ("\r\n", ""), ("\n", "without an end")] {
            let glance = Arc::new(Glance::new(true));
            let mut output = format!("{}{end}", "x".repeat(38)).repeat(20_000);
            output.push_str(last);
            for chunk in output.as_bytes().chunks(1 << 14) {
                glance.offer(chunk);
            }
            glance.end();
            let (recogniser, tellings) = (Recogniser::new(None), Tellings::new());
            Observer { stream: "stdout", glance, recogniser, logs: true, tellings: tellings.clone() }.watch();
            assert_eq!(tellings.account().2, 20_000 + u64::from(!last.is_empty()), "{end:?} {last:?}");
        }
    }

    #[test]
    fn a_remainder_is_skipped_however_its_end_comes() {
        let skip = |chunks: &[&str]| {
            let (mut remainder, mut rest, mut newlines) = (Remainder::Begun, Vec::new(), 0);
            for chunk in chunks {
                let (bytes, is_newline) = remainder.skip(chunk.as_bytes());
                rest.extend_from_slice(bytes);
                newlines += u32::from(is_newline);
            }
            (String::from_utf8(rest).unwrap(), newlines)
        };
        let texts = [(&["a", "b\nc\nd"][..], "c\nd", 1), (&["a\r\nb"], "b", 1), (&["a\r", "\nb"], "b", 1)];
        for (chunks, rest, newlines) in texts {
            assert_eq!(skip(chunks), (rest.to_owned(), newlines), "{chunks:?}");
        }
        assert_eq!(skip(&["10%\r20%\r"]), ("20%\r".to_owned(), 0));
        assert_eq!(skip(&["10%\r", "20%\r"]), ("20%\r".to_owned(), 0));
    }
}

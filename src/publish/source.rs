//! Sources of events: the command line, standard input, a recording, or a scenario.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use memchr::memchr2;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::line::{Extent, InputLines, LineError, MAX_LINE, is_literal};
use super::replay::{ReplayError, ReplaySource};
use super::scenario::Scenario;
use crate::emit::Outgoing;
use crate::progress::{Line, LineEnd, Lines, Literal};

/// Events, one after the other.
pub(super) enum Source<R> {
    /// An event that is sent several times.
    Event {
        event: Box<Outgoing>,
        left: u64,
    },
    /// Events that are read from lines.
    Lines(Box<LineSource<R>>),
    Replay(Box<ReplaySource<R>>),
    Scenario(Box<Scenario>),
}

/// Next item of a source.
pub(super) enum Next {
    Event {
        event: Outgoing,
        /// Time after the beginning at which the event is due, in a scenario.
        due: Option<Duration>,
        /// Whether the run of the job that the source is of is over after the event.
        is_run_over: bool,
    },
    /// A line that is no event: its number, counted from 1, and its error.
    Bad(u64, LineError),
    /// A line of a recording that is not played: its number, counted from 1, and its error.
    Unplayable(u64, ReplayError),
    /// End of the lines where none was an event or said progress. The number is that of the lines.
    InVain(u64),
}

impl<R: AsyncBufRead + Unpin> Source<R> {
    pub(super) fn lines(input: R, lines: InputLines) -> Self {
        Self::Lines(Box::new(LineSource::new(input, lines)))
    }

    /// The event that opens the run of `first`, where the source is a whole run and `first` the beginning of it.
    pub(super) fn opening(&mut self, first: &Outgoing) -> Option<Outgoing> {
        match self {
            Self::Lines(lines) => lines.lines.opening(first),
            Self::Event { .. } | Self::Replay(_) | Self::Scenario(_) => None,
        }
    }

    /// Input of the source, in words for an error.
    pub(super) fn input(&self) -> &'static str {
        if matches!(self, Self::Replay(_)) { "the recording" } else { "standard input" }
    }

    pub(super) async fn next(&mut self) -> io::Result<Option<Next>> {
        match self {
            Self::Event { left: 0, .. } => Ok(None),
            Self::Event { event, left } => {
                *left -= 1;
                Ok(Some(Next::Event { event: (**event).clone(), due: None, is_run_over: false }))
            }
            Self::Lines(lines) => lines.next().await,
            Self::Replay(recording) => Ok(recording.next().await?.map(|step| match step {
                Ok(step) => Next::Event { event: step.event, due: step.at, is_run_over: false },
                Err((line, error)) => Next::Unplayable(line, error),
            })),
            Self::Scenario(scenario) => Ok(scenario.next().map(|step| {
                let (event, due) = (step.event, Some(step.at));
                Next::Event { event, due, is_run_over: false }
            })),
        }
    }
}

/// Lines as they come, never more than one of them in memory.
pub(super) struct LineSource<R> {
    input: R,
    cutter: Lines,
    lines: InputLines,
    /// Items of the bytes that were read last: the progress of updates, and one line at most. The buffer of the input is the
    /// limit.
    told: VecDeque<Next>,
    /// The cursor was moved within the line.
    is_drawn: bool,
    /// The input has ended, and what that means was told.
    is_at_end: bool,
}

impl<R: AsyncBufRead + Unpin> LineSource<R> {
    fn new(input: R, lines: InputLines) -> Self {
        let cutter = Lines::with(Literal { is_one: is_literal, longest: MAX_LINE });
        Self { input, cutter, lines, told: VecDeque::new(), is_drawn: false, is_at_end: false }
    }

    async fn next(&mut self) -> io::Result<Option<Next>> {
        loop {
            if let Some(next) = self.told.pop_front() {
                return Ok(Some(next));
            }
            if self.is_at_end {
                let end = self.lines.end();
                return Ok(end.map(|event| Next::Event { event, due: None, is_run_over: true }));
            }
            let Self { input, cutter, lines, told, is_drawn, .. } = self;
            let chunk = input.fill_buf().await?;
            if chunk.is_empty() {
                cutter.end(|line| told.extend(read(lines, &line, extent(line.end, is_drawn, true))));
                told.extend(lines.in_vain().map(Next::InVain));
                self.is_at_end = true;
                continue;
            }
            // One line at a time, since a line may end the job.
            let used = memchr2(b'\n', b'\r', chunk).map_or(chunk.len(), |end| end + 1);
            cutter.feed(&chunk[..used], |line| {
                told.extend(read(lines, &line, extent(line.end, is_drawn, false)));
            });
            input.consume(used);
        }
    }
}

/// Extent of a line; `None` where the line was read before.
const fn extent(end: LineEnd, is_drawn: &mut bool, is_last: bool) -> Option<Extent> {
    match end {
        LineEnd::LateNewline => None,
        LineEnd::Move => {
            *is_drawn = true;
            Some(Extent::Update)
        }
        LineEnd::Open if !is_last => Some(Extent::Beginning),
        LineEnd::Newline | LineEnd::Return | LineEnd::Open => {
            let is_drawn = std::mem::replace(is_drawn, false);
            Some(if is_drawn { Extent::Rest } else { Extent::Whole })
        }
    }
}

/// Item of a line; `None` where the line says nothing.
fn read(lines: &mut InputLines, line: &Line<'_>, extent: Option<Extent>) -> Option<Next> {
    let read = match extent? {
        extent if line.left_out == 0 => lines.read(line.bytes, extent),
        Extent::Whole | Extent::Rest => lines.cut(line.bytes, line.left_out),
        Extent::Update | Extent::Beginning => Ok(None),
    };
    match read {
        Ok(event) => {
            let is_run_over = lines.is_run_over();
            event.map(|event| Next::Event { event, due: None, is_run_over })
        }
        Err(error) => Some(Next::Bad(line.number, error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncWriteExt, BufReader};

    use super::*;
    use crate::dialect::{Dialect, Dialects};

    fn scraping() -> Arc<Dialect> {
        Arc::clone(Dialects::builtin().named("scraping").unwrap().1)
    }

    /// Percents and states of all events, and numbers and texts of all errors, where the input comes in reads of a size.
    async fn told(input: &[u8], size: usize, lines: InputLines) -> Vec<String> {
        let mut source = Source::lines(BufReader::with_capacity(size, input), lines);
        let mut told = Vec::new();
        while let Some(next) = source.next().await.unwrap() {
            told.push(match next {
                Next::Event { event, .. } => {
                    let payload = event.payload(jiff::Timestamp::UNIX_EPOCH).unwrap();
                    let event: serde_json::Value = serde_json::from_str(&payload).unwrap();
                    format!("{} {}", event["event"].as_str().unwrap(), event["percent"])
                }
                Next::Bad(number, error) => format!("line {number}: {error}"),
                Next::InVain(lines) => format!("{lines} lines in vain"),
                Next::Unplayable(number, error) => format!("line {number}: {error}"),
            });
        }
        told
    }

    fn jobs() -> InputLines {
        InputLines::new(Arc::clone(Dialects::builtin().named("jobs").unwrap().1), Some("a".to_owned()))
    }

    #[tokio::test]
    async fn events_of_any_size_are_read_whole_up_to_the_limit() {
        let of = |length: usize, end: &str| {
            let start = r#"{"event":"progress","percent":5,"message":""#;
            format!("{start}{}\"}}{end}", "x".repeat(length - start.len() - 2))
        };
        let (longest, longer) = (of(MAX_LINE, "\r\n"), of(MAX_LINE + 1, "\n"));
        let output = format!("x{longer}");
        let input = ["\n", &longest, &longer, &output, "\r", &longest, "#", &longer, "101%\n", "6"].concat();
        let expected = [
            "progress 5",
            "line 3: longer than 1 MiB",
            "progress 5",
            "line 7: longer than 1 MiB",
            "line 8: a progress is from 0 to 100, got 101",
            "progress 6",
        ];
        for size in [1 << 13, 1 << 22] {
            assert_eq!(told(input.as_bytes(), size, jobs()).await, expected, "reads of {size}");
        }
    }

    #[tokio::test]
    async fn an_event_is_kept_as_it_was_written() {
        let input = b"{\"event\":\"progress\",\"percent\":5,\"x\":\"\\b\\u001b[1G \xc3\xa9\"}\r\n{\"event\":\"\x08\x08\"}\n# \x1b[1Gx\n";
        for size in [1, 2, 3, 1000] {
            let mut source = Source::lines(BufReader::with_capacity(size, &input[..]), jobs().unchecked());
            let Some(Next::Event { event, .. }) = source.next().await.unwrap() else { panic!("no event") };
            let payload = event.payload(jiff::Timestamp::UNIX_EPOCH).unwrap();
            assert!(payload.contains("\"x\":\"\\b\\u001b[1G \u{e9}\""), "{payload}");
            let Some(Next::Bad(2, error)) = source.next().await.unwrap() else { panic!("no error") };
            assert!(error.to_string().contains("control character"), "{error}");
            assert!(matches!(source.next().await.unwrap(), Some(Next::Event { .. })));
            assert!(source.next().await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_is_drawn_with_moves_of_the_cursor_is_progress() {
        let table: [(&[u8], &[&str]); 8] = [
            (
                b"  5%\x08\x08\x08\x08 10%\x08\x08\x08\x08 20%\n",
                &["progress 5", "progress 10", "progress 20"],
            ),
            (b"[1/4]\x1b[1G\x1b[2K[2/4]\x1b[0G", &["progress 25", "progress 50"]),
            (b"[1/4] a\x1b[1G{\"event\":\"succeeded\"}\n", &["progress 25", "succeeded null"]),
            // A number is one where it stands alone on its line.
            (b"1\x082\x083\x084\n", &["1 lines in vain"]),
            (b"\r45%\r\n\r46%", &["progress 45", "progress 46"]),
            (b"[1/4] a\r\n[1/4] a\n# b\r\n", &["progress 25", "progress 25"]),
            (b"ok\r\n\r\nok\x08\x08no\r\n", &["2 lines in vain"]),
            (b"a\x08\x1b[1G\r\n{\"\n", &["line 2: "]),
        ];
        for (input, expected) in table {
            for size in [1, 2, 3, 1000] {
                let told = told(input, size, jobs()).await;
                let text = input.escape_ascii();
                assert_eq!(told.len(), expected.len(), "{text} in reads of {size}: {told:?}");
                for (told, expected) in told.iter().zip(expected) {
                    assert!(told.starts_with(expected), "{text} in reads of {size}: {told}");
                }
            }
        }
    }

    #[tokio::test]
    async fn bars_of_programs_that_move_the_cursor_are_followed() {
        let table: [(&[u8], usize, &str, &str); 2] = [
            (include_bytes!("../progress/recorded/7z.pty"), 7, "progress 0", "progress 95"),
            (include_bytes!("../progress/recorded/cli-progress.pty"), 13, "progress 0", "progress 50"),
        ];
        for (recorded, count, first, last) in table {
            let told = told(recorded, 1 << 13, jobs()).await;
            let ends = [told.first(), told.last()].map(|told| told.unwrap().as_str());
            assert_eq!((told.len(), ends), (count, [first, last]), "{told:?}");
        }
    }

    #[tokio::test]
    async fn carriage_returns_separate_lines_and_a_line_feed_behind_one_counts_once() {
        let input = &b"\r10%\r20%\r\n30%\n101%\r\n40%"[..];
        // Ends of lines fall between two reads, too.
        for capacity in [1, 2, 3, 64] {
            let lines = InputLines::new(scraping(), Some("7".to_owned()));
            let mut source = Source::lines(BufReader::with_capacity(capacity, input), lines);
            let mut seen = Vec::new();
            while let Some(next) = source.next().await.unwrap() {
                seen.push(match next {
                    Next::Event { event, .. } => event.payload(jiff::Timestamp::UNIX_EPOCH).unwrap(),
                    Next::Bad(number, _) => number.to_string(),
                    Next::InVain(_) | Next::Unplayable(..) => unreachable!("there are events"),
                });
            }
            assert_eq!(seen.len(), 5, "{seen:?}");
            assert!(seen[0].contains("\"progress\":10,") && seen[4].contains("\"progress\":40,"), "{seen:?}");
            assert_eq!(seen[3], "5");
        }
    }

    #[tokio::test]
    async fn a_line_is_an_event_before_the_next_one_comes() {
        let (mut writer, reader) = tokio::io::duplex(64);
        let mut source =
            Source::lines(BufReader::new(reader), InputLines::new(scraping(), Some("7".to_owned())));
        writer.write_all(b"5\n\n101\n").await.unwrap();
        assert!(matches!(source.next().await.unwrap(), Some(Next::Event { .. })));
        assert!(matches!(source.next().await.unwrap(), Some(Next::Bad(3, LineError::Percent(_)))));
        writer.write_all(b"6").await.unwrap();
        drop(writer);
        assert!(matches!(source.next().await.unwrap(), Some(Next::Event { .. })));
        assert!(source.next().await.unwrap().is_none());
    }
}

//! Where events come from: the command line, standard input, or a scenario.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::line::{InputLines, LineError, MAX_LINE};
use super::scenario::Scenario;
use crate::emit::Outgoing;

/// Bytes that are kept of a line over the limit: enough to tell an event from output.
const START: usize = 64;

/// Events, one after the other.
pub(super) enum Source<R> {
    /// The same one several times.
    Event {
        event: Box<Outgoing>,
        left: u64,
    },
    /// One a line.
    Lines(Box<LineSource<R>>),
    Scenario(Box<Scenario>),
}

/// What a source has next.
pub(super) enum Next {
    /// An event, and when it is due after the beginning, if the source says so.
    Event(Outgoing, Option<Duration>),
    /// A line that is none, counted from 1.
    Bad(u64, LineError),
    /// The end of lines of which none was an event or said progress, with their number.
    InVain(u64),
}

impl<R: AsyncBufRead + Unpin> Source<R> {
    pub(super) fn lines(input: R, lines: InputLines) -> Self {
        Self::Lines(Box::new(LineSource { input, number: 0, after_return: false, lines, is_at_end: false }))
    }

    /// The event that opens the run of `first`, where the source is a whole run and `first` the beginning of it.
    pub(super) fn opening(&mut self, first: &Outgoing) -> Option<Outgoing> {
        match self {
            Self::Lines(lines) => lines.lines.opening(first),
            Self::Event { .. } | Self::Scenario(_) => None,
        }
    }

    /// Whether the last event that it gave ended the job that the source is a run of.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self, Self::Lines(lines) if lines.lines.is_ended())
    }

    pub(super) async fn next(&mut self) -> io::Result<Option<Next>> {
        match self {
            Self::Event { left: 0, .. } => Ok(None),
            Self::Event { event, left } => {
                *left -= 1;
                Ok(Some(Next::Event((**event).clone(), None)))
            }
            Self::Lines(lines) => lines.next().await,
            Self::Scenario(scenario) => {
                Ok(scenario.next().map(|step| Next::Event(step.event, Some(step.at))))
            }
        }
    }
}

/// Lines as they come, never more than one of them in memory.
pub(super) struct LineSource<R> {
    input: R,
    number: u64,
    /// The last line ended in a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    lines: InputLines,
    /// The input has ended, and what that means was told.
    is_at_end: bool,
}

impl<R: AsyncBufRead + Unpin> LineSource<R> {
    async fn next(&mut self) -> io::Result<Option<Next>> {
        loop {
            if self.is_at_end {
                return Ok(self.lines.end().map(|event| Next::Event(event, None)));
            }
            let Some(line) = read_line(&mut self.input, &mut self.after_return).await? else {
                self.is_at_end = true;
                if let Some(lines) = self.lines.in_vain() {
                    return Ok(Some(Next::InVain(lines)));
                }
                continue;
            };
            self.number += 1;
            let read = match line {
                ReadLine::Whole(line) => self.lines.read(&line),
                ReadLine::TooLong(start) => self.lines.too_long(&start),
            };
            match read {
                Ok(None) => {}
                Ok(Some(event)) => return Ok(Some(Next::Event(event, None))),
                Err(error) => return Ok(Some(Next::Bad(self.number, error))),
            }
        }
    }
}

/// A line of the input.
enum ReadLine {
    /// All of it.
    Whole(Vec<u8>),
    /// The first bytes of a line that is over the limit; no more of it is kept.
    TooLong(Vec<u8>),
}

/// The next line without its end, which is a line feed, a carriage return, as progress displays write it, or both. The last
/// one may lack its end.
async fn read_line(
    input: &mut (impl AsyncBufRead + Unpin),
    after_return: &mut bool,
) -> io::Result<Option<ReadLine>> {
    let (mut line, mut length) = (Vec::new(), 0_usize);
    let read =
        |line, length| if length <= MAX_LINE { ReadLine::Whole(line) } else { ReadLine::TooLong(line) };
    loop {
        let chunk = input.fill_buf().await?;
        if std::mem::take(after_return) && chunk.first() == Some(&b'\n') {
            input.consume(1);
            continue;
        }
        if chunk.is_empty() {
            return Ok((length > 0).then(|| read(line, length)));
        }
        let end = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let is_return = end.is_some_and(|end| chunk[end] == b'\r');
        let part = &chunk[..end.unwrap_or(chunk.len())];
        length = length.saturating_add(part.len());
        if length <= MAX_LINE {
            line.extend_from_slice(part);
        } else {
            line.truncate(START);
            line.shrink_to_fit();
        }
        let used = part.len() + usize::from(end.is_some());
        input.consume(used);
        if end.is_some() {
            *after_return = is_return;
            return Ok(Some(read(line, length)));
        }
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

    #[tokio::test]
    async fn lines_of_any_length_are_told_apart() {
        let long = vec![b'x'; MAX_LINE];
        let input = [b"a\n\nb\r\n\r\rc\r", &long[..], b"\n", &long[..], b"y\n", b"last"].concat();
        let mut input = BufReader::with_capacity(1000, &input[..]);
        let (mut lines, mut after_return) = (Vec::new(), false);
        while let Some(line) = read_line(&mut input, &mut after_return).await.unwrap() {
            lines.push(match line {
                ReadLine::Whole(line) => Some(line),
                ReadLine::TooLong(_) => None,
            });
        }
        let expected: [Option<&[u8]>; 9] = [
            Some(b"a"),
            Some(b""),
            Some(b"b"),
            Some(b""),
            Some(b""),
            Some(b"c"),
            Some(&long),
            None,
            Some(b"last"),
        ];
        assert_eq!(lines.len(), expected.len());
        for (nth, (line, expected)) in lines.iter().zip(expected).enumerate() {
            assert!(line.as_deref() == expected, "line {nth}");
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
                    Next::Event(event, _) => event.payload(jiff::Timestamp::UNIX_EPOCH).unwrap(),
                    Next::Bad(number, _) => number.to_string(),
                    Next::InVain(_) => unreachable!("there are events"),
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
        assert!(matches!(source.next().await.unwrap(), Some(Next::Event(..))));
        assert!(matches!(source.next().await.unwrap(), Some(Next::Bad(3, LineError::Percent(_)))));
        writer.write_all(b"6").await.unwrap();
        drop(writer);
        assert!(matches!(source.next().await.unwrap(), Some(Next::Event(..))));
        assert!(source.next().await.unwrap().is_none());
    }
}

//! Finds the progress in a line.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

use super::lines::LONGEST;
use super::marks::Marks;
use super::memory::Memory;
use super::parts::compile;
use super::pattern::ProgressPattern;
use super::plain::plain;
use super::reading::{Progress, read};
use super::row::{How, Row};
use super::table::PATTERNS;
use super::words::no_progress;

/// Longest text before the number of a loose form, in bytes. Longer text is prose.
const LONGEST_LOOSE_MESSAGE: usize = 200;

/// Recogniser of progress in one stream of output. Each stream needs its own, since some forms depend on earlier lines.
///
/// Lines of more than [`LONGEST`] bytes count as no progress. Time is in proportion to the line, and memory is bounded.
#[derive(Debug)]
pub(crate) struct Recogniser {
    pattern: Option<ProgressPattern>,
    memory: Memory,
    scratch: Vec<u8>,
}

impl Recogniser {
    /// Makes a recogniser. The user's pattern replaces the tables.
    pub(crate) fn new(pattern: Option<&ProgressPattern>) -> Self {
        Self { pattern: pattern.cloned(), memory: Memory::default(), scratch: Vec::new() }
    }

    /// Progress in a line, if there is any. The line has no newline at its end and may contain escape sequences.
    pub(crate) fn line(&mut self, line: &[u8]) -> Option<Progress> {
        self.recognise(line).map(|(_, progress)| progress)
    }

    /// Progress in a line, and the name of the row that recognised it.
    pub(super) fn recognise(&mut self, line: &[u8]) -> Option<(&'static str, Progress)> {
        if line.len() > LONGEST {
            return None;
        }
        let Self { pattern, memory, scratch } = self;
        let line = plain(line, scratch);
        if let Some(pattern) = pattern {
            return pattern.read(line).map(|progress| ("pattern", progress));
        }
        let line = line.trim_ascii();
        let marks = Marks::of(line);
        if !marks.has(Marks::NUMBER) && !line.is_empty() {
            memory.break_run();
        }
        if marks.is_empty() {
            return None;
        }
        let is_log = match line {
            [b'[', second, ..] => *second == b'2' || second.is_ascii_uppercase(),
            [first, ..] => !b"(#".contains(first),
            [] => false,
        };
        let line = if is_log { without_prefix(line) } else { line };
        let mut rows = PATTERNS.candidates(line, marks);
        rows.find_map(|(row, pattern)| Some((row.name, by_row(row, pattern, memory, line)?)))
    }
}

fn by_row(row: &Row, pattern: Option<&Regex>, memory: &mut Memory, line: &[u8]) -> Option<Progress> {
    if let How::Memory(read) = row.how {
        return read(memory, line);
    }
    let found = pattern?.captures(line)?;
    let is_prose = || found.name("message").is_some_and(|message| message.len() > LONGEST_LOOSE_MESSAGE);
    if matches!(row.how, How::Loose(_)) && (is_prose() || is_of_other_things(line, &found)) {
        return None;
    }
    read(&found)
}

/// Whether the words before the number say that the number is no progress.
fn is_of_other_things(line: &[u8], found: &Captures<'_>) -> bool {
    static OTHER: LazyLock<Regex> = LazyLock::new(|| compile(no_progress!()));
    let start = |name| found.name(name).map(|group| group.start());
    let starts = [start("bar"), start("percent"), start("step")];
    let before = starts.into_iter().flatten().min().unwrap_or(line.len());
    OTHER.is_match(&line[..before])
}

/// Line without the time and the level that logs write at its beginning.
fn without_prefix(line: &[u8]) -> &[u8] {
    static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
        compile(
            r"^(?:(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?\]?|\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ \S+:)[\s|:-]*)?(?:\[?(?:TRACE|DEBUG|INFO|info|NOTICE|WARN|WARNING)\b\]?[\s|:-]+)?",
        )
    });
    PREFIX.find(line).map_or(line, |prefix| &line[prefix.end()..])
}

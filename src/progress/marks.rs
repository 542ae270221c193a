//! Marks of lines that may contain progress. They are found without a regular expression, since nearly no line has a mark.

use std::sync::LazyLock;

use memchr::memchr_iter;
use memchr::memmem::Finder;

/// Set of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks(u8);

impl Marks {
    /// A number followed by `%`.
    pub(super) const PERCENT: Self = Self(1);
    /// Two numbers with `/` or `of` between them.
    pub(super) const RATIO: Self = Self(2);
    /// A number alone on its line.
    pub(super) const NUMBER: Self = Self(4);
    /// Shape of curl's meter: begins with a digit, has 60 to 100 bytes and a `:`.
    pub(super) const METER: Self = Self(8);
    /// Beginning of a line in which ffmpeg reports inputs or progress.
    pub(super) const MEDIA: Self = Self(16);
    /// Two amounts of data with `/` between them. Where the first has no unit, the line has [`Self::RATIO`] instead.
    pub(super) const AMOUNTS: Self = Self(32 | 2);
    /// Beginning of pip's line that names a file. Pip's bars have [`Self::RATIO`] instead.
    pub(super) const DOWNLOAD: Self = Self(64 | 2);

    /// Marks of a line that was trimmed.
    pub(super) fn of(line: &[u8]) -> Self {
        let Some(first) = line.first() else { return Self(0) };
        let mut marks = Self(0);
        if first.is_ascii_digit() {
            if line.len() <= 3 && line.iter().all(u8::is_ascii_digit) {
                return Self::NUMBER;
            }
            marks.add(Self::METER, (60..=100).contains(&line.len()) && line.contains(&b':'));
        }
        let is_media = matches!(first, b'f' | b's' | b'D' | b'I' | b'o')
            && [&b"frame="[..], b"size=", b"Duration: ", b"Input #", b"out_time="]
                .iter()
                .any(|word| line.starts_with(word));
        marks.add(Self::MEDIA, is_media);
        marks.add(Self(64), line.starts_with(b"Downloading "));
        marks.add(Self(32), memchr_iter(b'/', line).any(|at| is_between_amounts(line, at)));
        marks.add(Self::PERCENT, memchr_iter(b'%', line).any(|at| is_number_before(line, at)));
        marks.add(Self::RATIO, memchr_iter(b'/', line).any(|at| is_ratio(line, at, at + 1)) || has_of(line));
        marks
    }

    pub(super) const fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn add(&mut self, mark: Self, is_there: bool) {
        if is_there {
            self.0 |= mark.0;
        }
    }
}

fn has_of(line: &[u8]) -> bool {
    static OF: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b" of "));
    OF.find_iter(line).any(|at| {
        let out = if line[..at].ends_with(b" out") { at - 4 } else { at };
        is_ratio(line, out, at + 4)
    })
}

/// Whether a number ends before `at`, with at most one blank between.
fn is_number_before(line: &[u8], at: usize) -> bool {
    line[..at].strip_suffix(b" ").unwrap_or(&line[..at]).last().is_some_and(u8::is_ascii_digit)
}

/// Whether a `B` ends before `at` and a number begins after `at`, blanks aside.
fn is_between_amounts(line: &[u8], at: usize) -> bool {
    let after = line[at + 1..].trim_ascii_start();
    line[..at].trim_ascii_end().ends_with(b"B") && after.first().is_some_and(u8::is_ascii_digit)
}

/// Whether a number ends before `left` and another begins at `right`, neither of them part of a date, a version, a path or a
/// word.
fn is_ratio(line: &[u8], left: usize, right: usize) -> bool {
    let before = line[..left].strip_suffix(b" ").unwrap_or(&line[..left]);
    let after = line[right..].strip_prefix(b" ").unwrap_or(&line[right..]);
    let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
    let head = before.iter().rev().find(|byte| !is_part(byte));
    let tail = after.iter().find(|byte| !is_part(byte));
    before.last().is_some_and(u8::is_ascii_digit)
        && after.first().is_some_and(u8::is_ascii_digit)
        && head.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"/-_".contains(byte))
        && tail.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"/-_%".contains(byte))
}

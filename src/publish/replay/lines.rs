//! Cutting of a recording into lines, with bounded memory.

use memchr::memchr;

/// Bytes of the longest line. An event of 4 MiB, the most that attach takes, fits into it twice, once as a text.
pub(crate) const MAX_LINE: usize = 16 << 20;

/// The line that is being read.
#[derive(Debug, Default)]
pub(super) struct LineCutter {
    kept: Vec<u8>,
    is_too_long: bool,
    number: u64,
}

/// A whole line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RecordLine<'a> {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its bytes without the end of the line; `None` where there are more than [`MAX_LINE`].
    pub(super) bytes: Option<&'a [u8]>,
    /// Whether the end of the line is there.
    pub(super) is_ended: bool,
}

impl LineCutter {
    /// Takes bytes up to the end of a line. Returns how many, and whether they hold the end.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let end = memchr(b'\n', bytes);
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if self.is_too_long || self.kept.len() + part.len() > MAX_LINE {
            self.is_too_long = true;
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(part);
        }
        (end.map_or(bytes.len(), |end| end + 1), end.is_some())
    }

    /// The line so far, which counts; [`LineCutter::clear`] begins the next one.
    pub(super) fn line(&mut self, is_ended: bool) -> RecordLine<'_> {
        self.number += 1;
        let bytes = self.kept.strip_suffix(b"\r").unwrap_or(&self.kept);
        RecordLine { number: self.number, bytes: (!self.is_too_long).then_some(bytes), is_ended }
    }

    /// Whether a line has begun that has no end yet.
    pub(super) fn has_rest(&self) -> bool {
        self.is_too_long || !self.kept.is_empty()
    }

    /// Begins the next line.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.is_too_long = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(input: &[u8], size: usize) -> Vec<(u64, Option<usize>, bool)> {
        let (mut cutter, mut lines) = (LineCutter::default(), Vec::new());
        for mut chunk in input.chunks(size) {
            while !chunk.is_empty() {
                let (used, is_ended) = cutter.take(chunk);
                chunk = &chunk[used..];
                if is_ended {
                    let line = cutter.line(true);
                    lines.push((line.number, line.bytes.map(<[u8]>::len), line.is_ended));
                    cutter.clear();
                }
            }
        }
        if cutter.has_rest() {
            let line = cutter.line(false);
            lines.push((line.number, line.bytes.map(<[u8]>::len), line.is_ended));
        }
        lines
    }

    #[test]
    fn lines_of_any_size_are_cut_the_same_however_they_are_read() {
        let longest = "x".repeat(MAX_LINE);
        let input = format!("a\r\n\n{longest}\n{longest}y\nbb");
        for size in [1 << 10, 4095, 1 << 25] {
            let expected = [
                (1, Some(1), true),
                (2, Some(0), true),
                (3, Some(MAX_LINE), true),
                (4, None, true),
                (5, Some(2), false),
            ];
            assert_eq!(cut(input.as_bytes(), size), expected, "reads of {size}");
        }
        assert_eq!(cut(b"", 1), []);
    }
}

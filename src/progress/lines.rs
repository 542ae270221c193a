//! Cutting of output into lines, with bounded memory.

use memchr::memchr2;

/// Bytes of a line that are kept. A program that draws a bar in colours on a wide terminal needs some thousand of them.
pub(crate) const LONGEST: usize = 16 * 1024;

/// A line of output, or an update that the next one overwrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The line without its end: the first [`LONGEST`] bytes of it.
    pub bytes: &'a [u8],
    /// Number of further bytes of the line, which were left out.
    pub left_out: u64,
    /// What the line ended with.
    pub end: LineEnd,
}

/// What a line ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// `\n`, or `\r` and `\n`.
    Newline,
    /// `\r` alone: an update, which the next one overwrites.
    Return,
    /// Nothing yet: an update that follows a `\r`, or the end of the output.
    Open,
}

/// Cutter of a stream of bytes into lines. Memory: [`LONGEST`] bytes; what a line has beyond that is counted and dropped.
///
/// - An empty update is not told: programs write `\r` before an update as well as behind it.
/// - An update that was begun by a `\r` and has no end so far is told at once, as [`LineEnd::Open`], and once more with its end:
///   the end comes with the next update, which may be minutes away.
/// - A line whose `\r` was the last byte so far is told as an update, and again with [`LineEnd::Newline`] if `\n` follows.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    left_out: u64,
    /// The last byte was a `\r`. The line before it is told, and still kept.
    is_returned: bool,
    /// The line that is kept follows a `\r`.
    is_update: bool,
}

impl Lines {
    /// Takes the next bytes, and tells each line that ends in them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        if self.is_returned {
            bytes = self.after_return(bytes, &mut each);
        }
        while let Some(at) = memchr2(b'\n', b'\r', bytes) {
            let (part, rest) = (&bytes[..at], &bytes[at..]);
            let returns = rest.iter().take_while(|byte| **byte == b'\r').count();
            bytes = &rest[returns..];
            match bytes.first() {
                Some(b'\n') => {
                    self.tell(part, LineEnd::Newline, &mut each);
                    self.is_update = false;
                    bytes = &bytes[1..];
                }
                Some(_) => {
                    self.tell(part, LineEnd::Return, &mut each);
                    self.is_update = true;
                }
                None => {
                    self.keep(part);
                    self.is_returned = true;
                    return self.tell_kept(LineEnd::Return, &mut each);
                }
            }
        }
        self.keep(bytes);
        if self.is_update && !bytes.is_empty() {
            self.tell_kept(LineEnd::Open, &mut each);
        }
    }

    /// Tells the last line, if it has no end.
    pub(crate) fn end(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.is_returned {
            self.tell_kept(LineEnd::Open, &mut each);
        }
        *self = Self::default();
    }

    /// Goes on after a `\r` that was the last byte; returns the bytes of the next line.
    fn after_return<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(Line<'_>)) -> &'a [u8] {
        let returns = bytes.iter().take_while(|byte| **byte == b'\r').count();
        let rest = &bytes[returns..];
        let Some(first) = rest.first() else { return rest };
        let is_newline = *first == b'\n';
        if is_newline {
            let (bytes, left_out) = (&self.kept[..], self.left_out);
            each(Line { bytes, left_out, end: LineEnd::Newline });
        }
        self.clear();
        (self.is_returned, self.is_update) = (false, !is_newline);
        &rest[usize::from(is_newline)..]
    }

    /// Tells the line that ends with `part`.
    fn tell(&mut self, part: &[u8], end: LineEnd, each: &mut impl FnMut(Line<'_>)) {
        if self.kept.is_empty() && part.len() <= LONGEST {
            if end == LineEnd::Newline || !part.is_empty() {
                each(Line { bytes: part, left_out: 0, end });
            }
            return;
        }
        self.keep(part);
        each(Line { bytes: &self.kept, left_out: self.left_out, end });
        self.clear();
    }

    fn tell_kept(&self, end: LineEnd, each: &mut impl FnMut(Line<'_>)) {
        if !self.kept.is_empty() {
            each(Line { bytes: &self.kept, left_out: self.left_out, end });
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let (kept, rest) = part.split_at(part.len().min(LONGEST - self.kept.len()));
        self.kept.extend_from_slice(kept);
        self.left_out += rest.len() as u64;
    }

    fn clear(&mut self) {
        self.kept.clear();
        self.left_out = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Lines told of chunks, as text with a mark for the end: `.` a newline, `<` a return, `_` none.
    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let mut told = Vec::new();
        let mut each = |line: Line<'_>| {
            let mark = match line.end {
                LineEnd::Newline => '.',
                LineEnd::Return => '<',
                LineEnd::Open => '_',
            };
            told.push(format!("{}{mark}", line.bytes.escape_ascii()));
        };
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.feed(chunk, &mut each);
        }
        lines.end(&mut each);
        told
    }

    #[test]
    fn lines_and_updates_are_told_apart() {
        assert_eq!(cut(&[b"a\n\nb\r\nc\rd\n"]), ["a.", ".", "b.", "c<", "d."]);
        assert_eq!(cut(&[b"a\r\r\n\r\rb\n"]), ["a.", "b."]);
        assert_eq!(cut(&[b"la", b"st"]), ["last_"]);
        assert_eq!(cut(&[b"", b"\r"]), Vec::<String>::new());
    }

    #[test]
    fn an_update_is_told_before_its_end_comes() {
        assert_eq!(cut(&[b"\r10%", b"\r20%", b"\n"]), ["10%_", "10%<", "20%_", "20%."]);
        assert_eq!(cut(&[b"10%\r", b"20%\r"]), ["10%<", "20%<"]);
    }

    #[test]
    fn a_return_and_a_newline_in_two_reads_are_one_end() {
        assert_eq!(cut(&[b"a\r", b"\nb\r", b"\r", b"\n"]), ["a<", "a.", "b<", "b."]);
        assert_eq!(cut(&[b"\r", b"\n"]), ["."]);
    }

    #[test]
    fn a_long_line_is_cut_and_the_rest_counted() {
        let long = vec![b'x'; 10 << 20];
        for size in [1000, 1 << 16, 10 << 20] {
            let mut lines = Lines::default();
            let mut told = Vec::new();
            let mut each = |line: Line<'_>| told.push((line.bytes.len(), line.left_out, line.end));
            for chunk in long.chunks(size) {
                lines.feed(chunk, &mut each);
            }
            lines.feed(b"\nshort\n", &mut each);
            assert!(lines.kept.capacity() <= 2 * LONGEST);
            let left_out = (long.len() - LONGEST) as u64;
            assert_eq!(told, [(LONGEST, left_out, LineEnd::Newline), (5, 0, LineEnd::Newline)]);
        }
    }

    proptest! {
        #[test]
        fn whole_lines_do_not_depend_on_how_the_bytes_come(
            text in vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), Just(b'b')], 0..60),
            sizes in vec(1_usize..7, 1..20),
        ) {
            let of = |chunks: &[&[u8]]| -> Vec<String> {
                cut(chunks).into_iter().filter(|line| line.ends_with('.')).collect()
            };
            let (mut rest, mut chunks) = (&text[..], Vec::new());
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, left) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            prop_assert_eq!(of(&chunks), of(&[&text[..]]));
        }
    }
}

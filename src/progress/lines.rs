//! Cutting of output into lines, with bounded memory.

use std::ops::ControlFlow;

use memchr::{memchr, memchr2};

use super::plain::{BACKSPACE, ESCAPE, plain, take_back};
use super::sequence::{Motion, Sequence};

/// Longest part of a line that is kept, in bytes. A bar in colours on a wide terminal has some thousand bytes.
pub(crate) const LONGEST: usize = 16 * 1024;

/// Longest update that is passed on before backspaces, in bytes. A line in colours on a terminal of 200 columns has as many.
const LONGEST_TAKEN_BACK: usize = 1024;

/// Line of output, or an update that the next one overwrites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// The line without its end: the first [`LONGEST`] bytes of it, or more of a [`Literal`] one.
    pub bytes: &'a [u8],
    /// Number of further bytes of the line, which were left out.
    pub left_out: u64,
    /// Number of the line, from 1. `\n`, `\r`, and both together end a line here; a move of the cursor does not.
    pub number: u64,
    /// End of the line.
    pub end: LineEnd,
}

/// End of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// `\n`, or `\r` and `\n`.
    Newline,
    /// `\n` after a `\r` that was the last byte of the bytes before. The line was passed on with [`LineEnd::Return`], and is
    /// passed on again.
    LateNewline,
    /// `\r` alone. The line is an update, which the next one overwrites.
    Return,
    /// Backspaces, or a sequence that moves the cursor elsewhere. The line is an update.
    Move,
    /// No end yet. The line is an update after a `\r` or a move, or the last line of the output.
    Open,
}

impl LineEnd {
    /// Whether the line stays on the screen.
    pub(crate) const fn is_newline(self) -> bool {
        matches!(self, Self::Newline | Self::LateNewline)
    }
}

/// Kind of lines that are kept with all control characters, since they are no output for a terminal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Literal {
    /// Whether a line with this beginning is literal. The first bytes decide.
    pub is_one: fn(&[u8]) -> bool,
    /// Longest part of a literal line that is kept, in bytes; at least [`LONGEST`].
    pub longest: usize,
}

/// Cutter of a stream of bytes into lines. It keeps [`LONGEST`] bytes, or as many as a literal line may have. Further bytes of
/// a line are counted and dropped.
///
/// - Empty updates are not passed on, since programs write `\r` before an update as well as after it.
/// - An escape sequence that moves the cursor to another line or to the first column is removed, and ends an update as `\r` does.
/// - Backspaces end an update and remove its last characters. The other characters begin the next update.
/// - An update after a `\r` that has no end yet is passed on at once, as [`LineEnd::Open`], and again with its end. The end comes
///   with the next update, which may be minutes later. The rest that backspaces leave is passed on once more bytes follow.
/// - A line whose `\r` was the last byte so far is passed on as an update, and again with [`LineEnd::LateNewline`] if `\n` follows.
/// - A literal line is passed on once it is whole. Only `\n`, `\r` and the end of the output end it.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    kept: Vec<u8>,
    left_out: u64,
    /// Number of lines before this one.
    ended: u64,
    literal: Option<Literal>,
    /// Number of `\r` at the end of the bytes so far. The line before them was passed on and is still kept.
    returns: u64,
    /// Whether the kept line follows a `\r`, a backspace or a move of the cursor.
    is_update: bool,
    /// Whether the last byte was a backspace.
    is_taken_back: bool,
    /// Escape sequence of the last byte, and the place in `kept` where it begins.
    sequence: Option<(Sequence, usize)>,
}

impl Lines {
    /// Makes a cutter of a stream with literal lines.
    pub(crate) fn with(literal: Literal) -> Self {
        Self { literal: Some(literal), ..Self::default() }
    }

    /// Adds bytes, and calls `each` with every line that ends in them.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>)) {
        if self.returns > 0 {
            bytes = self.after_return(bytes, &mut each);
        }
        while let Some(at) = memchr2(b'\n', b'\r', bytes) {
            let (part, rest) = (&bytes[..at], &bytes[at..]);
            let returns = rest.iter().take_while(|byte| **byte == b'\r').count();
            bytes = &rest[returns..];
            match bytes.first() {
                Some(b'\n') => {
                    self.tell(part, LineEnd::Newline, &mut each);
                    self.ended += returns.max(1) as u64;
                    self.is_update = false;
                    bytes = &bytes[1..];
                }
                Some(_) => {
                    self.tell(part, LineEnd::Return, &mut each);
                    self.ended += returns as u64;
                    self.is_update = true;
                }
                None => {
                    self.take(part, &mut each);
                    self.returns = returns as u64;
                    return self.tell_kept(LineEnd::Return, &mut each);
                }
            }
        }
        self.take(bytes, &mut each);
        if self.is_update && !self.is_taken_back && !bytes.is_empty() && !self.is_literal() {
            self.tell_kept(LineEnd::Open, &mut each);
        }
    }

    /// Ends the output, and calls `each` with a last line that has no end.
    pub(crate) fn end(&mut self, mut each: impl FnMut(Line<'_>)) {
        if self.returns == 0 {
            self.tell_kept(LineEnd::Open, &mut each);
        }
        *self = Self { literal: self.literal, ..Self::default() };
    }

    /// Continues after a `\r` that was the last byte. Returns the bytes of the next line.
    fn after_return<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(Line<'_>)) -> &'a [u8] {
        let returns = bytes.iter().take_while(|byte| **byte == b'\r').count();
        let rest = &bytes[returns..];
        self.returns += returns as u64;
        let Some(first) = rest.first() else { return rest };
        let is_newline = *first == b'\n';
        if is_newline {
            let (left_out, number) = (self.left_out, self.ended + 1);
            each(Line { bytes: &self.kept, left_out, number, end: LineEnd::LateNewline });
        }
        self.ended += std::mem::take(&mut self.returns);
        self.clear();
        self.is_update = !is_newline;
        &rest[usize::from(is_newline)..]
    }

    /// Passes on the line that ends with `part`.
    fn tell(&mut self, part: &[u8], end: LineEnd, each: &mut impl FnMut(Line<'_>)) {
        if self.kept.is_empty() && part.len() <= LONGEST && !self.draws(part) {
            if end == LineEnd::Newline || !part.is_empty() {
                each(Line { bytes: part, left_out: 0, number: self.ended + 1, end });
            }
            return;
        }
        self.take(part, each);
        if end == LineEnd::Newline || !self.kept.is_empty() {
            let (left_out, number) = (self.left_out, self.ended + 1);
            each(Line { bytes: &self.kept, left_out, number, end });
        }
        self.clear();
    }

    /// Whether bytes have escape sequences or backspaces, or continue a sequence.
    fn draws(&self, part: &[u8]) -> bool {
        self.sequence.is_some() || memchr2(ESCAPE, BACKSPACE, part).is_some()
    }

    /// Keeps bytes without an end of a line, and passes on each update that ends in them.
    fn take(&mut self, mut part: &[u8], each: &mut impl FnMut(Line<'_>)) {
        while let Some((&first, rest)) = part.split_first() {
            if let Some((sequence, start)) = self.sequence.take() {
                self.keep(&part[..1]);
                part = rest;
                match sequence.next(first) {
                    ControlFlow::Continue(sequence) => self.sequence = Some((sequence, start)),
                    ControlFlow::Break(motion) => self.moved(motion, start, each),
                }
            } else if self.is_literal() {
                self.keep(part);
                part = &[];
            } else if first == BACKSPACE {
                self.taken_back(1, each);
                self.is_taken_back = true;
                part = rest;
                continue;
            } else if first == ESCAPE {
                self.sequence = Some((Sequence::Begun, self.kept.len()));
                self.keep(&part[..1]);
                part = rest;
            } else {
                let (text, rest) = part.split_at(memchr2(ESCAPE, BACKSPACE, part).unwrap_or(part.len()));
                self.keep(text);
                part = rest;
            }
            self.is_taken_back = false;
        }
    }

    /// Applies a sequence that begins at `start` in `kept`.
    fn moved(&mut self, motion: Motion, start: usize, each: &mut impl FnMut(Line<'_>)) {
        match motion {
            Motion::Stays => {}
            Motion::Back(columns) => {
                self.kept.truncate(start);
                self.taken_back(columns, each);
            }
            Motion::Elsewhere => {
                self.kept.truncate(start);
                self.tell_kept(LineEnd::Move, each);
                self.clear();
                self.is_update = true;
            }
        }
    }

    /// Passes on the update, and removes its last characters.
    fn taken_back(&mut self, columns: usize, each: &mut impl FnMut(Line<'_>)) {
        if !self.is_taken_back {
            if self.kept.len() <= LONGEST_TAKEN_BACK {
                self.tell_kept(LineEnd::Move, each);
            }
            if memchr(ESCAPE, &self.kept).is_some() {
                let mut scratch = Vec::new();
                self.kept = plain(&self.kept, &mut scratch).to_vec();
            }
        }
        take_back(&mut self.kept, columns);
        self.is_update = true;
    }

    fn tell_kept(&self, end: LineEnd, each: &mut impl FnMut(Line<'_>)) {
        if !self.kept.is_empty() {
            let (left_out, number) = (self.left_out, self.ended + 1);
            each(Line { bytes: &self.kept, left_out, number, end });
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let rest = self.keep_up_to(LONGEST, part);
        let longest = self
            .literal
            .filter(|_| !rest.is_empty() && self.is_literal())
            .map_or(0, |literal| literal.longest);
        let rest = self.keep_up_to(longest, rest);
        self.left_out += rest.len() as u64;
    }

    /// Keeps bytes up to this length of the line. Returns the other bytes.
    fn keep_up_to<'a>(&mut self, length: usize, part: &'a [u8]) -> &'a [u8] {
        let (kept, rest) = part.split_at(part.len().min(length.saturating_sub(self.kept.len())));
        self.kept.extend_from_slice(kept);
        rest
    }

    fn is_literal(&self) -> bool {
        self.literal.is_some_and(|literal| (literal.is_one)(&self.kept))
    }

    fn clear(&mut self) {
        self.kept.clear();
        (self.left_out, self.is_taken_back, self.sequence) = (0, false, None);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Lines of chunks, as text with a mark for the end: `.` a newline, `<` a return, `^` a move, `_` none.
    fn cut(chunks: &[&[u8]]) -> Vec<String> {
        let mut told = Vec::new();
        let mut each = |line: Line<'_>| {
            let mark = match line.end {
                LineEnd::Newline | LineEnd::LateNewline => '.',
                LineEnd::Return => '<',
                LineEnd::Move => '^',
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
    fn a_move_of_the_cursor_ends_an_update() {
        assert_eq!(cut(&[b"10%\x1b[1G20%\x1b[0G\x1b[K30%\n"]), ["10%^", "20%^", "\\x1b[K30%."]);
        assert_eq!(cut(&[b"a\n\x1b[1A\x1b[2Kb\n"]), ["a.", "\\x1b[2Kb."]);
        assert_eq!(cut(&[b"\x1b7\x1b[24;0f45%\x1b8x\n"]), ["\\x1b7^", "45%^", "x."]);
        assert_eq!(cut(&[b"10%\x1b[1", b"G20%", b"\x1b", b"[G"]), ["10%^", "20%_", "20%\\x1b_", "20%^"]);
        // Aligned text, colours, titles.
        for text in ["a\x1b[74G[ ok ]", "\x1b[1;31ma\x1b[m", "\x1b]0;\x1b\\a", "\x1b]0;8\x07a", "\x1b(Ba"] {
            assert_eq!(cut(&[text.as_bytes(), b"\n"]), [format!("{}.", text.as_bytes().escape_ascii())]);
        }
    }

    #[test]
    fn backspaces_end_an_update_and_take_it_back() {
        assert_eq!(
            cut(&[b"at:  3/16\x08\x08\x08\x08\x08 4/16\x08\x08\x08\x08\x08done\n"]),
            ["at:  3/16^", "at:  4/16^", "at: done."]
        );
        assert_eq!(cut(&[b"\x1b[1m 5%\x1b[m\x08", b"\x08", b"\x0810%", b"\n"])[1..], ["10%_", "10%."]);
        assert_eq!(cut(&[b"5%\x1b[1000D10%\x1b[2D", b"12"]), ["5%^", "10%^", "1_", "112_", "112_"]);
        assert_eq!(cut(&["a\u{2588}\u{2588}\x08\x08b\n".as_bytes()])[1..], ["ab."]);
    }

    #[test]
    fn updates_without_an_end_of_a_line_are_told_for_ever() {
        let mut lines = Lines::default();
        for sequence in ["\x1b[1G", "\x08\x08\x08\x08", "\x1b[4D"] {
            for number in 1000..9999 {
                let mut told = Vec::new();
                lines.feed(format!("{number}{sequence}").as_bytes(), |line| told.push(line.bytes.to_vec()));
                assert_eq!(told[0], number.to_string().as_bytes());
                assert!(lines.kept.capacity() < 64);
            }
        }
    }

    #[test]
    fn lines_are_counted_however_they_end_and_come() {
        let text = b"a\n\rb\rc\x1b[1Gd\x08e\r\n\r\r\nf\r\r";
        for size in 1..text.len() {
            let (mut lines, mut told) = (Lines::default(), Vec::new());
            for chunk in text.chunks(size) {
                lines.feed(chunk, |line| {
                    if matches!(line.end, LineEnd::Newline | LineEnd::Return) {
                        told.push((line.number, line.bytes.to_vec()));
                    } else if line.end == LineEnd::LateNewline {
                        assert!(line.bytes.is_empty() || told.contains(&(line.number, line.bytes.to_vec())));
                    }
                });
            }
            told.retain(|(_, bytes)| !bytes.is_empty());
            assert_eq!(
                told,
                [(1, b"a".to_vec()), (3, b"b".to_vec()), (4, b"e".to_vec()), (7, b"f".to_vec())]
            );
        }
    }

    #[test]
    fn a_literal_line_is_told_once_and_whole() {
        let is_one = |start: &[u8]| start.starts_with(b"{");
        let long = format!("{{{}", "x".repeat(3 * LONGEST)).into_bytes();
        let text = [b"\r{\x08\x1b[1G}\r\n", &long[..], b"\r", &long[1..], b"\n{\x08"].concat();
        for size in [1, 7, 1000, text.len()] {
            let mut lines = Lines::with(Literal { is_one, longest: 2 * LONGEST });
            let mut told = Vec::new();
            let mut each = |line: Line<'_>| {
                let is_new = line.end != LineEnd::LateNewline && !line.bytes.is_empty();
                if is_new && (is_one(line.bytes) || line.end == LineEnd::Newline) {
                    told.push((line.bytes.len(), line.left_out));
                }
            };
            text.chunks(size).for_each(|chunk| lines.feed(chunk, &mut each));
            lines.end(&mut each);
            let (longest, left_out) = (2 * LONGEST, LONGEST as u64);
            assert_eq!(
                told,
                [(7, 0), (longest, left_out + 1), (LONGEST, 2 * left_out), (2, 0)],
                "reads of {size}"
            );
        }
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
            text in vec(prop::sample::select(vec![
                "\n", "\r", "a", "b", "\x08", "\x1b", "[", "1", "G", "D", "m", "]", "\x07", "\x1b[1G", "\x1b[2K", "\u{2588}",
            ]), 0..60),
            sizes in vec(1_usize..7, 1..20),
        ) {
            let text = text.concat().into_bytes();
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

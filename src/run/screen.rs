//! Output of full-screen programs, in which a percentage is no progress of the job. Pure.

use memchr::memchr;

/// Escape sequences that switch between the terminal's main screen and its alternate screen, which full-screen programs use.
/// The last byte is left out: `h` switches to the alternate screen and `l` back. Source: the control sequences of xterm, DECSET
/// 47, 1047 and 1049.
const OTHER_SCREEN: [&[u8]; 3] = [b"\x1b[?1049", b"\x1b[?1047", b"\x1b[?47"];
/// Length of the longest sequence with its last byte, in bytes.
const LONGEST: usize = 8;

/// Current screen of the terminal, by the output so far.
#[derive(Debug, Default)]
pub(super) struct Screen {
    is_other: bool,
    /// Beginning of a sequence at the end of the last output.
    begun: Vec<u8>,
}

impl Screen {
    /// Calls `each` with the parts of the output that are for the main screen.
    pub(super) fn outside(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let joined;
        let mut rest = bytes;
        if !self.begun.is_empty() {
            self.begun.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.begun);
            rest = &joined;
        }
        let mut from = 0;
        while let Some(at) = memchr(b'\x1b', &rest[from..]).map(|at| from + at) {
            match switch(&rest[at..]) {
                Switch::None => from = at + 1,
                Switch::Unknown => {
                    self.tell(&rest[..at], &mut each);
                    self.begun = rest[at..].to_vec();
                    return;
                }
                Switch::To { is_other, length } => {
                    self.tell(&rest[..at], &mut each);
                    self.is_other = is_other;
                    rest = &rest[at + length..];
                    from = 0;
                }
            }
        }
        self.tell(rest, &mut each);
    }

    fn tell(&self, bytes: &[u8], each: &mut impl FnMut(&[u8])) {
        if !self.is_other && !bytes.is_empty() {
            each(bytes);
        }
    }
}

enum Switch {
    None,
    /// The bytes so far may be the beginning of a sequence.
    Unknown,
    To {
        is_other: bool,
        length: usize,
    },
}

fn switch(bytes: &[u8]) -> Switch {
    for sequence in OTHER_SCREEN {
        match bytes.strip_prefix(sequence).and_then(|rest| rest.first()) {
            Some(b'h') => return Switch::To { is_other: true, length: sequence.len() + 1 },
            Some(b'l') => return Switch::To { is_other: false, length: sequence.len() + 1 },
            _ => {}
        }
    }
    let is_begun = OTHER_SCREEN.iter().any(|sequence| sequence.starts_with(bytes) || bytes == *sequence);
    if is_begun && bytes.len() < LONGEST { Switch::Unknown } else { Switch::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_painted_on_the_other_screen_is_passed_over_however_it_is_cut() {
        let output =
            b"10%\n\x1b[1mbold\x1b[0m\n\x1b[?1049h 50% \x1b[?25l 60%\x1b[?1049l20%\n\x1b[?47h70%\x1b[?47lend";
        for size in 1..output.len() {
            let (mut screen, mut outside) = (Screen::default(), Vec::new());
            for chunk in output.chunks(size) {
                screen.outside(chunk, |bytes| outside.extend_from_slice(bytes));
            }
            let shown = String::from_utf8(outside).unwrap();
            assert_eq!(shown, "10%\n\x1b[1mbold\x1b[0m\n20%\nend", "in pieces of {size}");
        }
    }
}

//! Parser of escape sequences, one byte at a time.

use std::ops::ControlFlow;

/// Part of an escape sequence that was read so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// ESC.
    Begun,
    /// ESC and an intermediate byte. The next byte is the last.
    Intermediate,
    /// CSI: ESC and `[`, with the digits of the first parameter.
    Control(Parameter),
    /// OSC, DCS, SOS, PM or APC, with a text that ends with BEL, or with ESC and a backslash.
    Text,
}

/// First parameter of a control sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameter {
    number: Option<u16>,
    is_whole: bool,
}

/// Effect of a complete sequence on the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Motion {
    /// The cursor stays in its line and does not go back.
    Stays,
    /// The cursor goes back by this number of columns.
    Back(usize),
    /// The cursor goes to another line, or to the first column.
    Elsewhere,
}

impl Sequence {
    /// Adds a byte to the sequence. Breaks with the sequence's effect if the byte was its last.
    pub(super) fn next(self, byte: u8) -> ControlFlow<Motion, Self> {
        match (self, byte) {
            // ESC within a sequence begins another.
            (_, 0x1b) => ControlFlow::Continue(Self::Begun),
            (Self::Begun, b'[') => {
                ControlFlow::Continue(Self::Control(Parameter { number: None, is_whole: false }))
            }
            (Self::Begun, b']' | b'P' | b'X' | b'^' | b'_') => ControlFlow::Continue(Self::Text),
            (Self::Begun, b' '..=b'/') => ControlFlow::Continue(Self::Intermediate),
            // DECRC, IND, NEL, RI, RIS.
            (Self::Begun, b'8' | b'D' | b'E' | b'M' | b'c') => ControlFlow::Break(Motion::Elsewhere),
            (Self::Begun | Self::Intermediate, _) | (Self::Text, 0x07) => ControlFlow::Break(Motion::Stays),
            (Self::Text, _) => ControlFlow::Continue(self),
            (Self::Control(parameter), 0x40..=0x7e) => ControlFlow::Break(parameter.moves(byte)),
            (Self::Control(parameter), _) => ControlFlow::Continue(Self::Control(parameter.next(byte))),
        }
    }
}

impl Parameter {
    fn next(self, byte: u8) -> Self {
        if self.is_whole || !byte.is_ascii_digit() {
            return Self { is_whole: true, ..self };
        }
        let number = self.number.unwrap_or(0).saturating_mul(10).saturating_add(u16::from(byte - b'0'));
        Self { number: Some(number), ..self }
    }

    /// Effect of the control sequence with this last byte.
    fn moves(self, last: u8) -> Motion {
        let number = self.number.unwrap_or(1).max(1);
        match last {
            b'D' => Motion::Back(usize::from(number)),
            // CUU, CUD, CNL, CPL, CUP, VPA, HVP, and restoring the position.
            b'A' | b'B' | b'E' | b'F' | b'H' | b'd' | b'f' | b'u' => Motion::Elsewhere,
            // CHA and HPA with another column than the first only align text.
            b'G' | b'`' if number == 1 => Motion::Elsewhere,
            _ => Motion::Stays,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Effect and length of the sequence at the beginning of `bytes`.
    fn read(bytes: &[u8]) -> Option<(Motion, usize)> {
        let mut sequence = Sequence::Begun;
        for (at, byte) in bytes.iter().enumerate() {
            match sequence.next(*byte) {
                ControlFlow::Continue(next) => sequence = next,
                ControlFlow::Break(cursor) => return Some((cursor, at + 1)),
            }
        }
        None
    }

    #[test]
    fn sequences_end_and_move_the_cursor() {
        let table: [(&[u8], Motion, usize); 16] = [
            (b"[31mx", Motion::Stays, 4),
            (b"[?25lx", Motion::Stays, 5),
            (b"[K", Motion::Stays, 2),
            (b"[1Ax", Motion::Elsewhere, 3),
            (b"[24;0fx", Motion::Elsewhere, 6),
            (b"[H", Motion::Elsewhere, 2),
            (b"[G", Motion::Elsewhere, 2),
            (b"[0G", Motion::Elsewhere, 3),
            (b"[1G", Motion::Elsewhere, 3),
            (b"[74G", Motion::Stays, 4),
            (b"[D", Motion::Back(1), 2),
            (b"[99999999D", Motion::Back(65535), 10),
            (b"8x", Motion::Elsewhere, 1),
            (b"(Bx", Motion::Stays, 2),
            (b"]0;1A\x07x", Motion::Stays, 6),
            (b"]8;;a\x1b\\x", Motion::Stays, 7),
        ];
        for (bytes, cursor, length) in table {
            assert_eq!(read(bytes), Some((cursor, length)), "{}", bytes.escape_ascii());
        }
        assert_eq!(read(b"]0;never ends"), None);
    }
}

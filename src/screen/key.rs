//! Keys, read from the bytes that a terminal sends. Pure.
//!
//! Sequences are those of xterm, which terminals of today and multiplexers send: `ESC [` or `ESC O`, parameters, a letter or
//! `~`.

/// A key, or a character that was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPress {
    /// A character.
    Char(char),
    /// Enter.
    Enter,
    /// Escape, alone.
    Escape,
    /// Backspace.
    Backspace,
    /// Ctrl-U: the line that is being typed is to be empty.
    Erase,
    /// Ctrl-W: its last word is to go.
    EraseWord,
    /// Ctrl-L: the screen is to be drawn anew.
    Redraw,
    /// Ctrl-C, where the terminal sends it as a key.
    Interrupt,
    /// Ctrl-Z, where the terminal sends it as a key.
    Suspend,
    /// Tab.
    Tab,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
}

/// Longest sequence that is waited for; what is longer is none of a key.
const LONGEST: usize = 32;

/// Reads keys out of the pieces in which they come.
#[derive(Debug, Default)]
pub(super) struct KeyReader {
    /// Bytes that may be the beginning of a sequence or of a character.
    begun: Vec<u8>,
}

/// First item in some bytes.
enum Begin {
    /// This many bytes are this key, or none that is known.
    Key(usize, Option<KeyPress>),
    /// More bytes are needed to know.
    Unfinished,
}

impl KeyReader {
    /// Adds bytes; calls `each` with every key that is whole.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(KeyPress)) {
        self.begun.extend_from_slice(bytes);
        let mut at = 0;
        while at < self.begun.len() {
            let rest = &self.begun[at..];
            match begin(rest) {
                Begin::Key(length, key) => {
                    at += length;
                    key.into_iter().for_each(&mut each);
                }
                Begin::Unfinished if rest.len() > LONGEST => at += 1,
                Begin::Unfinished => break,
            }
        }
        self.begun.drain(..at);
    }

    /// Tells whether bytes wait for others.
    pub(super) fn is_waiting(&self) -> bool {
        !self.begun.is_empty()
    }

    /// No more bytes came for a while: an escape that waits is the key itself.
    pub(super) fn pause(&mut self, mut each: impl FnMut(KeyPress)) {
        let begun = std::mem::take(&mut self.begun);
        if let Some(b'\x1b') = begun.first() {
            each(KeyPress::Escape);
            let mut rest = Self::default();
            rest.feed(&begun[1..], each);
        }
    }
}

fn begin(bytes: &[u8]) -> Begin {
    let key = |key| Begin::Key(1, Some(key));
    match bytes[0] {
        b'\x1b' => escape(bytes),
        b'\r' | b'\n' => key(KeyPress::Enter),
        b'\t' => key(KeyPress::Tab),
        0x08 | 0x7f => key(KeyPress::Backspace),
        0x03 => key(KeyPress::Interrupt),
        0x0c => key(KeyPress::Redraw),
        0x15 => key(KeyPress::Erase),
        0x17 => key(KeyPress::EraseWord),
        0x1a => key(KeyPress::Suspend),
        0x00..=0x1f => Begin::Key(1, None),
        _ => character(bytes),
    }
}

/// One character of UTF-8; a byte that begins none is passed over.
fn character(bytes: &[u8]) -> Begin {
    let length = match bytes[0] {
        ..0x80 => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Begin::Key(1, None),
    };
    let Some(whole) = bytes.get(..length) else {
        let is_begun = bytes[1..].iter().all(|byte| matches!(byte, 0x80..=0xbf));
        return if is_begun { Begin::Unfinished } else { Begin::Key(1, None) };
    };
    match std::str::from_utf8(whole) {
        Ok(text) => Begin::Key(length, text.chars().next().map(KeyPress::Char)),
        Err(_) => Begin::Key(1, None),
    }
}

fn escape(bytes: &[u8]) -> Begin {
    match bytes.get(1) {
        None => Begin::Unfinished,
        Some(b'[') => sequence(bytes),
        Some(b'O') => match bytes.get(2) {
            None => Begin::Unfinished,
            Some(letter) => Begin::Key(3, named(*letter, b"")),
        },
        // Two escapes are one that was pressed twice; with a letter it is Alt and that letter, which nothing here is bound to.
        Some(b'\x1b') => Begin::Key(1, Some(KeyPress::Escape)),
        Some(_) => Begin::Key(2, None),
    }
}

/// `ESC [`, parameters, and a last byte.
fn sequence(bytes: &[u8]) -> Begin {
    let Some(end) = bytes[2..].iter().position(|byte| matches!(byte, 0x40..=0x7e)) else {
        return Begin::Unfinished;
    };
    let last = bytes[2 + end];
    Begin::Key(end + 3, named(last, &bytes[2..2 + end]))
}

/// Key of a sequence by its last byte and, before `~`, its first parameter. Modifiers make no difference.
fn named(last: u8, parameters: &[u8]) -> Option<KeyPress> {
    Some(match last {
        b'A' => KeyPress::Up,
        b'B' => KeyPress::Down,
        b'C' => KeyPress::Right,
        b'D' => KeyPress::Left,
        b'H' => KeyPress::Home,
        b'F' => KeyPress::End,
        b'M' if parameters.is_empty() => KeyPress::Enter,
        b'~' => match parameters.split(|byte| *byte == b';').next()? {
            b"1" | b"7" => KeyPress::Home,
            b"4" | b"8" => KeyPress::End,
            b"5" => KeyPress::PageUp,
            b"6" => KeyPress::PageDown,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(pieces: &[&[u8]]) -> Vec<KeyPress> {
        let (mut reader, mut keys) = (KeyReader::default(), Vec::new());
        for piece in pieces {
            reader.feed(piece, |key| keys.push(key));
        }
        reader.pause(|key| keys.push(key));
        keys
    }

    #[test]
    fn keys_are_known_by_the_sequences_of_xterm() {
        use KeyPress::*;
        for (bytes, expected) in [
            (&b"a\r"[..], &[Char('a'), Enter][..]),
            (b"\x1b[A\x1bOB\x1b[1;5C\x1b[D", &[Up, Down, Right, Left]),
            (b"\x1b[H\x1b[4~\x1b[5~\x1b[6;2~\x1bOF", &[Home, End, PageUp, PageDown, End]),
            (b"\x1b[200~x\x1b[15~\x1bq", &[Char('x')]),
            (b"\x1b\x1b", &[Escape, Escape]),
            (b"\x1b", &[Escape]),
            (b"\x1b[", &[Escape, Char('[')]),
            (b"\x7f\x15\x17\x0c\x03\x1a\t", &[Backspace, Erase, EraseWord, Redraw, Interrupt, Suspend, Tab]),
            ("ä日".as_bytes(), &[Char('ä'), Char('日')]),
            (b"\xff\xc3z\xe6\x97", &[Char('z')]),
        ] {
            assert_eq!(keys(&[bytes]), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_key_that_comes_in_pieces_is_whole() {
        assert_eq!(keys(&[b"\x1b", b"[", b"A"]), [KeyPress::Up]);
        assert_eq!(keys(&[b"\xe6", b"\x97", b"\xa5"]), [KeyPress::Char('日')]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut reader = KeyReader::default();
            for piece in &pieces {
                reader.feed(piece, |_| {});
                prop_assert!(reader.begun.len() <= LONGEST);
            }
            reader.pause(|_| {});
            prop_assert!(!reader.is_waiting());
        }
    }
}

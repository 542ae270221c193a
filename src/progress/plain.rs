//! Removal of escape sequences and control characters.

use std::ops::ControlFlow;

use super::sequence::Sequence;

pub(super) const ESCAPE: u8 = 0x1b;
pub(super) const BACKSPACE: u8 = 0x08;

/// Text of a line without escape sequences and control characters. A sequence that moves the cursor becomes a blank. A
/// backspace removes the character before it. The text is written to `scratch` if anything has to be removed.
pub(super) fn plain<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    // The loop has no early exit, so that the compiler can use vector instructions.
    if !line.iter().fold(false, |is_any, byte| is_any | is_control(*byte)) {
        return line;
    }
    scratch.clear();
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = match byte {
            ESCAPE => sequence(after, scratch),
            BACKSPACE => {
                take_back(scratch, 1);
                after
            }
            byte if is_control(byte) => after,
            _ => {
                let length = rest.iter().position(|byte| is_control(*byte)).unwrap_or(rest.len());
                scratch.extend_from_slice(&rest[..length]);
                &rest[length..]
            }
        };
    }
    scratch
}

/// Removes the last characters of a text.
pub(super) fn take_back(text: &mut Vec<u8>, characters: usize) {
    for _ in 0..characters.min(text.len()) {
        // A UTF-8 character has at most three continuation bytes.
        let is_more = |byte: &&u8| **byte & 0xc0 == 0x80;
        let more = text.iter().rev().take(3).take_while(is_more).count();
        text.truncate(text.len().saturating_sub(more + 1));
    }
}

const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}

/// Skips the rest of an escape sequence, up to the end of the line if the sequence has no end.
fn sequence<'a>(after: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let mut sequence = Sequence::Begun;
    for (at, &byte) in after.iter().enumerate() {
        match sequence.next(byte) {
            ControlFlow::Continue(next) => sequence = next,
            ControlFlow::Break(_) => {
                // CUU to CUP, VPA and HVP move the cursor, so the text after them stands elsewhere.
                if matches!((sequence, byte), (Sequence::Control(_), b'A'..=b'H' | b'd' | b'f')) {
                    text.push(b' ');
                }
                return &after[at + 1..];
            }
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_and_texts_stay() {
        let table: [(&[u8], &[u8]); 14] = [
            (b"a/b 45%", b"a/b 45%"),
            (b"\x1b[2K\x1b[38;5;197m===\x1b[0m 45%", b"=== 45%"),
            (b"\x1b7\x1b[24;0f\x1b[42mProgress: [ 45%]\x1b8", b" Progress: [ 45%]"),
            (b"\x1b]0;title 99%\x07 45%", b" 45%"),
            (b"\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\", b"link"),
            (b"  3/16\x08\x08\x08\x084/16", b"  4/16"),
            (b"\x08\x08a", b"a"),
            ("a\u{2588}\u{2588}\x08\x08b".as_bytes(), b"ab"),
            (b"a\xff\x80\x80\x80\x80\x08b", b"a\xffb"),
            (b"\x1b(B45%", b"45%"),
            (b"\x1b", b""),
            (b"45%\x1b[", b"45%"),
            (b"45%\x1b]never ends", b"45%"),
            (b"\xff\x00\xfe\t", b"\xff\xfe\t"),
        ];
        for (line, expected) in table {
            let mut scratch = Vec::new();
            assert_eq!(
                plain(line, &mut scratch).escape_ascii().to_string(),
                expected.escape_ascii().to_string()
            );
        }
    }
}

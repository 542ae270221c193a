//! Tokens of a JSON text, read in place.

use memchr::memchr2;

/// A number, as MessagePack tells them apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

/// A JSON text and the place in it.
pub(super) struct Text<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    pub(super) fn new(json: &'a str) -> Self {
        Self { json, at: 0 }
    }

    /// The next byte that is no white space; the place is then behind it.
    pub(super) fn token(&mut self) -> Option<u8> {
        let bytes = self.json.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
        }
        None
    }

    /// Skips the rest of a literal.
    pub(super) fn literal(&mut self, rest: &str) -> Option<()> {
        self.json.as_bytes()[self.at..].starts_with(rest.as_bytes()).then(|| self.at += rest.len())
    }

    /// What is between the quotes, the first of which was read. `true` if a backslash is in it.
    pub(super) fn string(&mut self) -> Option<(&'a str, bool)> {
        let bytes = self.json.as_bytes();
        let (start, mut has_escapes) = (self.at, false);
        loop {
            self.at += memchr2(b'"', b'\\', bytes.get(self.at..)?)?;
            if bytes[self.at] == b'"' {
                self.at += 1;
                return Some((self.json.get(start..self.at - 1)?, has_escapes));
            }
            has_escapes = true;
            self.at += 2;
        }
    }

    /// The number whose first byte was read.
    pub(super) fn number(&mut self) -> Option<Number> {
        let start = self.at - 1;
        let rest = &self.json.as_bytes()[start..];
        let mut is_integer = true;
        let length = rest.iter().position(|byte| {
            is_integer &= !matches!(byte, b'.' | b'e' | b'E');
            !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')
        });
        self.at = start + length.unwrap_or(rest.len());
        let digits = self.json.get(start..self.at)?;
        let integer = is_integer.then(|| integer(digits)).flatten();
        // What is beyond a float's range becomes infinite.
        integer.or_else(|| digits.parse().ok().map(Number::Float))
    }
}

/// An integer of 64 bits. `-0` is none, so that it stays the float that other readers of JSON make of it.
fn integer(digits: &str) -> Option<Number> {
    if digits.starts_with('-') {
        digits.parse().ok().filter(|value| *value != 0).map(Number::Negative)
    } else {
        digits.parse().ok().map(Number::Unsigned)
    }
}

/// Appends a string without its escapes; U+FFFD stands for a lone surrogate. `None` for an escape that JSON has not.
pub(super) fn unescape(mut escaped: &str, out: &mut String) -> Option<()> {
    while let Some((plain, rest)) = escaped.split_once('\\') {
        out.push_str(plain);
        let (letter, rest) = rest.split_at_checked(1)?;
        let (character, rest) = match letter {
            "\"" | "\\" | "/" => (char::from(letter.as_bytes()[0]), rest),
            "b" => ('\u{8}', rest),
            "f" => ('\u{c}', rest),
            "n" => ('\n', rest),
            "r" => ('\r', rest),
            "t" => ('\t', rest),
            "u" => code_point(rest)?,
            _ => return None,
        };
        out.push(character);
        escaped = rest;
    }
    out.push_str(escaped);
    Some(())
}

/// The character of the escape whose digits come, and what is behind it.
fn code_point(rest: &str) -> Option<(char, &str)> {
    let (unit, rest) = hex(rest)?;
    let trailing = rest.strip_prefix("\\u").and_then(hex);
    if let (0xd800..0xdc00, Some((low @ 0xdc00..0xe000, rest))) = (unit, trailing) {
        let character = char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?;
        return Some((character, rest));
    }
    Some((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), rest))
}

fn hex(rest: &str) -> Option<(u32, &str)> {
    let (digits, rest) = rest.split_at_checked(4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok().map(|unit| (unit, rest)))?
}

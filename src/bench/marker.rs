//! The mark in a benched event: which run it belongs to, which event it is, and when it should have been sent.
//!
//! It is a field of the payload, `"jobwire_bench":"RUN.SEQ.NANOS"`, of fixed width, so that the publisher patches it in
//! place and a receiver finds it without parsing JSON, however the server has wrapped or reformatted the payload.

use memchr::memmem::Finder;

/// The name of the field.
pub const KEY: &str = "jobwire_bench";

/// `RUN.SEQ.NANOS` in hexadecimal: 8, 12 and 16 digits.
const LENGTH: usize = 8 + 1 + 12 + 1 + 16;

/// What MessagePack has in front of a string of this length.
#[expect(clippy::cast_possible_truncation, reason = "it is 38")]
const STRING_HEADER: [u8; 2] = [0xd9, LENGTH as u8];

/// Sequence numbers that fit.
pub const MAX_SEQ: u64 = (1 << 48) - 1;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// The run; events of another one are no concern of this.
    pub run: u32,
    /// The event, counted over the whole run.
    pub seq: u64,
    /// When it was due, in nanoseconds of the run's clock.
    pub due: u64,
}

/// With what a payload is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// One letter.
    Letters,
    /// Words and numbers, which compress about as well as the JSON of real events.
    Words,
}

/// Words of events.
const WORDS: [&str; 16] = [
    "running",
    "job",
    "status",
    "progress",
    "scraper",
    "result",
    "message",
    "page",
    "total",
    "current",
    "source",
    "route",
    "flight",
    "download",
    "upload",
    "recipient",
];

impl Filling {
    /// So many bytes of it, always the same.
    fn text(self, length: usize) -> String {
        if self == Self::Letters {
            return "x".repeat(length);
        }
        let mut text = String::with_capacity(length + 32);
        let mut state = 0x9e37_79b9_u32;
        while text.len() < length {
            // A linear congruential generator, with the constants of Numerical Recipes.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let word = WORDS[(state >> 28) as usize];
            let number = state >> 12 & 0xfff;
            text.extend([word, " ", &number.to_string(), " "]);
        }
        text.truncate(length);
        text
    }
}

/// A payload with a mark that can be changed in place.
#[derive(Debug, Clone)]
pub struct Marked {
    text: Vec<u8>,
    at: usize,
}

impl Marked {
    /// Puts a mark at the end of a JSON object, and in front of it as much filling as makes the whole `size` bytes long,
    /// where it is shorter. `None` if the text is no object.
    pub fn new(object: &str, size: Option<usize>, filling: Filling) -> Option<Self> {
        let open = object.trim_end().strip_suffix('}')?.trim_end();
        let comma = if open.ends_with('{') { "" } else { "," };
        let mark = format!("\"{KEY}\":\"");
        let bare = open.len() + comma.len() + mark.len() + LENGTH + "\"}".len();
        let around = r#""jobwire_filling":"","#.len();
        let filling = match size.and_then(|size| size.checked_sub(bare + around)) {
            Some(missing) => format!(r#""jobwire_filling":"{}","#, filling.text(missing)),
            None => String::new(),
        };
        let before = format!("{open}{comma}{filling}{mark}");
        let at = before.len();
        let text = format!("{before}{}\"}}", "0".repeat(LENGTH)).into_bytes();
        Some(Self { text, at })
    }

    /// The payload with this mark.
    pub fn with(&mut self, marker: Marker) -> &[u8] {
        write(&mut self.text[self.at..], marker);
        &self.text
    }
}

/// The mark as text of its own, for servers that send back what they are sent.
pub fn text(marker: Marker) -> Vec<u8> {
    let mut text = format!("{{\"{KEY}\":\"{}\"}}", "0".repeat(LENGTH)).into_bytes();
    let at = text.len() - LENGTH - 2;
    write(&mut text[at..], marker);
    text
}

fn write(target: &mut [u8], marker: Marker) {
    hex(&mut target[..8], u64::from(marker.run));
    target[8] = b'.';
    hex(&mut target[9..21], marker.seq);
    target[21] = b'.';
    hex(&mut target[22..LENGTH], marker.due);
}

fn hex(target: &mut [u8], mut value: u64) {
    for digit in target.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

/// Finds marks. It tries first where it found the last one, since the messages of a run are alike.
#[derive(Debug)]
pub struct Seeker {
    finder: Finder<'static>,
    last: usize,
}

impl Seeker {
    /// One that has found nothing yet.
    pub fn new() -> Self {
        Self { finder: Finder::new(KEY), last: 0 }
    }

    /// The mark in a message, if there is one.
    pub fn find(&mut self, message: &[u8]) -> Option<Marker> {
        let is_there = |at: usize| message.get(at..at + KEY.len()) == Some(KEY.as_bytes());
        let at = if is_there(self.last) { self.last } else { self.finder.find(message)? };
        self.last = at;
        // Between the key and the value stand quotes, a colon, spaces, and backslashes where the payload is a string now.
        let rest = &message[at + KEY.len()..];
        // In MessagePack it is the header of a string.
        let rest = rest.strip_prefix(&STRING_HEADER).unwrap_or(rest);
        let value = rest.iter().position(|byte| !br#"": \"#.contains(byte))?;
        let value = rest.get(value..value + LENGTH)?;
        if value[8] != b'.' || value[21] != b'.' {
            return None;
        }
        let run = u32::try_from(number(&value[..8])?).ok()?;
        Some(Marker { run, seq: number(&value[9..21])?, due: number(&value[22..])? })
    }
}

impl Default for Seeker {
    fn default() -> Self {
        Self::new()
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::deflate::Compressor;
    use crate::wire::messagepack::Encoder;

    proptest! {
        #[test]
        fn a_mark_is_found_however_the_payload_is_wrapped(
            run: u32, seq in 0..=MAX_SEQ, due: u64, size in proptest::option::of(0usize..2000),
        ) {
            let marker = Marker { run, seq, due };
            let mut marked = Marked::new(r#"{"job_id":1,"metadata":{}}"#, size, Filling::Letters).unwrap();
            let plain = marked.with(marker).to_vec();
            let value: serde_json::Value = serde_json::from_slice(&plain).unwrap();
            let pretty = serde_json::to_vec_pretty(&value).unwrap();
            let quoted = serde_json::to_vec(&std::str::from_utf8(&plain).unwrap()).unwrap();
            let wrapped = serde_json::to_vec(&serde_json::json!({"type": "status", "data": value})).unwrap();
            let mut packed = Vec::new();
            Encoder::default().encode(&wrapped, &mut packed).unwrap();
            let mut seeker = Seeker::new();
            for message in [&plain, &pretty, &quoted, &wrapped, &packed, &text(marker), &plain] {
                prop_assert_eq!(seeker.find(message), Some(marker));
            }
        }

        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes: Vec<u8>, tail: Vec<u8>) {
            let mut seeker = Seeker::new();
            prop_assert_eq!(seeker.find(&bytes), None);
            seeker.find(&[&bytes, KEY.as_bytes(), &tail].concat());
        }
    }

    #[test]
    fn a_payload_is_filled_to_its_size() {
        for filling in [Filling::Letters, Filling::Words] {
            assert_eq!(Marked::new(r#"{"a":1}"#, Some(300), filling).unwrap().text.len(), 300);
        }
        let short = Marked::new("{}", Some(3), Filling::Words).unwrap();
        assert!(serde_json::from_slice::<serde_json::Value>(&short.text).is_ok());
        assert!(Marked::new("[1]", None, Filling::Letters).is_none());
    }

    #[test]
    fn words_compress_as_real_events_do() {
        let event = Marked::new(r#"{"job_id":1,"status":"running"}"#, Some(2048), Filling::Words).unwrap();
        let mut out = Vec::new();
        Compressor::default().compress(&event.text, &mut out);
        let times = event.text.len() * 10 / out.len();
        assert!((20..40).contains(&times), "{times} tenths");
    }
}

//! The read buffer of a subscribed connection: grows for a large message, skips one that is too large; pure.

use super::buffer::Buffer;
use super::push::{self, Matched, Step};
use super::reply::{Broken, Reply};

/// Takes what a [`Reader`] finds; every slice lives only for the call.
pub(crate) trait Handler {
    /// A whole message; `pattern` is the one it matched, if it came by one.
    fn message(&mut self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]);

    /// A message that is skipped over: its payload, or its channel's name if `head` is empty, has `len` bytes.
    fn oversized(&mut self, pattern: Option<&[u8]>, channel: &[u8], head: &[u8], len: u64);

    /// An error reply.
    fn error(&mut self, text: &[u8]);

    /// Any other reply, by its first word.
    fn answer(&mut self, word: &[u8]);
}

/// Bytes that came and are not taken yet, at most one message of `max_payload` and its names.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Buffer,
    skip: Skip,
    max_payload: usize,
}

/// What is being skipped over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skip {
    Nothing,
    /// So many bytes, and then a whole string if `string`.
    Bytes {
        left: u64,
        string: bool,
    },
    /// A string whose header is not there yet.
    String,
}

impl Reader {
    /// An empty buffer of 64 KiB for payloads of at most `max_payload` bytes.
    pub(crate) fn new(max_payload: usize) -> Self {
        Self { buffer: Buffer::new(), skip: Skip::Nothing, max_payload }
    }

    /// Where to read into; never empty. What is read is handed over with [`Reader::filled`].
    pub(crate) fn space(&mut self) -> &mut [u8] {
        self.buffer.space()
    }

    /// Takes over `count` bytes at the beginning of [`Reader::space`] and hands everything whole to `handler`.
    pub(crate) fn filled(&mut self, count: usize, handler: &mut impl Handler) -> Result<(), Broken> {
        self.buffer.filled(count);
        while !self.buffer.bytes().is_empty() {
            if self.skip != Skip::Nothing {
                if !self.skip()? {
                    break;
                }
                continue;
            }
            let bytes = self.buffer.bytes();
            match push::next(bytes, self.max_payload)? {
                Step::Message { matched, channel, payload, end } => {
                    handler.message(pattern(bytes, &matched), &bytes[channel], &bytes[payload]);
                    self.buffer.take(end);
                }
                Step::Incomplete(needed) => {
                    self.buffer.needs(needed);
                    break;
                }
                other => {
                    let (taken, skip) = rare(bytes, other, handler);
                    self.buffer.take(taken);
                    self.skip = skip;
                }
            }
        }
        Ok(())
    }

    /// Gives memory back that a large message needed, once none came since the last call.
    pub(crate) fn tidy(&mut self) {
        self.buffer.tidy();
    }

    /// Skips what is there; false when more has to come.
    fn skip(&mut self) -> Result<bool, Broken> {
        let there = self.buffer.bytes().len();
        match self.skip {
            Skip::Nothing => {}
            Skip::Bytes { left, string } => {
                let count = usize::try_from(left).map_or(there, |left| left.min(there));
                self.buffer.take(count);
                let left = left - count as u64;
                self.skip = match (left, string) {
                    (0, true) => Skip::String,
                    (0, false) => Skip::Nothing,
                    _ => Skip::Bytes { left, string },
                };
            }
            Skip::String => match push::string_header(self.buffer.bytes())? {
                None => return Ok(false),
                Some((len, begin)) => {
                    self.buffer.take(begin);
                    self.skip = Skip::Bytes { left: len + 2, string: false };
                }
            },
        }
        Ok(true)
    }
}

/// Hands over what is no whole message, and returns how many bytes are done with, and what is to be skipped behind them.
fn rare(bytes: &[u8], step: Step<'_>, handler: &mut impl Handler) -> (usize, Skip) {
    match step {
        Step::LongPayload { matched, channel, head, len } => {
            handler.oversized(pattern(bytes, &matched), &bytes[channel], &bytes[head.clone()], len);
            (head.start, Skip::Bytes { left: len + 2, string: false })
        }
        Step::LongChannel { matched, head, len } => {
            handler.oversized(pattern(bytes, &matched), &bytes[head.clone()], &[], len);
            (head.start, Skip::Bytes { left: len + 2, string: true })
        }
        Step::Reply { reply, end } => {
            match reply.head() {
                Reply::Error(text) => handler.error(text),
                Reply::Simple(word) | Reply::Bulk(word) => handler.answer(word),
                Reply::Integer(_) | Reply::Nil | Reply::Array(_) => handler.answer(b""),
            }
            (end, Skip::Nothing)
        }
        Step::Message { .. } | Step::Incomplete(_) => (0, Skip::Nothing),
    }
}

fn pattern<'a>(bytes: &'a [u8], matched: &Matched) -> Option<&'a [u8]> {
    match matched {
        Matched::Channel => None,
        Matched::Pattern(range) => Some(&bytes[range.clone()]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::super::buffer::INITIAL;
    use super::{Handler, Reader};
    use crate::wire::resp::command;

    const MAX: usize = 256 * 1024;

    #[derive(Default, PartialEq, Debug)]
    struct Seen(Vec<String>);

    impl Handler for Seen {
        fn message(&mut self, pattern: Option<&[u8]>, channel: &[u8], payload: &[u8]) {
            let pattern = pattern.map(String::from_utf8_lossy);
            let channel = String::from_utf8_lossy(channel);
            self.0.push(format!("{pattern:?} {channel} {} {:?}", payload.len(), payload.first()));
        }

        fn oversized(&mut self, _: Option<&[u8]>, channel: &[u8], head: &[u8], len: u64) {
            self.0.push(format!("oversized {} {} {len}", channel.len(), head.len()));
        }

        fn error(&mut self, text: &[u8]) {
            self.0.push(format!("error {}", String::from_utf8_lossy(text)));
        }

        fn answer(&mut self, word: &[u8]) {
            self.0.push(format!("answer {}", String::from_utf8_lossy(word)));
        }
    }

    /// Feeds `wire` in reads of at most `chunk` bytes.
    fn feed(reader: &mut Reader, wire: &[u8], chunk: usize) -> Seen {
        let mut seen = Seen::default();
        let mut rest = wire;
        while !rest.is_empty() {
            let space = reader.space();
            let count = rest.len().min(chunk).min(space.len());
            space[..count].copy_from_slice(&rest[..count]);
            rest = &rest[count..];
            reader.filled(count, &mut seen).unwrap();
        }
        seen
    }

    fn wire(commands: &[&[&[u8]]]) -> Vec<u8> {
        let mut out = Vec::new();
        for parts in commands {
            command(&mut out, parts);
        }
        out
    }

    #[test]
    fn a_payload_that_is_too_long_is_skipped_without_being_buffered() {
        let long = vec![b'x'; 10 * 1024 * 1024];
        let wire = wire(&[&[b"message", b"ch", &long], &[b"pmessage", b"c*", b"ch", b"y"]]);
        let mut reader = Reader::new(MAX);
        let seen = feed(&mut reader, &wire, usize::MAX);
        assert_eq!(seen.0, ["oversized 2 80 10485760", "Some(\"c*\") ch 1 Some(121)"]);
        assert_eq!(reader.buffer.size(), INITIAL);
    }

    #[test]
    fn a_channel_that_is_too_long_is_skipped_with_its_payload() {
        let long = vec![b'x'; 3 * 1024 * 1024];
        let wire = wire(&[&[b"pmessage", b"*", &long, &long], &[b"pmessage", b"*", b"ch", b"y"]]);
        for chunk in [1_000, usize::MAX] {
            let mut reader = Reader::new(MAX);
            let seen = feed(&mut reader, &wire, chunk);
            assert_eq!(seen.0, ["oversized 80 0 3145728", "Some(\"*\") ch 1 Some(121)"]);
            assert_eq!(reader.buffer.size(), INITIAL);
        }
    }

    #[test]
    fn the_buffer_grows_for_a_large_message_and_shrinks_after_it() {
        let mut reader = Reader::new(MAX);
        let large = vec![b'x'; MAX];
        assert_eq!(feed(&mut reader, &wire(&[&[b"message", b"ch", &large]]), 10_000).0.len(), 1);
        assert!(reader.buffer.size() > MAX && reader.buffer.size() < MAX + 1024);
        reader.tidy();
        assert!(reader.buffer.size() > MAX, "the next large message may be near");
        reader.tidy();
        assert_eq!(reader.buffer.size(), INITIAL);
        assert_eq!(feed(&mut reader, &wire(&[&[b"message", b"ch", b"y"]]), 10_000).0.len(), 1);
    }

    #[test]
    fn tidying_amid_a_large_message_loses_nothing() {
        let mut reader = Reader::new(MAX);
        let wire = wire(&[&[b"message", b"ch", &vec![b'x'; MAX]]]);
        let (first, rest) = wire.split_at(100_000);
        assert!(feed(&mut reader, first, 10_000).0.is_empty());
        reader.tidy();
        reader.tidy();
        assert_eq!(feed(&mut reader, rest, 10_000).0, ["None ch 262144 Some(120)"]);
    }

    proptest! {
        #[test]
        fn reads_may_end_anywhere(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20),
            chunk in 1_usize..300,
        ) {
            let mut wire = Vec::new();
            for payload in &payloads {
                command(&mut wire, &[b"message", b"ch", payload]);
                wire.extend_from_slice(b"+PONG\r\n-ERR x\r\n:1\r\n");
            }
            // The limit makes some of them too long.
            let whole = feed(&mut Reader::new(120), &wire, usize::MAX);
            prop_assert_eq!(whole.0.len(), payloads.len() * 4);
            prop_assert_eq!(feed(&mut Reader::new(120), &wire, chunk), whole);
        }
    }
}

//! Messages of a subscribed connection, and the replies between them.
//!
//! Messages, which are nearly everything, are cut out without an allocation, and without looking at a payload's bytes.

use std::ops::Range;

use super::reply::{Bounds, Broken, Reply, Stop, content, form, length, read};

const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n";
const PATTERN_MESSAGE: &[u8] = b"*4\r\n$8\r\npmessage\r\n";

/// Bounds of a reply: confirmations repeat our own channel names in three elements, errors are a line.
const REPLY: Bounds = Bounds { bytes: 4096, elements: 9, depth: 1 };

/// Bytes of a channel's name that are kept; a longer one is skipped over.
const NAME_LIMIT: usize = 64 * 1024;

/// Bytes of an oversized payload that are shown to the sink.
pub(super) const HEAD: usize = 80;

/// What stands at the beginning of a buffer. All ranges are of that buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// A whole message, which ends at `end`.
    Message { matched: Matched, channel: Range<usize>, payload: Range<usize>, end: usize },
    /// A message whose payload of `len` bytes is too long; its head is there.
    LongPayload { matched: Matched, channel: Range<usize>, head: Range<usize>, len: u64 },
    /// A message whose channel name of `len` bytes is too long; its head is there.
    LongChannel { matched: Matched, head: Range<usize>, len: u64 },
    /// A whole reply.
    Reply { reply: Reply<'a>, end: usize },
    /// Not all there; at least this many bytes are needed.
    Incomplete(usize),
}

/// How a message came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Matched {
    /// By its channel's exact name.
    Channel,
    /// By this pattern.
    Pattern(Range<usize>),
}

/// A bulk string's header: where its bytes begin, and how many they are.
pub(super) struct Bulk {
    pub(super) begin: usize,
    pub(super) len: u64,
}

impl From<Stop> for Result<Step<'_>, Broken> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Incomplete(needed) => Ok(Step::Incomplete(needed)),
            Stop::Broken(broken) => Err(broken),
        }
    }
}

/// Reads what stands at the beginning of `buffer`; payloads over `max_payload` bytes are not waited for.
pub(super) fn next(buffer: &[u8], max_payload: usize) -> Result<Step<'_>, Broken> {
    let step = if buffer.starts_with(PATTERN_MESSAGE) {
        pattern_message(buffer, max_payload)
    } else if buffer.starts_with(MESSAGE) {
        message(buffer, MESSAGE.len(), Matched::Channel, max_payload)
    } else if PATTERN_MESSAGE.starts_with(buffer) || MESSAGE.starts_with(buffer) {
        return Ok(Step::Incomplete(buffer.len() + 1));
    } else {
        reply(buffer)
    };
    step.or_else(Result::from)
}

fn pattern_message(buffer: &[u8], max_payload: usize) -> Result<Step<'_>, Stop> {
    let pattern = bulk(buffer, PATTERN_MESSAGE.len())?;
    if pattern.len > NAME_LIMIT as u64 {
        return Err(form("a pattern that nobody subscribed"));
    }
    let (pattern, at) = content(buffer, pattern.begin, pattern.len)?;
    message(buffer, at, Matched::Pattern(pattern), max_payload)
}

fn message(buffer: &[u8], at: usize, matched: Matched, max_payload: usize) -> Result<Step<'_>, Stop> {
    let name = bulk(buffer, at)?;
    if name.len > NAME_LIMIT as u64 {
        let head = part(buffer, name.begin, HEAD)?;
        return Ok(Step::LongChannel { matched, head, len: name.len });
    }
    let (channel, at) = content(buffer, name.begin, name.len)?;
    let body = bulk(buffer, at)?;
    if body.len > max_payload as u64 {
        let head = part(buffer, body.begin, HEAD.min(usize::try_from(body.len).unwrap_or(HEAD)))?;
        return Ok(Step::LongPayload { matched, channel, head, len: body.len });
    }
    let (payload, end) = content(buffer, body.begin, body.len)?;
    Ok(Step::Message { matched, channel, payload, end })
}

/// Reads the header `$<len>\r\n` at `at`.
pub(super) fn bulk(buffer: &[u8], at: usize) -> Result<Bulk, Stop> {
    match buffer.get(at) {
        None => return Err(Stop::Incomplete(at + 1)),
        Some(b'$') => {}
        Some(_) => return Err(form("a string was expected")),
    }
    let (len, begin) = length(buffer, at)?;
    Ok(Bulk { begin, len: len.ok_or(form("a length that is no number"))? })
}

/// The length of the string at the beginning of `buffer` and where its bytes begin; `None` when that is not all there.
pub(super) fn string_header(buffer: &[u8]) -> Result<Option<(u64, usize)>, Broken> {
    match bulk(buffer, 0) {
        Ok(bulk) => Ok(Some((bulk.len, bulk.begin))),
        Err(Stop::Incomplete(_)) => Ok(None),
        Err(Stop::Broken(broken)) => Err(broken),
    }
}

fn part(buffer: &[u8], begin: usize, len: usize) -> Result<Range<usize>, Stop> {
    if buffer.len() < begin + len { Err(Stop::Incomplete(begin + len)) } else { Ok(begin..begin + len) }
}

fn reply(buffer: &[u8]) -> Result<Step<'_>, Stop> {
    match read(buffer, &REPLY)? {
        (Reply::Array(all), _) if all.is_empty() => Err(form("an array that answers nothing asked")),
        (reply, end) => Ok(Step::Reply { reply, end }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{Broken, Matched, Reply, Step, next};
    use crate::wire::resp::command;

    const MAX: usize = 1024;

    fn wire(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        command(&mut out, parts);
        out
    }

    #[test]
    fn a_message_is_cut_out_with_nothing_copied() {
        let mut buffer = wire(&[b"message", b"ch", b"a\r\n\0"]);
        let whole = buffer.len();
        buffer.extend_from_slice(b"*3\r\n");
        let Ok(Step::Message { matched, channel, payload, end }) = next(&buffer, MAX) else { panic!() };
        assert_eq!((matched, end), (Matched::Channel, whole));
        assert_eq!((&buffer[channel], &buffer[payload]), (&b"ch"[..], &b"a\r\n\0"[..]));
    }

    #[test]
    fn a_pattern_message_names_its_pattern() {
        let buffer = wire(&[b"pmessage", b"c*", b"ch", b""]);
        let Ok(Step::Message { matched: Matched::Pattern(pattern), payload, .. }) = next(&buffer, MAX) else {
            panic!()
        };
        assert_eq!((&buffer[pattern], payload.len()), (&b"c*"[..], 0));
    }

    #[test]
    fn every_beginning_of_a_message_is_incomplete() {
        for buffer in [wire(&[b"message", b"ch", b"payload"]), wire(&[b"pmessage", b"c*", b"ch", b"payload"])]
        {
            for len in 0..buffer.len() {
                let Ok(Step::Incomplete(needed)) = next(&buffer[..len], MAX) else { panic!("{len}") };
                assert!(needed > len && needed <= buffer.len(), "{len}: {needed}");
            }
        }
    }

    #[test]
    fn the_length_of_a_large_payload_is_known_from_its_header() {
        let buffer = wire(&[b"message", b"ch", &[b'x'; 1000]]);
        assert_eq!(next(&buffer[..40], MAX), Ok(Step::Incomplete(buffer.len())));
    }

    #[test]
    fn a_payload_over_the_limit_is_known_from_its_head() {
        let buffer = wire(&[b"message", b"ch", &[b'x'; MAX + 1]]);
        let Ok(Step::LongPayload { head, len, .. }) = next(&buffer[..200], MAX) else { panic!() };
        assert_eq!((head.len(), len), (80, 1025));
        let Ok(Step::Message { payload, .. }) = next(&wire(&[b"message", b"ch", &[b'x'; MAX]]), MAX) else {
            panic!()
        };
        assert_eq!(payload.len(), MAX);
    }

    #[test]
    fn a_channel_over_the_limit_is_known_from_its_head() {
        let buffer = wire(&[b"pmessage", b"*", &vec![b'x'; 70_000], b""]);
        let Ok(Step::LongChannel { len, .. }) = next(&buffer[..300], MAX) else { panic!() };
        assert_eq!(len, 70_000);
    }

    #[test]
    fn replies_go_by_their_first_word() {
        let cases: [(&[u8], &[u8]); 4] = [
            (b"+PONG\r\n", b"PONG"),
            (b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", b"pong"),
            (b"*3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n", b"subscribe"),
            (b"*3\r\n$10\r\npsubscribe\r\n$3\r\nch*\r\n:2\r\n", b"psubscribe"),
        ];
        for (buffer, word) in cases {
            let Ok(Step::Reply { reply, end }) = next(buffer, MAX) else { panic!() };
            let (Reply::Simple(found) | Reply::Bulk(found)) = reply.head() else { panic!("{reply:?}") };
            assert_eq!((*found, end), (word, buffer.len()));
        }
        let error = Step::Reply { reply: Reply::Error(b"NOAUTH no"), end: 12 };
        assert_eq!(next(b"-NOAUTH no\r\n", MAX), Ok(error));
        assert_eq!(next(b":7\r\n", MAX), Ok(Step::Reply { reply: Reply::Integer(7), end: 4 }));
    }

    #[test]
    fn what_is_no_resp_is_broken() {
        let nested = b"*1\r\n".repeat(2_000);
        let cases: [&[u8]; 5] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b"*3\r\n$7\r\nmessage\r\n:1\r\n",
            b"*3\r\n$7\r\nmessage\r\n$-1\r\n",
            b"*3\r\n$7\r\nmessage\r\n$2\r\nchXX",
            &nested,
        ];
        for buffer in cases {
            assert!(matches!(next(buffer, MAX), Err(Broken::Form(_))), "{}", String::from_utf8_lossy(buffer));
        }
    }

    proptest! {
        #[test]
        fn any_message_comes_out_as_it_went_in(
            channel in prop::collection::vec(any::<u8>(), 0..300),
            payload in prop::collection::vec(any::<u8>(), 0..MAX),
        ) {
            let buffer = wire(&[b"message", &channel, &payload]);
            let Ok(Step::Message { channel: c, payload: p, end, .. }) = next(&buffer, MAX) else {
                return Err(proptest::test_runner::TestCaseError::fail("no message"));
            };
            prop_assert_eq!((&buffer[c], &buffer[p], end), (&channel[..], &payload[..], buffer.len()));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..17) {
            let mut buffer = b"*3\r\n$7\r\nmessage\r\n"[..cut].to_vec();
            buffer.extend_from_slice(&bytes);
            if let Ok(Step::Incomplete(needed)) = next(&buffer, MAX) {
                prop_assert!(needed > buffer.len());
            }
        }
    }
}

//! RESP2, as far as a subscribed connection speaks it; pure.
//!
//! Messages, which are nearly everything, are cut out by hand: the library's decoder allocates a vector for each, and it
//! cannot tell how long an incomplete one will be, so that a large payload would be scanned anew at every read. Replies
//! go through the library.

use std::ops::Range;

use redis_protocol::resp2::decode::decode_range;
use redis_protocol::resp2::types::RangeFrame;

const MESSAGE: &[u8] = b"*3\r\n$7\r\nmessage\r\n";
const PATTERN_MESSAGE: &[u8] = b"*4\r\n$8\r\npmessage\r\n";

/// Bytes that a reply may have; confirmations repeat our own channel names, errors are a line.
const REPLY_LIMIT: usize = 4096;

/// Bytes of a channel's name that are kept; a longer one is skipped over.
pub(super) const NAME_LIMIT: usize = 64 * 1024;

/// Bytes of an oversized payload that are shown to the sink.
pub(super) const HEAD: usize = 80;

/// What stands at the beginning of a buffer. All ranges are of that buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole message, which ends at `end`.
    Message { matched: Matched, channel: Range<usize>, payload: Range<usize>, end: usize },
    /// A message whose payload of `len` bytes is too long; its head is there.
    LongPayload { matched: Matched, channel: Range<usize>, head: Range<usize>, len: u64 },
    /// A message whose channel name of `len` bytes is too long; its head is there.
    LongChannel { matched: Matched, head: Range<usize>, len: u64 },
    /// A whole reply.
    Reply { reply: Reply, end: usize },
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

/// A reply, as far as it matters which.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The error's text.
    Error(Range<usize>),
    /// `+OK`, `+PONG`, or the first element of an array: `subscribe`, `pong`.
    Word(Range<usize>),
    /// Anything else.
    Other,
}

/// What is there is no RESP2 that a subscribed connection could get.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server speaks no RESP2: {0}")]
pub(super) struct Broken(pub(super) &'static str);

/// A bulk string's header: where its bytes begin, and how many they are.
struct Bulk {
    begin: usize,
    len: u64,
}

/// Why a part could not be read.
enum Stop {
    Incomplete(usize),
    Broken(Broken),
}

impl From<Stop> for Result<Step, Broken> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Incomplete(needed) => Ok(Step::Incomplete(needed)),
            Stop::Broken(broken) => Err(broken),
        }
    }
}

/// Reads what stands at the beginning of `buffer`; payloads over `max_payload` bytes are not waited for.
pub(super) fn next(buffer: &[u8], max_payload: usize) -> Result<Step, Broken> {
    let step = if buffer.starts_with(PATTERN_MESSAGE) {
        pattern_message(buffer, max_payload)
    } else if buffer.starts_with(MESSAGE) {
        message(buffer, MESSAGE.len(), Matched::Channel, max_payload)
    } else if PATTERN_MESSAGE.starts_with(buffer) || MESSAGE.starts_with(buffer) {
        return Ok(Step::Incomplete(buffer.len() + 1));
    } else {
        return reply(buffer);
    };
    step.or_else(Result::from)
}

fn pattern_message(buffer: &[u8], max_payload: usize) -> Result<Step, Stop> {
    let pattern = bulk(buffer, PATTERN_MESSAGE.len())?;
    if pattern.len > NAME_LIMIT as u64 {
        return Err(Stop::Broken(Broken("a pattern that nobody subscribed")));
    }
    let (pattern, at) = content(buffer, &pattern)?;
    message(buffer, at, Matched::Pattern(pattern), max_payload)
}

fn message(buffer: &[u8], at: usize, matched: Matched, max_payload: usize) -> Result<Step, Stop> {
    let name = bulk(buffer, at)?;
    if name.len > NAME_LIMIT as u64 {
        let head = part(buffer, name.begin, HEAD)?;
        return Ok(Step::LongChannel { matched, head, len: name.len });
    }
    let (channel, at) = content(buffer, &name)?;
    let body = bulk(buffer, at)?;
    if body.len > max_payload as u64 {
        let head = part(buffer, body.begin, HEAD.min(usize::try_from(body.len).unwrap_or(HEAD)))?;
        return Ok(Step::LongPayload { matched, channel, head, len: body.len });
    }
    let (payload, end) = content(buffer, &body)?;
    Ok(Step::Message { matched, channel, payload, end })
}

/// Reads the header `$<len>\r\n` at `at`. Eighteen digits fit into the number, and Redis knows no such length.
fn bulk(buffer: &[u8], at: usize) -> Result<Bulk, Stop> {
    match buffer.get(at) {
        None => return Err(Stop::Incomplete(at + 1)),
        Some(b'$') => {}
        Some(_) => return Err(Stop::Broken(Broken("a string was expected"))),
    }
    let mut len = 0_u64;
    for (index, &byte) in buffer[at + 1..].iter().enumerate() {
        match byte {
            b'0'..=b'9' if index < 18 => len = len * 10 + u64::from(byte - b'0'),
            b'\r' if index > 0 => {
                let begin = at + 1 + index + 2;
                return match buffer.get(begin - 1) {
                    None => Err(Stop::Incomplete(begin)),
                    Some(b'\n') => Ok(Bulk { begin, len }),
                    Some(_) => Err(Stop::Broken(Broken("a length that does not end in CRLF"))),
                };
            }
            _ => return Err(Stop::Broken(Broken("a length that is no number"))),
        }
    }
    Err(Stop::Incomplete(buffer.len() + 1))
}

/// The length of the string at the beginning of `buffer` and where its bytes begin; `None` when that is not all there.
pub(super) fn string_header(buffer: &[u8]) -> Result<Option<(u64, usize)>, Broken> {
    match bulk(buffer, 0) {
        Ok(bulk) => Ok(Some((bulk.len, bulk.begin))),
        Err(Stop::Incomplete(_)) => Ok(None),
        Err(Stop::Broken(broken)) => Err(broken),
    }
}

/// The bytes of a string whose length was found acceptable, and where its CRLF ends.
fn content(buffer: &[u8], bulk: &Bulk) -> Result<(Range<usize>, usize), Stop> {
    let len = usize::try_from(bulk.len).map_err(|_| Stop::Broken(Broken("a length beyond memory")))?;
    let end = bulk.begin + len;
    match buffer.get(end..end + 2) {
        None => Err(Stop::Incomplete(end + 2)),
        Some(b"\r\n") => Ok((bulk.begin..end, end + 2)),
        Some(_) => Err(Stop::Broken(Broken("a string that does not end in CRLF"))),
    }
}

fn part(buffer: &[u8], begin: usize, len: usize) -> Result<Range<usize>, Stop> {
    if buffer.len() < begin + len { Err(Stop::Incomplete(begin + len)) } else { Ok(begin..begin + len) }
}

fn reply(buffer: &[u8]) -> Result<Step, Broken> {
    let window = &buffer[..buffer.len().min(REPLY_LIMIT)];
    let found = if window.first() == Some(&b'*') {
        array(window)?
    } else {
        scalar(window)?.map(|(frame, end)| (reply_of(&frame, 0), end))
    };
    match found {
        Some((reply, end)) => Ok(Step::Reply { reply, end }),
        None if buffer.len() < REPLY_LIMIT => Ok(Step::Incomplete(buffer.len() + 1)),
        None => Err(Broken("a reply of more than 4096 bytes")),
    }
}

/// Reads a flat array, element by element: the library would follow nested ones until the stack is used up.
fn array(window: &[u8]) -> Result<Option<(Reply, usize)>, Broken> {
    let Some(&count) = window.get(1) else { return Ok(None) };
    let elements = match (count, window.get(2..4)) {
        (b'1'..=b'9', Some(b"\r\n")) => count - b'0',
        (_, None) => return Ok(None),
        _ => return Err(Broken("an array that answers nothing asked")),
    };
    let (mut first, mut at) = (None, 4);
    for _ in 0..elements {
        if window.get(at) == Some(&b'*') {
            return Err(Broken("a nested array"));
        }
        let Some((frame, len)) = scalar(&window[at..])? else { return Ok(None) };
        first.get_or_insert_with(|| reply_of(&frame, at));
        at += len;
    }
    Ok(Some((first.unwrap_or(Reply::Other), at)))
}

fn scalar(window: &[u8]) -> Result<Option<(RangeFrame, usize)>, Broken> {
    decode_range(window).map_err(|_| Broken("a reply that cannot be parsed"))
}

/// What a frame that was found at `at` says.
fn reply_of(frame: &RangeFrame, at: usize) -> Reply {
    match frame {
        RangeFrame::Error((begin, end)) => Reply::Error(at + begin..at + end),
        RangeFrame::SimpleString((begin, end)) | RangeFrame::BulkString((begin, end)) => {
            Reply::Word(at + begin..at + end)
        }
        _ => Reply::Other,
    }
}

/// Appends a command in the form every server version takes: an array of strings.
pub(super) fn write_command(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// The pattern that matches every channel beginning with `prefix`: glob characters lose their meaning.
pub(super) fn pattern_of(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{Broken, Matched, Reply, Step, next, pattern_of, write_command};

    const MAX: usize = 1024;

    fn wire(parts: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        write_command(&mut out, parts);
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
            let Ok(Step::Reply { reply: Reply::Word(range), end }) = next(buffer, MAX) else { panic!() };
            assert_eq!((&buffer[range], end), (word, buffer.len()));
        }
        let Ok(Step::Reply { reply: Reply::Error(range), .. }) = next(b"-NOAUTH no\r\n", MAX) else {
            panic!()
        };
        assert_eq!(range, 1..10);
        assert_eq!(next(b":7\r\n", MAX), Ok(Step::Reply { reply: Reply::Other, end: 4 }));
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
            assert!(matches!(next(buffer, MAX), Err(Broken(_))), "{}", String::from_utf8_lossy(buffer));
        }
    }

    #[test]
    fn a_prefix_becomes_a_pattern_without_glob_characters() {
        assert_eq!(pattern_of(br"a*b?[c]\d:"), br"a\*b\?\[c\]\\d:*");
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

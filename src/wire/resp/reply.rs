//! Replies of any form, nested arrays included, within bounds.

use std::ops::Range;

use memchr::memmem;

/// A reply; texts are slices of the buffer that was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply<'a> {
    /// A word, as in `+OK`.
    Simple(&'a [u8]),
    /// Text of an error, which begins with its code.
    Error(&'a [u8]),
    /// A number.
    Integer(i64),
    /// A string of any bytes.
    Bulk(&'a [u8]),
    /// A string or an array that is not there.
    Nil,
    /// Any replies.
    Array(Vec<Reply<'a>>),
}

impl Reply<'_> {
    /// The first element of an array; any other reply itself.
    pub(crate) fn head(&self) -> &Self {
        match self {
            Self::Array(all) => all.first().unwrap_or(self),
            other => other,
        }
    }
}

/// Bounds of one reply.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Bytes from the first to the last.
    pub(crate) bytes: usize,
    /// Elements of all its arrays together.
    pub(crate) elements: usize,
    /// Arrays within one another; 0: no array at all.
    pub(crate) depth: usize,
}

/// Bytes that are no RESP2, or none that could be meant for this connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// The form is wrong.
    #[error("the server speaks no RESP2: {0}")]
    Form(&'static str),
    /// The reply is longer than this many bytes.
    #[error("the server speaks no RESP2: a reply of more than {0} bytes")]
    Long(usize),
}

/// Cause of a read that ended without a reply.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Not all is there: the buffer must hold at least this many bytes, which are more than it holds.
    Incomplete(usize),
    /// What is there is of no use.
    Broken(Broken),
}

/// A stop because of a wrong form.
pub(super) const fn form(what: &'static str) -> Stop {
    Stop::Broken(Broken::Form(what))
}

/// Reads the reply at the beginning of `buffer`, and returns it with the place where it ends.
///
/// Allocates only for arrays, and for those only once they are whole: a beginning is walked over from string to string.
pub(crate) fn read<'a>(buffer: &'a [u8], bounds: &Bounds) -> Result<(Reply<'a>, usize), Stop> {
    let window = &buffer[..buffer.len().min(bounds.bytes)];
    let whole = if window.first() == Some(&b'*') {
        walk(window, 0, bounds.depth, &mut { bounds.elements }).and_then(|_| reply(window, 0))
    } else {
        reply(window, 0)
    };
    match whole {
        Err(Stop::Incomplete(needed)) if needed > bounds.bytes => {
            Err(Stop::Broken(Broken::Long(bounds.bytes)))
        }
        other => other,
    }
}

/// Finds the end of the reply at `at`, which may have `depth` arrays within one another and `elements` in all of them.
fn walk(buffer: &[u8], at: usize, depth: usize, elements: &mut usize) -> Result<usize, Stop> {
    if buffer.get(at) != Some(&b'*') {
        return Ok(scalar(buffer, at)?.1);
    }
    let (len, mut at) = length(buffer, at)?;
    let Some(len) = len else { return Ok(at) };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if depth == 0 {
        return Err(form("an array where none belongs"));
    }
    *elements = elements.checked_sub(len).ok_or(form("an array of too many elements"))?;
    for _ in 0..len {
        at = walk(buffer, at, depth - 1, elements)?;
    }
    Ok(at)
}

/// Reads the reply at `at`, whose bounds were checked if it is an array.
fn reply(buffer: &[u8], at: usize) -> Result<(Reply<'_>, usize), Stop> {
    if buffer.get(at) != Some(&b'*') {
        return scalar(buffer, at);
    }
    let (len, mut at) = length(buffer, at)?;
    let Some(len) = len else { return Ok((Reply::Nil, at)) };
    let mut all = Vec::with_capacity(usize::try_from(len).unwrap_or(0).min(buffer.len()));
    for _ in 0..len {
        let (element, end) = reply(buffer, at)?;
        all.push(element);
        at = end;
    }
    Ok((Reply::Array(all), at))
}

/// Reads the reply at `at`, which is no array.
fn scalar(buffer: &[u8], at: usize) -> Result<(Reply<'_>, usize), Stop> {
    let Some(kind) = buffer.get(at) else { return Err(Stop::Incomplete(at + 1)) };
    if *kind == b'$' {
        let (len, begin) = length(buffer, at)?;
        let Some(len) = len else { return Ok((Reply::Nil, begin)) };
        let (range, end) = content(buffer, begin, len)?;
        return Ok((Reply::Bulk(&buffer[range]), end));
    }
    if !matches!(kind, b'+' | b'-' | b':') {
        return Err(form("a reply that cannot be parsed"));
    }
    let rest = &buffer[at + 1..];
    let Some(len) = memmem::find(rest, b"\r\n") else { return Err(Stop::Incomplete(buffer.len() + 1)) };
    let line = &rest[..len];
    let reply = match kind {
        b'+' => Reply::Simple(line),
        b'-' => Reply::Error(line),
        _ => {
            let number = std::str::from_utf8(line).ok().and_then(|text| text.parse().ok());
            Reply::Integer(number.ok_or(form("a number that is none"))?)
        }
    };
    Ok((reply, at + 1 + len + 2))
}

/// Reads the header `$<len>\r\n` or `*<len>\r\n` at `at`, and returns the length with the place behind it; `None`, written
/// -1, is the length of what is not there. Eighteen digits fit into the number, and Redis knows no such length.
pub(super) fn length(buffer: &[u8], at: usize) -> Result<(Option<u64>, usize), Stop> {
    let mut len = 0_u64;
    for (index, &byte) in buffer[at + 1..].iter().enumerate() {
        match byte {
            b'0'..=b'9' if index < 18 => len = len * 10 + u64::from(byte - b'0'),
            b'\r' if index > 0 => {
                let end = at + 1 + index + 2;
                return match buffer.get(end - 1) {
                    None => Err(Stop::Incomplete(end)),
                    Some(b'\n') => Ok((Some(len), end)),
                    Some(_) => Err(form("a length that does not end in CRLF")),
                };
            }
            b'-' if index == 0 => return absent(buffer, at + 1),
            _ => return Err(form("a length that is no number")),
        }
    }
    Err(Stop::Incomplete(buffer.len() + 1))
}

/// Reads the length -1 at `at`, which no other negative number is.
fn absent(buffer: &[u8], at: usize) -> Result<(Option<u64>, usize), Stop> {
    const ABSENT: &[u8] = b"-1\r\n";
    let rest = &buffer[at..];
    if rest.starts_with(ABSENT) {
        Ok((None, at + ABSENT.len()))
    } else if ABSENT.starts_with(rest) {
        Err(Stop::Incomplete(buffer.len() + 1))
    } else {
        Err(form("a length that is no number"))
    }
}

/// Finds the `len` bytes of the string at `begin`, and the end of the CRLF behind them.
pub(super) fn content(buffer: &[u8], begin: usize, len: u64) -> Result<(Range<usize>, usize), Stop> {
    let len = usize::try_from(len).map_err(|_| form("a length beyond memory"))?;
    let end = begin + len;
    match buffer.get(end..end + 2) {
        None => Err(Stop::Incomplete(end + 2)),
        Some(b"\r\n") => Ok((begin..end, end + 2)),
        Some(_) => Err(form("a string that does not end in CRLF")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::{Bounds, Broken, Reply, Stop, read};

    const BOUNDS: Bounds = Bounds { bytes: 1024, elements: 20, depth: 5 };

    /// The answer of XREAD to one stream with one entry of one field.
    const STREAM: &[u8] =
        b"*1\r\n*2\r\n$6\r\nevents\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$7\r\npayload\r\n$2\r\n{}\r\n:7\r\n";

    #[test]
    fn replies_of_every_form_are_read() {
        let cases: [(&[u8], Reply<'_>); 9] = [
            (b"+OK\r\n", Reply::Simple(b"OK")),
            (b"-ERR no\r\n", Reply::Error(b"ERR no")),
            (b":-7\r\n", Reply::Integer(-7)),
            (b"$4\r\na\r\nb\r\n", Reply::Bulk(b"a\r\nb")),
            (b"$0\r\n\r\n", Reply::Bulk(b"")),
            (b"$-1\r\n", Reply::Nil),
            (b"*-1\r\n", Reply::Nil),
            (b"*0\r\n", Reply::Array(Vec::new())),
            (b"*2\r\n:1\r\n$-1\r\n", Reply::Array(vec![Reply::Integer(1), Reply::Nil])),
        ];
        for (bytes, reply) in cases {
            assert_eq!(read(&[bytes, b"+more"].concat(), &BOUNDS), Ok((reply, bytes.len())));
        }
    }

    #[test]
    fn nested_arrays_are_read_whole_and_every_beginning_is_incomplete() {
        let end = STREAM.len() - b":7\r\n".len();
        let entry = Reply::Array(vec![
            Reply::Bulk(b"1-0"),
            Reply::Array(vec![Reply::Bulk(b"payload"), Reply::Bulk(b"{}")]),
        ]);
        let stream = Reply::Array(vec![Reply::Bulk(b"events"), Reply::Array(vec![entry])]);
        assert_eq!(read(STREAM, &BOUNDS), Ok((Reply::Array(vec![stream]), end)));
        for len in 0..end {
            let Err(Stop::Incomplete(needed)) = read(&STREAM[..len], &BOUNDS) else { panic!("{len}") };
            assert!(needed > len && needed <= end, "{len}: {needed}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_before_it_is_there() {
        let bounded = |buffer: &[u8], bytes, elements, depth| {
            read(buffer, &Bounds { bytes, elements, depth }).unwrap_err()
        };
        let deep = b"*1\r\n".repeat(100_000);
        assert_eq!(bounded(&deep, 1 << 20, 1 << 20, 5), super::form("an array where none belongs"));
        assert_eq!(bounded(b"*1\r\n", 100, 9, 0), super::form("an array where none belongs"));
        assert_eq!(bounded(b"*999999999\r\n", 100, 9, 1), super::form("an array of too many elements"));
        assert_eq!(bounded(STREAM, 100, 7, 5), super::form("an array of too many elements"));
        assert_eq!(bounded(b"$99\r\nx", 100, 9, 1), Stop::Broken(Broken::Long(100)));
        assert_eq!(bounded(&[b'+'; 100], 100, 9, 1), Stop::Broken(Broken::Long(100)));
        assert_eq!(bounded(b"+12\r\n", 4, 9, 1), Stop::Broken(Broken::Long(4)));
    }

    #[test]
    fn what_is_no_reply_is_broken() {
        let cases: [&[u8]; 8] = [
            b"HTTP/1.1 400 Bad Request\r\n",
            b":x\r\n",
            b"$-2\r\n",
            b"$-\r\n",
            b"$1x\r\n",
            b"$2\r\nabXX",
            b"*\r\n",
            b"$1234567890123456789\r\n",
        ];
        for bytes in cases {
            let found = read(bytes, &BOUNDS);
            assert!(matches!(found, Err(Stop::Broken(Broken::Form(_)))), "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            cut in 0..STREAM.len(),
        ) {
            let buffer = [&STREAM[..cut], &bytes].concat();
            match read(&buffer, &BOUNDS) {
                Ok((_, end)) => prop_assert!(end <= buffer.len()),
                Err(Stop::Incomplete(needed)) => prop_assert!(needed > buffer.len()),
                Err(Stop::Broken(_)) => {}
            }
        }
    }
}

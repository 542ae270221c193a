//! Heads of HTTP/1, for clients that read their connections by themselves. A request that waits for its answer has
//! [`net::http`].

use std::mem::MaybeUninit;
use std::str;

use httparse::{Error, Header, ParserConfig, Response, Status};
use url::Url;

use crate::net;

/// Most headers that an answer may have.
const MAX_HEADERS: usize = 128;

/// Room for the headers of a [`Head`], on the stack.
#[derive(Debug)]
pub(crate) struct Room<'a>([MaybeUninit<Header<'a>>; MAX_HEADERS]);

impl Default for Room<'_> {
    fn default() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_HEADERS])
    }
}

/// The head of an answer: its status line and headers, borrowed from the bytes it was read from.
#[derive(Debug)]
pub(crate) struct Head<'h, 'a> {
    /// The status.
    pub status: u16,
    /// Whether the server speaks HTTP/1.0, which ends a connection after each answer unless it says otherwise.
    pub is_old: bool,
    /// Length of the head with the empty line at its end, in bytes. The body follows.
    pub size: usize,
    headers: &'h [Header<'a>],
}

/// Why bytes are no head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BrokenHead {
    /// The bytes are something else than HTTP/1.
    #[error("is not HTTP")]
    NotHttp,
    /// No number stands in the place of the status.
    #[error("has no status")]
    NoStatus,
    /// The head is over the limit.
    #[error("has no end")]
    NoEnd,
    /// The head has more headers than there is room for.
    #[error("has over {MAX_HEADERS} headers")]
    TooMany,
}

impl<'h, 'a> Head<'h, 'a> {
    /// Reads the head that `bytes` begin with; `None` if it goes on beyond them. A head that does not end within `limit`
    /// bytes is broken.
    ///
    /// Forgives what servers do in practice: spaces around names, folded lines, and headers that are none, which are left
    /// out.
    pub(crate) fn read(
        bytes: &'a [u8],
        limit: usize,
        room: &'h mut Room<'a>,
    ) -> Result<Option<Self>, BrokenHead> {
        let mut response = Response::new(&mut []);
        let read = ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true)
            .parse_response_with_uninit_headers(&mut response, &bytes[..bytes.len().min(limit)], &mut room.0);
        let size = match read {
            Ok(Status::Complete(size)) => size,
            Ok(Status::Partial) if bytes.len() >= limit => return Err(BrokenHead::NoEnd),
            Ok(Status::Partial) => return Ok(None),
            Err(Error::Status) => return Err(BrokenHead::NoStatus),
            Err(Error::TooManyHeaders) => return Err(BrokenHead::TooMany),
            Err(_) => return Err(BrokenHead::NotHttp),
        };
        let (Some(status), Some(version)) = (response.code, response.version) else {
            return Err(BrokenHead::NoStatus);
        };
        Ok(Some(Self { status, is_old: version == 0, size, headers: response.headers }))
    }

    /// The value of the first header of this name, in letters of any case, without spaces around it. `None` if it is no
    /// text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        str::from_utf8(found.value).ok().map(str::trim)
    }

    /// The values of all headers of this name, in letters of any case, in their order.
    pub(crate) fn lines<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'_, 'n, 'a, 'h> {
        let named = self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    }
}

/// Lines of a request's head: headers of the user's own, and the login that stands in the URL where none of them is one.
pub(crate) fn own_lines(url: &Url, headers: &[(String, String)]) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        lines.extend([name, ": ", value, "\r\n"]);
    }
    let has_login = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some(login) = net::login(url).filter(|_| !has_login) {
        lines.extend(["Authorization: ", &login, "\r\n"]);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    #[track_caller]
    fn fault(bytes: &[u8]) -> BrokenHead {
        Head::read(bytes, LIMIT, &mut Room::default()).unwrap_err()
    }

    #[test]
    fn head_is_read_once_its_empty_line_is_there() {
        let bytes = b"HTTP/1.1 503 Busy\r\nX-A:  one \r\nx-a: two\r\nEmpty:\r\n\r\nbody";
        for cut in 0..bytes.len() - 4 {
            assert!(Head::read(&bytes[..cut], LIMIT, &mut Room::default()).unwrap().is_none(), "{cut}");
        }
        let mut room = Room::default();
        let head = Head::read(bytes, LIMIT, &mut room).unwrap().unwrap();
        assert_eq!((head.status, head.is_old, &bytes[head.size..]), (503, false, &b"body"[..]));
        assert_eq!(
            (head.header("x-A"), head.header("empty"), head.header("none")),
            (Some("one"), Some(""), None)
        );
        assert_eq!(head.lines("X-A").collect::<Vec<_>>(), [b"one", b"two"]);
        assert!(Head::read(b"HTTP/1.0 200\r\n\r\n", LIMIT, &mut Room::default()).unwrap().unwrap().is_old);
    }

    #[test]
    fn sloppy_heads_are_read_all_the_same() {
        let bytes =
            b"HTTP/1.1  200   fine\r\nA : 1\r\n\xff: 2\r\nno header\r\nB: x\r\n  y\r\nC: \xfc\r\nD: 4\n\r\n";
        let mut room = Room::default();
        let head = Head::read(bytes, LIMIT, &mut room).unwrap().unwrap();
        assert_eq!((head.status, head.header("a"), head.header("d")), (200, Some("1"), Some("4")));
        assert_eq!((head.header("b"), head.header("c")), (Some("x\r\n  y"), None));
    }

    #[test]
    fn broken_heads_say_how() {
        for nonsense in [&b"+PONG\r\n"[..], b"\x16\x03\x01", b"HTTP/9.1 200 X\r\n\r\n", b"HTTP 200"] {
            assert_eq!(fault(nonsense), BrokenHead::NotHttp, "{nonsense:?}");
        }
        for nonsense in [&b"HTTP/1.1 fine\r\n\r\n"[..], b"HTTP/1.1 \r\n\r\n"] {
            assert_eq!(fault(nonsense), BrokenHead::NoStatus, "{nonsense:?}");
        }
        let endless = [&b"HTTP/1.1 200 X\r\nA: "[..], &[b'a'; LIMIT]].concat();
        assert_eq!(fault(&endless), BrokenHead::NoEnd);
        let crowded = format!("HTTP/1.1 200 X\r\n{}\r\n", "a:\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(fault(crowded.as_bytes()), BrokenHead::TooMany);
    }

    #[test]
    fn login_of_the_url_is_left_out_where_a_header_logs_in() {
        let url = Url::parse("ws://user:secret@example.com/").unwrap();
        let own = |name: &str| own_lines(&url, &[(name.to_owned(), "1".to_owned())]);
        assert_eq!(own("X-Own"), "X-Own: 1\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n");
        assert_eq!(own("authorization"), "authorization: 1\r\n");
    }
}

//! Token of a watcher. It is never shown.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use url::Url;

use super::{login, token};
use crate::exit::Failure;

/// Longest token, in bytes. Servers read no longer headers.
const LONGEST: u64 = 16 << 10;

/// Query parameter for the token of a socket. Every server of a dialect with tokens reads this parameter; some do not read a
/// header.
const PARAMETER: &str = "token";

/// Source of the token.
#[derive(Debug, Clone)]
pub(crate) enum TokenSource {
    /// Given by the user.
    Given(Token),
    /// Read from a file, which another program may refresh.
    File(PathBuf),
}

/// A token that is valid in a header. Debug output does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Parses a token, which must not be empty and must be valid in a header. White space, quotes and the word `Bearer` around
    /// the token are removed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = token::bare(text);
        if text.is_empty() {
            return Err("the token is empty".to_owned());
        }
        if text.len() as u64 > LONGEST {
            return Err(format!("the token has over {LONGEST} bytes"));
        }
        if text.starts_with('{') {
            return Err("it is JSON, and the token alone is wanted (access_token)".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has a blank or another character that no token has".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// Text of the token, for sending.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// URL with this token in its query. Replaces a token in the URL.
    pub(crate) fn in_query(&self, url: &Url) -> Url {
        let mut url = without(url);
        url.query_pairs_mut().append_pair(PARAMETER, &self.0);
        url
    }

    /// URL of a request without a token, and the header with this token.
    pub(crate) fn in_header(&self, url: &Url) -> (Url, String) {
        (without(url), format!("Bearer {}", self.0))
    }

    /// URL of a request, and its header `Authorization` where this token is sent there. Where the URL has a user, the header
    /// is for the user's login, so that the token goes into the query.
    pub(crate) fn for_request(&self, url: &Url) -> (Url, Option<String>) {
        if login(url).is_some() {
            return (self.in_query(url), None);
        }
        let (url, header) = self.in_header(url);
        (url, Some(header))
    }
}

/// URL without a token in its query. The rest of the query stays unchanged.
fn without(url: &Url) -> Url {
    let mut url = url.clone();
    let is_token = |pair: &str| pair.split('=').next() == Some(PARAMETER);
    let rest: Option<Vec<&str>> =
        url.query().map(|query| query.split('&').filter(|pair| !is_token(pair)).collect());
    let rest = rest.filter(|rest| !rest.is_empty()).map(|rest| rest.join("&"));
    url.set_query(rest.as_deref());
    url
}

impl TokenSource {
    /// Reads the current token.
    ///
    /// # Errors
    /// The file cannot be read, or contains no token. The error does not show the content.
    pub(crate) fn read(&self) -> Result<Token, Failure> {
        let path = match self {
            Self::Given(token) => return Ok(token.clone()),
            Self::File(path) => path,
        };
        let shown = path.display();
        let text = read(path)
            .map_err(|error| Failure::usage(format!("could not read the token file {shown}: {error}")))?;
        Token::parse(&text).map_err(|reason| Failure::usage(format!("token file {shown}: {reason}")))
    }

    /// Advice for a user whose token was refused.
    pub(crate) fn advice(&self, refused: &Token) -> String {
        let remarks = token::remarks(&refused.0).join(", ");
        match self {
            Self::Given(_) => format!("get a fresh token; the one that was given {remarks}"),
            Self::File(path) => format!(
                "{} still holds the token that was refused, which {remarks}; get a fresh one",
                path.display()
            ),
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    // UTF-16 has two bytes for each character; some white space is allowed too.
    let mut bytes = Vec::new();
    File::open(path)?.take(2 * LONGEST + 16).read_to_end(&mut bytes)?;
    decoded(bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no text"))
}

/// Text of a file in UTF-8, or in UTF-16 as some shells write it.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => return String::from_utf8(bytes).ok(),
    };
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).ok().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_takes_the_place_of_one_in_the_query_and_is_never_shown() {
        let token = Token::parse(" a.b-c_d \n").unwrap();
        let url = Url::parse("ws://h/ws/1?token=old&x=1&tokens=2&token").unwrap();
        assert_eq!(token.in_query(&url).as_str(), "ws://h/ws/1?x=1&tokens=2&token=a.b-c_d");
        let (bare, header) = token.for_request(&Url::parse("http://h/task/1?token=old").unwrap());
        assert_eq!((bare.as_str(), header.as_deref()), ("http://h/task/1", Some("Bearer a.b-c_d")));
        // The user of the URL takes the header.
        let (url, header) = token.for_request(&Url::parse("http://user@h/task/1?token=old").unwrap());
        assert_eq!((url.as_str(), header), ("http://user@h/task/1?token=a.b-c_d", None));
        assert_eq!(format!("{:?}", TokenSource::Given(token)), "Given(Token(…))");
    }

    #[test]
    fn a_token_file_may_be_written_in_any_way_that_leaves_no_doubt() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            TokenSource::File(file.path().into()).read().map(|token| token.0)
        };
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for bytes in [
            b"a.b.c".to_vec(),
            b"\xef\xbb\xbfBearer a.b.c\r\n".to_vec(),
            b"\n\"a.b.c\"\n\n".to_vec(),
            utf16("\u{feff}a.b.c\r\n"),
            "\u{feff}a.b.c".encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ] {
            assert_eq!(read(&bytes).unwrap(), "a.b.c", "{bytes:?}");
        }
        assert!(read(b"\xff\xfea").unwrap_err().message.ends_with("it is no text"));
        assert!(read(b"\xff").is_err());
    }

    #[test]
    fn what_is_no_token_is_said_without_repeating_it() {
        for bad in ["", " \n", "two words", "a\nb", "ä", r#"{"access_token":"a.b.c"}"#] {
            let reason = Token::parse(bad).unwrap_err();
            assert!(bad.trim().is_empty() || !reason.contains(bad), "{reason}");
        }
        assert!(Token::parse(&"a".repeat(20_000)).is_err());
        let missing = TokenSource::File("/nowhere/token".into()).read().unwrap_err();
        assert!(missing.message.starts_with("could not read the token file /nowhere/token: "), "{missing}");
    }
}

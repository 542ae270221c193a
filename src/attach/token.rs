//! The token that proves who is watching, where a dialect has owners; it is shown nowhere.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use url::Url;

use crate::exit::Failure;

/// The longest token, in bytes: a server reads no longer header.
const LONGEST: u64 = 16 << 10;

/// The query parameter that carries it to a socket. Every server of such a dialect reads it there; a header not all.
const PARAMETER: &str = "token";

/// Where the token comes from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// From the user.
    Given(Token),
    /// From a file, which somebody else keeps fresh.
    File(PathBuf),
}

/// A token that may stand in a header. Its Debug output does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Checks a token: not empty, and only what a header may hold. White space around it is left out.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the token is empty".to_owned());
        }
        if text.len() as u64 > LONGEST {
            return Err(format!("the token has over {LONGEST} bytes"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has a blank or another character that no token has".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The socket's URL with the token, in place of one that is there.
    pub(super) fn in_query(&self, url: &Url) -> Url {
        let mut url = without(url);
        url.query_pairs_mut().append_pair(PARAMETER, &self.0);
        url
    }

    /// A request's URL without a token, and the header that has it.
    pub(super) fn in_header(&self, url: &Url) -> (Url, String) {
        (without(url), format!("Bearer {}", self.0))
    }
}

/// The URL without a token in its query; the rest of the query stays as it was written.
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
    /// The token as of now.
    ///
    /// # Errors
    /// The file cannot be read, or holds no token; what it holds is not repeated.
    pub fn read(&self) -> Result<Token, Failure> {
        let path = match self {
            Self::Given(token) => return Ok(token.clone()),
            Self::File(path) => path,
        };
        let shown = path.display();
        let text = read(path)
            .map_err(|error| Failure::usage(format!("could not read the token file {shown}: {error}")))?;
        Token::parse(&text).map_err(|reason| Failure::usage(format!("token file {shown}: {reason}")))
    }

    /// What a user whose token was refused can do.
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Given(_) => "get a fresh token: a JWT by HS256 and the relay's --jwt-secret, with exp in the future and the task's owner as sub".into(),
            Self::File(path) => {
                format!("{} still holds the token that was refused; get a fresh one", path.display())
            }
        }
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST + 2).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_takes_the_place_of_one_in_the_query_and_is_never_shown() {
        let token = Token::parse(" a.b-c_d \n").unwrap();
        let url = Url::parse("ws://h/ws/1?token=old&x=1&tokens=2&token").unwrap();
        assert_eq!(token.in_query(&url).as_str(), "ws://h/ws/1?x=1&tokens=2&token=a.b-c_d");
        let (bare, header) = token.in_header(&Url::parse("http://h/task/1?token=old").unwrap());
        assert_eq!((bare.as_str(), header.as_str()), ("http://h/task/1", "Bearer a.b-c_d"));
        assert_eq!(format!("{:?}", TokenSource::Given(token)), "Given(Token(…))");
    }

    #[test]
    fn what_is_no_token_is_said_without_repeating_it() {
        for bad in ["", " \n", "two words", "a\nb", "ä"] {
            let reason = Token::parse(bad).unwrap_err();
            assert!(bad.trim().is_empty() || !reason.contains(bad), "{reason}");
        }
        assert!(Token::parse(&"a".repeat(20_000)).is_err());
        let missing = TokenSource::File("/nowhere/token".into()).read().unwrap_err();
        assert!(missing.message.starts_with("could not read the token file /nowhere/token: "), "{missing}");
    }
}

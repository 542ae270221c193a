//! Flags for the token of a watcher.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};

use crate::exit::Failure;
use crate::net::token_source::{Token, TokenSource};

/// Flags for the token, as written.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct BearerArgs {
    /// The token that says who you are, for relays that want one; the server is sent it, or the one that all URLs name,
    /// and no other. A JWT with exp and, as sub, the job's owner where that counts.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "JOBWIRE_TOKEN",
        hide_env_values = true,
        conflicts_with = "token_file"
    )]
    token: Option<TokenText>,

    /// A file with that token, read at every attempt to connect, so that a token that is refreshed there carries on.
    #[arg(long, value_name = "FILE", env = "JOBWIRE_TOKEN_FILE", hide_env_values = true, value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
}

/// A token or the reason why it is invalid. An error here would make clap print the invalid token.
#[derive(Debug, Clone)]
struct TokenText(Result<Token, String>);

impl FromStr for TokenText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Token::parse(text)))
    }
}

impl BearerArgs {
    /// Source of the token, if there is one.
    pub(super) fn source(self) -> Result<Option<TokenSource>, Failure> {
        Ok(match (self.token, self.token_file) {
            (Some(TokenText(token)), _) => {
                let token = token.map_err(|reason| Failure::usage(format!("--token: {reason}")))?;
                Some(TokenSource::Given(token))
            }
            (None, file) => file.map(TokenSource::File),
        })
    }
}

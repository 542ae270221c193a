//! Faults of tokens.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;

use super::Token;

/// Longest text from a token that goes to the log, in characters.
const SHOWN: usize = 60;

/// A fault of a token, with details for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) fault: Fault,
    /// Algorithm and key id from the token's header, escaped and cut, or a hint at a likely mistake. Never contains claims.
    pub(crate) detail: Box<str>,
}

impl From<Fault> for Flaw {
    fn from(fault: Fault) -> Self {
        Self { fault, detail: Box::default() }
    }
}

/// Kinds of faults that a token can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Missing,
    TooLong,
    NoJwt,
    Header,
    Algorithm,
    NoSecretForIt,
    NoKeyForIt,
    UnknownKey,
    Signature,
    SecretSlip,
    Critical,
    Claims,
    NoSubject,
    NoExpiry,
    Audience,
    Expired,
    FarExpiry,
    NotYet,
}

impl Fault {
    /// Description for the operator of the relay, without any text from the token.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Missing => "there is no token in the request",
            Self::TooLong => "the token is over 8 KiB long",
            Self::NoJwt => "the token is no JWT",
            Self::Header => "the token's header cannot be read",
            Self::Algorithm => "the token's alg is none of HS256, RS256, PS256, ES256, ES384 and EdDSA",
            Self::NoSecretForIt => {
                "the token is signed with HS256, and there is no secret: --jwt-secret sets one"
            }
            Self::NoKeyForIt => {
                "the token is signed with an algorithm that no key here is for: --jwks or --jwt-key adds one"
            }
            Self::UnknownKey => {
                "the token is signed by a key that is not known here: --jwks or --jwt-key adds one"
            }
            Self::Signature => "the token was signed with another secret or key, or changed since",
            Self::SecretSlip => "the token was signed with another secret",
            Self::Critical => "the token's header has crit, and no extension is understood",
            Self::Claims => {
                "the token's claims are not what they should be: sub is a text or an integer, exp and nbf are \
                 numbers, watch is a list of texts"
            }
            Self::NoSubject => "the token has no sub",
            Self::NoExpiry => "the token has no exp",
            Self::Audience => "the token's aud does not name the audience of --jwt-audience",
            Self::Expired => "the token has expired",
            Self::FarExpiry => {
                "the token's exp is over 10,000 years away; is it in milliseconds? seconds are wanted"
            }
            Self::NotYet => "the token's nbf is still to come",
        }
    }

    /// Classifies the library's error. The library's own message is not used, since it may contain text from the token.
    pub(super) fn of(error: &jsonwebtoken::errors::Error, token: &Token<'_>) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAudience | ErrorKind::MissingRequiredClaim(_) => Self::Audience,
            ErrorKind::Json(_) if jsonwebtoken::decode_header(token.0).is_err() => Self::Header,
            ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => Self::Claims,
            // The backend cannot use the key, so the signature could not be verified.
            ErrorKind::InvalidKeyFormat | ErrorKind::InvalidRsaKey(_) | ErrorKind::InvalidEcdsaKey => {
                Self::Signature
            }
            _ => Self::NoJwt,
        }
    }

    /// Adds the algorithm and the key id from the token's header to the fault.
    pub(super) fn about(self, head: &Head) -> Flaw {
        Flaw { fault: self, detail: head.to_string().into() }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.text())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

/// Fields of a token's header that concern the signature.
#[derive(Debug, Default, serde::Deserialize)]
pub(super) struct Head {
    pub(super) alg: Option<String>,
    pub(super) kid: Option<String>,
}

impl fmt::Display for Head {
    /// Writes the fields for the log: escaped and cut, since anybody may have written the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &str| text.chars().take(SHOWN).collect::<String>().escape_debug().to_string();
        match &self.alg {
            Some(alg) => write!(f, "alg {}", short(alg))?,
            None => f.write_str("no alg")?,
        }
        match &self.kid {
            Some(kid) => write!(f, ", key '{}'", short(kid)),
            None => f.write_str(", no kid"),
        }
    }
}

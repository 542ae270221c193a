//! Who may see what: tokens (JWT, HS256 alone) and the policy they are checked by. Pure: the time comes in.
//!
//! Neither a token nor the secret is ever shown: both are masked in `Debug`, and whoever is refused is not told the cause;
//! the log is.

use std::fmt;
use std::sync::Once;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, signature};
use ring::hmac;
use serde::Deserialize;

use crate::dialect::CloseReason;

/// The longest token that is looked at, in bytes; a request's header bounds it as well.
const MAX_TOKEN: usize = 8 << 10;

/// How long a token may be good for, in milliseconds: 10,000 years. Tokens for ever are common (9999999999 is in 2286), and a
/// time in milliseconds taken for seconds is over 50,000 years away.
const FARTHEST: u64 = 10_000 * 36_525 * 864_000;

/// What tokens are signed with: its bytes as they stand, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// `None` for an empty text, which would let everybody sign.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(***)")
    }
}

/// Which tokens open the dialects that want one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AuthPolicy {
    /// There is no secret to check one with: everybody is refused.
    #[default]
    NoSecret,
    /// Those signed with this secret.
    Secret(Secret),
    /// None is wanted: everybody may see everything.
    Open,
}

/// What becomes of who watches a job that has no known owner when its grace is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownerless {
    /// Refused.
    #[default]
    Refuse,
    /// Served, whoever it is, as long as the token is valid and the job gets no other owner.
    Allow,
}

/// A token as a request brought it.
pub(super) struct Token<'a>(pub(super) &'a str);

impl fmt::Debug for Token<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(***)")
    }
}

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// Who is asking.
    pub(super) subject: Box<str>,
    /// From when on it is worth nothing, in milliseconds since the Unix epoch.
    pub(super) expires: u64,
}

/// Whose a job is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership<'a> {
    /// Nobody has heard of the job.
    UnknownJob,
    /// The job is known, but not who owns it.
    Nobody,
    /// This subject's.
    Of(&'a str),
}

/// Who is asking, as far as the request's token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// Nobody in particular, where everybody may see everything.
    Everybody,
    /// The subject of a valid token, who may see what is theirs.
    Subject(Claims),
    /// Nobody who may see anything.
    Refused(Refusal),
}

/// Why a request is refused, in the words that its client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is no secret, so no token could be good.
    NoSecret,
    /// The token is missing, or no good, for a reason that only the log is told.
    Token(Fault),
}

/// What is wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Missing,
    TooLong,
    NoJwt,
    Header,
    Algorithm,
    Signature,
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
    /// For whoever runs the relay; nothing that the token holds.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Missing => "there is no token in the request",
            Self::TooLong => "the token is over 8 KiB long",
            Self::NoJwt => "the token is no JWT",
            Self::Header => "the token's header cannot be read, or its alg is unknown; HS256 is wanted",
            Self::Algorithm => "the token's alg is not HS256",
            Self::Signature => "the token was signed with another secret, or changed since",
            Self::Critical => "the token's header has crit, and no extension is understood",
            Self::Claims => {
                "the token's claims are not what they should be: sub is a text, exp and nbf are numbers"
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

    /// Why the library refused a token. Its own words are not used: they may repeat what the token holds.
    fn of(error: &jsonwebtoken::errors::Error, token: &Token<'_>) -> Self {
        match error.kind() {
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAudience | ErrorKind::MissingRequiredClaim(_) => Self::Audience,
            ErrorKind::Json(_) if jsonwebtoken::decode_header(token.0).is_err() => Self::Header,
            ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => Self::Claims,
            _ => Self::NoJwt,
        }
    }
}

impl Refusal {
    /// How a socket is closed.
    pub(super) const fn close(self) -> CloseReason {
        match self {
            Self::NoSecret => CloseReason::NoSecret,
            Self::Token(_) => CloseReason::Unauthorized,
        }
    }

    /// What a request is told, for people.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NoSecret => "no secret configured that a token could be checked with (SUPABASE_JWT_SECRET)",
            Self::Token(_) => {
                "token missing, invalid or expired; send one as ?token=TOKEN or 'Authorization: Bearer TOKEN'"
            }
        }
    }
}

/// The claims that are read. `sub` and `exp` are required: a token that names nobody, such as a public
/// key to an API, owns nothing.
#[derive(Deserialize)]
struct Registered {
    sub: Option<Box<str>>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

impl AuthPolicy {
    /// Checks a token at the time `now`, in milliseconds since the Unix epoch. It needs `audience` in its `aud` only where
    /// there is one. `Ok(None)` where no token is wanted.
    pub(super) fn check(
        &self,
        audience: Option<&str>,
        token: Option<&Token<'_>>,
        now: u64,
    ) -> Result<Option<Claims>, Refusal> {
        match (self, token) {
            (Self::Open, _) => Ok(None),
            (Self::NoSecret, _) => Err(Refusal::NoSecret),
            (Self::Secret(_), None) => Err(Refusal::Token(Fault::Missing)),
            (Self::Secret(secret), Some(token)) => {
                claims(secret, audience, token, now).map(Some).map_err(Refusal::Token)
            }
        }
    }
}

fn claims(secret: &Secret, audience: Option<&str>, token: &Token<'_>, now: u64) -> Result<Claims, Fault> {
    static PROVIDER: Once = Once::new();
    // Whatever is installed already was installed here: nothing else in this program knows tokens.
    PROVIDER.call_once(|| {
        let _ = HS256.install_default();
    });
    if token.0.len() > MAX_TOKEN {
        return Err(Fault::TooLong);
    }
    let mut validation = Validation::new(Algorithm::HS256);
    // Times are compared here: to the millisecond, without leeway, and with the time that came in.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    validation.validate_aud = audience.is_some();
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["aud"]);
    }
    let key = DecodingKey::from_secret(secret.0.as_bytes());
    let decoded = jsonwebtoken::decode::<Registered>(token.0, &key, &validation);
    let token = decoded.map_err(|error| Fault::of(&error, token))?;
    // No extension is understood here, so one that has to be makes the token no good (RFC 7515, 4.1.11).
    if token.header.crit.is_some() {
        return Err(Fault::Critical);
    }
    let Registered { sub, exp, nbf } = token.claims;
    let subject = sub.filter(|subject| !subject.is_empty()).ok_or(Fault::NoSubject)?;
    let expires = millis(exp.ok_or(Fault::NoExpiry)?);
    if expires <= now {
        Err(Fault::Expired)
    } else if expires - now > FARTHEST {
        Err(Fault::FarExpiry)
    } else if nbf.is_some_and(|begins| now < millis(begins)) {
        Err(Fault::NotYet)
    } else {
        Ok(Claims { subject, expires })
    }
}

/// Seconds since the epoch in milliseconds; what does not fit becomes the nearest that does.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast that saturates is meant")]
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// Milliseconds since the Unix epoch.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// HS256 with the cryptography that TLS uses here already. There is nothing else, so no other algorithm can be talked into
/// anything.
static HS256: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?);
            Ok(Box::new(HmacSha256(key)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct HmacSha256(hmac::Key);

impl signature::Verifier<Vec<u8>> for HmacSha256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, signature).map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for HmacSha256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests;

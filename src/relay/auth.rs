//! Who may see what: tokens (JWT, HS256 alone) and the policy they are checked by. Pure: the time comes in.
//!
//! Neither a token nor the secret is ever shown: both are masked in `Debug`, and a refusal says nothing of its cause.

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
    /// The token is missing, or no good.
    Token,
}

impl Refusal {
    /// How a socket is closed.
    pub(super) const fn close(self) -> CloseReason {
        match self {
            Self::NoSecret => CloseReason::NoSecret,
            Self::Token => CloseReason::Unauthorized,
        }
    }

    /// What a request is told, for people.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NoSecret => "no secret configured that a token could be checked with (SUPABASE_JWT_SECRET)",
            Self::Token => {
                "token missing, invalid or expired; send one as ?token=TOKEN or 'Authorization: Bearer TOKEN'"
            }
        }
    }
}

/// The claims that are read. `sub` is required: a token that names nobody, such as a public key to an API, owns nothing.
#[derive(Deserialize)]
struct Registered {
    sub: Box<str>,
    exp: f64,
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
            (Self::Secret(_), None) => Err(Refusal::Token),
            (Self::Secret(secret), Some(token)) => {
                claims(secret, audience, token, now).map(Some).ok_or(Refusal::Token)
            }
        }
    }
}

fn claims(secret: &Secret, audience: Option<&str>, token: &Token<'_>, now: u64) -> Option<Claims> {
    static PROVIDER: Once = Once::new();
    // Whatever is installed already was installed here: nothing else in this program knows tokens.
    PROVIDER.call_once(|| {
        let _ = HS256.install_default();
    });
    if token.0.len() > MAX_TOKEN {
        return None;
    }
    let mut validation = Validation::new(Algorithm::HS256);
    // Times are compared here: to the millisecond, without leeway, and with the time that came in.
    validation.validate_exp = false;
    validation.validate_aud = audience.is_some();
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud"]);
    }
    let key = DecodingKey::from_secret(secret.0.as_bytes());
    let token = jsonwebtoken::decode::<Registered>(token.0, &key, &validation).ok()?;
    // No extension is understood here, so one that has to be makes the token no good (RFC 7515, 4.1.11).
    if token.header.crit.is_some() {
        return None;
    }
    let claims = token.claims;
    let (expires, begins) = (millis(claims.exp), claims.nbf.map_or(0, millis));
    (now < expires && begins <= now && !claims.sub.is_empty())
        .then_some(Claims { subject: claims.sub, expires })
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

//! Tokens (JWT), their claims, and the keys that check tokens. Pure: the time is an argument.
//!
//! The header of a token only selects among the configured keys. Its algorithm has to fit the type of the key, and HS256 is
//! only for the secret. Addresses and keys in the header (`jku`, `jwk`, `x5u`, `x5c`) are ignored. Tokens and secrets are never
//! shown: both are masked in `Debug`. The cause of a refusal goes to the log and not to the client.

mod explain;
mod fault;
mod grant;
mod jwk;
mod key;
mod pem;
mod secret;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use url::Url;

pub(crate) use self::explain::{Finding, Soundness, explain};
use self::fault::Head;
pub(crate) use self::fault::{Fault, Flaw};
pub(crate) use self::grant::{Grant, covers_anything};
pub(crate) use self::jwk::KeySet;
pub use self::key::PublicKey;
pub use self::pem::PemError;
pub use self::secret::Secret;
use crate::dialect::identity;

/// Longest token that is checked, in bytes. The limit of a request's head bounds tokens as well.
const MAX_TOKEN: usize = 8 << 10;

/// Most keys that one token is tried with.
const MAX_TRIED: usize = 32;

/// Longest time until a token expires, in milliseconds: 10,000 years. Tokens without an end are common and often expire at
/// 9999999999, which is in 2286. A time in milliseconds that was written as seconds is over 50,000 years away.
const FARTHEST: u64 = 10_000 * 36_525 * 864_000;

/// The secret and the public keys that check tokens.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    /// Secret for HS256.
    pub secret: Option<Secret>,
    /// Public keys that the user configured.
    pub keys: Arc<[PublicKey]>,
    /// URLs from which key sets (JWKS) are fetched.
    pub jwks: Vec<Url>,
}

impl TrustedKeys {
    /// Whether no token can be valid, since there is no secret, no key and no URL of a key set.
    pub fn is_empty(&self) -> bool {
        self.secret.is_none() && self.keys.is_empty() && self.jwks.is_empty()
    }
}

/// A token as received in a request.
pub(crate) struct Token<'a>(pub(crate) &'a str);

impl fmt::Debug for Token<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(***)")
    }
}

/// Claims of a valid token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Owner of the token.
    pub(crate) subject: Box<str>,
    /// End of the token's validity, in milliseconds since the Unix epoch.
    pub(crate) expires: u64,
    /// Targets that the token may watch.
    pub(crate) grant: Grant,
}

/// Claims that are read. `sub` and `exp` are required. A token without `sub`, such as a public API key, names nobody and owns
/// nothing.
#[derive(Deserialize)]
struct Registered {
    sub: Option<Box<RawValue>>,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    watch: Option<Vec<String>>,
}

/// Reads a claim that must be a list wherever it is present. A `watch` of null is an error, so that a mistake does not remove
/// the restriction.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// Checker of tokens, with the user's keys and the key sets fetched so far.
#[derive(Debug)]
pub(crate) struct Checker<'a> {
    trusted: &'a TrustedKeys,
    fetched: &'a [Arc<[PublicKey]>],
    audience: Option<&'a str>,
}

impl<'a> Checker<'a> {
    /// Makes a checker. If `audience` is given, the `aud` of a token has to contain it.
    pub(crate) const fn new(
        trusted: &'a TrustedKeys,
        fetched: &'a [Arc<[PublicKey]>],
        audience: Option<&'a str>,
    ) -> Self {
        Self { trusted, fetched, audience }
    }

    /// Checks a token at the time `now`, in milliseconds since the Unix epoch.
    pub(crate) fn check(&self, token: Option<&Token<'_>>, now: u64) -> Result<Claims, Flaw> {
        let token = token.filter(|token| !token.0.is_empty());
        self.claims(token.ok_or(Fault::Missing)?, now)
    }

    fn claims(&self, token: &Token<'_>, now: u64) -> Result<Claims, Flaw> {
        if token.0.len() > MAX_TOKEN {
            return Err(Fault::TooLong.into());
        }
        let head = head(token.0)?;
        let algorithm = head.alg.as_deref().and_then(key::accepted);
        let Some(algorithm) = algorithm else { return Err(Fault::Algorithm.about(&head)) };
        let validation = validation(algorithm, self.audience);
        if algorithm != Algorithm::HS256 {
            let (keys, fault) = self.candidates(algorithm, &head);
            let keys = keys.into_iter().map(PublicKey::decoding);
            return decoded(token, keys, &validation, fault)
                .map_err(|fault| match fault {
                    Fault::NoKeyForIt | Fault::UnknownKey | Fault::Signature => fault.about(&head),
                    fault => fault.into(),
                })
                .and_then(|claims| Ok(claims.at(now)?));
        }
        let Some(secret) = &self.trusted.secret else { return Err(Fault::NoSecretForIt.about(&head)) };
        let keys: Vec<DecodingKey> = secret.keys().collect();
        let claims = decoded(token, keys.iter(), &validation, Fault::Signature);
        let claims =
            claims.map_err(|fault| match secret.slip(token.0).filter(|_| fault == Fault::Signature) {
                Some(slip) => Flaw { fault: Fault::SecretSlip, detail: slip.into() },
                None => fault.into(),
            })?;
        Ok(claims.at(now)?)
    }

    /// Keys to try for a token, and the fault where none of them fits. A `kid` selects the keys of that id and keys without an
    /// id. A `kid` that no key has selects nothing, so all fitting keys are tried.
    fn candidates(&self, algorithm: Algorithm, head: &Head) -> (Vec<&PublicKey>, Fault) {
        let all = self.trusted.keys.iter().chain(self.fetched.iter().flat_map(|set| set.iter()));
        let fitting = || all.clone().filter(move |key| key.fits(algorithm));
        let named = |key: &&PublicKey| head.kid.is_some() && key.id() == head.kid.as_deref();
        let is_known = fitting().any(|key| named(&key));
        let keys: Vec<&PublicKey> =
            fitting().filter(|key| !is_known || named(key) || key.id().is_none()).take(MAX_TRIED).collect();
        let fault = match (keys.is_empty(), is_known || head.kid.is_none()) {
            (true, _) => Fault::NoKeyForIt,
            (false, true) => Fault::Signature,
            (false, false) => Fault::UnknownKey,
        };
        (keys, fault)
    }
}

/// Decodes the header of a token.
fn head(token: &str) -> Result<Head, Flaw> {
    let mut parts = token.split('.');
    let (Some(head), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::NoJwt.into());
    };
    let bytes = URL_SAFE_NO_PAD.decode(head).map_err(|_| Fault::NoJwt)?;
    Ok(serde_json::from_slice(&bytes).map_err(|_| Fault::Header)?)
}

fn validation(algorithm: Algorithm, audience: Option<&str>) -> Validation {
    let mut validation = Validation::new(algorithm);
    // `Registered::at` compares the times itself: to the millisecond, without leeway, at the given time.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    validation.validate_aud = audience.is_some();
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["aud"]);
    }
    validation
}

/// Returns the claims if one of the keys has signed the token, and `fault` otherwise.
fn decoded<'k>(
    token: &Token<'_>,
    keys: impl Iterator<Item = &'k DecodingKey>,
    validation: &Validation,
    fault: Fault,
) -> Result<Registered, Fault> {
    for key in keys {
        match jsonwebtoken::decode::<Registered>(token.0, key, validation) {
            // jobwire knows no extensions, so a token that requires one is refused (RFC 7515, section 4.1.11).
            Ok(token) if token.header.crit.is_some() => return Err(Fault::Critical),
            Ok(token) => return Ok(token.claims),
            Err(error) => match Fault::of(&error, token) {
                Fault::Signature => {}
                other => return Err(other),
            },
        }
    }
    Err(fault)
}

impl Registered {
    /// Checks the claims at the time `now`, in milliseconds since the Unix epoch.
    fn at(self, now: u64) -> Result<Claims, Fault> {
        let Self { sub, exp, nbf, watch } = self;
        let sub = sub.ok_or(Fault::NoSubject)?;
        let subject = identity(&sub).ok_or(Fault::Claims)?;
        if subject.is_empty() {
            return Err(Fault::NoSubject);
        }
        let expires = millis(exp.ok_or(Fault::NoExpiry)?);
        if expires <= now {
            Err(Fault::Expired)
        } else if expires - now > FARTHEST {
            Err(Fault::FarExpiry)
        } else if nbf.is_some_and(|begins| now < millis(begins)) {
            Err(Fault::NotYet)
        } else {
            Ok(Claims { subject: subject.into(), expires, grant: Grant::new(watch) })
        }
    }
}

/// Converts seconds to milliseconds. Values out of range become the nearest in range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast that saturates is meant")]
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

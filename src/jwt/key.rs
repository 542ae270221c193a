//! Public keys for checking tokens, from PEM files and JSON Web Key Sets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};

/// Accepted sizes of RSA keys, in bits. Shorter keys can be broken, and longer keys make checks slow.
pub(super) const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

const RSA: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

/// Accepted algorithms, with their names in a token's header. HS256 is only for the secret.
const ACCEPTED: [(&str, Algorithm); 6] = [
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// The algorithm of this name, if tokens may be signed with it.
pub(super) fn accepted(name: &str) -> Option<Algorithm> {
    ACCEPTED.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

/// The name of an algorithm.
pub(super) fn name_of(algorithm: Algorithm) -> &'static str {
    ACCEPTED.iter().find(|(_, known)| *known == algorithm).map_or("?", |(name, _)| name)
}

/// A public key, with the algorithms that it may check.
#[derive(Clone)]
pub struct PublicKey {
    /// Id that a token's `kid` selects.
    id: Option<Box<str>>,
    /// Algorithms of the key's own type; never HMAC.
    algorithms: Box<[Algorithm]>,
    key: DecodingKey,
}

/// Reason why a key cannot check tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// The RSA key is too short or too long; the number is its size in bits.
    #[error("the RSA key has {0} bits; it needs {min} to {max}", min = RSA_BITS.start(), max = RSA_BITS.end())]
    RsaBits(usize),
    /// The key is not valid for its type, which is named.
    #[error("the {0} key is broken")]
    Broken(&'static str),
}

impl PublicKey {
    /// Makes an RSA key from modulus and exponent, both big-endian.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        let zeros = n.iter().take_while(|byte| **byte == 0).count();
        let n = &n[zeros..];
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaBits(bits));
        }
        if e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err(KeyError::Broken("RSA"));
        }
        Ok(Self::new(RSA, DecodingKey::from_rsa_raw_components(n, e)))
    }

    /// Makes a key on the curve P-256 or P-384 from its uncompressed point.
    pub(super) fn ec(point: &[u8]) -> Result<Self, KeyError> {
        let algorithms = match (point.len(), point.first()) {
            (65, Some(4)) => P256,
            (97, Some(4)) => P384,
            _ => return Err(KeyError::Broken("EC")),
        };
        Ok(Self::new(algorithms, DecodingKey::from_ec_der(point)))
    }

    /// Makes an Ed25519 key.
    pub(super) fn ed25519(key: &[u8]) -> Result<Self, KeyError> {
        if key.len() != 32 {
            return Err(KeyError::Broken("Ed25519"));
        }
        Ok(Self::new(ED25519, DecodingKey::from_ed_der(key)))
    }

    fn new(algorithms: &[Algorithm], key: DecodingKey) -> Self {
        Self { id: None, algorithms: algorithms.into(), key }
    }

    /// Gives the key an id, which a token's `kid` selects.
    #[must_use]
    pub(super) fn named(mut self, id: Option<&str>) -> Self {
        self.id = id.map(Into::into);
        self
    }

    /// Restricts the key to one of its algorithms; `None` where the key does not have that algorithm.
    pub(super) fn only_for(mut self, algorithm: Algorithm) -> Option<Self> {
        self.algorithms = self.fits(algorithm).then(|| [algorithm].into())?;
        Some(self)
    }

    /// Whether the key can check tokens of this algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Id of the key, which a token's `kid` selects.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The key in the form of the library.
    pub(super) const fn decoding(&self) -> &DecodingKey {
        &self.key
    }

    /// Names of the key's algorithms for people, as in `RS256/PS256`.
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.algorithms.iter().map(|algorithm| name_of(*algorithm)).collect();
        names.join("/")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublicKey({:?}, {})", self.id, self.describe())
    }
}

/// Decodes base64 of JSON Web Keys. Padding is not allowed there; it is accepted, since some servers write it.
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

//! The shared secret of tokens signed by HS256.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use serde_json::{Map, Value};

/// Secret that signs tokens: the bytes of the text as given, at least one. Newlines at the end are probably a mistake, so
/// tokens signed without these newlines are accepted too.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Makes a secret; `None` for a text that is empty or only newlines, since everybody could sign with it.
    pub fn new(text: &str) -> Option<Self> {
        (!without_line_breaks(text).is_empty()).then(|| Self(text.into()))
    }

    /// Keys to try, the most likely first.
    pub(super) fn keys(&self) -> impl Iterator<Item = DecodingKey> {
        let trimmed = without_line_breaks(&self.0);
        let second = (trimmed.len() < self.0.len()).then_some(trimmed);
        std::iter::once(&*self.0).chain(second).map(|text| DecodingKey::from_secret(text.as_bytes()))
    }

    /// Signs claims by HS256. Newlines at the end of the secret are not used, so every server with this secret accepts the
    /// token.
    ///
    /// # Errors
    /// The claims cannot be written as JSON, or the backend cannot sign.
    pub(crate) fn sign(&self, claims: &Map<String, Value>) -> Result<String, jsonwebtoken::errors::Error> {
        let key = EncodingKey::from_secret(without_line_breaks(&self.0).as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
    }

    /// Explanation for the operator where a token fits a variant of the secret, such as the secret without quotes; `None` where
    /// no variant fits.
    pub(super) fn slip(&self, token: &str) -> Option<&'static str> {
        let text = without_line_breaks(&self.0);
        let quoted =
            ['"', '\'', '`'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        let decoded = || {
            let digits = text.trim_end_matches('=');
            let url = URL_SAFE_NO_PAD.decode(digits).ok();
            url.or_else(|| STANDARD.decode(text).ok())
        };
        let trimmed = text.trim_start_matches('\u{feff}').trim();
        if quoted.is_some_and(|inner| signed_with(token, inner.as_bytes())) {
            Some("it was signed with the secret without the quotes around it: leave them out")
        } else if trimmed != text && signed_with(token, trimmed.as_bytes()) {
            Some("it was signed with the secret without the white space around it: leave that out")
        } else if decoded().is_some_and(|bytes| signed_with(token, &bytes)) {
            Some(
                "it was signed with the bytes that the secret is the base64 of, and the secret is taken as it stands",
            )
        } else if signed_with(token, format!("{text}\n").as_bytes()) {
            Some("it was signed with the secret and a line break behind it: the signer has to leave that out")
        } else {
            None
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(***)")
    }
}

fn without_line_breaks(text: &str) -> &str {
    text.trim_end_matches(['\r', '\n'])
}

fn signed_with(token: &str, secret: &[u8]) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else { return false };
    let key = DecodingKey::from_secret(secret);
    !secret.is_empty()
        && crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256).unwrap_or(false)
}

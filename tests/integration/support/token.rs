//! Tokens as an identity provider would sign them, and as nobody should.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use serde_json::{Value, json};

/// What tokens are signed with.
pub(crate) const SECRET: &str = "correct-horse-battery-staple";

/// Seconds since the Unix epoch.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A good token for an hour.
pub(crate) fn token(subject: &str) -> String {
    token_for(subject, Duration::from_hours(1))
}

/// A token that is good for so long.
pub(crate) fn token_for(subject: &str, time: Duration) -> String {
    let claims = json!({"sub": subject, "aud": "authenticated", "exp": unix_now() + time.as_secs_f64()});
    signed("HS256", &claims, SECRET)
}

/// A token with these claims, whatever they are, that says it was signed by `alg` but is by HMAC with SHA-256.
pub(crate) fn signed(alg: &str, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": alg, "typ": "JWT"})), part(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

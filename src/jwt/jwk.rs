//! JSON Web Key Sets (RFC 7517). Keys that cannot be used are skipped, as the RFC requires. A text that is no key set is an
//! error.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::Value;

use super::key::{PublicKey, accepted, base64url};

/// Most keys taken from one set. A token without a known `kid` is tried with each of them that fits.
pub(super) const MAX_KEYS: usize = 32;

/// Keys read from one key set.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeySet {
    /// Usable keys.
    pub(crate) keys: Vec<PublicKey>,
    /// Number of keys that cannot be used: of another type or use, too weak, broken, or too many.
    pub(crate) skipped: usize,
}

/// Reason why a text is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoKeySet {
    #[error("it is HTML, no key set; is it the address of a page?")]
    Html,
    #[error("it is no JSON")]
    NotJson,
    #[error("it is JSON without a list of keys")]
    NoKeys,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// Members of a key that are read. All others are ignored, `x5u` and `x5c` among them.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Parses a key set.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, NoKeySet> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        let value: Value = serde_json::from_slice(body).map_err(|_| match body.first() {
            Some(b'<') => NoKeySet::Html,
            _ => NoKeySet::NotJson,
        })?;
        let Set { keys } = serde_json::from_value(value).map_err(|_| NoKeySet::NoKeys)?;
        let all = keys.len();
        let usable = keys.into_iter().filter_map(|key| key_of(serde_json::from_value(key).ok()?));
        let keys: Vec<PublicKey> = usable.take(MAX_KEYS).collect();
        Ok(Self { skipped: all - keys.len(), keys })
    }
}

/// Makes a public key, if tokens can be checked with it. Symmetric keys (`oct`) are refused: everybody who can read the set
/// could sign.
fn key_of(jwk: Jwk) -> Option<PublicKey> {
    let bytes = |text: Option<String>| text.as_deref().and_then(base64url);
    if jwk.r#use.is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    if jwk.key_ops.is_some_and(|operations| !operations.iter().any(|one| one == "verify")) {
        return None;
    }
    let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => PublicKey::rsa(&bytes(jwk.n)?, &bytes(jwk.e)?).ok()?,
        ("EC", Some(curve)) => {
            let size = match curve {
                "P-256" => 32,
                "P-384" => 48,
                _ => return None,
            };
            let (x, y) = (padded(&bytes(jwk.x)?, size)?, padded(&bytes(jwk.y)?, size)?);
            PublicKey::ec(&[&[4], x.as_slice(), y.as_slice()].concat()).ok()?
        }
        ("OKP", Some("Ed25519")) => PublicKey::ed25519(&bytes(jwk.x)?).ok()?,
        _ => return None,
    };
    let key = match jwk.alg.as_deref() {
        None => key,
        // RFC 9864 calls EdDSA on the curve Ed25519 `Ed25519`, the only EdDSA curve that jobwire knows.
        Some("Ed25519") => key.only_for(Algorithm::EdDSA)?,
        Some(name) => key.only_for(accepted(name)?)?,
    };
    Some(key.named(jwk.kid.as_deref()))
}

/// A coordinate in its full size. Some servers leave out leading zeros, although the RFC forbids that.
fn padded(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let missing = size.checked_sub(bytes.len())?;
    Some([&vec![0; missing], bytes].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(keys: &str) -> (Vec<String>, usize) {
        let set = KeySet::parse(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).unwrap();
        (set.keys.iter().map(|key| format!("{key:?}")).collect(), set.skipped)
    }

    /// Members of a key on the curve P-256, from RFC 7517, appendix A.1.
    const EC: &str = r#""kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM""#;

    #[test]
    fn a_key_is_for_the_algorithm_that_it_names_or_for_those_of_its_type() {
        let ed =
            r#"{"kty":"OKP","crv":"Ed25519","kid":"e","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let n = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let rsa = |more: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"{more}}}"#);
        let keys = [
            format!(r#"{{{EC},"use":"sig","alg":"ES256","kid":"a","key_ops":["verify"],"ext":true}}"#),
            ed.to_owned(),
            rsa(""),
            rsa(r#","alg":"PS256","kid":"r""#),
        ];
        let expected = [
            r#"PublicKey(Some("a"), ES256)"#,
            r#"PublicKey(Some("e"), EdDSA)"#,
            "PublicKey(None, RS256/PS256)",
            r#"PublicKey(Some("r"), PS256)"#,
        ];
        assert_eq!(parsed(&keys.join(",")), (expected.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn keys_of_another_type_or_use_and_weak_and_broken_ones_are_passed_over() {
        let weak = URL_SAFE_NO_PAD.encode([0xff; 128]);
        let bad = [
            format!(r#"{{{EC},"use":"enc"}}"#),
            format!(r#"{{{EC},"key_ops":["sign"]}}"#),
            format!(r#"{{{EC},"alg":"HS256"}}"#),
            format!(r#"{{{EC},"alg":"RS256"}}"#),
            format!(r#"{{{EC},"alg":"none"}}"#),
            r#"{"kty":"oct","k":"c2VjcmV0","alg":"HS256"}"#.to_owned(),
            r#"{"kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ"}"#.to_owned(),
            r#"{"kty":"EC","crv":"P-256","x":"!","y":"AQ"}"#.to_owned(),
            r#"{"kty":"OKP","crv":"X25519","x":"AQ"}"#.to_owned(),
            format!(r#"{{"kty":"RSA","n":"{weak}","e":"AQAB"}}"#),
            r#"{"kty":"RSA","n":7}"#.to_owned(),
            "null".to_owned(),
            "7".to_owned(),
        ];
        assert_eq!(parsed(&bad.join(",")), (Vec::new(), bad.len()));
        assert_eq!(parsed(""), (Vec::new(), 0));
        let (keys, skipped) = parsed(&vec![format!("{{{EC}}}"); 100].join(","));
        assert_eq!((keys.len(), skipped), (MAX_KEYS, 68));
    }

    #[test]
    fn an_answer_that_is_no_key_set_is_told_apart() {
        let reason = |text: &str| KeySet::parse(text.as_bytes()).unwrap_err();
        assert_eq!(reason("<!doctype html><p>Sign in"), NoKeySet::Html);
        assert_eq!(reason(""), NoKeySet::NotJson);
        assert_eq!(reason("-----BEGIN PUBLIC KEY-----"), NoKeySet::NotJson);
        for text in ["{}", "[]", "null", r#"{"keys":null}"#, r#"{"keys":{}}"#, r#"{"error":"no"}"#] {
            assert_eq!(reason(text), NoKeySet::NoKeys, "{text}");
        }
        assert!(KeySet::parse(b"\xef\xbb\xbf {\"keys\":[]}\n").is_ok());
    }

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
}

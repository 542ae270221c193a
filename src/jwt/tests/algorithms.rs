//! Tokens by public keys: what opens, and what does not, for each algorithm.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};

use super::super::testing::{Pair, encode, pem};
use super::*;

const ALL: [Algorithm; 5] =
    [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

fn good() -> Value {
    json!({"sub": "alice", "exp": NOW + 9})
}

/// The keys of a set.
fn set(keys: &[Value]) -> TrustedKeys {
    let set = KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap();
    TrustedKeys { keys: set.keys.into(), ..TrustedKeys::default() }
}

#[test]
fn a_token_of_each_algorithm_is_good_by_its_own_key_and_bad_whatever_is_wrong_with_it() {
    for algorithm in ALL {
        let (pair, other) = (Pair::new(algorithm), Pair::new(algorithm));
        let keys = TrustedKeys { secret: Secret::new(SECRET), ..set(&[pair.jwk("a")]) };
        let token = |header: Value| pair.token(header, &good());
        assert_eq!(
            &*check_with(&keys, &token(json!({"kid": "a"}))).unwrap().subject,
            "alice",
            "{algorithm:?}"
        );
        for fine in [json!({}), json!({"kid": "unheard of"})] {
            assert!(check_with(&keys, &token(fine)).is_ok(), "{algorithm:?}");
        }
        let right = token(json!({"kid": "a"}));
        let (message, signature) = right.rsplit_once('.').unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let claims = |claims: Value| pair.token(json!({"kid": "a"}), &claims);
        let stolen = |header: Value| {
            // An attacker who knows the public key signs with it as if it were a secret.
            let message = format!("{}.{}", encode(&header), encode(&good()));
            [pair.spki.as_slice(), pair.pem().as_bytes(), pair.jwk.to_string().as_bytes()].map(|key| {
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes());
                format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
            })
        };
        let unsigned = encode(&json!({"alg": "none", "kid": "a"}));
        let mut bad = vec![
            (format!("{unsigned}.{}.", encode(&good())), Fault::Algorithm),
            (format!("{unsigned}.{}.{signature}", encode(&good())), Fault::Algorithm),
            (other.token(json!({"kid": "a"}), &good()), Fault::Signature),
            (other.token(json!({"kid": "b"}), &good()), Fault::UnknownKey),
            (other.token(json!({}), &good()), Fault::Signature),
            (message.to_owned(), Fault::NoJwt),
            (format!("{message}."), Fault::Signature),
            (format!("{message}.{}", URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 3])), Fault::Signature),
            (format!("{message}.{}", URL_SAFE_NO_PAD.encode([0; 64])), Fault::Signature),
            (claims(json!({"sub": "alice", "exp": NOW})), Fault::Expired),
            (claims(json!({"sub": "alice"})), Fault::NoExpiry),
            (claims(json!({"sub": "alice", "exp": NOW + 9, "nbf": NOW + 5})), Fault::NotYet),
            (claims(json!({"exp": NOW + 9})), Fault::NoSubject),
            (claims(json!({"sub": "alice", "exp": NOW + 9, "x": "x".repeat(100_000)})), Fault::TooLong),
            (token(json!({"kid": "a", "crit": ["b64"], "b64": false})), Fault::Critical),
        ];
        bad.extend(stolen(json!({"alg": "HS256", "kid": "a"})).map(|token| (token, Fault::Signature)));
        let name = format!("{algorithm:?}");
        bad.extend(stolen(json!({"alg": name, "kid": "a"})).map(|token| (token, Fault::Signature)));
        for (at, (token, expected)) in bad.into_iter().enumerate() {
            assert_eq!(fault(&keys, &token), expected, "{algorithm:?}, case {at}");
        }
    }
}

#[test]
fn a_key_is_never_used_for_an_algorithm_of_another_type() {
    let pairs: Vec<Pair> = ALL[1..].iter().map(|algorithm| Pair::new(*algorithm)).collect();
    for owner in &pairs {
        let keys = set(&[owner.jwk("a")]);
        for signer in pairs.iter().filter(|signer| signer.algorithm != owner.algorithm) {
            let token = signer.token(json!({"kid": "a"}), &good());
            assert_eq!(fault(&keys, &token), Fault::NoKeyForIt, "{:?}", signer.algorithm);
        }
        // With no secret, HS256 is checked with nothing, whatever keys there are.
        assert_eq!(fault(&keys, &sign(&json!({"alg": "HS256"}), &good(), "")), Fault::NoSecretForIt);
    }
    let pss = Pair::new(Algorithm::PS256);
    let mut only = pss.jwk("a");
    only["alg"] = "RS256".into();
    assert_eq!(fault(&set(&[only]), &pss.token(json!({"kid": "a"}), &good())), Fault::NoKeyForIt);
}

#[test]
fn addresses_and_keys_in_a_token_are_not_followed() {
    let (pair, thief) = (Pair::new(Algorithm::ES256), Pair::new(Algorithm::ES256));
    let keys = set(&[pair.jwk("a")]);
    for header in [
        json!({"jwk": thief.jwk("a"), "kid": "a"}),
        json!({"jku": "http://127.0.0.1:1/jwks.json", "kid": "a"}),
        json!({"x5u": "http://127.0.0.1:1/chain.pem", "kid": "a"}),
        json!({"x5c": ["AAAA"], "kid": "a"}),
    ] {
        assert_eq!(fault(&keys, &thief.token(header.clone(), &good())), Fault::Signature, "{header}");
        assert!(check_with(&keys, &pair.token(header, &good())).is_ok());
    }
}

#[test]
fn an_ecdsa_signature_in_der_is_none() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let keys = TrustedKeys {
        keys: vec![PublicKey::ec(pair.public_key().as_ref()).unwrap()].into(),
        ..TrustedKeys::default()
    };
    let message = format!("{}.{}", encode(&json!({"alg": "ES256"})), encode(&good()));
    let signature = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), message.as_bytes()).unwrap();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert_eq!(fault(&keys, &token), Fault::Signature);
}

#[test]
fn of_several_keys_with_one_name_any_may_have_signed_and_a_name_selects() {
    let [one, two, three] = [(); 3].map(|()| Pair::new(Algorithm::ES256));
    let keys = set(&[one.jwk("a"), two.jwk("a"), three.jwk("b")]);
    for pair in [&one, &two] {
        assert!(check_with(&keys, &pair.token(json!({"kid": "a"}), &good())).is_ok());
    }
    assert_eq!(fault(&keys, &three.token(json!({"kid": "a"}), &good())), Fault::Signature);
    assert!(check_with(&keys, &three.token(json!({}), &good())).is_ok());
}

#[test]
fn the_log_names_algorithm_and_key_of_a_token_that_fits_none_escaped_and_short() {
    let pair = Pair::new(Algorithm::ES256);
    let text = |token: &str, keys: &TrustedKeys| match check_with(keys, token) {
        Err(flaw) => flaw.to_string(),
        other => panic!("{other:?}"),
    };
    let of_kid = |kid: &str| text(&pair.token(json!({"kid": kid}), &good()), &trusted(SECRET));
    assert_eq!(
        of_kid("abc"),
        "the token is signed with an algorithm that no key here is for: --jwks or --jwt-key adds one (alg ES256, key 'abc')"
    );
    let long = of_kid(&format!("\u{1b}]0;x\n{}", "k".repeat(5_000)));
    assert!(long.len() < 250 && !long.contains(char::is_control), "{long}");
    let none = format!("{}.e30.", encode(&json!({"alg": "none"})));
    assert!(text(&none, &trusted(SECRET)).ends_with("(alg none, no kid)"));
}

#[test]
fn keys_out_of_pem_files_are_as_good() {
    let pairs: Vec<Pair> = ALL.iter().map(|algorithm| Pair::new(*algorithm)).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let all: String = pairs.iter().map(Pair::pem).collect();
    std::fs::write(file.path(), format!("\u{feff}# ours\r\n{}", all.replace('\n', "\r\n"))).unwrap();
    let keys: Vec<PublicKey> = PublicKey::read(file.path()).unwrap();
    let described: Vec<String> = keys.iter().map(PublicKey::describe).collect();
    assert_eq!(described, ["RS256/PS256", "RS256/PS256", "ES256", "ES384", "EdDSA"]);
    let keys = TrustedKeys { keys: keys.into(), ..TrustedKeys::default() };
    for pair in &pairs {
        assert!(check_with(&keys, &pair.token(json!({"kid": "x"}), &good())).is_ok(), "{:?}", pair.algorithm);
    }
    std::fs::write(file.path(), pem("CERTIFICATE", &pairs[0].spki)).unwrap();
    let error = PublicKey::read(file.path()).unwrap_err();
    assert!(error.hint.unwrap().starts_with("openssl x509 -in "));
}

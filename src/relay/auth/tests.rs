use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "a secret that nobody knows";
/// The time of all these tests, in seconds.
const NOW: u64 = 1_700_000_000;

fn sign(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn token(claims: &Value) -> String {
    sign(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET)
}

fn policy() -> AuthPolicy {
    AuthPolicy::Secret(Secret::new(SECRET).unwrap())
}

fn check(token: &str) -> Result<Option<Claims>, Refusal> {
    policy().check(None, Some(&Token(token)), NOW * 1000)
}

#[test]
fn a_good_token_says_who_is_asking_and_until_when() {
    let expected = |expires| Ok(Some(Claims { subject: "alice".into(), expires }));
    let claims = json!({"sub": "alice", "exp": NOW + 1, "aud": "authenticated", "role": "x"});
    assert_eq!(check(&token(&claims)), expected((NOW + 1) * 1000));
    let float = format!(r#"{{"sub":"alice","exp":{NOW}.25,"nbf":{NOW}}}"#);
    assert_eq!(check(&token(&serde_json::from_str(&float).unwrap())), expected(NOW * 1000 + 250));
    // What people write who mean for ever.
    let forever = 9_999_999_999_u64;
    assert_eq!(check(&token(&json!({"sub": "alice", "exp": forever}))), expected(forever * 1000));
}

#[test]
fn the_example_of_rfc_7515_has_a_good_signature() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let (message, signature) = token.rsplit_once('.').unwrap();
    let [key, signature] = [key, signature].map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
    let verifier = HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, &key));
    assert!(signature::Verifier::verify(&verifier, message.as_bytes(), &signature).is_ok());
    assert!(signature::Verifier::verify(&verifier, &message.as_bytes()[1..], &signature).is_err());
}

#[test]
fn there_is_no_leeway() {
    let expires = |exp| check(&token(&json!({"sub": "alice", "exp": exp}))).is_ok();
    assert!(!expires(NOW - 1) && !expires(NOW) && expires(NOW + 1));
    let begins = |nbf| check(&token(&json!({"sub": "alice", "exp": NOW + 9, "nbf": nbf}))).is_ok();
    assert!(begins(NOW - 1) && begins(NOW) && !begins(NOW + 1));
}

#[test]
fn a_bad_token_is_refused_whatever_is_wrong_with_it() {
    let good = json!({"sub": "alice", "exp": NOW + 9});
    let right = token(&good);
    let (message, signature) = right.rsplit_once('.').unwrap();
    let header = |alg: &str| sign(&json!({"alg": alg, "typ": "JWT"}), &good, SECRET);
    let claims = |claims: Value| token(&claims);
    let bad = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        "é.é.é".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!("{right}."),
        format!("{right}="),
        format!(" {right}"),
        format!("{message}.{}", signature.replace(&signature[..1], "!")),
        sign(&json!({"alg": "HS256"}), &good, "another secret"),
        header("none"),
        header("None"),
        format!("{}.", header("none").rsplit_once('.').unwrap().0),
        header("RS256"),
        header("HS384"),
        header("HS512"),
        header("ES256"),
        header("hs256"),
        sign(&json!({"typ": "JWT"}), &good, SECRET),
        sign(&json!([]), &good, SECRET),
        sign(&json!({"alg": "HS256", "crit": ["b64"], "b64": true}), &good, SECRET),
        sign(&json!({"alg": "HS256", "crit": []}), &good, SECRET),
        claims(json!({"sub": "alice"})),
        claims(json!({"sub": "alice", "exp": null})),
        claims(json!({"sub": "alice", "exp": (NOW + 9).to_string()})),
        claims(json!({"sub": "alice", "exp": -1})),
        claims(json!({"sub": "alice", "exp": NOW + 9, "nbf": "now"})),
        claims(json!({"exp": NOW + 9})),
        claims(json!({"sub": "", "exp": NOW + 9})),
        claims(json!({"sub": 7, "exp": NOW + 9})),
        claims(json!("alice")),
        "x".repeat(100_000),
        claims(json!({"sub": "alice", "exp": NOW + 9, "much": "x".repeat(100_000)})),
    ];
    assert!(check(&right).is_ok());
    for token in bad {
        let refused = matches!(check(&token), Err(Refusal::Token(_)));
        assert!(refused, "{}", &token[..token.len().min(200)]);
    }
}

#[test]
fn what_is_wrong_with_a_token_is_known_and_nothing_of_it_is_repeated() {
    let good = json!({"sub": "alice", "exp": NOW + 9});
    let with = |header: Value| sign(&header, &good, SECRET);
    let cases = [
        ("x".repeat(100_000), Fault::TooLong),
        ("garbage".to_owned(), Fault::NoJwt),
        (String::new(), Fault::NoJwt),
        (with(json!({"alg": "none"})), Fault::Header),
        (with(json!({"typ": "JWT"})), Fault::Header),
        (with(json!({"alg": "RS256"})), Fault::Algorithm),
        (with(json!({"alg": "HS512"})), Fault::Algorithm),
        (with(json!({"alg": "HS256", "crit": ["b64"]})), Fault::Critical),
        (sign(&json!({"alg": "HS256"}), &good, "another"), Fault::Signature),
        (token(&json!({"exp": NOW + 9})), Fault::NoSubject),
        (token(&json!({"sub": "", "exp": NOW + 9})), Fault::NoSubject),
        (token(&json!({"sub": 7, "exp": NOW + 9})), Fault::Claims),
        (token(&json!({"sub": "alice", "exp": "soon"})), Fault::Claims),
        (token(&json!({"sub": "alice"})), Fault::NoExpiry),
        (token(&json!({"sub": "alice", "exp": NOW})), Fault::Expired),
        (token(&json!({"sub": "alice", "exp": (NOW + 3600) * 1000})), Fault::FarExpiry),
        (token(&json!({"sub": "alice", "exp": 1e300})), Fault::FarExpiry),
        (token(&json!({"sub": "alice", "exp": NOW + 9, "nbf": NOW + 1})), Fault::NotYet),
    ];
    for (token, fault) in cases {
        assert_eq!(check(&token), Err(Refusal::Token(fault)), "{fault:?}");
    }
    assert_eq!(policy().check(None, None, NOW * 1000), Err(Refusal::Token(Fault::Missing)));
    let wanted = policy().check(Some("web"), Some(&Token(&token(&good))), NOW * 1000);
    assert_eq!(wanted, Err(Refusal::Token(Fault::Audience)));
}

#[test]
fn an_audience_is_checked_only_where_one_is_configured() {
    let with = |aud: Value| token(&json!({"sub": "alice", "exp": NOW + 9, "aud": aud}));
    let check = |token: &str| policy().check(Some("web"), Some(&Token(token)), NOW * 1000).is_ok();
    assert!(check(&with(json!("web"))) && check(&with(json!(["app", "web"]))));
    assert!(!check(&with(json!("app"))) && !check(&with(json!([]))) && !check(&with(json!(7))));
    assert!(!check(&token(&json!({"sub": "alice", "exp": NOW + 9}))));
}

#[test]
fn the_policy_comes_before_the_token() {
    let good = token(&json!({"sub": "alice", "exp": NOW + 9}));
    assert_eq!(AuthPolicy::NoSecret.check(None, Some(&Token(&good)), NOW * 1000), Err(Refusal::NoSecret));
    assert_eq!(AuthPolicy::Open.check(None, Some(&Token("garbage")), NOW * 1000), Ok(None));
    assert_eq!(AuthPolicy::Open.check(None, None, NOW * 1000), Ok(None));
}

#[test]
fn neither_secret_nor_token_is_shown() {
    assert_eq!(format!("{:?} {:?}", policy(), Token("abc")), "Secret(Secret(***)) Token(***)");
    assert_eq!(Secret::new(""), None);
}

proptest! {
    #[test]
    fn no_text_is_a_token_and_none_panics(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(matches!(check(&text), Err(Refusal::Token(_))));
    }

    #[test]
    fn a_token_with_one_byte_changed_is_none(at in any::<prop::sample::Index>(), byte in "[A-Za-z0-9_-]") {
        let mut text = token(&json!({"sub": "alice", "exp": NOW + 9}));
        let at = at.index(text.len());
        // The last digit has bits that mean nothing, and a decoder that is strict about them.
        prop_assume!(text[at..=at] != byte);
        text.replace_range(at..=at, &byte);
        prop_assert!(matches!(check(&text), Err(Refusal::Token(_))));
    }
}

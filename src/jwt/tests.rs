mod algorithms;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::fault::Flaw;
use super::*;

const SECRET: &str = "a secret that nobody knows";
/// Current time of all tests, in seconds since the Unix epoch.
const NOW: u64 = 1_700_000_000;

fn sign(header: &Value, claims: &Value, secret: &str) -> String {
    sign_text(&header.to_string(), &claims.to_string(), secret)
}

/// Signs header and claims that need not be JSON.
fn sign_text(header: &str, claims: &str, secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn token(claims: &Value) -> String {
    sign(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET)
}

fn trusted(secret: &str) -> TrustedKeys {
    TrustedKeys { secret: Secret::new(secret), ..TrustedKeys::default() }
}

fn check(token: &str) -> Result<Claims, Flaw> {
    check_with(&trusted(SECRET), token)
}

fn check_with(trusted: &TrustedKeys, token: &str) -> Result<Claims, Flaw> {
    Checker::new(trusted, &[], None).check(Some(&Token(token)), NOW * 1000)
}

fn for_audience(token: &str) -> Result<Claims, Flaw> {
    Checker::new(&trusted(SECRET), &[], Some("web")).check(Some(&Token(token)), NOW * 1000)
}

/// Fault of a token that is checked with these keys.
fn fault(trusted: &TrustedKeys, token: &str) -> Fault {
    match check_with(trusted, token) {
        Err(Flaw { fault, .. }) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_good_token_says_who_is_asking_and_until_when() {
    let expected = |expires| Ok(Claims { subject: "alice".into(), expires, grant: Grant::default() });
    let claims = json!({"sub": "alice", "exp": NOW + 1, "aud": "authenticated", "role": "x"});
    assert_eq!(check(&token(&claims)), expected((NOW + 1) * 1000));
    let float = format!(r#"{{"sub":"alice","exp":{NOW}.25,"nbf":{NOW}}}"#);
    assert_eq!(check(&token(&serde_json::from_str(&float).unwrap())), expected(NOW * 1000 + 250));
    // Common value for a token without an end.
    let forever = 9_999_999_999_u64;
    assert_eq!(check(&token(&json!({"sub": "alice", "exp": forever}))), expected(forever * 1000));
}

#[test]
fn the_example_of_rfc_7515_has_a_good_signature() {
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = URL_SAFE_NO_PAD.decode(key).unwrap();
    let key = DecodingKey::from_secret(&key);
    let verify =
        |message: &[u8]| jsonwebtoken::crypto::verify(signature, message, &key, Algorithm::HS256).unwrap();
    assert!(verify(message.as_bytes()) && !verify(&message.as_bytes()[1..]));
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
        claims(json!({"sub": true, "exp": NOW + 9})),
        claims(json!({"sub": ["alice"], "exp": NOW + 9})),
        claims(json!({"sub": null, "exp": NOW + 9})),
        claims(json!({"sub": "alice", "exp": NOW + 9, "watch": "celery/*"})),
        claims(json!({"sub": "alice", "exp": NOW + 9, "watch": null})),
        claims(json!({"sub": "alice", "exp": NOW + 9, "watch": [7]})),
        claims(json!("alice")),
        "x".repeat(100_000),
        claims(json!({"sub": "alice", "exp": NOW + 9, "much": "x".repeat(100_000)})),
    ];
    assert!(check(&right).is_ok());
    for token in bad {
        let refused = check(&token).is_err();
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
        ("..".to_owned(), Fault::Header),
        (with(json!({"alg": "none"})), Fault::Algorithm),
        (with(json!({"typ": "JWT"})), Fault::Algorithm),
        (with(json!({"alg": 7})), Fault::Header),
        (with(json!({"alg": "HS256", "jwk": 7})), Fault::Header),
        (with(json!({"alg": "RS256"})), Fault::NoKeyForIt),
        (with(json!({"alg": "HS512"})), Fault::Algorithm),
        (with(json!({"alg": "HS256", "crit": ["b64"]})), Fault::Critical),
        (sign(&json!({"alg": "HS256"}), &good, "another"), Fault::Signature),
        (token(&json!({"exp": NOW + 9})), Fault::NoSubject),
        (token(&json!({"sub": "", "exp": NOW + 9})), Fault::NoSubject),
        (token(&json!({"sub": 7.5, "exp": NOW + 9})), Fault::Claims),
        (token(&json!({"sub": "alice", "exp": "soon"})), Fault::Claims),
        (token(&json!({"sub": "alice"})), Fault::NoExpiry),
        (token(&json!({"sub": "alice", "exp": NOW})), Fault::Expired),
        (token(&json!({"sub": "alice", "exp": (NOW + 3600) * 1000})), Fault::FarExpiry),
        (token(&json!({"sub": "alice", "exp": 1e300})), Fault::FarExpiry),
        (token(&json!({"sub": "alice", "exp": NOW + 9, "nbf": NOW + 1})), Fault::NotYet),
    ];
    for (token, expected) in cases {
        assert_eq!(fault(&trusted(SECRET), &token), expected);
    }
    let missing = Err(Fault::Missing.into());
    for none in [None, Some(&Token(""))] {
        assert_eq!(Checker::new(&trusted(SECRET), &[], None).check(none, NOW * 1000), missing);
    }
    assert_eq!(for_audience(&token(&good)), Err(Fault::Audience.into()));
}

#[test]
fn an_audience_is_checked_only_where_one_is_configured() {
    let with = |aud: Value| token(&json!({"sub": "alice", "exp": NOW + 9, "aud": aud}));
    let check = |token: &str| for_audience(token).is_ok();
    assert!(check(&with(json!("web"))) && check(&with(json!(["app", "web"]))));
    assert!(!check(&with(json!("app"))) && !check(&with(json!([]))) && !check(&with(json!(7))));
    assert!(!check(&token(&json!({"sub": "alice", "exp": NOW + 9}))));
}

#[test]
fn without_secret_and_keys_no_token_is_good() {
    let good = token(&json!({"sub": "alice", "exp": NOW + 9}));
    assert_eq!(
        check_with(&TrustedKeys::default(), &good),
        Err(Fault::NoSecretForIt.about(&head(&good).unwrap()))
    );
}

#[test]
fn an_integer_is_the_subject_of_its_decimal_text() {
    for (sub, text) in [
        (r#""7""#, "7"),
        ("7", "7"),
        ("-12", "-12"),
        ("0", "0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (r#""\u0041da""#, "Ada"),
    ] {
        let claims = format!(r#"{{"sub":{sub},"exp":{}}}"#, NOW + 9);
        assert_eq!(&*check(&raw_token(&claims)).unwrap().subject, text, "{sub}");
    }
    for sub in ["7.0", "1e1", "true", "false", "{}", "[7]", "07"] {
        let claims = format!(r#"{{"sub":{sub},"exp":{}}}"#, NOW + 9);
        assert_eq!(fault(&trusted(SECRET), &raw_token(&claims)), Fault::Claims, "{sub}");
    }
}

/// A correctly signed token with these claims, given as text.
fn raw_token(claims: &str) -> String {
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_line_break_behind_the_secret_is_as_good_as_none_and_other_slips_are_named() {
    let good = json!({"sub": "alice", "exp": NOW + 9});
    let by = |secret: &str| sign(&json!({"alg": "HS256"}), &good, secret);
    for (secret, signer) in [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret\n", "s3cret\n")] {
        assert!(check_with(&trusted(secret), &by(signer)).is_ok(), "{secret:?}");
    }
    let base64 = base64::engine::general_purpose::STANDARD.encode("s3cret?>");
    for (secret, signer, slip) in [
        ("\"s3cret\"", "s3cret", "quotes around it"),
        ("'s3cret'\n", "s3cret", "quotes around it"),
        (" s3cret", "s3cret", "white space around it"),
        ("s3cret \n", "s3cret", "white space around it"),
        ("\u{feff}s3cret", "s3cret", "white space around it"),
        (base64.as_str(), "s3cret?>", "base64"),
        ("s3cret", "s3cret\n", "a line break behind it"),
    ] {
        let Err(flaw) = check_with(&trusted(secret), &by(signer)) else { panic!("{secret:?}") };
        assert_eq!(flaw.fault, Fault::SecretSlip, "{secret:?}");
        assert!(flaw.to_string().contains(slip) && !flaw.to_string().contains("s3cret"), "{flaw}");
    }
    assert_eq!(fault(&trusted("\"\""), &by("another")), Fault::Signature);
    assert_eq!((Secret::new("\n"), Secret::new("\r\n\n")), (None, None));
}

#[test]
fn neither_secret_nor_token_is_shown() {
    assert!(!format!("{:?} {:?}", trusted(SECRET), Token(SECRET)).contains(SECRET));
    assert_eq!(Secret::new(""), None);
}

/// Members of a token's claims, valid and invalid at [`NOW`].
const MEMBERS: [&str; 26] = [
    r#""sub":"alice""#,
    r#""sub":"bob""#,
    r#""sub":7"#,
    r#""sub":"""#,
    r#""sub":null"#,
    r#""sub":1.5"#,
    r#""exp":1700000009"#,
    r#""exp":1700000009.5"#,
    r#""exp":1700000000"#,
    r#""exp":1699999999"#,
    r#""exp":1700000000000"#,
    r#""exp":"soon""#,
    r#""exp":1e400"#,
    r#""exp":null"#,
    r#""nbf":1700000001"#,
    r#""nbf":1699999999"#,
    r#""nbf":"now""#,
    r#""nbf":null"#,
    r#""aud":"web""#,
    r#""aud":["app","web"]"#,
    r#""aud":3"#,
    r#""watch":["celery/*"]"#,
    r#""watch":"celery/*""#,
    r#""watch":null"#,
    r#""iat":"today""#,
    r#""role":{"a":[1]}"#,
];

proptest! {
    #[test]
    fn an_explanation_finds_a_fault_exactly_where_a_relay_refuses(
        members in prop::collection::vec(prop::sample::select(&MEMBERS), 0..7),
        for_web: bool,
        is_ours: bool,
        alg in prop::sample::select(&["HS256", "HS256", "HS256", "none", "HS512", "RS256"]),
    ) {
        let members: Vec<&str> = [r#""sub":"alice""#, r#""exp":1700000009"#]
            .into_iter()
            .filter(|member| !members.iter().any(|other| other[..5] == member[..5]))
            .chain(members.iter().copied())
            .collect();
        let secret = if is_ours { SECRET } else { "another" };
        let header = json!({"alg": alg}).to_string();
        let token = sign_text(&header, &format!("{{{}}}", members.join(",")), secret);
        let (keys, audience) = (trusted(SECRET), for_web.then_some("web"));
        let refusal = Checker::new(&keys, &[], audience).check(Some(&Token(&token)), NOW * 1000).err();
        let findings = explain(&token, &keys, audience, NOW * 1000);
        let sound = findings.iter().all(|finding| finding.soundness == Soundness::Sound);
        prop_assert_eq!(sound, refusal.is_none(), "{:?}: {:?}", refusal, findings);
    }

    #[test]
    fn any_text_is_explained_without_harm(text in ".{0,200}") {
        let findings = explain(&text, &trusted(SECRET), None, NOW * 1000);
        prop_assert!(findings.iter().any(|finding| finding.soundness == Soundness::Faulty));
        prop_assert!(findings.iter().all(|finding| !finding.text.chars().any(char::is_control)));
    }

    #[test]
    fn no_text_is_a_token_and_none_panics(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(check(&text).is_err());
    }

    #[test]
    fn a_token_with_one_byte_changed_is_none(at in any::<prop::sample::Index>(), byte in "[A-Za-z0-9_-]") {
        let mut text = token(&json!({"sub": "alice", "exp": NOW + 9}));
        let at = at.index(text.len());
        // The last digit has unused bits, and the decoder refuses a token whose unused bits are not 0.
        prop_assume!(text[at..=at] != byte);
        text.replace_range(at..=at, &byte);
        prop_assert!(check(&text).is_err());
    }
}

//! Explanation of a token for its owner: the content of each part, and every fault. Pure.
//!
//! [`Checker`] stops at the first fault that makes a relay refuse the token. The findings here may name further faults.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::value::RawValue;

use super::fault::{Fault, Flaw, Head};
use super::grant::covers_anything;
use super::{Checker, Registered, Token, TrustedKeys, head, key, millis};
use crate::dialect::identity;
use crate::text::{printable, span};

/// Longest text of a claim in a finding, in characters.
const SHOWN: usize = 200;

/// Length of an HS256 signature, in bytes.
const HMAC_SHA256: usize = 32;

/// Claims that have a finding of their own.
const EXPLAINED: [&str; 6] = ["sub", "exp", "nbf", "iat", "aud", "watch"];

/// Result of looking at one part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Soundness {
    /// The part is as it should be.
    Sound,
    /// The part makes relays refuse the token.
    Faulty,
    /// The part could not be checked.
    Unchecked,
}

/// One finding on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Part of the token: the name of a claim or of a header field, or `signature`, `token`, `claims` or `others`.
    pub(crate) part: &'static str,
    /// Text for people; printable.
    pub(crate) text: String,
    pub(crate) soundness: Soundness,
}

impl Finding {
    fn sound(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, text: text.into(), soundness: Soundness::Sound }
    }

    fn faulty(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, text: text.into(), soundness: Soundness::Faulty }
    }

    fn unchecked(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, text: text.into(), soundness: Soundness::Unchecked }
    }
}

/// Explains a token at the time `now`, in milliseconds since the Unix epoch. The signature is checked with the keys at hand;
/// key sets are not fetched. If `audience` is given, the token's `aud` has to contain it.
pub(crate) fn explain(token: &str, keys: &TrustedKeys, audience: Option<&str>, now: u64) -> Vec<Finding> {
    let checked = Checker::new(keys, &[], audience).check(Some(&Token(token)), now);
    let fault = checked.as_ref().err().map(|flaw| flaw.fault);
    let head = match head(token) {
        Ok(_) if has_space(token) => {
            return vec![Finding::faulty("token", form(token, &Fault::NoJwt.into()))];
        }
        Ok(head) => head,
        Err(flaw) => return vec![Finding::faulty("token", form(token, &flaw))],
    };
    let mut findings = vec![algorithm(&head)];
    findings.extend(head.kid.as_deref().map(|kid| Finding::sound("kid", shown(kid))));
    let flaw = checked.err().map(|flaw| flaw.to_string()).unwrap_or_default();
    findings.push(cut_off(token, &head).unwrap_or_else(|| signature(fault, flaw, keys)));
    if let Some(fault @ (Fault::TooLong | Fault::Critical)) = fault {
        findings.push(Finding::faulty("token", fault.text()));
    }
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    findings.extend(of_claims(claims.as_deref().unwrap_or_default(), audience, now));
    // The fault that makes a relay refuse the token is added unless a finding shows a fault already. Without the right key the
    // signature stays open.
    let is_open =
        |fault: &Fault| matches!(fault, Fault::NoSecretForIt | Fault::NoKeyForIt | Fault::UnknownKey);
    if let Some(fault) = fault.filter(|fault| !is_open(fault))
        && !findings.iter().any(|finding| finding.soundness == Soundness::Faulty)
    {
        findings.push(Finding::faulty("token", fault.text()));
    }
    findings
}

/// Whether a text contains white space, which no token does.
fn has_space(token: &str) -> bool {
    token.contains(char::is_whitespace)
}

/// Explains why a text has not the form of a token, in more detail than a relay.
fn form(token: &str, flaw: &Flaw) -> String {
    let why = match (token.split('.').count(), has_space(token)) {
        (_, true) => "there is a space or a line break in it".to_owned(),
        (3, false) => "its first part is no base64url of a JSON object".to_owned(),
        (5, false) => "it has 5 parts with dots between, as an encrypted one (JWE)".to_owned(),
        (1, false) => "it has no dots, and a JWT has 3 parts with dots between".to_owned(),
        (count, false) => format!("it has {count} parts with dots between, and a JWT has 3"),
    };
    format!("{flaw}: {why}")
}

/// Finding on a signature that no key could have made, such as one that was cut off.
fn cut_off(token: &str, head: &Head) -> Option<Finding> {
    let part = token.rsplit('.').next().unwrap_or_default();
    let is_hmac = head.alg.as_deref() == Some("HS256");
    let length = match URL_SAFE_NO_PAD.decode(part) {
        Err(_) => {
            return Some(Finding::faulty("signature", "no base64url: the token was cut off or changed"));
        }
        Ok(bytes) => bytes.len(),
    };
    (is_hmac && length != HMAC_SHA256).then(|| {
        let text = format!("{length} bytes, and HS256 has {HMAC_SHA256}: the token was cut off or changed");
        Finding::faulty("signature", text)
    })
}

fn algorithm(head: &Head) -> Finding {
    match head.alg.as_deref() {
        Some(alg) if key::accepted(alg).is_some() => Finding::sound("alg", alg),
        Some(alg) => Finding::faulty("alg", format!("{}: {}", shown(alg), Fault::Algorithm.text())),
        None => Finding::faulty("alg", Fault::Algorithm.text()),
    }
}

/// Finding on the signature, from the fault that the check of the whole token found.
fn signature(fault: Option<Fault>, flaw: String, keys: &TrustedKeys) -> Finding {
    if keys.is_empty() {
        let text =
            "not checked: no secret and no key is given (--jwt-secret, SUPABASE_JWT_SECRET, --jwt-key)";
        return Finding::unchecked("signature", text);
    }
    match fault {
        Some(Fault::Signature | Fault::SecretSlip) => Finding::faulty("signature", flaw),
        Some(Fault::NoSecretForIt | Fault::NoKeyForIt | Fault::UnknownKey) => {
            Finding::unchecked("signature", format!("not checked: {flaw}"))
        }
        Some(Fault::Algorithm | Fault::TooLong | Fault::NoJwt | Fault::Header | Fault::Missing) => {
            Finding::unchecked("signature", "not checked")
        }
        _ => Finding::sound("signature", "good"),
    }
}

/// Findings on the claims. The signature of the claims may be missing or wrong.
fn of_claims(json: &[u8], audience: Option<&str>, now: u64) -> Vec<Finding> {
    let Ok(claims) = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(json) else {
        return vec![Finding::faulty("claims", "they are no JSON object")];
    };
    let claim = |name: &str| claims.get(name).map(|raw| &**raw);
    let mut findings = vec![subject(claim("sub")), expiry(claim("exp"), now)];
    findings.extend(claim("nbf").and_then(|nbf| beginning(nbf, now)));
    findings.extend(claim("iat").and_then(number).map(|iat| Finding::sound("iat", time(iat))));
    findings.extend(aud(claim("aud"), audience));
    findings.push(watch(claim("watch")));
    let others: Vec<_> = claims.keys().filter(|name| !EXPLAINED.contains(&name.as_str())).collect();
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|name| shown(name)).collect();
        findings.push(Finding::sound("others", format!("{}, which no relay reads", names.join(", "))));
    }
    // The relay's own reading of the claims finds further faults, such as a claim that stands there twice.
    let refused = serde_json::from_slice::<Registered>(json).map_err(|_| Fault::Claims);
    if let Err(fault) = refused.and_then(|claims| claims.at(now))
        && !findings.iter().any(|finding| finding.soundness == Soundness::Faulty)
    {
        findings.push(Finding::faulty("claims", fault.text()));
    }
    findings
}

fn subject(sub: Option<&RawValue>) -> Finding {
    match sub.map(|sub| (sub.get(), identity(sub))) {
        None | Some(("null", _)) => Finding::faulty("sub", "missing: the token is nobody's"),
        Some((_, Some(subject))) if subject.is_empty() => {
            Finding::faulty("sub", "empty: the token is nobody's")
        }
        Some((_, Some(subject))) => Finding::sound("sub", shown(&subject)),
        Some((raw, None)) => {
            Finding::faulty("sub", format!("{}: it has to be a text or an integer", shown(raw)))
        }
    }
}

fn expiry(exp: Option<&RawValue>, now: u64) -> Finding {
    let Some(exp) = exp.filter(|exp| exp.get() != "null") else {
        return Finding::faulty("exp", "missing: a token has to expire");
    };
    let Some(seconds) = number(exp) else {
        return Finding::faulty("exp", format!("{}: it has to be a number of seconds", shown(exp.get())));
    };
    let left = seconds - as_seconds(now);
    if millis(seconds) <= now {
        Finding::faulty("exp", format!("{}: expired {} ago", time(seconds), span(-left)))
    } else if millis(seconds) - now > super::FARTHEST {
        Finding::faulty("exp", "over 10,000 years away: seconds are wanted, and this may be milliseconds")
    } else {
        Finding::sound("exp", format!("{}, in {}", time(seconds), span(left)))
    }
}

fn beginning(nbf: &RawValue, now: u64) -> Option<Finding> {
    if nbf.get() == "null" {
        return None;
    }
    Some(match number(nbf) {
        None => Finding::faulty("nbf", format!("{}: it has to be a number of seconds", shown(nbf.get()))),
        Some(seconds) if now < millis(seconds) => {
            let text =
                format!("{}: the token is good only in {}", time(seconds), span(seconds - as_seconds(now)));
            Finding::faulty("nbf", text)
        }
        Some(seconds) => Finding::sound("nbf", time(seconds)),
    })
}

fn aud(aud: Option<&RawValue>, wanted: Option<&str>) -> Option<Finding> {
    let texts = |aud: &RawValue| {
        let one = serde_json::from_str::<String>(aud.get()).map(|one| vec![one]);
        one.or_else(|_| serde_json::from_str::<Vec<String>>(aud.get())).ok()
    };
    let has = |wanted: &str| aud.and_then(texts).is_some_and(|all| all.iter().any(|one| one == wanted));
    let text = aud.map_or_else(|| "missing".to_owned(), |aud| shown(aud.get()));
    match wanted {
        Some(wanted) if !has(wanted) => {
            Some(Finding::faulty("aud", format!("{text}: --jwt-audience wants {}", shown(wanted))))
        }
        _ => aud.map(|_| Finding::sound("aud", text)),
    }
}

fn watch(watch: Option<&RawValue>) -> Finding {
    let Some(watch) = watch else {
        return Finding::sound("watch", "not restricted: all that its sub may see");
    };
    let Ok(patterns) = serde_json::from_str::<Vec<String>>(watch.get()) else {
        return Finding::faulty("watch", format!("{}: it has to be a list of texts", shown(watch.get())));
    };
    let described = patterns.iter().map(|pattern| {
        let shown = shown(pattern);
        if covers_anything(pattern) { shown } else { format!("'{shown}' (covers nothing)") }
    });
    match patterns.len() {
        0 => Finding::sound("watch", "an empty list: nothing"),
        _ => Finding::sound("watch", format!("only {}", described.collect::<Vec<_>>().join(", "))),
    }
}

fn number(raw: &RawValue) -> Option<f64> {
    serde_json::from_str(raw.get()).ok()
}

#[expect(clippy::cast_precision_loss, reason = "times of today are far below 2^53 ms")]
fn as_seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// A time in UTC, to the second.
fn time(seconds: f64) -> String {
    let millis = i64::try_from(millis(seconds)).unwrap_or(i64::MAX);
    let whole = Timestamp::from_millisecond(millis).and_then(|time| Timestamp::from_second(time.as_second()));
    whole.map_or_else(|_| format!("{seconds} s"), |time| time.to_string())
}

/// Text from a token, made printable and cut to [`SHOWN`] characters.
fn shown(text: &str) -> String {
    let safe = printable(text);
    match safe.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &safe[..at]),
        None => safe.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::jwt::Secret;

    /// Current time of all tests, in seconds since the Unix epoch.
    const NOW: u64 = 1_700_000_000;

    fn keys(secret: &str) -> TrustedKeys {
        TrustedKeys { secret: Secret::new(secret), ..TrustedKeys::default() }
    }

    fn signed(claims: &Value) -> String {
        let claims: Map<String, Value> = claims.as_object().unwrap().clone();
        Secret::new("s3cret\n").unwrap().sign(&claims).unwrap()
    }

    /// All findings as one text. Faulty findings begin with `!`, unchecked findings with `?`.
    fn told(token: &str, keys: &TrustedKeys, audience: Option<&str>) -> String {
        let mark = |finding: &Finding| match finding.soundness {
            Soundness::Sound => "",
            Soundness::Faulty => "!",
            Soundness::Unchecked => "?",
        };
        let lines = explain(token, keys, audience, NOW * 1000);
        let mut text = String::new();
        for line in &lines {
            let _ = writeln!(text, "{}{} {}", mark(line), line.part, line.text);
        }
        text
    }

    #[test]
    fn a_good_token_is_good_throughout() {
        let token = signed(
            &json!({"sub": "alice", "exp": NOW + 3600, "iat": NOW, "watch": ["celery/*"], "role": "x"}),
        );
        assert_eq!(
            told(&token, &keys("s3cret"), None),
            "alg HS256\nsignature good\nsub alice\nexp 2023-11-14T23:13:20Z, in 60 minutes\n\
             iat 2023-11-14T22:13:20Z\nwatch only celery/*\nothers role, which no relay reads\n"
        );
        assert!(told(&token, &TrustedKeys::default(), None).contains("?signature not checked"));
        assert!(
            told(&token, &keys("another"), None).contains("!signature the token was signed with another")
        );
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_at_once() {
        let token = signed(
            &json!({"sub": true, "exp": NOW - 300, "nbf": NOW + 30, "watch": "celery/*", "aud": ["app"]}),
        );
        let told = told(&token, &keys("another"), Some("web"));
        for line in [
            "!signature the token was signed with another secret or key",
            "!sub true: it has to be a text or an integer",
            "!exp 2023-11-14T22:08:20Z: expired 5 minutes ago",
            "!nbf 2023-11-14T22:13:50Z: the token is good only in 30 s",
            "!aud [\"app\"]: --jwt-audience wants web",
            "!watch \"celery/*\": it has to be a list of texts",
        ] {
            assert!(told.contains(line), "{line:?} is not in {told}");
        }
    }

    #[test]
    fn what_is_no_token_and_what_is_missing_is_told() {
        for (none, why) in [
            ("", "no dots"),
            ("garbage", "no dots"),
            ("a.b", "2 parts"),
            ("a.b.c", "first part"),
            ("..", "first part"),
            ("é.é.é", "first part"),
            ("a.b.c.d", "4 parts"),
            ("a.b.c.d.e", "JWE"),
            ("a.b c.d", "a space"),
        ] {
            let told = told(none, &keys("s3cret"), None);
            assert!(told.starts_with("!token ") && told.contains(why), "{none}: {told}");
        }
        let bare = told(&signed(&json!({})), &keys("s3cret"), None);
        assert!(bare.contains("!sub missing") && bare.contains("!exp missing"), "{bare}");
        let millis = told(&signed(&json!({"sub": "", "exp": NOW * 1000})), &keys("s3cret"), None);
        assert!(millis.contains("!sub empty") && millis.contains("!exp over 10,000 years"), "{millis}");
        let list =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode("[]"));
        let list = told(&list, &keys("s3cret"), None);
        assert!(list.contains("!alg none: ") && list.contains("?signature not checked\n!claims"), "{list}");
    }

    #[test]
    fn a_token_without_all_of_its_signature_is_faulty_whatever_keys_there_are() {
        let token = signed(&json!({"sub": "alice", "exp": NOW + 3600}));
        for keys in [keys("s3cret"), TrustedKeys::default()] {
            for missing in 1..=43 {
                let told = told(&token[..token.len() - missing], &keys, None);
                assert!(told.contains("!signature "), "{missing}: {told}");
            }
        }
        let torn = told(&token.replace('.', ".\n"), &keys("s3cret"), None);
        assert!(torn.starts_with("!token ") && torn.contains("a line break"), "{torn}");
        // A token that the check refuses has at least one faulty finding.
        let padded = told(&format!("{token}="), &keys("s3cret"), None);
        assert!(padded.contains("!signature no base64url"), "{padded}");
    }

    #[test]
    fn a_stranger_s_words_are_made_safe() {
        let token = signed(&json!({"sub": "a\u{1b}[31m\u{202e}b", "exp": NOW + 9, "watch": ["celery"]}));
        let told = told(&token, &keys("s3cret"), None);
        assert!(told.contains("sub ab\n") && told.contains("watch only 'celery' (covers nothing)"), "{told}");
    }
}

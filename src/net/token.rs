//! Tokens (JWT) as users paste them: removes what does not belong to the token, and remarks on its content.
//!
//! Tokens are not verified here.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use crate::text::span;

/// Characters of a token's own words that are shown.
const SHOWN: usize = 40;

/// The token in a text: without white space, a byte order mark or quotes around it, and without the word `Bearer`, none of
/// which any token has.
pub(crate) fn bare(text: &str) -> &str {
    let mut text = text;
    loop {
        let before = text;
        text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}');
        text = ['"', '\'']
            .iter()
            .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
            .unwrap_or(text);
        if let Some((word, rest)) = text.split_once(char::is_whitespace)
            && word.trim_end_matches(':').eq_ignore_ascii_case("bearer")
        {
            text = rest;
        }
        if text == before {
            return text;
        }
    }
}

/// The subject that a token claims, unverified; an integer as its decimal text.
pub(crate) fn subject(token: &str) -> Option<String> {
    match part::<Claims>(token.split('.').nth(1)?)?.sub? {
        Value::String(text) => Some(text),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

/// Remarks on a token for the user who gave it, such as reasons why a server may refuse it. They repeat neither the
/// token nor its claims, except for times.
pub(crate) fn remarks(token: &str) -> Vec<String> {
    remarks_at(token, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Claims {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    watch: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Head {
    alg: Option<String>,
    kid: Option<String>,
}

fn remarks_at(token: &str, now: f64) -> Vec<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, _] = parts[..] else {
        return vec!["is no JWT, which has three parts with dots between them".to_owned()];
    };
    let (Some(head), Some(claims)) = (part::<Head>(head), part::<Claims>(claims)) else {
        return vec!["is no JWT: its header or its claims cannot be read".to_owned()];
    };
    let mut remarks = vec![signature(&head)];
    remarks.extend(times(&claims, now));
    match claims.sub {
        None | Some(Value::Null) => remarks.push("has no sub".to_owned()),
        Some(Value::String(text)) if text.is_empty() => remarks.push("has an empty sub".to_owned()),
        Some(Value::String(_)) => {}
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {}
        Some(_) => remarks.push("has a sub that is neither text nor an integer".to_owned()),
    }
    if claims.watch.is_some() {
        remarks.push("is restricted by its claim watch".to_owned());
    }
    remarks
}

fn signature(head: &Head) -> String {
    let short = |text: &str| text.chars().take(SHOWN).collect::<String>().escape_debug().to_string();
    let alg = head.alg.as_deref().map_or_else(|| "no algorithm".to_owned(), short);
    match &head.kid {
        Some(kid) => format!("is signed with {alg} by the key '{}'", short(kid)),
        None => format!("is signed with {alg}"),
    }
}

/// Remarks on the claims `exp` and `nbf`; `now` is in seconds since 1970.
fn times(claims: &Claims, now: f64) -> Vec<String> {
    let mut remarks = Vec::new();
    match claims.exp.as_ref().map(Value::as_f64) {
        None => remarks.push("has no exp".to_owned()),
        Some(None) => remarks.push("has an exp that is no number".to_owned()),
        Some(Some(exp)) if exp <= now => remarks.push(format!("expired {} ago", span(now - exp))),
        Some(Some(exp)) if exp > 1e11 => {
            remarks.push("has an exp in milliseconds, and seconds are wanted".to_owned());
        }
        Some(Some(_)) => {}
    }
    if let Some(nbf) = claims.nbf.as_ref().and_then(Value::as_f64).filter(|nbf| *nbf > now) {
        remarks.push(format!("is good only in {} (nbf)", span(nbf - now)));
    }
    remarks
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_token_is_taken_off() {
        let mark = "\u{feff}a.b.c\r\n";
        for text in [
            "a.b.c",
            " a.b.c\n",
            "Bearer a.b.c",
            "bearer  a.b.c",
            "\"a.b.c\"",
            "'Bearer a.b.c'",
            mark,
            "Bearer: a.b.c",
        ] {
            assert_eq!(bare(text), "a.b.c", "{text:?}");
        }
        assert_eq!((bare("Bearer"), bare(""), bare("Basic a"), bare("\"")), ("Bearer", "", "Basic a", "\""));
    }

    #[test]
    fn a_token_s_bearer_is_told_why_it_may_be_refused() {
        let token = |head: &str, claims: &str| {
            format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims))
        };
        let es = r#"{"alg":"ES256","kid":"abc"}"#;
        let said = |claims: &str| remarks_at(&token(es, claims), 1_000_000.0)[1..].join("; ");
        assert_eq!(remarks_at(&token(es, "{}"), 0.0)[0], "is signed with ES256 by the key 'abc'");
        assert_eq!(remarks_at(&token(r#"{"alg":"HS256"}"#, "{}"), 0.0)[0], "is signed with HS256");
        assert_eq!(said(r#"{"sub":"ada","exp":1000060}"#), "");
        assert_eq!(said(r#"{"sub":7,"exp":999700}"#), "expired 5 minutes ago");
        assert_eq!(
            said(r#"{"exp":"x","sub":true}"#),
            "has an exp that is no number; has a sub that is neither text nor an integer"
        );
        assert_eq!(
            said(r#"{"sub":"","exp":1000060000000}"#),
            "has an exp in milliseconds, and seconds are wanted; has an empty sub"
        );
        assert_eq!(
            said(r#"{"sub":"a","exp":2000000,"nbf":1000030,"watch":[]}"#),
            "is good only in 30 s (nbf); is restricted by its claim watch"
        );
        assert_eq!(said("{}"), "has no exp; has no sub");
        for none in ["", "abc", "a.b", "a.b.c", "a.b.c.d"] {
            assert!(remarks_at(none, 0.0)[0].starts_with("is no JWT"), "{none}");
        }
        let escaped = remarks_at(&token(r#"{"alg":"\u001b[31m"}"#, "{}"), 0.0);
        assert!(escaped[0].contains("\\u{1b}"), "{escaped:?}");
    }
}

//! Subprotocols that a client offers (RFC 6455, 11.3.4): one of them is chosen, and one may be a token.
//!
//! Browsers and most libraries drop a connection for which none of those that they offered was chosen. A page's socket can
//! send no header of its own, and a token in a URL ends up in logs; in this list it does not.

use axum::http::{HeaderMap, HeaderValue, header};

/// The messages as everybody gets them. Chosen wherever it is offered, unless [`MESSAGE_PACK`] is.
const JSON: &[u8] = b"jobwire.json";

/// Binary messages, each the MessagePack of what the text would have been. Chosen before [`JSON`].
const MESSAGE_PACK: &[u8] = b"jobwire.msgpack";

/// Begins a subprotocol that is a token.
const TOKEN: &[u8] = b"jobwire.token.";

/// The offers in their order. What can be no subprotocol's name is passed over: it must not make a connection fail that
/// would be accepted without it.
fn offers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|offer| is_name(offer))
}

/// The subprotocol to answer with, if one was offered that can be: ours, else the first that is no token, else a token.
pub(super) fn choose(headers: &HeaderMap) -> Option<HeaderValue> {
    let chosen = offers(headers)
        .find(|offer| *offer == MESSAGE_PACK)
        .or_else(|| offers(headers).find(|offer| *offer == JSON))
        .or_else(|| offers(headers).find(|offer| !offer.starts_with(TOKEN)))
        .or_else(|| offers(headers).next())?;
    let mut value = HeaderValue::from_bytes(chosen).ok()?;
    value.set_sensitive(chosen.starts_with(TOKEN));
    Some(value)
}

/// Whether the subprotocol that is chosen is that of MessagePack.
pub(super) fn is_messagepack(headers: &HeaderMap) -> bool {
    offers(headers).any(|offer| offer == MESSAGE_PACK)
}

/// The token among the offers: the first one counts.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let token = offers(headers).find_map(|offer| offer.strip_prefix(TOKEN))?;
    std::str::from_utf8(token).ok()
}

/// Whether it is a `token` of HTTP (RFC 9110, 5.6.2), or nearly: some sign with base64's padding.
fn is_name(offer: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~=".contains(byte);
    !offer.is_empty() && offer.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let value =
            |line: &&str| (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        lines.iter().map(value).collect()
    }

    fn chosen(lines: &[&str]) -> Option<String> {
        choose(&headers(lines)).map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn ours_is_chosen_else_the_first_that_is_no_token_else_the_token() {
        for (lines, wanted) in [
            (&["jobwire.json"][..], Some("jobwire.json")),
            (&["chat, jobwire.json"], Some("jobwire.json")),
            (&["chat", "jobwire.json"], Some("jobwire.json")),
            (&["jobwire.token.a.b.c, jobwire.json"], Some("jobwire.json")),
            (&["jobwire.token.a.b.c,superchat,chat"], Some("superchat")),
            (&["jobwire.msgpack, jobwire.json"], Some("jobwire.msgpack")),
            (&["jobwire.json", "jobwire.msgpack"], Some("jobwire.msgpack")),
            (&["jobwire.msgpack, chat"], Some("jobwire.msgpack")),
            (&["jobwire.token.a.b.c", "jobwire.msgpack"], Some("jobwire.msgpack")),
            (&["jobwire.token.a.b.c"], Some("jobwire.token.a.b.c")),
            (&["JOBWIRE.JSON"], Some("JOBWIRE.JSON")),
            (&["a=", "b"], Some("a=")),
        ] {
            assert_eq!(chosen(lines).as_deref(), wanted, "{lines:?}");
        }
    }

    #[test]
    fn odd_spacing_and_garbage_are_passed_over() {
        for lines in
            [&["  ,\t, chat ,,"][..], &["", "chat"], &["a b, \"q\", ch{at, chat"], &["caf\u{e9}", "chat"]]
        {
            assert_eq!(chosen(lines).as_deref(), Some("chat"), "{lines:?}");
        }
        for lines in [&[""][..], &[",", " "], &["a b"], &["\u{e9}"], &[]] {
            assert_eq!(chosen(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn the_first_token_counts_and_it_is_not_shown() {
        assert_eq!(token(&headers(&["chat", "x, jobwire.token.a.b-_c , jobwire.token.d"])), Some("a.b-_c"));
        assert_eq!(token(&headers(&["jobwire.token."])), Some(""));
        assert_eq!(token(&headers(&["jobwire.json, jobwire.tokens.a"])), None);
        let answer = choose(&headers(&["jobwire.token.secret"])).unwrap();
        assert!(!format!("{answer:?}").contains("secret"));
    }
}

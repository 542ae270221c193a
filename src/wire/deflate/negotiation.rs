//! The header `Sec-WebSocket-Extensions` as far as permessage-deflate goes (RFC 6455, 9.1; RFC 7692, 5 and 7.1).

use std::borrow::Cow;
use std::mem;

use super::WINDOW_BITS;

/// What a client of ours sends as `Sec-WebSocket-Extensions`.
pub(crate) const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

const ACCEPTED: &str = OFFER;
/// An offer that limits the window is accepted by naming ours (RFC 7692, 7.1.2.1).
const ACCEPTED_WITH_WINDOW: &str =
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12";

const NAME: &[u8] = b"permessage-deflate";
/// Windows that the RFC knows, base-2 logarithms of bytes.
const WINDOWS: [&[u8]; 8] = [b"8", b"9", b"10", b"11", b"12", b"13", b"14", b"15"];

/// An answer that a server may not give to [`OFFER`]; the connection must be failed (RFC 6455, 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OddAnswer {
    /// An extension that was not offered.
    #[error("the server chose an extension that was not offered")]
    Extension,
    /// permessage-deflate more than once.
    #[error("the server chose permessage-deflate twice")]
    Twice,
    /// A parameter that is unknown, repeated, not offered, or has an impossible value.
    #[error("the server's permessage-deflate has an impossible parameter")]
    Parameter,
    /// The server would keep its context from message to message, though asked not to.
    #[error("the server did not agree to server_no_context_takeover")]
    ContextTakeover,
}

/// The server's side: the value of the answer's `Sec-WebSocket-Extensions` for a request with these lines of it, for the
/// first offer that can be accepted; `None` to answer without.
///
/// Other extensions, and offers that are malformed or cannot be met, are passed over.
pub(crate) fn accept<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Option<&'static str> {
    lines.into_iter().flat_map(elements).find_map(|offer| {
        let offer = Parameters::read(offer)?.ok()?;
        match offer.server_window {
            None => Some(ACCEPTED),
            Some(bits) if bits >= WINDOW_BITS => Some(ACCEPTED_WITH_WINDOW),
            Some(_) => None,
        }
    })
}

/// The client's side: whether a server that answered with these lines of `Sec-WebSocket-Extensions` to [`OFFER`] deflates.
pub(crate) fn check_answer<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<bool, OddAnswer> {
    let mut deflates = false;
    for element in lines.into_iter().flat_map(elements) {
        let answer = Parameters::read(element).ok_or(OddAnswer::Extension)??;
        if mem::replace(&mut deflates, true) {
            return Err(OddAnswer::Twice);
        }
        // Only an offer that has it may be answered with it (RFC 7692, 7.1.2.2).
        if answer.has_client_window {
            return Err(OddAnswer::Parameter);
        }
        if !answer.server_no_context_takeover {
            return Err(OddAnswer::ContextTakeover);
        }
    }
    Ok(deflates)
}

/// Parameters of permessage-deflate, each at most once.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_window: Option<u8>,
    has_client_window: bool,
}

impl Parameters {
    /// Reads one extension of the list; `None` if it is another extension.
    fn read(extension: &[u8]) -> Option<Result<Self, OddAnswer>> {
        let mut parts = split(extension, b';');
        if parts.next() != Some(NAME) {
            return None;
        }
        let mut found = Self::default();
        Some(parts.all(|part| found.take(part)).then_some(found).ok_or(OddAnswer::Parameter))
    }

    /// Notes a parameter; `false` if it is unknown, repeated or has an impossible value (RFC 7692, 7.1).
    fn take(&mut self, parameter: &[u8]) -> bool {
        let mut halves = parameter.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let value = halves.next().map(|value| unquoted(value.trim_ascii()));
        let bits = value.as_deref().and_then(window);
        match name {
            b"server_no_context_takeover" => {
                value.is_none() && !mem::replace(&mut self.server_no_context_takeover, true)
            }
            b"client_no_context_takeover" => {
                value.is_none() && !mem::replace(&mut self.client_no_context_takeover, true)
            }
            b"server_max_window_bits" => {
                bits.is_some() && mem::replace(&mut self.server_window, bits).is_none()
            }
            // A client says without a value that it knows the parameter; it then has the largest window.
            b"client_max_window_bits" => {
                value.is_some() == bits.is_some() && !mem::replace(&mut self.has_client_window, true)
            }
            _ => false,
        }
    }
}

fn window(value: &[u8]) -> Option<u8> {
    let nth = WINDOWS.iter().position(|known| *known == value)?;
    u8::try_from(nth + 8).ok()
}

/// Extensions of a line. Empty elements of a list do not count (RFC 9110, 5.6.1).
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    split(line, b',').filter(|element| !element.is_empty())
}

/// Parts between separators that are not inside quotes, without the spaces around them.
fn split(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = list.split(move |byte| {
        let is_literal = mem::take(&mut escaped);
        match byte {
            _ if is_literal => {}
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => return !quoted && *byte == separator,
        }
        false
    });
    parts.map(<[u8]>::trim_ascii)
}

/// A parameter's value without its quotes and their escapes; one that is not quoted to its end stays as it is.
fn unquoted(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return Cow::Borrowed(value);
    };
    let mut is_escaped = false;
    let kept = inner.iter().filter(|byte| {
        is_escaped = **byte == b'\\' && !is_escaped;
        !is_escaped
    });
    Cow::Owned(kept.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(lines: &[&str]) -> Option<&'static str> {
        accept(lines.iter().map(|line| line.as_bytes()))
    }

    #[test]
    fn offers_that_can_be_met_are_accepted() {
        for offer in [
            "permessage-deflate",
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate;client_max_window_bits=8",
            "permessage-deflate ;\t client_max_window_bits = \"15\" ",
            "permessage-deflate; client_max_window_bits=\"1\\0\"",
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            "x-webkit-deflate-frame, permessage-deflate",
            "foo; bar=\"a, permessage-deflate; b\\\", permessage-deflate\", , ,permessage-deflate,",
            "permessage-deflate; server_max_window_bits=8, permessage-deflate",
            "permessage-deflate; unknown, permessage-deflate; client_max_window_bits, other",
            OFFER,
        ] {
            assert_eq!(accepted(&[offer]), Some(ACCEPTED), "{offer}");
        }
        assert_eq!(accepted(&["foo", "", "permessage-deflate"]), Some(ACCEPTED));
    }

    #[test]
    fn an_offer_that_limits_our_window_is_answered_with_it_or_declined() {
        for bits in 8..=15 {
            let offer = format!("permessage-deflate; client_max_window_bits; server_max_window_bits={bits}");
            let expected = (bits >= WINDOW_BITS).then_some(ACCEPTED_WITH_WINDOW);
            assert_eq!(accepted(&[&offer]), expected, "{offer}");
        }
        assert!(ACCEPTED_WITH_WINDOW.ends_with(&format!("={WINDOW_BITS}")));
    }

    #[test]
    fn odd_offers_are_done_without() {
        for offer in [
            "",
            ",",
            ";",
            "\"permessage-deflate",
            "\"permessage-deflate\"",
            "Permessage-Deflate-2",
            "x-webkit-deflate-frame",
            "permessage-deflate; ",
            "permessage-deflate;;client_max_window_bits",
            "permessage-deflate; unknown",
            "permessage-deflate; =",
            "permessage-deflate; client_max_window_bits=",
            "permessage-deflate; client_max_window_bits=0",
            "permessage-deflate; client_max_window_bits=7",
            "permessage-deflate; client_max_window_bits=16",
            "permessage-deflate; client_max_window_bits=015",
            "permessage-deflate; client_max_window_bits=+9",
            "permessage-deflate; client_max_window_bits=99999999999999999999",
            "permessage-deflate; client_max_window_bits=\"15",
            "permessage-deflate; client_max_window_bits; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10; client_max_window_bits",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover=\"\"",
            "permessage-deflate client_max_window_bits",
        ] {
            assert_eq!(accepted(&[offer]), None, "{offer}");
        }
        assert_eq!(accepted(&[]), None);
        assert_eq!(accept([&b"\xff\x00;\xfe=\"\\"[..]]), None);
        // Headers may not be cut inside an element.
        assert_eq!(accepted(&["permessage-deflate; client_max_window_bits=\"", "15\""]), None);
    }

    #[test]
    fn answers_of_servers_are_checked_against_the_offer() {
        let table: [(&[&str], Result<bool, OddAnswer>); 12] = [
            (&[], Ok(false)),
            (&[" , "], Ok(false)),
            (&[ACCEPTED], Ok(true)),
            (&[ACCEPTED_WITH_WINDOW], Ok(true)),
            (&["permessage-deflate;server_no_context_takeover"], Ok(true)),
            (&["permessage-deflate"], Err(OddAnswer::ContextTakeover)),
            (&["x-webkit-deflate-frame"], Err(OddAnswer::Extension)),
            (&[ACCEPTED, "foo"], Err(OddAnswer::Extension)),
            (&[ACCEPTED, ACCEPTED], Err(OddAnswer::Twice)),
            (&[&format!("{ACCEPTED}; client_max_window_bits=12")], Err(OddAnswer::Parameter)),
            (&[&format!("{ACCEPTED}; server_max_window_bits=7")], Err(OddAnswer::Parameter)),
            (&[&format!("{ACCEPTED}; server_no_context_takeover")], Err(OddAnswer::Parameter)),
        ];
        for (lines, expected) in table {
            assert_eq!(check_answer(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
        }
    }
}

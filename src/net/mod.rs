//! The client's side of the network: streams, HTTP requests, WebSockets, and how long to wait before trying again.
//!
//! Every error says which of the usual things went wrong, because "could not connect" helps nobody; and none of them
//! carries a path, a query or a user's name, since those may hold a token.

pub(crate) mod answer;
pub(crate) mod backoff;
pub(crate) mod http;
pub(crate) mod offer;
pub(crate) mod publish_key;
pub(crate) mod seldom;
pub(crate) mod shutdown;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod token;
pub(crate) mod token_source;
pub(crate) mod websocket;

use std::io;
use std::time::{Duration, SystemTime};

use url::{Host, Url};

use self::answer::Redirect;
use self::tls::TlsProblem;
use crate::text::printable;

/// Name of this machine; `localhost` where the system gives none.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// What went wrong between this process and a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The URL names no host, or a scheme that is not spoken here.
    #[error("cannot connect to {address}: {reason}")]
    Url {
        /// Scheme and host as far as there are any.
        address: String,
        /// What is missing or unknown.
        reason: &'static str,
    },
    /// The host's name means nothing.
    #[error("could not resolve the name '{host}': {reason}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// The host is there and nobody listens on the port.
    #[error("nothing listens at {address}")]
    Refused {
        /// Host and port.
        address: String,
    },
    /// The system could not reach it: no route, no descriptors left, and so on.
    #[error("could not reach {address}: {reason}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// No connection or no answer in time.
    #[error("no answer from {address} within {} s", .after.as_secs_f64())]
    TimedOut {
        /// Host and port.
        address: String,
        /// How long it was given.
        after: Duration,
    },
    /// The TLS handshake failed: a certificate, or a server that speaks no TLS there.
    #[error("no TLS with {address}: {problem}")]
    Tls {
        /// Host and port.
        address: String,
        /// Cause of the failure.
        problem: TlsProblem,
    },
    /// The server does not speak HTTP.
    #[error("the server at {address} does not speak HTTP: {reason}")]
    NotHttp {
        /// Host and port.
        address: String,
        /// What it did instead.
        reason: String,
    },
    /// The server refused a request, or an upgrade to a WebSocket, with an HTTP status.
    #[error("the server at {address} answered {status}{}", .message.as_ref().map(|m| format!(": {m}")).unwrap_or_default())]
    Status {
        /// Host and port.
        address: String,
        /// The HTTP status.
        status: u16,
        /// `error` of a JSON body.
        code: Option<String>,
        /// `message` of a JSON body.
        message: Option<String>,
        /// Target of a redirect.
        redirect: Option<Box<Redirect>>,
        /// Wait before the next request that the server asks for with `Retry-After`, at most 5 minutes.
        retry_after: Option<Duration>,
    },
    /// The answer is over the limit.
    #[error("the answer of {address} has over {limit} bytes")]
    TooBig {
        /// Host and port.
        address: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection was there and is gone.
    #[error("lost the connection to {address}: {reason}")]
    Closed {
        /// Host and port.
        address: String,
        /// Why, as far as known.
        reason: String,
    },
}

/// Host and port of a URL, for people: never its path, query or user.
pub(crate) fn address(url: &Url) -> String {
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => format!("{}:", url.scheme()),
    }
}

/// The header that logs in with the user and password of a URL, where it has any: Basic, percent-decoded.
pub(crate) fn login(url: &Url) -> Option<String> {
    use base64::Engine as _;
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut login: Vec<u8> = percent_encoding::percent_decode_str(url.username()).collect();
    login.push(b':');
    login.extend(percent_encoding::percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(login)))
}

/// Whether a URL of this scheme is spoken over TLS.
fn is_secure(url: &Url) -> bool {
    matches!(url.scheme(), "wss" | "https")
}

/// Whether a URL names this machine by a loopback address or as `localhost`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The socket URL of a path on a server that is given as a ws, wss, http or https URL. A path of the server's own is
/// put in front, so that a relay behind a proxy's prefix works; its query is kept.
pub(crate) fn socket_url(server: &Url, path: &str) -> Url {
    rebased(server, if is_secure(server) { "wss" } else { "ws" }, path)
}

/// As [`socket_url`], for a plain request.
pub(crate) fn http_url(server: &Url, path: &str) -> Url {
    rebased(server, if is_secure(server) { "https" } else { "http" }, path)
}

fn rebased(server: &Url, scheme: &str, path: &str) -> Url {
    let mut url = server.clone();
    // Any of the four schemes may be set on a URL of another; for all else the URL stays what it was and connecting
    // says that its scheme is not spoken.
    let _ = url.set_scheme(scheme);
    url.set_path(&format!("{}{path}", server.path().trim_end_matches('/')));
    url.set_fragment(None);
    url
}

/// What the system said, without the number behind it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" (os error").map_or(text.as_str(), |(before, _)| before);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// An answer of HTTP as an error; `header` finds the value of a header by its name in small letters.
pub(crate) fn refusal<'a>(
    url: &Url,
    status: u16,
    header: impl Fn(&'static str) -> Option<&'a str>,
    body: &[u8],
) -> NetError {
    let redirects = (300..400).contains(&status);
    let waits = matches!(status, 429 | 503);
    let (code, message) = words_of(body);
    NetError::Status {
        address: address(url),
        status,
        code,
        message,
        redirect: header("location").filter(|_| redirects).and_then(|to| Redirect::of(url, to)).map(Box::new),
        retry_after: header("retry-after")
            .filter(|_| waits)
            .and_then(|after| answer::retry_after(after, SystemTime::now())),
    }
}

/// Finds the value of a header as text.
fn header_of<'a>(headers: &'a hyper::HeaderMap) -> impl Fn(&'static str) -> Option<&'a str> {
    move |name| headers.get(name).and_then(|value| value.to_str().ok())
}

/// `error` and `message` of an error body as every dialect's HTTP errors have them, or the `detail` that others have for a
/// message; printable, and at most 200 characters each.
fn words_of(body: &[u8]) -> (Option<String>, Option<String>) {
    #[derive(Default, serde::Deserialize)]
    struct Body {
        error: Option<serde_json::Value>,
        message: Option<serde_json::Value>,
        detail: Option<serde_json::Value>,
    }
    let Body { error, message, detail } = serde_json::from_slice(body).unwrap_or_default();
    let words = |value: Option<serde_json::Value>| {
        let text: String = printable(value?.as_str()?).chars().take(200).collect();
        (!text.is_empty()).then_some(text)
    };
    (words(error), words(message).or_else(|| words(detail)))
}

#[cfg(test)]
mod tests;

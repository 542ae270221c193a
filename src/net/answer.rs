//! An HTTP answer where something else was hoped for: its status in words, where it points to, and when to come again.

use std::fmt;
use std::time::{Duration, SystemTime};

use url::Url;

use super::{NetError, address, is_secure};

/// The longest wait that a server can ask for with Retry-After.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// Target of a redirect. Clients do not follow it, since the token would go to the new server too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// URL of the WebSocket at the target, without user, password and query, which may be secrets.
    socket: String,
    /// URL of the target's server, for `--server`; `None` if the redirect changes the path behind it.
    server: Option<String>,
    shown: String,
}

impl Redirect {
    /// Reads the header `Location` of an answer to `url`. `None` if the target has no host, or a scheme other than
    /// http, https, ws and wss.
    pub fn of(url: &Url, location: &str) -> Option<Self> {
        let base = super::http_url(url, "");
        let mut base_path = base.clone();
        base_path.set_path(url.path());
        let to = base_path.join(location.trim()).ok()?;
        to.host_str()?;
        if !matches!(to.scheme(), "http" | "https" | "ws" | "wss") {
            return None;
        }
        let scheme = if is_secure(&to) { "wss" } else { "ws" };
        let host = authority(&to);
        let prefix = to.path().strip_suffix(url.path()).map(|prefix| prefix.trim_end_matches('/'));
        Some(Self {
            socket: format!("{scheme}://{host}{}", to.path()),
            server: prefix.map(|prefix| format!("{scheme}://{host}{prefix}")),
            shown: format!("{}://{host}{}", to.scheme(), to.path()),
        })
    }

    /// Hint for the user that names the target.
    pub fn hint(&self) -> String {
        let Self { socket, server, .. } = self;
        match server {
            Some(server) => {
                format!("redirects are not followed; connect to {socket}, or name --server {server}")
            }
            None => format!("redirects are not followed; connect to {socket}"),
        }
    }
}

impl fmt::Display for Redirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Host and port of a URL as they stand in one, the port only where it is not the scheme's own.
fn authority(url: &Url) -> String {
    match url.port() {
        Some(_) => address(url),
        None => url.host_str().unwrap_or_default().to_owned(),
    }
}

/// The wait that the header `Retry-After` asks for, in seconds or as a date, [`LONGEST_WAIT`] at most.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let at = httpdate::parse_http_date(value).ok()?;
        at.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_WAIT))
}

/// An answer that opened no WebSocket, in words, and what there is to do about it; `None` of an error of another kind.
pub(crate) fn explain(error: &NetError) -> Option<(String, Option<String>)> {
    let NetError::Status { status, message, redirect, retry_after, .. } = error else { return None };
    if let Some(redirect) = redirect {
        return Some((format!("{error}; it redirects to {redirect}"), Some(redirect.hint())));
    }
    let hint = hint(*status).map(str::to_owned);
    // The server's own words are better, where it has any.
    if matches!(status, 401 | 403) && message.is_some() {
        return Some((error.to_string(), hint));
    }
    let asked = retry_after.map(|after| format!(", and asks to wait {} s", after.as_secs()));
    Some((format!("{error}; {}{}", words(*status), asked.unwrap_or_default()), hint))
}

/// Why no WebSocket was opened, in a few words that many answers have in common: the server's own, or those of its status.
pub(crate) fn reason(error: &NetError) -> String {
    match error {
        NetError::Status { message: Some(message), .. } => message.clone(),
        NetError::Status { redirect: Some(redirect), .. } => {
            format!("it redirects to {}", redirect.server.as_ref().unwrap_or(&redirect.shown))
        }
        NetError::Status { status, .. } => words(*status).to_owned(),
        other => other.to_string(),
    }
}

/// Explanation of an HTTP status to a client that asked for a WebSocket.
fn words(status: u16) -> &'static str {
    match status {
        200..=299 => "it is plain HTTP, no WebSocket",
        300..=399 => "it sends its clients elsewhere",
        400 => "it takes the request for a bad one",
        401 => "it wants to know who is there",
        403 => "it lets nobody in there",
        404 | 410 => "it has no such route",
        405 | 426 | 501 => "it opens no WebSocket there",
        407 => "a proxy on the way wants to know who is there",
        408 => "the request came too slowly for it",
        429 => "it has too many requests",
        502 => "it is a proxy, and the server behind it does not answer",
        503 => "it cannot serve at the moment",
        504 => "it is a proxy, and the server behind it took too long",
        500..=599 => "it failed",
        _ => "it does not open a WebSocket",
    }
}

/// Hint for the user about an HTTP status.
fn hint(status: u16) -> Option<&'static str> {
    Some(match status {
        200..=299 => "--server names another server",
        400 | 405 | 426 | 501 => {
            "does a proxy in between drop the headers Upgrade and Connection? --server names another server"
        }
        401 => "a user and a password stand in the URL, as in ws://USER:PASSWORD@HOST",
        404 | 410 => "is it a relay, with this dialect on? --server names another",
        407 => "proxies are not spoken to; connect to the server itself, or log in to the proxy elsewhere",
        502 | 504 => "the relay behind the proxy is down, or the proxy looks for it elsewhere",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(location: &str) -> Option<Redirect> {
        Redirect::of(&Url::parse("ws://u:pw@h:1/ws/scraping/1?token=secret").unwrap(), location)
    }

    #[test]
    fn a_redirect_names_the_url_to_use_and_no_secret() {
        let found = redirect("https://me:hunter2@example.com/ws/scraping/1?token=hunter2").unwrap();
        assert_eq!(found.to_string(), "https://example.com/ws/scraping/1");
        assert_eq!(
            found.hint(),
            "redirects are not followed; connect to wss://example.com/ws/scraping/1, or name --server wss://example.com"
        );
        let found = redirect("https://example.com:8443/relay/ws/scraping/1").unwrap();
        assert!(found.hint().ends_with("--server wss://example.com:8443/relay"), "{}", found.hint());
        assert_eq!(redirect("/login").unwrap().to_string(), "http://h:1/login");
        assert_eq!(
            redirect("/login").unwrap().hint(),
            "redirects are not followed; connect to ws://h:1/login"
        );
        assert_eq!(redirect("//other/x\u{1b}]0;t\u{7}y").unwrap().to_string(), "http://other/x%1B]0;t%07y");
        for nonsense in ["http://", "mailto:a@b", "javascript:alert(1)", "file:///etc/passwd"] {
            assert_eq!(redirect(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let after = |text| retry_after(text, now);
        assert_eq!(after("0"), Some(Duration::ZERO));
        assert_eq!(after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(after("99999999999999999999999"), Some(LONGEST_WAIT));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(9));
        assert_eq!(after(&date), Some(Duration::from_secs(9)));
        assert_eq!(after("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-1", "1.5", "7s"] {
            assert_eq!(after(nonsense), None, "{nonsense}");
        }
    }
}

//! The HTTP upgrade: the request as bytes, and what an answer means.

use memchr::memmem;
use rand::RngExt as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::{Position, Url};

use crate::net;
use crate::text::printable;

/// A longer answer is none.
const MAX_HEAD: usize = 16 << 10;

/// A body that a refusal explains itself with is read up to here.
const MAX_BODY: usize = 4 << 10;

/// What every request of a thread has in common.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    rest: String,
    accept: String,
}

/// What the bytes so far mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// More bytes are needed.
    Partial,
    /// It is a WebSocket now; frames begin at this byte.
    Upgraded(usize),
    /// It is not, with the status where there is one.
    Refused(Option<u16>, String),
}

impl Handshake {
    /// For a server, with headers of the user's own.
    pub(super) fn new(server: &Url, headers: &[(String, String)]) -> Self {
        use base64::Engine as _;
        let nonce: [u8; 16] = rand::rng().random();
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        let host = &server[Position::BeforeHost..Position::AfterPort];
        let own: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let has_login = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let login =
            net::login(server).filter(|_| !has_login).map(|login| format!("Authorization: {login}\r\n"));
        let own = own.concat() + &login.unwrap_or_default();
        let rest = format!(
            " HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{own}\r\n"
        );
        Self { rest, accept: derive_accept_key(key.as_bytes()) }
    }

    /// The request for a path.
    pub(super) fn request(&self, path: &str) -> Vec<u8> {
        format!("GET {path}{}", self.rest).into_bytes()
    }

    /// Reads an answer; `ended` says that no more bytes will come.
    pub(super) fn answer(&self, bytes: &[u8], ended: bool) -> Answer {
        if bytes.len() >= 5 && !bytes.starts_with(b"HTTP/") {
            return Answer::Refused(None, "the answer is not HTTP".into());
        }
        let Some(end) = memmem::find(&bytes[..bytes.len().min(MAX_HEAD)], b"\r\n\r\n") else {
            return match (bytes.len() >= MAX_HEAD, ended) {
                (true, _) => Answer::Refused(None, "the answer has no end".into()),
                (_, true) => Answer::Refused(None, "closed without an answer".into()),
                _ => Answer::Partial,
            };
        };
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().splitn(3, ' ');
        let status: Option<u16> = words.nth(1).and_then(|word| word.parse().ok());
        let phrase = words.next().unwrap_or_default().trim().to_owned();
        let header = |name: &str| {
            let named =
                |line: &&str| line.split(':').next().is_some_and(|n| n.trim().eq_ignore_ascii_case(name));
            lines.clone().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
        };
        if status == Some(101) {
            return match header("sec-websocket-accept") {
                Some(accept) if accept == self.accept => Answer::Upgraded(end + 4),
                _ => Answer::Refused(status, "the upgrade has a wrong Sec-WebSocket-Accept".into()),
            };
        }
        let body = &bytes[end + 4..];
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0usize);
        if body.len() < length.min(MAX_BODY) && !ended {
            return Answer::Partial;
        }
        Answer::Refused(status, message(body).unwrap_or(phrase))
    }
}

/// The `message` or `detail` of a JSON body, for people.
fn message(body: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = value.get("message").or_else(|| value.get("detail"))?.as_str()?;
    let text: String = printable(text).chars().take(120).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake() -> Handshake {
        let url = Url::parse("ws://user:secret@example.com:8000/x").unwrap();
        Handshake::new(&url, &[("X-Own".into(), "1".into())])
    }

    #[test]
    fn a_request_names_host_and_headers() {
        let request = String::from_utf8(handshake().request("/ws/1?a=b")).unwrap();
        assert!(request.starts_with("GET /ws/1?a=b HTTP/1.1\r\nHost: example.com:8000\r\n"), "{request}");
        assert!(request.ends_with("X-Own: 1\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"), "{request}");
    }

    #[test]
    fn an_upgrade_needs_the_right_accept() {
        let handshake = handshake();
        let right = format!("HTTP/1.1 101 X\r\nsec-websocket-ACCEPT: {}\r\n\r\n", handshake.accept);
        for cut in 0..right.len() {
            assert_eq!(handshake.answer(&right.as_bytes()[..cut], false), Answer::Partial);
        }
        let with_frame = format!("{right}\u{1}");
        assert_eq!(handshake.answer(with_frame.as_bytes(), false), Answer::Upgraded(right.len()));
        let wrong = handshake.answer(b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: x\r\n\r\n", false);
        assert!(matches!(wrong, Answer::Refused(Some(101), _)));
    }

    #[test]
    fn a_refusal_says_why() {
        let answer = |text: &str, ended| handshake().answer(text.as_bytes(), ended);
        let refused = |status, why: &str| Answer::Refused(status, why.into());
        let body = r#"{"error":"busy","message":"too many connections"}"#;
        let full = format!("HTTP/1.1 503 Busy\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(answer(&full, false), refused(Some(503), "too many connections"));
        assert_eq!(answer(&full[..full.len() - 1], false), Answer::Partial);
        assert_eq!(answer("HTTP/1.1 403 Forbidden\r\n\r\n", false), refused(Some(403), "Forbidden"));
        assert_eq!(answer("+PONG\r\n", false), refused(None, "the answer is not HTTP"));
        assert_eq!(answer("HTTP/1.1 2", true), refused(None, "closed without an answer"));
    }
}

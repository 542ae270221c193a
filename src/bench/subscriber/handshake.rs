//! The HTTP upgrade: the request as bytes, and what an answer means.

use rand::RngExt as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::{Position, Url};

use crate::net::{self, NetError};
use crate::text::printable;
use crate::wire::head::{self, Head, Room};

/// A longer answer is none.
const MAX_HEAD: usize = 16 << 10;

/// A body that a refusal explains itself with is read up to here.
const MAX_BODY: usize = 4 << 10;

/// The header that offers subprotocols, and chooses one.
const PROTOCOL: &str = "sec-websocket-protocol";

/// The header that offers extensions, and chooses of them.
const EXTENSIONS: &str = "sec-websocket-extensions";

/// What every request of a thread has in common.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    server: Url,
    rest: String,
    accept: String,
    /// Subprotocols that a header of the user's offers.
    offered: Vec<String>,
    /// Whether a header of the user's offers extensions.
    extends: bool,
}

/// What the bytes so far mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// More bytes are needed.
    Partial,
    /// It is a WebSocket now; frames begin at this byte.
    Upgraded(usize),
    /// The server answered with another status.
    Refused(Box<NetError>),
    /// The answer is none that RFC 6455 knows, with the status where there is one.
    Broken(Option<u16>, String),
}

impl Handshake {
    /// For a server, with headers of the user's own.
    pub(super) fn new(server: &Url, headers: &[(String, String)]) -> Self {
        use base64::Engine as _;
        let nonce: [u8; 16] = rand::rng().random();
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        let host = &server[Position::BeforeHost..Position::AfterPort];
        let own = head::own_lines(server, headers);
        let rest = format!(
            " HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{own}\r\n"
        );
        let named = |wanted: &'static str| {
            headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let offered =
            named(PROTOCOL).flat_map(|all| all.split(',')).map(|one| one.trim().to_owned()).collect();
        let extends = named(EXTENSIONS).next().is_some();
        Self { server: server.clone(), rest, accept: derive_accept_key(key.as_bytes()), offered, extends }
    }

    /// The request for a path.
    pub(super) fn request(&self, path: &str) -> Vec<u8> {
        format!("GET {path}{}", self.rest).into_bytes()
    }

    /// Reads an answer to the request for a path; `ended` says that no more bytes will come.
    pub(super) fn answer(&self, bytes: &[u8], ended: bool, path: impl FnOnce() -> String) -> Answer {
        let mut room = Room::default();
        let head = match Head::read(bytes, MAX_HEAD, &mut room) {
            Ok(Some(head)) => head,
            Ok(None) if ended => return Answer::Broken(None, "closed without an answer".into()),
            Ok(None) => return Answer::Partial,
            Err(fault) => return Answer::Broken(None, format!("the answer {fault}")),
        };
        let status = head.status;
        let header = |name: &'static str| head.header(name);
        if status == 101 {
            return match self.unagreed(header) {
                None => Answer::Upgraded(head.size),
                Some(why) => Answer::Broken(Some(status), why),
            };
        }
        let body = &bytes[head.size..];
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0usize);
        if body.len() < length.min(MAX_BODY) && !ended {
            return Answer::Partial;
        }
        let mut url = self.server.clone();
        url.set_path(path().split('?').next().unwrap_or_default());
        Answer::Refused(Box::new(net::refusal(&url, status, header, body)))
    }

    /// Why an upgrade is none by RFC 6455, section 4.1.
    fn unagreed<'a>(&self, header: impl Fn(&'static str) -> Option<&'a str>) -> Option<String> {
        if header("sec-websocket-accept") != Some(self.accept.as_str()) {
            return Some("the upgrade has a wrong Sec-WebSocket-Accept".into());
        }
        let shown = |text: &str| -> String { printable(text).chars().take(60).collect() };
        match header(PROTOCOL) {
            Some(chosen) if !self.offered.iter().any(|one| one == chosen) => {
                return Some(format!("it chose the subprotocol '{}', which was not offered", shown(chosen)));
            }
            _ => {}
        }
        header(EXTENSIONS)
            .filter(|chosen| !self.extends && !chosen.is_empty())
            .map(|chosen| format!("it chose the extension '{}', which was not offered", shown(chosen)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> String {
        "/ws/1".to_owned()
    }

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
            assert_eq!(handshake.answer(&right.as_bytes()[..cut], false, path), Answer::Partial);
        }
        let with_frame = format!("{right}\u{1}");
        assert_eq!(handshake.answer(with_frame.as_bytes(), false, path), Answer::Upgraded(right.len()));
        let wrong = handshake.answer(b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: x\r\n\r\n", false, path);
        assert!(matches!(wrong, Answer::Broken(Some(101), _)));
    }

    #[test]
    fn an_upgrade_may_choose_only_what_was_offered() {
        let url = Url::parse("ws://example.com/x").unwrap();
        let offering = |headers: &[(&str, &str)]| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Handshake::new(&url, &headers)
        };
        let answer = |handshake: &Handshake, chosen: &str| {
            let accept = &handshake.accept;
            let text = format!("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: {accept}\r\n{chosen}\r\n");
            match handshake.answer(text.as_bytes(), false, path) {
                Answer::Broken(Some(101), why) => why,
                other => format!("{:?}", matches!(other, Answer::Upgraded(_))),
            }
        };
        let plain = offering(&[]);
        assert_eq!(
            answer(&plain, "Sec-WebSocket-Protocol: chat\r\n"),
            "it chose the subprotocol 'chat', which was not offered"
        );
        assert_eq!(
            answer(&plain, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            "it chose the extension 'permessage-deflate', which was not offered"
        );
        let asking = offering(&[("Sec-WebSocket-Protocol", "a, b"), ("sec-websocket-extensions", "x")]);
        assert_eq!(answer(&asking, "sec-websocket-protocol: b\r\nSec-WebSocket-Extensions: x\r\n"), "true");
        assert_eq!(answer(&asking, ""), "true", "whoever chooses none speaks none");
        assert_eq!(
            answer(&asking, "Sec-WebSocket-Protocol: B\r\n"),
            "it chose the subprotocol 'B', which was not offered"
        );
    }

    #[test]
    fn a_refusal_says_why() {
        let answer = |text: &str, ended| match handshake().answer(text.as_bytes(), ended, path) {
            Answer::Refused(error) => {
                let NetError::Status { status, .. } = *error else { panic!("{error}") };
                Answer::Broken(Some(status), net::answer::reason(&error))
            }
            other => other,
        };
        let refused = |status, why: &str| Answer::Broken(status, why.into());
        let body = r#"{"error":"busy","message":"too many connections"}"#;
        let full = format!("HTTP/1.1 503 Busy\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(answer(&full, false), refused(Some(503), "too many connections"));
        assert_eq!(answer(&full[..full.len() - 1], false), Answer::Partial);
        assert_eq!(
            answer("HTTP/1.1 403 Forbidden\r\n\r\n", false),
            refused(Some(403), "it lets nobody in there")
        );
        assert_eq!(answer("+PONG\r\n", false), refused(None, "the answer is not HTTP"));
        assert_eq!(answer("HTTP/1.1 2", true), refused(None, "closed without an answer"));
    }
}

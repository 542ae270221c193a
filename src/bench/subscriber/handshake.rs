//! The request that opens a connection as bytes, and what an answer to it means: an upgrade, or an event stream.

use rand::RngExt as _;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use url::{Position, Url};

use super::stream::Body;
use crate::bench::manner::{Manner, Transport};
use crate::bench::placeholders;
use crate::net::{self, NetError};
use crate::text::printable;
use crate::wire::deflate;
use crate::wire::head::{self, Head, Room};
use crate::wire::sse::MEDIA_TYPE;

/// A longer answer is none.
const MAX_HEAD: usize = 16 << 10;

/// A body that a refusal explains itself with is read up to here.
const MAX_BODY: usize = 4 << 10;

/// The header that offers subprotocols, and chooses one.
const PROTOCOL: &str = "sec-websocket-protocol";

/// The header that offers extensions, and chooses of them.
const EXTENSIONS: &str = "sec-websocket-extensions";

/// The subprotocol of messages in MessagePack.
const MSGPACK: &str = "jobwire.msgpack";

/// What every request of a thread has in common.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    server: Url,
    manner: Manner,
    /// The request behind its path, with the placeholders of headers.
    rest: String,
    has_placeholders: bool,
    accept: String,
    /// Subprotocols that are offered, with placeholders.
    offered: Vec<String>,
    /// Whether a header of the user's offers extensions.
    extends: bool,
}

/// A connection that makes a request: its number, and the id of its job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) conn: u64,
    pub(super) job: &'a str,
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Agreed {
    /// A WebSocket.
    Socket {
        /// Whether messages may be compressed.
        deflates: bool,
    },
    /// An event stream, whose body is of this form.
    Stream(Body),
}

/// What the bytes so far mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// More bytes are needed.
    Partial,
    /// It is open now; frames, or the stream, begin at this byte.
    Open(usize, Agreed),
    /// The server answered with another status.
    Refused(Box<NetError>),
    /// The answer is none that the standard knows, with the status where there is one.
    Broken(Option<u16>, String),
}

impl Handshake {
    /// For a server, with headers of the user's own.
    pub(super) fn new(server: &Url, headers: &[(String, String)], manner: Manner) -> Self {
        use base64::Engine as _;
        let nonce: [u8; 16] = rand::rng().random();
        let key = base64::engine::general_purpose::STANDARD.encode(nonce);
        let host = &server[Position::BeforeHost..Position::AfterPort];
        let named = |wanted: &'static str| {
            headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let offered = named(PROTOCOL).flat_map(|all| all.split(',')).map(|one| one.trim().to_owned());
        let offered: Vec<String> =
            manner.msgpack.then(|| MSGPACK.to_owned()).into_iter().chain(offered).collect();
        let extends = named(EXTENSIONS).next().is_some();
        // With MessagePack the list is one line, ours first.
        let own: Vec<(String, String)> = headers
            .iter()
            .filter(|(name, _)| !(manner.msgpack && name.eq_ignore_ascii_case(PROTOCOL)))
            .cloned()
            .collect();
        let mut rest = format!(" HTTP/1.1\r\nHost: {host}\r\n");
        match manner.transport {
            Transport::Ws => rest.extend([
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ",
                &key,
                "\r\nSec-WebSocket-Version: 13\r\n",
            ]),
            Transport::Sse => rest.extend(["Accept: ", MEDIA_TYPE, "\r\nCache-Control: no-store\r\n"]),
        }
        if manner.msgpack {
            rest.extend(["Sec-WebSocket-Protocol: ", &offered.join(", "), "\r\n"]);
        }
        if manner.deflate {
            rest.extend(["Sec-WebSocket-Extensions: ", deflate::OFFER, "\r\n"]);
        }
        rest.extend([head::own_lines(server, &own).as_str(), "\r\n"]);
        let has_placeholders = headers.iter().any(|(_, value)| placeholders::words(value).next().is_some());
        let accept = derive_accept_key(key.as_bytes());
        Self { server: server.clone(), manner, rest, has_placeholders, accept, offered, extends }
    }

    /// The request for a path.
    pub(super) fn request(&self, path: &str, caller: Caller<'_>) -> Vec<u8> {
        format!("GET {path}{}", self.filled(&self.rest, caller)).into_bytes()
    }

    fn filled<'a>(&self, text: &'a str, caller: Caller<'_>) -> std::borrow::Cow<'a, str> {
        if self.has_placeholders {
            placeholders::in_header(text, caller.conn, caller.job)
        } else {
            text.into()
        }
    }

    /// Reads an answer to the request for a path; `ended` says that no more bytes will come.
    pub(super) fn answer(
        &self,
        bytes: &[u8],
        ended: bool,
        caller: Caller<'_>,
        path: impl FnOnce() -> String,
    ) -> Answer {
        let mut room = Room::default();
        let head = match Head::read(bytes, MAX_HEAD, &mut room) {
            Ok(Some(head)) => head,
            Ok(None) if ended => return Answer::Broken(None, "closed without an answer".into()),
            Ok(None) => return Answer::Partial,
            Err(fault) => return Answer::Broken(None, format!("the answer {fault}")),
        };
        let status = head.status;
        let agreed = match (self.manner.transport, status) {
            (Transport::Ws, 101) => Some(self.agreed(&head, caller)),
            (Transport::Sse, 200) => Some(stream(&head)),
            _ => None,
        };
        match agreed {
            Some(Ok(agreed)) => return Answer::Open(head.size, agreed),
            Some(Err(why)) => return Answer::Broken(Some(status), why),
            None => {}
        }
        let header = |name: &'static str| head.header(name);
        let body = &bytes[head.size..];
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0usize);
        if body.len() < length.min(MAX_BODY) && !ended {
            return Answer::Partial;
        }
        let mut url = self.server.clone();
        url.set_path(path().split('?').next().unwrap_or_default());
        Answer::Refused(Box::new(net::refusal(&url, status, header, body)))
    }

    /// What an upgrade agreed on, or why it is none by RFC 6455, section 4.1, or not what was asked for.
    fn agreed(&self, head: &Head<'_, '_>, caller: Caller<'_>) -> Result<Agreed, String> {
        if head.header("sec-websocket-accept") != Some(self.accept.as_str()) {
            return Err("the upgrade has a wrong Sec-WebSocket-Accept".into());
        }
        match head.header(PROTOCOL) {
            Some(chosen) if !self.offered.iter().any(|one| self.filled(one, caller) == chosen) => {
                return Err(format!("it chose the subprotocol '{}', which was not offered", shown(chosen)));
            }
            chosen if self.manner.msgpack && chosen != Some(MSGPACK) => {
                return Err(format!("it did not choose the subprotocol {MSGPACK}"));
            }
            _ => {}
        }
        if self.manner.deflate {
            let deflates = deflate::check_answer(head.lines(EXTENSIONS)).map_err(|odd| odd.to_string())?;
            return Ok(Agreed::Socket { deflates });
        }
        match head.header(EXTENSIONS).filter(|chosen| !self.extends && !chosen.is_empty()) {
            Some(chosen) => Err(format!("it chose the extension '{}', which was not offered", shown(chosen))),
            None => Ok(Agreed::Socket { deflates: false }),
        }
    }
}

/// The form of an answer's body, or why it is no event stream.
fn stream(head: &Head<'_, '_>) -> Result<Agreed, String> {
    let kind = head.header("content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        let kind = if kind.is_empty() { "of no type".to_owned() } else { format!("'{}'", shown(kind)) };
        return Err(format!("the answer is no event stream but {kind}"));
    }
    let coding = head.header("content-encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"));
    if let Some(coding) = coding.filter(|coding| !coding.is_empty()) {
        return Err(format!("the event stream is encoded as '{}', which was not asked for", shown(coding)));
    }
    let transfer = head.header("transfer-encoding").unwrap_or_default();
    let is_chunked = transfer.split(',').any(|coding| coding.trim().eq_ignore_ascii_case("chunked"));
    let length = head.header("content-length").and_then(|length| length.parse().ok());
    Ok(Agreed::Stream(match length {
        _ if is_chunked => Body::Chunked,
        Some(length) => Body::Length(length),
        None => Body::ToTheEnd,
    }))
}

fn shown(text: &str) -> String {
    printable(text).chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path() -> String {
        "/ws/1".to_owned()
    }

    const CALLER: Caller<'static> = Caller { conn: 3, job: "abc" };
    const PLAIN: Answer = Answer::Open(0, Agreed::Socket { deflates: false });

    fn with(headers: &[(&str, &str)], manner: Manner) -> Handshake {
        let url = Url::parse("ws://user:secret@example.com:8000/x").unwrap();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Handshake::new(&url, &headers, manner)
    }

    fn handshake() -> Handshake {
        with(&[("X-Own", "1")], Manner::default())
    }

    /// What an upgrade with these headers means, without the place at which frames begin.
    fn upgraded(handshake: &Handshake, headers: &str) -> Answer {
        let accept = &handshake.accept;
        let text = format!("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: {accept}\r\n{headers}\r\n");
        match handshake.answer(text.as_bytes(), false, CALLER, path) {
            Answer::Open(_, agreed) => Answer::Open(0, agreed),
            other => other,
        }
    }

    #[test]
    fn a_request_names_host_and_headers() {
        let request = String::from_utf8(handshake().request("/ws/1?a=b", CALLER)).unwrap();
        assert!(request.starts_with("GET /ws/1?a=b HTTP/1.1\r\nHost: example.com:8000\r\n"), "{request}");
        assert!(request.ends_with("X-Own: 1\r\nAuthorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n"), "{request}");
    }

    #[test]
    fn an_upgrade_needs_the_right_accept() {
        let handshake = handshake();
        let right = format!("HTTP/1.1 101 X\r\nsec-websocket-ACCEPT: {}\r\n\r\n", handshake.accept);
        for cut in 0..right.len() {
            assert_eq!(handshake.answer(&right.as_bytes()[..cut], false, CALLER, path), Answer::Partial);
        }
        let with_frame = format!("{right}\u{1}");
        assert_eq!(
            handshake.answer(with_frame.as_bytes(), false, CALLER, path),
            Answer::Open(right.len(), Agreed::Socket { deflates: false })
        );
        let wrong =
            handshake.answer(b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: x\r\n\r\n", false, CALLER, path);
        assert!(matches!(wrong, Answer::Broken(Some(101), _)));
    }

    #[test]
    fn an_upgrade_may_choose_only_what_was_offered() {
        let offering = |headers: &[(&str, &str)]| with(headers, Manner::default());
        let answer = |handshake: &Handshake, chosen: &str| match upgraded(handshake, chosen) {
            Answer::Broken(Some(101), why) => why,
            other => (other == PLAIN).to_string(),
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
        let answer = |text: &str, ended| match handshake().answer(text.as_bytes(), ended, CALLER, path) {
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

    #[test]
    fn headers_have_values_of_the_connection() {
        let handshake = with(
            &[("X-Client", "c{conn}"), ("Sec-WebSocket-Protocol", "jobwire.token.{conn}")],
            Manner { msgpack: true, ..Manner::default() },
        );
        let request = String::from_utf8(handshake.request("/", CALLER)).unwrap();
        assert!(request.contains("\r\nX-Client: c3\r\n"), "{request}");
        let list = "\r\nSec-WebSocket-Protocol: jobwire.msgpack, jobwire.token.3\r\n";
        assert!(request.contains(list) && request.matches("Protocol").count() == 1, "{request}");
        let plain = with(&[("Sec-WebSocket-Protocol", "t.{conn}")], Manner::default());
        assert_eq!(upgraded(&plain, "Sec-WebSocket-Protocol: t.3\r\n"), PLAIN);
    }

    #[test]
    fn compression_may_be_declined_and_messagepack_may_not() {
        let broken = |why: &str| Answer::Broken(Some(101), why.into());
        let deflate = with(&[], Manner { deflate: true, ..Manner::default() });
        let request = String::from_utf8(deflate.request("/", CALLER)).unwrap();
        assert!(
            request.contains(&format!("\r\nSec-WebSocket-Extensions: {}\r\n", deflate::OFFER)),
            "{request}"
        );
        let taken = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
        let agreed = Answer::Open(0, Agreed::Socket { deflates: true });
        assert_eq!((upgraded(&deflate, taken), upgraded(&deflate, "")), (agreed, PLAIN));
        assert_eq!(
            upgraded(&deflate, "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
            broken("the server did not agree to server_no_context_takeover")
        );
        let msgpack =
            with(&[("Sec-WebSocket-Protocol", "chat")], Manner { msgpack: true, ..Manner::default() });
        assert_eq!(upgraded(&msgpack, "Sec-WebSocket-Protocol: jobwire.msgpack\r\n"), PLAIN);
        for declined in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
            assert_eq!(
                upgraded(&msgpack, declined),
                broken("it did not choose the subprotocol jobwire.msgpack")
            );
        }
    }

    #[test]
    fn an_event_stream_says_how_its_body_ends() {
        let sse = with(&[], Manner { transport: Transport::Sse, ..Manner::default() });
        let request = String::from_utf8(sse.request("/ws/1", CALLER)).unwrap();
        assert!(
            request.contains("\r\nAccept: text/event-stream\r\n") && !request.contains("Upgrade"),
            "{request}"
        );
        let answer = |headers: &str| {
            let text = format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
            match sse.answer(text.as_bytes(), false, CALLER, path) {
                Answer::Open(at, Agreed::Stream(body)) => Ok((text.len() - at, body)),
                Answer::Broken(Some(200), why) => Err(why),
                other => Err(format!("{other:?}")),
            }
        };
        let stream = "Content-Type: Text/Event-Stream; charset=utf-8\r\n";
        assert_eq!(answer(stream), Ok((0, Body::ToTheEnd)));
        assert_eq!(answer(&format!("{stream}Transfer-Encoding: chunked\r\n")), Ok((0, Body::Chunked)));
        assert_eq!(answer(&format!("{stream}Content-Length: 12\r\n")), Ok((0, Body::Length(12))));
        assert_eq!(
            answer("Content-Type: text/html\r\n").unwrap_err(),
            "the answer is no event stream but 'text/html'"
        );
        assert!(answer("").unwrap_err().contains("of no type"));
        assert!(answer(&format!("{stream}Content-Encoding: gzip\r\n")).unwrap_err().contains("'gzip'"));
        let refused = sse.answer(b"HTTP/1.1 403 X\r\n\r\n", false, CALLER, path);
        assert!(matches!(refused, Answer::Refused(_)), "{refused:?}");
    }
}

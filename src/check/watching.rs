//! One watcher of a job or a channel, by its WebSocket, by an event stream or by `/watch`. Every wait has a limit.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::dialect::CloseReason;
use crate::net::http::{Streamed, open_stream};
use crate::net::offer::WATCH;
use crate::net::tls::Tls;
use crate::net::token_source::Token;
use crate::net::websocket::{Limits, Message, WebSocket, connect, lost};
use crate::net::{NetError, http_url, login, socket_url};
use crate::wire::sse::{Incoming, MEDIA_TYPE, Reader};
use crate::wire::watch::ServerMessage;

/// Payload of the ping. Its pong says that the server has let the watcher in.
const LET_IN: &[u8] = b"check";

/// Target of a watcher, and the means to reach it.
pub(super) struct Where<'a> {
    /// The server.
    pub(super) server: &'a Url,
    /// Path of the socket, with its own query.
    pub(super) path: &'a str,
    /// Name of the target on `/watch`.
    pub(super) target: &'a str,
    /// Token of the watcher.
    pub(super) token: Option<&'a Token>,
    /// TLS settings of the connection.
    pub(super) tls: &'a Tls,
    /// Longest time for each step.
    pub(super) limit: Duration,
}

/// An open watcher.
pub(super) enum Watching {
    /// WebSocket of the contract, and its URL.
    Socket(Box<WebSocket>, Url),
    /// WebSocket of `/watch`, and its URL.
    Everything(Box<WebSocket>, Url),
    /// Event stream.
    Stream(Box<Stream>),
}

/// An event stream, with the part that was received and not yet taken.
pub(super) struct Stream {
    body: Streamed,
    reader: Reader,
    heard: VecDeque<Heard>,
}

/// News that a watcher receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message.
    Text {
        /// Text of the message, as received.
        text: String,
        /// Cursor behind the message, where the server gives one.
        cursor: Option<String>,
    },
    /// A cursor that has moved without a message.
    Cursor(String),
    /// Missing events; the text is the server's reason.
    Gap(String),
    /// End of the watcher.
    Shut(Shutting),
}

/// Way in which the server ended a watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shutting {
    /// The server closed the connection.
    Closed {
        /// Close code.
        code: Option<u16>,
        /// Close reason.
        reason: String,
    },
    /// The server refused the target and keeps the connection open.
    Refused {
        /// Code of the reason, as the relay sends it.
        code: String,
        /// Message for people.
        message: String,
    },
}

/// Code of [`Shutting::Refused`] for a target that the token does not allow.
const NOT_ALLOWED: &str = "not_allowed";

impl Shutting {
    /// End of a connection without a code and a reason.
    const fn silent() -> Self {
        Self::Closed { code: None, reason: String::new() }
    }

    fn refused(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused { code: code.into(), message: message.into() }
    }

    /// Whether the server refused the token, so that another token may be let in.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Closed { code, .. } => code.is_some_and(CloseReason::is_refusal),
            Self::Refused { code, .. } => code == NOT_ALLOWED,
        }
    }
}

/// Data of the event that ends a closed stream.
#[derive(Default, Deserialize)]
struct Closing {
    code: Option<u16>,
    #[serde(default)]
    reason: String,
}

impl Watching {
    /// Opens a WebSocket with cursors, where the server has cursors. With `since` the watcher resumes from that cursor.
    pub(super) async fn socket(
        at: &Where<'_>,
        has_cursors: bool,
        since: Option<&str>,
    ) -> Result<Self, NetError> {
        let mut url = joined(&socket_url(at.server, ""), at.path);
        if has_cursors {
            url.query_pairs_mut().append_pair("cursor", "1");
        }
        if let Some(since) = since {
            url.query_pairs_mut().append_pair("since", since);
        }
        let url = at.token.map_or_else(|| url.clone(), |token| token.in_query(&url));
        let socket = connect(&url, at.tls, Limits::default(), at.limit).await?;
        Ok(Self::Socket(Box::new(socket), url))
    }

    /// Opens a WebSocket of `/watch`.
    pub(super) async fn of_everything(at: &Where<'_>) -> Result<Self, NetError> {
        let mut url = joined(&socket_url(at.server, ""), WATCH);
        url.query_pairs_mut().append_pair("target", at.target);
        let url = at.token.map_or_else(|| url.clone(), |token| token.in_query(&url));
        let socket = connect(&url, at.tls, Limits::default(), at.limit).await?;
        Ok(Self::Everything(Box::new(socket), url))
    }

    /// Opens an event stream. With `since` the watcher resumes from that cursor. An answer that is no event stream is an error.
    pub(super) async fn stream(at: &Where<'_>, since: Option<&str>) -> Result<Self, NetError> {
        let mut url = joined(&http_url(at.server, ""), at.path);
        let mut headers = vec![("accept", MEDIA_TYPE.to_owned())];
        headers.extend(since.map(|since| ("last-event-id", since.to_owned())));
        match at.token {
            // The header carries the user and password of the URL, so the token goes into the query.
            Some(token) if login(&url).is_some() => url = token.in_query(&url),
            Some(token) => {
                let (bare, header) = token.in_header(&url);
                url = bare;
                headers.push(("authorization", header));
            }
            None => {}
        }
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = open_stream(&url, &headers, at.tls, at.limit).await?;
        let kind = body.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with(MEDIA_TYPE) {
            let reason = "its answer is no event stream".to_owned();
            return Err(NetError::NotHttp { address: crate::net::address(&url), reason });
        }
        let reader = Reader::new(Limits::default().message);
        Ok(Self::Stream(Box::new(Stream { body, reader, heard: VecDeque::new() })))
    }

    /// Waits until the server has let the watcher in, at most for `limit`.
    ///
    /// The contract's WebSocket has to answer a ping, and `/watch` has to name the watched targets. An event stream is let in
    /// once it is open. A server that does not answer in time counts as one that has let the watcher in. Messages that come
    /// meanwhile are dropped.
    ///
    /// # Errors
    /// The server closed the connection or refused the target.
    pub(super) async fn let_in(&mut self, limit: Duration) -> Result<(), Shutting> {
        let deadline = Instant::now() + limit;
        match self {
            Self::Stream(_) => Ok(()),
            Self::Socket(socket, url) => {
                // A connection that cannot send cannot read either; the read below reports the fault.
                let _ = timeout_at(deadline, socket.send(Message::Ping(LET_IN.into()))).await;
                let is_answer =
                    |message: &Message| matches!(message, Message::Pong(payload) if payload == LET_IN);
                until(socket, url, deadline, is_answer).await
            }
            Self::Everything(socket, url) => {
                let mut refused = None;
                let is_answer = |message: &Message| match message {
                    Message::Text(text) => match ServerMessage::read(text) {
                        Some(ServerMessage::Watching { targets, .. }) => !targets.is_empty(),
                        Some(ServerMessage::Error { code, message, .. }) => {
                            refused = Some(Shutting::refused(code, message));
                            true
                        }
                        _ => false,
                    },
                    _ => false,
                };
                until(socket, url, deadline, is_answer).await?;
                refused.map_or(Ok(()), Err)
            }
        }
    }

    /// Returns the next news, or `None` at the deadline.
    pub(super) async fn next(&mut self, deadline: Instant) -> Option<Heard> {
        match self {
            Self::Socket(socket, url) => heard(socket, url, deadline, |text| Some(read(text))).await,
            Self::Everything(socket, url) => heard(socket, url, deadline, read_watch).await,
            Self::Stream(stream) => stream.next(deadline).await,
        }
    }

    /// Closes the watcher. WebSockets send a close frame if the server takes it within `limit`.
    pub(super) async fn close(self, limit: Duration) {
        if let Self::Socket(mut socket, _) | Self::Everything(mut socket, _) = self {
            let _ = timeout_at(Instant::now() + limit.min(Duration::from_secs(1)), socket.close()).await;
        }
    }
}

/// Reads until a message satisfies the condition, or until the deadline.
async fn until(
    socket: &mut WebSocket,
    url: &Url,
    deadline: Instant,
    mut is_it: impl FnMut(&Message) -> bool,
) -> Result<(), Shutting> {
    while Instant::now() < deadline
        && let Some(message) = received(socket, url, deadline).await
    {
        if is_it(&message?) {
            break;
        }
    }
    Ok(())
}

/// Returns the news of the next message that has any. Messages without news do not extend the deadline.
async fn heard(
    socket: &mut WebSocket,
    url: &Url,
    deadline: Instant,
    reads: impl Fn(&str) -> Option<Heard>,
) -> Option<Heard> {
    while Instant::now() < deadline {
        let heard = match received(socket, url, deadline).await? {
            Ok(Message::Text(text)) => reads(text.as_str()),
            Ok(_) => None,
            Err(shutting) => Some(Heard::Shut(shutting)),
        };
        if heard.is_some() {
            return heard;
        }
    }
    None
}

/// Returns the next message, or the way in which the connection ended; `None` at the deadline.
async fn received(socket: &mut WebSocket, url: &Url, deadline: Instant) -> Option<Result<Message, Shutting>> {
    Some(match timeout_at(deadline, socket.next()).await.ok()? {
        Some(Ok(Message::Close(frame))) => Err(frame.map_or_else(Shutting::silent, |frame| {
            Shutting::Closed { code: Some(frame.code.into()), reason: frame.reason.to_string() }
        })),
        Some(Ok(message)) => Ok(message),
        Some(Err(error)) => Err(Shutting::Closed { code: None, reason: lost(url, &error).to_string() }),
        None => Err(Shutting::silent()),
    })
}

impl Stream {
    async fn next(&mut self, deadline: Instant) -> Option<Heard> {
        while Instant::now() < deadline {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let Some(piece) = timeout_at(deadline, self.body.next()).await.ok()? else {
                return Some(Heard::Shut(Shutting::silent()));
            };
            let heard = &mut self.heard;
            let fed = self.reader.feed(&piece, |incoming| match incoming {
                Incoming::Event { name: "close", data, .. } => heard.push_back(Heard::Shut(closed(data))),
                Incoming::Event { data, id, .. } => heard.push_back(match read(data) {
                    Heard::Text { text, .. } => {
                        Heard::Text { text, cursor: (!id.is_empty()).then(|| id.to_owned()) }
                    }
                    other => other,
                }),
                Incoming::Id(id) => heard.push_back(Heard::Cursor(id.to_owned())),
                Incoming::Retry(_) | Incoming::Comment => {}
            });
            if fed.is_err() {
                let reason = "a message has no end".to_owned();
                self.heard.push_back(Heard::Shut(Shutting::Closed { code: None, reason }));
            }
        }
        None
    }
}

/// Sorts a message of a contract. Messages about cursors come from the relay itself.
fn read(text: &str) -> Heard {
    let value = serde_json::from_str::<Value>(text).unwrap_or_default();
    let member = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match (member("type").as_deref(), member("cursor"), member("reason")) {
        (Some("cursor"), Some(cursor), _) => Heard::Cursor(cursor),
        (Some("gap"), _, Some(reason)) => Heard::Gap(reason),
        (_, cursor, _) => Heard::Text { text: text.to_owned(), cursor },
    }
}

/// Sorts a message of `/watch`; `None` for a message that says nothing of events.
fn read_watch(text: &str) -> Option<Heard> {
    match ServerMessage::read(text)? {
        ServerMessage::Event { event, cursor, .. } => {
            Some(Heard::Text { text: event.get().to_owned(), cursor: cursor.map(Into::into) })
        }
        ServerMessage::Cursor { cursor } => Some(Heard::Cursor(cursor.into_owned())),
        ServerMessage::Gap { reason, .. } => Some(Heard::Gap(reason.into_owned())),
        ServerMessage::Error { code, message, .. } => Some(Heard::Shut(Shutting::refused(code, message))),
        ServerMessage::Watching { .. } | ServerMessage::Ended { .. } | ServerMessage::Pong => None,
    }
}

/// End of an event stream, from the data of its event `close`.
fn closed(data: &str) -> Shutting {
    let Closing { code, reason } = serde_json::from_str(data).unwrap_or_default();
    Shutting::Closed { code, reason }
}

/// Appends a path with a query to the URL of a server and keeps the query of that URL.
fn joined(server: &Url, path: &str) -> Url {
    let mut url = server.clone();
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}{path}", server.path().trim_end_matches('/')));
    let all: Vec<&str> = [server.query(), query].into_iter().flatten().collect();
    url.set_query((!all.is_empty()).then(|| all.join("&")).as_deref());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_about_cursors_is_no_event() {
        let cursor = r#"{"type":"cursor","cursor":"a.1"}"#;
        let gap = r#"{"type":"gap","reason":"too_old","cursor":"a.1"}"#;
        for heard in [Some(read(cursor)), read_watch(cursor)] {
            assert_eq!(heard, Some(Heard::Cursor("a.1".into())));
        }
        for heard in [Some(read(gap)), read_watch(gap)] {
            assert_eq!(heard, Some(Heard::Gap("too_old".into())));
        }
        let text = r#"{"cursor":"a.2","job_id":1}"#;
        assert_eq!(read(text), Heard::Text { text: text.into(), cursor: Some("a.2".into()) });
        assert_eq!(read("pong"), Heard::Text { text: "pong".into(), cursor: None });
    }

    #[test]
    fn a_stream_that_closes_without_a_code_has_none() {
        for (data, code, reason) in [
            (r#"{"code":1013,"reason":"too slow"}"#, Some(1013), "too slow"),
            (r#"{"reason":"gone"}"#, None, "gone"),
            (r#"{"code":1001}"#, Some(1001), ""),
            ("bye", None, ""),
        ] {
            assert_eq!(closed(data), Shutting::Closed { code, reason: reason.into() });
        }
    }

    #[test]
    fn an_event_of_watch_is_taken_out_of_its_message() {
        let event = r#"{"type":"event","target":"jobs/a","cursor":"a.2","event":{"job":"a"}}"#;
        let text = Heard::Text { text: r#"{"job":"a"}"#.into(), cursor: Some("a.2".into()) };
        assert_eq!(read_watch(event), Some(text));
        assert_eq!(read_watch(r#"{"type":"watching","targets":["jobs/a"]}"#), None);
        let error = r#"{"type":"error","code":"not_allowed","target":"jobs/a","message":"no"}"#;
        assert_eq!(read_watch(error), Some(Heard::Shut(Shutting::refused("not_allowed", "no"))));
    }

    #[test]
    fn a_path_keeps_the_query_and_the_prefix_of_its_server() {
        let server = Url::parse("ws://h/relay?key=k").unwrap();
        assert_eq!(joined(&server, "/ws?channels=ai").as_str(), "ws://h/relay/ws?key=k&channels=ai");
        assert_eq!(joined(&Url::parse("ws://h").unwrap(), "/ws/1").as_str(), "ws://h/ws/1");
    }
}

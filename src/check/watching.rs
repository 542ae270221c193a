//! One watcher of a job or a channel, by WebSocket or by an event stream. Every wait has a limit.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::net::http::{Streamed, open_stream};
use crate::net::tls::Tls;
use crate::net::token_source::Token;
use crate::net::websocket::{Limits, Message, WebSocket, connect, lost};
use crate::net::{NetError, http_url, login, socket_url};
use crate::wire::sse::{Incoming, MEDIA_TYPE, Reader};

/// The payload of the ping whose answer says that the server lets us watch.
const LET_IN: &[u8] = b"check";

/// Where to watch, and as whom.
pub(super) struct Where<'a> {
    /// The server.
    pub(super) server: &'a Url,
    /// Path of the socket, with its own query.
    pub(super) path: &'a str,
    /// Proves who is watching.
    pub(super) token: Option<&'a Token>,
    /// TLS settings of the connection.
    pub(super) tls: &'a Tls,
    /// How long each step may take.
    pub(super) limit: Duration,
}

/// An open watcher.
pub(super) enum Watching {
    /// By WebSocket.
    Socket(Box<WebSocket>, Url),
    /// By an event stream.
    Stream(Box<Stream>),
}

/// An event stream, and what was read of it and not yet taken.
pub(super) struct Stream {
    body: Streamed,
    reader: Reader,
    heard: VecDeque<Heard>,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// A message, with the cursor behind it where there is one.
    Text {
        /// As it came.
        text: String,
        /// Cursor behind it.
        cursor: Option<String>,
    },
    /// The cursor has moved without a message.
    Cursor(String),
    /// Events are missing; the server's word for why.
    Gap(String),
    /// The server closed it.
    Closed {
        /// Close code.
        code: Option<u16>,
        /// Close reason.
        reason: String,
    },
}

/// Data of the last event of a stream that is closed.
#[derive(Deserialize)]
struct Closing {
    code: Option<u16>,
    #[serde(default)]
    reason: String,
}

impl Watching {
    /// Opens a WebSocket with cursors, where the server has them; `since` goes on from one.
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

    /// Opens an event stream; `since` goes on from a cursor. An answer of another kind is an error.
    pub(super) async fn stream(at: &Where<'_>, since: Option<&str>) -> Result<Self, NetError> {
        let mut url = joined(&http_url(at.server, ""), at.path);
        let mut headers = vec![("accept", MEDIA_TYPE.to_owned())];
        headers.extend(since.map(|since| ("last-event-id", since.to_owned())));
        match at.token {
            // The URL's own user takes the header.
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

    /// Waits until the server has let us in, by a ping and its answer; an event stream begins when it has. A server that does
    /// not answer in time counts as one that has. What it tells meanwhile is left out.
    ///
    /// # Errors
    /// The server closed the connection: code and reason.
    pub(super) async fn let_in(&mut self, limit: Duration) -> Result<(), (Option<u16>, String)> {
        let Self::Socket(socket, _) = self else { return Ok(()) };
        let deadline = Instant::now() + limit;
        // What stops the sending also ends the reading, which says so.
        let _ = timeout_at(deadline, socket.send(Message::Ping(LET_IN.into()))).await;
        while Instant::now() < deadline {
            match timeout_at(deadline, socket.next()).await {
                Err(_) => break,
                Ok(Some(Ok(Message::Pong(payload)))) if payload == LET_IN => break,
                Ok(Some(Ok(Message::Close(frame)))) => {
                    let word = frame.map(|frame| (Some(frame.code.into()), frame.reason.to_string()));
                    return Err(word.unwrap_or_default());
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(_)) | None) => return Err((None, String::new())),
            }
        }
        Ok(())
    }

    /// The next thing that comes, until the deadline. `None`: nothing came.
    pub(super) async fn next(&mut self, deadline: Instant) -> Option<Heard> {
        match self {
            Self::Socket(socket, url) => {
                // A flood is read no longer either.
                while Instant::now() < deadline {
                    match timeout_at(deadline, socket.next()).await.ok()? {
                        Some(Ok(Message::Text(text))) => return Some(read(text.as_str())),
                        Some(Ok(Message::Close(frame))) => {
                            let word = frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                            return Some(closed(word));
                        }
                        Some(Ok(_)) => {}
                        Some(Err(error)) => {
                            return Some(Heard::Closed { code: None, reason: lost(url, &error).to_string() });
                        }
                        None => return Some(closed(None)),
                    }
                }
                None
            }
            Self::Stream(stream) => stream.next(deadline).await,
        }
    }

    /// Goes away with a word, or without one where the server does not take it in time.
    pub(super) async fn close(self, limit: Duration) {
        if let Self::Socket(mut socket, _) = self {
            let _ = timeout_at(Instant::now() + limit.min(Duration::from_secs(1)), socket.close()).await;
        }
    }
}

impl Stream {
    async fn next(&mut self, deadline: Instant) -> Option<Heard> {
        while Instant::now() < deadline {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let Some(piece) = timeout_at(deadline, self.body.next()).await.ok()? else {
                return Some(closed(None));
            };
            let heard = &mut self.heard;
            let fed = self.reader.feed(&piece, |incoming| match incoming {
                Incoming::Event { name: "close", data, .. } => {
                    let closing = serde_json::from_str::<Closing>(data).ok();
                    heard.push_back(closed(
                        closing.map(|closing| (closing.code.unwrap_or_default(), closing.reason)),
                    ));
                }
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
                self.heard.push_back(Heard::Closed { code: None, reason: "a message has no end".to_owned() });
            }
        }
        None
    }
}

/// Sorts a message: those about cursors alone are the relay's own.
fn read(text: &str) -> Heard {
    let value = serde_json::from_str::<Value>(text).unwrap_or_default();
    let member = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let cursor = member("cursor");
    match (member("type").as_deref(), cursor) {
        (Some("cursor"), Some(cursor)) => Heard::Cursor(cursor),
        (Some("gap"), _) if member("reason").is_some() => Heard::Gap(member("reason").unwrap_or_default()),
        (_, cursor) => Heard::Text { text: text.to_owned(), cursor },
    }
}

fn closed(word: Option<(u16, String)>) -> Heard {
    match word {
        Some((code, reason)) => Heard::Closed { code: Some(code), reason },
        None => Heard::Closed { code: None, reason: String::new() },
    }
}

/// A path with a query behind a server, whose own query stays.
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
        assert_eq!(read(r#"{"type":"cursor","cursor":"a.1"}"#), Heard::Cursor("a.1".into()));
        assert_eq!(read(r#"{"type":"gap","reason":"too_old","cursor":"a.1"}"#), Heard::Gap("too_old".into()));
        let text = r#"{"cursor":"a.2","job_id":1}"#;
        assert_eq!(read(text), Heard::Text { text: text.into(), cursor: Some("a.2".into()) });
        assert_eq!(read("pong"), Heard::Text { text: "pong".into(), cursor: None });
    }

    #[test]
    fn a_path_keeps_the_query_and_the_prefix_of_its_server() {
        let server = Url::parse("ws://h/relay?key=k").unwrap();
        assert_eq!(joined(&server, "/ws?channels=ai").as_str(), "ws://h/relay/ws?key=k&channels=ai");
        assert_eq!(joined(&Url::parse("ws://h").unwrap(), "/ws/1").as_str(), "ws://h/ws/1");
    }
}

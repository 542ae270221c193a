//! A WebSocket to any server.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use hyper::header::{self, HeaderValue};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use url::Url;

pub(crate) use tokio_tungstenite::tungstenite::{Error, Message};

use super::http::request;
use super::stream::{Stream, establish, within};
use super::tls::Tls;
use super::{NetError, address, header_of, is_secure, login, reason, refusal};

/// A WebSocket that is open. Pings are answered while it is read from.
pub(crate) type WebSocket = WebSocketStream<Stream>;

/// What a server may make this process hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The longest message, in bytes; a longer one ends the connection.
    pub message: usize,
}

impl Default for Limits {
    /// 4 MiB: four times what a relay lets through.
    fn default() -> Self {
        Self { message: 4 << 20 }
    }
}

/// Made resident at once and zeroed at every read, so small; tungstenite's own default is 128 KiB.
const READ_BUFFER: usize = 4096;

/// Must exceed the write buffer of nothing, or tungstenite panics; a client sends a pong or a close at most.
const MAX_WRITE_BUFFER: usize = 1 << 20;

/// The caller's own limit is around this.
const OLD_HTTP_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a ws or wss URL and shakes hands, within `timeout` all told.
pub(crate) async fn connect(
    url: &Url,
    tls: &Tls,
    limits: Limits,
    timeout: Duration,
) -> Result<WebSocket, NetError> {
    connect_with(url, None, tls, limits, timeout).await
}

/// As [`connect`], with a value for the header `Authorization`, in place of the user and password of the URL.
pub(crate) async fn connect_with(
    url: &Url,
    authorization: Option<&str>,
    tls: &Tls,
    limits: Limits,
    timeout: Duration,
) -> Result<WebSocket, NetError> {
    // Boxed, so that what the handshake needs (20 KB) is gone when the socket is there.
    within(url, timeout, Box::pin(open(url, authorization, tls, limits))).await
}

async fn open(
    url: &Url,
    authorization: Option<&str>,
    tls: &Tls,
    limits: Limits,
) -> Result<WebSocket, NetError> {
    let mut target = url.clone();
    // The scheme only decides about TLS, so http and https are as good; of another one `establish` says so.
    let _ = target.set_scheme(if is_secure(url) { "wss" } else { "ws" });
    target.set_fragment(None);
    // Neither can fail on a URL that has a host; of one without, `establish` says so.
    let _ = target.set_username("").and_then(|()| target.set_password(None));
    let forbidden = |reason| NetError::Url { address: address(url), reason };
    let mut request = target
        .as_str()
        .into_client_request()
        .map_err(|_| forbidden("its path has a character that HTTP forbids"))?;
    let authorization = authorization.map(str::to_owned).or_else(|| login(url));
    if let Some(value) = authorization.and_then(|value| HeaderValue::try_from(value).ok()) {
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    let stream = establish(url, tls).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(limits.message))
        .max_frame_size(Some(limits.message));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((_, answer)) if answer.headers().contains_key(header::SEC_WEBSOCKET_EXTENSIONS) => {
            Err(unoffered(url, "extension"))
        }
        Ok((socket, _)) => Ok(socket),
        Err(Error::Protocol(ProtocolError::WrongHttpVersion)) => Err(old_http(url, tls).await),
        Err(error) => Err(classify(url, &error)),
    }
}

/// A server of HTTP/1.0 speaks HTTP all the same; tungstenite keeps its status to itself, so it is asked once more.
async fn old_http(url: &Url, tls: &Tls) -> NetError {
    match request(Method::GET, url, &[], Bytes::new(), tls, OLD_HTTP_TIMEOUT).await {
        Ok(answer) => refusal(url, answer.status, header_of(&answer.headers), &answer.body),
        Err(error) => error,
    }
}

/// A server that chose what it was not offered must be left, says RFC 6455, section 4.1.
fn unoffered(url: &Url, what: &str) -> NetError {
    let reason =
        format!("it chose {} {what} that was not offered", if what == "extension" { "an" } else { "a" });
    NetError::NotHttp { address: address(url), reason }
}

/// What a failed handshake says of the server.
fn classify(url: &Url, error: &Error) -> NetError {
    let address = address(url);
    let silent = || "it closed the connection without an answer".to_owned();
    match error {
        Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            refusal(url, response.status().as_u16(), header_of(response.headers()), body)
        }
        Error::Protocol(ProtocolError::HandshakeIncomplete) => {
            NetError::NotHttp { address, reason: silent() }
        }
        Error::Io(error) if is_hang_up(error) => NetError::NotHttp { address, reason: silent() },
        Error::Io(error) => NetError::Closed { address, reason: reason(error) },
        Error::Protocol(ProtocolError::HttparseError(_)) => {
            NetError::NotHttp { address, reason: "its answer is something else".into() }
        }
        Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => unoffered(url, "subprotocol"),
        other => NetError::NotHttp { address, reason: other.to_string() },
    }
}

/// What an error on an open socket says.
pub(crate) fn lost(url: &Url, error: &Error) -> NetError {
    let reason = match error {
        Error::Io(error) => reason(error),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => "it was cut off".into(),
        other => other.to_string(),
    };
    NetError::Closed { address: address(url), reason }
}

fn is_hang_up(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

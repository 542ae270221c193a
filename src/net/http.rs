//! HTTP requests with one connection each, for polling, publishing and event streams. Connections are not kept alive, so none
//! can go stale.

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request, header};
use hyper_util::rt::TokioIo;
use url::Url;

use super::stream::{establish, within};
use super::tls::Tls;
use super::{NetError, address, header_of, login, refusal};

/// The longest body that is read: a payload at its limit of 1 MiB, and room for what is around it.
pub(crate) const MAX_BODY: usize = (1 << 20) + (64 << 10);

/// An answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    /// The HTTP status; redirects are not followed.
    pub status: u16,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_BODY`] bytes unless the caller allowed another length.
    pub body: Bytes,
}

impl Response {
    /// The body, or the error that a status other than 2xx means.
    pub(crate) fn success(self, url: &Url) -> Result<Bytes, NetError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        Err(refusal(url, self.status, header_of(&self.headers), &self.body))
    }
}

/// Sends a request and reads the answer whole, within `timeout` all told. `Host` is set here, and
/// `Authorization` from the URL where no header has it.
///
/// Errors are about the way there and back; a status of any kind is an answer.
pub(crate) async fn request(
    method: Method,
    url: &Url,
    headers: &[(&str, &str)],
    body: Bytes,
    tls: &Tls,
    timeout: Duration,
) -> Result<Response, NetError> {
    let request = prepared(method, url, headers, body)?;
    within(url, timeout, exchange(url, request, tls, MAX_BODY)).await
}

/// Sends a GET as [`request`] does, and reads an answer of at most `most` bytes.
pub(crate) async fn get_at_most(
    most: usize,
    url: &Url,
    headers: &[(&str, &str)],
    tls: &Tls,
    timeout: Duration,
) -> Result<Response, NetError> {
    let request = prepared(Method::GET, url, headers, Bytes::new())?;
    within(url, timeout, exchange(url, request, tls, most)).await
}

/// Sends a GET and reads the head of the answer, both within `timeout`. A status other than 2xx is an error.
pub(crate) async fn open_stream(
    url: &Url,
    headers: &[(&str, &str)],
    tls: &Tls,
    timeout: Duration,
) -> Result<Streamed, NetError> {
    let request = prepared(Method::GET, url, headers, Bytes::new())?;
    within(url, timeout, begin(url, request, tls)).await
}

/// An answer whose body is read piece by piece.
pub(crate) struct Streamed {
    /// The headers of the answer.
    pub headers: HeaderMap,
    body: Incoming,
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_connected: bool,
}

impl Streamed {
    /// Next piece of the body; `None` at its end, or when the connection broke.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                biased;
                // Trailers are ignored.
                frame = self.body.frame() => if let Ok(data) = frame?.ok()?.into_data() {
                    return Some(data);
                },
                () = &mut self.connection, if self.is_connected => self.is_connected = false,
            }
        }
    }
}

async fn begin(url: &Url, request: Request<Full<Bytes>>, tls: &Tls) -> Result<Streamed, NetError> {
    let stream = establish(url, tls).await?;
    let lost = |error: hyper::Error| classify(url, &error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // The body also reports how the connection ended.
    let mut connection: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async { drop(connection.await) });
    let answer = sender.send_request(request);
    tokio::pin!(answer);
    let mut is_connected = true;
    let response = loop {
        tokio::select! {
            biased;
            response = &mut answer => break response.map_err(lost)?,
            () = &mut connection, if is_connected => is_connected = false,
        }
    };
    let (head, body) = response.into_parts();
    let mut streamed = Streamed { headers: head.headers, body, connection, is_connected };
    let status = head.status.as_u16();
    if (200..300).contains(&status) {
        return Ok(streamed);
    }
    let mut body = BytesMut::new();
    while body.len() < MAX_BODY
        && let Some(piece) = streamed.next().await
    {
        body.extend_from_slice(&piece);
    }
    Err(refusal(url, status, header_of(&streamed.headers), &body))
}

/// Makes a request with `Host`. The user of the URL becomes `Authorization`, unless `headers` has that already.
fn prepared(
    method: Method,
    url: &Url,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Request<Full<Bytes>>, NetError> {
    let mut builder = Request::builder()
        .method(method)
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header(header::HOST, host(url));
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let is_logged_in = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    if let Some(login) = login(url).filter(|_| !is_logged_in) {
        builder = builder.header(header::AUTHORIZATION, login);
    }
    builder.body(Full::new(body)).map_err(|_| NetError::Url {
        address: address(url),
        reason: "a header or the path has a character that HTTP forbids",
    })
}

async fn exchange(
    url: &Url,
    request: Request<Full<Bytes>>,
    tls: &Tls,
    most: usize,
) -> Result<Response, NetError> {
    let stream = establish(url, tls).await?;
    let lost = |error: hyper::Error| classify(url, &error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(lost)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = Limited::new(response.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return NetError::TooBig { address: address(url), limit: most };
            }
            NetError::Closed { address: address(url), reason: "in the middle of an answer".into() }
        })?;
        Ok(Response { status, headers, body: body.to_bytes() })
    };
    tokio::pin!(answer);
    tokio::select! {
        result = &mut answer => result,
        // The connection may end before the answer was taken out of it; what it read is there all the same.
        _ = connection => answer.await,
    }
}

fn classify(url: &Url, error: &hyper::Error) -> NetError {
    let address = address(url);
    if error.is_parse() {
        NetError::NotHttp { address, reason: "its answer is something else".into() }
    } else if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        NetError::NotHttp { address, reason: "it closed the connection without an answer".into() }
    } else {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        NetError::Closed { address, reason: cause.unwrap_or_else(|| error.to_string()) }
    }
}

/// The value of the `Host` header: the port only where it is not the scheme's own.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

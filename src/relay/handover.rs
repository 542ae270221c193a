//! Connections that leave HTTP: their request is answered by a shard, which owns the socket from then on.

use std::fmt::Write as _;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::Response;

/// The socket, the head of the answer, and the bytes that came behind the request's head.
pub(super) struct Taken {
    pub(super) stream: TcpStream,
    pub(super) head: Bytes,
    pub(super) early: Bytes,
}

/// Takes a connection over.
type Taker = Box<dyn FnOnce(Taken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Marks a response, in its extensions, whose head alone is written before the socket is handed over.
#[derive(Clone)]
pub(super) struct HandOver(Arc<Mutex<Option<Taker>>>);

impl HandOver {
    /// Hands the connection to `taker`.
    pub(super) fn to<F: Future<Output = ()> + Send + 'static>(
        taker: impl FnOnce(Taken) -> F + Send + 'static,
    ) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(move |taken| Box::pin(taker(taken)))))))
    }

    /// Hands the connection over. Only the first call does.
    pub(super) async fn complete(self, taken: Taken) {
        let take = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(take) = take {
            take(taken).await;
        }
    }
}

/// The head of an answer, as it goes over the wire: HTTP/1.1, whatever the request's version.
pub(super) fn head_of(response: &Response) -> Bytes {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = String::with_capacity(512);
    // Writing to a string does not fail.
    let _ = write!(head, "HTTP/1.1 {} {reason}\r\n", status.as_u16());
    let mut head = head.into_bytes();
    // The length of the answer is not known: it ends with the connection, or is none of HTTP.
    let headers = response.headers().iter().filter(|(name, _)| *name != header::CONTENT_LENGTH);
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    if status != StatusCode::SWITCHING_PROTOCOLS && !response.headers().contains_key(header::DATE) {
        head.extend_from_slice(
            format!("date: {}\r\n", httpdate::fmt_http_date(SystemTime::now())).as_bytes(),
        );
    }
    head.extend_from_slice(b"\r\n");
    head.into()
}

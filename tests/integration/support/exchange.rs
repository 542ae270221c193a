//! One HTTP request and its whole answer.

use std::fmt::Write as _;

use super::{PATIENCE, RawTcp};

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Takes apart what came over the wire.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer but {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {head:?}"));
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Status and error code of a refusal, whose body must have exactly `error` and `message`.
    pub(crate) fn refusal(&self) -> (u16, String) {
        let body = self.json();
        let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["error", "message"], "{self:?}");
        assert_ne!(body["message"].as_str().unwrap(), "", "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        (self.status, body["error"].as_str().unwrap().to_owned())
    }
}

/// Sends a request with `Connection: close` unless it says otherwise, and reads the whole answer.
pub(crate) fn exchange(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut tcp = RawTcp::connect(address);
    tcp.send(request_head(address, method, path, headers, body.len())).unwrap();
    // The server may refuse before it has read all of it.
    let _ = tcp.send(body);
    Answer::parse(&tcp.read_to_end(PATIENCE))
}

/// The head of a request, ending with its empty line.
pub(crate) fn request_head(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    length: usize,
) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n");
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        head += "Connection: close\r\n";
    }
    if method == "POST" {
        let _ = write!(head, "Content-Length: {length}\r\n");
    }
    head + "\r\n"
}

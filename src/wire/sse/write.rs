//! Blocks of a stream, each in one allocation of exactly its size.

use std::time::Duration;

use bytes::Bytes;
use memchr::memchr2;
use serde_json::json;

/// Ends the block, and what of it was said takes effect.
const END: &[u8] = b"\n";

/// A block of a stream. Without `data` a page sees no event: `id` alone sets what it sends as `Last-Event-ID`, and `retry`
/// alone how long it waits before it comes again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// The cursor. It has no line break and no NUL.
    pub id: Option<&'a str>,
    /// How long a page waits after the stream's end, in whole milliseconds.
    pub retry: Option<Duration>,
    /// The type, without line breaks; `message`, for which `onmessage` fires, where there is none.
    pub name: Option<&'a str>,
    /// A text of any lines. They end at LF, CR LF or CR, each of which a page sees as LF.
    pub data: Option<&'a [u8]>,
}

impl Event<'_> {
    /// The block, ready to be written to any number of sockets.
    pub(crate) fn to_bytes(self) -> Bytes {
        let mut length = END.len();
        self.parts(|part| length += part.len());
        let mut out = Vec::with_capacity(length);
        self.parts(|part| out.extend_from_slice(part));
        out.extend_from_slice(END);
        // Exactly full, so `Bytes` takes the allocation over as it is.
        Bytes::from(out)
    }

    /// Calls `take` with all but the blank line, in order.
    fn parts(&self, mut take: impl FnMut(&[u8])) {
        let mut field = |name: &[u8], value: &[u8]| {
            take(name);
            // The one space that a reader drops, so that one in the value stays.
            take(b": ");
            take(value);
            take(b"\n");
        };
        if let Some(id) = self.id {
            debug_assert!(!id.contains(['\n', '\r', '\0']), "an id of several lines");
            field(b"id", id.as_bytes());
        }
        if let Some(retry) = self.retry {
            field(b"retry", retry.as_millis().to_string().as_bytes());
        }
        if let Some(name) = self.name {
            debug_assert!(!name.contains(['\n', '\r']), "a name of several lines");
            field(b"event", name.as_bytes());
        }
        let mut lines = self.data;
        while let Some(text) = lines {
            let end = memchr2(b'\n', b'\r', text);
            field(b"data", &text[..end.unwrap_or(text.len())]);
            lines = end.map(|end| text[end..].strip_prefix(b"\r\n").unwrap_or(&text[end + 1..]));
        }
    }
}

/// The sign of life: a comment, which no page sees.
pub(crate) const fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

/// The last event: the name `close`, and `{"code":…,"reason":…}` as data.
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    let data = json!({ "code": code, "reason": reason }).to_string();
    Event { name: Some("close"), data: Some(data.as_bytes()), ..Event::default() }.to_bytes()
}

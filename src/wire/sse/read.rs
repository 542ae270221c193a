//! A stream read in any pieces, by the standard's algorithm (9.2.6, "Interpreting an event stream").

use std::time::Duration;

use memchr::memchr2;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The type of an event without a name.
const MESSAGE: &str = "message";

/// A line, or the data of an event, over the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("event is over the size limit")]
pub(crate) struct TooBig;

/// News from a stream. It borrows from the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// An event.
    Event {
        /// Its type; `message` where the stream names none.
        name: &'a str,
        /// Its lines with LF between them.
        data: &'a str,
        /// The last id of the stream so far; empty before the first.
        id: &'a str,
    },
    /// An id that came without an event: it counts as the last one.
    Id(&'a str),
    /// How long to wait before connecting again.
    Retry(Duration),
    /// A comment: the other side is alive.
    Comment,
}

/// The state of one stream.
///
/// An event that was not ended by a blank line when the stream ends does not count. Bytes that are no UTF-8 become U+FFFD.
#[derive(Debug)]
pub(crate) struct Reader {
    limit: usize,
    /// The begun line, at most `limit` bytes.
    line: Vec<u8>,
    /// A CR ended a line, so that a LF at once belongs to it.
    after_cr: bool,
    /// The first line is behind.
    has_begun: bool,
    /// Lines of the event, each ended by LF, at most `limit` bytes.
    data: String,
    name: String,
    id: String,
    /// An `id` came since the last blank line.
    has_new_id: bool,
}

impl Reader {
    /// A reader at the beginning of a stream, with the most bytes that a line, and the data of an event, may have.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            line: Vec::new(),
            after_cr: false,
            has_begun: false,
            data: String::new(),
            name: String::new(),
            id: String::new(),
            has_new_id: false,
        }
    }

    /// Takes the next bytes of the stream and tells what they complete, in order. After an error the stream cannot go on.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut tell: impl FnMut(Incoming<'_>),
    ) -> Result<(), TooBig> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(rest) = bytes.strip_prefix(b"\n")
            {
                bytes = rest;
                continue;
            }
            let end = memchr2(b'\n', b'\r', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.limit {
                return Err(TooBig);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let mut line = std::mem::take(&mut self.line);
            let outcome = self.take_line(&line, &mut tell);
            line.clear();
            self.line = line;
            outcome?;
        }
        Ok(())
    }

    fn take_line(&mut self, mut line: &[u8], tell: &mut impl FnMut(Incoming<'_>)) -> Result<(), TooBig> {
        if !std::mem::replace(&mut self.has_begun, true) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let line = String::from_utf8_lossy(line);
        let (field, value) = match line.split_once(':') {
            _ if line.is_empty() => {
                self.dispatch(tell);
                return Ok(());
            }
            Some(("", _)) => {
                tell(Incoming::Comment);
                return Ok(());
            }
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (&*line, ""),
        };
        match field {
            "data" if self.data.len() + value.len() >= self.limit => return Err(TooBig),
            "data" => self.data.extend([value, "\n"]),
            "event" => value.clone_into(&mut self.name),
            "id" if !value.contains('\0') => {
                value.clone_into(&mut self.id);
                self.has_new_id = true;
            }
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => {
                if let Ok(milliseconds) = value.parse() {
                    tell(Incoming::Retry(Duration::from_millis(milliseconds)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A blank line: the end of an event, if there is data.
    fn dispatch(&mut self, tell: &mut impl FnMut(Incoming<'_>)) {
        let has_new_id = std::mem::take(&mut self.has_new_id);
        if let Some(data) = self.data.strip_suffix('\n') {
            let name = if self.name.is_empty() { MESSAGE } else { &self.name };
            tell(Incoming::Event { name, data, id: &self.id });
        } else if has_new_id {
            tell(Incoming::Id(&self.id));
        }
        self.data.clear();
        self.name.clear();
    }
}

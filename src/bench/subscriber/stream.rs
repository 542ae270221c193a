//! Server-Sent Events in the body of an answer, taken apart as they come.

use crate::wire::chunked::{self, Malformed};
use crate::wire::sse::{Incoming, Reader, TooBig};

/// How the body of an answer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// In chunks.
    Chunked,
    /// For so many bytes.
    Length(u64),
    /// To the end of the connection.
    ToTheEnd,
}

/// Why a stream cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    /// Its chunks are none.
    #[error(transparent)]
    Chunks(#[from] Malformed),
    /// An event is over the limit.
    #[error(transparent)]
    TooBig(#[from] TooBig),
}

/// The event stream of one connection.
#[derive(Debug)]
pub(super) struct EventStream {
    body: Body,
    chunks: chunked::Decoder,
    reader: Reader,
}

impl EventStream {
    /// At the beginning of a body; a line, and the data of an event, have at most `limit` bytes.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body, chunks: chunked::Decoder::default(), reader: Reader::new(limit) }
    }

    /// Takes what was just read, cut anywhere, and tells what it completes.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut tell: impl FnMut(Incoming<'_>),
    ) -> Result<(), Unreadable> {
        match &mut self.body {
            Body::ToTheEnd => self.reader.feed(bytes, tell)?,
            Body::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                self.reader.feed(&bytes[..taken], tell)?;
            }
            Body::Chunked => {
                let (reader, mut outcome) = (&mut self.reader, Ok(()));
                self.chunks.feed(bytes, |part| {
                    if outcome.is_ok() {
                        outcome = reader.feed(part, &mut tell);
                    }
                })?;
                outcome?;
            }
        }
        Ok(())
    }

    /// Whether the body is whole: the server has ended the stream.
    pub(super) fn is_over(&self) -> bool {
        match self.body {
            Body::Chunked => self.chunks.is_done(),
            Body::Length(left) => left == 0,
            Body::ToTheEnd => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: Body, bytes: &[u8], piece: usize) -> (Vec<String>, bool) {
        let (mut stream, mut told) = (EventStream::new(body, 100), Vec::new());
        for part in bytes.chunks(piece) {
            let fed = stream.feed(part, |incoming| {
                if let Incoming::Event { data, .. } = incoming {
                    told.push(data.to_owned());
                }
            });
            if let Err(why) = fed {
                told.push(why.to_string());
                break;
            }
        }
        (told, stream.is_over())
    }

    #[test]
    fn a_body_of_any_form_is_read_in_any_pieces() {
        let plain = b"id: 1\n\ndata: a\n\n: still here\ndata: b\ndata: c\n\n".as_slice();
        let chunks = [
            &b"5\r\nid: 1\r\n2\r\n\n\n\r\n9\r\ndata: a\n\n\r\n"[..],
            b"11\r\ndata: b\ndata: c\n\n\r\n0\r\n\r\n",
        ]
        .concat();
        for piece in 1..plain.len() {
            let events = || vec!["a".to_owned(), "b\nc".to_owned()];
            assert_eq!(told(Body::ToTheEnd, plain, piece), (events(), false));
            assert_eq!(told(Body::Length(plain.len() as u64), plain, piece), (events(), true));
            assert_eq!(told(Body::Chunked, &chunks, piece), (events(), true), "{piece}");
        }
        assert_eq!(told(Body::Length(16), plain, 1000), (vec!["a".to_owned()], true));
    }

    #[test]
    fn a_stream_that_cannot_go_on_says_why() {
        assert_eq!(told(Body::Chunked, b"data: a\n\n", 99).0, ["the response is not chunked as it says"]);
        let endless = [b"data: ".as_slice(), &[b'x'; 200]].concat();
        assert_eq!(told(Body::ToTheEnd, &endless, 1000).0, ["event is over the size limit"]);
    }
}

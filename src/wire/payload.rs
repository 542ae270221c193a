//! A text for clients, before anybody knows how it will be encoded.

use bytes::Bytes;

use super::{Frame, websocket};

/// A published text, and the text that a client of its contract gets for it. Cloning it shares the memory.
///
/// In front of the text, in the same allocation, stands the header of a plain text frame. Most clients want that
/// encoding, so that [`Payload::frame`] costs them neither an allocation nor a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Payload {
    memory: Bytes,
    /// Bytes of `memory` in front of the text.
    header: u8,
    /// Bytes of the text in front of the published part.
    before: u32,
    /// Bytes of the text behind the published part.
    after: u8,
}

impl Payload {
    /// A text that clients get as it was published. UTF-8 as in [`websocket::text`].
    pub(crate) fn plain(text: &[u8]) -> Self {
        Self::wrapped([&[], text, &[]])
    }

    /// A text that was published bare, between the parts of its contract's envelope. UTF-8 as in [`websocket::text`].
    ///
    /// The part in front has at most 4 GiB, the part behind at most 255 bytes.
    pub(crate) fn wrapped(parts: [&[u8]; 3]) -> Self {
        let [before, published, after] = parts;
        let memory = Bytes::from(websocket::text_of(&parts));
        let header = memory.len() - before.len() - published.len() - after.len();
        Self {
            memory,
            header: u8::try_from(header).expect("a frame's header has at most 14 bytes"),
            before: u32::try_from(before.len())
                .expect("an envelope comes from a dialect file, which is small"),
            after: u8::try_from(after.len()).expect("an envelope ends in a brace"),
        }
    }

    /// The text that a client gets.
    pub(crate) fn text(&self) -> &[u8] {
        &self.memory[self.header.into()..]
    }

    /// The text as it was published, without an envelope.
    pub(crate) fn published(&self) -> &[u8] {
        &self.text()
            [self.before as usize..self.memory.len() - usize::from(self.header) - usize::from(self.after)]
    }

    /// The published text, sharing the memory.
    pub(crate) fn to_published(&self) -> Bytes {
        self.memory.slice_ref(self.published())
    }

    /// The text as a plain text frame, sharing the memory.
    pub(crate) fn frame(&self) -> Frame {
        Frame::from(self.memory.clone())
    }

    /// Bytes that the text takes in memory, the header in front of it included.
    pub(crate) const fn bytes(&self) -> usize {
        self.memory.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_published_text_text_for_clients_and_plain_frame_in_one_memory() {
        for length in [0, 2, 125, 126, 65_535, 65_536] {
            let published = vec![b'x'; length];
            let payload = Payload::wrapped([br#"{"data":"#, &published, b"}"]);
            assert_eq!(payload.published(), published);
            assert_eq!(payload.text(), [br#"{"data":"#, &published[..], b"}"].concat());
            assert_eq!(payload.frame(), websocket::text(payload.text()));
            assert_eq!(payload.to_published(), published);
            let plain = Payload::plain(&published);
            assert_eq!((plain.text(), plain.published()), (&published[..], &published[..]));
        }
    }
}

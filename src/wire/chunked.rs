//! The chunked transfer coding of HTTP/1.1 (RFC 9112, 7.1), for responses of unknown length.
//!
//! Pure: no sockets, no clock. Trailers are read over.

/// Most bytes of a chunk's size with its extensions, and of the trailers together.
const MAX_LINE: usize = 8 * 1024;

/// A response that is not chunked as it says, or whose lines are over the limit; it cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response is not chunked as it says")]
pub(crate) struct Malformed;

/// Takes the chunks of one response apart, in any pieces. It keeps no data.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// Bytes of the begun size line, or of the trailers.
    line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Digits of a size; `None` before the first.
    Size(Option<u64>),
    /// Extensions, or spaces, behind a size.
    Extension(u64),
    /// LF of a size line.
    SizeEnd(u64),
    /// Bytes of data to come, at least one.
    Data(u64),
    /// CR, then LF, behind the data.
    DataCr,
    DataLf,
    /// The beginning of a line of trailers, and its inside.
    TrailerStart,
    Trailer,
    /// LF of the blank line.
    End,
    Done,
}

impl Default for State {
    fn default() -> Self {
        Self::Size(None)
    }
}

impl Decoder {
    /// Takes the next bytes of the response and tells the data in them. Returns how many belong to the response: all, until
    /// it [is done](Self::is_done). Malformed are a size that is none or over 64 bits, and over 8 KiB beside data.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut tell: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::Done {
            if let State::Data(left) = self.state {
                let rest = &bytes[at..];
                let size = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                tell(&rest[..size]);
                at += size;
                let left = left - size as u64;
                self.state = if left == 0 { State::DataCr } else { State::Data(left) };
                continue;
            }
            self.state = self.after(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    /// The last chunk and its trailers were read: the response is whole.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn after(&mut self, byte: u8) -> Result<State, Malformed> {
        self.line += 1;
        if self.line > MAX_LINE {
            return Err(Malformed);
        }
        Ok(match (self.state, byte) {
            (State::Size(Some(size)) | State::Extension(size), b'\r') => State::SizeEnd(size),
            (State::Size(Some(size)), b';' | b' ' | b'\t') => State::Extension(size),
            (State::Size(size), digit) => {
                let digit = char::from(digit).to_digit(16).ok_or(Malformed)?;
                let size = size.unwrap_or(0).checked_mul(16).ok_or(Malformed)?;
                State::Size(Some(size + u64::from(digit)))
            }
            (State::Extension(_), b'\n') => return Err(Malformed),
            (State::Extension(size), _) => State::Extension(size),
            (State::SizeEnd(size), b'\n') => {
                self.line = 0;
                if size == 0 { State::TrailerStart } else { State::Data(size) }
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.line = 0;
                State::Size(None)
            }
            (State::TrailerStart, b'\r') => State::End,
            (State::Trailer, b'\n') => State::TrailerStart,
            (State::TrailerStart | State::Trailer, _) => State::Trailer,
            (State::End, b'\n') => State::Done,
            _ => return Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data, and how many bytes of the input the response took if it is whole.
    fn decoded(input: &[u8], piece: usize) -> Result<(Vec<u8>, Option<usize>), Malformed> {
        let (mut decoder, mut data, mut used) = (Decoder::default(), Vec::new(), 0);
        for bytes in input.chunks(piece) {
            used += decoder.feed(bytes, |part| data.extend_from_slice(part))?;
        }
        Ok((data, decoder.is_done().then_some(used)))
    }

    fn agreed(input: &[u8]) -> Result<(Vec<u8>, Option<usize>), Malformed> {
        let whole = decoded(input, input.len().max(1));
        for piece in 1..input.len().min(20) {
            assert_eq!(decoded(input, piece), whole, "in pieces of {piece}");
        }
        whole
    }

    #[test]
    fn chunks_are_taken_apart_however_they_are_cut() {
        let table: [(&[u8], &[u8], Option<usize>); 8] = [
            (b"", b"", None),
            (b"3\r\nabc\r\n0\r\n\r\n", b"abc", Some(13)),
            (b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1", b"abc", Some(13)),
            (b"3;x=\"y\"\r\na\r\n\r\n00A \r\n0123456789\r\n", b"a\r\n0123456789", None),
            (b"0\r\nA: b\r\nC:\rd\r\n\r\n", b"", Some(17)),
            (b"ffffffffffffffff\r\nabc", b"abc", None),
            (b"00000000000000000000001\r\na\r\n0\r\n", b"a", None),
            (b"0\r\n\r\n", b"", Some(5)),
        ];
        for (input, data, used) in table {
            assert_eq!(agreed(input), Ok((data.to_vec(), used)), "{input:?}");
        }
    }

    #[test]
    fn what_is_not_chunked_is_told() {
        let table: [&[u8]; 9] = [
            b"data: a\n\n",
            b"\r\n",
            b";x\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b"3\nabc",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n",
            b"10000000000000000\r\n",
        ];
        for input in table {
            assert_eq!(agreed(input), Err(Malformed), "{input:?}");
        }
        let endless = [b"1;".to_vec(), vec![b'x'; MAX_LINE]].concat();
        assert_eq!(decoded(&endless, 100), Err(Malformed));
        assert_eq!(decoded(&[b"0\r\n".to_vec(), b"a:b\r\n".repeat(MAX_LINE)].concat(), 100), Err(Malformed));
        assert!(decoded(&b"1\r\nx\r\n".repeat(MAX_LINE), 100).is_ok());
    }
}

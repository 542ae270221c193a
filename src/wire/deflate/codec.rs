//! Payloads of compressed frames (RFC 7692, 7.2), each on its own.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::WINDOW_BITS;
use crate::wire::websocket::Violation;

/// Shorter messages go as they are: they would hardly shrink, and cost a compression all the same.
const MIN_COMPRESSED: usize = 256;
/// Ends a sync flush; it does not travel (RFC 7692, 7.2.1).
const FLUSH_END: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// What a received payload is completed with: the flush's end, and an empty final block. Only where the payload ended
/// between two blocks is that the end of the stream.
const STREAM_END: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x03, 0x00];
/// An empty message (RFC 7692, 7.2.3.6).
const EMPTY: [u8; 1] = [0x00];
/// More than the headers of blocks and the end of a flush take, in bytes.
const FLUSH_ROOM: usize = 64;
/// First bite at a message; enough for a client's command, and little to clear.
const FIRST_ROOM: usize = 1024;

/// Whether a message of this many bytes is sent compressed where that was negotiated.
pub(crate) const fn is_worth_it(length: usize) -> bool {
    length >= MIN_COMPRESSED
}

/// zlib's level. Measured with zlib-rs 0.6 on JSON events of 2 KiB, a busy virtual core at 2 GHz or so: level 1 makes them
/// 2.8 times smaller in 6 µs, level 2 3.5 times in 15 to 20 µs, level 6 3.7 times in 23 µs; events of 16 KiB at level 2
/// 6.2 times in 58 µs. A reset between two messages is 2 µs of it.
const LEVEL: u32 = 2;

/// Compresses messages, one at a time; nothing of one is left for the next. One a thread is enough: it takes 200 KiB.
#[derive(Debug)]
pub(crate) struct Compressor {
    stream: Compress,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { stream: Compress::new_with_window_bits(Compression::new(LEVEL), false, WINDOW_BITS) }
    }
}

impl Compressor {
    /// Appends the payload of a frame with RSV1 set. `out` gets room for a little more than the message.
    pub(crate) fn compress(&mut self, message: &[u8], out: &mut Vec<u8>) {
        if message.is_empty() {
            out.extend(EMPTY);
            return;
        }
        self.stream.reset();
        let mut read = 0;
        loop {
            // Room for all of it, at 9 bits a literal: a flush that fills its room exactly would be repeated (zlib.h, deflate).
            let left = message.len() - read;
            out.reserve(left + left / 8 + left / 64 + FLUSH_ROOM);
            let before = self.stream.total_in();
            let outcome = self.stream.compress_vec(&message[read..], out, FlushCompress::Sync);
            debug_assert!(outcome.is_ok(), "deflate fails on no input");
            read += usize::try_from(self.stream.total_in() - before).unwrap_or_default();
            if out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(read == message.len() && out.ends_with(&FLUSH_END), "a sync flush ends so");
        out.truncate(out.len() - FLUSH_END.len());
    }
}

/// Inflates messages, one at a time, each within a limit; takes memory at the first. One a thread is enough.
#[derive(Debug, Default)]
pub(crate) struct Inflater {
    /// At most 40 KiB, boxed by the library.
    stream: Option<Decompress>,
}

impl Inflater {
    /// Inflates the joined payloads of a message whose first frame has RSV1 set, in place of what `out` held.
    ///
    /// A message over `limit` bytes is [`Violation::TooBig`] at once: `out` never grows beyond the limit and a byte. What is
    /// no deflated data, or ends inside a block, is [`Violation::Protocol`]. After an error `out` is meaningless.
    pub(crate) fn inflate(
        &mut self,
        payload: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        out.clear();
        if let Some(stream) = &mut self.stream {
            stream.reset(false);
        }
        let stream = self.stream.get_or_insert_with(|| Decompress::new(false));
        if let Some(rest) = inflate_part(stream, payload, limit, out)? {
            // A final block; the bits after it are those of an empty one (RFC 7692, 7.2.3.4).
            return if rest.is_empty() || rest == EMPTY { Ok(()) } else { Err(BROKEN) };
        }
        match inflate_part(stream, &STREAM_END, limit, out)? {
            Some([]) => Ok(()),
            _ => Err(BROKEN),
        }
    }
}

const BROKEN: Violation = Violation::Protocol("compressed message is no deflated data");

/// Inflates `part` as far as it goes. Returns what is left of it behind the end of the stream, if that came.
fn inflate_part<'a>(
    stream: &mut Decompress,
    mut part: &'a [u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<Option<&'a [u8]>, Violation> {
    loop {
        if out.len() == out.capacity() {
            // One byte more than allowed tells that there are too many.
            let room = out.len().max(FIRST_ROOM).min((limit + 1).saturating_sub(out.len()));
            out.reserve_exact(room);
        }
        let (read, written) = (stream.total_in(), out.len());
        let status = stream.decompress_vec(part, out, FlushDecompress::None).map_err(|_| BROKEN)?;
        part = &part[usize::try_from(stream.total_in() - read).unwrap_or_default()..];
        if out.len() > limit {
            return Err(Violation::TooBig);
        }
        match status {
            Status::StreamEnd => return Ok(Some(part)),
            // All is out where room was left.
            Status::Ok | Status::BufError if part.is_empty() && out.len() < out.capacity() => {
                return Ok(None);
            }
            Status::BufError if written == out.len() && out.len() < out.capacity() => return Err(BROKEN),
            Status::Ok | Status::BufError => {}
        }
    }
}

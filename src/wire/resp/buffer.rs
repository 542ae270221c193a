//! Bytes of a connection that came and are not taken yet; pure.

/// The size that a buffer begins with and returns to: some hundred messages of a few hundred bytes a read.
pub(super) const INITIAL: usize = 64 * 1024;

/// A read buffer that grows for what needs it, and gives the memory back later.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Always initialised to its full length, so that a read needs no zeroing.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes from `start` that what stands there needs.
    needed: usize,
    /// Whether anything needed more than the initial size since the last [`Buffer::tidy`].
    large: bool,
}

impl Buffer {
    /// An empty one of 64 KiB.
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; INITIAL], start: 0, end: 0, needed: 0, large: false }
    }

    /// Space to read into; never empty. Bytes that were read are handed over with [`Buffer::filled`].
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            // At most the beginning of one message is moved, as everything whole has been taken.
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = self.needed.max(self.end + 1);
        if wanted > self.bytes.len() {
            // An entry of many fields tells its length bit by bit, and is read from its beginning after each read of the
            // connection: growth by half at least keeps these few.
            self.bytes.resize(wanted.max(self.bytes.len() / 2 * 3), 0);
        }
        self.large |= self.needed > INITIAL;
        &mut self.bytes[self.end..]
    }

    /// Takes over `count` bytes at the beginning of [`Buffer::space`].
    pub(super) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
        self.needed = 0;
    }

    /// The bytes that are not taken yet.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Takes `count` bytes.
    pub(super) fn take(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Says that a message at the beginning is not whole: it needs so many bytes.
    pub(super) fn needs(&mut self, bytes: usize) {
        self.needed = bytes;
    }

    /// Gives memory back that something large needed, once nothing did since the last call.
    pub(super) fn tidy(&mut self) {
        let (large, used) = (self.large, self.end.max(self.needed));
        self.large = false;
        if !large && self.bytes.len() > INITIAL && used <= INITIAL {
            self.bytes.truncate(INITIAL);
            self.bytes.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_grows_in_few_steps_for_what_tells_its_length_bit_by_bit() {
        let mut buffer = Buffer::new();
        let mut reads = 0;
        while buffer.bytes().len() < 100 * INITIAL {
            let count = buffer.space().len();
            buffer.filled(count);
            buffer.needs(buffer.bytes().len() + 3);
            reads += 1;
        }
        assert_eq!(reads, 13);
    }
}

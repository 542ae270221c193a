//! Buffer between a copied stream and the observer that looks for progress. Adding output never blocks.

use std::sync::{Condvar, Mutex, PoisonError};

/// The most bytes of output that wait for the observer.
const ROOM: usize = 256 << 10;
/// Bytes at the end of a burst that are kept where the burst finds no room.
pub(super) const NEWEST: usize = 16 << 10;

/// Output that waits for the observer, at most [`ROOM`] bytes. When there is no room the waiting output is dropped, except for
/// the newest [`NEWEST`] bytes, since only the newest progress counts.
#[derive(Debug)]
pub(super) struct Glance {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    /// Whether to count the lines in dropped output, which costs a look at each byte.
    counts_lines: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    seen: Seen,
    is_ended: bool,
}

/// Output since the last look.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The output, newest last.
    pub(super) bytes: Vec<u8>,
    /// Whether output before `bytes` was dropped, so that `bytes` may begin in the middle of a line.
    pub(super) has_gap: bool,
    /// Ends of lines in the dropped output; 0 where they are not counted.
    pub(super) dropped_lines: u64,
}

impl Glance {
    pub(super) fn new(counts_lines: bool) -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new(), counts_lines }
    }

    /// Adds output. The observer holds the lock only for as long as it takes the waiting output.
    pub(super) fn offer(&self, chunk: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = waiting.seen.bytes.is_empty();
        let seen = &mut waiting.seen;
        if seen.bytes.len() + chunk.len() <= ROOM {
            seen.bytes.extend_from_slice(chunk);
        } else {
            let (dropped, newest) = chunk.split_at(chunk.len().saturating_sub(NEWEST));
            if self.counts_lines {
                seen.dropped_lines += lines(&seen.bytes) + lines(dropped);
            }
            seen.has_gap = true;
            seen.bytes.clear();
            seen.bytes.extend_from_slice(newest);
        }
        drop(waiting);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Whether output of this many bytes may go by unseen: there is no room for it, and its lines are not counted.
    pub(super) fn may_miss(&self, bytes: usize) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        !self.counts_lines && waiting.seen.bytes.len() + bytes > ROOM
    }

    /// Drops the waiting output, since newer output goes by unseen.
    pub(super) fn miss(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.seen.has_gap = true;
        waiting.seen.bytes.clear();
    }

    /// Marks the end of the output. The observer still receives the waiting output.
    pub(super) fn end(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_ended = true;
        self.filled.notify_one();
    }

    /// Waits for output and takes it. `buffer` is reused for the next output. `None`: the output has ended and nothing waits.
    pub(super) fn take(&self, mut buffer: Vec<u8>) -> Option<Seen> {
        buffer.clear();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |waiting: &mut Waiting| waiting.seen.bytes.is_empty() && !waiting.is_ended;
        let mut waiting = self.filled.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        if waiting.seen.bytes.is_empty() {
            return None;
        }
        let next = Seen { bytes: buffer, has_gap: false, dropped_lines: 0 };
        Some(std::mem::replace(&mut waiting.seen, next))
    }

    /// Whether the output has ended.
    pub(super) fn is_ended(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_ended
    }
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_gives_way_to_the_newest() {
        let glance = Glance::new(true);
        glance.offer(b"one\ntwo\n");
        glance.offer(&vec![b'x'; ROOM - 8]);
        let mut burst = vec![b'y'; 100_000];
        burst.extend_from_slice(b"\nlast\n");
        glance.offer(&burst);
        let seen = glance.take(Vec::new()).unwrap();
        assert!(seen.has_gap && seen.bytes.len() == NEWEST && seen.bytes.ends_with(b"\nlast\n"));
        assert_eq!(seen.dropped_lines, 2);
        glance.offer(b"more");
        glance.end();
        let seen = glance.take(seen.bytes).unwrap();
        assert_eq!((&seen.bytes[..], seen.has_gap, seen.dropped_lines), (&b"more"[..], false, 0));
        assert!(glance.take(seen.bytes).is_none());
    }
}

//! What waits for a socket that pushes back.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::backlogs::Backlog;
use super::event::{ConflationKey, Event};
use crate::dialect::DialectId;
use crate::wire::Frame;

/// What a newer frame must share with a waiting one to replace it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum OutboxKey {
    /// An event that a newer one of its key makes worthless.
    Event(DialectId, ConflationKey),
    /// What follows such an event, worthless with it.
    Echo(DialectId, ConflationKey),
    /// The application's own sign of life; an old one says less than a new one.
    Heartbeat,
}

impl OutboxKey {
    /// What a newer event must share with this one to replace it.
    pub(super) fn of(event: &Event) -> Option<Self> {
        event.conflation.clone().map(|key| Self::Event(event.dialect(), key))
    }

    /// What the echo of a newer event must share with that of this one to replace it.
    pub(super) fn of_echo(event: &Event) -> Option<Self> {
        event.conflation.clone().map(|key| Self::Echo(event.dialect(), key))
    }
}

/// The outbox is full of what may not be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overflow;

#[derive(Debug)]
struct Waiting {
    key: Option<OutboxKey>,
    /// Empty once a newer frame took its place.
    frame: Frame,
}

/// Bytes that a waiting frame takes besides its own: its place in the queue, and its allocation.
const PLACE: usize = size_of::<Waiting>() + 32;

/// A queue bounded in bytes, those of its bookkeeping included: it may be many tiny answers that wait. Exists only while its socket pushes back, so whatever waits in it may be conflated: a
/// newer frame with the same key removes the older one and goes to the end. Frames without a key are never dropped;
/// when even they exceed the bound, [`Outbox::push`] says so and the connection is to be closed. The rest of a frame
/// that the socket has begun with does not count, nor does a job's state, which the job log bounds.
#[derive(Debug)]
pub(super) struct Outbox {
    /// When the socket began to push back.
    since: Instant,
    queue: VecDeque<Waiting>,
    /// Key → number of its frame, counted from the first one ever queued.
    newest: HashMap<OutboxKey, u64>,
    /// Number of the frame at the head.
    first: u64,
    /// Bytes of the head that the socket has taken already: it can no longer be replaced.
    written: usize,
    bytes: usize,
    /// Bytes at the head that do not count against the bound.
    exempt: usize,
    /// Frames at the head that do not count against it.
    exempt_frames: usize,
    replaced: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            queue: VecDeque::new(),
            newest: HashMap::new(),
            first: 0,
            written: 0,
            bytes: 0,
            exempt: 0,
            exempt_frames: 0,
            replaced: 0,
        }
    }
}

impl Outbox {
    /// Queues a frame. `Overflow` when the bytes that wait would exceed `bound`; a single frame always fits.
    pub(super) fn push(
        &mut self,
        frame: Frame,
        key: Option<OutboxKey>,
        bound: usize,
    ) -> Result<Conflated, Overflow> {
        let conflated = key.as_ref().is_some_and(|key| self.remove(key));
        let frames = self.queue.len().saturating_sub(self.exempt_frames + self.replaced);
        let counted = self.bytes.saturating_sub(self.exempt) + frames * PLACE;
        if counted > 0 && counted + frame.len() > bound {
            return Err(Overflow);
        }
        if let Some(key) = &key {
            self.newest.insert(key.clone(), self.first + self.queue.len() as u64);
        }
        self.bytes += frame.len();
        self.queue.push_back(Waiting { key, frame });
        Ok(Conflated(conflated))
    }

    /// Queues the rest of a frame of which the socket took only the first `written` bytes. Only for an empty outbox.
    pub(super) fn push_rest(&mut self, frame: Frame, written: usize) {
        debug_assert!(self.is_empty());
        self.bytes = frame.len() - written;
        self.queue.push_back(Waiting { key: None, frame });
        self.written = written;
        self.exempt();
    }

    /// Lets everything that waits now wait outside of the bound.
    pub(super) fn exempt(&mut self) {
        self.exempt = self.bytes;
        self.exempt_frames = self.queue.len();
    }

    /// Drops the waiting frame of that key, unless the socket has some of it already.
    fn remove(&mut self, key: &OutboxKey) -> bool {
        let Some(number) = self.newest.remove(key) else { return false };
        let at = usize::try_from(number - self.first).expect("numbers grow from the head on");
        if at == 0 && self.written > 0 {
            return false;
        }
        let old = &mut self.queue[at];
        self.bytes -= old.frame.len();
        *old = Waiting { key: None, frame: Frame::new() };
        self.replaced += 1;
        self.compact();
        true
    }

    /// Keeps the empty places from outnumbering the frames.
    fn compact(&mut self) {
        if self.replaced <= 16 || self.replaced * 2 <= self.queue.len() {
            return;
        }
        self.queue.retain(|waiting| !waiting.frame.is_empty());
        self.replaced = 0;
        for (at, waiting) in self.queue.iter().enumerate() {
            if let Some(number) = waiting.key.as_ref().and_then(|key| self.newest.get_mut(key)) {
                *number = self.first + at as u64;
            }
        }
    }

    /// Forgets everything but the rest of a frame that the socket has begun with.
    pub(super) fn clear(&mut self) {
        let keep = usize::from(self.written > 0);
        self.queue.truncate(keep);
        self.newest.clear();
        self.replaced = 0;
        self.bytes = self.queue.front().map_or(0, |head| head.frame.len() - self.written);
        self.exempt = self.exempt.min(self.bytes);
        self.exempt_frames = self.exempt_frames.min(keep);
    }

    /// The next bytes to write, in order: at most `slices.len()` pieces. Returns how many there are.
    pub(super) fn peek<'a>(&'a self, slices: &mut [&'a [u8]]) -> usize {
        let mut count = 0;
        for (at, waiting) in self.queue.iter().enumerate() {
            if count == slices.len() {
                break;
            }
            let skip = if at == 0 { self.written } else { 0 };
            if waiting.frame.len() > skip {
                slices[count] = &waiting.frame[skip..];
                count += 1;
            }
        }
        count
    }

    /// The socket took `count` bytes of what [`Outbox::peek`] showed.
    pub(super) fn advance(&mut self, count: usize) {
        self.bytes -= count;
        self.exempt = self.exempt.saturating_sub(count);
        self.written += count;
        while let Some(head) = self.queue.front() {
            if self.written < head.frame.len() {
                break;
            }
            self.written -= head.frame.len();
            if head.frame.is_empty() {
                self.replaced -= 1;
            }
            let gone = self.queue.pop_front().and_then(|head| head.key);
            if let Some(key) = gone
                && self.newest.get(&key) == Some(&self.first)
            {
                self.newest.remove(&key);
            }
            self.first += 1;
            self.exempt_frames = self.exempt_frames.saturating_sub(1);
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Bytes that wait, those outside of the bound included.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Size and age of the outbox, for the list of slow clients.
    pub(super) fn backlog(&self) -> Backlog {
        let messages = self.queue.len() - self.replaced;
        Backlog { sockets: 1, bytes: self.bytes, messages, longest: self.since.elapsed() }
    }
}

/// Whether the frame replaced an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflated(pub bool);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use proptest::prelude::*;

    use super::*;
    use crate::dialect::Dialects;

    const BOUND: usize = 1_000;

    fn frame(text: &'static str) -> Frame {
        Frame::from_static(text.as_bytes())
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is what `push` takes")]
    fn key(job: &str, kind: &str) -> Option<OutboxKey> {
        let (job, kind) = (Arc::from(job), Arc::from(kind));
        Some(OutboxKey::Event(*SCRAPING, ConflationKey { job, kind, entity: None }))
    }

    static SCRAPING: LazyLock<DialectId> = LazyLock::new(|| Dialects::builtin().named("scraping").unwrap().0);

    fn drain(outbox: &mut Outbox, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !outbox.is_empty() {
            let mut slices = [&[][..]; 4];
            let count = outbox.peek(&mut slices);
            let bytes = slices[..count].concat();
            let take = step.clamp(1, bytes.len());
            out.extend_from_slice(&bytes[..take]);
            outbox.advance(take);
        }
        out
    }

    #[test]
    fn a_newer_event_replaces_the_older_of_its_key_and_goes_to_the_end() {
        let mut outbox = Outbox::default();
        outbox.push(frame("a1"), key("a", "p"), BOUND).unwrap();
        outbox.push(frame("M"), None, BOUND).unwrap();
        assert_eq!(outbox.push(frame("a2"), key("a", "p"), BOUND), Ok(Conflated(true)));
        outbox.push(frame("b1"), key("b", "p"), BOUND).unwrap();
        assert_eq!(drain(&mut outbox, 1), b"Ma2b1");
    }

    #[test]
    fn a_frame_that_is_half_written_is_not_replaced() {
        let mut outbox = Outbox::default();
        outbox.push(frame("aaaa"), key("a", "p"), BOUND).unwrap();
        outbox.advance(1);
        assert_eq!(outbox.push(frame("bbbb"), key("a", "p"), BOUND), Ok(Conflated(false)));
        outbox.push(frame("cccc"), key("a", "p"), BOUND).unwrap();
        assert_eq!(drain(&mut outbox, 3), b"aaacccc");
    }

    #[test]
    fn what_may_not_be_dropped_overflows_the_bound() {
        let mut outbox = Outbox::default();
        outbox.push(vec![b'x'; 2 * BOUND].into(), None, BOUND).unwrap();
        assert_eq!(outbox.push(frame("y"), None, BOUND), Err(Overflow));
        outbox.advance(50);
        outbox.clear();
        assert_eq!(outbox.bytes(), 2 * BOUND - 50);
    }

    #[test]
    fn what_the_socket_has_begun_with_and_a_state_do_not_count() {
        let mut outbox = Outbox::default();
        outbox.push_rest(vec![b'x'; 2 * BOUND].into(), 10);
        outbox.push(frame("state"), None, usize::MAX).unwrap();
        outbox.exempt();
        outbox.push(vec![b'y'; BOUND - PLACE].into(), None, BOUND).unwrap();
        assert_eq!(outbox.push(frame("z"), None, BOUND), Err(Overflow));
        outbox.advance(2 * BOUND - 5);
        assert_eq!(outbox.push(frame("z"), None, BOUND), Err(Overflow));
        outbox.advance(1);
        outbox.push(frame("z"), None, BOUND).unwrap();
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// Job, and whether it is conflatable progress (else a milestone).
        Push(u8, bool),
        Write(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let push = (0u8..3, any::<bool>()).prop_map(|(job, progress)| Step::Push(job, progress));
        let write = (1usize..20).prop_map(Step::Write);
        proptest::collection::vec(prop_oneof![3 => push, 1 => write], 1..200)
    }

    proptest! {
        #[test]
        fn conflation_drops_no_milestone_reorders_no_job_and_leaves_the_newest(steps in steps()) {
            let mut outbox = Outbox::default();
            let mut sent: Vec<(u8, bool, usize)> = Vec::new();
            let mut out = Vec::new();
            for (number, step) in steps.iter().enumerate() {
                match step {
                    Step::Push(job, progress) => {
                        let frame = format!("{job},{progress},{number};");
                        let key = progress.then(|| key(&job.to_string(), "p")).flatten();
                        outbox.push(frame.into_bytes().into(), key, usize::MAX).unwrap();
                        sent.push((*job, *progress, number));
                    }
                    Step::Write(most) => {
                        let mut slices = [&[][..]; 3];
                        let count = outbox.peek(&mut slices);
                        let bytes = slices[..count].concat();
                        let take = (*most).min(bytes.len());
                        out.extend_from_slice(&bytes[..take]);
                        outbox.advance(take);
                    }
                }
            }
            out.extend(drain(&mut outbox, 7));
            let text = String::from_utf8(out).unwrap();
            let got: Vec<(u8, bool, usize)> = text.split_terminator(';').map(|frame| {
                let parts: Vec<&str> = frame.split(',').collect();
                (parts[0].parse().unwrap(), parts[1] == "true", parts[2].parse().unwrap())
            }).collect();
            let milestones = |list: &[(u8, bool, usize)]| list.iter().filter(|e| !e.1).copied().collect::<Vec<_>>();
            prop_assert_eq!(milestones(&got), milestones(&sent));
            for job in 0..3 {
                let of = |list: &[(u8, bool, usize)]| list.iter().filter(|e| e.0 == job).map(|e| e.2).collect::<Vec<_>>();
                let (got, sent) = (of(&got), of(&sent));
                prop_assert!(got.is_sorted(), "reordered: {:?}", got);
                prop_assert_eq!(got.last(), sent.last());
            }
        }
    }
}

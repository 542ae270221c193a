//! Events that wait while the sink does not take them; pure.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::dialect::{Dialect, FieldError};
use crate::emit::Outgoing;

/// Largest number of events that wait.
const EVENTS: usize = 10_000;
/// Largest number of bytes of payload that wait.
const BYTES: usize = 16 << 20;

/// An event as it is sent. Its time is the time at which it was read, however long it waits.
#[derive(Debug)]
pub(super) struct Message {
    /// The event's dialect.
    pub(super) dialect: Arc<Dialect>,
    /// The event's job; the name of a channel in a dialect with channels.
    pub(super) job: String,
    /// Channel that the event is sent to.
    pub(super) channel: String,
    /// The event as it is sent.
    pub(super) payload: String,
    /// Whether the event is for the relay alone and goes to no socket.
    pub(super) is_hidden: bool,
    /// Whether the run of the job is over once the event is sent.
    pub(super) is_run_over: bool,
    /// Conditions for replacing the event; `None` where it always stays.
    progress: Option<Replaceable>,
}

/// Conditions under which a newer event of progress replaces this one: the slots are equal, and no name is missing.
#[derive(Debug)]
struct Replaceable {
    slot: Slot,
    /// Names that have a value in the event. A newer event replaces this one only if it has them all.
    names: HashSet<String>,
}

/// Job or resource, kind, and part of the job.
type Slot = (String, String, Option<String>);

impl Message {
    /// The event as of `now`.
    pub(super) fn new(event: Outgoing, is_run_over: bool, now: Timestamp) -> Result<Self, FieldError> {
        let payload = event.payload(now)?;
        let channel = event.channel();
        let Outgoing { dialect, job, .. } = event;
        let (mut is_hidden, mut progress) = (false, None);
        if dialect.channels.is_some() {
            if let Ok(event) = dialect.decode_channel(channel.as_bytes(), payload.as_bytes())
                && event.kind.is_some_and(|kind| kind.conflatable)
                && let Some(resource) = event.resource
            {
                let slot = (resource, event.kind_name.into_owned(), Some(channel.clone()));
                progress = Some(Replaceable { slot, names: names(&payload) });
            }
        } else if let Ok(event) = dialect.decode(channel.as_bytes(), payload.as_bytes()) {
            is_hidden = event.kind.is_some_and(|kind| kind.hidden);
            if event.kind.is_some_and(|kind| kind.conflatable) {
                let entity = event.entity.map(std::borrow::Cow::into_owned);
                let slot = (event.job.into_owned(), event.kind_name.into_owned(), entity);
                progress = Some(Replaceable { slot, names: names(event.inner) });
            }
        }
        Ok(Self { dialect, job, channel, payload, is_hidden, is_run_over, progress })
    }
}

fn names(object: &str) -> HashSet<String> {
    // An object that cannot be read has no kind, so its event gets no slot.
    let object: HashMap<String, &RawValue> = serde_json::from_str(object).unwrap_or_default();
    object.into_iter().filter(|(_, value)| value.get() != "null").map(|(name, _)| name).collect()
}

/// Events in their order, at most 10,000 and 16 MiB of them.
///
/// Progress replaces older progress of the same job, kind and part, if the older one has no field that the newer one lacks. A
/// full backlog drops the oldest progress, or the oldest event where no progress waits. Dropped events are counted as lost.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: BTreeMap<u64, Arc<Message>>,
    newest: HashMap<Slot, u64>,
    next: u64,
    bytes: usize,
    /// Number of events that were dropped.
    pub(super) lost: u64,
    /// Number of events of progress that newer progress replaced.
    pub(super) replaced: u64,
}

impl Backlog {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Number of waiting events.
    pub(super) fn len(&self) -> u64 {
        self.waiting.len() as u64
    }

    /// Adds an event behind all others.
    pub(super) fn push(&mut self, message: Message) {
        let number = self.next;
        self.next += 1;
        if let Some(progress) = &message.progress
            && let Some(older) = self.newest.insert(progress.slot.clone(), number)
            && self.waiting.get(&older).is_some_and(|older| says_all_of(&message, older))
        {
            self.remove(older);
            self.replaced += 1;
        }
        self.bytes += message.payload.len();
        self.waiting.insert(number, Arc::new(message));
        self.make_room();
    }

    /// The oldest event and its number.
    pub(super) fn pop(&mut self) -> Option<(u64, Arc<Message>)> {
        let (number, message) = self.waiting.pop_first()?;
        self.bytes -= message.payload.len();
        self.forget(number, &message);
        Some((number, message))
    }

    /// Puts an event back that [`Backlog::pop`] gave, unless it was replaced meanwhile.
    pub(super) fn put_back(&mut self, number: u64, message: Arc<Message>) {
        if let Some(progress) = &message.progress {
            let newer = self.newest.get(&progress.slot);
            if newer
                .and_then(|newer| self.waiting.get(newer))
                .is_some_and(|newer| says_all_of(newer, &message))
            {
                self.replaced += 1;
                return;
            }
            self.newest.entry(progress.slot.clone()).or_insert(number);
        }
        self.bytes += message.payload.len();
        self.waiting.insert(number, message);
        self.make_room();
    }

    /// Takes out the event that ended the job, where it waits and no event behind it opened the job again.
    pub(super) fn take_ending(&mut self) -> Option<Arc<Message>> {
        let after = self.waiting.iter().rev().take_while(|(_, message)| message.is_run_over);
        let number = *after.last()?.0;
        self.remove(number)
    }

    /// Drops all waiting events.
    pub(super) fn give_up(&mut self) {
        self.lost += self.len();
        self.waiting.clear();
        self.newest.clear();
        self.bytes = 0;
    }

    fn make_room(&mut self) {
        while self.waiting.len() > EVENTS || (self.bytes > BYTES && self.waiting.len() > 1) {
            let progress =
                self.newest.values().min().copied().filter(|oldest| self.waiting.contains_key(oldest));
            let oldest = progress.or_else(|| self.waiting.keys().next().copied());
            let Some(oldest) = oldest else { return };
            self.remove(oldest);
            self.lost += 1;
        }
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Message>> {
        let message = self.waiting.remove(&number)?;
        self.bytes -= message.payload.len();
        self.forget(number, &message);
        Some(message)
    }

    fn forget(&mut self, number: u64, message: &Message) {
        if let Some(progress) = &message.progress
            && self.newest.get(&progress.slot) == Some(&number)
        {
            self.newest.remove(&progress.slot);
        }
    }
}

fn says_all_of(newer: &Message, older: &Message) -> bool {
    let names = (&newer.progress, &older.progress);
    matches!(names, (Some(newer), Some(older)) if older.names.is_subset(&newer.names))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::dialect::Dialects;
    use crate::emit::Content;

    fn message(dialect: &str, job: &str, payload: &str) -> Message {
        static BUILTIN: LazyLock<Dialects> = LazyLock::new(Dialects::builtin);
        let dialect = Arc::clone(BUILTIN.named(dialect).unwrap().1);
        let content = Content::Whole(payload.to_owned());
        Message::new(Outgoing { dialect, job: job.to_owned(), content }, false, Timestamp::UNIX_EPOCH)
            .unwrap()
    }

    fn scraping(kind: &str, job: u32, progress: u32) -> Message {
        let payload = format!(r#"{{"job_id":{job},"event_type":"{kind}","progress":{progress}}}"#);
        message("scraping", &job.to_string(), &payload)
    }

    fn drained(backlog: &mut Backlog) -> Vec<String> {
        std::iter::from_fn(|| backlog.pop()).map(|(_, message)| message.payload.clone()).collect()
    }

    #[test]
    fn newer_progress_replaces_older_of_its_job_and_kind_and_comes_last() {
        let mut backlog = Backlog::default();
        for (kind, job, progress) in [
            ("job_started", 1, 0),
            ("job_progress", 1, 10),
            ("job_progress", 2, 5),
            ("results_updated", 1, 15),
            ("scraper_started", 1, 16),
            ("job_progress", 1, 20),
            ("job_completed", 1, 100),
        ] {
            backlog.push(scraping(kind, job, progress));
        }
        let left: Vec<_> =
            drained(&mut backlog).iter().map(|text| text.rsplit(':').next().unwrap().to_owned()).collect();
        assert_eq!(left, ["0}", "5}", "15}", "16}", "20}", "100}"]);
        assert_eq!((backlog.replaced, backlog.lost, backlog.bytes), (1, 0, 0));
        assert!(backlog.newest.is_empty());
    }

    #[test]
    fn progress_that_says_more_than_the_newer_stays() {
        let mut backlog = Backlog::default();
        let film = r#"{"jobId":"a","status":"processing","progress":1,"videoInfo":{"title":"x"}}"#;
        let bare = |progress: u32| format!(r#"{{"jobId":"a","status":"processing","progress":{progress}}}"#);
        for payload in [film, &bare(2), &bare(3)] {
            backlog.push(message("downloads", "a", payload));
        }
        assert_eq!(drained(&mut backlog), [film, &bare(3)]);
    }

    #[test]
    fn an_event_that_is_put_back_is_the_first_again_unless_newer_progress_is_there() {
        let mut backlog = Backlog::default();
        backlog.push(scraping("job_started", 1, 0));
        backlog.push(scraping("job_progress", 1, 10));
        let (number, started) = backlog.pop().unwrap();
        backlog.put_back(number, started);
        assert!(backlog.pop().unwrap().1.payload.contains("job_started"));
        let (number, progress) = backlog.pop().unwrap();
        backlog.push(scraping("job_progress", 1, 20));
        backlog.put_back(number, progress);
        assert_eq!(drained(&mut backlog).len(), 1);
        assert_eq!(backlog.replaced, 1);
    }

    #[test]
    fn a_full_backlog_gives_up_the_oldest_progress_and_then_the_oldest() {
        let mut backlog = Backlog::default();
        backlog.push(scraping("job_started", 0, 0));
        backlog.push(scraping("job_progress", 7, 1));
        for job in 1..10_000 {
            backlog.push(scraping("job_started", job, 0));
        }
        assert_eq!((backlog.len(), backlog.lost), (10_000, 1));
        assert!(!backlog.waiting.values().any(|message| message.payload.contains("job_progress")));
        backlog.push(scraping("job_completed", 0, 100));
        assert_eq!((backlog.len(), backlog.lost), (10_000, 2));
        assert!(!backlog.waiting.values().next().unwrap().payload.contains(r#""job_id":0,"#));
        let big = format!(r#"{{"job_id":1,"event_type":"job_failed","message":"{}"}}"#, "x".repeat(1 << 20));
        for _ in 0..20 {
            backlog.push(message("scraping", "1", &big));
        }
        assert!(backlog.bytes <= BYTES && backlog.len() < 17, "{}", backlog.len());
        backlog.give_up();
        assert_eq!((backlog.len(), backlog.lost), (0, 10_022));
    }
}

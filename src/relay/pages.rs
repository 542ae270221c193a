//! Entries of streams that are read again, for clients that come back to a place which is no longer in memory.

use std::sync::Arc;

use memchr::memmem;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::debug;

use super::event::{Event, kind_of};
use super::joblog::JobLog;
use crate::broker::{Broker, Entry, EntryId, Page};
use crate::dialect::{DialectId, Dialects, Outcome, Topic, TopicKind};
use crate::wire::Payload;

/// Entries of a page.
const PAGE: usize = 500;
/// Pages that are read at a time: with the largest payloads, that is what they hold of memory.
const READING: usize = 4;

/// Reads pages of streams, on the runtime that the relay was started on.
#[derive(Clone)]
pub(super) struct Pages {
    broker: Arc<dyn Broker>,
    runtime: Handle,
    room: Arc<Semaphore>,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    /// A reader of a broker's history. Must be made on the runtime that is to read.
    pub(super) fn new(broker: &Arc<dyn Broker>) -> Self {
        let room = Arc::new(Semaphore::new(READING));
        Self { broker: Arc::clone(broker), runtime: Handle::current(), room }
    }

    /// The entries of a stream behind a place; `None` where they could not be read.
    pub(super) async fn read(&self, behind: EntryId) -> Option<Page> {
        let (broker, room) = (Arc::clone(&self.broker), Arc::clone(&self.room));
        let reading = self.runtime.spawn(async move {
            // The semaphore is never closed, so this cannot fail.
            let _room = room.acquire_owned().await.ok()?;
            let history = broker.history()?;
            match history.page(behind.stream, behind.position, PAGE).await {
                Ok(page) => Some(page),
                Err(error) => {
                    debug!(%error, "could not read a stream again");
                    None
                }
            }
        });
        reading.await.ok().flatten()
    }
}

/// Topics whose events are looked for among entries.
pub(super) struct Sought<'a> {
    dialects: &'a Dialects,
    dialect: DialectId,
    topics: &'a [Topic],
    max_payload: usize,
}

impl<'a> Sought<'a> {
    /// Looks for events of topics in a stream of a dialect; payloads over `max_payload` bytes are none.
    pub(super) const fn new(
        dialects: &'a Dialects,
        dialect: DialectId,
        topics: &'a [Topic],
        max_payload: usize,
    ) -> Self {
        Self { dialects, dialect, topics, max_payload }
    }

    /// Whether an entry can be an event of any of the topics. Most of a shared stream are others', which takes no decoding
    /// to see where ids are written in one way alone.
    fn is_possible(&self, entry: &Entry) -> bool {
        self.topics.iter().filter(|topic| topic.dialect == self.dialect).any(|topic| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let (kind, id) = (topic.kind, topic.name.as_bytes());
            if kind != TopicKind::Job || !id.iter().all(|byte| is_plain(*byte)) {
                return true;
            }
            let is_in = |text: &[u8]| memmem::find(text, id).is_some();
            is_in(&entry.payload) || entry.channel.as_ref().is_some_and(|channel| is_in(channel))
        })
    }

    /// The event that an entry was, if it was one of any of the topics. A job's owner is looked up in the log.
    pub(super) fn event(&self, entry: &Entry, place: EntryId, log: &JobLog) -> Option<Event> {
        let channel = entry.channel.as_ref()?;
        if entry.payload.len() > self.max_payload || !self.is_possible(entry) {
            return None;
        }
        let dialect = self.dialects.get(self.dialect);
        let mut event = if dialect.channels.is_some() {
            let decoded = dialect.decode_channel(channel, &entry.payload).ok()?;
            Event::of_channel(self.dialect, &decoded, &entry.payload)
        } else {
            let payload = dialect.redacted(&entry.payload);
            let decoded = dialect.decode(channel, &payload).ok()?;
            if decoded.kind.is_some_and(|kind| kind.hidden) {
                return None;
            }
            let topic = Topic::job(self.dialect, &*decoded.job);
            let owner = decoded.owner.as_deref().filter(|owner| !owner.is_empty()).map(Arc::from);
            let owner = log.owner(self.dialect, &decoded.job).map(Arc::from).or(owner);
            let entity = decoded.entity.as_deref().map(Arc::from);
            let payload = Payload::wrapped(decoded.text_parts());
            let mut event = Event::of_job(&decoded, kind_of(&decoded), payload, topic, entity, owner);
            // An ending that counts only of a running job counts where the log has the job ended by it.
            let counts = |ends: &Outcome| {
                !decoded.kind.is_some_and(|kind| kind.unless_ended)
                    || log.outcome(self.dialect, &decoded.job) == Some(*ends)
            };
            event.ends = event.ends.filter(counts);
            event
        };
        let is_of = |topic: &Topic| match topic.kind {
            TopicKind::Every => topic.dialect == self.dialect,
            _ => event.topics.contains(topic),
        };
        if !self.topics.iter().any(is_of) {
            return None;
        }
        event.place(log.sequence_of(place), Some(place));
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Position, StreamId};
    use crate::relay::joblog::{Incoming, JobLogLimits, Stamp};

    #[test]
    fn a_removal_that_is_read_again_ends_only_a_job_that_it_cancelled() {
        let dialects = Arc::new(Dialects::builtin());
        let (id, bullmq) = dialects.named("bullmq").unwrap();
        let ends = |events: &[&str]| {
            let mut log = JobLog::new(Arc::clone(&dialects), JobLogLimits::default(), false);
            let payload = |event: &&str| format!(r#"{{"event":"{event}","jobId":"1","prev":"TBD"}}"#);
            for payload in events.iter().map(payload) {
                let decoded = bullmq.decode(b"bull:q:1", payload.as_bytes()).unwrap();
                let incoming = Incoming { payload: Payload::wrapped(decoded.text_parts()), entry: None };
                log.take(id, &decoded, incoming, Stamp::now());
            }
            let topics = [Topic::every(id)];
            let sought = Sought::new(&dialects, id, &topics, 1 << 20);
            let position = Position::default();
            let place = EntryId { stream: StreamId(0), position };
            let ends = |event: &&str| {
                let payload = payload(event).into();
                let entry = Entry { position, channel: Some("bull:q:1".into()), payload };
                sought.event(&entry, place, &log).unwrap().ends
            };
            events.iter().map(ends).collect::<Vec<_>>()
        };
        assert_eq!(ends(&["active", "completed", "removed"]), [None, Some(Outcome::Succeeded), None]);
        assert_eq!(ends(&["added", "removed"]), [None, Some(Outcome::Cancelled)]);
    }
}

//! From the broker to the shards: decode, number, hand over.

mod log;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use self::log::Odd;
use self::log::{DropLog, SlipLog};
use super::event::{ConflationKey, Delivery, Event, Topics};
use super::foreign::Foreign;
use super::joblog::{Incoming, JobLog, Stamp, Taken};
use super::shard::ShardHandle;
use super::stats::Stats;
use crate::broker::{BoxFuture, Publication, Sink};
use crate::dialect::{Auth, ChannelEvent, DialectId, Dialects, Slips, Topic, Undecodable};
use crate::wire::Payload;

/// The sink behind a relay's broker. A burst is decoded into one batch, and every shard gets the batch once. A shard's
/// queue is bounded in batches; while one is full the broker is not read.
pub(super) struct Ingest {
    /// State that others keep.
    pub(super) foreign: Arc<Foreign>,
    pub(super) dialects: Arc<Dialects>,
    /// The dialect of each subscription.
    pub(super) subscribers: Vec<DialectId>,
    pub(super) log: Arc<Mutex<JobLog>>,
    pub(super) shards: Vec<ShardHandle>,
    pub(super) stats: Arc<Stats>,
    pub(super) max_payload: usize,
    /// Send the polling body after each event, in dialects that allow it.
    pub(super) echo_polling: bool,
    /// Told when an ending or an owner waits to be written.
    pub(super) urgent: Arc<tokio::sync::Notify>,
    /// Told when publications may have been missed.
    pub(super) gaps: Arc<tokio::sync::Notify>,
    /// Results of the burst so far.
    pub(super) burst: Burst,
}

/// What a burst of publications came to, until it is handed to the shards; and what was logged, which is seldom.
#[derive(Default)]
pub(super) struct Burst {
    batch: Vec<Delivery>,
    /// Jobs of the batch of which it is known only now whose they are.
    owned: Vec<Topic>,
    /// Events of the batch, those that are sent to nobody included.
    taken: u64,
    /// Dialects of which a subscription was ever confirmed.
    confirmed: BTreeSet<DialectId>,
    /// A hole in the events, until the next flush.
    hole: Option<Hole>,
    drops: DropLog,
    slips: SlipLog,
}

/// A place at which events may have been missed.
struct Hole {
    /// Dialects whose events they were; none at the start, where nobody has missed anything.
    dialects: Vec<DialectId>,
    /// Sequence that stands for the hole.
    sequence: u64,
    /// Events of the batch that came before it.
    behind: usize,
}

impl Ingest {
    fn take(&mut self, publication: Publication<'_>) -> Result<(), Undecodable> {
        if publication.payload.len() > self.max_payload {
            return Err(Undecodable::TooBig);
        }
        let id = self.subscribers[publication.subscription];
        let dialect = self.dialects.get(id);
        if dialect.channels.is_some() {
            return self.take_channel(id, publication);
        }
        let payload = dialect.redacted(publication.payload);
        let decoded = dialect.decode(publication.channel, &payload)?;
        let incoming = Incoming { payload: Payload::wrapped(decoded.text_parts()), entry: publication.entry };
        // A panic under the lock is a bug, but no reason to stop relaying.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { event, owned } = log.take(id, &decoded, incoming, Stamp::now());
        let job = Arc::clone(&event.topics[0].name);
        if log.has_urgent() {
            self.urgent.notify_one();
        }
        let hidden = decoded.kind.is_some_and(|kind| kind.hidden);
        let echo = self.echo_polling && dialect.echoes() && !hidden;
        let echo = if echo { log.status(id, &job) } else { None };
        let delivery = Delivery { event, echo: echo.map(|body| Payload::plain(body.as_bytes())) };
        if !hidden {
            // Before anybody else has the lock: who looks the job up must find it in the log and here, or in neither.
            log.hold(id, &job, &delivery);
            log.share(delivery.event.sequence);
        }
        let unmerged = log.unmerged();
        drop(log);
        self.burst.taken += 1;
        if dialect.has_foreign_state() {
            self.foreign.seen(id, &job);
        }
        if self.stats.unmerged.get() != unmerged {
            self.stats.unmerged.set(unmerged);
            self.burst.slips.unmerged(&dialect.name, &job);
        }
        if !decoded.slips.is_empty() {
            let Publication { channel, payload, .. } = publication;
            let odd = Odd { channel, payload, kind: &decoded.kind_name };
            note_slips(&self.stats, &mut self.burst.slips, (id, &dialect.name), decoded.slips, odd);
        }
        if owned && dialect.auth == Auth::Owner {
            self.burst.owned.push(Topic::job(id, job));
        }
        if !hidden {
            self.burst.batch.push(delivery);
        }
        Ok(())
    }

    /// Gives every shard a batch.
    async fn hand_over(&self, batch: Vec<Delivery>) {
        if batch.is_empty() {
            return;
        }
        let batch: Arc<[Delivery]> = batch.into();
        let bytes = batch.iter().map(Delivery::bytes).sum();
        for shard in &self.shards {
            shard.publish(Arc::clone(&batch), bytes).await;
        }
    }

    /// Takes an event of channels and rooms. It is nobody's state, so nothing of it is kept; its number is one of the
    /// same order all the same.
    fn take_channel(&mut self, id: DialectId, publication: Publication<'_>) -> Result<(), Undecodable> {
        let dialect = self.dialects.get(id);
        let event = dialect.decode_channel(publication.channel, publication.payload)?;
        self.stats.channel_event(id, event.channel);
        self.burst.taken += 1;
        if !event.slips.is_empty() {
            let Publication { channel, payload, .. } = publication;
            let odd = Odd { channel, payload, kind: &event.kind_name };
            note_slips(&self.stats, &mut self.burst.slips, (id, &dialect.name), event.slips, odd);
        }
        let channel = event.channel;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = log.number();
        let event = Arc::new(event_of_channel(id, &event, sequence, publication));
        log.append_to_channel(id, channel, &event, Stamp::now().now);
        log.share(sequence);
        drop(log);
        self.burst.batch.push(Delivery { event, echo: None });
        Ok(())
    }
}

/// Counts the slips of an event, and has them logged.
fn note_slips(
    stats: &Stats,
    log: &mut SlipLog,
    (id, dialect): (DialectId, &str),
    slips: Slips,
    odd: Odd<'_>,
) {
    for slip in slips.iter() {
        stats.slip(id, slip).add(1);
        log.log(id, dialect, slip, &odd);
    }
}

/// An event of channels and rooms as the shards get it.
fn event_of_channel(
    id: DialectId,
    event: &ChannelEvent<'_>,
    sequence: u64,
    publication: Publication<'_>,
) -> Event {
    let kind: Arc<str> = match event.kind {
        Some(kind) => Arc::clone(&kind.name),
        None => event.kind_name.as_ref().into(),
    };
    let conflatable = event.kind.is_some_and(|kind| kind.conflatable);
    // Of one resource, that is: without one nobody can say what an older event was about. And on one channel, since
    // there may be clients that get only the other one.
    let conflation = event.resource.as_deref().filter(|_| conflatable).map(|resource| ConflationKey {
        job: resource.into(),
        kind: Arc::clone(&kind),
        entity: Some(Arc::clone(event.channel)),
    });
    Event {
        sequence,
        entry: publication.entry,
        topics: Topics::Many(topics(id, event)),
        payload: Payload::plain(publication.payload),
        kind,
        conflation,
        ends: event.kind.and_then(|kind| kind.ends),
        owner: None,
    }
}

/// Who gets an event of channels and rooms: its channel, its rooms, and the channel narrowed to each of them.
pub(super) fn topics(id: DialectId, event: &ChannelEvent<'_>) -> Box<[Topic]> {
    let channel = std::iter::once(Topic::channel(id, Arc::clone(event.channel)));
    let rooms = event
        .rooms
        .iter()
        .flat_map(|room| [Topic::room(id, room.as_str()), Topic::channel_and_room(id, event.channel, room)]);
    channel.chain(rooms).collect()
}

impl Sink for Ingest {
    fn confirmed(&mut self, subscriptions: &[usize]) {
        let mut dialects: Vec<DialectId> = subscriptions.iter().map(|at| self.subscribers[*at]).collect();
        dialects.sort_unstable();
        dialects.dedup();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.gap(dialects.iter().copied());
        let sequence = log.lose_source(&dialects);
        drop(log);
        let Burst { confirmed, hole, batch, .. } = &mut self.burst;
        // A broker confirms one subscription after the other: a hole grows until it is told.
        let hole = hole.get_or_insert_with(|| Hole { dialects: Vec::new(), sequence, behind: 0 });
        (hole.sequence, hole.behind) = (sequence, batch.len());
        hole.dialects.extend(dialects.into_iter().filter(|id| !confirmed.insert(*id)));
        self.gaps.notify_one();
    }

    fn publication(&mut self, publication: Publication<'_>) {
        if let Err(reason) = self.take(publication) {
            self.stats.drop_undecodable(reason);
            self.burst.drops.log(reason, publication.channel, publication.payload);
            self.foreign.hint(self.subscribers[publication.subscription], reason);
        }
    }

    fn oversized(&mut self, _: usize, channel: &[u8], head: &[u8], _: u64) {
        self.stats.drop_undecodable(Undecodable::TooBig);
        self.burst.drops.log(Undecodable::TooBig, channel, head);
    }

    fn flush(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.stats.events.add(std::mem::take(&mut self.burst.taken));
            if !self.burst.owned.is_empty() {
                // First: who may see an event must be known before it is sent.
                let owned: Arc<[Topic]> = std::mem::take(&mut self.burst.owned).into();
                for shard in &self.shards {
                    shard.owned(Arc::clone(&owned)).await;
                }
            }
            let mut batch = std::mem::take(&mut self.burst.batch);
            if let Some(Hole { dialects, sequence, behind }) = self.burst.hole.take() {
                let rest = batch.split_off(behind);
                self.hand_over(std::mem::replace(&mut batch, rest)).await;
                let dialects: Arc<[DialectId]> = dialects.into();
                for shard in &self.shards {
                    shard.lost(Arc::clone(&dialects), sequence).await;
                }
            }
            self.hand_over(batch).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a payload on a channel becomes.
    fn event(channel: &str, payload: &str) -> Event {
        let all = Dialects::builtin();
        let (id, dialect) = all.with_channels().unwrap();
        let redis = dialect.channel_of(channel);
        let decoded = dialect.decode_channel(redis.as_bytes(), payload.as_bytes()).unwrap();
        let publication = Publication {
            subscription: 0,
            channel: redis.as_bytes(),
            payload: payload.as_bytes(),
            entry: None,
            is_history: false,
        };
        event_of_channel(id, &decoded, 1, publication)
    }

    #[test]
    fn an_event_of_channels_has_the_topics_of_its_channel_of_its_rooms_and_of_both() {
        let payload = r#"{"type":"email:sent", "email_id":5,"campaign_id":1}"#;
        let event = event("emails", payload);
        assert_eq!(event.payload.text(), payload.as_bytes());
        let id = Dialects::builtin().with_channels().unwrap().0;
        let mut topics = event.topics.to_vec();
        topics.sort_unstable();
        let mut wanted = vec![
            Topic::channel(id, "emails"),
            Topic::room(id, "campaign:1"),
            Topic::room(id, "email:5"),
            Topic::channel_and_room(id, "emails", "campaign:1"),
            Topic::channel_and_room(id, "emails", "email:5"),
        ];
        wanted.sort_unstable();
        assert_eq!(topics, wanted);
    }

    #[test]
    fn progress_replaces_what_is_older_of_its_kind_resource_and_channel_alone() {
        let progress = |channel, id| {
            event(channel, &format!(r#"{{"type":"scraper:progress","scraper_id":"{id}"}}"#))
                .conflation
                .unwrap()
        };
        assert_eq!(progress("scrapers", "a"), progress("scrapers", "a"));
        assert_ne!(progress("scrapers", "a"), progress("scrapers", "b"));
        assert_ne!(progress("scrapers", "a"), progress("leads", "a"));
        for never in [
            r#"{"type":"scraper:progress"}"#,
            r#"{"type":"scraper:completed","scraper_id":"a"}"#,
            r#"{"type":"scraper:unheard_of","scraper_id":"a"}"#,
        ] {
            assert_eq!(event("scrapers", never).conflation, None, "{never}");
        }
    }
}

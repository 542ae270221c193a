//! From the broker to the shards: decode, number, hand over.

mod log;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use self::log::Odd;
use self::log::{DropLog, SlipLog};
use super::cursor::Sources;
use super::event::{Delivery, Event};
use super::foreign::Foreign;
use super::joblog::{Incoming, JobLog, Stamp, Taken};
use super::shard::ShardHandle;
use super::shard::message::LostSource;
use super::stats::Stats;
use super::streams::SharedTable;
use crate::broker::{BoxFuture, EntryFault, EntryId, Position, Publication, Sink, StreamId};
use crate::dialect::{Auth, DialectId, Dialects, Slips, Topic, Undecodable};
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
    /// Whether the history of all streams was read.
    pub(super) history: watch::Sender<bool>,
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
    /// Subscriptions that were ever confirmed.
    confirmed: BTreeSet<usize>,
    /// A hole in the events, until the next flush.
    hole: Option<Hole>,
    /// Streams that are followed, until the shards are told.
    followed: Option<SharedTable>,
    /// The history of all streams was read, until the flush behind it.
    has_history: bool,
    drops: DropLog,
    slips: SlipLog,
}

/// A place at which events may have been missed.
#[derive(Default)]
struct Hole {
    /// Dialects whose events they were; none at the start, where nobody has missed anything.
    dialects: Vec<DialectId>,
    /// Streams whose entries they were.
    streams: Sources,
    /// Sequence that stands for the hole.
    sequence: u64,
    /// Events of the batch that came before it.
    behind: usize,
}

impl Burst {
    /// A hole before what comes next. A broker tells of one subscription after the other: it grows until it is told.
    fn tear(&mut self, sequence: u64) -> &mut Hole {
        let behind = self.batch.len();
        let hole = self.hole.get_or_insert_default();
        (hole.sequence, hole.behind) = (sequence, behind);
        hole
    }
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
        let Taken { event, owned } = log.take(id, &decoded, incoming, stamp_of(&publication));
        publication.entry.inspect(|entry| log.note_entry(*entry));
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
        self.burst.taken += u64::from(!publication.is_history);
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

    /// Tells every shard of a hole.
    async fn tell_hole(&self, hole: Hole) {
        let Hole { dialects, streams, sequence, .. } = hole;
        let count = usize::from(!dialects.is_empty()) + usize::from(streams != Sources::default());
        self.stats.gaps.add(count as u64);
        // Shards are told the sequence also where nobody has missed anything.
        let lost = LostSource { dialects: dialects.into(), streams };
        for shard in &self.shards {
            shard.lost(lost.clone(), sequence).await;
        }
    }

    /// Takes an event of channels and rooms. It is nobody's state, so nothing of it is kept; its number is one of the
    /// same order all the same.
    fn take_channel(&mut self, id: DialectId, publication: Publication<'_>) -> Result<(), Undecodable> {
        let dialect = self.dialects.get(id);
        let event = dialect.decode_channel(publication.channel, publication.payload)?;
        self.stats.channel_event(id, event.channel);
        self.burst.taken += u64::from(!publication.is_history);
        if !event.slips.is_empty() {
            let Publication { channel, payload, .. } = publication;
            let odd = Odd { channel, payload, kind: &event.kind_name };
            note_slips(&self.stats, &mut self.burst.slips, (id, &dialect.name), event.slips, odd);
        }
        let channel = event.channel;
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = log.number();
        let mut event = Event::of_channel(id, &event, publication.payload);
        event.place(sequence, publication.entry);
        let event = Arc::new(event);
        log.append_to_channel(id, channel, &event, Stamp::now().now);
        log.share(sequence);
        publication.entry.inspect(|entry| log.note_entry(*entry));
        drop(log);
        self.burst.batch.push(Delivery { event, echo: None });
        Ok(())
    }
}

/// When a publication was made, which is known of entries of streams.
fn stamp_of(publication: &Publication<'_>) -> Stamp {
    match publication.entry {
        None => Stamp::now(),
        Some(entry) => Stamp { micros: entry.position.millis.saturating_mul(1_000), ..Stamp::now() },
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

impl Sink for Ingest {
    fn confirmed(&mut self, subscriptions: &[usize]) {
        let of = |all: &[usize]| -> Vec<DialectId> {
            let all: BTreeSet<DialectId> = all.iter().map(|at| self.subscribers[*at]).collect();
            all.into_iter().collect()
        };
        let dialects = of(subscriptions);
        // The first confirmation of a subscription is no gap: nobody has missed anything.
        let confirmed = &mut self.burst.confirmed;
        let again: Vec<usize> = subscriptions.iter().copied().filter(|at| !confirmed.insert(*at)).collect();
        let missed = of(&again);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.gap(dialects.iter().copied());
        let sequence = log.lose_source(&dialects);
        drop(log);
        self.burst.tear(sequence).dialects.extend(missed);
        self.gaps.notify_one();
    }

    fn stream(&mut self, stream: StreamId, key: &str, subscription: usize, after: Position) {
        let dialect = self.subscribers[subscription];
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let has_hole = log.follow(stream, key, dialect, after);
        if !has_hole {
            self.burst.followed = Some(Arc::clone(log.streams()));
            return;
        }
        log.gap([dialect]);
        let sequence = log.lose_source(&[dialect]);
        drop(log);
        let hole = self.burst.tear(sequence);
        hole.streams = hole.streams.and(Sources::stream(stream));
        self.gaps.notify_one();
    }

    fn history_read(&mut self) {
        self.burst.has_history = true;
    }

    fn publication(&mut self, publication: Publication<'_>) {
        if let Err(reason) = self.take(publication) {
            if let Some(entry) = publication.entry {
                // Clients' places move past it.
                self.log.lock().unwrap_or_else(PoisonError::into_inner).note_entry(entry);
            }
            self.stats.drop_undecodable(reason);
            self.burst.drops.log(reason, publication.channel, publication.payload);
            self.foreign.hint(self.subscribers[publication.subscription], reason);
        }
    }

    fn odd_entry(&mut self, _: usize, key: &str, entry: Option<EntryId>, fault: EntryFault) {
        if let Some(entry) = entry {
            self.log.lock().unwrap_or_else(PoisonError::into_inner).note_entry(entry);
        }
        let reason = match fault {
            EntryFault::NoPayload => Undecodable::NoPayload,
            EntryFault::NoJob => Undecodable::NoJob,
        };
        self.stats.drop_undecodable(reason);
        self.burst.drops.log(reason, key.as_bytes(), &[]);
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
            if let Some(streams) = self.burst.followed.take() {
                // First as well: a client's cursor names the streams of its targets.
                for shard in &self.shards {
                    shard.followed(Arc::clone(&streams)).await;
                }
            }
            let mut batch = std::mem::take(&mut self.burst.batch);
            if let Some(hole) = self.burst.hole.take() {
                let rest = batch.split_off(hole.behind);
                self.hand_over(std::mem::replace(&mut batch, rest)).await;
                self.tell_hole(hole).await;
            }
            self.hand_over(batch).await;
            if std::mem::take(&mut self.burst.has_history) {
                self.history.send_replace(true);
            }
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
        Event::of_channel(id, &decoded, payload.as_bytes())
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

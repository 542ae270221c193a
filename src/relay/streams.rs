//! The streams that a relay follows: which of them a topic's events come by.

use std::sync::Arc;

use super::cursor::Sources;
use crate::broker::StreamId;
use crate::dialect::{DialectId, Dialects, Topic, TopicKind};

/// A stream that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamRow {
    /// Hash of its key, which is the same on every relay.
    pub hash: u32,
    /// The dialect of its events.
    pub dialect: DialectId,
    /// The channel, or the part of the jobs' ids, that it alone is of; `None`: it is of all of the dialect.
    pub part: Option<String>,
}

/// All streams that are followed, by their numbers. A new one makes a new table.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamTable(Vec<StreamRow>);

impl StreamTable {
    /// Adds a stream, unless it is there. Returns whether it was added.
    pub(super) fn add(&mut self, id: StreamId, key: &str, dialect: DialectId, dialects: &Dialects) -> bool {
        if usize::from(id.0) != self.0.len() {
            return false;
        }
        let part = dialects.get(dialect).stream_part(key);
        self.0.push(StreamRow { hash: hash_of(key), dialect, part });
        true
    }

    /// A stream.
    pub(super) fn get(&self, id: StreamId) -> Option<&StreamRow> {
        self.0.get(usize::from(id.0))
    }

    /// The streams that a topic's events come by; none where they come by channels.
    pub(super) fn of<'a>(&'a self, topic: &'a Topic) -> impl Iterator<Item = StreamId> + 'a {
        let part = part_of(topic);
        let is_of = move |row: &StreamRow| {
            row.dialect == topic.dialect
                && match (&row.part, part) {
                    (Some(of), Some(part)) => of == part,
                    _ => true,
                }
        };
        (0..).map(StreamId).zip(&self.0).filter(move |(_, row)| is_of(row)).map(|(id, _)| id)
    }

    /// The sources of a topic's events.
    pub(super) fn sources(&self, topic: &Topic) -> Sources {
        let all = self.of(topic).fold(Sources::default(), |all, id| all.and(Sources::stream(id)));
        if all == Sources::default() { Sources::OWN } else { all }
    }
}

/// The channel, or the part of a job's id before the first colon, that a topic is of; none where it is of several.
fn part_of(topic: &Topic) -> Option<&str> {
    match topic.kind {
        TopicKind::Job => Some(topic.name.split_once(':').map_or(&*topic.name, |(queue, _)| queue)),
        TopicKind::Channel => Some(&topic.name),
        TopicKind::ChannelAndRoom => topic.channel_and_room_names().map(|(channel, _)| channel),
        TopicKind::Every | TopicKind::Room => None,
    }
}

/// FNV-1a with 32 bits: short, and the same on every relay and for ever.
fn hash_of(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The table, shared with the shards.
pub(super) type SharedTable = Arc<StreamTable>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_s_events_come_by_the_stream_of_its_channel_and_of_several_by_all() {
        let all = Dialects::builtin().with_streams(&["channels", "scraping"]).unwrap();
        let (channels, scraping) = (all.named("channels").unwrap().0, all.named("scraping").unwrap().0);
        let mut table = StreamTable::default();
        for (id, key, dialect) in [
            (0, "scraping_events", scraping),
            (1, "fliptechpro:leads", channels),
            (2, "fliptechpro:emails", channels),
        ] {
            assert!(table.add(StreamId(id), key, dialect, &all));
            assert!(!table.add(StreamId(id), key, dialect, &all));
        }
        let bullmq = all.named("bullmq").unwrap().0;
        for (id, key) in [(3, "bull:videos:events"), (4, "bull:a/b:events")] {
            assert!(table.add(StreamId(id), key, bullmq, &all));
        }
        let of = |topic: &Topic| table.of(topic).map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(of(&Topic::job(scraping, "1")), [0]);
        assert_eq!(of(&Topic::every(scraping)), [0]);
        assert_eq!(of(&Topic::channel(channels, "emails")), [2]);
        assert_eq!(of(&Topic::room(channels, "lead:1")), [1, 2]);
        assert_eq!(of(&Topic::channel_and_room(channels, "leads", "lead:1")), [1]);
        assert_eq!(of(&Topic::job(bullmq, "videos:repeat:1")), [3]);
        assert_eq!(of(&Topic::job(bullmq, "a/b:1")), [4]);
        assert_eq!(of(&Topic::every(bullmq)), [3, 4]);
        let tasks = Topic::job(all.named("tasks").unwrap().0, "a");
        assert_eq!((of(&tasks), table.sources(&tasks)), (vec![], Sources::OWN));
        assert_eq!(hash_of("foobar"), 0xbf9c_f968, "the published value");
    }
}

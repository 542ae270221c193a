//! How many subscribe to what.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::{Hub, Subscribers};
use crate::dialect::{DialectId, TopicKind};

/// Rooms that a census names, the busiest ones: a client can make 128 of them up, and whoever asks is to get an answer.
pub(in crate::relay) const MOST_ROOMS: usize = 1_000;

/// The subscribers of a dialect's channels and rooms. Who has several subscriptions that come to the same counts once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::relay) struct Census {
    /// Channel → subscribers, whether to all of it or narrowed to rooms. Only those with any.
    pub channels: HashMap<String, usize>,
    /// Room → subscribers, those included that narrowed a channel to it. The busiest [`MOST_ROOMS`].
    pub rooms: HashMap<String, usize>,
    /// Subscribers of all rooms, also of those that are not named.
    pub room_subscriptions: usize,
}

impl Census {
    /// Adds those of another shard, whose connections are others.
    pub(in crate::relay) fn add(&mut self, other: Self) {
        for (channel, count) in other.channels {
            *self.channels.entry(channel).or_default() += count;
        }
        for (room, count) in other.rooms {
            *self.rooms.entry(room).or_default() += count;
        }
        self.room_subscriptions += other.room_subscriptions;
    }

    /// The busiest rooms, those first; equal ones by name.
    pub(in crate::relay) fn busiest(&self, most: usize) -> Vec<(&str, usize)> {
        let mut rooms: Vec<(&str, usize)> =
            self.rooms.iter().map(|(room, count)| (&**room, *count)).collect();
        rooms.sort_unstable_by_key(|(room, count)| (Reverse(*count), *room));
        rooms.truncate(most);
        rooms
    }
}

impl Hub {
    /// Counts the subscribers of a dialect's channels and rooms.
    pub(in crate::relay) fn census(&self, dialect: DialectId) -> Census {
        let mut channels: HashMap<&str, Vec<&Subscribers>> = HashMap::new();
        let mut narrowed: HashMap<&str, Vec<&Subscribers>> = HashMap::new();
        let own = || self.topics.iter().filter(|(topic, _)| topic.dialect == dialect);
        for (topic, subscribers) in own() {
            match topic.kind {
                TopicKind::Channel => channels.entry(&topic.name).or_default().push(subscribers),
                TopicKind::ChannelAndRoom => {
                    if let Some((channel, room)) = topic.channel_and_room_names() {
                        channels.entry(channel).or_default().push(subscribers);
                        narrowed.entry(room).or_default().push(subscribers);
                    }
                }
                TopicKind::Job | TopicKind::Room => {}
            }
        }
        let mut rooms = Busiest::default();
        for (topic, subscribers) in own().filter(|(topic, _)| topic.kind == TopicKind::Room) {
            let count = match narrowed.remove(&*topic.name) {
                None => subscribers.list.len(),
                Some(mut lists) => {
                    lists.push(subscribers);
                    distinct(&lists)
                }
            };
            rooms.offer(&topic.name, count);
        }
        for (room, lists) in narrowed {
            rooms.offer(room, distinct(&lists));
        }
        Census {
            channels: channels.into_iter().map(|(name, lists)| (name.to_owned(), distinct(&lists))).collect(),
            rooms: rooms.heap.into_iter().map(|Reverse((count, room))| (room.to_owned(), count)).collect(),
            room_subscriptions: rooms.total,
        }
    }
}

/// Keeps the rooms with the most subscribers.
#[derive(Default)]
struct Busiest<'a> {
    heap: BinaryHeap<Reverse<(usize, &'a str)>>,
    total: usize,
}

impl<'a> Busiest<'a> {
    fn offer(&mut self, room: &'a str, count: usize) {
        self.total += count;
        self.heap.push(Reverse((count, room)));
        if self.heap.len() > MOST_ROOMS {
            self.heap.pop();
        }
    }
}

/// How many connections stand in any of the lists.
fn distinct(lists: &[&Subscribers]) -> usize {
    if let [only] = lists {
        return only.list.len();
    }
    let mut ids: Vec<_> = lists.iter().flat_map(|list| &list.list).map(|one| one.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialects, Topic};
    use crate::relay::hub::Subscriber;
    use crate::relay::session::WatchId;
    use crate::relay::slots::ConnId;
    use crate::relay::slots::Slots;

    fn one(id: ConnId) -> Subscriber {
        Subscriber { id, watch: WatchId::ONLY }
    }

    #[test]
    fn each_connection_counts_once_for_a_channel_and_for_a_room() {
        let all = Dialects::builtin();
        let (id, other) = (all.with_channels().unwrap().0, all.named("scraping").unwrap().0);
        let (mut hub, mut slots) = (Hub::default(), Slots::new());
        let (a, b) = (slots.insert(()), slots.insert(()));
        hub.subscribe(Topic::channel(id, "emails"), one(a));
        hub.subscribe(Topic::channel_and_room(id, "campaigns", "campaign:1"), one(a));
        hub.subscribe(Topic::channel_and_room(id, "campaigns", "campaign:2"), one(a));
        hub.subscribe(Topic::room(id, "campaign:1"), one(a));
        hub.subscribe(Topic::room(id, "campaign:1"), one(b));
        hub.subscribe(Topic::channel(id, "campaigns"), one(b));
        hub.subscribe(Topic::room(other, "campaign:3"), one(b));
        let census = hub.census(id);
        let channels = HashMap::from([("emails".to_owned(), 1), ("campaigns".to_owned(), 2)]);
        let rooms = HashMap::from([("campaign:1".to_owned(), 2), ("campaign:2".to_owned(), 1)]);
        assert_eq!(census, Census { channels, rooms, room_subscriptions: 3 });
        assert_eq!(census.busiest(1), [("campaign:1", 2)]);
    }

    #[test]
    fn of_too_many_rooms_the_busiest_are_named() {
        let all = Dialects::builtin();
        let id = all.with_channels().unwrap().0;
        let (mut hub, mut slots) = (Hub::default(), Slots::new());
        let (a, b) = (slots.insert(()), slots.insert(()));
        for number in 0..2 * MOST_ROOMS {
            hub.subscribe(Topic::room(id, format!("lead:{number}")), one(a));
        }
        hub.subscribe(Topic::room(id, "lead:7"), one(b));
        let mut census = hub.census(id);
        assert_eq!((census.rooms.len(), census.room_subscriptions), (MOST_ROOMS, 2 * MOST_ROOMS + 1));
        assert_eq!(census.busiest(1), [("lead:7", 2)]);
        census.add(hub.census(id));
        assert_eq!((census.busiest(1), census.room_subscriptions), (vec![("lead:7", 4)], 4 * MOST_ROOMS + 2));
    }
}

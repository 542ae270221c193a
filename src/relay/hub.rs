//! Who gets what: topics and the connections subscribed to them. One a shard, without locks.

mod census;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

pub(super) use self::census::Census;
use super::session::WatchId;
use super::slots::ConnId;
use crate::dialect::{DialectId, Topic, TopicKind};

/// Subscribers of one topic from which on an index says where in the list each of them stands. Up to here looking
/// through the list costs no more than asking an index, and most topics, a job's, have fewer.
const INDEXED: usize = 64;

/// A connection that is subscribed to a topic, and its watch of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subscriber {
    /// The connection.
    pub id: ConnId,
    /// Number of the watch among those of the connection.
    pub watch: WatchId,
}

/// Topic → connections.
#[derive(Debug, Default)]
pub(super) struct Hub {
    topics: HashMap<Topic, Subscribers>,
    /// Subscribers of all jobs of a dialect, by its index.
    every: Vec<Subscribers>,
}

/// The connections of one topic: a plain list, which is what a fan-out copies, and for a crowd an index into it, so that
/// neither its arrival nor its leaving takes time in the square of its size. The index costs some 20 bytes a subscriber.
#[derive(Debug, Default)]
struct Subscribers {
    list: Vec<Subscriber>,
    #[expect(clippy::box_collection, reason = "few topics have one, and there are as many topics as jobs")]
    places: Option<Box<HashMap<ConnId, u32>>>,
}

impl Subscribers {
    /// Adds one that is not there yet.
    fn add(&mut self, new: Subscriber) {
        let at = place(self.list.len());
        match &mut self.places {
            None if self.list.iter().any(|old| old.id == new.id) => return,
            None => {}
            Some(places) => match places.entry(new.id) {
                Entry::Occupied(_) => return,
                Entry::Vacant(entry) => drop(entry.insert(at)),
            },
        }
        // One is all that most topics have, and a list would begin with room for four.
        self.list.reserve_exact(usize::from(self.list.is_empty()));
        self.list.push(new);
        if self.places.is_none() && self.list.len() > INDEXED {
            self.places =
                Some(Box::new(self.list.iter().enumerate().map(|(at, one)| (one.id, place(at))).collect()));
        }
    }

    /// Removes one, if it is there; the last of the list takes its place.
    fn remove(&mut self, id: ConnId) {
        let at = match &mut self.places {
            None => self.list.iter().position(|other| other.id == id),
            Some(places) => places.remove(&id).map(|at| at as usize),
        };
        let Some(at) = at else { return };
        self.list.swap_remove(at);
        if let (Some(places), Some(moved)) = (&mut self.places, self.list.get(at)) {
            places.insert(moved.id, place(at));
        }
        // Half of the bound, so that one who comes and goes at the bound builds no index each time.
        if self.list.len() <= INDEXED / 2 {
            self.places = None;
        }
        if self.list.len() < self.list.capacity() / 4 {
            self.list.shrink_to_fit();
            if let Some(places) = &mut self.places {
                places.shrink_to_fit();
            }
        }
    }
}

fn place(at: usize) -> u32 {
    u32::try_from(at).expect("fewer connections than a u32 counts")
}

impl Hub {
    /// Subscribes a connection; whoever is subscribed already stays so.
    pub(super) fn subscribe(&mut self, topic: Topic, new: Subscriber) {
        if topic.kind == TopicKind::Every {
            let index = topic.dialect.index();
            if self.every.len() <= index {
                self.every.resize_with(index + 1, Subscribers::default);
            }
            return self.every[index].add(new);
        }
        self.topics.entry(topic).or_default().add(new);
    }

    /// Ends a subscription, if there is one. The order of the others may change.
    pub(super) fn unsubscribe(&mut self, topic: &Topic, id: ConnId) {
        if topic.kind == TopicKind::Every {
            if let Some(subscribers) = self.every.get_mut(topic.dialect.index()) {
                subscribers.remove(id);
            }
            return;
        }
        if let Some(subscribers) = self.topics.get_mut(topic) {
            subscribers.remove(id);
            if subscribers.list.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// Writes the subscribers of all `topics` into `out`; one that matches several stands there several times.
    pub(super) fn matching(&self, topics: &[Topic], out: &mut Vec<Subscriber>) {
        out.clear();
        for topic in topics {
            if let Some(subscribers) = self.topics.get(topic) {
                out.extend_from_slice(&subscribers.list);
            }
        }
        if let Some(first) = topics.first().filter(|topic| topic.kind == TopicKind::Job)
            && let Some(subscribers) = self.every.get(first.dialect.index())
        {
            out.extend_from_slice(&subscribers.list);
        }
    }

    /// Writes the subscribers of all jobs of a dialect into `out`.
    pub(super) fn matching_every(&self, dialect: DialectId, out: &mut Vec<Subscriber>) {
        out.clear();
        let every = self.every.get(dialect.index());
        out.extend(every.into_iter().flat_map(|subscribers| &subscribers.list));
    }

    /// How many different connections match any of `topics`, and the condition.
    pub(super) fn count(&self, topics: &[Topic], condition: impl Fn(Subscriber) -> bool) -> usize {
        let mut matching = Vec::new();
        self.matching(topics, &mut matching);
        matching.sort_unstable();
        matching.retain(|one| condition(*one));
        matching.dedup_by_key(|one| one.id);
        matching.len()
    }

    /// The jobs that somebody watches.
    pub(super) fn jobs(&self) -> impl Iterator<Item = (DialectId, &str)> {
        self.topics
            .keys()
            .filter(|topic| topic.kind == TopicKind::Job)
            .map(|topic| (topic.dialect, &*topic.name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::dialect::Dialects;
    use crate::relay::slots::Slots;

    fn one(id: ConnId) -> Subscriber {
        Subscriber { id, watch: WatchId::ONLY }
    }

    fn topics() -> (Topic, Topic) {
        let all = Dialects::builtin();
        let id = all.named("scraping").unwrap().0;
        (Topic::job(id, "1"), Topic::job(id, "2"))
    }

    #[test]
    fn a_connection_that_matches_twice_counts_once() {
        let (mut hub, mut slots) = (Hub::default(), Slots::new());
        let (first, second) = topics();
        let (a, b) = (slots.insert(()), slots.insert(()));
        hub.subscribe(first.clone(), one(a));
        hub.subscribe(first.clone(), one(a));
        hub.subscribe(second.clone(), one(a));
        hub.subscribe(second.clone(), one(b));
        assert_eq!(hub.count(&[first.clone(), second.clone()], |_| true), 2);
        assert_eq!(hub.count(std::slice::from_ref(&first), |of| of.id != b), 1);
        assert_eq!(hub.jobs().count(), 2);
    }

    #[test]
    fn what_nobody_watches_any_more_is_forgotten() {
        let (mut hub, mut slots) = (Hub::default(), Slots::new());
        let (first, _) = topics();
        let ids: Vec<ConnId> = (0..100).map(|_| slots.insert(())).collect();
        for id in &ids {
            hub.subscribe(first.clone(), one(*id));
        }
        for id in &ids {
            hub.unsubscribe(&first, *id);
            hub.unsubscribe(&first, *id);
        }
        assert_eq!(hub.jobs().count(), 0);
    }

    proptest! {
        #[test]
        fn subscribers_are_the_set_of_those_who_came_and_did_not_leave(
            steps in proptest::collection::vec((0usize..3 * INDEXED, 0u8..5), 0..1_000),
        ) {
            let (mut hub, mut slots) = (Hub::default(), Slots::new());
            let (topic, _) = topics();
            let ids: Vec<ConnId> = (0..3 * INDEXED).map(|_| slots.insert(())).collect();
            let mut model = BTreeSet::new();
            // Phases of coming and of going, so that the bound is crossed both ways.
            for (step, (at, dice)) in steps.into_iter().enumerate() {
                let coming = (step / 300) % 2 == 0;
                if (dice == 0) == coming {
                    hub.unsubscribe(&topic, ids[at]);
                    model.remove(&ids[at]);
                } else {
                    hub.subscribe(topic.clone(), one(ids[at]));
                    model.insert(ids[at]);
                }
            }
            let mut found = Vec::new();
            hub.matching(std::slice::from_ref(&topic), &mut found);
            prop_assert_eq!(found.len(), model.len());
            prop_assert_eq!(found.into_iter().map(|of| of.id).collect::<BTreeSet<_>>(), model);
        }
    }
}

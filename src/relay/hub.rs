//! Who gets what: topics and the connections subscribed to them. One a shard, without locks.

mod census;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

pub(super) use self::census::Census;
use super::slots::ConnId;
use crate::dialect::{DialectId, Topic, TopicKind};

/// Subscribers of one topic from which on an index says where in the list each of them stands. Up to here looking
/// through the list costs no more than asking an index, and most topics, a job's, have fewer.
const INDEXED: usize = 64;

/// Topic → connections.
#[derive(Debug, Default)]
pub(super) struct Hub {
    topics: HashMap<Topic, Subscribers>,
}

/// The connections of one topic: a plain list, which is what a fan-out copies, and for a crowd an index into it, so that
/// neither its arrival nor its leaving takes time in the square of its size. The index costs some 20 bytes a subscriber.
#[derive(Debug, Default)]
struct Subscribers {
    ids: Vec<ConnId>,
    #[expect(clippy::box_collection, reason = "few topics have one, and there are as many topics as jobs")]
    places: Option<Box<HashMap<ConnId, u32>>>,
}

impl Subscribers {
    /// Adds one that is not there yet.
    fn add(&mut self, id: ConnId) {
        let at = place(self.ids.len());
        match &mut self.places {
            None if self.ids.contains(&id) => return,
            None => {}
            Some(places) => match places.entry(id) {
                Entry::Occupied(_) => return,
                Entry::Vacant(entry) => drop(entry.insert(at)),
            },
        }
        self.ids.push(id);
        if self.places.is_none() && self.ids.len() > INDEXED {
            self.places =
                Some(Box::new(self.ids.iter().enumerate().map(|(at, id)| (*id, place(at))).collect()));
        }
    }

    /// Removes one, if it is there; the last of the list takes its place.
    fn remove(&mut self, id: ConnId) {
        let at = match &mut self.places {
            None => self.ids.iter().position(|other| *other == id),
            Some(places) => places.remove(&id).map(|at| at as usize),
        };
        let Some(at) = at else { return };
        self.ids.swap_remove(at);
        if let (Some(places), Some(moved)) = (&mut self.places, self.ids.get(at)) {
            places.insert(*moved, place(at));
        }
        // Half of the bound, so that one who comes and goes at the bound builds no index each time.
        if self.ids.len() <= INDEXED / 2 {
            self.places = None;
        }
        if self.ids.len() < self.ids.capacity() / 4 {
            self.ids.shrink_to_fit();
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
    pub(super) fn subscribe(&mut self, topic: Topic, id: ConnId) {
        self.topics.entry(topic).or_default().add(id);
    }

    /// Ends a subscription, if there is one. The order of the others may change.
    pub(super) fn unsubscribe(&mut self, topic: &Topic, id: ConnId) {
        if let Some(subscribers) = self.topics.get_mut(topic) {
            subscribers.remove(id);
            if subscribers.ids.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// Writes the subscribers of all `topics` into `out`; one that matches several stands there several times.
    pub(super) fn matching(&self, topics: &[Topic], out: &mut Vec<ConnId>) {
        out.clear();
        for topic in topics {
            if let Some(subscribers) = self.topics.get(topic) {
                out.extend_from_slice(&subscribers.ids);
            }
        }
    }

    /// How many different connections match any of `topics`, and the condition.
    pub(super) fn count(&self, topics: &[Topic], condition: impl Fn(ConnId) -> bool) -> usize {
        let mut ids = Vec::new();
        self.matching(topics, &mut ids);
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter(|id| condition(*id)).count()
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

    fn topics() -> (Topic, Topic) {
        let all = Dialects::builtin();
        let id = all.named("scraping").unwrap().0;
        (Topic::job(id, "1"), Topic::job(id, "2"))
    }

    #[test]
    fn a_connection_that_matches_twice_counts_once() {
        let (mut hub, mut slots) = (Hub::default(), Slots::new());
        let (one, two) = topics();
        let (a, b) = (slots.insert(()), slots.insert(()));
        hub.subscribe(one.clone(), a);
        hub.subscribe(one.clone(), a);
        hub.subscribe(two.clone(), a);
        hub.subscribe(two.clone(), b);
        assert_eq!(hub.count(&[one.clone(), two.clone()], |_| true), 2);
        assert_eq!(hub.count(std::slice::from_ref(&one), |id| id != b), 1);
        assert_eq!(hub.jobs().count(), 2);
    }

    #[test]
    fn what_nobody_watches_any_more_is_forgotten() {
        let (mut hub, mut slots) = (Hub::default(), Slots::new());
        let (one, _) = topics();
        let ids: Vec<ConnId> = (0..100).map(|_| slots.insert(())).collect();
        for id in &ids {
            hub.subscribe(one.clone(), *id);
        }
        for id in &ids {
            hub.unsubscribe(&one, *id);
            hub.unsubscribe(&one, *id);
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
                    hub.subscribe(topic.clone(), ids[at]);
                    model.insert(ids[at]);
                }
            }
            let mut found = Vec::new();
            hub.matching(std::slice::from_ref(&topic), &mut found);
            prop_assert_eq!(found.len(), model.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), model);
        }
    }
}

//! Who gets what: topics and the connections subscribed to them. One a shard, without locks.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::slots::ConnId;
use crate::dialect::{DialectId, Topic, TopicKind};

/// Topic → connections.
#[derive(Debug, Default)]
pub(super) struct Hub {
    topics: HashMap<Topic, Vec<ConnId>>,
}

impl Hub {
    /// Subscribes a connection. Whoever does so twice is counted and sent to once all the same, but must unsubscribe
    /// twice: looking for it here would make a crowd's arrival quadratic.
    pub(super) fn subscribe(&mut self, topic: Topic, id: ConnId) {
        self.topics.entry(topic).or_default().push(id);
    }

    /// Ends a subscription. The order of the others may change.
    pub(super) fn unsubscribe(&mut self, topic: &Topic, id: ConnId) {
        if let Entry::Occupied(mut entry) = self.topics.entry(topic.clone()) {
            let subscribers = entry.get_mut();
            if let Some(at) = subscribers.iter().position(|other| *other == id) {
                subscribers.swap_remove(at);
            }
            if subscribers.is_empty() {
                entry.remove();
            } else if subscribers.len() < subscribers.capacity() / 4 {
                subscribers.shrink_to_fit();
            }
        }
    }

    /// Writes the subscribers of all `topics` into `out`; one that matches several stands there several times.
    pub(super) fn matching(&self, topics: &[Topic], out: &mut Vec<ConnId>) {
        out.clear();
        for topic in topics {
            if let Some(subscribers) = self.topics.get(topic) {
                out.extend_from_slice(subscribers);
            }
        }
    }

    /// How many different connections match any of `topics`.
    pub(super) fn count(&self, topics: &[Topic]) -> usize {
        let mut ids = Vec::new();
        self.matching(topics, &mut ids);
        ids.sort_unstable();
        ids.dedup();
        ids.len()
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
        assert_eq!(hub.count(&[one.clone(), two.clone()]), 2);
        assert_eq!(hub.count(std::slice::from_ref(&one)), 1);
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
}

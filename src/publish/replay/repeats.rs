//! Which recorded states repeat what was replayed; pure.
//!
//! After a break a server tells the state of a job anew. Where that is an event that the recording has already, or the merge of
//! such events, it is no news. What a gap has left out is.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::value::RawValue;

/// Events, and members of events, that are remembered at most.
const MAX: usize = 100_000;

/// Events so far, as hashes.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    events: HashSet<u64>,
    order: VecDeque<u64>,
    /// Hash of a target and a name in its events → hash of the newest value.
    members: HashMap<u64, u64>,
    /// Targets that were connected.
    connected: HashSet<u64>,
    /// Targets that were connected again. Their next event may be a repeat.
    again: HashSet<u64>,
}

impl Repeats {
    /// A target is connected.
    pub(super) fn connected(&mut self, target: &str) {
        let target = hash(&target);
        if self.connected.len() >= MAX {
            self.connected.clear();
        }
        if !self.connected.insert(target) && self.again.len() < MAX {
            self.again.insert(target);
        }
    }

    /// Takes an event. Whether it is a state that repeats earlier events. `inner` is the payload without an envelope where states
    /// are merged from all events.
    pub(super) fn is_repeat(
        &mut self,
        target: &str,
        payload: &str,
        is_state: bool,
        inner: Option<&str>,
    ) -> bool {
        let may_be = self.again.remove(&hash(&target)) || is_state;
        let event = hash(&(target, payload));
        if may_be && (self.events.contains(&event) || inner.is_some_and(|inner| self.is_merge(target, inner)))
        {
            return true;
        }
        if self.events.insert(event) {
            self.order.push_back(event);
        }
        if self.order.len() > MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
        if let Some(inner) = inner {
            self.merge(target, inner);
        }
        false
    }

    fn is_merge(&self, target: &str, inner: &str) -> bool {
        let members = members(inner);
        let is_known = |(name, value): &(String, &RawValue)| {
            self.members.get(&hash(&(target, name))) == Some(&hash(&value.get()))
        };
        !members.is_empty() && members.iter().all(is_known)
    }

    fn merge(&mut self, target: &str, inner: &str) {
        for (name, value) in members(inner) {
            if self.members.len() >= MAX {
                self.members.clear();
            }
            self.members.insert(hash(&(target, &name)), hash(&value.get()));
        }
    }
}

fn members(object: &str) -> Vec<(String, &RawValue)> {
    let members: HashMap<String, &RawValue> = serde_json::from_str(object).unwrap_or_default();
    members.into_iter().collect()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_repeat_where_its_event_was_there() {
        let mut repeats = Repeats::default();
        assert!(!repeats.is_repeat("a/1", "{1}", true, None), "the state that opens a recording");
        assert!(!repeats.is_repeat("a/1", "{1}", false, None), "a worker may say the same twice");
        assert!(!repeats.is_repeat("a/1", "{2}", false, None));
        assert!(repeats.is_repeat("a/1", "{1}", true, None));
        assert!(!repeats.is_repeat("a/2", "{1}", true, None), "another job");
        assert!(!repeats.is_repeat("a/1", "{3}", true, None), "it was missed in a gap");
        assert!(repeats.is_repeat("a/1", "{3}", true, None));
    }

    #[test]
    fn the_first_event_behind_a_second_connection_may_be_a_repeat() {
        let mut repeats = Repeats::default();
        repeats.connected("a/1");
        for _ in 0..2 {
            assert!(!repeats.is_repeat("a/1", "{1}", false, None));
        }
        repeats.connected("a/1");
        assert!(repeats.is_repeat("a/1", "{1}", false, None));
        assert!(!repeats.is_repeat("a/1", "{1}", false, None));
        repeats.connected("a/1");
        assert!(!repeats.is_repeat("a/1", "{2}", false, None));
    }

    #[test]
    fn a_merged_state_is_a_repeat_where_each_member_is_the_newest() {
        let mut repeats = Repeats::default();
        let mut take = |payload: &str, is_state| repeats.is_repeat("d/a", payload, is_state, Some(payload));
        assert!(!take(r#"{"jobId":"a","progress":10,"videoInfo":{"title":"A"}}"#, false));
        assert!(!take(r#"{"jobId":"a","progress":45}"#, false));
        assert!(take(r#"{"progress":45,"jobId":"a","videoInfo":{"title":"A"}}"#, true));
        assert!(!take(r#"{"jobId":"a","progress":50,"videoInfo":{"title":"A"}}"#, true));
        assert!(!take("{}", true));
    }

    #[test]
    fn memory_is_bounded() {
        let mut repeats = Repeats::default();
        for n in 0..MAX + 10 {
            let (target, payload) = (format!("a/{n}"), format!(r#"{{"n":{n}}}"#));
            repeats.connected(&target);
            repeats.connected(&target);
            repeats.is_repeat(&format!("b/{n}"), &payload, false, Some(&payload));
        }
        assert!(repeats.events.len() <= MAX && repeats.order.len() <= MAX && repeats.members.len() <= MAX);
        assert!(repeats.connected.len() <= MAX && repeats.again.len() <= MAX);
    }
}

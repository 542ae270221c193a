//! Pauses between repeated messages: a message is due once in a while, and its repeats are counted.

use std::time::{Duration, Instant};

/// Decides when a repeated message is due again, apart for each key.
///
/// Holds one entry a key, so keys must be few: reasons, never something that a client can choose.
#[derive(Debug)]
pub(crate) struct Seldom<K> {
    every: Duration,
    said: Vec<Said<K>>,
}

#[derive(Debug)]
struct Said<K> {
    key: K,
    at: Instant,
    /// Repeats since then.
    silent: u64,
}

impl<K: PartialEq> Seldom<K> {
    /// Lets a key through at most once in `every`.
    pub(crate) const fn every(every: Duration) -> Self {
        Self { every, said: Vec::new() }
    }

    /// Returns the number of repeats that were kept silent since the last time, or `None` while it is too soon.
    pub(crate) fn due(&mut self, key: K) -> Option<u64> {
        self.due_at(key, Instant::now())
    }

    fn due_at(&mut self, key: K, now: Instant) -> Option<u64> {
        let Some(said) = self.said.iter_mut().find(|said| said.key == key) else {
            self.said.push(Said { key, at: now, silent: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(said.at) < self.every {
            said.silent += 1;
            return None;
        }
        said.at = now;
        Some(std::mem::take(&mut said.silent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_due_once_in_a_while_and_then_counts_its_repeats() {
        let (mut seldom, start) = (Seldom::every(Duration::from_secs(10)), Instant::now());
        let mut at = |key, seconds| seldom.due_at(key, start + Duration::from_secs(seconds));
        assert_eq!(at("expired", 0), Some(0));
        assert_eq!(at("signature", 0), Some(0));
        assert_eq!(at("expired", 1), None);
        assert_eq!(at("expired", 9), None);
        assert_eq!(at("expired", 10), Some(2));
        assert_eq!(at("signature", 60), Some(0));
    }
}

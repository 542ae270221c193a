//! Events that could not be published, which nobody is to get.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Ranges that are kept, in 16 bytes each. What is beyond counts as lost by everybody.
const MAX_RANGES: usize = 100_000;

/// Sequence numbers of events that were refused, or of which nobody knows.
#[derive(Debug, Default)]
pub struct Unpublished {
    is_any: AtomicBool,
    /// From the first to before the end, in order.
    ranges: Mutex<Vec<(u64, u64)>>,
}

impl Unpublished {
    /// Adds events; they come in order.
    pub fn add(&self, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let mut ranges = self.lock();
        if let Some(last) = ranges.last_mut().filter(|last| last.1 == first) {
            last.1 = end;
        } else if ranges.len() < MAX_RANGES {
            ranges.push((first, end));
        }
        self.is_any.store(true, Ordering::Release);
    }

    /// Whether an event is one of them.
    pub fn contains(&self, seq: u64) -> bool {
        self.is_any.load(Ordering::Acquire) && {
            let ranges = self.lock();
            let at = ranges.partition_point(|(_, end)| *end <= seq);
            ranges.get(at).is_some_and(|(first, _)| *first <= seq)
        }
    }

    /// All of them.
    pub fn ranges(&self) -> Vec<(u64, u64)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.ranges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined_and_bounded() {
        let all = Unpublished::default();
        assert!(!all.contains(0));
        all.add(3, 3);
        assert!(!all.contains(3));
        for (first, end) in [(3, 4), (4, 6), (9, 10)] {
            all.add(first, end);
        }
        let found: Vec<u64> = (0..12).filter(|seq| all.contains(*seq)).collect();
        assert_eq!((found, all.ranges()), (vec![3, 4, 5, 9], vec![(3, 6), (9, 10)]));
        for nth in 0..MAX_RANGES as u64 {
            all.add(20 + nth * 2, 21 + nth * 2);
        }
        assert_eq!(all.ranges().len(), MAX_RANGES);
    }
}

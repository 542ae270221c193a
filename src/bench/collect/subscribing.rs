//! What threads and processes saw of how connections subscribed.

use std::cmp::Reverse;

use super::{VARIOUS, place};
use crate::bench::summary::{Deflated, GapCount, Subscribing};

impl Subscribing {
    /// Counts a gap under its reason.
    pub fn count_gap(&mut self, reason: &str, count: u64) {
        let new = || GapCount { reason: reason.to_owned(), count: 0 };
        let (gap, is_rest) = place(&mut self.gaps, |gap| gap.reason == reason, new);
        gap.count += count;
        if is_rest {
            gap.reason = VARIOUS.into();
        }
    }

    /// Adds what others saw.
    pub(super) fn merge(&mut self, other: Self) {
        self.message_bytes += other.message_bytes;
        if let Some(theirs) = other.deflate {
            let mine = self.deflate.get_or_insert_default();
            let Deflated { agreed, declined, messages, compressed_bytes, inflated_bytes } = theirs;
            mine.agreed += agreed;
            mine.declined += declined;
            mine.messages += messages;
            mine.compressed_bytes += compressed_bytes;
            mine.inflated_bytes += inflated_bytes;
        }
        for gap in other.gaps {
            self.count_gap(&gap.reason, gap.count);
        }
        self.gaps.sort_by_key(|gap| Reverse(gap.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_saw_is_added_up() {
        let part = |agreed, gaps: &[(&str, u64)]| {
            let mut part = Subscribing { message_bytes: 10, ..Subscribing::default() };
            part.deflate =
                Some(Deflated { agreed, declined: 1, messages: 2, compressed_bytes: 3, inflated_bytes: 9 });
            for (reason, count) in gaps {
                part.count_gap(reason, *count);
            }
            part
        };
        let mut all = Subscribing::default();
        all.merge(part(5, &[("too_old", 1)]));
        all.merge(part(7, &[("restarted", 4), ("too_old", 1)]));
        let deflate = all.deflate.as_ref().unwrap();
        assert_eq!((deflate.agreed, deflate.declined, deflate.inflated_bytes), (12, 2, 18));
        assert_eq!((all.message_bytes, all.gap_count(), all.gaps[0].reason.as_str()), (20, 6, "restarted"));
    }
}

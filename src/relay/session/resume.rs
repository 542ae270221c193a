//! What a client that can come back was told of its place, and what it is still to be sent again.

use super::WatchId;
use crate::relay::cursor::Sources;
use crate::relay::joblog::Places;

/// Missed events on their way to a client, which live ones of the same watches must not overtake.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::relay) struct Replay {
    /// Watches whose events are sent again.
    pub watches: Vec<WatchId>,
    /// Sequence of the newest event that was sent again, or of the client's cursor.
    pub after: u64,
    /// Sequence up to which missing events are no loss: the client asked for what is kept, or has seen them.
    pub floor: u64,
    /// Places in streams up to which everything was sent again; `None` where the watches have no streams.
    pub places: Option<Places>,
    /// Whether events are read out of streams first; only then `after` says where memory goes on.
    pub is_in_streams: bool,
    /// Watches, of these, of jobs whose endings were sent again out of streams.
    pub ended: Vec<WatchId>,
}

/// State of a client that can come back.
#[derive(Debug, Default)]
pub(super) struct Resume {
    /// No cursor before this sequence says that everything was sent: newer events were sent with a state or a replay.
    level: u64,
    /// Sequence of the newest cursor that the client was told.
    told: Option<u64>,
    /// Whether the client is still to be told a cursor once there is one.
    pub(super) awaits: bool,
    /// Replays, the first of which is under way.
    pub(super) replays: Vec<Replay>,
    /// Sources of the watches, once they were asked for.
    pub(super) sources: Option<Sources>,
}

impl Resume {
    /// Events up to this sequence were sent with a state or a replay.
    pub(super) fn raise(&mut self, level: u64) {
        self.level = self.level.max(level);
    }

    /// Whether the cursor of a live event says that everything before it was sent.
    pub(super) const fn covers(&self, sequence: u64) -> bool {
        sequence >= self.level
    }

    /// The sequence up to which everything was sent, where live events up to `delivered` were. `is_alone` says that the
    /// client watches one topic, of which nothing can be on its way between the two.
    pub(super) fn position(&self, delivered: u64, is_alone: bool) -> Option<u64> {
        let place = if is_alone { delivered.max(self.level) } else { delivered };
        (place >= self.level).then_some(place)
    }

    /// Sequence up to which the events of a watch were sent again, while they are.
    pub(super) fn reached(&self, id: WatchId) -> Option<u64> {
        Some(self.replays.iter().find(|replay| replay.watches.contains(&id))?.after)
    }

    /// Leaves watches out of the replays that are no more: their numbers may soon be others'.
    pub(super) fn keep(&mut self, is_there: impl Fn(WatchId) -> bool) {
        for replay in &mut self.replays {
            replay.watches.retain(|id| is_there(*id));
            replay.ended.retain(|id| is_there(*id));
        }
    }

    /// The client was told a cursor. Returns whether it is newer than the last one.
    pub(super) fn tell(&mut self, sequence: u64) -> bool {
        let is_news = self.told.is_none_or(|told| sequence > told);
        self.told = self.told.max(Some(sequence));
        self.awaits = false;
        is_news
    }

    /// Whether the client was told any cursor.
    pub(super) const fn was_told(&self) -> bool {
        self.told.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_only_once_everything_before_it_was_sent() {
        let mut resume = Resume::default();
        resume.raise(10);
        assert_eq!((resume.position(9, false), resume.position(10, false)), (None, Some(10)));
        assert_eq!(resume.position(9, true), Some(10));
        assert!(!resume.covers(9) && resume.covers(10));
        assert_eq!([10, 10, 11].map(|sequence| resume.tell(sequence)), [true, false, true]);
    }
}

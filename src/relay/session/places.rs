//! A session's place in the events: what its client was told, and what it is still to be sent again.

use super::resume::Replay;
use super::watch::Watches;
use super::{Session, Take, WatchId, watch};
use crate::broker::EntryId;
use crate::dialect::Topic;
use crate::relay::cursor::Sources;
use crate::relay::event::Event;
use crate::relay::joblog::Places;
use crate::relay::streams::StreamTable;

/// Places of a client that can come back.
impl Session {
    /// Looks again whether all watches are caught up. To be called after each change of one.
    pub(in crate::relay) fn recount(&mut self) {
        if let Watches::Many(many) = &mut self.watches {
            let is_caught_up = many.iter().all(|(_, place)| place.watch.is_caught_up());
            many.is_behind = !is_caught_up;
        }
        self.forget_sources();
    }

    /// The sources of all watches.
    pub(in crate::relay) fn sources(&mut self, streams: &StreamTable) -> Sources {
        let watches = &self.watches;
        let Some(resume) = &mut self.resume else { return Sources::OWN };
        *resume.sources.get_or_insert_with(|| {
            let all = watches.iter().map(|(_, watch)| streams.sources(watch.topic()));
            all.reduce(Sources::and).unwrap_or(Sources::OWN)
        })
    }

    /// The watches or the streams have changed.
    pub(in crate::relay) fn forget_sources(&mut self) {
        if let Some(resume) = &mut self.resume {
            resume.sources = None;
        }
    }

    /// Whether all watches are caught up.
    fn is_caught_up(&self) -> bool {
        match &self.watches {
            Watches::One(watch) => watch.is_caught_up(),
            Watches::Many(many) => !many.is_behind,
        }
    }

    /// Events up to this sequence were sent with a state or a replay.
    pub(in crate::relay) fn raise(&mut self, level: u64) {
        let is_alone = self.is_alone();
        if let Some(resume) = &mut self.resume {
            resume.raise(level);
            // The cursor of a state is enough for who watches nothing else.
            resume.awaits = !(is_alone && resume.was_told());
        }
    }

    /// Whether a live event's place is one that the client can go on from. It counts as told.
    pub(in crate::relay) fn tells_place_of(&mut self, sequence: u64) -> bool {
        let is_caught_up = self.is_caught_up();
        match &mut self.resume {
            Some(resume) if is_caught_up && resume.covers(sequence) => {
                resume.tell(sequence);
                true
            }
            _ => false,
        }
    }

    /// The sequence up to which everything was sent, where live events up to `delivered` were.
    pub(in crate::relay) fn place(&self, delivered: u64) -> Option<u64> {
        let resume = self.resume.as_ref().filter(|_| self.is_caught_up())?;
        resume.position(delivered, self.is_alone())
    }

    /// Takes the place that the client is still to be told, where it is known by now.
    pub(in crate::relay) fn news_of_place(&mut self, delivered: u64) -> Option<u64> {
        let place = self.place(delivered)?;
        let owes_cursor = self.owes_cursor();
        let resume = self.resume.as_mut().filter(|resume| resume.awaits)?;
        (resume.tell(place) || owes_cursor).then_some(place)
    }

    /// The source of its events was lost at this sequence: the client's place is behind it, if everything before it was
    /// sent. It counts as told.
    pub(in crate::relay) fn leap(&mut self, sequence: u64) -> Option<u64> {
        let place = self.place(sequence)?;
        self.tell(place);
        Some(place)
    }

    /// The client was told that events are missing, and is told a place behind them whatever it is told besides: with that
    /// of a state it would be told so again when it comes back.
    pub(in crate::relay) fn owe_place(&mut self) {
        if let Some(resume) = &mut self.resume {
            resume.awaits = true;
        }
    }

    /// The client is told a cursor with a state or a missed event.
    pub(in crate::relay) fn tell(&mut self, sequence: u64) {
        if let Some(resume) = &mut self.resume {
            resume.tell(sequence);
        }
    }

    /// Whether the client still is to be told its place.
    pub(in crate::relay) fn awaits_place(&self) -> bool {
        self.resume.as_ref().is_some_and(|resume| resume.awaits)
    }

    /// The client's place, if it has changed since it was told.
    pub(in crate::relay) fn fresh_place(&mut self, delivered: u64) -> Option<u64> {
        let place = self.place(delivered)?;
        let resume = self.resume.as_mut()?;
        resume.tell(place).then_some(place)
    }
}

/// Missed events on their way to the client.
impl Session {
    /// Sends missed events of watches, those behind a sequence; the watches take live events once they have caught up.
    pub(in crate::relay) fn replay(&mut self, replay: Replay) {
        for id in &replay.watches {
            self.send_from(*id, replay.after);
        }
        let resume = self.resume.get_or_insert_default();
        let is_same = |other: &&mut Replay| {
            let state = |replay: &Replay| (replay.after, replay.is_in_streams, replay.places.clone());
            state(other) == state(&replay)
        };
        match resume.replays.iter_mut().find(is_same) {
            Some(other) => {
                other.watches.extend(replay.watches);
                other.floor = other.floor.max(replay.floor);
            }
            None => resume.replays.push(replay),
        }
        if let Watches::Many(many) = &mut self.watches {
            many.is_behind = true;
        }
    }

    /// Lets a watch take no live events until it has caught up.
    pub(in crate::relay) fn fall_behind(&mut self, id: WatchId) {
        if let Some(watch) = self.watches.get_mut(id) {
            watch.fall_behind();
        }
    }

    /// Whether missed events are still to be sent.
    pub(in crate::relay) fn is_replaying(&self) -> bool {
        self.resume.as_ref().is_some_and(|resume| !resume.replays.is_empty())
    }

    /// The topics whose missed events are sent next, and the sequence behind which. Watches that are gone are left out.
    pub(in crate::relay) fn replaying(&self) -> Option<(Vec<(WatchId, Topic)>, Replay)> {
        let replay = self.resume.as_ref()?.replays.first()?;
        let topics = replay.watches.iter().filter_map(|id| {
            let watch = self.watches.get(*id).filter(|watch| !watch.is_caught_up())?;
            Some((*id, watch.topic().clone()))
        });
        Some((topics.collect(), replay.clone()))
    }

    /// Whether a missed event is to be sent again, by a replay of these watches.
    pub(in crate::relay) fn takes_again(&mut self, event: &Event, watches: &[WatchId]) -> Take {
        let Watches::Many(many) = &self.watches else {
            let is_wanted = self.kinds.as_ref().is_none_or(|kinds| kinds.include(&event.kind));
            return if is_wanted { Take::Send } else { Take::NotWanted };
        };
        let replayed = many.matching(event).filter(|(id, _)| watches.contains(id));
        let is_wanted = replayed
            .fold(None, |wanted, (_, place)| Some(wanted.unwrap_or(false) || place.wants(&event.kind)));
        self.send_early(event, is_wanted, watches)
    }

    /// Whether an event is to be sent that waited while its job was looked up.
    pub(in crate::relay) fn takes_held(&mut self, id: WatchId, event: &Event) -> Take {
        let is_wanted = match &mut self.watches {
            Watches::One(watch) => {
                if !watch.takes(event.sequence) {
                    return Take::Not;
                }
                let is_wanted = self.kinds.as_ref().is_none_or(|kinds| kinds.include(&event.kind));
                return if is_wanted { Take::Send } else { Take::NotWanted };
            }
            Watches::Many(many) => {
                let place = many.get_mut(id).filter(|place| place.matches(event));
                place.filter(|place| place.watch.is_caught_up()).and_then(|place| {
                    let is_new = place.watch.takes(event.sequence);
                    is_new.then(|| place.wants(&event.kind))
                })
            }
        };
        self.send_early(event, is_wanted, &[id])
    }

    /// Whether an event is to be sent that may not have come live yet. `is_wanted`: by one of the watches that it would be
    /// sent for, if it belongs to any.
    fn send_early(&mut self, event: &Event, is_wanted: Option<bool>, watches: &[WatchId]) -> Take {
        match is_wanted {
            None => Take::Not,
            Some(_) if self.was_sent(event, watches) => Take::Not,
            Some(is_wanted) => {
                if let Watches::Many(many) = &mut self.watches {
                    many.ahead = many.ahead.max(event.sequence);
                }
                if is_wanted { Take::Send } else { Take::NotWanted }
            }
        }
    }

    /// Whether the client got an event by a watch other than these.
    pub(super) fn was_sent(&self, event: &Event, others: &[WatchId]) -> bool {
        let Watches::Many(many) = &self.watches else { return false };
        let is_sent = |place: &watch::Place, reached: Option<u64>| {
            place.sent_from < event.sequence
                && place.wants(&event.kind)
                && reached.is_some_and(|reached| event.sequence <= reached)
        };
        let reached =
            |id, place: &watch::Place| place.watch.sequence().or_else(|| self.resume.as_ref()?.reached(id));
        let mut now = many.matching(event).filter(|(id, _)| !others.contains(id));
        let mut ended = many.ended.iter().filter(|(_, place)| place.matches(event));
        now.any(|(id, place)| is_sent(place, reached(id, place)))
            || ended.any(|(_, place)| is_sent(place, place.watch.sequence()))
    }

    /// Whether the client is told the end of a job by an event that no watch of it wants to see. It counts as told.
    pub(in crate::relay) fn tells_only_end(&mut self, id: WatchId, event: &Event) -> bool {
        let Watches::Many(many) = &self.watches else { return false };
        let is_taken = |place: &watch::Place| {
            place.matches(event)
                && place.watch.sequence() == Some(event.sequence)
                && !place.wants(&event.kind)
        };
        let is_wanted = |place: &watch::Place| place.watch.is_caught_up() && place.wants(&event.kind);
        if event.sequence <= many.sequence
            || !many.get(id).is_some_and(is_taken)
            || many.matching(event).any(|(_, place)| is_wanted(place))
            || (event.sequence <= many.ahead && self.was_told_end(event, id))
        {
            return false;
        }
        self.sent(event.sequence);
        true
    }

    /// Whether a replay has told the end of a job, by a watch other than this one.
    fn was_told_end(&self, event: &Event, but: WatchId) -> bool {
        let Watches::Many(many) = &self.watches else { return false };
        many.matching(event).any(|(id, place)| {
            let reached = || place.watch.sequence().or_else(|| self.resume.as_ref()?.reached(id));
            id != but
                && place.sent_from < event.sequence
                && reached().is_some_and(|reached| event.sequence <= reached)
        })
    }

    /// Missed events up to this one were sent out of memory. Its place in a stream is kept beside its sequence: memory may
    /// forget where the sequence stands.
    pub(in crate::relay) fn advance(&mut self, event: &Event) {
        if let Some(replay) = self.resume.as_mut().and_then(|resume| resume.replays.first_mut()) {
            replay.after = event.sequence;
            if let Some((places, entry)) = replay.places.as_mut().zip(event.entry) {
                places.reach(entry);
            }
        }
    }

    /// Everything of a stream up to an entry was sent.
    pub(in crate::relay) fn reach(&mut self, entry: EntryId) {
        if let Some(replay) = self.resume.as_mut().and_then(|resume| resume.replays.first_mut()) {
            replay.places.get_or_insert_default().reach(entry);
        }
    }

    /// The places in streams that the replay under way has reached.
    pub(in crate::relay) fn replaying_places(&self) -> Option<&Places> {
        self.resume.as_ref()?.replays.first()?.places.as_ref()
    }

    /// The end of a job was sent again out of a stream. Kept where the job is watched by its name.
    pub(in crate::relay) fn note_replayed_ending(&mut self, job: &Topic) {
        let Some(watch) = self.find(job) else { return };
        if let Some(replay) = self.resume.as_mut().and_then(|resume| resume.replays.first_mut())
            && replay.watches.contains(&watch)
            && !replay.ended.contains(&watch)
        {
            replay.ended.push(watch);
        }
    }

    /// Goes on in memory, behind a sequence: the missed events that are left are all there.
    pub(in crate::relay) fn leave_streams(&mut self, after: u64) {
        if let Some(replay) = self.resume.as_mut().and_then(|resume| resume.replays.first_mut()) {
            (replay.after, replay.floor, replay.is_in_streams) = (after, after, false);
        }
    }

    /// Memory has lost what was missed behind these places: it is in the streams.
    pub(in crate::relay) fn enter_streams(&mut self, places: Places) {
        if let Some(replay) = self.resume.as_mut().and_then(|resume| resume.replays.first_mut()) {
            (replay.places, replay.is_in_streams) = (Some(places), true);
        }
    }

    /// Whether all that is watched is being sent again together, so that the place of each event is the client's.
    pub(in crate::relay) fn is_replayed_alone(&self) -> bool {
        let Some(resume) = &self.resume else { return false };
        let [replay] = resume.replays.as_slice() else { return false };
        self.watches.iter().all(|(id, _)| replay.watches.contains(&id))
    }

    /// No missed event is left: the watches take live events from here on.
    pub(in crate::relay) fn end_replay(&mut self) {
        let Some(resume) = self.resume.as_mut().filter(|resume| !resume.replays.is_empty()) else { return };
        let Replay { watches, after, .. } = resume.replays.remove(0);
        for id in watches {
            self.catch_up(id, after);
        }
    }

    /// Everything of a watch behind a sequence is sent from here on.
    pub(in crate::relay) fn send_from(&mut self, id: WatchId, sequence: u64) {
        if let Watches::Many(many) = &mut self.watches
            && let Some(place) = many.get_mut(id)
        {
            place.sent_from = sequence;
        }
    }

    /// Everything of a watch behind its state is sent from here on.
    pub(in crate::relay) fn send_from_here(&mut self, id: WatchId) {
        if let Some(shown) = self.watches.get(id).and_then(watch::Watch::sequence) {
            self.send_from(id, shown);
        }
    }

    /// A watch takes live events behind a sequence from here on.
    pub(in crate::relay) fn catch_up(&mut self, id: WatchId, sequence: u64) {
        match &mut self.watches {
            Watches::One(watch) => watch.catch_up(sequence),
            Watches::Many(many) => {
                if let Some(place) = many.get_mut(id) {
                    place.watch.catch_up(sequence);
                }
            }
        }
        self.recount();
    }

    /// Leaves a watch out of the replay that is under way: its events are no longer complete.
    pub(in crate::relay) fn leave_replay(&mut self, id: WatchId) {
        if let Some(replay) = self.resume.as_mut().and_then(|resume| resume.replays.first_mut()) {
            replay.watches.retain(|other| *other != id);
        }
    }
}

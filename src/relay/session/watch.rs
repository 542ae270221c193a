//! One topic that a connection watches, and the list of all of them.

use std::collections::HashMap;

use super::guard::Verdict;
use super::{Action, Guard, Millis};
use crate::dialect::{Dialect, Topic};
use crate::relay::auth::Ownership;
use crate::relay::reservation::Reservation;
use crate::wire::Payload;

/// A job's current state, for a late joiner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) struct Snapshot {
    /// The sequence of the newest event in it: whatever is not newer must not follow.
    pub sequence: u64,
    /// The text to send.
    pub payload: Payload,
}

/// Number of a watch among those of its connection. It is used again once its watch is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::relay) struct WatchId(u16);

impl WatchId {
    /// The only watch of a connection that has one for good.
    pub(in crate::relay) const ONLY: Self = Self(0);
}

/// One topic that a connection watches.
#[derive(Debug)]
pub(in crate::relay) struct Watch {
    topic: Topic,
    /// Sequence of the newest event that was sent. None until the topic was looked up: nothing is sent before, and events
    /// that come meanwhile wait in the job log, to follow the state in order.
    sequence: Option<u64>,
    /// Absent once there is nothing left to wait for, which is nearly always so.
    pending: Option<Box<Pending>>,
}

/// State of a watch that something is still to happen to.
#[derive(Debug)]
struct Pending {
    /// Present until the job was looked up: what comes meanwhile waits there.
    reservation: Option<Box<Reservation>>,
    /// Present where the job belongs to somebody. Until it lets the client in, the job counts as not looked up.
    guard: Option<Guard>,
    /// When the watcher of an unknown job is told so; [`Millis::MAX`] when there is nothing to tell.
    grace: Millis,
}

impl Pending {
    const fn is_over(&self) -> bool {
        self.reservation.is_none() && self.guard.is_none() && self.grace == Millis::MAX
    }
}

impl Watch {
    /// A watch of a job that is still to be looked up; its events wait in the reservation, if it has one.
    pub(in crate::relay) fn of_job(
        topic: Topic,
        guard: Option<Guard>,
        reservation: Option<Box<Reservation>>,
    ) -> Self {
        let pending = Pending { reservation, guard, grace: Millis::MAX };
        Self { topic, sequence: None, pending: (!pending.is_over()).then(|| Box::new(pending)) }
    }

    /// A watch of a channel or room, whose events have no past.
    pub(in crate::relay) const fn of_channel(topic: Topic) -> Self {
        Self { topic, sequence: Some(0), pending: None }
    }

    /// The topic that is watched.
    pub(in crate::relay) const fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Whether it has a guard, which wants to know of owners.
    pub(in crate::relay) fn is_guarded(&self) -> bool {
        self.guard().is_some()
    }

    fn guard(&self) -> Option<&Guard> {
        self.pending.as_ref()?.guard.as_ref()
    }

    /// Whether it gets what is its topic's.
    pub(in crate::relay) fn is_admitted(&self) -> bool {
        self.guard().is_none_or(Guard::has_admitted)
    }

    /// The place that the job's events wait in until the job was looked up.
    pub(in crate::relay) fn reservation(&mut self) -> Option<&mut Reservation> {
        self.pending.as_mut()?.reservation.as_deref_mut()
    }

    /// Whether the job is still to be looked up.
    pub(in crate::relay) fn is_reserved(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.reservation.is_some())
    }

    /// Takes the reservation out; the caller ends it.
    pub(in crate::relay) fn take_reservation(&mut self) -> Option<Box<Reservation>> {
        let reservation = self.pending.as_mut()?.reservation.take();
        self.tidy();
        reservation
    }

    fn tidy(&mut self) {
        self.pending.take_if(|pending| pending.is_over());
    }

    /// Was looked at for its owner. Returns whether the job's state is to be sent now.
    pub(in crate::relay) fn admit(
        &mut self,
        owner: Ownership<'_>,
        dialect: &Dialect,
        now: Millis,
        out: &mut Vec<Action>,
    ) -> bool {
        let Some(guard) = self.pending.as_mut().and_then(|pending| pending.guard.as_mut()) else {
            return true;
        };
        match guard.decide(owner, dialect.owner_grace, now) {
            Verdict::Admit => true,
            Verdict::Stay | Verdict::Wait => false,
            Verdict::Refuse(reason) => {
                out.push(Action::Close(reason));
                false
            }
        }
    }

    /// The job's state was looked up: empty if nobody has heard of it, oldest first. From now on events are taken.
    pub(in crate::relay) fn state(
        &mut self,
        known: Vec<Snapshot>,
        dialect: &Dialect,
        now: Millis,
        (id, out): (WatchId, &mut Vec<Action>),
    ) {
        let mut sequence = self.sequence.unwrap_or(0);
        let unknown = known.is_empty() && sequence == 0;
        for snapshot in known {
            if snapshot.sequence > sequence {
                sequence = snapshot.sequence;
                out.push(Action::State(snapshot));
            }
        }
        self.sequence = Some(sequence);
        match &dialect.unknown {
            Some(what) if unknown && what.after.is_zero() => out.push(Action::Unknown(id)),
            Some(what) if unknown => {
                let after = u64::try_from(what.after.as_millis()).unwrap_or(Millis::MAX);
                self.set_grace(now.saturating_add(after));
            }
            _ => {}
        }
    }

    fn set_grace(&mut self, at: Millis) {
        let none = || Box::new(Pending { reservation: None, guard: None, grace: Millis::MAX });
        self.pending.get_or_insert_with(none).grace = at;
    }

    /// The job's state was read back, since events may have been missed, and is another than was known. A client that has
    /// something newer gets it only if the job `has_ended` by it: what is newer came late then.
    pub(in crate::relay) fn read_back(&mut self, state: &Snapshot, has_ended: bool, out: &mut Vec<Action>) {
        let Some(sequence) = self.sequence else { return };
        let is_newer = state.sequence > sequence;
        if state.sequence == sequence || !(is_newer || has_ended) {
            return;
        }
        self.sequence = Some(sequence.max(state.sequence));
        self.end_grace();
        out.push(Action::State(state.clone()));
    }

    /// From now on events are taken, although nothing of the job's state is known.
    pub(in crate::relay) fn begin(&mut self) {
        self.sequence.get_or_insert(0);
    }

    /// Whether an event is to be sent: it is newer than everything that was.
    #[inline]
    pub(in crate::relay) fn takes(&mut self, sequence: u64) -> bool {
        let takes = self.sequence.is_some_and(|newest| sequence > newest);
        if takes {
            self.sequence = Some(sequence);
            if self.pending.is_some() {
                self.end_grace();
            }
        }
        takes
    }

    /// Forgets to tell that the job is unknown.
    #[cold]
    fn end_grace(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.grace = Millis::MAX;
            self.tidy();
        }
    }

    /// A timer of the connection fired, perhaps this watch's.
    pub(super) fn timer(&mut self, now: Millis, id: WatchId, out: &mut Vec<Action>) {
        let Some(pending) = &mut self.pending else { return };
        if pending.guard.as_mut().is_some_and(|guard| guard.timer(now)) {
            out.push(Action::LookAgain(id));
        }
        if pending.grace <= now {
            self.end_grace();
            out.push(Action::Unknown(id));
        }
    }

    /// When it next wants to be woken.
    pub(super) fn deadline(&self) -> Millis {
        let Some(pending) = &self.pending else { return Millis::MAX };
        pending.guard.as_ref().map_or(Millis::MAX, Guard::deadline).min(pending.grace)
    }
}

/// Everything that a connection watches.
#[derive(Debug)]
pub(super) enum Watches {
    /// One job, for good. Kept in its place, since most connections have no more.
    One(Watch),
    /// Any number, which come and go.
    Many(Box<Many>),
}

/// Watches that come and go, each topic at most once.
#[derive(Debug, Default)]
pub(super) struct Many {
    places: Vec<Option<Watch>>,
    free: Vec<u16>,
    by_topic: HashMap<Topic, WatchId>,
}

impl Watches {
    pub(super) fn get(&self, id: WatchId) -> Option<&Watch> {
        match self {
            Self::One(watch) => Some(watch),
            Self::Many(many) => many.places.get(usize::from(id.0))?.as_ref(),
        }
    }

    pub(super) fn get_mut(&mut self, id: WatchId) -> Option<&mut Watch> {
        match self {
            Self::One(watch) => Some(watch),
            Self::Many(many) => many.places.get_mut(usize::from(id.0))?.as_mut(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WatchId, &Watch)> {
        let (one, many) = match self {
            Self::One(watch) => (Some(watch), &[][..]),
            Self::Many(many) => (None, &many.places[..]),
        };
        let many = (0..).map(WatchId).zip(many).filter_map(|(id, watch)| Some((id, watch.as_ref()?)));
        one.into_iter().map(|watch| (WatchId::ONLY, watch)).chain(many)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (WatchId, &mut Watch)> {
        let (one, many) = match self {
            Self::One(watch) => (Some(watch), &mut [][..]),
            Self::Many(many) => (None, &mut many.places[..]),
        };
        let many = (0..).map(WatchId).zip(many).filter_map(|(id, watch)| Some((id, watch.as_mut()?)));
        one.into_iter().map(|watch| (WatchId::ONLY, watch)).chain(many)
    }
}

impl Many {
    /// The watch of a topic.
    pub(super) fn find(&self, topic: &Topic) -> Option<WatchId> {
        self.by_topic.get(topic).copied()
    }

    /// Adds a watch of a topic that is not watched yet. A contract bounds how many there are.
    pub(super) fn add(&mut self, watch: Watch) -> WatchId {
        let topic = watch.topic.clone();
        let id = if let Some(index) = self.free.pop() {
            self.places[usize::from(index)] = Some(watch);
            WatchId(index)
        } else {
            self.places.push(Some(watch));
            WatchId(u16::try_from(self.places.len() - 1).expect("every contract bounds its watches"))
        };
        self.by_topic.insert(topic, id);
        id
    }

    /// Ends the watch of a topic, if there is one.
    pub(super) fn remove(&mut self, topic: &Topic) {
        if let Some(id) = self.by_topic.remove(topic) {
            self.places[usize::from(id.0)] = None;
            self.free.push(id.0);
        }
    }
}

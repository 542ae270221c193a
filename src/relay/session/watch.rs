//! One topic that a connection watches, and the list of all of them.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use super::guard::Verdict;
use super::{Action, Guard, Millis};
use crate::dialect::{CloseReason, Dialect, Topic, TopicKind};
use crate::relay::auth::{Ownership, Whose};
use crate::relay::cursor::Since;
use crate::relay::event::{Event, Snapshot};
use crate::relay::reservation::Reservation;

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
    reached: Reached,
    /// Absent once there is nothing left to wait for, which is nearly always so.
    pending: Option<Box<Pending>>,
}

/// Sequence of the newest event that a watch was sent, if it takes events; kept one higher, so that it takes eight bytes.
#[derive(Debug, Clone, Copy)]
struct Reached(Option<NonZeroU64>);

impl Reached {
    /// No event is taken yet.
    const NOTHING: Self = Self(None);

    /// Events behind a sequence are taken.
    const fn at(sequence: u64) -> Self {
        Self(NonZeroU64::new(sequence.saturating_add(1)))
    }

    fn sequence(self) -> Option<u64> {
        self.0.map(|above| above.get() - 1)
    }

    /// Whether events are taken and one of this sequence is newer.
    #[inline]
    fn is_before(self, sequence: u64) -> bool {
        self.0.is_some_and(|above| sequence >= above.get())
    }
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
    /// Place that the client wants to go on from, until that was looked up.
    since: Option<Since>,
}

impl Pending {
    const NONE: Self = Self { reservation: None, guard: None, grace: Millis::MAX, since: None };

    const fn is_over(&self) -> bool {
        self.reservation.is_none()
            && self.guard.is_none()
            && self.grace == Millis::MAX
            && self.since.is_none()
    }
}

impl Watch {
    /// A watch of a job that is still to be looked up; its events wait in the reservation, if it has one. `since` is
    /// where the client wants to go on.
    pub(in crate::relay) fn of_job(
        topic: Topic,
        guard: Option<Guard>,
        reservation: Option<Box<Reservation>>,
        since: Option<Since>,
    ) -> Self {
        let pending = Pending { reservation, guard, since, ..Pending::NONE };
        Self { topic, reached: Reached::NOTHING, pending: (!pending.is_over()).then(|| Box::new(pending)) }
    }

    /// A watch of a channel or room, which has no state.
    pub(in crate::relay) const fn of_channel(topic: Topic) -> Self {
        Self { topic, reached: Reached::at(0), pending: None }
    }

    /// A watch that gets nothing before it is caught up ([`Watch::catch_up`]): of all jobs of a dialect, or of a channel
    /// whose missed events are to be replayed.
    pub(in crate::relay) const fn behind(topic: Topic) -> Self {
        Self { topic, reached: Reached::NOTHING, pending: None }
    }

    /// Takes no events until it is caught up.
    pub(super) const fn fall_behind(&mut self) {
        self.reached = Reached::NOTHING;
    }

    /// Whether events are taken.
    pub(in crate::relay) const fn is_caught_up(&self) -> bool {
        self.reached.0.is_some()
    }

    /// Everything up to a sequence was sent; from now on events are taken.
    pub(in crate::relay) fn catch_up(&mut self, sequence: u64) {
        self.reached = Reached::at(self.sequence().unwrap_or(0).max(sequence));
    }

    /// Sequence of the newest event that was sent.
    pub(in crate::relay) fn sequence(&self) -> Option<u64> {
        self.reached.sequence()
    }

    /// Lets the job's events wait from now on.
    pub(in crate::relay) fn reserve(&mut self, reservation: Box<Reservation>) {
        self.pending_mut().reservation = Some(reservation);
    }

    /// Place that the client wants to go on from, until it is taken.
    pub(in crate::relay) fn since(&self) -> Option<&Since> {
        self.pending.as_ref()?.since.as_ref()
    }

    /// Place that the client wants to go on from; it is asked for once.
    pub(in crate::relay) fn take_since(&mut self) -> Option<Since> {
        let since = self.pending.as_mut()?.since.take();
        self.tidy();
        since
    }

    fn pending_mut(&mut self) -> &mut Pending {
        self.pending.get_or_insert_with(|| Box::new(Pending::NONE))
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

    /// The job was looked at for its owner. Returns whether its state is to be sent now; an error is the reason to refuse
    /// the client.
    pub(in crate::relay) fn admit(
        &mut self,
        owner: Ownership<'_>,
        dialect: &Dialect,
        now: Millis,
    ) -> Result<bool, CloseReason> {
        let guard = self.pending.as_mut().and_then(|pending| pending.guard.as_mut());
        match guard.map(|guard| guard.decide(owner, dialect.owner_grace, now)) {
            None | Some(Verdict::Admit) => Ok(true),
            Some(Verdict::Stay | Verdict::Wait) => Ok(false),
            Some(Verdict::Refuse(reason)) => Err(reason),
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
        let mut sequence = self.sequence().unwrap_or(0);
        let unknown = known.is_empty() && sequence == 0;
        for snapshot in known {
            if snapshot.sequence > sequence {
                sequence = snapshot.sequence;
                out.push(Action::State(id, snapshot));
            }
        }
        self.reached = Reached::at(sequence);
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
        self.pending_mut().grace = at;
    }

    /// The job's state was read back, since events may have been missed, and is another than was known. A client that has
    /// something newer gets it only if the job `has_ended` by it: what is newer came late then.
    pub(in crate::relay) fn read_back(
        &mut self,
        state: &Snapshot,
        has_ended: bool,
        (id, out): (WatchId, &mut Vec<Action>),
    ) {
        let Some(sequence) = self.sequence() else { return };
        let is_newer = state.sequence > sequence;
        if state.sequence == sequence || !(is_newer || has_ended) {
            return;
        }
        self.reached = Reached::at(sequence.max(state.sequence));
        self.end_grace();
        out.push(Action::State(id, state.clone()));
    }

    /// From now on events are taken, although nothing of the job's state is known.
    pub(in crate::relay) fn begin(&mut self) {
        self.reached.0.get_or_insert(NonZeroU64::MIN);
    }

    /// Whether an event is to be sent: it is newer than everything that was.
    #[inline]
    pub(in crate::relay) fn takes(&mut self, sequence: u64) -> bool {
        let takes = self.reached.is_before(sequence);
        if takes {
            self.reached = Reached::at(sequence);
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

/// Watches that have ended that a client is remembered by at most.
const MOST_ENDED: usize = 64;

/// Watches that come and go, each topic at most once.
#[derive(Debug, Default)]
pub(super) struct Many {
    places: Vec<Option<Place>>,
    free: Vec<u16>,
    by_topic: HashMap<Topic, WatchId>,
    /// Sequence of the newest event that was sent: one that matches several watches is not newer the second time.
    pub(super) sequence: u64,
    /// Sequence of the newest event that was sent before it came live: with a replay, or behind a job's state.
    pub(super) ahead: u64,
    /// Watches that ended when events had been sent for them that had yet to come live, which may be other watches' as well.
    pub(super) ended: Vec<(WatchId, Place)>,
    /// A watch is not caught up: it is still looked up, or its missed events are being sent.
    pub(super) is_behind: bool,
}

/// A watch among others, and what the client wants of it.
#[derive(Debug)]
pub(super) struct Place {
    /// The watch.
    pub(super) watch: Watch,
    /// Kinds of the events that are sent; all of them where there is no list.
    pub(super) kinds: Option<Arc<Kinds>>,
    /// Owners whose jobs' events are sent, of a watch of all jobs of a dialect.
    pub(super) of: Whose,
    /// Sequence behind which the client was sent everything that it wants of the watch, up to where the watch is.
    pub(super) sent_from: u64,
    /// Whether it ends with the client's token.
    pub(super) needs_token: bool,
    /// Place that the client wants to go on from, and whether it wants the run so far; until the watch is begun.
    pub(super) beginning: Option<(Option<Since>, bool)>,
}

impl Place {
    /// A watch of which everything is sent.
    pub(super) const fn new(watch: Watch) -> Self {
        Self { watch, kinds: None, of: Whose::Anybody, sent_from: 0, needs_token: false, beginning: None }
    }

    /// Whether events of a kind are sent.
    pub(super) fn wants(&self, kind: &str) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.include(kind))
    }

    /// Whether an event belongs to the watch.
    pub(super) fn matches(&self, event: &Event) -> bool {
        let topic = self.watch.topic();
        if topic.kind != TopicKind::Every {
            return event.topics.contains(topic);
        }
        let of = event.topics.first().filter(|of| of.kind == TopicKind::Job);
        of.is_some_and(|of| of.dialect == topic.dialect) && self.of.includes(event.owner.as_deref())
    }
}

/// Kinds of events that a client wants.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::relay) struct Kinds(Box<[Box<str>]>);

impl Kinds {
    /// These kinds.
    pub(in crate::relay) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Arc<Self> {
        Arc::new(Self(names.into_iter().map(Into::into).collect()))
    }

    /// Whether events of a kind are sent.
    pub(super) fn include(&self, kind: &str) -> bool {
        self.0.iter().any(|name| **name == *kind)
    }
}

impl Watches {
    pub(super) fn get(&self, id: WatchId) -> Option<&Watch> {
        match self {
            Self::One(watch) => Some(watch),
            Self::Many(many) => Some(&many.get(id)?.watch),
        }
    }

    pub(super) fn get_mut(&mut self, id: WatchId) -> Option<&mut Watch> {
        match self {
            Self::One(watch) => Some(watch),
            Self::Many(many) => Some(&mut many.get_mut(id)?.watch),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WatchId, &Watch)> {
        let (one, many) = match self {
            Self::One(watch) => (Some(watch), &[][..]),
            Self::Many(many) => (None, &many.places[..]),
        };
        let many = (0..).map(WatchId).zip(many).filter_map(|(id, place)| Some((id, &place.as_ref()?.watch)));
        one.into_iter().map(|watch| (WatchId::ONLY, watch)).chain(many)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (WatchId, &mut Watch)> {
        let (one, many) = match self {
            Self::One(watch) => (Some(watch), &mut [][..]),
            Self::Many(many) => (None, &mut many.places[..]),
        };
        let many =
            (0..).map(WatchId).zip(many).filter_map(|(id, place)| Some((id, &mut place.as_mut()?.watch)));
        one.into_iter().map(|watch| (WatchId::ONLY, watch)).chain(many)
    }
}

impl Many {
    /// The watch of a topic.
    pub(super) fn find(&self, topic: &Topic) -> Option<WatchId> {
        self.by_topic.get(topic).copied()
    }

    /// A watch and what belongs to it.
    pub(super) fn get(&self, id: WatchId) -> Option<&Place> {
        self.places.get(usize::from(id.0))?.as_ref()
    }

    /// A watch and what belongs to it.
    pub(super) fn get_mut(&mut self, id: WatchId) -> Option<&mut Place> {
        self.places.get_mut(usize::from(id.0))?.as_mut()
    }

    /// The watches that an event belongs to.
    pub(super) fn matching<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = (WatchId, &'a Place)> {
        let of_job = event.topics.first().filter(|topic| topic.kind == TopicKind::Job);
        let every = of_job.and_then(|job| self.find(&Topic::every(job.dialect)));
        let named = event.topics.iter().filter_map(|topic| self.find(topic));
        let found = named.chain(every).filter_map(|id| Some((id, self.get(id)?)));
        found.filter(|(_, place)| place.matches(event))
    }

    /// All watches.
    pub(super) fn iter(&self) -> impl Iterator<Item = (WatchId, &Place)> {
        (0..).map(WatchId).zip(&self.places).filter_map(|(id, place)| Some((id, place.as_ref()?)))
    }

    /// Number of watches.
    pub(super) fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// Adds a watch of a topic that is not watched yet. A contract bounds how many there are.
    pub(super) fn add(&mut self, place: Place) -> WatchId {
        let topic = place.watch.topic.clone();
        let id = if let Some(index) = self.free.pop() {
            self.places[usize::from(index)] = Some(place);
            WatchId(index)
        } else {
            self.places.push(Some(place));
            WatchId(u16::try_from(self.places.len() - 1).expect("every contract bounds its watches"))
        };
        self.by_topic.insert(topic, id);
        id
    }

    /// Ends the watch of a topic, if there is one.
    pub(super) fn remove(&mut self, topic: &Topic) {
        let Some(id) = self.by_topic.remove(topic) else { return };
        let ended = self.places[usize::from(id.0)].take();
        self.free.push(id.0);
        if self.ahead > self.sequence
            && let Some(place) = ended
        {
            self.ended.push((id, place));
            if self.ended.len() > MOST_ENDED {
                self.ended.remove(0);
            }
        }
    }
}

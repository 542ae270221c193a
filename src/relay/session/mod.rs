//! The protocol state of a connection: input and the time in, actions out, no sockets.
//!
//! A session is a list of watches, one a topic, and the contract of the route that it came by, which says what the client
//! may send. It is made by one of the constructors, given its watches' state ([`Session::watch_mut`]), and then fed: with
//! events ([`Session::takes`]), with what the client sends ([`Session::text`]) and with the time ([`Session::timer`]).

mod allowance;
mod channel;
mod guard;
mod places;
mod resume;
mod targets;
#[cfg(test)]
mod tests;
mod timers;
mod watch;
mod watcher;

use std::sync::Arc;
use std::time::Duration;

pub(super) use self::channel::Opening;
use self::channel::Subscriber;
pub(super) use self::guard::Guard;
pub(super) use self::resume::Replay;
use self::resume::Resume;
use self::timers::{Timer, Timers};
use self::watch::Watches;
pub(super) use self::watch::{Kinds, Watch, WatchId};
pub(super) use self::watcher::{Credentials, ListAccess, Wanted, Watcher};
use super::cursor::{Loss, Start};
use super::event::{Event, Snapshot};
use super::wheel::Millis;
use crate::dialect::{CloseReason, Dialect, DialectId, Outcome, Topic};
use crate::jwt::Grant;

/// What becomes of an event that did not come live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Take {
    /// It is sent.
    Send,
    /// Its kind is not wanted; that it ended its job is.
    NotWanted,
    /// It was sent before, or belongs to nothing that is watched.
    Not,
}

/// Something for the connection to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::relay) enum Action {
    /// Send a text of a topic's state.
    State(WatchId, Snapshot),
    /// Send the state of a job that a list opens with.
    Listed(Topic, Snapshot),
    /// Send an event that waited while its job was looked up.
    Event(WatchId, Arc<Event>),
    /// Tell that events are missing: of one watch, or of all. With the sequence behind the gap, where that is the client's
    /// place.
    Gap(Loss, Option<WatchId>, Option<u64>),
    /// Tell that a job has ended, where the contract does.
    Ended(Topic, Outcome),
    /// Tell the client its place: the sequence up to which everything was sent.
    Place(u64),
    /// Tell the client of an event stream the place that it begins at, or that this is the beginning of what is kept.
    Begun(Start),
    /// Tell the client its place, if it has changed since it was told.
    RefreshPlace,
    /// Begin a watch that was added: subscribe, and look its topic up.
    Begin(WatchId),
    /// Check a token that the client brought.
    CheckToken(Box<str>),
    /// Send a job's polling body, behind its state or an event.
    Echo(String),
    /// Answer WebSocket pings that came in a row with these frames, one each.
    Pong(Vec<u8>),
    /// Send a text of the relay's own: the answer to a command, or a greeting.
    Answer(String),
    /// Send the application's own sign of life.
    Heartbeat,
    /// Let the connection get a topic's events.
    Subscribe(Topic, WatchId),
    /// End a subscription.
    Unsubscribe(Topic),
    /// Answer the text `ping`.
    TextPong,
    /// Send a WebSocket ping.
    Ping,
    /// Send what the dialect says to watchers of an unknown job.
    Unknown(WatchId),
    /// Look again for the job's owner.
    LookAgain(WatchId),
    /// The connection lived as long as it may: close it as the job's state wants.
    EndLife,
    /// Close.
    Close(CloseReason),
}

/// Time between two pings of a connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::relay) struct PingInterval(Millis);

impl PingInterval {
    /// At least one millisecond.
    pub(in crate::relay) fn new(interval: Duration) -> Self {
        Self(u64::try_from(interval.as_millis()).unwrap_or(u64::MAX / 4).clamp(1, u64::MAX / 4))
    }
}

/// The contract of the route that a client came by.
#[derive(Debug)]
enum Contract {
    /// Channels and rooms, which the client subscribes to and leaves.
    Channels(Subscriber),
    /// Any targets, which the client adds and ends.
    Watch(Watcher),
}

/// The moment that a session begins at, and where in the ping interval.
#[derive(Debug, Clone, Copy)]
pub(in crate::relay) struct Beginning {
    /// The time now.
    pub now: Millis,
    /// Time between pings.
    pub interval: PingInterval,
    /// Place of the first ping in the interval, 0..1.
    pub phase: f64,
}

/// What becomes of an event that matches a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum Taking {
    /// The client has it already, or may not have it yet.
    Left,
    /// The client wants no events of its kind.
    Filtered,
    /// It is sent.
    Taken,
}

/// The session of a connection.
#[derive(Debug)]
pub(in crate::relay) struct Session {
    /// Absent where one job is watched: its client has nothing to say but `ping`.
    contract: Option<Box<Contract>>,
    watches: Watches,
    timers: Timers,
    /// Kinds of the events that are sent; all of them where there is no list.
    kinds: Option<Arc<Kinds>>,
    /// Present where the client can come back.
    resume: Option<Box<Resume>>,
}

impl Session {
    /// A session that watches one job.
    pub(in crate::relay) fn of_job(watch: Watch, beginning: Beginning) -> Self {
        Self::new(None, Watches::One(watch), beginning)
    }

    /// A session of a client of channels and rooms, with what its URL asked for. `dialect` has channels.
    pub(in crate::relay) fn of_channels(
        id: DialectId,
        dialect: Arc<Dialect>,
        opening: Opening,
        beginning: Beginning,
    ) -> Self {
        let subscriber = Subscriber::new(id, dialect, opening, beginning.now);
        Self::new(Some(Contract::Channels(subscriber)), Watches::Many(Box::default()), beginning)
    }

    /// A session of a client of `/watch`. Its targets are added by [`Session::open`].
    pub(in crate::relay) fn of_targets(watcher: Watcher, beginning: Beginning) -> Self {
        Self::new(Some(Contract::Watch(watcher)), Watches::Many(Box::default()), beginning).resumable()
    }

    fn new(contract: Option<Contract>, watches: Watches, beginning: Beginning) -> Self {
        let Beginning { now, interval, phase } = beginning;
        let (timers, contract) = (Timers::new(now, interval, phase), contract.map(Box::new));
        Self { contract, watches, timers, kinds: None, resume: None }
    }

    /// Lets the session live until `end` at most; [`Millis::MAX`] for ever.
    #[must_use]
    pub(in crate::relay) fn until(mut self, end: Millis) -> Self {
        self.timers.set(Timer::Life, end);
        self
    }

    /// Ends the session when its token expires.
    #[must_use]
    pub(in crate::relay) fn with_token(mut self, expires: Millis) -> Self {
        self.timers.set(Timer::Token, expires);
        self
    }

    /// Lets the client come back: it is told its place and gaps.
    #[must_use]
    pub(in crate::relay) fn resumable(mut self) -> Self {
        self.resume.get_or_insert_default();
        self
    }

    /// Sends only events of some kinds.
    #[must_use]
    pub(in crate::relay) fn only(mut self, kinds: Option<Arc<Kinds>>) -> Self {
        self.kinds = kinds;
        self
    }

    /// Restricts a client of channels and rooms to targets that the grant covers. Other subscriptions are removed, and
    /// the first of them is reported to the client.
    #[must_use]
    pub(in crate::relay) fn limited(mut self, grant: Grant) -> Self {
        if let Some(Contract::Channels(subscriber)) = self.contract.as_deref_mut() {
            subscriber.limit(grant);
        }
        self
    }

    /// Whether a token let it in.
    pub(in crate::relay) fn has_token(&self) -> bool {
        self.timers.is_set(Timer::Token)
    }

    /// Begins a session of channels and rooms: subscribes to what the URL asked for, and says so. `time` as
    /// [`timestamp`](crate::dialect::timestamp) has it.
    pub(in crate::relay) fn begin(&mut self, time: &str, out: &mut Vec<Action>) {
        if let (Some(Contract::Channels(subscriber)), Watches::Many(watches)) =
            (self.contract.as_deref_mut(), &mut self.watches)
        {
            subscriber.begin(time, watches, out);
            watches.is_behind = false;
        }
    }

    /// Adds the targets of a URL of `/watch`.
    pub(in crate::relay) fn open(&mut self, wanted: &Wanted, out: &mut Vec<Action>) {
        if let (Some(Contract::Watch(client)), Watches::Many(watches)) =
            (self.contract.as_deref_mut(), &mut self.watches)
        {
            client.watch(wanted, watches, out);
        }
    }

    /// Whether its messages are those of `/watch`.
    pub(in crate::relay) fn is_of_targets(&self) -> bool {
        matches!(self.contract.as_deref(), Some(Contract::Watch(_)))
    }

    /// Whether it watches one topic, for good.
    const fn is_alone(&self) -> bool {
        matches!(self.watches, Watches::One(_))
    }

    /// Everything it watches.
    pub(in crate::relay) fn watches(&self) -> impl Iterator<Item = (WatchId, &Watch)> {
        self.watches.iter()
    }

    /// The watch of a topic.
    pub(in crate::relay) fn find(&self, topic: &Topic) -> Option<WatchId> {
        match &self.watches {
            Watches::One(watch) => (watch.topic() == topic).then_some(WatchId::ONLY),
            Watches::Many(many) => many.find(topic),
        }
    }

    /// One of its watches, if it is still there.
    pub(in crate::relay) fn watch(&self, id: WatchId) -> Option<&Watch> {
        self.watches.get(id)
    }

    /// One of its watches, if it is still there.
    pub(in crate::relay) fn watch_mut(&mut self, id: WatchId) -> Option<&mut Watch> {
        self.watches.get_mut(id)
    }

    /// Gives all places up that events wait in.
    pub(in crate::relay) fn give_up(&mut self) {
        for (_, watch) in self.watches.iter_mut() {
            watch.take_reservation();
        }
    }

    /// Whether an event that matches a watch is to be sent: it is newer than everything that was.
    #[inline]
    pub(in crate::relay) fn takes(&mut self, id: WatchId, event: &Event) -> Taking {
        let taking = match &mut self.watches {
            Watches::One(watch) => {
                if watch.takes(event.sequence) {
                    Taking::Taken
                } else {
                    Taking::Left
                }
            }
            Watches::Many(_) => self.takes_of_many(id, event),
        };
        match &self.kinds {
            Some(kinds) if taking == Taking::Taken && !kinds.include(&event.kind) => Taking::Filtered,
            _ => taking,
        }
    }

    fn takes_of_many(&mut self, id: WatchId, event: &Event) -> Taking {
        let Watches::Many(many) = &mut self.watches else { return Taking::Left };
        if event.sequence <= many.sequence {
            return Taking::Left;
        }
        // The number may have a new tenant since the event was matched.
        let Some(place) = many.get_mut(id).filter(|place| place.matches(event)) else { return Taking::Left };
        if !place.watch.takes(event.sequence) {
            return Taking::Left;
        }
        if !place.wants(&event.kind) {
            return Taking::Filtered;
        }
        if event.sequence > many.ahead {
            many.ended.clear();
        } else if self.was_sent(event, &[id]) {
            return Taking::Left;
        }
        self.sent(event.sequence);
        Taking::Taken
    }

    /// An event of several watches was sent.
    fn sent(&mut self, sequence: u64) {
        if let Watches::Many(many) = &mut self.watches {
            many.sequence = sequence;
        }
    }

    /// Bytes came from the client, whatever they are.
    pub(in crate::relay) const fn heard(&mut self, now: Millis, interval: PingInterval) {
        self.timers.heard(now, interval);
    }

    /// A text came. All but `ping` is ignored in the contracts of jobs.
    pub(in crate::relay) fn text(&mut self, text: &str, now: Millis, out: &mut Vec<Action>) {
        match (self.contract.as_deref_mut(), &mut self.watches) {
            (Some(Contract::Channels(subscriber)), Watches::Many(watches)) => {
                subscriber.text(text, now, watches, out);
            }
            (Some(Contract::Watch(client)), Watches::Many(watches)) => {
                client.text(text, now, watches, out);
                self.tidy();
            }
            _ if text == "ping" => out.push(Action::TextPong),
            _ => {}
        }
    }

    /// A binary message came.
    pub(in crate::relay) fn binary(&mut self, now: Millis, out: &mut Vec<Action>) {
        match self.contract.as_deref_mut() {
            Some(Contract::Channels(subscriber)) => subscriber.binary(now, out),
            Some(Contract::Watch(watcher)) => watcher.binary(now, out),
            None => {}
        }
    }

    /// A timer fired. Returns when the next one is wanted.
    pub(in crate::relay) fn timer(
        &mut self,
        now: Millis,
        interval: PingInterval,
        out: &mut Vec<Action>,
    ) -> Millis {
        let last = match self.timers.due(now) {
            Some(Timer::Stale) => Some(Action::Close(CloseReason::Stale)),
            Some(Timer::Token) if self.outlives_its_token(out) => None,
            Some(Timer::Token) => Some(Action::Close(CloseReason::Unauthorized)),
            Some(Timer::Life) => Some(Action::EndLife),
            Some(Timer::Ping) | None => None,
        };
        if let Some(last) = last {
            out.push(last);
            return Millis::MAX;
        }
        for (id, watch) in self.watches.iter_mut() {
            watch.timer(now, id, out);
        }
        if self.timers.due(now) == Some(Timer::Ping) {
            self.timers.set(Timer::Ping, now + interval.0);
            out.push(Action::Ping);
            if matches!(self.contract.as_deref(), Some(Contract::Channels(_))) {
                out.push(Action::Heartbeat);
            }
            if self.resume.is_some() {
                out.push(Action::RefreshPlace);
            }
        }
        self.deadline()
    }

    /// Ends the targets that need the token. Returns whether the client has others.
    fn outlives_its_token(&mut self, out: &mut Vec<Action>) -> bool {
        let (Some(Contract::Watch(client)), Watches::Many(watches)) =
            (self.contract.as_deref_mut(), &mut self.watches)
        else {
            return false;
        };
        let has_others = client.expire(watches, out);
        self.tidy();
        if has_others {
            self.timers.stop(Timer::Token);
        }
        has_others
    }

    /// When it next wants to be woken.
    pub(in crate::relay) fn deadline(&self) -> Millis {
        let watches = self.watches.iter().map(|(_, watch)| watch.deadline());
        watches.min().unwrap_or(Millis::MAX).min(self.timers.next())
    }
}

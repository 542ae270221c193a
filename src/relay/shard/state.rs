//! What a shard does with its connections.

mod arrival;
mod lookup;
mod places;
mod replay;
mod sending;
mod streaming;
#[cfg(test)]
mod tests;
mod traffic;

use std::cell::{RefCell, RefMut};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::oneshot;
use tracing::debug;

use super::ShardSettings;
use super::conn::{Conn, Phase, Wrote};
use super::message::WeakHandle;
use crate::dialect::{CloseReason, DialectId, Topic};
use crate::relay::backlogs::Backlogs;
use crate::relay::encoding::Encoder;
use crate::relay::hub::{Census, Hub, Subscriber};
use crate::relay::session::{Action, PingInterval, Watch};
use crate::relay::slots::{ConnId, Slots};
use crate::relay::streams::SharedTable;
use crate::relay::wheel::{Millis, TICK, Wheel};
use crate::wire::deflate::Inflater;

/// How long a client may take to answer a close, or to read it if it was slow.
const GOOD_BYE: Millis = 2_000;
const SLOW_GOOD_BYE: Millis = 10_000;

/// A shard's connections and all that belongs to them.
pub(super) struct State {
    settings: ShardSettings,
    answers: WeakHandle,
    interval: PingInterval,
    began: Instant,
    conns: Slots<Conn>,
    hub: Hub,
    wheel: Wheel,
    random: StdRng,
    encoder: Encoder,
    inflater: Inflater,
    /// Sequence of the newest event that was delivered, or of the newest loss that was told.
    delivered: u64,
    /// Streams that are followed.
    streams: SharedTable,
    /// Connections that are still to be told their place.
    awaiting: Vec<ConnId>,
    /// Scratch space, kept to be used again.
    buffer: Vec<u8>,
    actions: Vec<Action>,
    matching: Vec<Subscriber>,
    due: Vec<(Millis, ConnId)>,
    /// No connection is to stay any more.
    closing: bool,
    drained: Option<oneshot::Sender<()>>,
}

impl State {
    pub(super) fn new(settings: ShardSettings, answers: WeakHandle) -> Self {
        Self {
            interval: PingInterval::new(settings.ping_interval),
            answers,
            began: Instant::now(),
            conns: Slots::new(),
            hub: Hub::default(),
            wheel: Wheel::new(),
            random: StdRng::from_rng(&mut rand::rng()),
            encoder: Encoder::new(Arc::clone(&settings.dialects)),
            inflater: Inflater::default(),
            delivered: 0,
            streams: SharedTable::default(),
            awaiting: Vec::new(),
            buffer: vec![0; traffic::READ],
            actions: Vec::new(),
            matching: Vec::new(),
            due: Vec::new(),
            closing: false,
            drained: None,
            settings,
        }
    }

    fn now(&self) -> Millis {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX / 2)
    }

    fn wake(&mut self, id: ConnId, at: Millis) {
        if let Some(conn) = self.conns.get_mut(id)
            && at < conn.deadline
        {
            conn.deadline = at;
            self.wheel.set(at, id);
        }
    }

    /// Replaces the timer that counts by another, later or earlier.
    fn wake_instead(&mut self, id: ConnId, at: Millis) {
        if let Some(conn) = self.conns.get_mut(id) {
            conn.deadline = at;
            self.wheel.set(at, id);
        }
    }

    /// Lets a connection get a topic's events from now on.
    fn subscribe(&mut self, topic: Topic, to: Subscriber) {
        if let Some(conn) = self.conns.get_mut(to.id) {
            conn.session.send_from(to.watch, self.delivered);
            conn.session.forget_sources();
        }
        self.hub.subscribe(topic, to);
    }

    fn remove(&mut self, id: ConnId) {
        let Some(conn) = self.conns.remove(id) else { return };
        for (_, watch) in conn.session.watches() {
            self.hub.unsubscribe(watch.topic(), id);
        }
        debug!(client = %conn.client, "a socket closed");
        self.settings.stats.connections.sub(1);
        // The reader sees the end of the stream and goes.
        let _ = socket2::SockRef::from(&*conn.stream).shutdown(std::net::Shutdown::Both);
        if self.conns.len() == 0
            && let Some(drained) = self.drained.take()
        {
            let _ = drained.send(());
        }
    }
}

/// The shard's state, shared by the tasks of its one thread; never borrowed across an await.
#[derive(Clone)]
pub(super) struct Shared(Rc<RefCell<State>>);

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self(Rc::new(RefCell::new(state)))
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    fn after_write(&self, state: &mut State, id: ConnId, wrote: Wrote) {
        match wrote {
            Wrote::Whole | Wrote::Waits { conflated: false } => {}
            Wrote::Waits { conflated: true } => state.settings.stats.conflated.add(1),
            Wrote::Queued => {
                if let Some(conn) = state.conns.get(id) {
                    tokio::task::spawn_local(traffic::drain_loop(self.clone(), id, Rc::clone(&conn.stream)));
                }
            }
            Wrote::Overflow => {
                state.settings.stats.slow_consumers.add(1);
                self.act(state, id, Action::Close(CloseReason::SlowConsumer));
            }
            Wrote::Broken => state.remove(id),
        }
    }

    fn act_all(&self, state: &mut State, id: ConnId, mut actions: Vec<Action>) {
        for action in actions.drain(..) {
            self.act(state, id, action);
        }
        state.actions = actions;
    }

    fn act(&self, state: &mut State, id: ConnId, action: Action) {
        // Whatever became of the connection meanwhile: its session knows nothing of that topic any more, so nobody would
        // end this subscription later.
        if let Action::Unsubscribe(topic) = &action {
            if let Some(conn) = state.conns.get_mut(id) {
                conn.session.forget_sources();
            }
            return state.hub.unsubscribe(topic, id);
        }
        if state.conns.get(id).is_none_or(|conn| conn.phase != Phase::Open) {
            return;
        }
        match action {
            Action::Unsubscribe(_) => {}
            Action::Subscribe(topic, watch) => state.subscribe(topic, Subscriber { id, watch }),
            Action::LookAgain(watch) => self.ask_store_or_look_up(state, id, watch),
            Action::Begin(watch) => self.begin_watch(state, id, watch),
            Action::CheckToken(token) => self.check_token(state, id, token),
            Action::EndLife => self.close(state, id, state.end_of_life(id)),
            Action::Close(reason) => self.close(state, id, reason),
            message => self.send(state, id, message),
        }
    }

    pub(super) fn count(&self, topics: &[Topic]) -> usize {
        let state = self.state();
        let gets = |one: Subscriber| {
            let watch = state.conns.get(one.id).and_then(|conn| conn.session.watch(one.watch));
            watch.is_some_and(Watch::is_admitted)
        };
        state.hub.count(topics, gets)
    }

    pub(super) fn jobs(&self) -> HashSet<(DialectId, String)> {
        self.state().hub.jobs().map(|(dialect, job)| (dialect, job.to_owned())).collect()
    }

    pub(super) fn census(&self, dialect: DialectId) -> Census {
        self.state().hub.census(dialect)
    }

    pub(super) fn backlogs(&self) -> Backlogs {
        let state = self.state();
        let mut backlogs = Backlogs::default();
        for conn in state.conns.values() {
            if let Some(backlog) = conn.backlog() {
                backlogs.add(conn.client.address(), backlog);
            }
        }
        backlogs
    }

    /// Closes everything, each connection at its own moment of the window.
    pub(super) fn drain(&self, window: Duration, drained: oneshot::Sender<()>) {
        let mut state = self.state();
        // An upgrade that is going on may still bring a connection, whether or not there are any now.
        state.closing = true;
        let ids: Vec<ConnId> = state.conns.ids().collect();
        if ids.is_empty() {
            let _ = drained.send(());
            return;
        }
        state.drained = Some(drained);
        drop(state);
        let step = window / u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let shared = self.clone();
        tokio::task::spawn_local(async move {
            let began = tokio::time::Instant::now();
            for (number, id) in ids.into_iter().enumerate() {
                tokio::time::sleep_until(began + step * u32::try_from(number).unwrap_or(u32::MAX)).await;
                shared.act(&mut shared.state(), id, Action::Close(CloseReason::GoingAway));
            }
        });
    }

    fn fire(&self, set_for: Millis, id: ConnId) {
        let mut state = self.state();
        let (now, interval) = (state.now(), state.interval);
        let mut actions = std::mem::take(&mut state.actions);
        let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.deadline == set_for) else {
            state.actions = actions;
            return;
        };
        conn.deadline = Millis::MAX;
        if conn.phase == Phase::Open {
            let next = conn.session.timer(now, interval, &mut actions);
            state.wake(id, next);
        } else {
            state.remove(id);
        }
        self.act_all(&mut state, id, actions);
        self.announce(&mut state, id);
    }
}

/// Turns the wheel for ever.
pub(super) async fn timers(shared: Shared) {
    let mut tick = tokio::time::interval(Duration::from_millis(TICK));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut due = {
            let mut state = shared.state();
            let (now, mut due) = (state.now(), std::mem::take(&mut state.due));
            state.wheel.advance(now, &mut due);
            due
        };
        for (set_for, id) in due.drain(..) {
            shared.fire(set_for, id);
        }
        shared.state().due = due;
    }
}

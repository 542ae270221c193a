//! What a shard does with its connections.

use std::cell::{RefCell, RefMut};
use std::collections::HashSet;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tracing::debug;

use super::conn::{Conn, Phase, Wrote};
use super::{NewConnection, Newcomer, ShardSettings, WeakHandle};
use crate::dialect::{CloseReason, DialectId, Event, Frame, Topic};
use crate::relay::frame;
use crate::relay::hub::Hub;
use crate::relay::joblog::Known;
use crate::relay::outbox::OutboxKey;
use crate::relay::session::{Action, JobSession, PingInterval};
use crate::relay::slots::{ConnId, Slots};
use crate::relay::wheel::{Millis, TICK, Wheel};

/// One read takes this much at most; it also bounds what a flooding client gets in before others have their turn.
const READ: usize = 16 << 10;

/// Writes of a fan-out after which other tasks of the shard get their turn.
const WRITES_PER_TURN: usize = 256;

/// How long a client may take to answer a close, or to read it if it was slow.
const GOOD_BYE: Millis = 2_000;
const SLOW_GOOD_BYE: Millis = 10_000;

const TEXT_PONG: &[u8] = br#"{"type":"pong"}"#;

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
    text_pong: Frame,
    ping: Frame,
    /// Scratch space, kept to be used again.
    buffer: Vec<u8>,
    actions: Vec<Action>,
    matching: Vec<ConnId>,
    due: Vec<(Millis, ConnId)>,
    /// No connection is to stay any more.
    closing: bool,
    drained: Option<oneshot::Sender<()>>,
}

impl State {
    pub(super) fn new(settings: ShardSettings, answers: WeakHandle) -> Self {
        Self {
            interval: PingInterval::new(settings.ping_interval),
            settings,
            answers,
            began: Instant::now(),
            conns: Slots::new(),
            hub: Hub::default(),
            wheel: Wheel::new(),
            random: StdRng::from_rng(&mut rand::rng()),
            text_pong: frame::text(TEXT_PONG),
            ping: frame::ping(b""),
            buffer: vec![0; READ],
            actions: Vec::new(),
            matching: Vec::new(),
            due: Vec::new(),
            closing: false,
            drained: None,
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

    fn remove(&mut self, id: ConnId) {
        let Some(conn) = self.conns.remove(id) else { return };
        self.hub.unsubscribe(&conn.session.topic(), id);
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

    /// Takes over an upgraded socket.
    pub(super) fn adopt(&self, new: NewConnection) {
        let stream = match TcpStream::from_std(new.stream) {
            Ok(stream) => Rc::new(stream),
            Err(error) => {
                debug!(%error, "could not adopt a socket");
                return;
            }
        };
        let mut state = self.state();
        let (now, phase) = (state.now(), state.random.random());
        let session =
            JobSession::new(new.newcomer.dialect, Arc::clone(&new.newcomer.job), now, state.interval, phase)
                .replaying(new.newcomer.replay);
        let deadline = session.deadline(state.interval);
        let id = state.conns.insert(Conn::new(Rc::clone(&stream), session));
        state.settings.stats.connections.add(1);
        state.wake(id, deadline);
        if state.closing {
            self.act(&mut state, id, Action::Close(CloseReason::GoingAway));
        }
        tokio::task::spawn_local(begin(self.clone(), id, stream, new.newcomer));
    }

    /// Subscribes a connection and sends it what there is.
    fn welcome(&self, id: ConnId, new: &Newcomer) {
        let mut state = self.state();
        let Some(conn) = state.conns.get(id) else { return };
        let topic = conn.session.topic();
        if new.possible {
            // Subscribed before the state is looked up, so that nothing falls between the two.
            state.hub.subscribe(topic, id);
            drop(state);
            self.ask_store_or_look_up(id);
        } else {
            if state.settings.dialects.get(new.dialect).complains_of_unknown() {
                self.act(&mut state, id, Action::Unknown);
            }
            self.act(&mut state, id, Action::Close(CloseReason::ImpossibleJob));
            drop(state);
        }
        if !new.early.is_empty() {
            let mut early = new.early.to_vec();
            self.feed(&mut self.state(), id, &mut early);
        }
    }

    /// A job that this relay has not seen from its beginning is first looked for in the store.
    fn ask_store_or_look_up(&self, id: ConnId) {
        let asked = {
            let state = self.state();
            let Some(conn) = state.conns.get(id) else { return };
            let (dialect, job) = (conn.session.dialect(), Arc::clone(conn.session.job()));
            state.settings.restore.as_ref().is_some_and(|store| {
                let log = state.settings.log.lock().unwrap_or_else(PoisonError::into_inner);
                let whole = log.known(dialect, &job) == Some(Known::Whole);
                drop(log);
                !whole && store.ask(dialect, job, state.answers.clone(), id)
            })
        };
        if !asked {
            self.look_up(id);
        }
    }

    /// Sends a connection the current state of its job.
    pub(super) fn look_up(&self, id: ConnId) {
        let mut state = self.state();
        let now = state.now();
        let mut actions = std::mem::take(&mut state.actions);
        let settings = state.settings.clone();
        let interval = state.interval;
        if let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open) {
            let dialect = settings.dialects.get(conn.session.dialect());
            let mut log = settings.log.lock().unwrap_or_else(PoisonError::into_inner);
            let (of, job) = (conn.session.dialect(), conn.session.job());
            let known = if conn.session.wants_replay() {
                log.replay(of, job)
            } else {
                log.snapshot(of, job).into_iter().collect()
            };
            drop(log);
            conn.session.state(known, dialect, now, &mut actions);
            let deadline = conn.session.deadline(interval);
            state.wake(id, deadline);
        }
        self.act_all(&mut state, id, actions);
    }

    /// Fans a batch out. Other tasks get their turn in between.
    pub(super) async fn deliver(&self, batch: &[Event]) {
        let mut writes = 0;
        for event in batch {
            let mut ids = {
                let mut state = self.state();
                let mut ids = std::mem::take(&mut state.matching);
                state.hub.matching(&event.topics, &mut ids);
                ids
            };
            for some in ids.chunks(WRITES_PER_TURN) {
                {
                    let mut state = self.state();
                    for id in some {
                        self.send_event(&mut state, *id, event);
                    }
                }
                writes += some.len();
                if writes >= WRITES_PER_TURN {
                    writes = 0;
                    tokio::task::yield_now().await;
                }
            }
            ids.clear();
            self.state().matching = ids;
        }
    }

    fn send_event(&self, state: &mut State, id: ConnId, event: &Event) {
        let bound = state.settings.outbox;
        let Some(conn) = state.conns.get_mut(id) else { return };
        if conn.phase != Phase::Open || !conn.session.takes(event.sequence) {
            return;
        }
        let wrote = conn.write(&event.frame, || event.conflation.clone().map(OutboxKey::Event), bound);
        state.settings.stats.deliveries.add(1);
        if wrote != Wrote::Whole {
            self.after_write(state, id, wrote);
        }
    }

    fn after_write(&self, state: &mut State, id: ConnId, wrote: Wrote) {
        match wrote {
            Wrote::Whole | Wrote::Waits { conflated: false } => {}
            Wrote::Waits { conflated: true } => state.settings.stats.conflated.add(1),
            Wrote::Queued => {
                if let Some(conn) = state.conns.get(id) {
                    tokio::task::spawn_local(drain_loop(self.clone(), id, Rc::clone(&conn.stream)));
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
        let (now, bound) = (state.now(), state.settings.outbox);
        let (ping, text_pong) = (state.ping.clone(), state.text_pong.clone());
        let dialects = Arc::clone(&state.settings.dialects);
        let Some(conn) = state.conns.get_mut(id) else { return };
        if conn.phase != Phase::Open {
            return;
        }
        let mut deadline = None;
        let wrote = match action {
            Action::Send(frame) => conn.write_state(&frame),
            // Control frames are tiny, and at most a handful of them can wait: no reason to call a client slow.
            Action::Pong(frame) => conn.write(&frame, || Some(OutboxKey::Pong), usize::MAX),
            Action::TextPong => conn.write(&text_pong, || Some(OutboxKey::TextPong), usize::MAX),
            // Also behind what waits: a client that is slow but alive has nothing else to answer.
            Action::Ping => conn.write(&ping, || None, usize::MAX),
            Action::Unknown => {
                let dialect = dialects.get(conn.session.dialect());
                let Some(text) = dialect.unknown_frame(conn.session.job(), &super::timestamp()) else {
                    return;
                };
                conn.write(&frame::text(text.as_bytes()), || None, bound)
            }
            Action::Close(reason) => {
                let slow = reason == CloseReason::SlowConsumer;
                deadline = Some(now + if slow { SLOW_GOOD_BYE } else { GOOD_BYE });
                let deaf =
                    matches!(reason, CloseReason::Protocol | CloseReason::NotUtf8 | CloseReason::TooBig);
                if reason == CloseReason::Stale {
                    state.settings.stats.stale.add(1);
                }
                conn.close(reason, if deaf { Phase::Deaf } else { Phase::Closing })
            }
        };
        self.after_write(state, id, wrote);
        if let Some(at) = deadline {
            state.wake_instead(id, at);
        }
    }

    /// Feeds a connection what its client sent.
    fn feed(&self, state: &mut State, id: ConnId, input: &mut [u8]) {
        let (now, limit) = (state.now(), state.settings.max_frame);
        let mut actions = std::mem::take(&mut state.actions);
        let Some(conn) = state.conns.get_mut(id) else { return };
        let was = conn.phase;
        match conn.feed(input, limit, now, &mut actions) {
            Ok(None) => {}
            // Both sides have closed; whoever began, there is nothing to add.
            Ok(Some(_)) if was == Phase::Closing => {
                actions.clear();
                state.remove(id);
            }
            Ok(Some(code)) => {
                actions.clear();
                let wrote = conn.answer_close(code);
                self.after_write(state, id, wrote);
                state.wake_instead(id, now + GOOD_BYE);
            }
            Err(violation) => actions.push(Action::Close(violation.reason())),
        }
        self.act_all(state, id, actions);
    }

    /// Reads once. `Ok(true)` when there may be more.
    fn read(&self, id: ConnId, stream: &TcpStream) -> io::Result<bool> {
        let mut state = self.state();
        let mut buffer = std::mem::take(&mut state.buffer);
        let count = stream.try_read(&mut buffer);
        if let Ok(count @ 1..) = count {
            self.feed(&mut state, id, &mut buffer[..count]);
        }
        state.buffer = buffer;
        match count {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn count(&self, topics: &[Topic]) -> usize {
        self.state().hub.count(topics)
    }

    pub(super) fn jobs(&self) -> HashSet<(DialectId, String)> {
        self.state().hub.jobs().map(|(dialect, job)| (dialect, job.to_owned())).collect()
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
            if next != Millis::MAX {
                state.wake(id, next);
            }
        } else {
            state.remove(id);
        }
        self.act_all(&mut state, id, actions);
    }
}

/// Welcomes a connection and reads from it.
///
/// The runtime believes a new socket to be blocked until it has heard otherwise from the kernel. Waiting for that first
/// keeps it from being taken for back-pressure: what is queued may be conflated, and this client keeps up.
async fn begin(shared: Shared, id: ConnId, stream: Rc<TcpStream>, new: Newcomer) {
    if stream.writable().await.is_ok() {
        shared.welcome(id, &new);
    }
    // A task of its own: what was needed only to begin does not stay in the memory of an idle connection.
    tokio::task::spawn_local(read_loop(shared, id, stream));
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

/// Reads a connection's socket until it ends.
async fn read_loop(shared: Shared, id: ConnId, stream: Rc<TcpStream>) {
    loop {
        if stream.readable().await.is_err() {
            break;
        }
        match shared.read(id, &stream) {
            // Others first: a client that floods gets one read a turn.
            Ok(true) => tokio::task::yield_now().await,
            Ok(false) => {}
            Err(_) => break,
        }
    }
    shared.state().remove(id);
}

/// Drains a connection's outbox; there is one such task while it is backed up.
async fn drain_loop(shared: Shared, id: ConnId, stream: Rc<TcpStream>) {
    while stream.writable().await.is_ok() {
        let mut state = shared.state();
        let now = state.now();
        let Some(conn) = state.conns.get_mut(id) else { return };
        match conn.drain(now) {
            Ok(true) => return,
            Ok(false) => {}
            Err(_) => break,
        }
    }
    shared.state().remove(id);
}

#[cfg(test)]
mod tests;

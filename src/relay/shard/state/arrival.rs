//! How a connection comes to a shard, and what it is sent first.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use tokio::net::TcpStream;
use tracing::debug;

use super::super::conn::{Conn, Phase};
use super::super::{NewConnection, Newcomer, Wants, timestamp_zulu};
use super::traffic::read_loop;
use super::{Shared, State};
use crate::dialect::{CloseReason, DialectId, Topic};
use crate::relay::auth::{self, Access, Claims, Ownerless};
use crate::relay::joblog::{Held, Known, Welcome};
use crate::relay::reservation::StoreReading;
use crate::relay::session::{Action, ChannelSession, Guard, JobSession, Session, Snapshot};
use crate::relay::slots::ConnId;
use crate::relay::stats::Stats;
use crate::relay::wheel::Millis;
use crate::wire::websocket;

/// How much longer a publication may be on its way than what another relay has written to the store because of it.
const OUTRUN: Duration = Duration::from_millis(250);

impl Shared {
    /// Takes over an upgraded socket.
    pub(in crate::relay::shard) fn adopt(&self, mut new: NewConnection) {
        let stream = match TcpStream::from_std(new.stream) {
            Ok(stream) => Rc::new(stream),
            Err(error) => {
                debug!(client = %new.client, %error, "could not adopt a socket");
                return;
            }
        };
        let mut state = self.state();
        let (now, phase) = (state.now(), state.random.random());
        let dialect = new.newcomer.dialect;
        let access = &new.newcomer.access;
        let mut place = None;
        let session = match &mut new.newcomer.wants {
            Wants::Job { job, reservation, .. } => {
                place = reservation.take();
                let session = JobSession::new(dialect, Arc::clone(job), now, state.interval, phase)
                    .guarded(guard(access, state.settings.ownerless, now))
                    .until(state.end_of(dialect, now));
                Session::Job(session)
            }
            Wants::Channels(opening) => {
                let (of, opening) = (state.settings.dialects.get(dialect), std::mem::take(opening));
                let session =
                    ChannelSession::new(dialect, Arc::clone(of), opening, now, state.interval, phase);
                Session::Channel(Box::new(match access {
                    Access::Bearer(claims) | Access::Subject(claims) => {
                        session.limited(claims.grant.clone(), expiry(claims, now))
                    }
                    Access::Everybody | Access::Refused(_) => session,
                }))
            }
        };
        debug!(client = %new.client, dialect = %state.settings.dialects.get(dialect).name, "a socket opened");
        let deadline = session.deadline(state.interval);
        let mut conn = Conn::new(Rc::clone(&stream), session, new.client);
        conn.reservation = place;
        let id = state.conns.insert(conn);
        state.settings.stats.connections.add(1);
        state.wake(id, deadline);
        if state.closing {
            self.act(&mut state, id, Action::Close(CloseReason::GoingAway));
        }
        tokio::task::spawn_local(begin(self.clone(), id, stream, new.newcomer));
    }

    /// Lets a connection begin, and then reads what came with its handshake.
    fn welcome(&self, id: ConnId, new: &Newcomer) {
        match &new.wants {
            Wants::Job { possible, .. } => self.welcome_watcher(id, new.dialect, &new.access, *possible),
            Wants::Channels(_) => self.welcome_subscriber(id, &new.access),
        }
        if !new.early.is_empty() {
            let mut early = new.early.to_vec();
            self.feed(&mut self.state(), id, &mut early);
        }
    }

    /// Sends a connection what its URL asked for, and what was wrong with it.
    fn welcome_subscriber(&self, id: ConnId, access: &Access) {
        let mut state = self.state();
        if let Access::Refused(refusal) = access {
            return self.act(&mut state, id, Action::Close(refusal.close()));
        }
        let mut actions = std::mem::take(&mut state.actions);
        if let Some(Session::Channel(session)) = state.conns.get_mut(id).map(|conn| &mut conn.session) {
            session.begin(&timestamp_zulu(), &mut actions);
        }
        self.act_all(&mut state, id, actions);
    }

    /// Subscribes a connection to its job and sends it what there is.
    fn welcome_watcher(&self, id: ConnId, dialect: DialectId, access: &Access, possible: bool) {
        let mut state = self.state();
        let Some(session) = state.conns.get(id).and_then(|conn| conn.session.as_job()) else { return };
        let topic = session.topic();
        if let Access::Refused(refusal) = access {
            self.act(&mut state, id, Action::Close(refusal.close()));
        } else if possible {
            // Subscribed before the state is looked up, so that nothing falls between the two.
            state.hub.subscribe(topic, id);
            self.ask_store_or_look_up(&mut state, id);
        } else {
            if state.settings.dialects.get(dialect).complains_of_unknown() {
                self.act(&mut state, id, Action::Unknown);
            }
            self.act(&mut state, id, Action::Close(CloseReason::ImpossibleJob));
        }
    }

    /// A job that this relay has not seen from its beginning, or not whose it is, is first looked for in the store.
    pub(super) fn ask_store_or_look_up(&self, state: &mut State, id: ConnId) {
        let Some(session) = state.conns.get(id).and_then(|conn| conn.session.as_job()) else { return };
        let (dialect, job) = (session.dialect(), Arc::clone(session.job()));
        let asked = state.settings.restore.as_ref().is_some_and(|store| {
            let whole = state.settings.log().known(dialect, &job) == Some(Known::Whole);
            !whole && store.ask(dialect, job, state.answers.clone(), id)
        });
        if !asked {
            self.look_up(state, id);
        }
    }

    /// The store was asked for a connection's job.
    pub(in crate::relay::shard) fn restored(&self, id: ConnId, reading: &StoreReading) {
        let mut state = self.state();
        if let Some(reservation) = state.conns.get_mut(id).and_then(|conn| conn.reservation.as_mut()) {
            reservation.note(reading);
            if reservation.is_outrun() {
                let (shared, reading) = (self.clone(), reading.clone());
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(OUTRUN).await;
                    shared.restored(id, &reading);
                });
                return;
            }
        }
        self.look_up(&mut state, id);
    }

    /// Whose jobs these are is known by now: who waits for that is let in, and who turns out to be another is closed
    /// before anything else is sent.
    pub(in crate::relay::shard) fn owned(&self, jobs: &[Topic]) {
        let mut state = self.state();
        let mut ids = Vec::new();
        state.hub.matching(jobs, &mut ids);
        for id in ids {
            match state.conns.get(id).and_then(|conn| conn.session.as_job()) {
                Some(session) if !session.is_guarded() => {}
                Some(session) if session.is_admitted() => self.look_up(&mut state, id),
                Some(_) => self.ask_store_or_look_up(&mut state, id),
                None => {}
            }
        }
    }

    /// A job's state was read back and is another than its watchers know; those that are still looking it up get it anyway.
    pub(in crate::relay::shard) fn read_back(&self, job: &Topic, snapshot: &Snapshot) {
        let mut state = self.state();
        let dialect = Arc::clone(state.settings.dialects.get(job.dialect));
        let (has_ended, echo) = {
            let mut log = state.settings.log();
            let echo = state.settings.echo_polling && dialect.echoes();
            let echo = if echo { log.status(job.dialect, &job.name) } else { None };
            // By this very state: since it was read, it may have been overtaken by an ending, or by another run.
            (log.has_ended_at(job.dialect, &job.name, snapshot.sequence), echo)
        };
        let mut ids = Vec::new();
        state.hub.matching(std::slice::from_ref(job), &mut ids);
        for id in ids {
            let mut actions = std::mem::take(&mut state.actions);
            let open = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open);
            if let Some(conn) = open.filter(|conn| conn.reservation.is_none() && conn.session.is_admitted())
                && let Session::Job(session) = &mut conn.session
            {
                session.read_back(snapshot, has_ended, &mut actions);
                if let Some(body) = echo.as_ref().filter(|_| !actions.is_empty()) {
                    actions.push(Action::Send(websocket::text(body.as_bytes()).into()));
                }
            }
            self.act_all(&mut state, id, actions);
        }
    }

    /// Sends a connection the state of its job and what came since its 101, if it may have it and has not got it yet.
    fn look_up(&self, state: &mut State, id: ConnId) {
        let now = state.now();
        let mut actions = std::mem::take(&mut state.actions);
        let interval = state.interval;
        let open = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open);
        if let Some(conn) = open
            && let Session::Job(session) = &mut conn.session
        {
            let dialect = state.settings.dialects.get(session.dialect());
            let mut log = state.settings.log();
            let (of, job) = (session.dialect(), Arc::clone(session.job()));
            if session.admit(log.ownership(of, &job), dialect, now, &mut actions)
                && let Some(reservation) = conn.reservation.take()
            {
                let guess = reservation.is_unread();
                let Welcome { state: known, is_known, events } = reservation.end(&mut log);
                let echo = state.settings.echo_polling && dialect.echoes();
                let echo = if echo { log.status(of, &job) } else { None };
                drop(log);
                let comes = events.as_ref().is_ok_and(|events| !events.is_empty());
                if (guess || is_known) && known.is_empty() && comes {
                    session.begin();
                } else {
                    session.state(known, dialect, now, &mut actions);
                }
                match events {
                    Ok(events) if events.is_empty() => {
                        actions
                            .extend(echo.map(|body| Action::Send(websocket::text(body.as_bytes()).into())));
                    }
                    Ok(events) => follow(session, events, &state.settings.stats, &mut actions),
                    Err(_) => {
                        state.settings.stats.slow_consumers.add(1);
                        actions.push(Action::Close(CloseReason::Overload));
                    }
                }
            } else {
                drop(log);
            }
            let deadline = session.deadline(interval);
            state.wake(id, deadline);
        }
        self.act_all(state, id, actions);
    }
}

/// Sends a watcher what waited for it, behind the state of its job.
fn follow(session: &mut JobSession, events: Vec<Held>, stats: &Stats, out: &mut Vec<Action>) {
    for event in events {
        if session.takes(event.sequence) {
            stats.deliveries.add(1);
            out.push(Action::Send(event.frame));
            out.extend(event.echo.map(Action::Send));
        }
    }
}

impl State {
    /// When a connection of this dialect that begins now has lived as long as it may. They end spread over the last tenth
    /// of that time, so that those who came together do not all come back together.
    fn end_of(&mut self, dialect: DialectId, now: Millis) -> Millis {
        let life = self.settings.dialects.get(dialect).lifetime;
        let life = life.map(|life| self.settings.max_lifetime.unwrap_or(life));
        match life.filter(|life| !life.is_zero()) {
            None => Millis::MAX,
            Some(life) => {
                let life = life.mul_f64(0.9 + 0.1 * self.random.random::<f64>());
                now.saturating_add(u64::try_from(life.as_millis()).unwrap_or(Millis::MAX))
            }
        }
    }

    /// Why a connection that has lived as long as it may is closed: there may be more to come, or not.
    pub(super) fn end_of_life(&self, id: ConnId) -> CloseReason {
        let session = self.conns.get(id).and_then(|conn| conn.session.as_job());
        let ended =
            session.is_some_and(|session| self.settings.log().has_ended(session.dialect(), session.job()));
        if ended { CloseReason::Normal } else { CloseReason::Lifetime }
    }
}

/// What stands between a newcomer and its job. The token's time is turned into the shard's here, once.
fn guard(access: &Access, ownerless: Ownerless, now: Millis) -> Option<Guard> {
    match access {
        Access::Subject(claims) => Some(Guard::new(claims.subject.clone(), expiry(claims, now), ownerless)),
        Access::Bearer(claims) => Some(Guard::of_bearer(expiry(claims, now))),
        Access::Everybody | Access::Refused(_) => None,
    }
}

/// When a token expires, by the shard's clock.
fn expiry(claims: &Claims, now: Millis) -> Millis {
    now.saturating_add(claims.expires.saturating_sub(auth::now()))
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

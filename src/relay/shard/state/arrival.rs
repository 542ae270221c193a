//! How a connection comes to a shard, and what it is sent first.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use tokio::net::TcpStream;
use tracing::debug;

use super::super::conn::{Conn, Phase};
use super::super::message::{NewConnection, Newcomer, Wants};
use super::super::timestamp_zulu;
use super::traffic::read_loop;
use super::{Shared, State};
use crate::dialect::{CloseReason, DialectId, Topic};
use crate::relay::auth::{self, Access, Claims, Ownerless};
use crate::relay::event::Delivery;
use crate::relay::hub::Subscriber;
use crate::relay::joblog::{Known, Welcome};
use crate::relay::reservation::StoreReading;
use crate::relay::session::{Action, Beginning, Guard, Session, Snapshot, Watch, WatchId};
use crate::relay::slots::ConnId;
use crate::relay::stats::Stats;
use crate::relay::wheel::Millis;

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
        let dialect = new.newcomer.dialect;
        let session = state.session_of(&mut new.newcomer);
        debug!(client = %new.client, dialect = %state.settings.dialects.get(dialect).name, "a socket opened");
        let deadline = session.deadline();
        let conn = Conn::new(Rc::clone(&stream), session, new.client);
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
        if let Access::Refused(refusal) = &new.access {
            self.act(&mut self.state(), id, Action::Close(refusal.close()));
        } else {
            match &new.wants {
                Wants::Job { possible, .. } => self.welcome_watcher(id, *possible),
                Wants::Channels(_) => self.welcome_subscriber(id),
            }
        }
        if !new.early.is_empty() {
            let mut early = new.early.to_vec();
            self.feed(&mut self.state(), id, &mut early);
        }
    }

    /// Sends a connection what its URL asked for, and what was wrong with it.
    fn welcome_subscriber(&self, id: ConnId) {
        let mut state = self.state();
        let mut actions = std::mem::take(&mut state.actions);
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.begin(&timestamp_zulu(), &mut actions);
        }
        self.act_all(&mut state, id, actions);
    }

    /// Subscribes a connection to its job and sends it what there is.
    fn welcome_watcher(&self, id: ConnId, possible: bool) {
        let mut state = self.state();
        let watch = state.conns.get(id).and_then(|conn| conn.session.watch(WatchId::ONLY));
        let Some(topic) = watch.map(|watch| watch.topic().clone()) else { return };
        if possible {
            // Subscribed before the state is looked up, so that nothing falls between the two.
            state.hub.subscribe(topic, Subscriber { id, watch: WatchId::ONLY });
            self.ask_store_or_look_up(&mut state, id, WatchId::ONLY);
        } else {
            if state.settings.dialects.get(topic.dialect).complains_of_unknown() {
                self.act(&mut state, id, Action::Unknown(WatchId::ONLY));
            }
            self.act(&mut state, id, Action::Close(CloseReason::ImpossibleJob));
        }
    }

    /// A job that this relay has not seen from its beginning, or not whose it is, is first looked for in the store.
    pub(super) fn ask_store_or_look_up(&self, state: &mut State, id: ConnId, watch: WatchId) {
        let watched = state.conns.get(id).and_then(|conn| conn.session.watch(watch));
        let Some(topic) = watched.map(Watch::topic) else { return };
        let (dialect, job) = (topic.dialect, Arc::clone(&topic.name));
        let asked = state.settings.restore.as_ref().is_some_and(|store| {
            let whole = state.settings.log().known(dialect, &job) == Some(Known::Whole);
            !whole && store.ask(dialect, job, state.answers.clone(), id)
        });
        if !asked {
            self.look_up(state, id, watch);
        }
    }

    /// The store was asked for a job that a connection watches.
    pub(in crate::relay::shard) fn restored(&self, id: ConnId, job: &Topic, reading: &StoreReading) {
        let mut state = self.state();
        let Some(session) = state.conns.get_mut(id).map(|conn| &mut conn.session) else { return };
        let Some(watch) = session.find(job) else { return };
        if let Some(reservation) = session.watch_mut(watch).and_then(Watch::reservation) {
            reservation.note(reading);
            if reservation.is_outrun() {
                let (shared, job, reading) = (self.clone(), job.clone(), reading.clone());
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(OUTRUN).await;
                    shared.restored(id, &job, &reading);
                });
                return;
            }
        }
        self.look_up(&mut state, id, watch);
    }

    /// The owners of these jobs are known by now: clients that wait for that are let in, and those that turn out to be
    /// others are closed before anything else is sent.
    pub(in crate::relay::shard) fn owned(&self, jobs: &[Topic]) {
        let mut state = self.state();
        let mut matching = Vec::new();
        state.hub.matching(jobs, &mut matching);
        for Subscriber { id, watch } in matching {
            match state.conns.get(id).and_then(|conn| conn.session.watch(watch)) {
                Some(watched) if !watched.is_guarded() => {}
                Some(watched) if watched.is_admitted() => self.look_up(&mut state, id, watch),
                Some(_) => self.ask_store_or_look_up(&mut state, id, watch),
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
        let mut matching = Vec::new();
        state.hub.matching(std::slice::from_ref(job), &mut matching);
        for Subscriber { id, watch } in matching {
            let mut actions = std::mem::take(&mut state.actions);
            let open = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open);
            let watched = open.and_then(|conn| conn.session.watch_mut(watch));
            if let Some(watched) = watched.filter(|watched| !watched.is_reserved() && watched.is_admitted()) {
                watched.read_back(snapshot, has_ended, &mut actions);
                if let Some(body) = echo.as_ref().filter(|_| !actions.is_empty()) {
                    actions.push(Action::Echo(body.clone()));
                }
            }
            self.act_all(&mut state, id, actions);
        }
    }

    /// Sends a connection the state of a job and what came since its 101, if it may have it and has not got it yet.
    fn look_up(&self, state: &mut State, id: ConnId, watch: WatchId) {
        let mut actions = std::mem::take(&mut state.actions);
        let now = state.now();
        let State { settings, conns, .. } = state;
        let open = conns.get_mut(id).filter(|conn| conn.phase == Phase::Open);
        if let Some(conn) = open
            && let Some(watched) = conn.session.watch_mut(watch)
        {
            let (of, job) = (watched.topic().dialect, Arc::clone(&watched.topic().name));
            let dialect = settings.dialects.get(of);
            let mut log = settings.log();
            if watched.admit(log.ownership(of, &job), dialect, now, &mut actions)
                && let Some(reservation) = watched.take_reservation()
            {
                let guess = reservation.is_unread();
                let Welcome { state: known, is_known, events } = reservation.end(&mut log);
                let echo = settings.echo_polling && dialect.echoes();
                let echo = if echo { log.status(of, &job) } else { None };
                drop(log);
                let comes = events.as_ref().is_ok_and(|events| !events.is_empty());
                if (guess || is_known) && known.is_empty() && comes {
                    watched.begin();
                } else {
                    watched.state(known, dialect, now, (watch, &mut actions));
                }
                match events {
                    Ok(events) if events.is_empty() => actions.extend(echo.map(Action::Echo)),
                    Ok(events) => follow(watched, events, &settings.stats, &mut actions),
                    Err(_) => {
                        settings.stats.slow_consumers.add(1);
                        actions.push(Action::Close(CloseReason::Overload));
                    }
                }
            } else {
                drop(log);
            }
            let deadline = conn.session.deadline();
            state.wake(id, deadline);
        }
        self.act_all(state, id, actions);
    }
}

/// Sends a watcher what waited for it, behind the state of its job.
fn follow(watch: &mut Watch, events: Vec<Delivery>, stats: &Stats, out: &mut Vec<Action>) {
    for Delivery { event, echo } in events {
        if watch.takes(event.sequence) {
            stats.deliveries.add(1);
            out.push(Action::Event(event));
            out.extend(echo.map(|echo| Action::Echo(String::from_utf8_lossy(echo.text()).into_owned())));
        }
    }
}

impl State {
    /// The session of a newcomer; takes the place out that its job's events wait in.
    fn session_of(&mut self, new: &mut Newcomer) -> Session {
        let beginning = Beginning { now: self.now(), interval: self.interval, phase: self.random.random() };
        let (now, dialect) = (beginning.now, new.dialect);
        let session = match &mut new.wants {
            Wants::Job { job, reservation, .. } => {
                let guard = guard(&new.access, self.settings.ownerless);
                let watch = Watch::of_job(Topic::job(dialect, Arc::clone(job)), guard, reservation.take());
                Session::of_job(watch, beginning).until(self.end_of(dialect, now))
            }
            Wants::Channels(opening) => {
                let of = Arc::clone(self.settings.dialects.get(dialect));
                Session::of_channels(dialect, of, std::mem::take(opening), beginning)
            }
        };
        match &new.access {
            Access::Bearer(claims) | Access::Subject(claims) => {
                session.limited(claims.grant.clone()).with_token(expiry(claims, now))
            }
            Access::Everybody | Access::Refused(_) => session,
        }
    }

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
        let watch = self.conns.get(id).and_then(|conn| conn.session.watch(WatchId::ONLY));
        let ended = watch.is_some_and(|watch| {
            let topic = watch.topic();
            self.settings.log().has_ended(topic.dialect, &topic.name)
        });
        if ended { CloseReason::Normal } else { CloseReason::Lifetime }
    }
}

/// The guard between a newcomer and its job, where the job has to be its subject's.
fn guard(access: &Access, ownerless: Ownerless) -> Option<Guard> {
    match access {
        Access::Subject(claims) => Some(Guard::new(claims.subject.clone(), ownerless)),
        Access::Bearer(_) | Access::Everybody | Access::Refused(_) => None,
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

//! How a connection comes to a shard, and what it is sent first.

use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use rand::RngExt;

use tokio::net::TcpStream;
use tracing::debug;

use super::super::conn::{Conn, Wrote};
use super::super::message::{NewConnection, Newcomer, Wants};
use super::super::timestamp_zulu;
use super::traffic::read_loop;
use super::{Shared, State};
use crate::dialect::{CloseReason, DialectId, Topic};
use crate::jwt::{self, Claims};
use crate::relay::auth::{Access, Ownerless};
use crate::relay::cursor::{Loss, Since, Start};
use crate::relay::hub::Subscriber;
use crate::relay::joblog::Resumed;
use crate::relay::session::{Action, Beginning, Guard, Session, Wanted, Watch, WatchId, Watcher};
use crate::relay::slots::ConnId;
use crate::relay::wheel::Millis;

impl Shared {
    /// Takes over an upgraded socket.
    pub(in crate::relay::shard) fn adopt(&self, mut new: NewConnection) {
        // The runtime takes a new socket for blocked, which the kernel does not: an answer's head fits.
        let written = (&new.stream).write(&new.head).unwrap_or(0);
        let stream = match TcpStream::from_std(new.stream) {
            Ok(stream) => Rc::new(stream),
            Err(error) => {
                debug!(client = %new.client, %error, "could not adopt a socket");
                return;
            }
        };
        let mut state = self.state();
        let session = state.session_of(&mut new.newcomer);
        debug!(client = %new.client, dialect = %state.contract_of(&new.newcomer), "a socket opened");
        let deadline = session.deadline();
        let mut conn = Conn::new(Rc::clone(&stream), session, new.client, new.newcomer.encoding);
        conn.queue_rest(new.head.into(), written);
        let is_backed_up = conn.is_backed_up();
        let id = state.conns.insert(conn);
        if is_backed_up {
            self.after_write(&mut state, id, Wrote::Queued);
        }
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
                Wants::Channels(..) => self.welcome_subscriber(id, new.since.as_ref()),
                Wants::Targets(wanted, _) => self.welcome_targets(id, wanted),
            }
        }
        if !new.early.is_empty() {
            let mut early = new.early.to_vec();
            self.feed(&mut self.state(), id, &mut early);
        }
    }

    /// Sends a connection what its URL asked for, and what was wrong with it.
    fn welcome_subscriber(&self, id: ConnId, since: Option<&Since>) {
        let mut state = self.state();
        let first = Start::of(since, state.delivered);
        self.begin_place(&mut state, id, first);
        let mut actions = std::mem::take(&mut state.actions);
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.begin(&timestamp_zulu(), &mut actions);
        }
        self.act_all(&mut state, id, actions);
        let newest = state.delivered;
        let Some(conn) = state.conns.get_mut(id) else { return };
        if let Some(since) = since {
            let watches: Vec<(WatchId, Topic)> =
                conn.session.watches().map(|(watch, watched)| (watch, watched.topic().clone())).collect();
            self.resume_channels(&mut state, id, &watches, since);
        } else {
            conn.session.raise(newest);
        }
        self.tell_place(&mut state, id);
    }

    /// Sends what was missed of channels and rooms, or says that it is not known what was.
    fn resume_channels(&self, state: &mut State, id: ConnId, watches: &[(WatchId, Topic)], since: &Since) {
        let resumed: Result<Vec<Resumed>, Loss> = {
            let log = state.settings.log();
            watches.iter().map(|(_, topic)| log.resume(topic, since)).collect()
        };
        match resumed {
            Err(loss) => {
                let newest = state.delivered;
                if let Some(conn) = state.conns.get_mut(id) {
                    conn.session.raise(newest);
                }
                self.act(state, id, Action::Gap(loss, None, Some(newest)));
            }
            Ok(places) => {
                for ((watch, _), place) in watches.iter().zip(places) {
                    if let Some(conn) = state.conns.get_mut(id) {
                        conn.session.fall_behind(*watch);
                    }
                    self.begin_replay(state, id, *watch, place);
                }
            }
        }
    }

    /// Begins the watches of a client of `/watch`.
    fn welcome_targets(&self, id: ConnId, wanted: &Wanted) {
        let mut state = self.state();
        // Nothing was sent yet: a client that comes back with it begins anew.
        self.begin_place(&mut state, id, Start::of(wanted.since.as_ref(), 0));
        let mut actions = std::mem::take(&mut state.actions);
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.open(wanted, &mut actions);
        }
        self.act_all(&mut state, id, actions);
        state.settle(id);
        self.announce(&mut state, id);
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
}

impl State {
    /// The session of a newcomer; takes the place out that its job's events wait in.
    fn session_of(&mut self, new: &mut Newcomer) -> Session {
        let beginning = Beginning { now: self.now(), interval: self.interval, phase: self.random.random() };
        let now = beginning.now;
        let session = match &mut new.wants {
            Wants::Job { dialect, job, reservation, .. } => {
                let dialect = *dialect;
                let guard = guard(&new.access, self.settings.ownerless);
                let watch = Watch::of_job(
                    Topic::job(dialect, Arc::clone(job)),
                    guard,
                    reservation.take(),
                    new.since.clone(),
                );
                Session::of_job(watch, beginning).until(self.end_of(dialect, now))
            }
            Wants::Channels(dialect, opening) => {
                let of = Arc::clone(self.settings.dialects.get(*dialect));
                Session::of_channels(*dialect, of, std::mem::take(opening), beginning)
            }
            Wants::Targets(_, credentials) => {
                let expires = credentials.claims().map(|claims| expiry(claims, now));
                let dialects = Arc::clone(&self.settings.dialects);
                let (epoch, ownerless) = (self.settings.epoch, self.settings.ownerless);
                let watcher = Watcher::new(dialects, epoch, ownerless, (**credentials).clone(), now);
                let session = Session::of_targets(watcher, beginning);
                return if let Some(at) = expires { session.with_token(at) } else { session };
            }
        };
        let session = session.only(new.kinds.clone());
        let session = if new.encoding.has_cursors() { session.resumable() } else { session };
        match &new.access {
            Access::Bearer(claims) | Access::Subject(claims) => {
                session.limited(claims.grant.clone()).with_token(expiry(claims, now))
            }
            Access::Everybody | Access::Refused(_) => session,
        }
    }

    /// The contract of a newcomer, for the log.
    fn contract_of(&self, new: &Newcomer) -> Arc<str> {
        match &new.wants {
            Wants::Job { dialect, .. } | Wants::Channels(dialect, _) => {
                Arc::clone(&self.settings.dialects.get(*dialect).name)
            }
            Wants::Targets(..) => "watch".into(),
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
    now.saturating_add(claims.expires.saturating_sub(jwt::now()))
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

//! How a connection comes to a shard, and what it is sent first.

use std::rc::Rc;
use std::sync::{Arc, PoisonError};

use rand::RngExt;

use tokio::net::TcpStream;
use tracing::debug;

use super::super::conn::{Conn, Phase};
use super::super::{NewConnection, Newcomer, Wants, timestamp_zulu};
use super::Shared;
use super::traffic::read_loop;
use crate::dialect::{CloseReason, DialectId};
use crate::relay::joblog::Known;
use crate::relay::session::{Action, ChannelSession, JobSession, Session};
use crate::relay::slots::ConnId;

impl Shared {
    /// Takes over an upgraded socket.
    pub(in crate::relay::shard) fn adopt(&self, mut new: NewConnection) {
        let stream = match TcpStream::from_std(new.stream) {
            Ok(stream) => Rc::new(stream),
            Err(error) => {
                debug!(%error, "could not adopt a socket");
                return;
            }
        };
        let mut state = self.state();
        let (now, phase) = (state.now(), state.random.random());
        let dialect = new.newcomer.dialect;
        let session = match &mut new.newcomer.wants {
            Wants::Job { job, replay, .. } => Session::Job(
                JobSession::new(dialect, Arc::clone(job), now, state.interval, phase).replaying(*replay),
            ),
            Wants::Channels(opening) => {
                let (of, opening) = (state.settings.dialects.get(dialect), std::mem::take(opening));
                let session =
                    ChannelSession::new(dialect, Arc::clone(of), opening, now, state.interval, phase);
                Session::Channel(Box::new(session))
            }
        };
        let deadline = session.deadline(state.interval);
        let id = state.conns.insert(Conn::new(Rc::clone(&stream), session));
        state.settings.stats.connections.add(1);
        state.wake(id, deadline);
        if state.closing {
            self.act(&mut state, id, Action::Close(CloseReason::GoingAway));
        }
        tokio::task::spawn_local(begin(self.clone(), id, stream, new.newcomer));
    }

    /// Lets a connection begin, and then reads what came with its handshake.
    fn welcome(&self, id: ConnId, new: &Newcomer) {
        match new.wants {
            Wants::Job { possible, .. } => self.welcome_watcher(id, new.dialect, possible),
            Wants::Channels(_) => self.welcome_subscriber(id),
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
        if let Some(Session::Channel(session)) = state.conns.get_mut(id).map(|conn| &mut conn.session) {
            session.begin(&timestamp_zulu(), &mut actions);
        }
        self.act_all(&mut state, id, actions);
    }

    /// Subscribes a connection to its job and sends it what there is.
    fn welcome_watcher(&self, id: ConnId, dialect: DialectId, possible: bool) {
        let mut state = self.state();
        let Some(session) = state.conns.get(id).and_then(|conn| conn.session.as_job()) else { return };
        let topic = session.topic();
        if possible {
            // Subscribed before the state is looked up, so that nothing falls between the two.
            state.hub.subscribe(topic, id);
            drop(state);
            self.ask_store_or_look_up(id);
        } else {
            if state.settings.dialects.get(dialect).complains_of_unknown() {
                self.act(&mut state, id, Action::Unknown);
            }
            self.act(&mut state, id, Action::Close(CloseReason::ImpossibleJob));
        }
    }

    /// A job that this relay has not seen from its beginning is first looked for in the store.
    fn ask_store_or_look_up(&self, id: ConnId) {
        let asked = {
            let state = self.state();
            let Some(session) = state.conns.get(id).and_then(|conn| conn.session.as_job()) else { return };
            let (dialect, job) = (session.dialect(), Arc::clone(session.job()));
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
    pub(in crate::relay::shard) fn look_up(&self, id: ConnId) {
        let mut state = self.state();
        let now = state.now();
        let mut actions = std::mem::take(&mut state.actions);
        let settings = state.settings.clone();
        let interval = state.interval;
        let open = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open);
        if let Some(session) = open.and_then(|conn| conn.session.as_job_mut()) {
            let dialect = settings.dialects.get(session.dialect());
            let mut log = settings.log.lock().unwrap_or_else(PoisonError::into_inner);
            let (of, job) = (session.dialect(), session.job());
            let known = if session.wants_replay() {
                log.replay(of, job)
            } else {
                log.snapshot(of, job).into_iter().collect()
            };
            drop(log);
            session.state(known, dialect, now, &mut actions);
            let deadline = session.deadline(interval);
            state.wake(id, deadline);
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

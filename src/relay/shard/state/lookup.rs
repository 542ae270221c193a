//! Looking jobs up for their watchers: in the job log, and first in the store where that may know more.

use std::sync::Arc;
use std::time::Duration;

use super::super::conn::Phase;
use super::{Shared, State};
use crate::dialect::{CloseReason, Dialect, Topic, TopicKind};
use crate::relay::cursor::{Loss, Since, Start};
use crate::relay::encoding::Form;
use crate::relay::event::{Delivery, Snapshot};
use crate::relay::hub::Subscriber;
use crate::relay::joblog::{Known, Resumed, Welcome};
use crate::relay::reservation::StoreReading;
use crate::relay::session::{Action, Session, Take, Watch, WatchId};
use crate::relay::slots::ConnId;
use crate::relay::stats::Stats;

/// How much longer a publication may be on its way than what another relay has written to the store because of it.
const OUTRUN: Duration = Duration::from_millis(250);

impl Shared {
    /// A job that this relay has not seen from its beginning, or not whose it is, is first looked for in the store.
    pub(super) fn ask_store_or_look_up(&self, state: &mut State, id: ConnId, watch: WatchId) {
        let watched = state.conns.get(id).and_then(|conn| conn.session.watch(watch));
        let Some(watched) = watched else { return };
        let topic = watched.topic();
        let (dialect, job) = (topic.dialect, Arc::clone(&topic.name));
        // A client that goes on in a stream wants no state. Waiting for one, it would be sent other targets' events without a
        // place.
        let goes_on = watched.since().is_some_and(|since| {
            let resumed = state.settings.log().resume(topic, since);
            !watched.is_guarded() && resumed.is_ok_and(|place| place.places.is_some())
        });
        let asked = state.settings.restore.as_ref().filter(|_| !goes_on).is_some_and(|store| {
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
        self.announce(&mut state, id);
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
            self.announce(&mut state, id);
        }
        for job in jobs {
            self.list_owned(&mut state, job);
        }
    }

    /// Sends the state of a job whose owner is known by now to those who watch all jobs of the owner. What came before
    /// was nobody's, so they have not got it.
    fn list_owned(&self, state: &mut State, job: &Topic) {
        let mut matching = Vec::new();
        state.hub.matching_every(job.dialect, &mut matching);
        if matching.is_empty() {
            return;
        }
        let (owner, snapshot) = {
            let mut log = state.settings.log();
            let Some(owner) = log.owner(job.dialect, &job.name) else { return };
            let Some(snapshot) = log.unowned_state(job) else { return };
            (owner, snapshot)
        };
        for Subscriber { id, watch } in matching {
            let conn = state.conns.get(id);
            if conn.is_some_and(|conn| conn.session.lists(watch, job, Some(&owner))) {
                self.act(state, id, Action::Listed(job.clone(), snapshot.clone()));
            }
        }
    }

    /// A job's state was read back and is another than its watchers know; those that are still looking it up get it anyway.
    pub(in crate::relay::shard) fn read_back(&self, job: &Topic, snapshot: &Snapshot) {
        let mut state = self.state();
        let dialect = Arc::clone(state.settings.dialects.get(job.dialect));
        let (has_ended, owner, echo) = {
            let mut log = state.settings.log();
            let echo = state.settings.echo_polling && dialect.echoes();
            let echo = if echo { log.status(job.dialect, &job.name) } else { None };
            // By this very state: since it was read, it may have been overtaken by an ending, or by another run.
            let has_ended = log.has_ended_at(job.dialect, &job.name, snapshot.sequence);
            (has_ended, log.owner(job.dialect, &job.name), echo)
        };
        let mut matching = Vec::new();
        state.hub.matching(std::slice::from_ref(job), &mut matching);
        for Subscriber { id, watch } in matching {
            let mut actions = std::mem::take(&mut state.actions);
            let open = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open);
            if let Some(conn) = open {
                if conn.session.lists(watch, job, owner.as_deref()) {
                    actions.push(Action::Listed(job.clone(), snapshot.clone()));
                }
                let watched = conn.session.watch_mut(watch);
                let watched = watched.filter(|watched| watched.topic().kind == TopicKind::Job);
                if let Some(watched) = watched.filter(|one| !one.is_reserved() && one.is_admitted()) {
                    watched.read_back(snapshot, has_ended, (watch, &mut actions));
                }
            }
            let is_news = !actions.is_empty();
            actions.extend(echo.clone().filter(|_| is_news).map(Action::Echo));
            self.act_all(&mut state, id, actions);
            if is_news && has_ended {
                self.tell_ended(&mut state, id, job);
            }
        }
    }

    /// Sends a connection the state of a job and what came since its 101, if it may have it and has not got it yet.
    fn look_up(&self, state: &mut State, id: ConnId, watch: WatchId) {
        let mut actions = std::mem::take(&mut state.actions);
        let found = state.look_up(id, watch, &mut actions);
        self.act_all(state, id, actions);
        match found {
            Found::Nothing => {}
            Found::State(job, gap) => {
                state.settle(id);
                self.tell_ended(state, id, &job);
                if let Some(conn) = state.conns.get_mut(id).filter(|_| gap.is_some()) {
                    conn.session.owe_place();
                }
                self.tell_place(state, id);
            }
            Found::Missed(job, since, place) => {
                // A stream of several targets has begun already.
                if state.conns.get(id).is_some_and(|conn| !conn.session.is_of_targets()) {
                    self.begin_place(state, id, Start::of(Some(&since), 0));
                }
                let (after, is_in_streams) = (place.after, place.places.is_some());
                self.begin_replay(state, id, watch, place);
                // Out of streams that is told when they have been read.
                if !is_in_streams && state.settings.log().has_ended_by(job.dialect, &job.name, after) {
                    self.tell_ended(state, id, &job);
                }
            }
        }
    }
}

impl State {
    /// Looks a job up for a watcher that may have it: its state, or the place from which the watcher goes on.
    fn look_up(&mut self, id: ConnId, watch: WatchId, actions: &mut Vec<Action>) -> Found {
        let now = self.now();
        let Self { settings, conns, .. } = self;
        let Some(conn) = conns.get_mut(id).filter(|conn| conn.phase == Phase::Open) else {
            return Found::Nothing;
        };
        let begins_stream = conn.encoding.form == Form::EventStream && !conn.session.is_of_targets();
        let Some(watched) = conn.session.watch_mut(watch) else { return Found::Nothing };
        let topic = watched.topic().clone();
        let (of, job) = (topic.dialect, &topic.name);
        let dialect = settings.dialects.get(of);
        let mut log = settings.log();
        let reservation = match watched.admit(log.ownership(of, job), dialect, now) {
            Ok(true) => watched.take_reservation(),
            Ok(false) => None,
            Err(reason) => {
                drop(log);
                conn.session.refuse(watch, reason, actions);
                return Found::Nothing;
            }
        };
        let Some(reservation) = reservation else {
            drop(log);
            let deadline = conn.session.deadline();
            self.wake(id, deadline);
            return Found::Nothing;
        };
        let gap = match watched.take_since().map(|since| (log.resume(&topic, &since), since)) {
            Some((Ok(place), since)) => {
                // Events that waited are in the tail as well.
                drop(reservation.end(&mut log));
                return Found::Missed(topic, since, place);
            }
            Some((Err(loss), _)) => Some(loss),
            None => None,
        };
        let guess = reservation.is_unread();
        let Welcome { state: known, is_known, events } = reservation.end(&mut log);
        let echo = if settings.echo_polling && dialect.echoes() { log.status(of, job) } else { None };
        let newest = log.newest_shared();
        drop(log);
        if begins_stream {
            actions.push(Action::Begun(Start::Behind(before(&known, dialect, newest))));
        }
        if let Some(loss) = gap {
            actions.push(Action::Gap(loss, Some(watch), Some(before(&known, dialect, newest))));
        }
        let comes = events.as_ref().is_ok_and(|events| !events.is_empty());
        if (guess || is_known) && known.is_empty() && comes {
            watched.begin();
        } else {
            watched.state(known, dialect, now, (watch, actions));
        }
        conn.session.send_from_here(watch);
        match events {
            Ok(events) if events.is_empty() => actions.extend(echo.map(Action::Echo)),
            Ok(events) => follow(&mut conn.session, events, &settings.stats, (watch, actions)),
            Err(_) => overload(&settings.stats, actions),
        }
        conn.session.raise(newest);
        Found::State(topic, gap)
    }
}

/// Result of looking a job up for a watcher.
enum Found {
    /// The watcher gets nothing, or not yet.
    Nothing,
    /// The watcher was sent the job's state, perhaps behind the news that events are missing.
    State(Topic, Option<Loss>),
    /// The watcher goes on where it was.
    Missed(Topic, Since, Resumed),
}

/// Closes a connection for which more had to wait than there is room for.
fn overload(stats: &Stats, out: &mut Vec<Action>) {
    stats.slow_consumers.add(1);
    out.push(Action::Close(CloseReason::Overload));
}

/// Sends a watcher what waited for it, behind the state of its job.
fn follow(
    session: &mut Session,
    events: Vec<Delivery>,
    stats: &Stats,
    (id, out): (WatchId, &mut Vec<Action>),
) {
    for Delivery { event, echo } in events {
        let take = session.takes_held(id, &event);
        let ending = State::ended_by(&event).filter(|_| take != Take::Not);
        if take == Take::Send {
            stats.deliveries.add(1);
            out.push(Action::Event(id, event));
            out.extend(echo.map(|echo| Action::Echo(String::from_utf8_lossy(echo.text()).into_owned())));
        }
        out.extend(ending);
    }
}

/// The place of an event stream before its job's state was sent: a client that comes back with it gets the state again.
fn before(known: &[Snapshot], dialect: &Dialect, newest: u64) -> u64 {
    match known {
        [] => newest,
        [only] if !dialect.merges() => only.sequence - 1,
        _ => 0,
    }
}

//! How a connection comes to a shard, and what it is sent first.

use std::io::Write as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;

use tokio::net::TcpStream;
use tracing::debug;

use super::super::conn::{Conn, Phase, Wrote};
use super::super::message::{NewConnection, Newcomer, Wants};
use super::super::timestamp_zulu;
use super::traffic::read_loop;
use super::{Shared, State};
use crate::dialect::{CloseReason, Dialect, DialectId, Topic, TopicKind};
use crate::relay::auth::{self, Access, Claims, Ownerless};
use crate::relay::cursor::{Loss, Since};
use crate::relay::encoding::Form;
use crate::relay::event::Delivery;
use crate::relay::event::Snapshot;
use crate::relay::hub::Subscriber;
use crate::relay::joblog::{Known, Resumed, Welcome};
use crate::relay::reservation::StoreReading;
use crate::relay::session::{Action, Beginning, Guard, Session, Take, Wanted, Watch, WatchId, Watcher};
use crate::relay::slots::ConnId;
use crate::relay::stats::Stats;
use crate::relay::wheel::Millis;

/// How much longer a publication may be on its way than what another relay has written to the store because of it.
const OUTRUN: Duration = Duration::from_millis(250);

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
                Wants::Channels(..) => self.welcome_subscriber(id, new.since),
                Wants::Targets(wanted, _) => self.welcome_targets(id, wanted),
            }
        }
        if !new.early.is_empty() {
            let mut early = new.early.to_vec();
            self.feed(&mut self.state(), id, &mut early);
        }
    }

    /// Sends a connection what its URL asked for, and what was wrong with it.
    fn welcome_subscriber(&self, id: ConnId, since: Option<Since>) {
        let mut state = self.state();
        let first = match since {
            Some(Since::After(sequence)) => Some(sequence),
            Some(Since::Beginning) => None,
            Some(Since::Lost(_)) | None => Some(state.delivered),
        };
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
    fn resume_channels(&self, state: &mut State, id: ConnId, watches: &[(WatchId, Topic)], since: Since) {
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
        let first = match wanted.since {
            Some(Since::After(sequence)) => Some(sequence),
            Some(Since::Beginning) => None,
            _ => Some(0),
        };
        self.begin_place(&mut state, id, first);
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
            Found::Missed(job, place) => {
                // A stream of several targets has begun already.
                if state.conns.get(id).is_some_and(|conn| !conn.session.is_of_targets()) {
                    self.begin_place(state, id, Some(place.after).filter(|after| *after > 0));
                }
                self.begin_replay(state, id, watch, place);
                if state.settings.log().has_ended_by(job.dialect, &job.name, place.after) {
                    self.tell_ended(state, id, &job);
                }
            }
        }
    }
}

/// Result of looking a job up for a watcher.
enum Found {
    /// The watcher gets nothing, or not yet.
    Nothing,
    /// The watcher was sent the job's state, perhaps behind the news that events are missing.
    State(Topic, Option<Loss>),
    /// The watcher goes on where it was, behind this sequence.
    Missed(Topic, Resumed),
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
        let resumed = watched.take_since().map(|since| log.resume(&topic, since));
        if let Some(Ok(place)) = resumed {
            // What waited is in the tail as well.
            drop(reservation.end(&mut log));
            return Found::Missed(topic, place);
        }
        let gap = resumed.and_then(Result::err);
        let guess = reservation.is_unread();
        let Welcome { state: known, is_known, events } = reservation.end(&mut log);
        let echo = if settings.echo_polling && dialect.echoes() { log.status(of, job) } else { None };
        let newest = log.newest_shared();
        drop(log);
        if begins_stream {
            actions.push(Action::Begun(Some(before(&known, dialect, newest))));
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

    /// The session of a newcomer; takes the place out that its job's events wait in.
    fn session_of(&mut self, new: &mut Newcomer) -> Session {
        let beginning = Beginning { now: self.now(), interval: self.interval, phase: self.random.random() };
        let now = beginning.now;
        let session = match &mut new.wants {
            Wants::Job { dialect, job, reservation, .. } => {
                let dialect = *dialect;
                let guard = guard(&new.access, self.settings.ownerless);
                let watch =
                    Watch::of_job(Topic::job(dialect, Arc::clone(job)), guard, reservation.take(), new.since);
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

/// The place of an event stream before its job's state was sent: a client that comes back with it gets the state again.
fn before(known: &[Snapshot], dialect: &Dialect, newest: u64) -> u64 {
    match known {
        [] => newest,
        [only] if !dialect.merges() => only.sequence - 1,
        _ => 0,
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

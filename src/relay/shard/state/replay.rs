//! Missed events: read out of the job log a page at a time, at the pace of the client's socket.

use std::sync::Arc;

use super::super::conn::{Phase, Wrote};
use super::{Shared, State};
use crate::broker::EntryId;
use crate::dialect::{Topic, TopicKind};
use crate::relay::auth::Whose;
use crate::relay::cursor::{Loss, Since};
use crate::relay::encoding::Address;
use crate::relay::event::Event;
use crate::relay::hub::Subscriber;
use crate::relay::joblog::{Places, Reach, Resumed};
use crate::relay::reservation::Reservation;
use crate::relay::session::{Action, Replay, Take, WatchId};
use crate::relay::slots::ConnId;

/// Events of one page; with the largest ones a page is cut by its bytes.
const PAGE: usize = 64;
/// Bytes of texts after which a page ends.
pub(super) const PAGE_BYTES: usize = 256 << 10;
/// Unfinished jobs that a list of all jobs of a dialect opens with.
const MOST_LISTED: usize = 1_000;

/// Progress of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// There may be more at once.
    More,
    /// Entries behind this one have to be read out of their stream first.
    Read(EntryId),
    /// The socket pushes back: the rest follows when what waits was written.
    Blocked,
    /// Nothing is left.
    Done,
}

impl Shared {
    /// Begins a watch that a client of `/watch` added: subscribes to its topic, and sends what it opens with.
    pub(super) fn begin_watch(&self, state: &mut State, id: ConnId, watch: WatchId) {
        let Some(conn) = state.conns.get_mut(id) else { return };
        let Some(topic) = conn.session.watch(watch).map(|watched| watched.topic().clone()) else { return };
        // Again where the watch was ended and added in between.
        state.hub.subscribe(topic.clone(), Subscriber { id, watch });
        let Some((since, replay)) = conn.session.take_beginning(watch) else { return };
        if topic.kind != TopicKind::Job {
            return self.begin_stream(state, id, (watch, &topic), since);
        }
        let reservation = Reservation::begin(&state.settings.log, topic.dialect, &topic.name, replay);
        let conn = state.conns.get_mut(id);
        if let Some(watched) = conn.and_then(|conn| conn.session.watch_mut(watch)) {
            watched.reserve(Box::new(reservation));
        }
        self.ask_store_or_look_up(state, id, watch);
    }

    /// Begins the watch of a channel, a room, or all jobs of a dialect.
    pub(super) fn begin_stream(
        &self,
        state: &mut State,
        id: ConnId,
        (watch, topic): (WatchId, &Topic),
        since: Option<Since>,
    ) {
        let resumed = since.map(|since| state.settings.log().resume(topic, &since));
        match resumed {
            Some(Ok(place)) => return self.begin_replay(state, id, watch, place),
            Some(Err(loss)) => self.act(state, id, Action::Gap(loss, Some(watch), None)),
            None => {}
        }
        let mut actions = Vec::new();
        let newest = {
            let Some(conn) = state.conns.get(id) else { return };
            let mut log = state.settings.log();
            if topic.kind == TopicKind::Every {
                for job in log.unfinished(topic.dialect, &conn.session.whose(watch), MOST_LISTED) {
                    // One that is watched by its name opens with its state anyway.
                    if conn.session.find(&job).is_some() {
                        continue;
                    }
                    actions.extend(
                        log.snapshot(topic.dialect, &job.name).map(|state| Action::Listed(job, state)),
                    );
                }
            }
            log.newest_shared()
        };
        self.act_all(state, id, actions);
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.send_from(watch, newest);
            conn.session.catch_up(watch, newest);
            conn.session.raise(newest);
        }
    }

    /// Sends a watch's missed events, and then lets it take live ones.
    pub(super) fn begin_replay(&self, state: &mut State, id: ConnId, watch: WatchId, place: Resumed) {
        let Some(conn) = state.conns.get_mut(id) else { return };
        let Resumed { after, floor, places } = place;
        let is_in_streams = places.is_some();
        let watches = vec![watch];
        conn.session.replay(Replay { watches, after, floor, places, is_in_streams, ended: Vec::new() });
        self.run_replays(state, id);
    }

    /// Sends missed events, if there are any, in a task of its own. Does nothing while there is such a task.
    pub(super) fn run_replays(&self, state: &mut State, id: ConnId) {
        let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.session.is_replaying()) else { return };
        if !std::mem::replace(&mut conn.has_replay_loop, true) {
            tokio::task::spawn_local(replay_loop(self.clone(), id));
        }
    }

    /// Sends a page of missed events.
    fn replay_page(&self, id: ConnId) -> Page {
        let mut state = self.state();
        let open = state.conns.get(id).filter(|conn| conn.phase == Phase::Open);
        let Some(conn) = open else { return Page::Done };
        if conn.is_backed_up() {
            return Page::Blocked;
        }
        let Some((watches, replay)) = conn.session.replaying() else { return Page::Done };
        if replay.is_in_streams {
            return self.stream_page(&mut state, id, &watches, &replay);
        }
        let Replay { after, floor, places, .. } = replay;
        let of = |id: WatchId| conn.session.whose(id);
        let (page, lost, newest) = {
            let log = state.settings.log();
            let mut reached = places.clone();
            if let Some(places) = &mut reached {
                log.advance(places, after);
            }
            let is_lost = |(_, topic): &&(WatchId, Topic)| {
                log.missing(topic) > after.max(floor)
                    && reached
                        .as_ref()
                        .is_none_or(|places| matches!(log.reach(topic, places), Reach::Stream(_)))
            };
            let lost: Vec<WatchId> = watches.iter().filter(is_lost).map(|(id, _)| *id).collect();
            if let Some(places) = reached.filter(|_| !lost.is_empty()) {
                drop(log);
                if let Some(conn) = state.conns.get_mut(id) {
                    conn.session.enter_streams(places);
                }
                return Page::More;
            }
            let topics: Vec<(Topic, Whose)> =
                watches.iter().map(|(id, topic)| (topic.clone(), of(*id))).collect();
            let page = if lost.is_empty() { log.page(&topics, after, PAGE) } else { Vec::new() };
            (page, lost, log.newest_shared())
        };
        for watch in &lost {
            self.give_replay_up(&mut state, id, *watch, Loss::TooOld);
        }
        if !lost.is_empty() {
            return Page::More;
        }
        if page.is_empty() {
            self.end_replay(&mut state, id, newest);
            return Page::More;
        }
        let watches: Vec<WatchId> = watches.into_iter().map(|(watch, _)| watch).collect();
        self.send_page(&mut state, id, (&watches, places.as_ref()), page);
        Page::More
    }

    fn send_page(
        &self,
        state: &mut State,
        id: ConnId,
        (watches, places): (&[WatchId], Option<&Places>),
        page: Vec<Arc<Event>>,
    ) {
        let mut bytes = 0;
        for event in page {
            let State { settings, encoder, conns, streams, .. } = &mut *state;
            let Some(conn) = conns.get_mut(id).filter(|conn| conn.phase == Phase::Open) else { return };
            if is_covered(places, &event) {
                conn.session.advance(&event);
                continue;
            }
            let take = conn.session.takes_again(&event, watches);
            conn.session.advance(&event);
            let ending = State::ended_by(&event).filter(|_| take != Take::Not);
            let mut wrote = Wrote::Whole;
            if take == Take::Send {
                let target = conn.session.name_of(&event.topics[conn.session.best_topic(&event)]);
                let target = target.unwrap_or_default();
                // In the middle of a connection the place is that of its other targets as well.
                let has_cursor = conn.encoding.has_cursors() && conn.session.is_replayed_alone();
                let sources = conn.session.sources(streams);
                let reached = conn.session.replaying_places();
                let cursor = has_cursor.then(|| settings.cursor_beyond(sources, event.sequence, reached));
                if cursor.is_some() {
                    conn.session.tell(event.sequence);
                }
                let address = Address { target: &target, dialect: event.dialect(), cursor: cursor.as_ref() };
                wrote = conn.write_state(&encoder.event(conn.encoding, &event.payload, address, false));
                settings.stats.deliveries.add(1);
            }
            self.after_write(state, id, wrote);
            if let Some(ending) = ending {
                self.act(state, id, ending);
            }
            bytes += event.payload.bytes();
            if bytes > PAGE_BYTES {
                return;
            }
        }
    }

    /// All missed events were sent: the watches take live ones from here on.
    fn end_replay(&self, state: &mut State, id: ConnId, newest: u64) {
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.end_replay();
            conn.session.raise(newest);
        }
        self.tell_place(state, id);
    }

    /// A watch's missed events are no longer complete: it is told so, and gets the state.
    pub(super) fn give_replay_up(&self, state: &mut State, id: ConnId, watch: WatchId, loss: Loss) {
        let Some(conn) = state.conns.get_mut(id) else { return };
        conn.session.leave_replay(watch);
        let Some(topic) = conn.session.watch(watch).map(|watched| watched.topic().clone()) else { return };
        self.act(state, id, Action::Gap(loss, Some(watch), None));
        if topic.kind != TopicKind::Job {
            return self.begin_stream(state, id, (watch, &topic), None);
        }
        let (snapshot, newest) = {
            let mut log = state.settings.log();
            (log.snapshot(topic.dialect, &topic.name), log.newest_shared())
        };
        let reached = snapshot.as_ref().map_or(newest, |snapshot| snapshot.sequence.max(newest));
        if let Some(snapshot) = snapshot {
            self.act(state, id, Action::State(watch, snapshot));
        }
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.send_from(watch, reached);
            conn.session.catch_up(watch, reached);
            conn.session.raise(newest);
        }
        self.tell_ended(state, id, &topic);
    }

    /// Tells a client of `/watch` that a job has ended, if it has.
    pub(super) fn tell_ended(&self, state: &mut State, id: ConnId, job: &Topic) {
        let outcome = state.settings.log().outcome(job.dialect, &job.name);
        if let Some(outcome) = outcome {
            self.act(state, id, Action::Ended(job.clone(), outcome));
        }
    }
}

/// Sends pages until nothing is left, or the socket pushes back. Others get their turn in between.
async fn replay_loop(shared: Shared, id: ConnId) {
    loop {
        match shared.replay_page(id) {
            Page::More => tokio::task::yield_now().await,
            Page::Read(entry) => shared.read_stream(id, entry).await,
            Page::Blocked | Page::Done => break,
        }
    }
    if let Some(conn) = shared.state().conns.get_mut(id) {
        conn.has_replay_loop = false;
    }
}

/// Whether a client has an event already, by its places in streams.
fn is_covered(places: Option<&Places>, event: &Event) -> bool {
    places.zip(event.entry).is_some_and(|(places, entry)| places.covers(entry))
}

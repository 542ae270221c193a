//! Missed events that are no longer in memory: read out of their streams a page at a time, before what memory has.

use std::sync::Arc;
use std::time::Duration;

use super::super::conn::{Conn, Phase, Wrote};
use super::replay::{PAGE_BYTES, Page};
use super::{Shared, State};
use crate::broker::{self, EntryId, Position};
use crate::dialect::{Topic, TopicKind};
use crate::relay::cursor::Loss;
use crate::relay::encoding::Address;
use crate::relay::event::Event;
use crate::relay::joblog::Reach;
use crate::relay::pages::Sought;
use crate::relay::session::{Replay, Take, WatchId};
use crate::relay::slots::ConnId;

/// Time after which entries are looked for again that this relay has yet to take itself.
const BEHIND: Duration = Duration::from_millis(20);
/// Time after which a page is asked for again that could not be read.
const AGAIN: Duration = Duration::from_millis(250);

/// Moment at which a replay goes on behind a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// At once.
    Now,
    /// Behind a pause.
    Later(Duration),
}

impl Shared {
    /// A step of a replay that is in streams: the page to read next, or on to memory.
    pub(super) fn stream_page(
        &self,
        state: &mut State,
        id: ConnId,
        watches: &[(WatchId, Topic)],
        replay: &Replay,
    ) -> Page {
        let places = replay.places.clone().unwrap_or_default();
        let reached = {
            let log = state.settings.log();
            watches.iter().try_fold(log.newest_shared(), |after, (_, topic)| {
                match log.reach(topic, &places) {
                    Reach::Memory(behind) => Ok(after.min(behind)),
                    Reach::Stream(entry) => Err(entry),
                }
            })
        };
        let after = match reached {
            Ok(after) => after,
            Err(entry) => return Page::Read(entry),
        };
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.leave_streams(after);
        }
        // Endings that the client was not sent: they came before its place, or are in its state alone.
        for (watch, topic) in watches {
            let has_ended = topic.kind == TopicKind::Job
                && !replay.ended.contains(watch)
                && state.settings.log().has_ended_by(topic.dialect, &topic.name, after);
            if has_ended {
                self.tell_ended(state, id, topic);
            }
        }
        Page::More
    }

    /// Reads a page of a stream and sends what the client missed of it.
    pub(super) async fn read_stream(&self, id: ConnId, behind: EntryId) {
        let (pages, newest) = {
            let state = self.state();
            let newest = state.settings.log().newest_entry(behind.stream);
            (state.settings.pages.clone(), newest)
        };
        let page = match pages {
            Some(pages) => pages.read(behind).await,
            None => Some(broker::Page::default()),
        };
        let next = match page {
            Some(page) => self.send_entries(id, behind, newest, &page),
            None => Next::Later(AGAIN),
        };
        if let Next::Later(wait) = next {
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends what a client missed of a page. `newest` was the newest entry that the relay had taken before it was read.
    fn send_entries(&self, id: ConnId, behind: EntryId, newest: Position, page: &broker::Page) -> Next {
        let mut state = self.state();
        let Some(conn) = state.conns.get(id).filter(|conn| conn.phase == Phase::Open) else {
            return Next::Now;
        };
        let Some((watches, replay)) = conn.session.replaying() else { return Next::Now };
        let places = replay.places.filter(|_| replay.is_in_streams);
        // A replay that has moved on meanwhile has no use for the page.
        if places.is_none_or(|places| places.of(behind.stream).unwrap_or_default() != behind.position) {
            return Next::Now;
        }
        let is_lost = behind.position > page.newest;
        if is_lost || (!page.is_whole && behind.position != Position::default()) {
            let loss = if is_lost { Loss::SourceLost } else { Loss::TooOld };
            for (watch, topic) in watches {
                if state.streams.of(&topic).any(|stream| stream == behind.stream) {
                    self.give_replay_up(&mut state, id, watch, loss);
                }
            }
            return Next::Now;
        }
        if page.entries.is_empty() {
            if newest <= behind.position {
                return Next::Later(BEHIND);
            }
            self.reach(&mut state, id, EntryId { position: newest, ..behind });
            return Next::Now;
        }
        self.send_missed(&mut state, id, behind, &watches, page)
    }

    fn send_missed(
        &self,
        state: &mut State,
        id: ConnId,
        behind: EntryId,
        watches: &[(WatchId, Topic)],
        page: &broker::Page,
    ) -> Next {
        let Some(dialect) = state.streams.get(behind.stream).map(|row| row.dialect) else { return Next::Now };
        let dialects = Arc::clone(&state.settings.dialects);
        let (ids, topics): (Vec<WatchId>, Vec<Topic>) = watches.iter().cloned().unzip();
        let sought = Sought::new(&dialects, dialect, &topics, state.settings.max_payload);
        let mut bytes = 0;
        for entry in &*page.entries {
            let place = EntryId { position: entry.position, ..behind };
            let event = {
                let log = state.settings.log();
                if entry.position > log.newest_entry(behind.stream) {
                    // The entry is yet to come to this relay, and then it comes live.
                    return Next::Later(BEHIND);
                }
                sought.event(entry, place, &log)
            };
            self.reach(state, id, place);
            let Some(event) = event else { continue };
            bytes += event.payload.bytes();
            self.send_missed_event(state, id, &event, &ids);
            let open = state.conns.get(id).filter(|conn| conn.phase == Phase::Open);
            if bytes > PAGE_BYTES || open.is_none_or(Conn::is_backed_up) {
                break;
            }
        }
        Next::Now
    }

    /// Sends an event out of a stream.
    fn send_missed_event(&self, state: &mut State, id: ConnId, event: &Event, watches: &[WatchId]) {
        let State { settings, encoder, conns, streams, .. } = &mut *state;
        let Some(conn) = conns.get_mut(id).filter(|conn| conn.phase == Phase::Open) else { return };
        let take = conn.session.takes_again(event, watches);
        let ending = State::ended_by(event).filter(|_| take != Take::Not);
        let mut wrote = Wrote::Whole;
        if take == Take::Send {
            let target =
                conn.session.name_of(&event.topics[conn.session.best_topic(event)]).unwrap_or_default();
            let has_cursor = conn.encoding.has_cursors() && conn.session.is_replayed_alone();
            let sources = conn.session.sources(streams);
            let places = conn.session.replaying_places().filter(|_| has_cursor);
            let cursor = places.and_then(|places| settings.log().cursor_of(sources, places));
            let address = Address { target: &target, dialect: event.dialect(), cursor: cursor.as_ref() };
            wrote = conn.write_state(&encoder.event(conn.encoding, &event.payload, address, false));
            settings.stats.deliveries.add(1);
        }
        if let Some(job) = event.topics.first().filter(|_| event.ends.is_some()) {
            conn.session.note_replayed_ending(job);
        }
        self.after_write(state, id, wrote);
        if let Some(ending) = ending {
            self.act(state, id, ending);
        }
    }

    /// Everything of a stream up to an entry was sent to a client.
    fn reach(&self, state: &mut State, id: ConnId, entry: EntryId) {
        let _ = self;
        if let Some(conn) = state.conns.get_mut(id) {
            conn.session.reach(entry);
        }
    }
}

//! What goes out to sockets, and what comes in from them.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use tokio::net::TcpStream;

use super::super::conn::{Phase, Wrote};
use super::super::cursor;
use super::{GOOD_BYE, Shared, State};
use crate::relay::cursor::{Cursor, Sources};
use crate::relay::encoding::Encodings;
use crate::relay::event::{Delivery, Event};
use crate::relay::hub::Subscriber;
use crate::relay::outbox::OutboxKey;
use crate::relay::session::{Action, Taking};
use crate::relay::slots::ConnId;
use crate::wire::Frame;

/// One read takes this much at most; it also bounds what a flooding client gets in before others have their turn.
pub(super) const READ: usize = 16 << 10;

/// Writes of a fan-out after which other tasks of the shard get their turn.
const WRITES_PER_TURN: usize = 256;

impl Shared {
    /// Fans a batch out. Other tasks get their turn in between.
    pub(in crate::relay::shard) async fn deliver(&self, batch: &[Delivery]) {
        let (mut writes, mut newest) = (0, 0);
        let (epoch, log) = {
            let state = self.state();
            (state.settings.epoch, Arc::clone(&state.settings.log))
        };
        for delivery in batch {
            let mut matching = {
                let mut state = self.state();
                let mut matching = std::mem::take(&mut state.matching);
                state.hub.matching(&delivery.event.topics, &mut matching);
                matching
            };
            let sequence = delivery.event.sequence;
            let cursor_of = |sources| cursor(&log, epoch, sources, sequence);
            let mut encodings = Encodings::new(&delivery.event, cursor_of);
            newest = newest.max(sequence);
            for some in matching.chunks(WRITES_PER_TURN) {
                {
                    let mut state = self.state();
                    let takes =
                        |one: &&Subscriber| self.send_event(&mut state, **one, delivery, &mut encodings);
                    let sent = some.iter().filter(takes).count();
                    state.settings.stats.deliveries.add(sent as u64);
                }
                writes += some.len();
                if writes >= WRITES_PER_TURN {
                    writes = 0;
                    tokio::task::yield_now().await;
                }
            }
            matching.clear();
            self.state().matching = matching;
        }
        self.tell_places(newest);
    }

    /// Whether the event was the connection's to have.
    fn send_event(
        &self,
        state: &mut State,
        to: Subscriber,
        delivery: &Delivery,
        encodings: &mut Encodings<'_, impl Fn(Sources) -> Cursor>,
    ) -> bool {
        let (id, event) = (to.id, &delivery.event);
        let bound = state.settings.outbox;
        let Some(conn) = state.conns.get_mut(id) else { return false };
        if conn.phase != Phase::Open {
            return false;
        }
        match conn.session.takes(to.watch, event) {
            Taking::Taken => {}
            Taking::Left => return false,
            Taking::Filtered => {
                if event.ends.is_some() && conn.session.tells_only_end(to.watch, event) {
                    self.act_on_end(state, id, event);
                }
                return false;
            }
        }
        if !conn.encoding.is_plain() {
            return self.send_encoded(state, id, delivery, encodings);
        }
        let frame = encodings.plain();
        let wrote = conn.write(frame, || OutboxKey::of(event), bound);
        if wrote != Wrote::Whole {
            self.after_write(state, id, wrote);
        }
        if let Some(echo) = &delivery.echo {
            self.send_echo(state, id, event, &echo.frame());
        }
        true
    }

    /// Tells that an event ended its job to a client that does not want the event itself.
    #[cold]
    fn act_on_end(&self, state: &mut State, id: ConnId, event: &Event) {
        if let Some(ending) = State::ended_by(event) {
            self.act(state, id, ending);
        }
    }

    /// Sends an event in the encoding that the client wants, and what its contract says behind it.
    fn send_encoded(
        &self,
        state: &mut State,
        id: ConnId,
        delivery: &Delivery,
        encodings: &mut Encodings<'_, impl Fn(Sources) -> Cursor>,
    ) -> bool {
        let event = &delivery.event;
        let State { settings, encoder, conns, streams, .. } = state;
        let Some(conn) = conns.get_mut(id) else { return false };
        let has_cursor = conn.encoding.has_cursors() && conn.session.tells_place_of(event.sequence);
        let cursor = has_cursor.then(|| conn.session.sources(streams));
        let topic = conn.session.best_topic(event);
        let name = || conn.session.name_of(&event.topics[topic]).unwrap_or_default();
        let frame = encodings.get(encoder, conn.encoding, topic, cursor, name);
        let wrote = conn.write(frame, || OutboxKey::of(event), settings.outbox);
        let is_of_targets = conn.session.is_of_targets();
        self.after_write(state, id, wrote);
        match &delivery.echo {
            Some(echo) if !is_of_targets => {
                let Some(conn) = state.conns.get(id) else { return true };
                let frame = state.encoder.message(conn.encoding, echo.text());
                self.send_echo(state, id, event, &frame);
            }
            _ => {}
        }
        if let Some(ending) = State::ended_by(event).filter(|_| is_of_targets) {
            self.act(state, id, ending);
        }
        true
    }

    /// Sends what follows an event. Like it, it makes a client slow that does not read it.
    #[cold]
    fn send_echo(&self, state: &mut State, id: ConnId, event: &Event, echo: &Frame) {
        let bound = state.settings.outbox;
        let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open) else { return };
        let wrote = conn.write(echo, || OutboxKey::of_echo(event), bound);
        self.after_write(state, id, wrote);
    }

    /// Feeds a connection what its client sent.
    pub(super) fn feed(&self, state: &mut State, id: ConnId, input: &mut [u8]) {
        let (now, interval, limit) = (state.now(), state.interval, state.settings.max_frame);
        let mut actions = std::mem::take(&mut state.actions);
        let State { conns, inflater, .. } = &mut *state;
        let Some(conn) = conns.get_mut(id) else {
            state.actions = actions;
            return;
        };
        let was = conn.phase;
        let fed = conn.feed(input, limit, (now, interval), (inflater, &mut actions));
        // Answers to the input go first; the close frame goes last.
        self.act_all(state, id, actions);
        self.announce(state, id);
        let code = match fed {
            Ok(None) => return,
            Ok(Some(code)) => code,
            Err(violation) => return self.act(state, id, Action::Close(violation.reason())),
        };
        let Some(conn) = state.conns.get_mut(id) else { return };
        match conn.phase {
            Phase::Open => {
                let wrote = conn.answer_close(code);
                self.after_write(state, id, wrote);
                state.wake_instead(id, now + GOOD_BYE);
            }
            // Both sides have closed; whoever began, there is nothing to add. What was closed just now has yet to be sent.
            Phase::Closing if was == Phase::Closing => state.remove(id),
            Phase::Closing | Phase::Deaf | Phase::Closed => {}
        }
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
}

/// Reads a connection's socket until it ends.
pub(super) async fn read_loop(shared: Shared, id: ConnId, stream: Rc<TcpStream>) {
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
pub(super) async fn drain_loop(shared: Shared, id: ConnId, stream: Rc<TcpStream>) {
    while stream.writable().await.is_ok() {
        let mut state = shared.state();
        let (now, interval) = (state.now(), state.interval);
        let Some(conn) = state.conns.get_mut(id) else { return };
        match conn.drain(now, interval) {
            Ok(true) => {
                shared.run_replays(&mut state, id);
                return;
            }
            Ok(false) => {}
            Err(_) => break,
        }
    }
    shared.state().remove(id);
}

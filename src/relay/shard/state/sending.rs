//! Messages of a session on their way to its client, each in the client's encoding.

use std::sync::Arc;

use tracing::debug;

use super::super::conn::{Conn, Phase, Wrote};
use super::super::{ShardSettings, timestamp, timestamp_zulu};
use super::{GOOD_BYE, SLOW_GOOD_BYE, Shared, State};
use crate::dialect::{CloseReason, TopicKind};
use crate::relay::cursor::{self, Loss, Start};
use crate::relay::encoding::{Address, Encoder};
use crate::relay::event::{Event, Snapshot};
use crate::relay::outbox::OutboxKey;
use crate::relay::refusals::Why;
use crate::relay::retry::retry;
use crate::relay::session::{Action, Watch, WatchId};
use crate::relay::slots::ConnId;
use crate::relay::streams::StreamTable;
use crate::wire::channels::ServerMessage;
use crate::wire::sse;

const TEXT_PONG: &str = r#"{"type":"pong"}"#;

impl Shared {
    /// Sends what a session has to say.
    pub(super) fn send(&self, state: &mut State, id: ConnId, action: Action) {
        let (now, interval, delivered) = (state.now(), state.interval, state.delivered);
        let State { settings, encoder, conns, streams, .. } = state;
        let Some(conn) = conns.get_mut(id) else { return };
        let bound = settings.outbox;
        let wrote = match action {
            // All answers are bounded like events: whoever asks and does not read is as slow as any other.
            Action::Answer(text) => answer(conn, encoder, &text, bound),
            Action::TextPong => answer(conn, encoder, TEXT_PONG, bound),
            Action::Pong(frames) => conn.write(&frames.into(), || None, bound),
            // Also behind what waits: a client that is slow but alive has nothing else to answer.
            Action::Ping => conn.ping(now, interval),
            Action::Heartbeat => {
                let text = ServerMessage::Heartbeat { timestamp: &timestamp_zulu() }.to_text();
                let frame = encoder.message(conn.encoding, text.as_bytes());
                conn.write(&frame, || Some(OutboxKey::Heartbeat), usize::MAX)
            }
            Action::Unknown(watch) => match unknown(settings, conn, watch) {
                Some(text) => answer(conn, encoder, &text, bound),
                None => return,
            },
            Action::State(watch, snapshot) => {
                send_state((settings, streams), encoder, conn, watch, &snapshot)
            }
            Action::Listed(job, snapshot) => {
                let target = conn.session.name_of(&job).unwrap_or_default();
                let address = Address { target: &target, dialect: job.dialect, cursor: None };
                conn.write_state(&encoder.event(conn.encoding, &snapshot.payload, address, true))
            }
            Action::Event(watch, event) => send_held((settings, streams), encoder, conn, watch, &event),
            Action::Echo(_) if conn.session.is_of_targets() => return,
            Action::Echo(text) => {
                let frame = encoder.message(conn.encoding, text.as_bytes());
                conn.write_state(&frame)
            }
            Action::Gap(loss, watch, place) => {
                send_gap((settings, streams), encoder, conn, (loss, watch, place))
            }
            Action::Ended(job, outcome) => match conn.session.ended(&job, outcome) {
                Some(text) => {
                    let frame = encoder.message(conn.encoding, text.as_bytes());
                    conn.write(&frame, || None, bound)
                }
                None => return,
            },
            Action::Begun(start) => begin_stream((settings, streams), conn, &start),
            Action::Place(sequence) => send_place((settings, streams), encoder, conn, sequence),
            Action::RefreshPlace => match fresh_place(conn, delivered) {
                Some(sequence) => send_place((settings, streams), encoder, conn, sequence),
                None => return,
            },
            Action::Subscribe(..)
            | Action::Unsubscribe(_)
            | Action::LookAgain(_)
            | Action::Begin(..)
            | Action::CheckToken(_)
            | Action::EndLife
            | Action::Close(_) => return,
        };
        self.after_write(state, id, wrote);
    }

    /// Closes a connection.
    pub(super) fn close(&self, state: &mut State, id: ConnId, reason: CloseReason) {
        let now = state.now();
        let Some(conn) = state.conns.get_mut(id).filter(|conn| conn.phase == Phase::Open) else { return };
        debug!(client = %conn.client, code = reason.code(), reason = reason.text(), "closing a socket");
        if let Some(why) = Why::of_close(reason).filter(|_| conn.session.has_token()) {
            state.settings.stats.refusals.note(why, conn.client.address());
        }
        if reason == CloseReason::Stale {
            state.settings.stats.stale.add(1);
        }
        let slow = reason == CloseReason::SlowConsumer;
        let deaf = matches!(reason, CloseReason::Protocol | CloseReason::NotUtf8 | CloseReason::TooBig);
        let wrote = conn.close(reason, if deaf { Phase::Deaf } else { Phase::Closing });
        self.after_write(state, id, wrote);
        state.wake_instead(id, now + if slow { SLOW_GOOD_BYE } else { GOOD_BYE });
    }
}

/// Sends a text of the relay's own.
fn answer(conn: &mut Conn, encoder: &mut Encoder, text: &str, bound: usize) -> Wrote {
    let frame = encoder.message(conn.encoding, text.as_bytes());
    conn.write(&frame, || None, bound)
}

/// The text for watchers of a job that nobody has heard of, where the contract has one. A client of `/watch` gets none.
fn unknown(settings: &ShardSettings, conn: &Conn, watch: WatchId) -> Option<String> {
    let topic = conn.session.watch(watch).map(Watch::topic)?;
    let dialect = settings.dialects.get(topic.dialect);
    dialect.unknown_frame(&topic.name, &timestamp()).filter(|_| !conn.session.is_of_targets())
}

/// A watch's topic as the client names it, where it names several.
fn name_of(conn: &Conn, watch: WatchId) -> Option<String> {
    conn.session.name_of(conn.session.watch(watch)?.topic())
}

/// Tells a client that events are missing.
fn send_gap(
    (settings, streams): (&ShardSettings, &StreamTable),
    encoder: &mut Encoder,
    conn: &mut Conn,
    (loss, watch, place): (Loss, Option<WatchId>, Option<u64>),
) -> Wrote {
    let target = watch.and_then(|watch| name_of(conn, watch));
    let place = place.filter(|_| target.is_none());
    let sources = conn.session.sources(streams);
    let cursor = place.map(|place| settings.cursor(sources, place));
    let text = cursor::gap(loss, target.as_deref(), cursor.as_ref());
    conn.write_state(&encoder.with_cursor(conn.encoding, text.as_bytes(), cursor.as_ref()))
}

/// Sends a job's state. Its cursor is true of it where the client watches nothing else.
fn send_state(
    (settings, streams): (&ShardSettings, &StreamTable),
    encoder: &mut Encoder,
    conn: &mut Conn,
    watch: WatchId,
    snapshot: &Snapshot,
) -> Wrote {
    let target = name_of(conn, watch).unwrap_or_default();
    let alone = conn.encoding.has_cursors() && !conn.encoding.shape.is_envelope();
    let sources = conn.session.sources(streams);
    let cursor = alone.then(|| settings.cursor(sources, snapshot.sequence));
    if cursor.is_some() {
        conn.session.tell(snapshot.sequence);
    }
    let Some(dialect) = conn.session.watch(watch).map(|watch| watch.topic().dialect) else {
        return Wrote::Whole;
    };
    let address = Address { target: &target, dialect, cursor: cursor.as_ref() };
    let frame = encoder.event(conn.encoding, &snapshot.payload, address, true);
    conn.write_state(&frame)
}

/// Sends an event that waited while its job was looked up.
fn send_held(
    (settings, streams): (&ShardSettings, &StreamTable),
    encoder: &mut Encoder,
    conn: &mut Conn,
    watch: WatchId,
    event: &Arc<Event>,
) -> Wrote {
    let target = name_of(conn, watch).unwrap_or_default();
    let alone = conn.encoding.has_cursors() && !conn.encoding.shape.is_envelope();
    let sources = conn.session.sources(streams);
    let cursor = alone.then(|| settings.cursor(sources, event.sequence));
    if cursor.is_some() {
        conn.session.tell(event.sequence);
    }
    let address = Address { target: &target, dialect: event.dialect(), cursor: cursor.as_ref() };
    let frame = encoder.event(conn.encoding, &event.payload, address, false);
    conn.write_state(&frame)
}

/// Begins an event stream, with the place that it begins at and the time after which the client is to come back.
fn begin_stream(
    (settings, streams): (&ShardSettings, &StreamTable),
    conn: &mut Conn,
    start: &Start,
) -> Wrote {
    let sources = conn.session.sources(streams);
    let id = match start {
        Start::Beginning => cursor::BEGINNING.to_owned(),
        Start::Behind(sequence) => settings.cursor(sources, *sequence).to_string(),
        Start::Given(given) => given.text.clone(),
    };
    let id = sse::Event { id: Some(&id), ..sse::Event::default() };
    let mut first = id.to_bytes().to_vec();
    let retry = sse::Event { retry: Some(retry()), ..sse::Event::default() };
    first.extend_from_slice(&retry.to_bytes());
    conn.session.tell(if let Start::Behind(sequence) = start { *sequence } else { 0 });
    conn.write_state(&first.into())
}

/// The place that a client of cursors was not told yet. Who has yet to read what waits is told by that.
fn fresh_place(conn: &mut Conn, delivered: u64) -> Option<u64> {
    if conn.is_backed_up() || !conn.encoding.has_cursors() {
        return None;
    }
    conn.session.fresh_place(delivered)
}

/// Tells a client its place: in the list of its targets where that is due, else on its own.
fn send_place(
    (settings, streams): (&ShardSettings, &StreamTable),
    encoder: &mut Encoder,
    conn: &mut Conn,
    sequence: u64,
) -> Wrote {
    let cursor = settings.cursor(conn.session.sources(streams), sequence);
    let announced =
        if conn.session.owes_cursor() { conn.session.announce(Some(cursor.to_string())) } else { None };
    let frame = match announced {
        Some(text) => encoder.with_cursor(conn.encoding, text.as_bytes(), Some(&cursor)),
        None => encoder.cursor(conn.encoding, &cursor),
    };
    conn.write(&frame, || None, settings.outbox)
}

impl State {
    /// The job that an event ends, if it ends one.
    pub(super) fn ended_by(event: &Event) -> Option<Action> {
        let job = event.topics.first().filter(|topic| topic.kind == TopicKind::Job)?;
        event.ends.map(|outcome| Action::Ended(job.clone(), outcome))
    }
}

//! Messages of connections that do not subscribe plainly: cursors, gaps, and what `/watch` wraps events in.

use super::conn::Stage;
use super::heading::{self, Notation, Said};
use super::pool::Pool;
use super::read::{MAX_MESSAGE, close_reason};
use crate::bench::manner::Transport;
use crate::bench::marker::Marker;
use crate::text::printable;
use crate::wire::sse;

/// What an event stream calls its last event.
const CLOSE: &str = "close";

impl Pool {
    /// Takes in what was just read of an event stream.
    pub(super) fn take_in_stream(&mut self, at: usize, bytes: &[u8]) {
        // Taken out for the call: what it tells is handled beside everything else a pool has.
        let Some(mut stream) = self.conns[at].extra.as_mut().and_then(|extra| extra.stream.take()) else {
            return;
        };
        let outcome = stream.feed(bytes, |incoming| self.told(at, incoming));
        let conn = &mut self.conns[at];
        if !conn.stage.is_live() {
            return;
        }
        if let Err(why) = outcome {
            self.part.connections.garbage += 1;
            return self.ended(at, None, &why.to_string());
        }
        if stream.is_over() {
            return self.ended(at, None, self.task.manner.transport.end());
        }
        conn.extra.get_or_insert_default().stream = Some(stream);
    }

    /// News of an event stream. Retries and comments are no events.
    fn told(&mut self, at: usize, incoming: sse::Incoming<'_>) {
        if !self.conns[at].stage.is_live() {
            return;
        }
        match incoming {
            sse::Incoming::Event { name: CLOSE, data, .. } => self.closed_by_event(at, data),
            sse::Incoming::Event { data, id, .. } => {
                self.remember(at, Some(id.as_bytes()));
                self.message(at, data.as_bytes(), Notation::Json);
            }
            sse::Incoming::Id(id) => self.remember(at, Some(id.as_bytes())),
            sse::Incoming::Retry(_) | sse::Incoming::Comment => {}
        }
    }

    fn closed_by_event(&mut self, at: usize, data: &str) {
        #[derive(serde::Deserialize)]
        struct Close {
            code: Option<u16>,
            #[serde(default)]
            reason: String,
        }
        match serde_json::from_str::<Close>(data) {
            Ok(Close { code, reason }) => self.ended(at, code, &close_reason(code, &reason)),
            Err(_) => self.ended(at, None, "closed by an event without a code"),
        }
    }

    /// A compressed message.
    pub(super) fn compressed(&mut self, at: usize, is_text: bool, payload: &[u8]) {
        // Taken out for the call, as the message is looked at in place.
        let mut inflation = std::mem::take(&mut self.inflation);
        match inflation.inflate(payload, MAX_MESSAGE) {
            Ok(message) => {
                let deflate = self.part.subscribing.deflate.get_or_insert_default();
                deflate.messages += 1;
                deflate.compressed_bytes += payload.len() as u64;
                deflate.inflated_bytes += message.len() as u64;
                self.message(at, message, if is_text { Notation::Json } else { Notation::MessagePack });
            }
            Err(violation) => {
                self.part.connections.garbage += 1;
                self.ended(at, None, &violation.to_string());
            }
        }
        self.inflation = inflation;
    }

    /// A message with what else it says, and its mark where it has one of this run.
    pub(super) fn subscribed(
        &mut self,
        at: usize,
        message: &[u8],
        notation: Notation,
        marker: Option<Marker>,
    ) {
        self.part.subscribing.message_bytes += message.len() as u64;
        if self.task.manner.watch.is_some() {
            return self.watched(at, message, notation, marker);
        }
        if let Some(marker) = marker {
            // An event stream has told it already.
            if self.task.manner.transport == Transport::Ws && self.keeps_cursor(at) {
                let cursor = heading::cursor(message, notation);
                self.remember(at, cursor.as_deref().map(str::as_bytes));
            }
            let extra = self.conns[at].extra.get_or_insert_default();
            let is_state = std::mem::take(&mut extra.expects_state);
            return self.marked(at, marker, is_state);
        }
        if self.task.manner.has_cursors()
            && let Some(said) = heading::said(message, notation)
        {
            self.heard(at, &said);
        }
    }

    /// A message of `/watch`.
    fn watched(&mut self, at: usize, message: &[u8], notation: Notation, marker: Option<Marker>) {
        if let Some(heading) = heading::event(message, notation) {
            self.remember(at, heading.cursor);
            return self.event_of(at, heading.target, marker, heading.is_snapshot);
        }
        let Some(said) = heading::said(message, notation) else {
            self.part.connections.garbage += 1;
            return;
        };
        if said.kind == "event" {
            self.remember(at, said.cursor.as_deref().map(str::as_bytes));
            return self.event_of(at, said.target.as_bytes(), marker, said.is_snapshot);
        }
        self.heard(at, &said);
    }

    /// An event that the relay says to be of a target.
    fn event_of(&mut self, at: usize, target: &[u8], marker: Option<Marker>, is_snapshot: bool) {
        let Some(marker) = marker else { return };
        let plan = &self.shared.plan;
        let is_due = marker.seq < plan.events;
        let job = if is_due { usize::try_from(plan.job(marker.seq)).unwrap_or(usize::MAX) } else { 0 };
        if self.names.get(job).is_some_and(|name| name.as_bytes() != target) {
            let (_, misrouted) = &mut self.delivery[self.conns[at].cohort as usize];
            *misrouted += u64::from(is_due && marker.seq >= plan.measured_from);
            return;
        }
        self.marked(at, marker, is_snapshot);
    }

    /// A message that is no event.
    fn heard(&mut self, at: usize, said: &Said) {
        match said.kind.as_str() {
            "gap" => {
                let reason: String = printable(&said.reason).chars().take(40).collect();
                self.part.subscribing.count_gap(&reason, 1);
                self.conns[at].extra.get_or_insert_default().expects_state = true;
            }
            "watching" if self.conns[at].stage == Stage::Watching && said.targets >= self.targets => {
                self.remember(at, said.cursor.as_deref().map(str::as_bytes));
                return self.is_open(at);
            }
            "watching" | "cursor" => {}
            // A target that is not watched makes it another run.
            "error" if self.task.manner.watch.is_some() => {
                let why: String =
                    printable(&format!("{}: {}", said.code, said.message)).chars().take(120).collect();
                return self.ended(at, None, &why);
            }
            _ => return,
        }
        self.remember(at, said.cursor.as_deref().map(str::as_bytes));
    }

    /// Keeps a cursor where the connection may come back with it.
    fn remember(&mut self, at: usize, cursor: Option<&[u8]>) {
        let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return };
        if self.keeps_cursor(at)
            && let Ok(cursor) = std::str::from_utf8(cursor)
        {
            let kept = &mut self.conns[at].extra.get_or_insert_default().cursor;
            kept.clear();
            kept.push_str(cursor);
        }
    }
}

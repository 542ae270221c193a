//! From bytes to deliveries: the part that runs for every event.

use std::io::{self, Read as _};
use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::conn::{Cohort, reason};
use super::heading::Notation;
use super::pool::Pool;
use super::{OfJob, PROBE, Phase};
use crate::bench::account::Arrival;
use crate::bench::marker::Marker;
use crate::bench::summary::Mode;
use crate::text::printable;
use crate::wire::websocket::{Incoming, Role, Rules};

/// Longer messages end the connection, in bytes: four times what a relay lets through.
pub(super) const MAX_MESSAGE: usize = 4 << 20;

/// How a server's frames are read: its texts are measured, not judged.
const RULES: Rules = Rules::new(Role::Client, MAX_MESSAGE).lenient();

/// A message that comes later than this after the upgrade is no answer to it, in nanoseconds.
const FIRST_MESSAGE: u64 = 5_000_000_000;

impl Pool {
    /// Reads what is there, at most about `limit` bytes, and takes it in.
    pub(super) fn read(&mut self, at: usize, limit: usize) {
        // Borrowed for the call: what is read is looked at in place, beside everything else a pool has.
        let mut buffer = mem::take(&mut self.buffer);
        self.read_into(at, limit, &mut buffer);
        self.buffer = buffer;
    }

    fn read_into(&mut self, at: usize, limit: usize, buffer: &mut [u8]) {
        if !self.conns[at].kept.is_empty() && self.conns[at].stage.is_live() {
            // What came with the answer to the upgrade was never looked at.
            let mut kept = mem::take(&mut self.conns[at].kept);
            self.part.connections.received_bytes += kept.len() as u64;
            self.take_in(at, &mut kept);
        }
        let mut budget = limit;
        loop {
            let conn = &mut self.conns[at];
            let Some(stream) = conn.stream.as_mut().filter(|_| conn.stage.is_live()) else { return };
            let room = buffer.len().min(budget);
            let result = stream.read(&mut buffer[..room]);
            let says_more = stream.is_plain() && !conn.has_ended;
            let read = match result {
                Ok(0) => return self.ended(at, None, self.task.manner.transport.end()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.ended(at, None, &reason(&error)),
            };
            self.now = self.shared.clock.now();
            self.part.connections.received_bytes += read as u64;
            self.take_in(at, &mut buffer[..read]);
            budget = budget.saturating_sub(read);
            // A socket that gave less than was asked for is empty, and says so when it no longer is.
            if budget == 0 || (says_more && read < room) {
                return;
            }
        }
    }

    /// Handles all that is whole now.
    fn take_in(&mut self, at: usize, bytes: &mut [u8]) {
        if !self.task.manner.transport.is_ws() {
            return self.take_in_stream(at, bytes);
        }
        // Taken out for the call: what it hands out is handled beside everything else a pool has.
        let mut decoder = mem::take(&mut self.conns[at].decoder);
        let rules = RULES.deflate(self.conns[at].deflates());
        let outcome = decoder.feed(bytes, rules, |incoming| self.incoming(at, incoming));
        if let Err(violation) = outcome {
            self.part.connections.garbage += 1;
            return self.ended(at, None, &violation.to_string());
        }
        // One that ended has nothing pending any more.
        self.conns[at].decoder = decoder;
    }

    /// Handles a message or a control frame; `Break` where it ended the connection.
    fn incoming(&mut self, at: usize, incoming: Incoming<'_>) -> ControlFlow<()> {
        match incoming {
            Incoming::Unchecked(message) => self.message(at, message, Notation::Json),
            Incoming::Binary(message) => self.message(at, message, Notation::MessagePack),
            Incoming::Ping(payload) => {
                if let Err(error) = self.conns[at].send(&Role::Client.pong(payload)) {
                    self.ended(at, None, &reason(&error));
                    return ControlFlow::Break(());
                }
            }
            Incoming::Pong(payload) => self.answered(at, payload),
            Incoming::Close { code, reason } => {
                // The answer is a courtesy to a server that is closing anyway.
                let _ = self.conns[at].send(&Role::Client.close_answer(code));
                self.ended(at, code, &close_reason(code, reason));
                return ControlFlow::Break(());
            }
            Incoming::Text(message) => self.message(at, message.as_bytes(), Notation::Json),
            Incoming::Compressed { text, payload } => self.compressed(at, text, payload),
        }
        // A message may be one that ends the connection.
        if self.conns[at].stage.is_live() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    pub(super) fn message(&mut self, at: usize, message: &[u8], notation: Notation) {
        let marker = self.seeker.find(message).filter(|marker| marker.run == self.shared.run);
        if self.conns[at].is_new {
            self.first_message(at);
        }
        if !self.is_plain {
            return self.subscribed(at, message, notation, marker);
        }
        if let Some(marker) = marker {
            self.marked(at, marker, false);
        }
    }

    /// A message with a mark of this run; `is_state` says that the event may have come before.
    pub(super) fn marked(&mut self, at: usize, marker: Marker, is_state: bool) {
        if self.task.mode == Mode::Echo {
            return self.echoed(at, marker);
        }
        if self.conns[at].cohort == Cohort::Stalled {
            // It reads only what its end was.
            return;
        }
        if marker.seq == PROBE {
            self.shared.probed.fetch_max(marker.due, Ordering::AcqRel);
        } else if marker.seq < self.shared.plan.events {
            self.delivered(at, marker, is_state);
        }
    }

    /// What a server sends by itself once it has upgraded; an event that is published later is no such thing.
    fn first_message(&mut self, at: usize) {
        let conn = &mut self.conns[at];
        conn.is_new = false;
        let took = self.now.saturating_sub(conn.since);
        if took < FIRST_MESSAGE && self.shared.phase() == Phase::Connecting {
            self.part.connect_time.first_message.record(Duration::from_nanos(took));
        }
    }

    fn delivered(&mut self, at: usize, marker: Marker, is_state: bool) {
        let plan = &self.shared.plan;
        let conn = &mut self.conns[at];
        let is_measured = marker.seq >= plan.measured_from;
        let (delivery, misrouted) = &mut self.delivery[conn.cohort as usize];
        let job = plan.job(marker.seq);
        let slot = if job >= conn.job { job - conn.job } else { job + self.shared.aim.jobs() - conn.job };
        if slot >= self.targets {
            *misrouted += u64::from(is_measured);
            return;
        }
        self.received += 1;
        self.newest = self.newest.max(marker.seq + 1);
        let took = self.now.saturating_sub(marker.due);
        // What is sent again to one that resumes was under way for no longer than it was back.
        let is_replay = conn.resumes() && marker.due < conn.since;
        if !conn.cohort.is_held_back() && !is_replay {
            self.longest = self.longest.max(took);
        }
        if !is_measured {
            return;
        }
        let is_resumed = self.task.manner.resume && conn.returns();
        let cohort = conn.cohort;
        let (account, nth) = (conn.account_mut(slot), plan.nth(marker.seq));
        if is_state && account.knows(nth) {
            return;
        }
        let arrival = account.arrived(nth, &OfJob { shared: &self.shared, job });
        if arrival == Arrival::New {
            let micros = took / 1000;
            delivery.record_micros(micros);
            if cohort == Cohort::Healthy {
                self.healthy += 1;
                self.timed.record_micros(micros);
            } else if is_resumed {
                // It is waited for as well: nothing that it is to get may be missing.
                self.healthy += 1;
            }
        }
    }

    /// A pong, whose payload is its ping's: whoever answers only the newest of several pings answers all of them with it
    /// (RFC 6455, 5.5.3).
    fn answered(&mut self, at: usize, payload: &[u8]) {
        let Ok(newest) = payload.try_into().map(u64::from_be_bytes) else { return };
        while let Some(&(seq, due)) = self.conns[at].pings.front().filter(|(seq, _)| *seq <= newest) {
            self.conns[at].pings.pop_front();
            self.round_trip(Marker { run: self.shared.run, seq, due });
        }
    }

    /// A text that was sent on this connection has come back; what comes again, or to others, is none.
    fn echoed(&mut self, at: usize, marker: Marker) {
        let pings = &mut self.conns[at].pings;
        if let Some(found) = pings.iter().position(|(seq, _)| *seq == marker.seq) {
            pings.remove(found);
            self.round_trip(marker);
        }
    }

    fn round_trip(&mut self, marker: Marker) {
        self.received += 1;
        if marker.seq < self.shared.plan.measured_from {
            return;
        }
        let took = self.now.saturating_sub(marker.due);
        self.longest = self.longest.max(took);
        let took = Duration::from_nanos(took);
        self.part.round_trip.received += 1;
        self.part.round_trip.time.record(took);
        self.timed.record(took);
    }
}

/// A server's reason for a close in words that can be shown.
pub(super) fn close_reason(code: Option<u16>, reason: &str) -> String {
    if code.is_none() {
        return "closed without a code".into();
    }
    printable(reason).chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::close_reason;

    #[test]
    fn a_close_is_worded_with_its_reason_or_the_lack_of_a_code() {
        assert_eq!(close_reason(Some(1013), "x"), "x");
        assert_eq!(close_reason(Some(4001), &"y".repeat(123)), "y".repeat(120));
        assert_eq!(close_reason(None, ""), "closed without a code");
    }
}

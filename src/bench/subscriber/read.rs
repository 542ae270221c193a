//! From bytes to deliveries: the part that runs for every event.

use std::io::{self, Read as _};
use std::mem;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::conn::{Cohort, Stage};
use super::open::reason;
use super::pool::Pool;
use super::{OfJob, PROBE, Phase};
use crate::bench::account::Arrival;
use crate::bench::marker::Marker;
use crate::bench::summary::Mode;
use crate::text::printable;
use crate::wire::websocket::{Incoming, Role, Rules};

/// Longer messages end the connection, in bytes: four times what a relay lets through.
const MAX_MESSAGE: usize = 4 << 20;

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
        if !self.conns[at].kept.is_empty() && self.conns[at].stage == Stage::Open {
            // What came with the answer to the upgrade was never looked at.
            let mut kept = mem::take(&mut self.conns[at].kept);
            self.take_in(at, &mut kept);
        }
        let mut budget = limit;
        loop {
            let conn = &mut self.conns[at];
            let Some(stream) = conn.stream.as_mut().filter(|_| conn.stage == Stage::Open) else { return };
            let room = buffer.len().min(budget);
            let result = stream.read(&mut buffer[..room]);
            let says_more = stream.is_plain() && !conn.has_ended;
            let read = match result {
                Ok(0) => return self.ended(at, None, "closed without a close frame"),
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
        // Taken out for the call: what it hands out is handled beside everything else a pool has.
        let mut decoder = mem::take(&mut self.conns[at].decoder);
        let outcome = decoder.feed(bytes, RULES, |incoming| self.incoming(at, incoming));
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
            Incoming::Unchecked(message) | Incoming::Binary(message) => self.message(at, message),
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
            Incoming::Text(message) => self.message(at, message.as_bytes()),
            // Never handed out, since the rules negotiate no compression.
            Incoming::Compressed { .. } => {}
        }
        ControlFlow::Continue(())
    }

    fn message(&mut self, at: usize, message: &[u8]) {
        let marker = self.seeker.find(message).filter(|marker| marker.run == self.shared.run);
        if self.conns[at].is_new {
            self.first_message(at);
        }
        let Some(marker) = marker else { return };
        if self.task.mode == Mode::Echo {
            return self.echoed(at, marker);
        }
        if self.conns[at].cohort == Cohort::Stalled {
            // It reads only what its end was.
            return;
        }
        if marker.seq == PROBE {
            self.shared.probed.store(true, Ordering::Release);
        } else if marker.seq < self.shared.plan.events {
            self.delivered(at, marker);
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

    fn delivered(&mut self, at: usize, marker: Marker) {
        let plan = &self.shared.plan;
        let conn = &mut self.conns[at];
        let is_measured = marker.seq >= plan.measured_from;
        let (delivery, misrouted) = &mut self.delivery[conn.cohort as usize];
        if plan.job(marker.seq) != conn.job {
            *misrouted += u64::from(is_measured);
            return;
        }
        self.received += 1;
        self.newest = self.newest.max(marker.seq + 1);
        let took = self.now.saturating_sub(marker.due);
        if !conn.cohort.is_held_back() {
            self.longest = self.longest.max(took);
        }
        if !is_measured {
            return;
        }
        let arrival =
            conn.account.arrived(plan.nth(marker.seq), &OfJob { shared: &self.shared, job: conn.job });
        if arrival == Arrival::New {
            let micros = took / 1000;
            delivery.record_micros(micros);
            if conn.cohort == Cohort::Healthy {
                self.healthy += 1;
                self.timed.record_micros(micros);
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
fn close_reason(code: Option<u16>, reason: &str) -> String {
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

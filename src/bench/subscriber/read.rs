//! From bytes to deliveries: the part that runs for every event.

use std::io::{self, Read as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::conn::{Cohort, Stage, reason};
use super::frame::{self, Frame, Parsed};
use super::pool::Pool;
use super::{OfJob, PROBE, Phase};
use crate::bench::account::Arrival;
use crate::bench::marker::Marker;
use crate::bench::summary::Mode;

/// A message in parts is put together up to here, in bytes.
const MAX_MESSAGE: usize = 4 << 20;

/// A message that comes later than this after the upgrade is no answer to it, in nanoseconds.
const FIRST_MESSAGE: u64 = 5_000_000_000;

/// What a frame did to its connection.
#[derive(PartialEq, Eq)]
enum After {
    GoesOn,
    Ended,
}

impl Pool {
    /// Reads what is there, at most about `limit` bytes, and takes it in.
    pub(super) fn read(&mut self, at: usize, limit: usize) {
        // Borrowed for the call: what is read is looked at in place, beside everything else a pool has.
        let mut buffer = std::mem::take(&mut self.buffer);
        self.read_into(at, limit, &mut buffer);
        self.buffer = buffer;
    }

    fn read_into(&mut self, at: usize, limit: usize, buffer: &mut Vec<u8>) {
        let mut budget = limit;
        loop {
            let conn = &mut self.conns[at];
            let Some(stream) = conn.stream.as_mut().filter(|_| conn.stage == Stage::Open) else { return };
            let kept = conn.kept.len();
            if kept > 0 {
                if buffer.len() < kept * 2 {
                    buffer.resize(kept * 2, 0);
                }
                buffer[..kept].copy_from_slice(&conn.kept);
            }
            let end = buffer.len().min(kept.saturating_add(budget));
            let room = end - kept;
            let result = stream.read(&mut buffer[kept..end]);
            let says_more = stream.is_plain() && !conn.has_ended;
            let read = match result {
                Ok(0) => {
                    self.take_in(at, &buffer[..kept], kept);
                    if self.conns[at].stage == Stage::Open {
                        self.ended(at, None, "closed without a close frame");
                    }
                    return;
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // What came with the answer to the upgrade was never looked at.
                    self.take_in(at, &buffer[..kept], kept);
                    return;
                }
                Err(error) => return self.ended(at, None, &reason(&error)),
            };
            self.now = self.shared.clock.now();
            self.part.connections.received_bytes += read as u64;
            self.take_in(at, &buffer[..kept + read], kept);
            budget = budget.saturating_sub(read);
            // A socket that gave less than was asked for is empty, and says so when it no longer is.
            if budget == 0 || (says_more && read < room) {
                return;
            }
        }
    }

    /// Handles all whole frames and keeps the rest.
    fn take_in(&mut self, at: usize, bytes: &[u8], kept: usize) {
        let mut from = 0;
        loop {
            match frame::parse(bytes, from) {
                Parsed::Whole(frame) => {
                    if self.frame(at, frame, bytes) == After::Ended {
                        return;
                    }
                    from = frame.end;
                }
                Parsed::Partial => break,
                Parsed::Broken(why) => {
                    self.part.connections.garbage += 1;
                    return self.ended(at, None, why);
                }
            }
        }
        let rest = &bytes[from..];
        let conn = &mut self.conns[at];
        if rest.is_empty() {
            if kept > 0 {
                conn.kept = Vec::new();
            }
        } else if from > 0 || rest.len() != kept {
            conn.kept.clear();
            conn.kept.extend_from_slice(rest);
        }
    }

    fn frame(&mut self, at: usize, frame: Frame, bytes: &[u8]) -> After {
        let payload = &bytes[frame.start..frame.end];
        match frame.opcode {
            frame::TEXT | frame::BINARY if frame.fin => self.message(at, payload),
            frame::TEXT | frame::BINARY | frame::CONTINUATION => {
                return self.part_of_message(at, frame, payload);
            }
            frame::PING => {
                if let Err(error) = self.conns[at].send(&frame::masked(frame::PONG, payload)) {
                    self.ended(at, None, &reason(&error));
                    return After::Ended;
                }
            }
            frame::PONG => self.answered(at, payload),
            _ => {
                let (code, why) = frame::close_reason(payload);
                // The answer is a courtesy to a server that is closing anyway.
                let _ = self.conns[at].send(&frame::masked(frame::CLOSE, &payload[..payload.len().min(2)]));
                self.ended(at, code, &why);
                return After::Ended;
            }
        }
        After::GoesOn
    }

    fn part_of_message(&mut self, at: usize, frame: Frame, payload: &[u8]) -> After {
        let mut parts = std::mem::take(&mut self.conns[at].parts);
        if parts.len() + payload.len() > MAX_MESSAGE {
            self.part.connections.garbage += 1;
            self.ended(at, None, "a message in parts has over 4 MiB");
            return After::Ended;
        }
        parts.extend_from_slice(payload);
        if frame.fin {
            self.message(at, &parts);
        } else {
            self.conns[at].parts = parts;
        }
        After::GoesOn
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

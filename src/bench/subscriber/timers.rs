//! What a thread does by the clock: open, read slowly, leave and come back, cut, ping.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::Waker;

use super::conn::{Cohort, Conn, Stage};
use super::open::reason;
use super::pool::Pool;
use super::{Phase, Shared, Task};
use crate::bench::clock::until;
use crate::bench::marker::{self, Marker};
use crate::bench::numbers::nanos;
use crate::bench::options::EchoBy;
use crate::bench::summary::Mode;
use crate::wire::websocket::Role;

/// How often slow connections read, in nanoseconds.
const SLOW_EVERY: u64 = 50_000_000;

/// How often late connections are looked for, in nanoseconds.
const CHECK_EVERY: u64 = 500_000_000;

/// Round trips of a thread that are waited for at one time, in 16 bytes each; every connection has an equal part of them. One
/// that has no room is not sent, and is lost.
const MAX_TRIPS: usize = 1 << 22;

#[derive(Debug)]
pub(super) struct Timers {
    slow: Vec<usize>,
    churn: Vec<usize>,
    storm: Vec<usize>,
    next_slow: u64,
    next_check: u64,
    next_churn: u64,
    churn_turn: usize,
    next_opening: u64,
    /// The next round trip of this thread.
    next_echo: u64,
    echo_turn: usize,
    has_stormed: bool,
}

impl Timers {
    pub(super) fn new(task: &Task, conns: &[Conn]) -> Self {
        let of = |cohort: Cohort| {
            conns.iter().enumerate().filter(|(_, conn)| conn.cohort == cohort).map(|(at, _)| at).collect()
        };
        Self {
            slow: of(Cohort::Slow),
            churn: of(Cohort::Churn),
            storm: of(Cohort::Storm),
            next_slow: 0,
            next_check: 0,
            next_churn: u64::MAX,
            churn_turn: 0,
            next_opening: 0,
            next_echo: task.turn.0,
            echo_turn: 0,
            has_stormed: false,
        }
    }

    /// The run begins: round trips have a thread that wakes this one, since waits for sockets are exact to a millisecond
    /// only.
    pub(super) fn begin(&mut self, shared: &Arc<Shared>, task: &Task, waker: &Arc<Waker>, now: u64) {
        if !self.churn.is_empty() && task.churn > 0.0 {
            self.next_churn = now;
        }
        if task.mode == Mode::Echo {
            let (shared, waker, turn) = (Arc::clone(shared), Arc::clone(waker), task.turn);
            std::thread::spawn(move || pace(&shared, &waker, turn));
        }
    }

    /// The run is over: nobody leaves any more.
    pub(super) fn end(&mut self) {
        self.next_churn = u64::MAX;
    }

    /// When the next connection may begin. Its time does not move with the server: one that keeps all of them waiting has
    /// the following ones wait from when they were meant to begin.
    pub(super) fn next_opening(&mut self, rate: Option<f64>, now: u64) -> u64 {
        let Some(rate) = rate else { return now };
        let due = if self.next_opening == 0 { now } else { self.next_opening };
        self.next_opening = due + nanos(1.0 / rate);
        due
    }

    pub(super) fn timeout(&self, now: u64, opening: Option<u64>, longest: Duration) -> Duration {
        let slow = if self.slow.is_empty() { u64::MAX } else { self.next_slow };
        let next = slow.min(self.next_churn).min(opening.unwrap_or(u64::MAX));
        until(now, next).min(longest)
    }
}

/// Wakes a thread whenever a round trip of its is due.
fn pace(shared: &Shared, waker: &Waker, turn: (u64, u64)) {
    let mut seq = turn.0;
    let start = shared.start.load(Ordering::Acquire);
    while seq < shared.plan.events && shared.phase() == Phase::Running {
        let wait = until(shared.clock.now(), start + shared.plan.due(seq));
        if wait.is_zero() {
            seq += turn.1;
            continue;
        }
        // Short, so that the end of the run is seen.
        std::thread::sleep(wait.min(Duration::from_millis(200)));
        if waker.wake().is_err() {
            return;
        }
    }
}

impl Pool {
    /// Does what is due.
    pub(super) fn on_time(&mut self, phase: Phase) {
        self.open_due();
        if self.now >= self.timers.next_check {
            self.timers.next_check = self.now + CHECK_EVERY;
            self.give_up_late();
        }
        if self.now >= self.timers.next_slow && !self.timers.slow.is_empty() {
            self.timers.next_slow = self.now + SLOW_EVERY;
            self.read_slowly(phase);
        }
        if phase == Phase::Running {
            self.churn();
            self.storm();
            if self.task.mode == Mode::Echo {
                self.send_round_trips();
            }
        }
    }

    /// While events are published the slow read a little; once they no longer are, everything that waits for them.
    fn read_slowly(&mut self, phase: Phase) {
        let share = usize::try_from(self.task.slow_rate / (1_000_000_000 / SLOW_EVERY)).unwrap_or(usize::MAX);
        let limit = if phase == Phase::Draining { usize::MAX } else { share.max(1) };
        let slow = std::mem::take(&mut self.timers.slow);
        for &at in &slow {
            if self.conns[at].stage == Stage::Open {
                self.read(at, limit);
            }
        }
        self.timers.slow = slow;
    }

    fn churn(&mut self) {
        let every = nanos(1.0 / self.task.churn);
        while self.now >= self.timers.next_churn {
            self.timers.next_churn += every;
            let at = self.timers.churn[self.timers.churn_turn % self.timers.churn.len()];
            self.timers.churn_turn += 1;
            if self.conns[at].stage == Stage::Open {
                self.leave_and_return(at);
            }
        }
    }

    fn storm(&mut self) {
        let storm_at = self.shared.storm_at.load(Ordering::Acquire);
        if storm_at == 0 || self.now < storm_at || self.timers.has_stormed {
            return;
        }
        self.timers.has_stormed = true;
        let storm = std::mem::take(&mut self.timers.storm);
        for at in storm {
            if self.conns[at].stage == Stage::Open {
                self.leave_and_return(at);
            }
        }
    }

    pub(super) fn send_round_trips(&mut self) {
        let start = self.shared.start.load(Ordering::Acquire);
        let (plan, step) = (&self.shared.plan, self.task.turn.1);
        let due_by = self.now.saturating_sub(start);
        let mut due = Vec::new();
        while self.timers.next_echo < plan.events && plan.due(self.timers.next_echo) <= due_by {
            due.push((self.timers.next_echo, start + plan.due(self.timers.next_echo)));
            self.timers.next_echo += step;
        }
        for (seq, due) in due {
            self.send_round_trip(seq, due);
        }
    }

    fn send_round_trip(&mut self, seq: u64, due: u64) {
        let is_measured = u64::from(seq >= self.shared.plan.measured_from);
        self.due_trips += is_measured;
        let all = self.conns.len();
        let from = self.timers.echo_turn;
        // Those that read slowly or leave would show what is done here, not what the server does.
        let can = |at: &usize| {
            self.conns[*at].stage == Stage::Open
                && self.conns[*at].cohort == Cohort::Healthy
                && self.conns[*at].pings.len() < MAX_TRIPS / all
        };
        let Some(at) = (0..all).map(|nth| (from + nth) % all).find(can) else { return };
        self.timers.echo_turn = at + 1;
        self.conns[at].pings.push_back((seq, due));
        let bytes = match self.task.echo {
            EchoBy::Ping => Role::Client.ping(&seq.to_be_bytes()),
            EchoBy::Text => {
                let text = marker::text(Marker { run: self.shared.run, seq, due });
                Role::Client.text(&text)
            }
        };
        self.part.round_trip.sent += is_measured;
        if let Err(error) = self.conns[at].send(&bytes) {
            self.ended(at, None, &reason(&error));
        }
    }
}

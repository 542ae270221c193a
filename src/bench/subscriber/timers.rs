//! Times at which a thread has something to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::Waker;

use super::conn::{Cohort, Conn};
use super::{Phase, Shared, Task};
use crate::bench::clock::until;
use crate::bench::numbers::nanos;
use crate::bench::summary::Mode;

#[derive(Debug)]
pub(super) struct Timers {
    pub(super) slow: Vec<usize>,
    pub(super) churn: Vec<usize>,
    pub(super) storm: Vec<usize>,
    pub(super) next_slow: u64,
    pub(super) next_check: u64,
    pub(super) next_churn: u64,
    pub(super) churn_turn: usize,
    next_opening: u64,
    /// The next round trip of this thread.
    pub(super) next_echo: u64,
    pub(super) echo_turn: usize,
    pub(super) has_stormed: bool,
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

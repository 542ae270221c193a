//! When a connection is to be woken, and for what.

use super::{Millis, PingInterval};

/// Reasons to wake a connection, the weightiest first: of several that are due together the first counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    /// The client sent nothing for two ping intervals.
    Stale,
    /// The client's token expires.
    Token,
    /// The connection has lived as long as it may.
    Life,
    /// A ping is due.
    Ping,
}

impl Timer {
    const ALL: [Self; 4] = [Self::Stale, Self::Token, Self::Life, Self::Ping];
}

/// The timers of one connection: a moment each, [`Millis::MAX`] where none is set.
#[derive(Debug)]
pub(super) struct Timers([Millis; Timer::ALL.len()]);

impl Timers {
    /// Timers of a connection that begins now: a first ping and the end of its silence. `phase` in 0..1 places the ping
    /// in the interval, so that a thousand clients that come together are not pinged together.
    pub(super) fn new(now: Millis, interval: PingInterval, phase: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let first = (interval.0 as f64 * phase.clamp(0.0, 1.0)) as Millis;
        let mut timers = Self([Millis::MAX; Timer::ALL.len()]);
        timers.set(Timer::Ping, now + first);
        timers.heard(now, interval);
        timers
    }

    /// Bytes came from the client, whatever they are.
    pub(super) const fn heard(&mut self, now: Millis, interval: PingInterval) {
        self.set(Timer::Stale, now + interval.0 * 2);
    }

    /// Sets a timer, in place of what it was set for.
    pub(super) const fn set(&mut self, timer: Timer, at: Millis) {
        self.0[timer as usize] = at;
    }

    /// Stops a timer.
    pub(super) const fn stop(&mut self, timer: Timer) {
        self.set(timer, Millis::MAX);
    }

    /// Whether a timer is set.
    pub(super) const fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize] != Millis::MAX
    }

    /// The weightiest timer that is due.
    pub(super) fn due(&self, now: Millis) -> Option<Timer> {
        Timer::ALL.into_iter().find(|timer| self.0[*timer as usize] <= now)
    }

    /// The next moment at which one is due.
    pub(super) fn next(&self) -> Millis {
        self.0.into_iter().min().unwrap_or(Millis::MAX)
    }
}

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

/// The timers of one connection: a moment each, [`Millis::MAX`] where none is set. Those that few connections have are kept
/// apart.
#[derive(Debug)]
pub(super) struct Timers {
    /// By [`Timer`], the first and the last.
    often: [Millis; 2],
    /// By [`Timer`], those in between; absent where none is set.
    seldom: Option<Box<[Millis; 2]>>,
}

impl Timers {
    /// Timers of a connection that begins now: a first ping and the end of its silence. `phase` in 0..1 places the ping
    /// in the interval, so that a thousand clients that come together are not pinged together.
    pub(super) fn new(now: Millis, interval: PingInterval, phase: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let first = (interval.0 as f64 * phase.clamp(0.0, 1.0)) as Millis;
        let mut timers = Self { often: [Millis::MAX; 2], seldom: None };
        timers.set(Timer::Ping, now + first);
        timers.heard(now, interval);
        timers
    }

    /// Bytes came from the client, whatever they are.
    pub(super) const fn heard(&mut self, now: Millis, interval: PingInterval) {
        self.often[0] = now + interval.0 * 2;
    }

    /// Sets a timer, in place of what it was set for; [`Millis::MAX`] stops it.
    pub(super) fn set(&mut self, timer: Timer, at: Millis) {
        match timer {
            Timer::Stale => self.often[0] = at,
            Timer::Ping => self.often[1] = at,
            Timer::Token | Timer::Life if at == Millis::MAX && self.seldom.is_none() => {}
            Timer::Token | Timer::Life => {
                let seldom = self.seldom.get_or_insert_with(|| Box::new([Millis::MAX; 2]));
                seldom[usize::from(timer == Timer::Life)] = at;
            }
        }
    }

    /// Stops a timer.
    pub(super) fn stop(&mut self, timer: Timer) {
        self.set(timer, Millis::MAX);
    }

    fn at(&self, timer: Timer) -> Millis {
        match (timer, &self.seldom) {
            (Timer::Stale, _) => self.often[0],
            (Timer::Ping, _) => self.often[1],
            (Timer::Token | Timer::Life, None) => Millis::MAX,
            (Timer::Token, Some(seldom)) => seldom[0],
            (Timer::Life, Some(seldom)) => seldom[1],
        }
    }

    /// Whether a timer is set.
    pub(super) fn is_set(&self, timer: Timer) -> bool {
        self.at(timer) != Millis::MAX
    }

    /// The weightiest timer that is due.
    pub(super) fn due(&self, now: Millis) -> Option<Timer> {
        Timer::ALL.into_iter().find(|timer| self.at(*timer) <= now)
    }

    /// The next moment at which one is due.
    pub(super) fn next(&self) -> Millis {
        Timer::ALL.into_iter().map(|timer| self.at(timer)).min().unwrap_or(Millis::MAX)
    }
}

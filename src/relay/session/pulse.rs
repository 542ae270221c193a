//! Signs of life: when a connection is pinged, and when it counts as gone.

use super::{Millis, PingInterval};

/// What is due on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    None,
    /// A ping.
    Ping,
    /// Its end: nothing came from it for two intervals.
    Stale,
}

/// When a client last sent anything, and when it is pinged next.
#[derive(Debug)]
pub(super) struct Pulse {
    heard: Millis,
    next_ping: Millis,
}

impl Pulse {
    /// One that begins now. `phase` in 0..1 places its first ping in the interval, so that a thousand clients that come
    /// together are not pinged together.
    pub(super) fn new(now: Millis, interval: PingInterval, phase: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let first = (interval.0 as f64 * phase.clamp(0.0, 1.0)) as Millis;
        Self { heard: now, next_ping: now + first }
    }

    /// Bytes came from the client, whatever they are.
    pub(super) const fn heard(&mut self, now: Millis) {
        self.heard = now;
    }

    /// What is due.
    pub(super) fn beat(&mut self, now: Millis, interval: PingInterval) -> Beat {
        if now.saturating_sub(self.heard) >= interval.0 * 2 {
            Beat::Stale
        } else if self.next_ping <= now {
            self.next_ping = now + interval.0;
            Beat::Ping
        } else {
            Beat::None
        }
    }

    /// When something is due next.
    pub(super) fn deadline(&self, interval: PingInterval) -> Millis {
        self.next_ping.min(self.heard + interval.0 * 2)
    }
}

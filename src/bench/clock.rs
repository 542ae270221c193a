//! The clock of a run: nanoseconds since the Unix epoch that never go back, and that several processes can share.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the wall clock once and counts on from there with the monotonic one.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Instant,
    nanos: u64,
}

impl Clock {
    /// A clock that agrees with this machine's.
    pub fn new() -> Self {
        Self::shifted(0)
    }

    /// A clock that is ahead of this machine's by so many microseconds (behind, where negative).
    pub fn shifted(micros: i64) -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let nanos = u64::try_from(unix.as_nanos()).unwrap_or(0);
        Self { base: Instant::now(), nanos: nanos.saturating_add_signed(micros.saturating_mul(1000)) }
    }

    /// Now, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.nanos + u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(0)
    }

    /// So long from now, in nanoseconds.
    pub fn after(&self, time: Duration) -> u64 {
        self.now().saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// How long it is from now until then; nothing where then is past.
pub fn until(now: u64, then: u64) -> Duration {
    Duration::from_nanos(then.saturating_sub(now))
}

//! Bounds of a job log.

use std::time::Duration;

/// Bounds of a job log.
#[derive(Debug, Clone, Copy)]
pub struct JobLogLimits {
    /// Jobs at most.
    pub jobs: usize,
    /// Bytes at most, texts and bookkeeping.
    pub bytes: usize,
    /// Time for which a job stays after its ending.
    pub ended: Duration,
    /// Events of a job that are kept for reconnecting clients, without progress and log lines; at most 10,000. The other limits
    /// grow in proportion. With 200 the relay keeps 64 KiB of a job's progress, 50 lines or 256 KiB of its log, and 1,000
    /// events or 256 KiB of a channel.
    pub tail: usize,
}

impl JobLogLimits {
    /// Events of a job that are kept unless the relay's options say otherwise.
    pub(in crate::relay) const TAIL: usize = 200;
    /// Time for which they stay after the job's ending.
    pub(super) const TAIL_AFTER_ENDING: Duration = Duration::from_mins(10);
}

impl Default for JobLogLimits {
    /// 100,000 jobs, 256 MiB, an hour, 200 events.
    fn default() -> Self {
        Self { jobs: 100_000, bytes: 256 << 20, ended: Duration::from_hours(1), tail: Self::TAIL }
    }
}

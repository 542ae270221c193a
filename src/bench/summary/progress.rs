//! How a run is doing, for whoever shows it while it goes on.

/// How a run is doing, for whoever shows it while it goes on. Given about four times a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunProgress {
    /// What it is at: `checking`, `connecting`, `warming up`, `measuring`, `draining`.
    pub phase: &'static str,
    /// Since the run began, in seconds.
    pub elapsed_seconds: f64,
    /// The length of the whole, where that is known, in seconds.
    pub planned_seconds: Option<f64>,
    /// Connections open now.
    pub connections: u64,
    /// Connections asked for.
    pub wanted: u64,
    /// Attempts that failed so far, and connections that ended early.
    pub errors: u64,
    /// Events published so far, warm-up included.
    pub published: u64,
    /// Deliveries (or answers) received so far, warm-up included.
    pub received: u64,
    /// Median of the last whole second, in microseconds; `None` where nothing was timed.
    pub p50_now: Option<u64>,
    /// The 99th percentile of the last whole second.
    pub p99_now: Option<u64>,
    /// Median so far.
    pub p50: Option<u64>,
    /// The 99th percentile so far.
    pub p99: Option<u64>,
}

/// Shows a run while it goes on.
pub trait Watcher: Send {
    /// Takes the newest state. Must not block for long: it costs the client's own CPU.
    fn progress(&mut self, progress: &RunProgress);

    /// From now on, until it says otherwise, runs are to try this, as in `probe 3: 400 connections`.
    fn trying(&mut self, what: &str);

    /// Says something once, on its own line (a probe's result, a worker lost).
    fn note(&mut self, text: &str);

    /// The run is over: whatever was drawn is cleared.
    fn end(&mut self);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn progress(&mut self, _: &RunProgress) {}

    fn trying(&mut self, _: &str) {}

    fn note(&mut self, _: &str) {}

    fn end(&mut self) {}
}

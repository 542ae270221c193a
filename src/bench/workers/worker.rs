//! A process that holds a share of the connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use super::{Call, Report, State};
use crate::bench::clock::Clock;
use crate::bench::crew;
use crate::bench::options::{BenchOptions, Via};
use crate::bench::run::{self, Run};
use crate::bench::subscriber::Phase;
use crate::bench::summary::Watcher;
use crate::exit::{Exit, Failure};

/// How often a worker says how it is doing.
const BEAT: Duration = Duration::from_millis(250);

/// Takes part in a run, to its end.
pub fn work(
    options: &BenchOptions,
    call: &Call,
    redis: &str,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    let mut exchange = Exchange::connect(redis, call.run)?;
    let (offset, error) = exchange.clock()?;
    let mut state = State {
        name: format!("{}/{}", host(), std::process::id()),
        clock_offset: offset,
        clock_error: error,
        ..State::default()
    };
    if error > call.max_clock_error {
        let why = format!(
            "its clock is known to {error} µs only, and --max-clock-error is {}",
            call.max_clock_error
        );
        state.refused = Some(why.clone());
        exchange.tell(call.index, &state)?;
        return Err(Failure::new(Exit::Failure, format!("this worker cannot take part: {why}")));
    }
    // The coordinator publishes; a worker only needs to know what.
    let own =
        BenchOptions { via: None::<Via>, find: None, workers: 0, remote_workers: call.of, ..options.clone() };
    let mut prepared = run::prepare(&own, watcher).inspect_err(|failure| {
        state.refused = Some(failure.message.clone());
        // The failure itself is what is reported here.
        let _ = exchange.tell(call.index, &state);
    })?;
    (prepared.run, prepared.begin) = (call.run, Some(call.begin));
    let mut worker = Worker { exchange, call, state, told: None };
    let mut run = Run::new(&own, prepared, Clock::shifted(offset), stop);
    let seats = share(&own, call);
    worker.state.connections = seats.len() as u64;
    worker.exchange.tell(call.index, &worker.state)?;
    run.start_opening(&seats, (u64::from(call.index), u64::from(call.of)))?;
    worker.follow(&mut run, watcher)
}

/// A worker's block of the connections.
fn share(options: &BenchOptions, call: &Call) -> Vec<crate::bench::subscriber::Seat> {
    let seats = crew::seats(options);
    let part = |index: u32| seats.len() * index as usize / call.of.max(1) as usize;
    seats[part(call.index)..part(call.index + 1)].to_vec()
}

struct Worker<'a> {
    exchange: Exchange,
    call: &'a Call,
    state: State,
    told: Option<Instant>,
}

impl Worker<'_> {
    fn follow(&mut self, run: &mut Run<'_>, watcher: &mut dyn Watcher) -> Result<(), Failure> {
        let start = loop {
            if let Some(start) = self.step("start", "connecting", run, watcher)? {
                break start;
            }
        };
        run.begin_at(start);
        let published = loop {
            let due = run.shared.plan.first_due_at(run.shared.clock.now().saturating_sub(start));
            run.shared.published.store(due, Ordering::Release);
            if let Some(published) = self.step("published", "measuring", run, watcher)? {
                break published;
            }
        };
        run.shared.published.store(published, Ordering::Release);
        run.settle();
        run.drain(watcher);
        let client = run.own_cost();
        let (part, seconds) = run.close_with_seconds();
        run.shared.enter(Phase::Over);
        self.exchange.report(&Report { index: self.call.index, part, seconds, client })
    }

    /// Waits a little, says how it is doing, and looks whether a number is known by now.
    fn step(
        &mut self,
        name: &str,
        phase: &'static str,
        run: &mut Run<'_>,
        watcher: &mut dyn Watcher,
    ) -> Result<Option<u64>, Failure> {
        run.tick(phase, Duration::from_millis(40), watcher);
        if self.told.is_none_or(|told| told.elapsed() > BEAT) {
            self.told = Some(Instant::now());
            self.state.beats += 1;
            self.state.settled = run.shared.unsettled.load(Ordering::Acquire) == 0;
            self.state.open = run.shared.open.load(Ordering::Acquire);
            self.state.received = run.shared.received.load(Ordering::Acquire);
            self.state.errors = run.shared.errors.load(Ordering::Acquire);
            self.exchange.tell(self.call.index, &self.state)?;
            if !self.exchange.is_alive()? {
                return Err(Failure::new(Exit::Failure, "the coordinator of this worker is gone"));
            }
        }
        if run.stopped() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        self.exchange.announced(name)
    }
}

/// The name of this machine, as far as the system tells it.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

//! The process that publishes, and sums up what the workers saw.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use super::local::Children;
use super::orders::Orders;
use super::{Call, Report, State, Ticket, VERSION};
use crate::bench::clock::Clock;
use crate::bench::collect::Part;
use crate::bench::meter::Meter;
use crate::bench::numbers::as_f64;
use crate::bench::options::BenchOptions;
use crate::bench::prepared;
use crate::bench::probe;
use crate::bench::run::{Outcome, Run};
use crate::bench::subscriber::Shared;
use crate::bench::summary::{Client, Mode, Watcher, Worker};
use crate::exit::{Exit, Failure};

/// From the announcement of the start to the first event: every worker has looked twice by then.
const LEAD: Duration = Duration::from_millis(800);

/// A worker that gave no sign of life for so long is lost.
const LOST: Duration = Duration::from_secs(5);

/// For workers to appear.
const APPEAR: Duration = Duration::from_secs(20);

/// For their reports: the longest wait for what is under way, and some.
const REPORTS: Duration = Duration::from_secs(45);

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What is known of the workers; shared with the thread that looks after them.
#[derive(Default)]
struct Known {
    states: BTreeMap<u32, (State, Instant)>,
    lost: Option<Failure>,
}

impl Known {
    fn is_lost(&self, index: u32) -> bool {
        self.states.get(&index).is_none_or(|(_, seen)| seen.elapsed() > LOST)
    }
}

/// Runs with workers.
pub fn coordinate(
    options: &BenchOptions,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<Outcome, Failure> {
    let Some(redis) = &options.coordination else {
        return Err(Failure::usage("nothing names the Redis through which workers know each other")
            .hint("name one with --redis; with --publish-url nothing is published into it"));
    };
    let mut prepared = prepared::prepare(options, watcher)?;
    if options.remote_workers > 0 && prepared.address.ip().is_loopback() {
        watcher.note(&format!("every host looks for the server at {} on itself", prepared.address));
    }
    // Source addresses are those of whoever holds the connections.
    let sources = if options.workers > 0 { options.sources.clone() } else { Vec::new() };
    let one = BenchOptions { sources, ..options.clone() };
    probe::probe(&one, &mut prepared, stop, watcher)?;
    prepared.meter = Meter::start(options, prepared.aim.server())?;
    let number = prepared.run;
    let mut exchange = Exchange::connect(redis, number)?;
    let (offset, error) = exchange.clock()?;
    let max_clock_error = clock_error_left(options, error)?;
    let mut run = Run::new(options, prepared, Clock::shifted(offset), stop);
    exchange.live()?;
    let of = options.processes();
    let tickets: Vec<Ticket> =
        (0..of).map(|index| Ticket { version: VERSION.to_owned(), run: number, index }).collect();
    let (own, public) = tickets.split_at(options.workers as usize);
    let call = Call { begin: run.shared.begin, of, max_clock_error, orders: Orders::of(options) };
    exchange.call(&call, own, public)?;
    let children = Children::spawn(options.workers, number, redis, &options.dialect_files);
    let known = Arc::new(Mutex::new(Known::default()));
    let over = Arc::new(AtomicBool::new(false));
    let watching = {
        let (known, over, shared) = (Arc::clone(&known), Arc::clone(&over), Arc::clone(&run.shared));
        let mut exchange = Exchange::connect(redis, number)?;
        std::thread::spawn(move || look_after(&mut exchange, &known, &shared, &over))
    };
    let result = children.and_then(|children| {
        let mut together =
            Together { options, stop, children, public, known: &known, clock: (offset, error) };
        let result = together.run(&mut run, &mut exchange, watcher);
        if result.is_err() {
            together.children.kill();
        }
        result
    });
    over.store(true, Ordering::Release);
    // Its end is of no interest: what it knew is in `known`.
    let _ = watching.join();
    exchange.withdraw(public);
    exchange.clear();
    let seen = result?;
    watcher.end();
    Ok(outcome(run, seen))
}

/// How far off workers' clocks may be, in microseconds. What is uncertain here is so for every worker, and theirs comes on
/// top.
fn clock_error_left(options: &BenchOptions, own: u64) -> Result<u64, Failure> {
    let most = u64::try_from(options.max_clock_error.as_micros()).unwrap_or(u64::MAX);
    most.checked_sub(own).ok_or_else(|| {
        let message =
            format!("this machine's clock is known to {own} µs only, and --max-clock-error is {most} µs");
        Failure::new(Exit::Failure, message).hint("a Redis that is nearer answers sooner")
    })
}

/// How far off a worker's clock may have been from the coordinator's at any time of the run, in microseconds: by what it was
/// known to at the beginning (here, there), or in the end, and by what they drifted apart. Readings of the end are Redis' clock
/// minus the run's, and how far off that may be, here and there.
fn clock_error(begin: (u64, u64), end: Option<((i64, u64), (i64, u64))>) -> u64 {
    let begin = begin.0 + begin.1;
    // What Redis' own clock did is the same for both.
    end.map_or(begin, |(here, there)| begin.max(here.1 + there.1) + here.0.abs_diff(there.0))
}

fn outcome(run: Run<'_>, seen: Seen) -> Outcome {
    let partial = run.summary.partial.clone();
    let mut outcome = run.sum_up(seen.part);
    if let Some(failure) = seen.lost {
        outcome.summary.partial = Some(failure.message);
        outcome.exit = failure.exit;
    } else if partial.is_some() && outcome.exit != Exit::Unreachable {
        outcome.summary.partial = partial;
        outcome.exit = Exit::Failure;
    }
    outcome
}

/// Keeps the coordinator alive in the workers' eyes, and the workers in its own.
fn look_after(exchange: &mut Exchange, known: &Mutex<Known>, shared: &Shared, over: &AtomicBool) {
    while !over.load(Ordering::Acquire) {
        let seen = exchange.live().and_then(|()| exchange.states());
        let mut known = lock(known);
        match seen {
            Err(failure) => known.lost = Some(failure),
            Ok(states) => {
                for (index, state) in states {
                    let is_new = known.states.get(&index).is_none_or(|(old, _)| old.beats != state.beats);
                    if is_new {
                        known.states.insert(index, (state, Instant::now()));
                    }
                }
            }
        }
        let sum = |of: fn(&State) -> u64| known.states.values().map(|(state, _)| of(state)).sum::<u64>();
        shared.open.store(sum(|state| state.open), Ordering::Release);
        shared.received.store(sum(|state| state.received), Ordering::Release);
        shared.errors.store(sum(|state| state.errors), Ordering::Release);
        drop(known);
        std::thread::sleep(LOOK);
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The workers of a run.
struct Together<'a> {
    options: &'a BenchOptions,
    stop: &'a AtomicBool,
    children: Children,
    /// The calls that went out to other hosts.
    public: &'a [Ticket],
    known: &'a Mutex<Known>,
    /// Redis' clock minus this one's, and how far off that may be, in microseconds.
    clock: (i64, u64),
}

/// What came of a run that has begun.
struct Seen {
    part: Part,
    /// Why nobody could hear of the workers any more.
    lost: Option<Failure>,
}

impl Together<'_> {
    fn run(
        &mut self,
        run: &mut Run<'_>,
        exchange: &mut Exchange,
        watcher: &mut dyn Watcher,
    ) -> Result<Seen, Failure> {
        let of = self.options.processes();
        self.wait(run, watcher, APPEAR, "to appear", |known| known.states.len() == of as usize)?;
        exchange.withdraw(self.public);
        run.start_opening(&[], (0, 1))?;
        exchange.announce("open", 1)?;
        // One that was lost on the way is waited for no longer; the result will say so. Whoever interrupts the run now
        // gets what there is.
        let stop = self.stop;
        let settled = |known: &Known| {
            stop.load(Ordering::Acquire)
                || known.states.iter().all(|(index, (state, _))| state.settled || known.is_lost(*index))
        };
        let patience = self.options.patience(self.options.attempts());
        self.wait(run, watcher, patience, "to open their connections", settled)?;
        if self.options.mode == Mode::Connect || run.stopped() {
            run.settle();
        } else {
            run.await_open(watcher);
            let start = run.start_after(LEAD);
            exchange.announce("start", start)?;
            run.begin(start, watcher);
        }
        let mut reports = Vec::new();
        let drift = exchange
            .tell_unpublished(&run.shared.unpublished.ranges())
            .and_then(|()| exchange.announce("published", run.shared.published.load(Ordering::Acquire)))
            .and_then(|()| self.reports(run, exchange, &mut reports, watcher))
            .and_then(|()| exchange.drift(run.shared.clock));
        let (drift, lost) = match drift {
            Ok(drift) => (drift, None),
            // What there is, is reported: as well as the clocks were known before.
            Err(failure) => ((0, 0), Some(failure)),
        };
        self.list(run, &reports, drift);
        Ok(Seen { part: self.merge(run, reports), lost })
    }

    fn wait(
        &mut self,
        run: &mut Run<'_>,
        watcher: &mut dyn Watcher,
        patience: Duration,
        what: &str,
        is_so: impl Fn(&Known) -> bool,
    ) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            run.tick("connecting", Duration::from_millis(50), watcher);
            let known = lock(self.known);
            if let Some(failure) = &known.lost {
                return Err(failure.clone());
            }
            let refused =
                known.states.values().find_map(|(state, _)| Some((&state.name, state.refused.as_ref()?)));
            if let Some((name, why)) = refused {
                let message = format!("the worker {name} cannot take part: {why}");
                return Err(Failure::new(Exit::Failure, message));
            }
            if is_so(&known) {
                return Ok(());
            }
            if run.stopped() {
                return Err(Failure::new(Exit::Interrupted, "interrupted before the run began"));
            }
            let has_appeared = |name: &str| known.states.values().any(|(state, _)| state.name == name);
            if let Some(why) = self.children.stillborn(has_appeared) {
                return Err(Failure::new(Exit::Failure, format!("the worker {why}")));
            }
            if begin.elapsed() > patience {
                let (there, of) = (known.states.len(), self.options.processes());
                let seconds = patience.as_secs();
                let message = format!("waited {seconds} s for {of} workers {what}; {there} are there");
                return Err(Failure::new(Exit::Unreachable, message)
                    .hint("on every other host: jobwire bench worker --redis URL"));
            }
        }
    }

    /// The reports of all workers that live.
    fn reports(
        &self,
        run: &mut Run<'_>,
        exchange: &mut Exchange,
        reports: &mut Vec<Report>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Failure> {
        let begin = Instant::now();
        while begin.elapsed() < REPORTS {
            match exchange.next_report()? {
                Some(report) => reports.push(report),
                None => run.tick("draining", Duration::from_millis(50), watcher),
            }
            let has = |index: &u32| reports.iter().any(|report| report.index == *index);
            let known = lock(self.known);
            let mut missing = (0..self.options.processes()).filter(|index| !has(index));
            if missing.all(|index| known.is_lost(index)) {
                break;
            }
        }
        Ok(())
    }

    /// Who took part, and what is wrong with the whole for one of them.
    fn list(&self, run: &mut Run<'_>, reports: &[Report], drift: (i64, u64)) {
        let known = lock(self.known);
        let mut lost = Vec::new();
        let mut drifted = Vec::new();
        for index in 0..self.options.processes() {
            let Some((state, _)) = known.states.get(&index) else { continue };
            let report = reports.iter().find(|report| report.index == index);
            let cost = report.map(|report| report.client.clone()).unwrap_or_default();
            if report.is_none() {
                lost.push(state.name.as_str());
            }
            let clock_error = clock_error(
                (self.clock.1, state.clock_error),
                report.map(|report| (drift, (report.clock_drift, report.clock_error))),
            );
            // What one process alone measures is by one clock.
            if run.summary.publish.is_some()
                && Duration::from_micros(clock_error) > self.options.max_clock_error
            {
                drifted.push(format!("{} ±{clock_error} µs", state.name));
            }
            run.summary.workers.push(Worker {
                name: state.name.clone(),
                host: state.host.clone(),
                cores: state.cores,
                memory_bytes: state.memory_bytes,
                cpu_share: cost.cpu_share,
                rss_bytes: cost.rss_bytes,
                connections: state.connections,
                clock_offset_micros: self.clock.0 - state.clock_offset,
                clock_error_micros: clock_error,
                lost: report.is_none(),
            });
        }
        let lost = match lost.as_slice() {
            [] => None,
            [one] => Some(format!("the worker {one} was lost")),
            all => Some(format!("the workers {} were lost", all.join(", "))),
        };
        let drifted = (!drifted.is_empty()).then(|| {
            let most = self.options.max_clock_error.as_micros();
            let all = drifted.join(", ");
            format!(
                "clocks drifted further apart than --max-clock-error ({most} µs), so that latencies may be off: {all}"
            )
        });
        let partial: Vec<String> = lost.into_iter().chain(drifted).collect();
        run.summary.partial = (!partial.is_empty()).then(|| partial.join("; "));
    }

    fn merge(&self, run: &mut Run<'_>, reports: Vec<Report>) -> Part {
        let mut all = run.close();
        let own = run.own_cost();
        let mut client = Client {
            redraw_share: own.redraw_share,
            loop_delay: own.loop_delay,
            cpu_share: own.cpu_share,
            ..Client::default()
        };
        let (mut cpu, mut events, mut open) = (0.0, 0.0, 0.0);
        for report in reports {
            client.cpu_share += report.client.cpu_share;
            client.rss_bytes += report.client.rss_bytes;
            client.loop_delay.merge(&report.client.loop_delay);
            let received: u64 = report.part.cohorts.iter().map(|cohort| cohort.received).sum();
            let peak = as_f64(report.part.connections.peak);
            cpu += report.client.cpu_per_event_micros.unwrap_or(0.0) * as_f64(received);
            events += as_f64(received);
            client.rss_per_connection_bytes += report.client.rss_per_connection_bytes * peak;
            open += peak;
            run.log.add_log(report.intervals);
            all.merge(report.part);
        }
        client.rss_per_connection_bytes /= f64::max(open, 1.0);
        client.cpu_per_event_micros = (events > 0.0).then(|| cpu / events);
        run.summary.client = client;
        // Those of a worker that was lost were asked for too.
        all.connections.wanted = self.options.connections;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_part_of_the_clock_error() {
        assert_eq!(clock_error((40, 60), None), 100, "a worker that was lost");
        assert_eq!(clock_error((40, 60), Some(((0, 30), (0, 30)))), 100);
        // 30 ppm over ten minutes, on two hosts in opposite directions.
        assert_eq!(clock_error((40, 60), Some(((-18_000, 30), (18_000, 30)))), 36_100);
        // That of Redis alone.
        assert_eq!(clock_error((40, 60), Some(((9000, 30), (9005, 30)))), 105);
        // Worse known in the end.
        assert_eq!(clock_error((40, 60), Some(((0, 200), (7, 60)))), 267);
    }
}

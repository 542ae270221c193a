//! The process that publishes, and sums up what the workers saw.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::exchange::Exchange;
use super::{Call, Report, State};
use crate::bench::clock::Clock;
use crate::bench::collect::Part;
use crate::bench::options::{BenchOptions, Via};
use crate::bench::probe;
use crate::bench::process::{self, Watched, float};
use crate::bench::run::{self, Outcome, Run};
use crate::bench::subscriber::Shared;
use crate::bench::summary::{Client, Watcher, Worker};
use crate::exit::{Exit, Failure};

/// From the announcement of the start to the first event: every worker has looked twice by then.
const LEAD: Duration = Duration::from_millis(800);

/// A worker that gave no sign of life for so long is lost.
const LOST: Duration = Duration::from_secs(5);

/// For workers to appear, and to open their connections.
const APPEAR: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_mins(3);

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
    let Some(Via::Redis(redis)) = &options.via else {
        return Err(Failure::usage("workers know each other through Redis, which --redis must name")
            .hint("with workers the modes are fanout and storm"));
    };
    let mut prepared = run::prepare(options, watcher)?;
    probe::probe(options, &mut prepared)?;
    let usage = || process::usage(&options.server_pids);
    let missing = || Failure::usage("--server-pid: there is no such process on this machine");
    let before = usage().ok_or_else(missing)?;
    let mut exchange = Exchange::connect(redis, prepared.run)?;
    let (offset, _) = exchange.clock()?;
    let run_number = prepared.run;
    let mut run = Run::new(options, prepared, Clock::shifted(offset), stop);
    exchange.live()?;
    let of = options.workers + options.remote_workers;
    let calls: Vec<Call> = (0..of)
        .map(|index| Call {
            argv: options.argv.clone(),
            run: run_number,
            begin: run.shared.begin,
            index,
            of,
            max_clock_error: u64::try_from(options.max_clock_error.as_micros()).unwrap_or(u64::MAX),
        })
        .collect();
    exchange.call(&calls)?;
    let children = Children::spawn(options.workers, redis)?;
    let known = Arc::new(Mutex::new(Known::default()));
    let over = Arc::new(AtomicBool::new(false));
    let watching = {
        let (known, over, shared) = (Arc::clone(&known), Arc::clone(&over), Arc::clone(&run.shared));
        let mut exchange = Exchange::connect(redis, run_number)?;
        std::thread::spawn(move || look_after(&mut exchange, &known, &shared, &over))
    };
    let together = Together { of, known: &known, offset };
    let result = together.run(&mut run, &mut exchange, watcher);
    over.store(true, Ordering::Release);
    // Its end is of no interest: what it knew is in `known`.
    let _ = watching.join();
    exchange.withdraw();
    exchange.clear();
    drop(children);
    let (open, part) = result?;
    let after = usage().unwrap_or_default();
    let server = Watched {
        pids: options.server_pids.clone(),
        before,
        open: if options.server_pids.is_empty() { before } else { open },
        after,
        seconds: run.measured_seconds(),
    };
    watcher.end();
    let partial = run.summary.partial.clone();
    let mut outcome = run.sum_up(part, server);
    if outcome.summary.workers.iter().any(|worker| worker.lost) {
        outcome.summary.partial = partial;
        outcome.exit = Exit::Failure;
    }
    Ok(outcome)
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
    of: u32,
    known: &'a Mutex<Known>,
    /// Redis' clock minus this one's, in microseconds.
    offset: i64,
}

impl Together<'_> {
    fn run(
        &self,
        run: &mut Run<'_>,
        exchange: &mut Exchange,
        watcher: &mut dyn Watcher,
    ) -> Result<(process::Usage, Part), Failure> {
        self.wait(run, watcher, APPEAR, "to appear", |known| known.states.len() == self.of as usize)?;
        // One that was lost on the way is waited for no longer; the result will say so.
        let settled = |known: &Known| {
            known.states.iter().all(|(index, (state, _))| state.settled || known.is_lost(*index))
        };
        self.wait(run, watcher, SETTLE, "to open their connections", settled)?;
        run.open(&[], (0, 1), watcher)?;
        let open = run.server_usage();
        let start = run.shared.clock.now() + u64::try_from(LEAD.as_nanos()).unwrap_or(0);
        exchange.announce("start", start)?;
        run.begin(LEAD, watcher);
        exchange.announce("published", run.shared.published.load(Ordering::Acquire))?;
        let reports = self.reports(run, exchange, watcher)?;
        Ok((open, self.merge(run, reports)))
    }

    fn wait(
        &self,
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
                return Err(Failure::new(
                    Exit::Failure,
                    format!("the worker {name} cannot take part: {why}"),
                ));
            }
            if is_so(&known) {
                return Ok(());
            }
            if run.stopped() {
                return Err(Failure::new(Exit::Interrupted, "interrupted before the run began"));
            }
            if begin.elapsed() > patience {
                let there = known.states.len();
                let message = format!(
                    "waited {} s for {} workers {what}; {there} are there",
                    patience.as_secs(),
                    self.of
                );
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
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<Report>, Failure> {
        let begin = Instant::now();
        let mut reports: Vec<Report> = Vec::new();
        while reports.len() < self.of as usize && begin.elapsed() < REPORTS {
            match exchange.next_report()? {
                Some(report) => reports.push(report),
                None => run.tick("draining", Duration::from_millis(50), watcher),
            }
            let has = |index: &u32| reports.iter().any(|report| report.index == *index);
            let known = lock(self.known);
            // A worker that drains says nothing more, so only one that was silent before is given up at once.
            let is_silent = |index: &u32| known.is_lost(*index) && begin.elapsed() > Duration::from_secs(12);
            if (0..self.of).filter(|index| !has(index)).all(|index| is_silent(&index)) {
                break;
            }
        }
        Ok(reports)
    }

    fn merge(&self, run: &mut Run<'_>, reports: Vec<Report>) -> Part {
        let known = lock(self.known);
        let reported: Vec<u32> = reports.iter().map(|report| report.index).collect();
        for index in 0..self.of {
            let (state, _) =
                known.states.get(&index).cloned().unwrap_or_else(|| (State::default(), Instant::now()));
            let lost = !reported.contains(&index);
            if lost {
                run.summary.partial = Some(format!("the worker {} was lost", state.name));
            }
            run.summary.workers.push(Worker {
                name: state.name,
                connections: state.connections,
                clock_offset_micros: self.offset - state.clock_offset,
                clock_error_micros: state.clock_error,
                lost,
            });
        }
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
            let peak = float(report.part.connections.peak);
            cpu += report.client.cpu_per_event_micros.unwrap_or(0.0) * float(received);
            events += float(received);
            client.rss_per_connection_bytes += report.client.rss_per_connection_bytes * peak;
            open += peak;
            for second in report.seconds {
                run.log.add(second);
            }
            all.merge(report.part);
        }
        client.rss_per_connection_bytes /= f64::max(open, 1.0);
        client.cpu_per_event_micros = (events > 0.0).then(|| cpu / events);
        run.summary.client = client;
        all
    }
}

/// Worker processes on this host; killed when dropped, should they still run.
struct Children(Vec<Child>);

impl Children {
    fn spawn(count: u32, redis: &str) -> Result<Self, Failure> {
        let failed = |error| Failure::new(Exit::Failure, format!("could not start a worker: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut children = Self(Vec::new());
        for _ in 0..count {
            let mut command = Command::new(&program);
            // A URL may hold a password, which nobody must find in a list of processes; and Ctrl-C is the coordinator's.
            command.args(["bench", "worker"]).env("JOBWIRE_REDIS", redis).process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            children.0.push(command.spawn().map_err(failed)?);
        }
        Ok(children)
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        let begin = Instant::now();
        for child in &mut self.0 {
            while matches!(child.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(3) {
                std::thread::sleep(Duration::from_millis(20));
            }
            // One that has ended cannot be killed, and that is well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

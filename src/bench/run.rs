//! One run from its preflight to its summary.

mod ending;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::client::Sampler;
use super::clock::{Clock, until};
use super::collect::{Log, Part, Second};
use super::crew::{self, Crew};
use super::meter::Meter;
use super::options::BenchOptions;
use super::prepared::{self, Prepared};
use super::probe::probe;
use super::process;
use super::publisher::Publisher;
use super::subscriber::{Cohort, Phase, Seat, Shared};
use super::summary::{Interval, Mode, Publish, RunProgress, Setup, Summary, Watcher};
use crate::exit::{Exit, Failure};
use crate::{net, usage};

/// From the decision to begin to the first event.
const LEAD: Duration = Duration::from_millis(20);

/// How often the state is looked at and shown.
const TICK: Duration = Duration::from_millis(50);
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// From the last connection to the first event: what a server still does for a new connection is done by then.
const SETTLE: Duration = Duration::from_millis(300);

/// When everything has arrived, what comes twice has so long to do so.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// When something is missing, and nothing came for so long, nothing will.
const QUIET: Duration = Duration::from_secs(3);

/// The longest wait for what is missing, connections that are to come back included; and after an interrupt.
const DRAIN: Duration = Duration::from_secs(30);
const DRAIN_STOPPED: Duration = Duration::from_secs(1);

/// A run that has come to its end, by itself or not.
pub struct Outcome {
    /// What was found out.
    pub summary: Summary,
    /// What the process ends with.
    pub exit: Exit,
    /// Whether connections were opened, and none was left at the end.
    pub is_gone: bool,
}

/// Runs once, in this process alone.
pub fn run(options: &BenchOptions, stop: &AtomicBool, watcher: &mut dyn Watcher) -> Result<Outcome, Failure> {
    let mut prepared = prepared::prepare(options, watcher)?;
    probe(options, &mut prepared, stop, watcher)?;
    prepared.meter = Meter::start(options, prepared.aim.server())?;
    let mut run = Run::new(options, prepared, Clock::new(), stop);
    let seats = crew::seats(options);
    run.start_opening(&seats, (0, 1))?;
    run.await_open(watcher);
    run.begin(run.start_after(LEAD), watcher);
    run.drain(watcher);
    Ok(run.finish(watcher))
}

/// A run under way.
pub struct Run<'a> {
    options: &'a BenchOptions,
    stop: &'a AtomicBool,
    /// What its threads see.
    pub shared: Arc<Shared>,
    address: SocketAddr,
    publisher: Option<Publisher>,
    publishing: Option<JoinHandle<(Publish, Option<String>)>>,
    halt: Arc<AtomicBool>,
    crew: Option<Crew>,
    /// The seconds so far.
    pub log: Log,
    /// What is known so far.
    pub summary: Summary,
    /// What the server uses.
    pub meter: Meter,
    lost: Option<String>,
    expected: u64,
    begun: Instant,
    /// When its threads were ended, by the run's clock.
    ended: u64,
    shown: Option<Instant>,
    redraw: Duration,
    rss_before: u64,
    measure: Measure,
}

/// Marks of the measured time.
#[derive(Default)]
struct Measure {
    sampler: Option<Sampler>,
    cpu: Duration,
    received: u64,
    since: Option<Instant>,
    /// When it was over, by the run's clock.
    end: u64,
    share: f64,
    rss: u64,
}

impl<'a> Run<'a> {
    /// Ready to open connections.
    pub fn new(options: &'a BenchOptions, prepared: Prepared, clock: Clock, stop: &'a AtomicBool) -> Self {
        let mut summary = Summary::empty(options.mode);
        summary.setup = Setup {
            started: Timestamp::now().to_string(),
            target: prepared.aim.name(),
            server: net::address(prepared.aim.server()),
            publisher: prepared.publisher.as_ref().map(|publisher| publisher.address().to_owned()),
            options: options.described.clone(),
            machine: process::machine(),
            ..summary.setup
        };
        let Prepared { aim, address, plan, publisher, run, begin, meter } = prepared;
        let mut shared = Shared::new(clock, aim, plan, run);
        shared.begin = begin.unwrap_or(shared.begin);
        Self {
            options,
            stop,
            shared: Arc::new(shared),
            address,
            publisher,
            publishing: None,
            halt: Arc::default(),
            crew: None,
            log: Log::default(),
            summary,
            meter,
            lost: None,
            expected: 0,
            begun: Instant::now(),
            ended: 0,
            shown: None,
            redraw: Duration::ZERO,
            rss_before: usage::own_rss(),
            measure: Measure::default(),
        }
    }

    /// Whether somebody wants it to end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits until each connection has succeeded or failed.
    pub fn await_open(&mut self, watcher: &mut dyn Watcher) {
        let all = self.shared.unsettled.load(Ordering::Acquire);
        let patience = self.options.patience(all);
        while self.shared.unsettled.load(Ordering::Acquire) > 0
            && self.begun.elapsed() < patience
            && !self.stopped()
        {
            self.tick("connecting", TICK, watcher);
        }
        if self.options.mode != Mode::Connect {
            self.wait("connecting", SETTLE, watcher);
        }
        self.measure.rss = usage::own_rss();
    }

    /// Starts the threads, which open the connections.
    pub fn start_opening(&mut self, seats: &[Seat], turn: (u64, u64)) -> Result<(), Failure> {
        self.expected = self.expected_of(seats, turn);
        if self.options.mode == Mode::Connect {
            self.start_measuring();
        }
        self.crew = Some(Crew::start(&self.shared, self.options, seats, self.address, turn)?);
        Ok(())
    }

    /// What the healthy, and those that resume, must get if nothing goes wrong, or the answers to this process' round trips.
    fn expected_of(&self, seats: &[Seat], turn: (u64, u64)) -> u64 {
        let plan = &self.shared.plan;
        if self.options.mode == Mode::Echo {
            return plan.events.saturating_sub(turn.0).div_ceil(turn.1);
        }
        let (aim, manner) = (&self.shared.aim, self.options.manner);
        let is_exact = |cohort| match cohort {
            Cohort::Healthy => true,
            Cohort::Churn | Cohort::Storm => manner.resume,
            Cohort::Slow | Cohort::Stalled => false,
        };
        let jobs = seats.iter().filter(|seat| is_exact(seat.cohort)).flat_map(|seat| {
            let first = aim.first_job(seat.nth);
            (0..manner.targets()).map(move |slot| aim.nth_job(first, slot))
        });
        jobs.map(|job| plan.nth_from(job, plan.events) - plan.nth_from(job, plan.measured_from)).sum()
    }

    /// When event 0 is due: `lead` from now, and a little more, so that the measured time begins with a second of the log.
    pub fn start_after(&self, lead: Duration) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let earliest = self.shared.clock.after(lead);
        let measured = (earliest + self.shared.plan.measured_at()).saturating_sub(self.shared.begin);
        earliest + measured.next_multiple_of(SECOND) - measured
    }

    /// Does what the mode does, to the end of the measured time. Event 0 is due at `start` by the run's clock.
    pub fn begin(&mut self, start: u64, watcher: &mut dyn Watcher) {
        if self.options.mode == Mode::Connect {
            return self.settle();
        }
        if self.stopped() {
            return;
        }
        self.begin_at(start);
        self.publish();
        while !self.stopped() && self.shared.clock.now() < start {
            self.tick("warming up", until(self.shared.clock.now(), start).min(TICK), watcher);
        }
        if !self.stopped() {
            self.start_measuring();
        }
        let end = start + self.shared.plan.length();
        while !self.stopped() && !self.is_done(end) {
            let measuring = self.shared.clock.now() >= start + self.shared.plan.measured_at();
            self.tick(if measuring { "measuring" } else { "warming up" }, TICK, watcher);
        }
        self.settle();
    }

    /// Tells the threads when event 0 is due.
    pub fn begin_at(&mut self, start: u64) {
        let plan = &self.shared.plan;
        self.shared.start.store(start, Ordering::Release);
        if self.options.mode == Mode::Storm {
            let half = (plan.length() - plan.measured_at()) / 2;
            self.shared.storm_at.store(start + plan.measured_at() + half, Ordering::Release);
        }
        self.measure.rss = usage::own_rss();
        self.shared.enter(Phase::Running);
    }

    /// What this process and the server cost counts from here: from event 0, or in [`Mode::Connect`] from the first attempt.
    pub fn start_measuring(&mut self) {
        self.meter.begin();
        self.measure.sampler = Some(Sampler::start());
        self.measure.cpu = usage::own_cpu();
        self.measure.received = self.shared.received.load(Ordering::Acquire);
        self.measure.since = Some(Instant::now());
    }

    fn publish(&mut self) {
        let (Some(publisher), Some(crew)) = (self.publisher.take(), &self.crew) else { return };
        let (shared, halt, seconds): (_, _, Sender<Second>) =
            (Arc::clone(&self.shared), Arc::clone(&self.halt), crew.sender());
        self.publishing = Some(std::thread::spawn(move || publisher.run(&shared, &halt, &seconds)));
    }

    fn is_done(&self, end: u64) -> bool {
        match &self.publishing {
            // It ends early where the connection is lost; where it is late, the run is longer. A storm may come later.
            Some(publishing) => {
                publishing.is_finished()
                    && (self.options.mode != Mode::Storm || self.shared.clock.now() >= end)
            }
            None => self.shared.clock.now() >= end,
        }
    }

    /// Whether what this process costs counts already.
    pub fn is_measuring(&self) -> bool {
        self.measure.since.is_some()
    }

    /// The measured time is over.
    pub fn settle(&mut self) {
        self.note_stop();
        self.measure.end = self.shared.clock.now();
        self.halt.store(true, Ordering::Release);
        if let Some(publishing) = self.publishing.take() {
            let (publish, lost) = publishing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            self.summary.publish = Some(publish);
            self.lost = lost;
        }
        self.stop_measuring();
        if self.options.mode == Mode::Connect {
            self.meter.end_opening();
        } else {
            self.meter.end();
        }
        self.shared.enter(Phase::Draining);
    }

    /// What this process costs as a share of the time is known from here on.
    pub fn stop_measuring(&mut self) {
        let (Some(since), Some(sampler)) = (self.measure.since, self.measure.sampler.take()) else { return };
        self.summary.client.loop_delay = sampler.finish();
        let seconds = since.elapsed().as_secs_f64();
        let cpu = usage::own_cpu().saturating_sub(self.measure.cpu).as_secs_f64();
        self.measure.share = if seconds > 0.0 { cpu / seconds } else { 0.0 };
    }

    /// Whoever ends the run does not wait for what is under way, which then is no loss.
    fn note_stop(&self) {
        if self.stopped() {
            self.shared.cut_short.store(true, Ordering::Release);
        }
    }

    /// Waits for what is still under way.
    pub fn drain(&mut self, watcher: &mut dyn Watcher) {
        if !matches!(self.options.mode, Mode::Fanout | Mode::Storm | Mode::Echo)
            || self.shared.start.load(Ordering::Acquire) == 0
        {
            return;
        }
        let begin = Instant::now();
        let (mut last, mut changed) = (0, Instant::now());
        while begin.elapsed() < if self.stopped() { DRAIN_STOPPED } else { DRAIN } {
            self.tick("draining", TICK, watcher);
            let received = self.shared.received.load(Ordering::Acquire);
            if received != last || self.shared.away.load(Ordering::Acquire) > 0 {
                (last, changed) = (received, Instant::now());
            }
            let is_all = match self.options.mode {
                Mode::Echo => received >= self.expected,
                _ => self.lost.is_none() && self.shared.healthy.load(Ordering::Acquire) >= self.expected,
            };
            if changed.elapsed() > if is_all { AFTERWARDS } else { QUIET } {
                break;
            }
        }
    }

    fn wait(&mut self, phase: &'static str, time: Duration, watcher: &mut dyn Watcher) {
        let begin = Instant::now();
        while begin.elapsed() < time && !self.stopped() {
            self.tick(phase, time.saturating_sub(begin.elapsed()).min(TICK), watcher);
        }
    }

    /// Sleeps a little, takes in what threads saw and shows it from time to time.
    pub fn tick(&mut self, phase: &'static str, sleep: Duration, watcher: &mut dyn Watcher) {
        std::thread::sleep(sleep);
        if let Some(crew) = &self.crew {
            for second in crew.seen() {
                self.log.add(second);
            }
        }
        if self.shown.is_some_and(|shown| shown.elapsed() < SHOW_EVERY) {
            return;
        }
        let shown = Instant::now();
        self.shown = Some(shown);
        let progress = self.progress(phase);
        watcher.progress(&progress);
        self.redraw += shown.elapsed();
    }

    fn progress(&mut self, phase: &'static str) -> RunProgress {
        let second = self.shared.second(self.shared.clock.now());
        let now = self.log.latest(second).map(|timed| (timed.micros_at(50.0), timed.micros_at(99.0)));
        let overall = Some(self.log.overall()).filter(|timing| !timing.is_empty());
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Acquire);
        RunProgress {
            phase,
            elapsed_seconds: self.begun.elapsed().as_secs_f64(),
            planned_seconds: Some((self.options.warm_up + self.options.duration).as_secs_f64()),
            connections: load(&self.shared.open),
            wanted: self.options.connections,
            errors: load(&self.shared.errors),
            published: load(&self.shared.published),
            received: load(&self.shared.received),
            p50_now: now.map(|now| now.0),
            p99_now: now.map(|now| now.1),
            p50: overall.map(|timing| timing.micros_at(50.0)),
            p99: overall.map(|timing| timing.micros_at(99.0)),
        }
    }

    /// Ends the threads: what they saw, and when.
    pub fn close_with_log(&mut self) -> (Part, Vec<Interval>) {
        let part = self.close();
        (part, std::mem::take(&mut self.log).into_intervals())
    }

    /// Ends the threads: what they saw.
    pub fn close(&mut self) -> Part {
        self.note_stop();
        self.ended = self.shared.clock.now();
        let Some(crew) = self.crew.take() else { return Part::default() };
        let (part, seconds) = crew.finish();
        for second in seconds {
            self.log.add(second);
        }
        part
    }
}

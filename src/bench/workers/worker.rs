//! A process that holds a share of the connections.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::exchange::{Exchange, gone, parse};
use super::{Call, Report, State, Ticket, VERSION};
use crate::bench::clock::Clock;
use crate::bench::crew;
use crate::bench::options::BenchOptions;
use crate::bench::prepared::{self, Prepared};
use crate::bench::process;
use crate::bench::run::Run;
use crate::bench::subscriber::{Phase, Seat, Shared};
use crate::bench::summary::{Mode, Watcher};
use crate::dialect::Dialects;
use crate::exit::{Exit, Failure};

/// How often a worker says how it is doing.
const BEAT: Duration = Duration::from_millis(250);

/// How often it looks whether the run goes on.
const LOOK: Duration = Duration::from_millis(40);

/// Takes part in the run that a call is for, to its end.
pub fn work(
    call: &str,
    dialects: &Dialects,
    redis: &str,
    stop: &AtomicBool,
    watcher: &mut dyn Watcher,
) -> Result<(), Failure> {
    let ticket: Ticket = parse(call)?;
    let mut exchange = Exchange::connect(redis, ticket.run)?;
    if !exchange.is_alive()? {
        return Err(gone());
    }
    let machine = process::machine();
    let mut state = State {
        name: format!("{}/{}", machine.host, std::process::id()),
        host: machine.host,
        cores: machine.cores,
        memory_bytes: machine.memory_bytes,
        ..State::default()
    };
    let accepted = accept(&mut exchange, &ticket, dialects, watcher).map_err(|failure| {
        let hint = failure.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let why = format!("{}{hint}", failure.message);
        state.refused = Some(why.clone());
        // The failure itself is what is reported here.
        let _ = exchange.tell(ticket.index, &state);
        Failure::new(failure.exit, format!("this worker cannot take part: {why}"))
    })?;
    let Accepted { call, options, prepared, offset, error } = accepted;
    let turn = (u64::from(ticket.index), u64::from(call.of));
    let seats = crew::dealt(&options, &crew::seats(&options), turn);
    (state.clock_offset, state.clock_error) = (offset, error);
    state.connections = seats.len() as u64;
    exchange.tell(ticket.index, &state)?;
    let halt = AtomicBool::new(false);
    let mut run = Run::new(&options, prepared, Clock::shifted(offset), &halt);
    let sign = Sign {
        index: ticket.index,
        stop,
        halt: &halt,
        over: AtomicBool::new(false),
        is_opening: AtomicBool::new(false),
        why: Mutex::new(None),
        shared: &run.shared.clone(),
    };
    let beating = Exchange::connect(redis, ticket.run)?;
    let report = std::thread::scope(|scope| {
        let beats = scope.spawn(|| sign.beat(beating, state));
        let report = follow(&mut run, &mut exchange, &sign, (&seats, turn), watcher);
        sign.over.store(true, Ordering::Release);
        beats.thread().unpark();
        report
    });
    if report.is_err() {
        // This process may go on, its connections must not.
        run.settle();
        run.close();
    }
    exchange.report(&report?)
}

/// A call that this process can answer, and what is known before the run.
struct Accepted {
    call: Call,
    options: BenchOptions,
    prepared: Prepared,
    /// Redis' clock minus this one's, and how far off that may be, in microseconds.
    offset: i64,
    error: u64,
}

fn accept(
    exchange: &mut Exchange,
    ticket: &Ticket,
    dialects: &Dialects,
    watcher: &mut dyn Watcher,
) -> Result<Accepted, Failure> {
    let refused = |why: String| Err(Failure::new(Exit::Failure, why));
    if ticket.version != VERSION {
        let theirs = ticket.version.escape_debug();
        return refused(format!("it is jobwire {VERSION}, and the coordinator is jobwire {theirs}"));
    }
    let Some(call) = exchange.called()? else { return Err(gone()) };
    if ticket.index >= call.of {
        return refused(format!("it is number {} of {} workers", ticket.index, call.of));
    }
    let (offset, error) = exchange.clock()?;
    if error > call.max_clock_error {
        let left = call.max_clock_error;
        return refused(format!(
            "its clock is known to {error} µs only, and --max-clock-error leaves it {left}"
        ));
    }
    let options = call.orders.clone().options(call.of, dialects)?;
    let mut prepared = prepared::prepare(&options, watcher)?;
    (prepared.run, prepared.begin) = (ticket.run, Some(call.begin));
    Ok(Accepted { call, options, prepared, offset, error })
}

/// Goes along with the coordinator: the start, the end, what was seen.
fn follow(
    run: &mut Run<'_>,
    exchange: &mut Exchange,
    sign: &Sign<'_>,
    (seats, turn): (&[Seat], (u64, u64)),
    watcher: &mut dyn Watcher,
) -> Result<Report, Failure> {
    while exchange.announced("open")?.is_none() {
        sign.ended()?;
        std::thread::sleep(LOOK);
    }
    run.start_opening(seats, turn)?;
    sign.is_opening.store(true, Ordering::Release);
    let mut start = None;
    let published = loop {
        run.tick(if start.is_some() { "measuring" } else { "connecting" }, LOOK, watcher);
        sign.ended()?;
        if start.is_none() {
            start = exchange.announced("start")?;
            if let Some(start) = start {
                run.begin_at(start);
            }
        }
        keep_time(run, start);
        if let (Some(start), Mode::Fanout | Mode::Storm) = (start, run.summary.mode) {
            let due = run.shared.plan.first_due_at(run.shared.clock.now().saturating_sub(start));
            run.shared.published.store(due, Ordering::Release);
        }
        // Without a start where the mode has no measured time, or somebody has interrupted the coordinator.
        if let Some(published) = exchange.announced("published")? {
            break published;
        }
    };
    run.shared.published.store(published, Ordering::Release);
    for (first, end) in exchange.unpublished()? {
        run.shared.unpublished.add(first, end);
    }
    run.settle();
    run.drain(watcher);
    sign.ended()?;
    let mut client = run.own_cost();
    let (part, intervals) = run.close_with_log();
    client.rss_per_connection_bytes = run.rss_per_connection(&part);
    run.shared.enter(Phase::Over);
    let (clock_drift, clock_error) = exchange.drift(run.shared.clock)?;
    Ok(Report { index: sign.index, clock_drift, clock_error, part, intervals, client })
}

/// Measures what this process costs while there is something to do: word of the end comes a little later.
fn keep_time(run: &mut Run<'_>, start: Option<u64>) {
    let now = run.shared.clock.now();
    match start {
        Some(start) if now >= start && !run.is_measuring() => run.start_measuring(),
        Some(start) if now >= start + run.shared.plan.length() => run.stop_measuring(),
        None if run.summary.mode == Mode::Connect && run.shared.unsettled.load(Ordering::Acquire) == 0 => {
            run.stop_measuring();
        }
        _ => {}
    }
}

/// A worker's sign of life, and its eye on the coordinator's.
struct Sign<'a> {
    index: u32,
    /// The user wants it to end.
    stop: &'a AtomicBool,
    /// It is to end, for whatever reason.
    halt: &'a AtomicBool,
    over: AtomicBool,
    /// Its connections are being opened, or have been.
    is_opening: AtomicBool,
    why: Mutex<Option<Failure>>,
    shared: &'a Shared,
}

impl Sign<'_> {
    /// Tells how the worker is doing until it is over, or until there is a reason to end it.
    fn beat(&self, mut exchange: Exchange, mut state: State) {
        while !self.over.load(Ordering::Acquire) {
            let (shared, interrupted) = (self.shared, self.stop.load(Ordering::Acquire));
            state.beats += 1;
            let opening = self.is_opening.load(Ordering::Acquire);
            state.settled = opening && shared.unsettled.load(Ordering::Acquire) == 0;
            state.open = shared.open.load(Ordering::Acquire);
            state.received = shared.received.load(Ordering::Acquire);
            state.errors = shared.errors.load(Ordering::Acquire);
            let told = match exchange.is_alive() {
                _ if interrupted => Err(Failure::new(Exit::Interrupted, "interrupted")),
                Ok(true) => exchange.tell(self.index, &state),
                Ok(false) => Err(gone()),
                Err(failure) => Err(failure),
            };
            if let Err(failure) = told {
                *self.why.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
                self.halt.store(true, Ordering::Release);
                return;
            }
            std::thread::park_timeout(BEAT);
        }
    }

    /// Fails where there is a reason to end.
    fn ended(&self) -> Result<(), Failure> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone().map_or(Ok(()), Err)
    }
}

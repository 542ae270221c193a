//! The threads of one process that hold connections, and who sits where.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::collect::{Part, Second};
use super::numbers::{as_f64, whole};
use super::options::BenchOptions;
use super::plan::{chosen, part_at, part_of};
use super::process::client_ports;
use super::subscriber::{self, Cohort, Phase, Seat, Shared, Task};
use super::summary::Mode;
use crate::exit::{Exit, Failure};

/// Connections that one thread holds well, and opens well where opening them is what is measured.
const HELD_BY_THREAD: usize = 20_000;
const OPENED_BY_THREAD: usize = 4000;

/// Deliveries, or answers, a second that one thread reads well: it takes 7 to 9 µs for each.
const READ_BY_THREAD: f64 = 60_000.0;

/// Connections that are opened at one time by all threads and processes together: short of what a server's queue usually holds.
const AT_ONCE: usize = 256;

/// Bytes a second that a slow connection reads at least.
const SLOWEST: u64 = 64;

/// The running threads.
pub struct Crew {
    threads: Vec<JoinHandle<Part>>,
    seconds: Receiver<Second>,
    sender: Sender<Second>,
    shared: Arc<Shared>,
}

/// Who sits where, over all processes. Every job has its share of every cohort.
pub fn seats(options: &BenchOptions) -> Vec<Seat> {
    let all = options.connections;
    let mut seats: Vec<Seat> = (0..all).map(|nth| Seat { nth, cohort: Cohort::Healthy }).collect();
    // Each that leaves is back and has settled before it leaves again.
    let churning = (options.churn * 3.0).ceil();
    let churn = if churning > 0.0 { part_of(all, (churning / as_f64(all)).min(0.5)) } else { 0 };
    let cut = if options.mode == Mode::Storm { part_of(all, options.cut) } else { 0 };
    let mut cohorts = [
        (Cohort::Stalled, part_of(all, options.stalled)),
        (Cohort::Slow, part_of(all, options.slow)),
        (Cohort::Churn, churn),
        (Cohort::Storm, cut),
    ];
    let mut left = all;
    for (_, count) in &mut cohorts {
        *count = left.min(*count);
        left -= *count;
    }
    // Whoever is chosen later is spread over what the others left, which matters less to a few.
    cohorts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let order = by_job(all, jobs(options));
    for (cohort, count) in cohorts {
        let free: Vec<usize> =
            order.iter().copied().filter(|at| seats[*at].cohort == Cohort::Healthy).collect();
        for (nth, at) in free.iter().enumerate() {
            if chosen(nth as u64, free.len() as u64, count) {
                seats[*at].cohort = cohort;
            }
        }
    }
    seats
}

/// The seats that go to process, or thread, `turn.0` of `turn.1`: all get their share of every cohort, and of every job in it.
pub fn dealt(options: &BenchOptions, seats: &[Seat], turn: (u64, u64)) -> Vec<Seat> {
    let jobs = jobs(options);
    let mut own = Vec::new();
    // To whom the first goes that is left over when all have equally many.
    let mut next = 0;
    for cohort in Cohort::ALL {
        let mut deck: Vec<Seat> = seats.iter().filter(|seat| seat.cohort == cohort).copied().collect();
        deck.sort_by_key(|seat| (seat.nth % jobs, seat.nth));
        let rounds = deck.len() as u64 / turn.1;
        for (at, seat) in (0..).zip(deck) {
            let (round, place) = (at / turn.1, at % turn.1);
            let begin = if round < rounds { scattered(round) } else { next };
            if (begin + place) % turn.1 == turn.0 {
                own.push(seat);
            }
        }
        next += seats.iter().filter(|seat| seat.cohort == cohort).count() as u64 % turn.1;
    }
    own.sort_by_key(|seat| seat.nth);
    own
}

/// A number that follows no rhythm, so that whoever takes seats by turns has not the turn of one source address only.
fn scattered(round: u64) -> u64 {
    round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Over how many jobs the connections are spread, where each has one.
fn jobs(options: &BenchOptions) -> u64 {
    let has_several = options.place.is_spread() && options.manner.targets() == 1;
    if has_several { options.jobs.min(options.connections).max(1) } else { 1 }
}

/// All seats, those of job 0 first. Each job begins at another of its own, so that what is chosen of all is not what every
/// job opens last.
fn by_job(all: u64, jobs: u64) -> Vec<usize> {
    let of = |job: u64| (all - job).div_ceil(jobs);
    let seats = (0..jobs.min(all)).flat_map(|job| {
        let first = of(job) * job / jobs;
        (0..of(job)).map(move |nth| job + (first + nth) % of(job) * jobs)
    });
    seats.filter_map(|nth| usize::try_from(nth).ok()).collect()
}

impl Crew {
    /// Starts the threads of process `turn.0` of `turn.1`, which takes `seats`.
    pub fn start(
        shared: &Arc<Shared>,
        options: &BenchOptions,
        seats: &[Seat],
        address: SocketAddr,
        turn: (u64, u64),
    ) -> Result<Self, Failure> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let wanted = options
            .threads
            .unwrap_or_else(|| cores.min(threads_for(options, seats.len(), shared.aim.jobs())));
        // Who holds no connections, since others do, needs no thread for them.
        let count = wanted.clamp(1, seats.len().max(1)).min(seats.len());
        let threads_of = count as u64;
        // Beyond the first of each connection, where they are opened again and again.
        let again = options.attempts() - options.connections;
        let again = if seats.is_empty() { 0 } else { part_at(again, turn) };
        shared.unsettled.store(seats.len() as u64 + again, Ordering::Release);
        let at_once = AT_ONCE / usize::try_from(turn.1).unwrap_or(AT_ONCE).max(1);
        // Of all processes together: each has its part of the rate.
        let churning = if turn.1 > 1 { churners(&self::seats(options)) } else { churners(seats) };
        let (sender, seconds) = channel();
        let mut threads = Vec::with_capacity(count);
        for nth in 0..threads_of {
            let own = dealt(options, seats, (nth, threads_of));
            let churn = options.churn * as_f64(churners(&own)) / as_f64(churning.max(1));
            let task = Task {
                mode: options.mode,
                attempts: own.len() as u64 + part_at(again, (nth, threads_of)),
                seats: own,
                connect_rate: options.connect_rate.map(|rate| rate / as_f64(threads_of * turn.1)),
                at_once: (at_once / count).max(1),
                headers: options.headers.clone(),
                manner: options.manner,
                tls: options.tls.clone(),
                sources: options.sources.clone(),
                ports: ports(options),
                slow_rate: slow_rate(options, shared.aim.jobs()),
                churn,
                echo: options.echo,
                // Within the process' own turn, since others may have another number of threads.
                turn: (turn.0 + turn.1 * nth, turn.1 * threads_of),
            };
            let thread = subscriber::spawn(Arc::clone(shared), task, address, sender.clone());
            threads.push(thread.map_err(|error| {
                Failure::new(Exit::Failure, format!("could not start a thread of connections: {error}"))
            })?);
        }
        Ok(Self { threads, seconds, sender, shared: Arc::clone(shared) })
    }

    /// Where others send what they saw.
    pub fn sender(&self) -> Sender<Second> {
        self.sender.clone()
    }

    /// What threads have seen since the last time.
    pub fn seen(&self) -> impl Iterator<Item = Second> + '_ {
        self.seconds.try_iter()
    }

    /// Ends the threads, and gives what they saw.
    pub fn finish(self) -> (Part, Vec<Second>) {
        self.shared.enter(Phase::Over);
        let mut all = Part::default();
        for thread in self.threads {
            all.merge(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        drop(self.sender);
        (all, self.seconds.iter().collect())
    }
}

fn churners(seats: &[Seat]) -> u64 {
    seats.iter().filter(|seat| seat.cohort == Cohort::Churn).count() as u64
}

/// The ports for clients, where connections need a good part of them.
fn ports(options: &BenchOptions) -> Option<(u16, u16)> {
    let (first, last) = client_ports()?;
    let all = u64::from(last.saturating_sub(first)) * options.sources.len().max(1) as u64;
    (options.connections > all / 4).then_some((first, last))
}

/// As few threads as can do it: another one takes its core from a server on the same host.
fn threads_for(options: &BenchOptions, connections: usize, jobs: u64) -> usize {
    let held = match options.mode {
        Mode::Connect | Mode::Storm => connections.div_ceil(OPENED_BY_THREAD),
        _ => connections.div_ceil(HELD_BY_THREAD),
    };
    let part = as_f64(options.manner.targets()) / as_f64(jobs);
    let each = match options.mode {
        Mode::Fanout | Mode::Storm => options.rate * part * as_f64(connections as u64),
        Mode::Echo => options.rate,
        Mode::Connect | Mode::Idle => 0.0,
    };
    let read = usize::try_from(whole((each / READ_BY_THREAD).ceil())).unwrap_or(usize::MAX);
    held.max(read)
}

/// Half of what comes to a connection, unless the user says otherwise.
fn slow_rate(options: &BenchOptions, jobs: u64) -> u64 {
    let size = options.payload_size.unwrap_or(250) as u64;
    let part = as_f64(options.manner.targets()) / as_f64(jobs);
    let usual = options.rate * part * as_f64(size) / 2.0;
    options
        .slow_rate
        .unwrap_or_else(|| part_of(u64::from(u32::MAX), usual / f64::from(u32::MAX)).max(SLOWEST))
}

#[cfg(test)]
mod tests;

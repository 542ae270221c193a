//! The loop of a thread and what it owns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::Duration;

use mio::{Events, Poll, Waker};
use rustix::time::{ClockId, clock_gettime};

use super::conn::{Cohort, Conn};
use super::dial::Dialer;
use super::handshake::Handshake;
use super::inflation::Inflation;
use super::timers::Timers;
use super::{MARGIN, Phase, Shared, Task};
use crate::bench::collect::{Part, Second};
use crate::bench::marker::Seeker;
use crate::bench::summary::Mode;
use crate::bench::timing::Timing;

/// For all connections of a thread together, in bytes.
const READ_BUFFER: usize = 256 << 10;

/// Events of the system that are taken at one time.
const EVENTS: usize = 1024;

/// The longest wait, so that a thread sees how far the run is.
const TICK: Duration = Duration::from_millis(20);

/// The token of what is no connection.
pub(super) const WAKE: mio::Token = mio::Token(usize::MAX);

pub(super) struct Pool {
    pub(super) shared: Arc<Shared>,
    pub(super) task: Task,
    pub(super) dialer: Dialer,
    pub(super) handshake: Handshake,
    pub(super) poll: Poll,
    pub(super) waker: Arc<Waker>,
    pub(super) conns: Vec<Conn>,
    pub(super) buffer: Vec<u8>,
    pub(super) seeker: Seeker,
    pub(super) inflation: Inflation,
    /// Messages need no further look.
    pub(super) is_plain: bool,
    /// Targets of a connection.
    pub(super) targets: u64,
    /// All targets by job, as `/watch` names them; empty without it.
    pub(super) names: Vec<String>,
    pub(super) part: Part,
    /// Delivery latency and misrouted events, by cohort.
    pub(super) delivery: [(Timing, u64); Cohort::ALL.len()],
    /// Connections that are to be opened, by the time for it, the next first.
    pub(super) waiting: BinaryHeap<Reverse<(u64, usize)>>,
    pub(super) opening: usize,
    pub(super) attempts_left: u64,
    pub(super) timers: Timers,
    seconds: Sender<Second>,
    pub(super) second: Second,
    pub(super) timed: Timing,
    pub(super) open: u64,
    pub(super) received: u64,
    pub(super) healthy: u64,
    /// Time of the last reading, by the run's clock.
    pub(super) now: u64,
    /// Measured round trips that were due, whether or not a connection was open for them.
    pub(super) due_trips: u64,
    /// The longest delivery to who reads at once, in nanoseconds.
    pub(super) longest: u64,
    /// One more than the newest event that came to anybody.
    pub(super) newest: u64,
    /// From the first event to the end of the plan, by the run's clock, once that is known.
    span: Option<(u64, u64)>,
    is_draining: bool,
    /// Of the opening before the run: how many, and from when to when.
    opened_at_first: u32,
    first_open: u64,
    last_open: u64,
}

/// What is measured of the thread itself.
enum Watch {
    /// The measured time has not begun.
    Before,
    Since(Busy),
    /// It is over, and written down.
    Over,
}

struct Busy {
    since: u64,
    cpu: Duration,
    /// How long the thread had work and no processor, so far.
    starved: Duration,
    waited: u64,
}

impl Busy {
    fn since(now: u64) -> Self {
        Self { since: now, cpu: thread_cpu(), starved: thread_starved(), waited: 0 }
    }
}

impl Pool {
    pub(super) fn new(
        shared: Arc<Shared>,
        task: Task,
        dialer: Dialer,
        handshake: Handshake,
        seconds: Sender<Second>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let aim = &shared.aim;
        let conns: Vec<Conn> =
            task.seats.iter().map(|seat| Conn::new(seat.nth, aim.first_job(seat.nth), seat.cohort)).collect();
        let names = task.manner.watch.map(|_| (0..aim.jobs()).map(|job| aim.target(job)).collect());
        let mut made = Self {
            timers: Timers::new(&task, &conns),
            attempts_left: task.attempts.saturating_sub(conns.len() as u64),
            poll,
            waker,
            buffer: vec![0; READ_BUFFER],
            seeker: Seeker::new(),
            inflation: Inflation::default(),
            is_plain: task.manner.is_plain(),
            targets: task.manner.targets(),
            names: names.unwrap_or_default(),
            part: Part::default(),
            delivery: Default::default(),
            waiting: BinaryHeap::new(),
            opening: 0,
            seconds,
            second: Second { nth: shared.second(shared.clock.now()), ..Second::default() },
            timed: Timing::new(),
            open: 0,
            received: 0,
            healthy: 0,
            now: shared.clock.now(),
            due_trips: 0,
            longest: 0,
            newest: 0,
            span: None,
            is_draining: false,
            opened_at_first: 0,
            first_open: 0,
            last_open: 0,
            shared,
            task,
            dialer,
            handshake,
            conns,
        };
        for conn in &made.conns {
            made.part.cohort(conn.cohort.as_str()).connections += 1;
        }
        made.part.connections.wanted = made.conns.len() as u64;
        for at in 0..made.conns.len() {
            let due = made.next_opening();
            made.waiting.push(Reverse((due, at)));
        }
        Ok(made)
    }

    pub(super) fn run(mut self) -> Part {
        let mut events = Events::with_capacity(EVENTS);
        let mut watch = Watch::Before;
        loop {
            let phase = self.shared.phase();
            match phase {
                Phase::Over => break,
                Phase::Running => self.go_on(&mut watch),
                // There opening is what is measured.
                Phase::Connecting if self.task.mode == Mode::Connect => self.watch_opening(&mut watch),
                Phase::Connecting => {}
                Phase::Draining => self.end_running(&mut watch),
            }
            self.now = self.shared.clock.now();
            let timeout =
                self.timers.timeout(self.now, self.waiting.peek().map(|Reverse((due, _))| *due), TICK);
            let timeout = if self.opening < self.task.at_once { timeout } else { timeout.max(TICK / 20) };
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                self.fail_all(&error);
                break;
            }
            let before = self.now;
            self.now = self.shared.clock.now();
            if let Watch::Since(busy) = &mut watch {
                busy.waited += self.now - before;
            }
            // What the last turn read belongs to its second, what this one reads to the one that may begin now.
            self.roll();
            for event in &events {
                if event.token() != WAKE {
                    self.ready(event.token().0, event.is_writable(), event.is_read_closed());
                }
            }
            self.on_time(phase);
        }
        self.settle(&mut watch);
        self.finish()
    }

    /// Adds what has been counted to what others see, and ends the second when it is over.
    fn roll(&mut self) {
        if self.received > 0 {
            self.shared.received.fetch_add(self.received, Ordering::Relaxed);
            self.shared.healthy.fetch_add(self.healthy, Ordering::Relaxed);
            self.second.received += self.received;
            (self.received, self.healthy) = (0, 0);
        }
        let nth = self.shared.second(self.now);
        if nth > self.second.nth {
            self.end_second(nth);
        }
    }

    fn end_second(&mut self, next: u64) {
        let mut second = std::mem::replace(&mut self.second, Second { nth: next, ..Second::default() });
        second.connections = Some(self.open);
        if !self.timed.is_empty() {
            second.timed = Some(std::mem::take(&mut self.timed));
        }
        // Whoever collected is gone only when the run is.
        let _ = self.seconds.send(second);
    }

    /// Watches the thread itself from the first event to the last: what it idles before and after would make it look idle.
    fn go_on(&mut self, watch: &mut Watch) {
        let span = *self.span.get_or_insert_with(|| {
            self.timers.begin(&self.shared, &self.task, &self.waker, self.now);
            let start = self.shared.start.load(Ordering::Acquire);
            (start, start + self.shared.plan.length())
        });
        match watch {
            Watch::Before if self.now >= span.0 => *watch = Watch::Since(Busy::since(self.now)),
            Watch::Since(_) if self.now >= span.1 => self.settle(watch),
            _ => {}
        }
    }

    fn watch_opening(&mut self, watch: &mut Watch) {
        let is_over = self.shared.unsettled.load(Ordering::Acquire) == 0;
        match watch {
            Watch::Before => *watch = Watch::Since(Busy::since(self.now)),
            Watch::Since(_) if is_over => self.settle(watch),
            _ => {}
        }
    }

    /// The measured time is over: what was due in it goes out, and what was measured of the thread is written down.
    fn end_running(&mut self, watch: &mut Watch) {
        if !self.is_draining {
            self.is_draining = true;
            self.now = self.shared.clock.now();
            self.timers.end();
            if self.task.mode == Mode::Echo {
                self.send_round_trips();
            }
        }
        self.settle(watch);
    }

    fn settle(&mut self, watch: &mut Watch) {
        let Watch::Since(Busy { since, cpu, starved, waited }) = std::mem::replace(watch, Watch::Over) else {
            return;
        };
        let wall = Duration::from_nanos(self.now.saturating_sub(since)).as_secs_f64();
        if wall > 0.0 {
            self.part.busy = (1.0 - Duration::from_nanos(waited).as_secs_f64() / wall).max(0.0);
            let used = thread_cpu().saturating_sub(cpu);
            self.part.busiest_thread_share = used.as_secs_f64() / wall;
            // A thread that is woken up and gets no processor seems to wait for the network.
            self.part.starved = thread_starved().saturating_sub(starved).as_secs_f64() / wall;
        }
    }

    /// When the run ends: what is open is counted, and every account closed.
    fn finish(mut self) -> Part {
        self.now = self.shared.clock.now();
        self.roll();
        self.end_second(self.second.nth + 1);
        let published = self.shared.published.load(Ordering::Acquire);
        let start = self.shared.start.load(Ordering::Acquire);
        let is_cut_short = self.shared.cut_short.load(Ordering::Acquire);
        let published = if is_cut_short { published.min(self.arrived_by_now(start)) } else { published };
        self.close_all_accounts(published, is_cut_short);
        for (cohort, (delivery, misrouted)) in Cohort::ALL.into_iter().zip(std::mem::take(&mut self.delivery))
        {
            if delivery.is_empty() && misrouted == 0 {
                continue;
            }
            let part = self.part.cohort(cohort.as_str());
            part.delivery = delivery;
            part.misrouted = misrouted;
        }
        let lasted = Duration::from_nanos(self.last_open.saturating_sub(self.first_open)).as_secs_f64();
        // Those that came back later were not part of it.
        self.part.connections.rate =
            if lasted > 0.0 { f64::from(self.opened_at_first) / lasted } else { 0.0 };
        let under_way = if is_cut_short { self.trips_under_way() } else { 0 };
        self.part.round_trip.lost = self.due_trips.saturating_sub(self.part.round_trip.received + under_way);
        self.take_leave();
        self.part
    }

    /// Measured round trips whose answers may still come.
    fn trips_under_way(&self) -> u64 {
        let since = self.now.saturating_sub(self.longest.saturating_add(MARGIN));
        let measured_from = self.shared.plan.measured_from;
        let is_under_way = |(seq, due): &&(u64, u64)| *seq >= measured_from && *due >= since;
        self.conns.iter().map(|conn| conn.pings.iter().filter(is_under_way).count() as u64).sum()
    }

    /// One more is open.
    pub(super) fn opened(&mut self, at: usize) {
        self.open += 1;
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        self.part.connections.opened += 1;
        self.part.connections.peak = self.part.connections.peak.max(self.open);
        if self.first_open == 0 {
            self.first_open = self.conns[at].due.min(self.now);
        }
        if self.shared.phase() == Phase::Connecting {
            self.last_open = self.now;
            self.opened_at_first += 1;
        }
        self.start_accounts(at);
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long this thread has been ready to run and did not; nothing where the system does not tell.
fn thread_starved() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok())
        .map_or(Duration::ZERO, Duration::from_nanos)
}

//! The connections: threads with an event loop each, which own theirs outright.
//!
//! A thread has one large read buffer for all of its connections; a connection keeps bytes only where a frame has come in
//! part, in its decoder. Threads see nothing of each other but a few counters ([`Shared`]).

mod accounts;
mod clocked;
mod conn;
mod dial;
mod handshake;
mod heading;
mod inflation;
mod messages;
mod open;
mod pool;
mod read;
mod stream;
mod timers;

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use rustls::pki_types::ServerName;
use url::{Host, Url};

pub use self::conn::Cohort;
use self::dial::{Dialer, Ports};
use self::handshake::Handshake;
use self::pool::Pool;
use super::account::Course;
use super::aim::Aim;
use super::clock::Clock;
use super::collect::{Part, Second};
use super::manner::Manner;
use super::marker::MAX_SEQ;
use super::options::EchoBy;
use super::plan::Plan;
use super::summary::Mode;
use super::unpublished::Unpublished;
use crate::net::NetError;
use crate::net::tls::Tls;

/// The sequence number of the event that checks the way before a run.
pub const PROBE: u64 = MAX_SEQ;

/// Around the moment at which a connection opens or ends during the run, what is published then may reach it or not; it
/// counts as due only from so many nanoseconds on either side, and before an end as many more as deliveries have taken.
pub const MARGIN: u64 = 500_000_000;

/// How far the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Connections are opened.
    Connecting = 0,
    /// Events are published, or whatever the mode does.
    Running = 1,
    /// Nothing is published any more; what is under way arrives.
    Draining = 2,
    /// Threads end.
    Over = 3,
}

/// What all threads see.
#[derive(Debug)]
pub struct Shared {
    /// The clock of the run.
    pub clock: Clock,
    /// When the run began, by its clock.
    pub begin: u64,
    /// What is watched.
    pub aim: Aim,
    /// What will be published.
    pub plan: Plan,
    /// The run's own number, in every mark.
    pub run: u32,
    phase: AtomicU8,
    /// When event 0 is due; 0: not known yet.
    pub start: AtomicU64,
    /// When the storm cuts; 0: never.
    pub storm_at: AtomicU64,
    /// Events published so far.
    pub published: AtomicU64,
    /// Of these, what could not be published after all.
    pub unpublished: Unpublished,
    /// Connections that are open.
    pub open: AtomicU64,
    /// Attempts that are still to succeed or to fail.
    pub unsettled: AtomicU64,
    /// Deliveries or answers received.
    pub received: AtomicU64,
    /// Of these, what the healthy, and those that resume, got of the measured events.
    pub healthy: AtomicU64,
    /// Connections that were ended from here and are not back yet.
    pub away: AtomicU64,
    /// Connections that failed or ended early.
    pub errors: AtomicU64,
    /// Somebody ended the run: what is under way is waited for no longer.
    pub cut_short: AtomicBool,
    /// Time of sending, by the run's clock, of the newest probe that has arrived; 0: none has arrived.
    pub probed: AtomicU64,
    /// The first failure of TLS, or the first answer to an upgrade that refused it.
    pub refusal: OnceLock<NetError>,
}

impl Shared {
    /// At the beginning of a run.
    pub fn new(clock: Clock, aim: Aim, plan: Plan, run: u32) -> Self {
        Self {
            clock,
            begin: clock.now(),
            aim,
            plan,
            run,
            phase: AtomicU8::new(Phase::Connecting as u8),
            start: AtomicU64::new(0),
            storm_at: AtomicU64::new(0),
            published: AtomicU64::new(0),
            unpublished: Unpublished::default(),
            open: AtomicU64::new(0),
            unsettled: AtomicU64::new(0),
            received: AtomicU64::new(0),
            healthy: AtomicU64::new(0),
            away: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            cut_short: AtomicBool::new(false),
            probed: AtomicU64::new(0),
            refusal: OnceLock::new(),
        }
    }

    /// Tells the threads how far the run is.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// How far the run is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Connecting,
            1 => Phase::Running,
            2 => Phase::Draining,
            _ => Phase::Over,
        }
    }

    /// Which second of the run it is.
    pub fn second(&self, now: u64) -> u64 {
        now.saturating_sub(self.begin) / 1_000_000_000
    }
}

/// The events of a job.
struct OfJob<'a> {
    shared: &'a Shared,
    job: u64,
}

impl Course for OfJob<'_> {
    fn is_conflatable(&self, nth: u64) -> bool {
        self.shared.plan.is_conflatable(nth)
    }

    fn is_unpublished(&self, nth: u64) -> bool {
        self.shared.unpublished.contains(self.shared.plan.seq(self.job, nth))
    }
}

/// One connection to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// Its number over all threads and processes.
    pub nth: u64,
    /// How it behaves.
    pub cohort: Cohort,
}

/// What a thread is to do.
#[derive(Debug, Clone)]
pub struct Task {
    /// What the load is.
    pub mode: Mode,
    /// Its connections.
    pub seats: Vec<Seat>,
    /// Attempts in all, where connections are opened again and again; otherwise one each.
    pub attempts: u64,
    /// How many it opens a second.
    pub connect_rate: Option<f64>,
    /// How many it opens at one time.
    pub at_once: usize,
    /// Headers of the user's own.
    pub headers: Vec<(String, String)>,
    /// How its connections subscribe.
    pub manner: Manner,
    /// TLS settings of the connections, such as the certificates that are trusted.
    pub tls: Tls,
    /// Source addresses.
    pub sources: Vec<IpAddr>,
    /// First and last of the ports that are chosen here; `None`: the system chooses.
    pub ports: Option<(u16, u16)>,
    /// Bytes a second that a slow connection reads.
    pub slow_rate: u64,
    /// Connections a second that leave and come back.
    pub churn: f64,
    /// Round trips by what.
    pub echo: EchoBy,
    /// `(index, count)` of this thread among the threads of all processes. It sends round trips index, index + count,
    /// index + 2 × count, …
    pub turn: (u64, u64),
}

/// Finds out where to connect, once for all threads.
pub fn resolve(server: &Url, sources: &[IpAddr]) -> io::Result<SocketAddr> {
    let port = server.port_or_known_default().unwrap_or(80);
    let found: Vec<SocketAddr> = match server.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, port).into()],
        Some(Host::Domain(name)) => (name, port).to_socket_addrs()?.collect(),
        None => Vec::new(),
    };
    // A socket that is bound to an address of one family connects to no other.
    let fits = |address: &&SocketAddr| sources.iter().all(|source| source.is_ipv4() == address.is_ipv4());
    // Names of this machine mostly have both, and most servers listen on the first of the older.
    let found = found.iter().filter(fits).min_by_key(|address| address.is_ipv6()).copied();
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address of that family"))
}

/// Starts a thread; it ends at [`Phase::Over`] and hands over what it saw.
pub fn spawn(
    shared: Arc<Shared>,
    task: Task,
    address: SocketAddr,
    seconds: Sender<Second>,
) -> io::Result<JoinHandle<Part>> {
    let server = shared.aim.server();
    let tls = if matches!(server.scheme(), "wss" | "https") {
        let config = task.tls.config().map_err(io::Error::other)?;
        let name =
            ServerName::try_from(server.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned());
        Some((config, name.map_err(io::Error::other)?))
    } else {
        None
    };
    let ports = task.ports.map(|range| Ports::new(range, task.turn, shared.run));
    let dialer = Dialer { address, sources: task.sources.clone(), ports, tls };
    let handshake = Handshake::new(server, &task.headers, task.manner);
    let pool = Pool::new(shared, task, dialer, handshake, seconds)?;
    std::thread::Builder::new().name("bench".into()).spawn(move || pool.run())
}

//! From a seat to an open connection, and to the end of it.

use std::cmp::Reverse;
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::Phase;
use super::conn::{Cohort, Conn, Stage, reason};
use super::handshake::{Agreed, Answer, Caller};
use super::pool::Pool;
use super::read::MAX_MESSAGE;
use super::stream::EventStream;
use crate::bench::aim::Visit;
use crate::bench::collect::{count_close, count_failure};
use crate::bench::summary::Mode;
use crate::net::tls::problem_of;
use crate::net::{self, NetError};
use crate::wire::websocket::Role;

/// For a server to end all connections when the run is over, in nanoseconds.
const LEAVE_TIMEOUT: u64 = 1_000_000_000;

/// Wait before another attempt of a connection that was cut, in a run without --resume, in nanoseconds.
const RETRY: u64 = 100_000_000;

/// From the first packet to the end of the upgrade, in nanoseconds.
const OPEN_TIMEOUT: u64 = 10_000_000_000;

impl Pool {
    /// When the next connection may begin: by the rate, or at once.
    pub(super) fn next_opening(&mut self) -> u64 {
        self.timers.next_opening(self.task.connect_rate, self.shared.clock.now())
    }

    /// Opens what is due, as many at one time as is allowed.
    pub(super) fn open_due(&mut self) {
        while self.opening < self.task.at_once
            && let Some(&Reverse((due, at))) = self.waiting.peek()
            && due <= self.now
        {
            self.waiting.pop();
            self.begin(at, due);
        }
    }

    fn begin(&mut self, at: usize, due: u64) {
        if self.conns[at].stage == Stage::Open {
            self.leave(at);
        }
        self.part.connections.attempts += 1;
        let conn = &mut self.conns[at];
        // Without a rate there is no intention but to begin when it is its turn.
        conn.due = if self.task.connect_rate.is_some() { due } else { self.shared.clock.now() };
        conn.since = self.shared.clock.now();
        conn.is_new = true;
        self.opening += 1;
        let dialed = self.dialer.dial(conn.nth, conn.cohort.is_held_back()).and_then(|stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut SourceFd(&stream.socket.as_raw_fd()), Token(at), both)?;
            Ok(stream)
        });
        match dialed {
            Ok(stream) => {
                conn.stream = Some(stream);
                conn.stage = Stage::Tcp;
            }
            Err(error) => self.fail(at, "local", None, &reason(&error)),
        }
    }

    /// A socket can be read or written.
    pub(super) fn ready(&mut self, at: usize, writable: bool, ended: bool) {
        let Some(conn) = self.conns.get_mut(at) else { return };
        conn.has_ended |= ended;
        match conn.stage {
            Stage::Closed => {}
            Stage::Tcp => self.connected(at),
            Stage::Tls => self.shake_hands(at),
            Stage::Upgrade => self.upgrade(at),
            Stage::Watching | Stage::Open => {
                if writable && let Err(error) = conn.flush() {
                    return self.ended(at, None, &reason(&error));
                }
                // Whoever is slow comes to the end in its time; whoever is stalled looks what the end was.
                let is_read = match self.conns[at].cohort {
                    _ if self.conns[at].stage == Stage::Watching => true,
                    Cohort::Slow => false,
                    Cohort::Stalled => ended,
                    _ => true,
                };
                if is_read {
                    self.read(at, usize::MAX);
                }
            }
        }
    }

    fn connected(&mut self, at: usize) {
        let conn = &mut self.conns[at];
        let Some(stream) = &conn.stream else { return };
        match stream.socket.take_error() {
            Ok(Some(error)) | Err(error) => return self.fail(at, "tcp", None, &reason(&error)),
            Ok(None) if stream.socket.peer_addr().is_err() => return,
            Ok(None) => {}
        }
        let now = self.shared.clock.now();
        self.part.connect_time.tcp.record(Duration::from_nanos(now - conn.since));
        conn.since = now;
        conn.stage = Stage::Tls;
        self.shake_hands(at);
    }

    fn shake_hands(&mut self, at: usize) {
        let conn = &mut self.conns[at];
        let Some(stream) = &mut conn.stream else { return };
        let has_tls = !stream.is_plain();
        match stream.shake_hands() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => return self.no_tls(at, &error),
            Ok(()) => {}
        }
        let now = self.shared.clock.now();
        if has_tls {
            self.part.connect_time.tls.record(Duration::from_nanos(now - conn.since));
        }
        conn.since = now;
        conn.stage = Stage::Upgrade;
        let aim = &self.shared.aim;
        let visit = Visit { conn: conn.nth, job: conn.job, since: conn.since() };
        let caller = Caller { conn: conn.nth, job: aim.job(conn.job) };
        let request = self.handshake.request(&aim.path(visit), caller);
        match conn.send(&request) {
            Ok(()) => self.upgrade(at),
            Err(error) => self.fail(at, "upgrade", None, &reason(&error)),
        }
    }

    /// Reads the answer to the upgrade, as far as it is there.
    fn upgrade(&mut self, at: usize) {
        let mut chunk = [0; 4096];
        loop {
            let conn = &mut self.conns[at];
            let Some(stream) = &mut conn.stream else { return };
            let ended = match stream.read(&mut chunk) {
                Ok(read) => {
                    conn.kept.extend_from_slice(&chunk[..read]);
                    read == 0
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Err(error) = conn.flush() {
                        self.fail(at, "upgrade", None, &reason(&error));
                    }
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return self.fail(at, "upgrade", None, &reason(&error)),
            };
            let aim = &self.shared.aim;
            let caller = Caller { conn: conn.nth, job: aim.job(conn.job) };
            let path = || aim.path(Visit { conn: conn.nth, job: conn.job, since: None });
            match self.handshake.answer(&conn.kept, ended, caller, path) {
                Answer::Partial => {}
                Answer::Broken(status, why) => return self.fail(at, "upgrade", status, &why),
                Answer::Refused(error) => return self.refused(at, *error),
                Answer::Open(head, agreed) => {
                    conn.kept.drain(..head);
                    return self.upgraded(at, agreed);
                }
            }
        }
    }

    fn no_tls(&mut self, at: usize, error: &io::Error) {
        let problem = problem_of(error);
        let why = problem.as_ref().map_or_else(|| reason(error), ToString::to_string);
        self.fail(at, "tls", None, &why);
        if let Some(problem) = problem {
            let address = net::address(self.shared.aim.server());
            let _ = self.shared.refusal.set(NetError::Tls { address, problem });
        }
    }

    /// The server answered with a status that is no upgrade.
    fn refused(&mut self, at: usize, error: NetError) {
        let status = match error {
            NetError::Status { status, .. } => Some(status),
            _ => None,
        };
        self.fail(at, "upgrade", status, &net::answer::reason(&error));
        let _ = self.shared.refusal.set(error);
    }

    fn upgraded(&mut self, at: usize, agreed: Agreed) {
        let now = self.shared.clock.now();
        self.now = now;
        let conn = &mut self.conns[at];
        self.part.connect_time.upgrade.record(Duration::from_nanos(now - conn.since));
        conn.since = now;
        match agreed {
            Agreed::Socket { deflates } if self.task.manner.deflate => {
                conn.extra.get_or_insert_default().deflates = deflates;
                let deflate = self.part.subscribing.deflate.get_or_insert_default();
                *if deflates { &mut deflate.agreed } else { &mut deflate.declined } += 1;
            }
            Agreed::Socket { .. } => {}
            Agreed::Stream(body) => {
                conn.extra.get_or_insert_default().stream = Some(EventStream::new(body, MAX_MESSAGE));
            }
        }
        let visit = Visit { conn: conn.nth, job: conn.job, since: conn.since() };
        let greeting = self.shared.aim.greeting(visit);
        if self.task.manner.watch.is_some() {
            conn.stage = Stage::Watching;
            self.hold_accounts(at);
        } else {
            self.is_open(at);
        }
        if let Some(greeting) = greeting
            && let Err(error) = self.conns[at].send(&Role::Client.text(greeting.as_bytes()))
        {
            return self.ended(at, None, &reason(&error));
        }
        // Messages may have come behind the answer, and then no further event tells of them.
        if self.conns[at].cohort != Cohort::Stalled || self.conns[at].stage == Stage::Watching {
            self.read(at, usize::MAX);
        }
    }

    /// A connection gets from now on what it subscribed to.
    pub(super) fn is_open(&mut self, at: usize) {
        let now = self.now;
        let conn = &mut self.conns[at];
        let total = Duration::from_nanos(now.saturating_sub(conn.due));
        self.part.connect_time.total.record(total);
        conn.stage = Stage::Open;
        self.opening -= 1;
        conn.is_back();
        if let Some(cut) = conn.cut.take() {
            let took = Duration::from_nanos(now.saturating_sub(cut));
            self.part.reconnect.back += 1;
            self.shared.away.fetch_sub(1, Ordering::AcqRel);
            self.part.reconnect.time.record(took);
            let seconds = took.as_secs_f64();
            let last = self.part.reconnect.all_back_seconds.get_or_insert(0.0);
            *last = last.max(seconds);
        } else {
            self.settled();
        }
        if self.task.mode == Mode::Connect {
            self.timed.record(total);
            self.received += 1;
        }
        self.opened(at);
        self.queue_again(at);
    }

    fn settled(&mut self) {
        self.shared.unsettled.fetch_sub(1, Ordering::AcqRel);
    }

    /// An attempt came to nothing.
    pub(super) fn fail(&mut self, at: usize, step: &str, status: Option<u16>, why: &str) {
        let is_return = self.conns[at].cut.is_some();
        if is_return && self.task.manner.resume {
            self.part.reconnect.failed += 1;
        } else {
            count_failure(&mut self.part.connections.failures, step, status, why, 1);
            self.part.connections.failed += 1;
        }
        self.note_error();
        self.opening -= 1;
        drop(self.conns[at].clear());
        if is_return {
            return self.try_again(at);
        }
        self.settled();
        self.queue_again(at);
    }

    /// Where there are more attempts than places, the place waits for its next turn; its connection stays until then.
    fn queue_again(&mut self, at: usize) {
        if self.attempts_left > 0 && self.task.mode == Mode::Connect {
            self.attempts_left -= 1;
            let due = self.next_opening();
            self.waiting.push(Reverse((due, at)));
        }
    }

    /// Those that were not open in time have failed.
    pub(super) fn give_up_late(&mut self) {
        for at in 0..self.conns.len() {
            let conn = &self.conns[at];
            let is_opening = !matches!(conn.stage, Stage::Closed | Stage::Open);
            if is_opening && self.now.saturating_sub(conn.since) > OPEN_TIMEOUT {
                let step = conn.stage.step();
                self.fail(at, step, None, "no answer within 10 s");
            }
        }
    }

    /// An open connection ended although nobody here ended it.
    pub(super) fn ended(&mut self, at: usize, code: Option<u16>, why: &str) {
        if self.conns[at].stage == Stage::Watching {
            let code = code.map(|code| format!("closed with {code}: ")).unwrap_or_default();
            return self.fail(at, Stage::Watching.step(), None, &format!("{code}{why}"));
        }
        count_close(&mut self.part.connections.closed_early, code, why, 1);
        self.note_error();
        if self.comes_back(at, code) {
            self.keep_accounts(at);
            self.gone(at);
            drop(self.conns[at].clear());
            self.part.reconnect.dropped += 1;
            return self.is_away(at);
        }
        let resumes = self.task.manner.resume && self.conns[at].returns();
        if self.conns[at].cohort == Cohort::Healthy || resumes {
            // Its account stays open to the end of the run.
            self.conns[at].was_dropped = true;
        } else {
            self.account_until_now(at);
        }
        self.gone(at);
        drop(self.conns[at].clear());
    }

    /// Whether a connection that the server ended is to come back, as a client would that has a cursor: during the run, and
    /// unless the server refuses it for good.
    fn comes_back(&self, at: usize, code: Option<u16>) -> bool {
        let is_refused = code.is_some_and(|code| (4000..5000).contains(&code));
        let is_run = matches!(self.shared.phase(), Phase::Running | Phase::Draining);
        is_run && !is_refused && self.keeps_cursor(at)
    }

    /// Whether a connection keeps its cursor. A connection that reads nothing has none.
    pub(super) fn keeps_cursor(&self, at: usize) -> bool {
        self.task.manner.resume && self.conns[at].cohort != Cohort::Stalled
    }

    /// A connection that the server ended waits for its return.
    fn is_away(&mut self, at: usize) {
        self.conns[at].cut = Some(self.now);
        self.shared.away.fetch_add(1, Ordering::AcqRel);
        self.try_again(at);
    }

    /// Queues another attempt of a connection that is to come back; the pause keeps a dead server from being stormed.
    fn try_again(&mut self, at: usize) {
        let pause = if self.task.manner.resume { self.conns[at].pause() } else { RETRY };
        self.waiting.push(Reverse((self.now + pause, at)));
    }

    /// Ends a connection from here and queues it to come back.
    pub(super) fn leave_and_return(&mut self, at: usize) {
        self.leave(at);
        self.conns[at].cut = Some(self.now);
        self.part.reconnect.cut += 1;
        self.shared.away.fetch_add(1, Ordering::AcqRel);
        self.waiting.push(Reverse((self.now, at)));
    }

    /// Ends a connection from here. A cut is abrupt; leaving says so first.
    fn leave(&mut self, at: usize) {
        let is_cut = self.conns[at].cohort == Cohort::Storm;
        if !is_cut && self.task.manner.transport.is_ws() {
            // If it cannot be written the connection ends all the same.
            let _ = self.conns[at].send(&Role::Client.close(1000, ""));
        }
        self.suspend_accounts(at);
        self.gone(at);
        if let Some(stream) = self.conns[at].clear() {
            // No socket of this side is left waiting, or it would hold its port for a minute.
            let _ = stream.socket.set_linger(Some(Duration::ZERO));
        }
    }

    /// Takes leave of the server, which then ends the connections: whoever ends one holds its port for a minute, and the
    /// next run needs them. Those that it has not ended in time are cut.
    pub(super) fn take_leave(&mut self) {
        let close = Role::Client.close(1000, "");
        let mut left = 0_u32;
        // An event stream has no word for it: it is cut.
        let says_so = self.task.manner.transport.is_ws();
        for conn in self.conns.iter_mut().filter(|conn| says_so && conn.stage == Stage::Open) {
            left += u32::from(conn.cohort != Cohort::Stalled && conn.send(&close).is_ok());
        }
        let until = self.shared.clock.now() + LEAVE_TIMEOUT;
        let mut events = mio::Events::with_capacity(1024);
        while left > 0 {
            let now = self.shared.clock.now();
            let polled = self.poll.poll(&mut events, Some(Duration::from_nanos(until.saturating_sub(now))));
            if now >= until || polled.is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
                break;
            }
            for event in &events {
                left = left.saturating_sub(u32::from(self.has_left(event.token().0)));
            }
        }
        for stream in self.conns.iter_mut().filter_map(Conn::clear) {
            // If it cannot be set the port is held for a while, and that is all.
            let _ = stream.socket.set_linger(Some(Duration::ZERO));
        }
    }

    /// Reads what still comes, which no longer counts; whether the server has ended the connection.
    fn has_left(&mut self, at: usize) -> bool {
        let Some(conn) = self.conns.get_mut(at).filter(|conn| conn.cohort != Cohort::Stalled) else {
            return false;
        };
        let Some(stream) = conn.stream.as_mut().filter(|_| conn.stage == Stage::Open) else { return false };
        loop {
            match stream.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        drop(conn.clear());
        true
    }

    fn gone(&mut self, at: usize) {
        debug_assert_eq!(self.conns[at].stage, Stage::Open, "only what is open can go");
        self.open -= 1;
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn note_error(&mut self) {
        self.second.errors += 1;
        self.shared.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The system no longer tells what happens to sockets: nothing can go on.
    pub(super) fn fail_all(&mut self, error: &io::Error) {
        for at in 0..self.conns.len() {
            match self.conns[at].stage {
                Stage::Watching | Stage::Open => self.ended(at, None, &reason(error)),
                Stage::Closed => {}
                _ => self.fail(at, "local", None, &reason(error)),
            }
        }
    }
}

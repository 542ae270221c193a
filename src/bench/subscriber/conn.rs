//! One connection: small, since there are tens of thousands.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::time::Duration;

use super::stream::EventStream;
use crate::bench::account::Account;
use crate::net::backoff::Backoff;
use crate::wire::stream::Stream;
use crate::wire::websocket::Decoder;

/// What a client owes a server that does not read, at most, in bytes; then it hangs up.
const MAX_OUT: usize = 64 << 10;

/// The first wait before a connection that the server ended comes back, and the longest.
const RETURN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cohort {
    /// It reads what comes.
    Healthy,
    /// It reads slowly.
    Slow,
    /// It never reads.
    Stalled,
    /// It leaves and comes back.
    Churn,
    /// It is cut by the storm and comes back.
    Storm,
}

impl Cohort {
    /// All of them, `Healthy` first.
    pub const ALL: [Self; 5] = [Self::Healthy, Self::Slow, Self::Stalled, Self::Churn, Self::Storm];

    /// As reports name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Stalled => "stalled",
            Self::Churn => "churn",
            Self::Storm => "storm",
        }
    }

    /// Whether its socket is read only when a timer says so, or never.
    pub(super) const fn is_held_back(self) -> bool {
        matches!(self, Self::Slow | Self::Stalled)
    }
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for its turn, or has come to its end.
    Closed,
    Tcp,
    Tls,
    Upgrade,
    /// It waits for all of its targets to be watched.
    Watching,
    Open,
}

impl Stage {
    /// The step that fails at this stage, as reports name it.
    pub(super) const fn step(self) -> &'static str {
        match self {
            Self::Closed => "local",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Upgrade | Self::Open => "upgrade",
            Self::Watching => "watch",
        }
    }

    /// Whether messages are read.
    pub(super) const fn is_live(self) -> bool {
        matches!(self, Self::Watching | Self::Open)
    }
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) stream: Option<Stream>,
    pub(super) stage: Stage,
    pub(super) cohort: Cohort,
    /// The server writes no more: what it wrote last, and the end behind it, make no further event of the system.
    pub(super) has_ended: bool,
    /// The server ended it although it was healthy: what it no longer gets is lost to it.
    pub(super) was_dropped: bool,
    /// It waits for its first message.
    pub(super) is_new: bool,
    /// Its number over all threads and processes.
    pub(super) nth: u64,
    /// Its job, or the first of them.
    pub(super) job: u64,
    /// When it was meant to begin, by the run's clock.
    pub(super) due: u64,
    /// When its present stage began.
    pub(super) since: u64,
    /// Pings, or texts, that are not answered yet: sequence number and intended time.
    pub(super) pings: VecDeque<(u64, u64)>,
    /// When it was cut, if it was and is not back yet.
    pub(super) cut: Option<u64>,
    /// The first event that its last accounts did not expect, where it is to come back.
    pub(super) left: Option<u64>,
    /// The answer to the upgrade as far as it is there, and then frames that came with it until they are looked at.
    pub(super) kept: Vec<u8>,
    /// What is incomplete of frames and messages.
    pub(super) decoder: Decoder,
    /// What the socket has not taken yet.
    out: Vec<u8>,
    /// The account of its first target.
    account: Account,
    /// `None` as long as nothing is in it.
    pub(super) extra: Option<Box<Extra>>,
}

/// What only a connection has that does not subscribe plainly.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// The event stream, where it is one.
    pub(super) stream: Option<EventStream>,
    /// The last cursor; empty: none has come.
    pub(super) cursor: String,
    /// The server may compress.
    pub(super) deflates: bool,
    /// Its accounts go on when it is back, since it resumes from the cursor.
    pub(super) resumes: bool,
    /// The server told a gap: the state comes next, which may be known already.
    pub(super) expects_state: bool,
    /// Waits between attempts to come back, while it does.
    backoff: Option<Backoff>,
    /// The accounts of the targets behind the first.
    accounts: Vec<Account>,
}

impl Conn {
    pub(super) fn new(nth: u64, job: u64, cohort: Cohort) -> Self {
        Self {
            stream: None,
            stage: Stage::Closed,
            cohort,
            has_ended: false,
            was_dropped: false,
            is_new: true,
            nth,
            job,
            due: 0,
            since: 0,
            pings: VecDeque::new(),
            cut: None,
            left: None,
            kept: Vec::new(),
            decoder: Decoder::new(),
            out: Vec::new(),
            account: Account::default(),
            extra: None,
        }
    }

    /// The account of its target number `slot`.
    pub(super) fn account_mut(&mut self, slot: u64) -> &mut Account {
        let Some(further) = slot.checked_sub(1).and_then(|further| usize::try_from(further).ok()) else {
            return &mut self.account;
        };
        let accounts = &mut self.extra.get_or_insert_default().accounts;
        if accounts.len() <= further {
            accounts.resize_with(further + 1, Account::default);
        }
        &mut accounts[further]
    }

    /// Whether the server may compress what it sends.
    pub(super) fn deflates(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.deflates)
    }

    /// Whether it may be ended from here and come back.
    pub(super) const fn returns(&self) -> bool {
        matches!(self.cohort, Cohort::Churn | Cohort::Storm)
    }

    /// Whether it has a cursor to come back with.
    pub(super) fn can_resume(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| !extra.cursor.is_empty())
    }

    /// Whether its accounts went on when it was ended last.
    pub(super) fn resumes(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.resumes)
    }

    /// The cursor to come back with.
    pub(super) fn since(&self) -> Option<&str> {
        let extra = self.extra.as_ref().filter(|extra| extra.resumes && !extra.cursor.is_empty());
        extra.map(|extra| extra.cursor.as_str())
    }

    /// Wait before the next attempt to come back, in nanoseconds.
    pub(super) fn pause(&mut self) -> u64 {
        let new = || Backoff::new(RETURN.0, RETURN.1);
        let backoff = self.extra.get_or_insert_default().backoff.get_or_insert_with(new);
        u64::try_from(backoff.next(rand::random()).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Makes the next wait a short one again, since the connection is back.
    pub(super) fn is_back(&mut self) {
        if let Some(extra) = &mut self.extra {
            extra.backoff = None;
        }
    }

    /// Writes, or keeps what the socket does not take for when it does.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.out.len() + bytes.len() > MAX_OUT {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "the server does not read"));
        }
        self.out.extend_from_slice(bytes);
        self.flush()
    }

    /// Writes what is still to be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        while !self.out.is_empty() {
            match stream.write(&self.out) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.out.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // Nothing is owed most of the time, and then no memory is either.
        self.out = Vec::new();
        match stream.flush() {
            // TLS keeps it until the socket can be written.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// Forgets the socket and what was half read; accounts and cursor stay.
    pub(super) fn clear(&mut self) -> Option<Stream> {
        self.stage = Stage::Closed;
        self.has_ended = false;
        self.pings = VecDeque::new();
        self.kept = Vec::new();
        self.decoder = Decoder::new();
        self.out = Vec::new();
        if let Some(extra) = &mut self.extra {
            extra.stream = None;
        }
        self.stream.take()
    }
}

/// What the system said, without the number behind it.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

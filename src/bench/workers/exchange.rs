//! What is written to and read from Redis.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::{Commands as _, RedisError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Call, Report, State, Ticket};
use crate::bench::clock::Clock;
use crate::broker::{BlockingRedis, BrokerError};
use crate::exit::{Exit, Failure};

/// The list from which idle workers of other hosts take their calls.
const CALLS: &str = "jobwire:bench:calls";

/// Whatever a run left behind is gone after this, in seconds.
const EXPIRY: i64 = 3600;

/// A coordinator that gave no sign of life for so long is gone, in seconds.
const ALIVE: u64 = 10;

/// Readings of the clock; the quickest is the best.
const READINGS: u32 = 15;

/// A Redis that answers nothing for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often an idle worker looks for a call.
const LOOK: Duration = Duration::from_millis(100);

/// Calls that nobody took are gone after this, in seconds.
const UNTAKEN: i64 = 60;

/// An idle worker's wait for a call.
pub struct Waiting {
    connection: BlockingRedis,
    list: String,
    /// Where it is of one run alone.
    run: Option<u32>,
}

impl Waiting {
    /// Waits for calls of this run, or of any. The error is of a Redis that cannot be reached.
    pub fn connect(url: &str, run: Option<u32>) -> Result<Self, Failure> {
        let list = run.map_or_else(|| CALLS.to_owned(), |run| key(run, "calls"));
        Ok(Self { connection: connect(url)?, list, run })
    }

    /// A call, if one comes in time. The error is of a Redis that was lost, or of a run that is over.
    pub fn take(&mut self, patience: Duration) -> Result<Option<String>, Failure> {
        let begin = Instant::now();
        loop {
            let call: Option<String> =
                self.connection.lpop(&self.list, None).map_err(|error| lost(&error))?;
            if call.is_some() {
                return Ok(call);
            }
            if let Some(run) = self.run {
                let alive: bool = self.connection.exists(key(run, "alive")).map_err(|error| lost(&error))?;
                if !alive {
                    return Err(gone());
                }
            }
            if begin.elapsed() >= patience {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A coordinator that gives no sign of life any more.
pub(super) fn gone() -> Failure {
    Failure::new(Exit::Failure, "the coordinator of this worker is gone")
}

/// A connection of a coordinator or a worker, and the run that it is about.
pub(super) struct Exchange {
    connection: BlockingRedis,
    run: u32,
}

fn key(run: u32, name: &str) -> String {
    format!("jobwire:bench:{run:08x}:{name}")
}

fn connect(url: &str) -> Result<BlockingRedis, Failure> {
    BlockingRedis::connect(url, PATIENCE).map_err(|error| {
        let hint = error.hint();
        let hint = hint.unwrap_or_else(|| "workers know each other through the Redis of --redis".to_owned());
        let is_usage = matches!(error, BrokerError::NoSuchMaster { .. });
        let exit = if is_usage { Exit::Usage } else { Exit::Unreachable };
        Failure::new(exit, error.to_string()).hint(hint)
    })
}

fn lost(error: &RedisError) -> Failure {
    Failure::new(Exit::Unreachable, format!("lost redis: {error}"))
}

/// What another process wrote.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        // Not all of it: it may hold a token.
        let at = format!("{:?} at column {}", error.classify(), error.column());
        Failure::new(Exit::Failure, format!("a worker or coordinator of another version is at work: {at}"))
    })
}

fn text(value: &impl Serialize) -> String {
    // What is written here has text keys and no value that JSON lacks a form for.
    serde_json::to_string(value).unwrap_or_default()
}

impl Exchange {
    pub(super) fn connect(url: &str, run: u32) -> Result<Self, Failure> {
        Ok(Self { connection: connect(url)?, run })
    }

    fn key(&self, name: &str) -> String {
        key(self.run, name)
    }

    /// Redis' clock minus this machine's, and how far off that may be, in microseconds.
    pub(super) fn clock(&mut self) -> Result<(i64, u64), Failure> {
        self.ahead(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Redis' clock minus that of the run, and how far off that may be, in microseconds: what they drifted apart.
    pub(super) fn drift(&mut self, clock: Clock) -> Result<(i64, u64), Failure> {
        self.ahead(|| Duration::from_nanos(clock.now()))
    }

    fn ahead(&mut self, own: impl Fn() -> Duration) -> Result<(i64, u64), Failure> {
        let mut best = (0, u64::MAX);
        for _ in 0..READINGS {
            let asked = Instant::now();
            let before = own();
            let (seconds, micros): (i64, i64) =
                redis::cmd("TIME").query(&mut self.connection).map_err(|error| lost(&error))?;
            let round = asked.elapsed();
            let middle = before + round / 2;
            let error = u64::try_from(round.as_micros() / 2).unwrap_or(u64::MAX) + 1;
            if error < best.1 {
                let own = i64::try_from(middle.as_micros()).unwrap_or(0);
                best = (seconds * 1_000_000 + micros - own, error);
            }
        }
        Ok(best)
    }

    /// Calls workers: one for each ticket, the run's own from its own list.
    pub(super) fn call(&mut self, call: &Call, own: &[Ticket], public: &[Ticket]) -> Result<(), Failure> {
        let set: Result<(), _> = self.connection.set_ex(self.key("call"), text(call), UNTAKEN.unsigned_abs());
        set.map_err(|error| lost(&error))?;
        for (list, tickets) in [(self.key("calls"), own), (CALLS.to_owned(), public)] {
            for ticket in tickets {
                let pushed: Result<u64, _> = self.connection.rpush(&list, text(ticket));
                pushed.map_err(|error| lost(&error))?;
            }
            if !tickets.is_empty() {
                self.expire(list, UNTAKEN)?;
            }
        }
        Ok(())
    }

    /// What the workers are called for; `None` once that is over.
    pub(super) fn called(&mut self) -> Result<Option<Call>, Failure> {
        let call: Option<String> = self.connection.get(self.key("call")).map_err(|error| lost(&error))?;
        call.map(|call| parse(&call)).transpose()
    }

    /// Takes back what was called for, and the run's tickets that nobody took; those of other runs stay.
    pub(super) fn withdraw(&mut self, public: &[Ticket]) {
        // They expire in any case.
        let _: Result<u64, _> = self.connection.del(&[self.key("call"), self.key("calls")]);
        for ticket in public {
            let _: Result<u64, _> = self.connection.lrem(CALLS, 1, text(ticket));
        }
    }

    fn expire(&mut self, key: String, seconds: i64) -> Result<(), Failure> {
        let done: Result<bool, _> = self.connection.expire(key, seconds);
        done.map(drop).map_err(|error| lost(&error))
    }

    /// A worker's state.
    pub(super) fn tell(&mut self, index: u32, state: &State) -> Result<(), Failure> {
        let key = self.key("workers");
        let set: Result<u64, _> = self.connection.hset(&key, index, text(state));
        set.map_err(|error| lost(&error))?;
        self.expire(key, EXPIRY)
    }

    /// All workers' states.
    pub(super) fn states(&mut self) -> Result<Vec<(u32, State)>, Failure> {
        let key = self.key("workers");
        let all: Vec<(u32, String)> = self.connection.hgetall(key).map_err(|error| lost(&error))?;
        all.into_iter().map(|(index, text)| Ok((index, parse(&text)?))).collect()
    }

    /// The coordinator's sign of life.
    pub(super) fn live(&mut self) -> Result<(), Failure> {
        let key = self.key("alive");
        let set: Result<(), _> = self.connection.set_ex(key, 1, ALIVE);
        set.map_err(|error| lost(&error))
    }

    /// Whether the coordinator lives.
    pub(super) fn is_alive(&mut self) -> Result<bool, Failure> {
        let key = self.key("alive");
        self.connection.exists(key).map_err(|error| lost(&error))
    }

    /// Makes a number known to all: `open`, `start` or `published`.
    pub(super) fn announce(&mut self, name: &str, number: u64) -> Result<(), Failure> {
        let key = self.key(name);
        let set: Result<(), _> = self.connection.set_ex(key, number, EXPIRY.unsigned_abs());
        set.map_err(|error| lost(&error))
    }

    /// Makes known what could not be published: the first of each range, and what comes after its last.
    pub(super) fn tell_unpublished(&mut self, ranges: &[(u64, u64)]) -> Result<(), Failure> {
        let key = self.key("unpublished");
        let set: Result<(), _> = self.connection.set_ex(key, text(&ranges), EXPIRY.unsigned_abs());
        set.map_err(|error| lost(&error))
    }

    /// What could not be published.
    pub(super) fn unpublished(&mut self) -> Result<Vec<(u64, u64)>, Failure> {
        let key = self.key("unpublished");
        let ranges: Option<String> = self.connection.get(key).map_err(|error| lost(&error))?;
        ranges.map_or(Ok(Vec::new()), |ranges| parse(&ranges))
    }

    /// A number that was made known, if it was.
    pub(super) fn announced(&mut self, name: &str) -> Result<Option<u64>, Failure> {
        let key = self.key(name);
        self.connection.get(key).map_err(|error| lost(&error))
    }

    /// Hands over what a worker saw.
    pub(super) fn report(&mut self, report: &Report) -> Result<(), Failure> {
        let key = self.key("parts");
        let pushed: Result<u64, _> = self.connection.rpush(&key, text(report));
        pushed.map_err(|error| lost(&error))?;
        self.expire(key, EXPIRY)
    }

    /// What a worker saw, if one has reported.
    pub(super) fn next_report(&mut self) -> Result<Option<Report>, Failure> {
        let key = self.key("parts");
        let text: Option<String> = self.connection.lpop(key, None).map_err(|error| lost(&error))?;
        text.map(|text| parse(&text)).transpose()
    }

    /// Removes what the run left behind.
    pub(super) fn clear(&mut self) {
        for name in ["workers", "open", "start", "unpublished", "published", "alive", "parts"] {
            let key = self.key(name);
            // It expires in any case.
            let _: Result<u64, _> = self.connection.del(key);
        }
    }
}

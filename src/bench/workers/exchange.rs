//! What is written to and read from Redis.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::{Commands as _, Connection, RedisError};
use serde::de::DeserializeOwned;

use super::{Call, Report, State};
use crate::exit::{Exit, Failure};

/// The list from which idle workers take their calls.
const CALLS: &str = "jobwire:bench:calls";

/// Whatever a run left behind is gone after this, in seconds.
const EXPIRY: i64 = 3600;

/// A coordinator that gave no sign of life for so long is gone, in seconds.
const ALIVE: u64 = 10;

/// Readings of the clock; the quickest is the best.
const READINGS: u32 = 15;

/// A connection of a coordinator or a worker, and the run that it is about.
pub(super) struct Exchange {
    connection: Connection,
    run: u32,
}

/// An idle worker's wait for a call, until `patience` is over.
pub fn take_call(url: &str, patience: Duration) -> Result<Option<Call>, Failure> {
    let mut connection = connect(url)?;
    let begin = Instant::now();
    while begin.elapsed() < patience {
        let call: Option<String> = connection.lpop(CALLS, None).map_err(|error| lost(&error))?;
        if let Some(call) = call {
            return parse(&call).map(Some);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(None)
}

fn connect(url: &str) -> Result<Connection, Failure> {
    let unreachable = |error: &RedisError| {
        Failure::new(Exit::Unreachable, format!("could not connect to redis: {}", error.category()))
            .hint("workers know each other through the Redis of --redis")
    };
    let client = redis::Client::open(url).map_err(|error| unreachable(&error))?;
    client.get_connection_with_timeout(Duration::from_secs(5)).map_err(|error| unreachable(&error))
}

fn lost(error: &RedisError) -> Failure {
    Failure::new(Exit::Unreachable, format!("lost redis: {error}"))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(Exit::Failure, format!("a worker or coordinator of another version is at work: {error}"))
    })
}

impl Exchange {
    pub(super) fn connect(url: &str, run: u32) -> Result<Self, Failure> {
        Ok(Self { connection: connect(url)?, run })
    }

    fn key(&self, name: &str) -> String {
        format!("jobwire:bench:{:08x}:{name}", self.run)
    }

    /// Redis' clock minus this machine's, and how far off that may be, in microseconds.
    pub(super) fn clock(&mut self) -> Result<(i64, u64), Failure> {
        let mut best = (0, u64::MAX);
        for _ in 0..READINGS {
            let asked = Instant::now();
            let before = SystemTime::now();
            let (seconds, micros): (i64, i64) =
                redis::cmd("TIME").query(&mut self.connection).map_err(|error| lost(&error))?;
            let round = asked.elapsed();
            let middle = before.duration_since(UNIX_EPOCH).unwrap_or_default() + round / 2;
            let error = u64::try_from(round.as_micros() / 2).unwrap_or(u64::MAX) + 1;
            if error < best.1 {
                let own = i64::try_from(middle.as_micros()).unwrap_or(0);
                best = (seconds * 1_000_000 + micros - own, error);
            }
        }
        Ok(best)
    }

    /// Calls for workers.
    pub(super) fn call(&mut self, calls: &[Call]) -> Result<(), Failure> {
        for call in calls {
            let text = serde_json::to_string(call).unwrap_or_default();
            let pushed: Result<u64, _> = self.connection.rpush(CALLS, text);
            pushed.map_err(|error| lost(&error))?;
        }
        self.expire(CALLS.to_owned(), 60)
    }

    /// Takes calls back that nobody took.
    pub(super) fn withdraw(&mut self) {
        // They expire in any case.
        let _: Result<u64, _> = self.connection.del(CALLS);
    }

    fn expire(&mut self, key: String, seconds: i64) -> Result<(), Failure> {
        let done: Result<bool, _> = self.connection.expire(key, seconds);
        done.map(drop).map_err(|error| lost(&error))
    }

    /// A worker's state.
    pub(super) fn tell(&mut self, index: u32, state: &State) -> Result<(), Failure> {
        let text = serde_json::to_string(state).unwrap_or_default();
        let key = self.key("workers");
        let set: Result<u64, _> = self.connection.hset(&key, index, text);
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

    /// Makes a number known to all: `start` or `published`.
    pub(super) fn announce(&mut self, name: &str, number: u64) -> Result<(), Failure> {
        let key = self.key(name);
        let set: Result<(), _> = self.connection.set_ex(key, number, EXPIRY.unsigned_abs());
        set.map_err(|error| lost(&error))
    }

    /// A number that was made known, if it was.
    pub(super) fn announced(&mut self, name: &str) -> Result<Option<u64>, Failure> {
        let key = self.key(name);
        self.connection.get(key).map_err(|error| lost(&error))
    }

    /// Hands over what a worker saw.
    pub(super) fn report(&mut self, report: &Report) -> Result<(), Failure> {
        let text = serde_json::to_string(report).unwrap_or_default();
        let key = self.key("parts");
        let pushed: Result<u64, _> = self.connection.rpush(&key, text);
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
        for name in ["workers", "start", "published", "alive", "parts"] {
            let key = self.key(name);
            // It expires in any case.
            let _: Result<u64, _> = self.connection.del(key);
        }
    }
}

//! The dialect `bullmq`, with the real BullMQ and with hashes as it writes them.

mod live;
mod resume;
mod state;
mod worker;

use redis::Commands;
use serde_json::Value;

use crate::support::{RedisServer, Relay};

/// Makes a queue as BullMQ does, so that a relay finds it at its start; later it looks for queues once a minute.
fn queue(redis: &RedisServer, name: &str) {
    let _: () = redis.connection().hset(format!("{name}:meta"), "opts.maxLenEvents", "10000").unwrap();
}

/// The polling body of a job.
fn poll(relay: &Relay, job: &str) -> Value {
    relay.exchange("GET", &format!("/bullmq/{}", job.replace('/', "%2F")), &[], b"").json()
}

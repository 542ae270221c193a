//! Choice of the Redis that is used: the relay leaves one that is of no use any more.

mod probe;
mod role;
mod sentinel;

use serde_json::Value;

use crate::serve::scraping;
use crate::support::{PATIENCE, RedisServer, Relay, WebSocket, until};

/// Sends a command.
fn tell(redis: &RedisServer, words: &[&str]) {
    let _: redis::Value = redis::cmd(words[0]).arg(&words[1..]).query(&mut redis.connection()).unwrap();
}

fn until_ready(relay: &Relay, status: u16) {
    until(PATIENCE, "/ready to say so", || relay.get("/ready").0 == status);
}

/// The refusal of `/ready` and the words with it.
fn refusal(relay: &Relay) -> (u16, String, String) {
    let answer = relay.exchange("GET", "/ready", &[], b"");
    let (status, code) = answer.refusal();
    (status, code, answer.json()["message"].as_str().unwrap().to_owned())
}

fn health(relay: &Relay) -> Value {
    relay.exchange("GET", "/health", &[], b"").json()
}

/// Publishes an event, and expects it on the socket.
fn delivered(redis: &RedisServer, socket: &mut WebSocket, number: u64) {
    let event = scraping(1, "job_progress", &number.to_string(), number);
    redis.publish("scraping_events", &event);
    socket.expect(&event);
}

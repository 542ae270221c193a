//! The dialect `bullmq`, with the real BullMQ and with hashes as it writes them.

mod live;
mod resume;
mod state;
mod worker;

use serde_json::Value;

use crate::support::Relay;

/// The polling body of a job.
fn poll(relay: &Relay, job: &str) -> Value {
    relay.exchange("GET", &format!("/bullmq/{}", job.replace('/', "%2F")), &[], b"").json()
}

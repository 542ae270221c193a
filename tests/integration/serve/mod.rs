//! The relay as a process: what its clients and its workers see of it.

mod auth;
mod channels;
mod clients;
mod cluster;
mod command;
mod dialect_file;
mod downloads;
mod drain;
mod encodings;
mod forwarded;
mod gap;
mod handshake;
mod http;
mod jobs;
mod listeners;
mod memory;
mod outage;
mod pings;
mod process;
mod publications;
mod publish;
mod refusals;
mod resume;
mod runs;
mod scraping;
mod slow;
mod snapshot;
mod state;
mod stream;
mod streams;
mod tails;
mod tasks;
mod unread;
mod watch;
mod welcome;

/// An event of the scraping contract, all fields there.
pub(crate) fn scraping(job: i64, kind: &str, progress: &str, results: u64) -> String {
    let status = match kind {
        "job_completed" => "completed",
        "job_failed" => "failed",
        _ => "running",
    };
    format!(
        r#"{{"job_id":{job},"event_type":"{kind}","status":"{status}","progress":{progress},"results_count":{results},"message":null,"metadata":{{}},"timestamp":"2025-11-21T10:30:00"}}"#
    )
}

/// What a socket of the downloads contract gets for a bare payload.
fn wrapped(data: &str) -> String {
    format!(r#"{{"type":"status","data":{data}}}"#)
}

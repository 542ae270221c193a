//! Answers of a relay as types. Pure, and lenient: a relay may be older or newer than this program.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::dialect::JobState;

/// Answer of `/jobs`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct JobList {
    /// The jobs, newest first.
    pub jobs: Vec<JobRow>,
    /// Number of jobs that fit the query and may be listed; an old relay does not say.
    pub total: Option<u64>,
    /// Dialects whose jobs may be listed; an old relay does not say.
    pub dialects: Option<Vec<String>>,
}

/// One job of a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobRow {
    /// Name of the job, with its dialect. A name may hold any character.
    pub target: String,
    /// State of its newest run.
    pub state: JobState,
    /// Percent done, 0 to 100.
    pub percent: Option<f64>,
    /// Last message, error or result of the run.
    pub message: Option<String>,
    /// Time at which its run was seen to begin.
    pub started: Option<Timestamp>,
    /// Time of its last event.
    pub updated: Option<Timestamp>,
    /// Connections that watch it.
    pub watchers: u64,
}

impl JobRow {
    /// Tells whether its newest run has not ended.
    pub(crate) const fn is_unfinished(&self) -> bool {
        matches!(self.state, JobState::Queued | JobState::Running)
    }

    /// Name of its dialect.
    pub(crate) fn dialect(&self) -> &str {
        self.target.split_once('/').map_or("", |(dialect, _)| dialect)
    }
}

/// Answer of `/clients`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct ClientList {
    /// The clients with the most waiting bytes, then with the most sockets.
    #[serde(default)]
    pub clients: Vec<ClientRow>,
    /// Addresses with sockets, whatever the limit is.
    #[serde(default)]
    pub addresses: u64,
}

/// Sockets of one address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ClientRow {
    /// The address.
    pub address: String,
    /// Its sockets.
    #[serde(default)]
    pub sockets: u64,
    /// Sockets that something waits for.
    #[serde(default)]
    pub slow: u64,
    /// Bytes that wait for them.
    #[serde(default)]
    pub waiting_bytes: u64,
    /// Messages that wait for them.
    #[serde(default)]
    pub waiting_messages: u64,
    /// Milliseconds for which the oldest of them has waited.
    #[serde(default)]
    pub waiting_ms: u64,
}

/// Answer of `/ws/stats`, in part. A server of the contract that is no relay has two of the members.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RelayStats {
    /// Open sockets.
    pub total_connections: u64,
    /// Addresses that they come from.
    pub client_addresses: Option<u64>,
    /// Jobs with a watcher.
    pub active_jobs: u64,
    /// Events since the start.
    pub events: Option<u64>,
    /// Deliveries to sockets since the start.
    pub deliveries: Option<u64>,
    /// Events that a newer one replaced on their way to a slow socket, since the start.
    pub conflated: Option<u64>,
    /// Sockets closed since the start because they were too slow.
    pub slow_consumers: Option<u64>,
    /// Jobs in memory.
    pub jobs_kept: Option<u64>,
    /// `redis` or `embedded`.
    pub broker: Option<String>,
    /// The Redis that publications come from.
    pub redis: Option<RedisFacts>,
    /// Resources that the process uses.
    pub process: Usage,
}

/// State of the relay's Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct RedisFacts {
    /// Whether publications can come.
    pub connected: bool,
    /// Host and port.
    pub server: Option<String>,
    /// `master`, `replica` and the like.
    pub role: Option<String>,
    /// Error of the last attempt to connect.
    pub error: Option<String>,
    /// Connections after the first.
    pub reconnects: u64,
}

/// Memory and CPU time of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Usage {
    /// Resident memory in bytes.
    pub rss_bytes: Option<u64>,
    /// CPU time since its start.
    pub cpu_seconds: Option<f64>,
}

impl JobList {
    /// Reads the answer; `None` where it is something else. A row that makes no sense is left out.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            jobs: Vec<Value>,
            total: Option<u64>,
            dialects: Option<Vec<String>>,
        }
        let Body { jobs, total, dialects } = serde_json::from_slice(body).ok()?;
        Some(Self { jobs: jobs.into_iter().filter_map(job).collect(), total, dialects })
    }
}

/// One row of `/jobs`.
fn job(value: Value) -> Option<JobRow> {
    #[derive(Deserialize)]
    struct Row {
        target: String,
        #[serde(default)]
        state: String,
        percent: Option<f64>,
        message: Option<String>,
        started: Option<String>,
        updated: Option<String>,
        #[serde(default)]
        watchers: u64,
    }
    let row: Row = serde_json::from_value(value).ok()?;
    let time = |text: Option<String>| text.and_then(|text| text.parse().ok());
    // A state that is not known here is one of a job that has not ended.
    let state = JobState::ALL.into_iter().find(|state| state.as_str() == row.state);
    let state = state.unwrap_or(JobState::Running);
    let percent = row.percent.filter(|percent| percent.is_finite()).map(|percent| percent.clamp(0.0, 100.0));
    // Many jobs succeed without an event that says 100 percent.
    let percent = if state == JobState::Succeeded { Some(100.0) } else { percent };
    Some(JobRow {
        state,
        percent,
        message: row.message.filter(|message| !message.is_empty()),
        started: time(row.started),
        updated: time(row.updated),
        watchers: row.watchers,
        target: row.target,
    })
}

/// Reads a JSON object into a type whose members may all be missing.
pub(super) fn object<T: for<'a> Deserialize<'a>>(body: &[u8]) -> Option<T> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.is_object().then(|| serde_json::from_value(value).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_what_an_old_relay_leaves_out_is_unknown() {
        let old = br#"{"jobs":[{"target":"scraping/1","state":"running","percent":45.5,"message":"m","updated":"2026-11-30T10:00:00.000Z","watchers":2}]}"#;
        let list = JobList::read(old).unwrap();
        assert_eq!((list.total, list.dialects.as_ref(), list.jobs.len()), (None, None, 1));
        let job = &list.jobs[0];
        assert_eq!(
            (job.dialect(), job.percent, job.watchers, job.started),
            ("scraping", Some(45.5), 2, None)
        );
        assert!(job.is_unfinished() && job.updated.is_some());
        let new = br#"{"jobs":[{"target":"jobs/a","state":"failed","percent":null,"message":null,"updated":null,"watchers":0,"started":"2026-11-30T10:00:00.000Z","more":1}],"total":7,"dialects":["jobs"]}"#;
        let list = JobList::read(new).unwrap();
        assert_eq!((list.total, list.dialects), (Some(7), Some(vec!["jobs".to_owned()])));
        assert!(list.jobs[0].started.is_some() && !list.jobs[0].is_unfinished());
    }

    #[test]
    fn nonsense_is_no_list_and_a_nonsensical_row_is_left_out() {
        for nonsense in ["", "[]", "{}", r#"{"jobs":1}"#, "<html>"] {
            assert!(JobList::read(nonsense.as_bytes()).is_none(), "{nonsense}");
        }
        let rows = br#"{"jobs":[1,{"target":"a/b","state":"dancing","percent":1e3,"updated":"soon"},{"state":"x"}]}"#;
        let list = JobList::read(rows).unwrap();
        assert_eq!(list.jobs.len(), 1);
        assert_eq!((list.jobs[0].state, list.jobs[0].percent), (JobState::Running, Some(100.0)));
    }

    #[test]
    fn the_statistics_of_another_server_of_the_contract_are_read_too() {
        let seed = br#"{"total_connections":5,"active_jobs":3,"redis_connected":true}"#;
        let stats: RelayStats = object(seed).unwrap();
        assert_eq!((stats.total_connections, stats.events, stats.redis), (5, None, None));
        let relay = br#"{"total_connections":1,"events":9,"broker":"redis","redis":{"connected":false,"error":"gone","server":null},"process":{"rss_bytes":4096,"cpu_seconds":1.5}}"#;
        let stats: RelayStats = object(relay).unwrap();
        assert_eq!((stats.events, stats.process.rss_bytes), (Some(9), Some(4096)));
        assert_eq!(stats.redis.unwrap().error.as_deref(), Some("gone"));
        assert!(object::<RelayStats>(b"[]").is_none());
    }
}

//! Boundaries between the runs of a job.

use super::*;

/// A job of the downloads, fed with bare objects.
struct Download(JobLog);

impl Download {
    fn new() -> Self {
        Self(log(JobLogLimits::default()))
    }

    /// Takes `{"jobId":"a","status":…}` and what is `more`.
    fn send(&mut self, status: &str, more: &str) {
        let payload = format!(r#"{{"jobId":"a","status":"{status}"{more}}}"#);
        take(&mut self.0, "downloads", "download_updates:a", &payload, 1);
    }

    fn polled(&mut self) -> String {
        self.0.status(id(&self.0, "downloads"), "a").unwrap()
    }

    /// The job as a relay that ended now would leave it in the store.
    fn stored(&mut self) -> Option<StoredJob> {
        self.0.restore(id(&self.0, "downloads"), "a", None, at(1));
        self.0.take_dirty(false, 10).save.pop().map(|job| job.stored)
    }

    fn read_back(&mut self, status: &str, ended: &str) {
        let state = format!(r#"{{"jobId":"a","status":"{status}","error":"HTTP 403","downloadUrl":"u"}}"#);
        let stored = StoredJob {
            state: Some(state.into()),
            ended: Some(ended.to_owned()),
            updated: 900_000,
            ..StoredJob::default()
        };
        self.0.restore(id(&self.0, "downloads"), "a", Some(&stored), at(2));
    }
}

const HALF_WAY: &str = r#"{"jobId":"a","status":"processing","progress":50}"#;

#[test]
fn processing_after_a_failure_is_a_retry_that_forgets_the_error_and_the_urls() {
    let mut job = Download::new();
    job.send("processing", r#","progress":90,"downloadUrl":"u""#);
    job.send("failed", r#","progress":90,"error":"HTTP 403""#);
    job.send("processing", r#","progress":50"#);
    assert_eq!(job.polled(), HALF_WAY);
    assert_eq!(text(&job.0.snapshot(id(&job.0, "downloads"), "a").unwrap()), wrapped(HALF_WAY));
    let stored = job.stored().unwrap();
    assert_eq!((stored.ended, stored.percent.as_deref()), (None, Some("50")));
    assert_eq!(stored.state.unwrap(), HALF_WAY);
    job.send("completed", r#","progress":100"#);
    assert_eq!(job.polled(), r#"{"jobId":"a","status":"completed","progress":100}"#);
}

fn wrapped(data: &str) -> String {
    format!(r#"{{"type":"status","data":{data}}}"#)
}

#[test]
fn completed_after_a_failure_is_a_retry_that_forgets_the_error() {
    let mut job = Download::new();
    job.send("failed", r#","error":"HTTP 403""#);
    job.send("completed", r#","downloadUrl":"u""#);
    assert_eq!(job.polled(), r#"{"jobId":"a","status":"completed","downloadUrl":"u"}"#);
    assert_eq!(job.stored().unwrap().ended.as_deref(), Some("succeeded"));
}

#[test]
fn processing_after_a_success_came_late_and_changes_nothing() {
    let mut job = Download::new();
    job.send("completed", r#","progress":100"#);
    let before = (job.polled(), job.0.snapshot(id(&job.0, "downloads"), "a"));
    assert!(job.stored().is_some());
    job.send("processing", r#","progress":98,"error":"late""#);
    assert_eq!((job.polled(), job.0.snapshot(id(&job.0, "downloads"), "a")), before);
    assert_eq!(job.stored(), None, "there is nothing to write");
    assert!(job.0.has_ended(id(&job.0, "downloads"), "a"));
}

#[test]
fn a_failure_that_is_read_back_behind_a_retry_is_of_a_run_before_and_a_success_is_not() {
    let mut job = Download::new();
    job.send("processing", r#","progress":50"#);
    job.read_back("failed", "failed");
    assert_eq!(job.polled(), HALF_WAY);

    let mut job = Download::new();
    job.send("processing", r#","progress":50"#);
    job.read_back("completed", "succeeded");
    assert!(job.polled().contains("completed"), "processing came late");

    let mut job = Download::new();
    job.read_back("failed", "failed");
    job.send("processing", r#","progress":50"#);
    assert_eq!(job.polled(), HALF_WAY, "a relay that has just started knows a retry too");
}

#[test]
fn a_job_that_has_ended_is_not_cancelled_by_its_removal_and_lives_again_when_it_waits_again() {
    let mut log = log(JobLogLimits::default());
    let bullmq = id(&log, "bullmq");
    let status = |log: &mut JobLog, event: &str, more: &str| {
        let payload = format!(r#"{{"event":"{event}","jobId":"1"{more}}}"#);
        take(log, "bullmq", "bull:q:1", &payload, 1);
        let body: serde_json::Value = serde_json::from_str(&log.status(bullmq, "q:1").unwrap()).unwrap();
        body["status"].as_str().unwrap().to_owned()
    };
    for (event, more, now) in [
        ("active", "", "active"),
        ("progress", r#","data":7"#, "active"),
        ("waiting", r#","prev":"active""#, "waiting"),
        ("active", "", "active"),
        ("stalled", "", "active"),
        ("failed", r#","failedReason":"boom""#, "failed"),
        ("retries-exhausted", "", "failed"),
        ("progress", r#","data":8"#, "failed"),
        ("removed", r#","prev":"unknown""#, "failed"),
        ("removed", r#","prev":"failed""#, "failed"),
        ("waiting", r#","prev":"failed""#, "waiting"),
        ("removed", r#","prev":"wait""#, "removed"),
        ("removed", r#","prev":"wait""#, "removed"),
        ("added", "", "waiting"),
        ("completed", "", "completed"),
        ("removed", r#","prev":"TBD""#, "completed"),
        ("added", "", "waiting"),
    ] {
        assert_eq!(status(&mut log, event, more), now, "{event} {more}");
    }
}

#[test]
fn an_event_of_an_ending_ends_its_job_but_not_where_it_came_late() {
    let mut log = log(JobLogLimits::default());
    let mut ends = |dialect: &str, channel: &str, payload: &str| {
        let (id, dialect) =
            log.dialects.named(dialect).map(|(id, dialect)| (id, Arc::clone(dialect))).unwrap();
        let decoded = dialect.decode(channel.as_bytes(), payload.as_bytes()).unwrap();
        let incoming = Incoming { payload: Payload::wrapped(decoded.text_parts()), entry: None };
        log.take(id, &decoded, incoming, at(1)).event.ends
    };
    for (event, more, ending) in [
        ("active", "", None),
        ("completed", "", Some(Outcome::Succeeded)),
        ("removed", r#","prev":"completed""#, None),
        ("added", "", None),
        ("removed", r#","prev":"wait""#, Some(Outcome::Cancelled)),
        ("removed", r#","prev":"wait""#, None),
    ] {
        let payload = format!(r#"{{"event":"{event}","jobId":"1"{more}}}"#);
        assert_eq!(ends("bullmq", "bull:q:1", &payload), ending, "{event} {more}");
    }
    for (status, ending) in [
        ("STARTED", None),
        ("REVOKED", Some(Outcome::Cancelled)),
        ("REVOKED", Some(Outcome::Cancelled)),
        ("SUCCESS", Some(Outcome::Succeeded)),
    ] {
        let payload = format!(r#"{{"task_id":"1","status":"{status}","result":null}}"#);
        assert_eq!(ends("celery", "celery-task-meta-1", &payload), ending, "{status}");
    }
}

#[test]
fn a_client_is_told_an_ending_by_the_events_behind_its_place_or_without_them() {
    let mut log = log(JobLogLimits::default());
    let scraping_id = id(&log, "scraping");
    let has_ended_by = |log: &mut JobLog, sequence| log.has_ended_by(scraping_id, "1", sequence);
    let first = scraping(&mut log, 1, "job_completed", "", 1);
    let again = scraping(&mut log, 1, "job_completed", "", 2);
    assert!(
        !has_ended_by(&mut log, first - 1) && !has_ended_by(&mut log, first),
        "an event behind it says so"
    );
    assert!(has_ended_by(&mut log, again));
    scraping(&mut log, 1, "job_started", "", 3);
    assert!(!has_ended_by(&mut log, again));
}

mod gaps;
mod leaving;
mod runs;
mod tails;

use std::time::Duration;

use super::*;
use crate::dialect::Outcome;

fn log(limits: JobLogLimits) -> JobLog {
    JobLog::new(Arc::new(Dialects::builtin()), limits, true)
}

fn at(second: u64) -> Stamp {
    // One base for the whole process, so that ages can be compared.
    static BASE: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    Stamp { now: *BASE.get_or_init(Instant::now) + Duration::from_secs(second), micros: second * 1_000_000 }
}

fn take(log: &mut JobLog, dialect: &str, channel: &str, payload: &str, second: u64) -> u64 {
    let dialects = Arc::clone(&log.dialects);
    let (id, dialect) = dialects.named(dialect).unwrap();
    let decoded = dialect.decode(channel.as_bytes(), payload.as_bytes()).unwrap();
    let incoming = Incoming { payload: Payload::wrapped(decoded.text_parts()), entry: None };
    log.take(id, &decoded, incoming, at(second)).event.sequence
}

fn scraping(log: &mut JobLog, job: u64, kind: &str, more: &str, second: u64) -> u64 {
    let payload = format!(r#"{{"job_id":{job},"event_type":"{kind}"{more}}}"#);
    take(log, "scraping", "scraping_events", &payload, second)
}

fn id(log: &JobLog, name: &str) -> DialectId {
    log.dialects.named(name).unwrap().0
}

fn text(snapshot: &Snapshot) -> String {
    String::from_utf8(snapshot.payload.text().to_vec()).unwrap()
}

#[test]
fn the_snapshot_is_the_last_event_as_published_with_its_sequence() {
    let mut log = log(JobLogLimits::default());
    let scraping_id = id(&log, "scraping");
    assert_eq!(log.snapshot(scraping_id, "1"), None);
    scraping(&mut log, 1, "job_started", "", 0);
    scraping(&mut log, 2, "job_started", "", 0);
    let sequence = scraping(&mut log, 1, "job_progress", r#","progress":45.5"#, 1);
    let snapshot = log.snapshot(scraping_id, "1").unwrap();
    assert_eq!(snapshot.sequence, sequence);
    assert_eq!(text(&snapshot), r#"{"job_id":1,"event_type":"job_progress","progress":45.5}"#);
}

fn task(log: &mut JobLog, job: &str, payload: &str) -> Option<String> {
    take(log, "tasks", &format!("task_updates:{job}"), payload, 1);
    owner(log, job)
}

fn owner(log: &JobLog, job: &str) -> Option<String> {
    match log.ownership(id(log, "tasks"), job) {
        Ownership::Of(owner) => Some(owner.to_owned()),
        Ownership::Nobody | Ownership::UnknownJob => None,
    }
}

fn stored_owner(owner: &str) -> StoredJob {
    StoredJob { owner: Some(owner.to_owned()), state: None, ended: None, percent: None, updated: 0 }
}

#[test]
fn the_first_owner_counts_in_all_runs() {
    let mut log = log(JobLogLimits::default());
    assert_eq!(task(&mut log, "t", r#"{"type":"progress"}"#), None);
    assert_eq!(log.ownership(id(&log, "tasks"), "t"), Ownership::Nobody);
    assert_eq!(log.ownership(id(&log, "tasks"), "u"), Ownership::UnknownJob);
    assert_eq!(task(&mut log, "t", r#"{"type":"progress","user_id":""}"#), None);
    for no_owner in ["7.0", "1e1", "true", "null", "[7]"] {
        let payload = format!(r#"{{"type":"progress","user_id":{no_owner}}}"#);
        assert_eq!(task(&mut log, "t", &payload), None, "{no_owner}");
    }
    assert_eq!(task(&mut log, "i", r#"{"type":"progress","user_id":7}"#).as_deref(), Some("7"));
    for payload in [
        r#"{"type":"progress","user_id":"alice"}"#,
        r#"{"type":"registered","user_id":"bob"}"#,
        r#"{"type":"completion"}"#,
        r#"{"type":"registered","user_id":"bob"}"#,
    ] {
        assert_eq!(task(&mut log, "t", payload).as_deref(), Some("alice"), "{payload}");
    }
}

#[test]
fn a_job_without_an_owner_is_not_known_whole_since_the_store_may_get_one() {
    let mut log = log(JobLogLimits::default());
    let tasks = id(&log, "tasks");
    task(&mut log, "t", r#"{"type":"progress"}"#);
    log.restore(tasks, "t", None, at(1));
    assert_eq!((log.known(tasks, "t"), log.suffices(tasks, "t")), (Some(Known::Partly), false));
    assert!(log.restore(tasks, "t", Some(&stored_owner("alice")), at(1)).owned, "news of the owner");
    assert!(!log.restore(tasks, "t", Some(&stored_owner("alice")), at(1)).owned);
    assert_eq!((log.known(tasks, "t"), log.suffices(tasks, "t")), (Some(Known::Whole), true));
    scraping(&mut log, 1, "job_started", "", 0);
    let jobs = id(&log, "scraping");
    log.restore(jobs, "1", None, at(1));
    assert_eq!((log.known(jobs, "1"), log.suffices(jobs, "1")), (Some(Known::Whole), true));
}

#[test]
fn the_owner_in_the_store_is_older_than_the_first_one_seen_here() {
    let mut log = log(JobLogLimits::default());
    let tasks = id(&log, "tasks");
    task(&mut log, "t", r#"{"type":"progress","user_id":"bob"}"#);
    log.restore(tasks, "t", Some(&stored_owner("alice")), at(1));
    assert_eq!(owner(&log, "t").as_deref(), Some("alice"));
    log.restore(tasks, "t", Some(&stored_owner("carol")), at(1));
    assert_eq!(owner(&log, "t").as_deref(), Some("alice"), "but it changes no more");
}

#[test]
fn a_job_that_only_has_an_owner_waits_for_its_turn_and_has_no_snapshot() {
    let mut log = log(JobLogLimits::default());
    let tasks = id(&log, "tasks");
    log.restore(tasks, "t", Some(&stored_owner("alice")), at(1));
    task(&mut log, "u", r#"{"type":"registered","user_id":"alice"}"#);
    for job in ["t", "u"] {
        assert_eq!((log.snapshot(tasks, job), log.replay(tasks, job)), (None, vec![]));
        let body = log.status(tasks, job).unwrap();
        assert!(body.contains(r#""status":"PENDING","message":"#), "{body}");
        assert!(!log.has_ended(tasks, job));
    }
    task(&mut log, "t", r#"{"type":"error"}"#);
    assert!(log.has_ended(tasks, "t"));
}

#[test]
fn the_bytes_of_an_owner_count() {
    let limits = JobLogLimits { bytes: 100_000, ..JobLogLimits::default() };
    let mut log = log(limits);
    let before = log.bytes();
    for job in 0..100 {
        let payload = format!(r#"{{"type":"registered","user_id":"{}"}}"#, "x".repeat(10_000));
        task(&mut log, &job.to_string(), &payload);
        assert!(log.bytes() <= 100_000 && log.bytes() >= before + 10_000);
    }
    assert!(log.jobs() < 10);
}

#[test]
fn progress_in_polling_is_the_last_that_was_not_null() {
    let mut log = log(JobLogLimits::default());
    scraping(&mut log, 1, "job_progress", r#","progress":45.5"#, 0);
    scraping(&mut log, 1, "job_progress", r#","progress":null,"results_count":7"#, 1);
    let body = log.status(id(&log, "scraping"), "1").unwrap();
    assert_eq!(
        body,
        r#"{"job_id":1,"status":null,"progress":45.5,"results_count":7,"items_scraped":7,"message":null,"updated_at":null}"#
    );
}

#[test]
fn an_ending_stays_until_a_new_run_begins() {
    let mut log = log(JobLogLimits::default());
    let scraping_id = id(&log, "scraping");
    scraping(&mut log, 1, "job_completed", r#","progress":100"#, 0);
    scraping(&mut log, 1, "scraper_failed", "", 1);
    assert!(text(&log.snapshot(scraping_id, "1").unwrap()).contains("job_completed"));
    scraping(&mut log, 1, "job_started", "", 2);
    assert!(text(&log.snapshot(scraping_id, "1").unwrap()).contains("job_started"));
    assert!(log.status(scraping_id, "1").unwrap().contains(r#""progress":null"#));
}

#[test]
fn downloads_merge_and_queued_after_an_ending_begins_anew() {
    let mut log = log(JobLogLimits::default());
    let downloads = id(&log, "downloads");
    let send = |log: &mut JobLog, payload: &str| take(log, "downloads", "download_updates:a", payload, 0);
    send(&mut log, r#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"v"}}"#);
    let last =
        send(&mut log, r#"{"type":"status","data":{"jobId":"a","status":"processing","progress":20}}"#);
    let snapshot = log.snapshot(downloads, "a").unwrap();
    assert_eq!(snapshot.sequence, last);
    let merged = r#"{"jobId":"a","status":"processing","progress":20,"videoInfo":{"id":"v"}}"#;
    assert_eq!(text(&snapshot), format!(r#"{{"type":"status","data":{merged}}}"#));
    assert_eq!(log.status(downloads, "a").unwrap(), merged);
    send(&mut log, r#"{"jobId":"a","status":"queued","progress":0}"#);
    assert!(
        log.status(downloads, "a").unwrap().contains("videoInfo"),
        "queued before an ending changes nothing"
    );
    send(&mut log, r#"{"jobId":"a","status":"completed","progress":100}"#);
    send(&mut log, r#"{"jobId":"a","status":"queued","progress":0}"#);
    assert_eq!(log.status(downloads, "a").unwrap(), r#"{"jobId":"a","status":"queued","progress":0}"#);
}

#[test]
fn a_remark_is_no_state() {
    let mut log = log(JobLogLimits::default());
    let scraping_id = id(&log, "scraping");
    scraping(&mut log, 1, "job_progress", r#","progress":5"#, 0);
    scraping(&mut log, 1, "error", r#","message":"hm""#, 1);
    assert!(text(&log.snapshot(scraping_id, "1").unwrap()).contains("job_progress"));
}

#[test]
fn the_job_that_was_silent_longest_goes_first() {
    let mut log = log(JobLogLimits { jobs: 2, ..JobLogLimits::default() });
    let scraping_id = id(&log, "scraping");
    scraping(&mut log, 1, "job_started", "", 0);
    scraping(&mut log, 2, "job_started", "", 1);
    scraping(&mut log, 1, "job_progress", "", 2);
    scraping(&mut log, 3, "job_started", "", 3);
    let kept: Vec<bool> = ["1", "2", "3"].iter().map(|job| log.known(scraping_id, job).is_some()).collect();
    assert_eq!((kept, log.jobs()), (vec![true, false, true], 2));
}

#[test]
fn bytes_are_bounded_and_accounted_to_the_last_one() {
    let mut log = log(JobLogLimits { bytes: 64 * 1024, ..JobLogLimits::default() });
    for (nth, round) in (0..2000u64).enumerate() {
        let more = format!(r#","message":"{}""#, "x".repeat((nth * 37) % 3000));
        let kinds = ["job_started", "job_progress", "results_updated", "job_completed"];
        scraping(&mut log, round % 70, kinds[nth % 4], &more, round);
        take(
            &mut log,
            "downloads",
            &format!("download_updates:{}", round % 9),
            r#"{"status":"processing"}"#,
            round,
        );
        assert!(log.bytes() <= 64 * 1024);
        if round % 5 == 0 {
            log.status(id(&log, "downloads"), "3");
        }
    }
    log.limits = JobLogLimits { jobs: 0, bytes: 0, ended: Duration::ZERO, tail: 0 };
    while let Some(oldest) = log.oldest {
        log.forget(oldest);
    }
    assert_eq!((log.bytes, log.jobs()), (0, 0));
    while let left @ [_, ..] = &log.take_dirty(false, 10).save[..] {
        log.saved(left.iter());
    }
    assert_eq!(log.bytes(), 0);
}

#[test]
fn what_is_remembered_of_records_that_are_gone_is_bounded() {
    let mut log = log(JobLogLimits { jobs: 10, ..JobLogLimits::default() });
    for job in 0..5000 {
        scraping(&mut log, job, "job_started", "", 0);
        scraping(&mut log, job, "job_completed", "", 0);
        // The store is down.
        let dirty = log.take_dirty(true, 10).save;
        log.not_saved(dirty.iter());
    }
    assert!(log.ended.len() < 200 && log.dirty.len() < 200, "{} {}", log.ended.len(), log.dirty.len());
    // The same number of other jobs has left before being written.
    assert_eq!(log.take_dirty(false, 1000).save.len(), 20);
    log.expire(at(3600).now);
    assert_eq!(log.jobs(), 0);
}

#[test]
fn an_ended_job_is_forgotten_after_its_time_unless_it_runs_again() {
    let mut log = log(JobLogLimits { ended: Duration::from_mins(1), ..JobLogLimits::default() });
    scraping(&mut log, 1, "job_completed", "", 0);
    scraping(&mut log, 2, "job_completed", "", 0);
    scraping(&mut log, 2, "job_started", "", 30);
    log.expire(at(59).now);
    assert_eq!(log.jobs(), 2);
    log.expire(at(60).now);
    assert_eq!((log.jobs(), log.known(id(&log, "scraping"), "2").is_some()), (1, true));
}

#[test]
fn endings_are_written_at_once_and_progress_when_it_is_time() {
    let mut log = log(JobLogLimits::default());
    scraping(&mut log, 1, "job_started", "", 1);
    scraping(&mut log, 1, "job_progress", r#","progress":5"#, 1);
    assert!(log.take_dirty(true, 10).save.is_empty());
    scraping(&mut log, 1, "job_progress", r#","progress":6"#, 1);
    let saved = log.take_dirty(false, 10).save;
    assert_eq!(saved.len(), 1);
    assert_eq!(saved[0].stored.percent.as_deref(), Some("6"));
    assert!(log.take_dirty(false, 10).save.is_empty());
    scraping(&mut log, 1, "job_failed", "", 2);
    let saved = log.take_dirty(true, 10).save;
    assert_eq!(saved[0].stored.ended.as_deref(), Some("failed"));
    assert_eq!(saved[0].stored.updated, 2_000_000);
    log.not_saved(saved.iter());
    assert_eq!(log.take_dirty(false, 10).save.len(), 1);
}

#[test]
fn a_run_that_began_elsewhere_is_read_back_before_it_is_written() {
    let mut log = log(JobLogLimits::default());
    let scraping_id = id(&log, "scraping");
    scraping(&mut log, 1, "job_progress", r#","progress":null"#, 1);
    scraping(&mut log, 2, "job_started", "", 1);
    let dirty = log.take_dirty(false, 10);
    assert_eq!(dirty.save.len(), 1, "a run that began here needs no look");
    assert_eq!(dirty.unread, [(scraping_id, Arc::from("1"))]);
    scraping(&mut log, 1, "job_progress", r#","progress":null"#, 2);
    assert!(log.take_dirty(false, 10).unread.is_empty(), "it is being read");
    let state = Bytes::from_static(br#"{"job_id":1,"event_type":"job_progress","progress":40}"#);
    let stored =
        StoredJob { state: Some(state), percent: Some("40".to_owned()), updated: 9, ..StoredJob::default() };
    log.restore(scraping_id, "1", Some(&stored), at(3));
    log.put_back(&dirty.unread);
    let saved = log.take_dirty(false, 10).save;
    assert_eq!((saved.len(), saved[0].stored.percent.as_deref()), (1, Some("40")));
    assert_eq!(saved[0].stored.updated, 2_000_000);
}

#[test]
fn an_ending_that_is_read_back_stays_until_a_new_run_begins() {
    let mut log = log(JobLogLimits::default());
    let (scraping_id, downloads) = (id(&log, "scraping"), id(&log, "downloads"));
    let ended = |state: &'static [u8]| StoredJob {
        state: Some(Bytes::from_static(state)),
        ended: Some("succeeded".to_owned()),
        updated: u64::MAX,
        ..StoredJob::default()
    };
    scraping(&mut log, 1, "scraper_failed", "", 0);
    log.restore(scraping_id, "1", Some(&ended(br#"{"job_id":1,"event_type":"job_completed"}"#)), at(1));
    scraping(&mut log, 1, "scraper_failed", "", 2);
    assert!(text(&log.snapshot(scraping_id, "1").unwrap()).contains("job_completed"));

    let queued = r#"{"jobId":"a","status":"queued","progress":0}"#;
    take(&mut log, "downloads", "download_updates:a", queued, 0);
    let before = br#"{"jobId":"a","status":"completed","progress":100,"downloadUrl":"u"}"#;
    log.restore(downloads, "a", Some(&ended(before)), at(1));
    assert_eq!(log.status(downloads, "a").unwrap(), queued);
}

#[test]
fn a_job_is_read_back_beneath_what_was_seen_since() {
    let mut log = log(JobLogLimits::default());
    let (scraping_id, downloads) = (id(&log, "scraping"), id(&log, "downloads"));
    let stored = StoredJob {
        owner: None,
        state: Some(Bytes::from_static(br#"{"job_id":1,"event_type":"job_completed","progress":null}"#)),
        ended: Some(Outcome::Succeeded.as_str().to_owned()),
        percent: Some("99.5".to_owned()),
        updated: 7,
    };
    log.restore(scraping_id, "1", Some(&stored), at(0));
    assert!(text(&log.snapshot(scraping_id, "1").unwrap()).contains("job_completed"));
    assert!(log.status(scraping_id, "1").unwrap().contains("99.5"));
    assert_eq!(log.known(scraping_id, "1"), Some(Known::Whole));
    assert!(log.take_dirty(false, 10).save.is_empty(), "what was read back is not written again");

    take(
        &mut log,
        "downloads",
        "download_updates:a",
        r#"{"jobId":"a","status":"processing","progress":50}"#,
        1,
    );
    let older = br#"{"jobId":"a","status":"processing","progress":10,"videoInfo":{"id":"v"}}"#;
    let stored = StoredJob { state: Some(Bytes::from_static(older)), ..StoredJob::default() };
    log.restore(downloads, "a", Some(&stored), at(1));
    assert_eq!(
        log.status(downloads, "a").unwrap(),
        r#"{"jobId":"a","status":"processing","progress":50,"videoInfo":{"id":"v"}}"#
    );
    scraping(&mut log, 5, "job_started", "", 2);
    let stale =
        StoredJob { state: Some(Bytes::from_static(br#"{"job_id":5,"event_type":"job_failed"}"#)), ..stored };
    log.restore(scraping_id, "5", Some(&stale), at(3));
    assert!(
        text(&log.snapshot(scraping_id, "5").unwrap()).contains("job_started"),
        "that was the run before"
    );
}

#[test]
fn replay_has_the_last_of_each_kind_and_scraper_in_order() {
    let mut log = log(JobLogLimits::default());
    let scraper = |name: &str| format!(r#","metadata":{{"scraper_name":"{name}"}}"#);
    scraping(&mut log, 1, "job_started", "", 0);
    scraping(&mut log, 1, "scraper_started", &scraper("a"), 0);
    scraping(&mut log, 1, "scraper_started", &scraper("b"), 0);
    scraping(&mut log, 1, "job_progress", "", 0);
    scraping(&mut log, 1, "scraper_failed", &scraper("a"), 0);
    scraping(&mut log, 1, "job_progress", "", 0);
    let scraping_id = id(&log, "scraping");
    let sequences: Vec<u64> = log.replay(scraping_id, "1").iter().map(|s| s.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 5, 6]);
    assert_eq!(log.replay(scraping_id, "2"), []);
}

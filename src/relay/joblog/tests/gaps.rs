//! Records after a gap, in which publications may have been missed.

use super::*;

fn stored(state: &str, ended: Option<&str>, second: u64) -> StoredJob {
    StoredJob {
        state: Some(Bytes::copy_from_slice(state.as_bytes())),
        ended: ended.map(str::to_owned),
        updated: second * 1_000_000,
        ..StoredJob::default()
    }
}

fn event(kind: &str) -> String {
    format!(r#"{{"job_id":1,"event_type":"{kind}"}}"#)
}

/// A job of scraping that began at second 10, and reported at second 20.
fn running() -> (JobLog, DialectId) {
    let mut log = log(JobLogLimits::default());
    let id = id(&log, "scraping");
    scraping(&mut log, 1, "job_started", "", 10);
    scraping(&mut log, 1, "job_progress", "", 20);
    log.restore(id, "1", None, at(20));
    (log, id)
}

fn shown(log: &mut JobLog, id: DialectId) -> String {
    text(&log.snapshot(id, "1").unwrap())
}

#[test]
fn after_a_gap_every_job_of_the_dialect_is_to_be_read_back_once() {
    let (mut log, scraping_id) = running();
    let downloads = id(&log, "downloads");
    take(&mut log, "downloads", "download_updates:a", r#"{"status":"queued"}"#, 20);
    log.restore(downloads, "a", None, at(20));
    log.gap([scraping_id]);
    assert_eq!(log.known(scraping_id, "1"), Some(Known::Partly));
    assert_eq!(log.known(downloads, "a"), Some(Known::Whole));
    assert_eq!(log.restore(scraping_id, "1", None, at(30)), Restored::default());
    assert_eq!(log.known(scraping_id, "1"), Some(Known::Whole));
    assert!(shown(&mut log, scraping_id).contains("job_progress"), "the store knew nothing");
}

#[test]
fn an_ending_that_was_missed_is_read_back_and_nothing_undoes_it() {
    let (mut log, id) = running();
    log.gap([id]);
    let news = log.restore(id, "1", Some(&stored(&event("job_completed"), Some("succeeded"), 30)), at(40));
    assert_eq!(news.state, log.snapshot(id, "1"));
    assert!(shown(&mut log, id).contains("job_completed") && log.has_ended(id, "1"));
    scraping(&mut log, 1, "job_progress", "", 41);
    assert!(log.has_ended(id, "1"));
    assert_eq!(log.replay(id, "1").len(), 3, "what led to it is remembered");
    assert!(log.take_dirty(false, 10).save.iter().all(|job| job.stored.ended.is_some()));
}

#[test]
fn an_ending_that_was_read_back_counts_until_another_event_changes_the_state() {
    let (mut log, id) = running();
    log.gap([id]);
    let news = log.restore(id, "1", Some(&stored(&event("job_completed"), Some("succeeded"), 30)), at(40));
    let sequence = news.state.unwrap().sequence;
    scraping(&mut log, 1, "job_progress", "", 41);
    assert!(log.has_ended_at(id, "1", sequence), "what comes late changes nothing");
    scraping(&mut log, 1, "job_failed", "", 42);
    assert!(!log.has_ended_at(id, "1", sequence) && log.has_ended(id, "1"));
    scraping(&mut log, 1, "job_started", "", 43);
    assert!(!log.has_ended_at(id, "1", sequence));
}

#[test]
fn the_ending_before_the_run_of_now_does_not_come_back_however_late_another_relay_heard_of_it() {
    for (kind, outcome, second, counts) in [
        ("job_failed", "failed", 23, false),
        // Another one was missed, and so was the same one later than all that was seen.
        ("job_completed", "succeeded", 23, true),
        ("job_failed", "failed", 25, true),
    ] {
        let (mut log, id) = running();
        for (kind, second) in [("job_failed", 21), ("job_started", 22), ("job_progress", 24)] {
            scraping(&mut log, 1, kind, "", second);
        }
        log.gap([id]);
        let news = log.restore(id, "1", Some(&stored(&event(kind), Some(outcome), second)), at(30));
        assert_eq!((news.state.is_some(), log.has_ended(id, "1")), (counts, counts), "{kind} {second}");
    }
}

#[test]
fn what_comes_late_after_a_gap_is_not_written_over_the_ending_that_was_missed() {
    let (mut log, id) = running();
    log.take_dirty(false, 10);
    log.gap([id]);
    scraping(&mut log, 1, "job_progress", "", 40);
    let dirty = log.take_dirty(false, 10);
    assert_eq!((dirty.save.len(), dirty.unread.len()), (0, 1), "it is read back first");
    let news = log.restore(id, "1", Some(&stored(&event("job_failed"), Some("failed"), 30)), at(41));
    assert!(news.state.is_some());
    log.put_back(&dirty.unread);
    let saved = log.take_dirty(false, 10).save;
    assert_eq!(saved[0].stored.ended.as_deref(), Some("failed"));
}

#[test]
fn a_run_that_opens_after_a_gap_is_certain_and_newer_than_all_that_is_stored() {
    let (mut log, id) = running();
    log.gap([id]);
    scraping(&mut log, 1, "job_started", "", 40);
    assert_eq!(log.take_dirty(false, 10).save.len(), 1);
    let news = log.restore(id, "1", Some(&stored(&event("job_failed"), Some("failed"), 30)), at(41));
    assert_eq!(news.state, None);
    assert!(shown(&mut log, id).contains("job_started"));
}

#[test]
fn unchanged_or_older_state_is_no_news() {
    let (mut log, id) = running();
    let before = log.snapshot(id, "1");
    for stored in [
        stored(&event("job_progress"), None, 20),
        stored(&event("job_progress"), None, 25),
        stored(&event("job_started"), None, 15),
        stored(&event("job_failed"), Some("failed"), 9),
    ] {
        log.gap([id]);
        assert_eq!(log.restore(id, "1", Some(&stored), at(30)), Restored::default(), "{stored:?}");
        assert_eq!(log.snapshot(id, "1"), before);
    }
    log.gap([id]);
    let ahead = stored(&event("job_completed"), Some("succeeded"), 15);
    assert!(log.restore(id, "1", Some(&ahead), at(30)).state.is_some(), "a clock behind hides no ending");
}

#[test]
fn a_newer_run_that_was_missed_replaces_one_that_had_ended() {
    let (mut log, id) = running();
    scraping(&mut log, 1, "job_failed", "", 25);
    log.gap([id]);
    assert!(log.restore(id, "1", Some(&stored(&event("job_progress"), None, 40)), at(41)).state.is_some());
    assert!(shown(&mut log, id).contains("job_progress") && !log.has_ended(id, "1"));
    assert_eq!(log.replay(id, "1").len(), 1);
}

#[test]
fn a_retry_after_a_gap_is_late_if_a_success_was_missed() {
    let retry = |missed: Option<StoredJob>| {
        let mut log = log(JobLogLimits::default());
        let downloads = id(&log, "downloads");
        let send = |log: &mut JobLog, payload, second| {
            take(log, "downloads", "download_updates:a", payload, second);
        };
        send(&mut log, r#"{"status":"failed","error":"e"}"#, 10);
        log.gap([downloads]);
        send(&mut log, r#"{"status":"processing","progress":98}"#, 40);
        log.restore(downloads, "a", missed.as_ref(), at(41));
        log.status(downloads, "a").unwrap()
    };
    let completed = r#"{"status":"completed","progress":100}"#;
    assert_eq!(retry(Some(stored(completed, Some("succeeded"), 30))), completed);
    let processing = r#"{"status":"processing","progress":98}"#;
    assert_eq!(retry(Some(stored(r#"{"status":"failed"}"#, Some("failed"), 10))), processing);
    assert_eq!(retry(None), processing);
}

#[test]
fn a_merge_has_what_was_missed_between_what_was_known_and_what_came_since() {
    let mut log = log(JobLogLimits::default());
    let downloads = id(&log, "downloads");
    let send =
        |log: &mut JobLog, payload, second| take(log, "downloads", "download_updates:a", payload, second);
    send(&mut log, r#"{"status":"processing","progress":10,"fileSize":1}"#, 10);
    log.gap([downloads]);
    let last = send(&mut log, r#"{"status":"processing","progress":90}"#, 40);
    let known = r#"{"status":"processing","progress":90,"fileSize":1}"#;
    assert_eq!(log.status(downloads, "a").unwrap(), known);
    let missed = r#"{"status":"processing","progress":50,"fileSize":2,"storageProvider":"s3"}"#;
    let news = log.restore(downloads, "a", Some(&stored(missed, None, 30)), at(41));
    assert!(news.state.unwrap().sequence > last);
    let whole = r#"{"status":"processing","progress":90,"fileSize":2,"storageProvider":"s3"}"#;
    assert_eq!(log.status(downloads, "a").unwrap(), whole);
    log.gap([downloads]);
    assert_eq!(log.restore(downloads, "a", Some(&stored(whole, None, 42)), at(43)).state, None);
    assert_eq!(log.status(downloads, "a").unwrap(), whole);
    log.gap([downloads]);
    send(&mut log, r#"{"status":"completed"}"#, 50);
    let bytes = log.bytes();
    log.forget(log.oldest.unwrap());
    assert!(bytes > 0 && log.bytes() == 0);
}

#[test]
fn the_owner_is_read_back_too() {
    let mut log = log(JobLogLimits::default());
    let tasks = id(&log, "tasks");
    task(&mut log, "t", r#"{"type":"progress","user_id":"bob"}"#);
    log.restore(tasks, "t", None, at(1));
    log.gap([tasks]);
    assert!(log.restore(tasks, "t", Some(&stored_owner("alice")), at(2)).owned);
    assert_eq!(owner(&log, "t").as_deref(), Some("alice"));
}

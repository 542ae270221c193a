use super::*;
use crate::dialect::Topic;
use crate::relay::auth::Whose;
use crate::relay::cursor::{Loss, Since};

/// Numbers of the events that a client of job 1 is sent that goes on behind a sequence.
fn missed(log: &JobLog, after: u64) -> Result<Vec<u64>, Loss> {
    let topic = Topic::job(id(log, "scraping"), "1");
    let place = log.resume(&topic, &Since::After(after))?;
    let page = log.page(&[(topic, Whose::Anybody)], place.after, 1_000);
    Ok(page.iter().map(|event| event.sequence).collect())
}

#[test]
fn a_tail_is_kept_for_ten_minutes_after_its_job_s_ending_unless_it_runs_again() {
    let mut log = log(JobLogLimits::default());
    let first = scraping(&mut log, 1, "job_started", "", 0);
    let second = scraping(&mut log, 1, "scraper_completed", "", 1);
    let ending = scraping(&mut log, 1, "job_completed", "", 2);
    log.expire_tails(at(601).now);
    assert_eq!(missed(&log, first), Ok(vec![second, ending]));
    log.expire_tails(at(602).now);
    assert_eq!((missed(&log, first), missed(&log, ending)), (Err(Loss::TooOld), Ok(vec![])));
    let again = scraping(&mut log, 1, "job_started", "", 700);
    log.expire_tails(at(10_000).now);
    assert_eq!((missed(&log, second), missed(&log, ending)), (Err(Loss::TooOld), Ok(vec![again])));
}

#[test]
fn the_last_fifty_lines_of_a_job_s_log_are_kept_beside_its_other_events_and_are_no_state() {
    let mut log = log(JobLogLimits::default());
    let jobs = id(&log, "jobs");
    let topic = Topic::job(jobs, "a");
    let event = |log: &mut JobLog, kind: &str, second| {
        let payload = format!(r#"{{"job":"a","event":"{kind}","line":"x","percent":5}}"#);
        take(log, "jobs", "job_updates:a", &payload, second)
    };
    event(&mut log, "log", 0);
    assert_eq!((log.snapshot(jobs, "a"), log.status(jobs, "a"), log.replay(jobs, "a")), (None, None, vec![]));
    let started = event(&mut log, "started", 0);
    let progress = event(&mut log, "progress", 1);
    let lines: Vec<u64> = (0..60).map(|_| event(&mut log, "log", 2)).collect();
    assert_eq!(log.snapshot(jobs, "a").unwrap().sequence, progress);
    assert_eq!(log.replay(jobs, "a").len(), 2);
    let resumed = |log: &JobLog, after| {
        let place = log.resume(&topic, &Since::After(after))?;
        let page = log.page(&[(topic.clone(), Whose::Anybody)], place.after, 1_000);
        Ok(page.iter().map(|event| event.sequence).collect::<Vec<_>>())
    };
    assert_eq!(resumed(&log, lines[8]), Err(Loss::TooOld));
    assert_eq!(resumed(&log, lines[9]), Ok(lines[10..].to_vec()));
    let kept: Vec<u64> =
        log.page(&[(topic.clone(), Whose::Anybody)], 0, 1_000).iter().map(|e| e.sequence).collect();
    assert_eq!(kept, [&[started, progress], &lines[10..]].concat());
    event(&mut log, "succeeded", 3);
    event(&mut log, "log", 4);
    assert_eq!(log.outcome(jobs, "a"), Some(Outcome::Succeeded));
    assert!(text(&log.snapshot(jobs, "a").unwrap()).contains("succeeded"));
}

#[test]
fn a_source_that_was_lost_is_a_gap_to_its_dialect_alone() {
    let mut log = log(JobLogLimits::default());
    let first = scraping(&mut log, 1, "job_started", "", 0);
    let tasks = id(&log, "tasks");
    log.lose_source(&[tasks]);
    assert_eq!(missed(&log, first), Ok(vec![]));
    let scraping_id = id(&log, "scraping");
    let hole = log.lose_source(&[scraping_id]);
    assert_eq!((missed(&log, first), missed(&log, hole)), (Err(Loss::SourceLost), Ok(vec![])));
}

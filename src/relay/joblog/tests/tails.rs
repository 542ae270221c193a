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

use super::*;

/// A log for two jobs, with a job that leaves it: 1, at 40 %.
fn left() -> JobLog {
    let mut log = log(JobLogLimits { jobs: 2, ..JobLogLimits::default() });
    scraping(&mut log, 1, "job_started", "", 1);
    scraping(&mut log, 1, "job_progress", r#","progress":40"#, 2);
    crowd_out(&mut log);
    log
}

/// Has two other jobs take the room of all that are there.
fn crowd_out(log: &mut JobLog) {
    for job in [2, 3] {
        scraping(log, job, "job_started", "", 3);
    }
    assert_eq!(log.known(id(log, "scraping"), "1"), None);
}

/// Percents that are written for job 1 in a round.
fn written(log: &mut JobLog) -> Vec<Option<String>> {
    let saved = log.take_dirty(false, 10).save;
    log.saved(saved.iter());
    saved.into_iter().filter(|job| &*job.job == "1").map(|job| job.stored.percent).collect()
}

#[test]
fn a_job_that_left_before_it_was_written_is_written_and_then_forgotten() {
    let mut log = left();
    assert_eq!(written(&mut log), [Some("40".to_owned())]);
    assert!(written(&mut log).is_empty());
    let scraping_id = id(&log, "scraping");
    log.bring_back(scraping_id, "1", at(4));
    assert_eq!(log.known(scraping_id, "1"), None, "the store has it");
}

#[test]
fn a_job_that_left_comes_back_with_its_state_and_is_written_once() {
    let mut log = left();
    let scraping_id = id(&log, "scraping");
    // The store has not got it.
    log.restore(scraping_id, "1", None, at(4));
    assert!(text(&log.snapshot(scraping_id, "1").unwrap()).contains(r#""progress":40"#));
    assert_eq!(log.known(scraping_id, "1"), Some(Known::Whole));
    assert_eq!(written(&mut log), [Some("40".to_owned())]);
    crowd_out(&mut log);
    assert!(written(&mut log).is_empty());
}

#[test]
fn an_event_of_a_job_that_left_goes_on_from_its_state() {
    let mut log = left();
    scraping(&mut log, 1, "job_progress", r#","progress":null"#, 5);
    assert_eq!(
        written(&mut log),
        [Some("40".to_owned())],
        "the newer state alone, with the older one's percent"
    );
}

#[test]
fn a_job_that_leaves_while_it_is_written_is_known_until_it_is() {
    let mut log = log(JobLogLimits { jobs: 2, ..JobLogLimits::default() });
    scraping(&mut log, 1, "job_started", "", 1);
    scraping(&mut log, 1, "job_completed", "", 1);
    let saved = log.take_dirty(true, 10).save;
    crowd_out(&mut log);
    let scraping_id = id(&log, "scraping");
    log.bring_back(scraping_id, "1", at(4));
    assert!(log.has_ended(scraping_id, "1"));
    crowd_out(&mut log);
    log.saved(saved.iter());
    let again = log.take_dirty(true, 10).save;
    assert_eq!(
        again.len(),
        1,
        "it was changed by nobody, but the store may have answered for an older state"
    );
    log.not_saved(again.iter());
    let stored = |jobs: Vec<JobToSave>| jobs.into_iter().map(|job| job.stored).collect::<Vec<_>>();
    assert_eq!(stored(log.take_dirty(true, 10).save), stored(again));
}

#[test]
fn states_without_room_are_lost_and_counted_the_oldest_first() {
    let mut log = log(JobLogLimits { jobs: 3, ..JobLogLimits::default() });
    for job in 1..=10 {
        scraping(&mut log, job, "job_started", "", job);
    }
    let Dirty { save, lost, .. } = log.take_dirty(false, 100);
    let jobs: Vec<&str> = save.iter().map(|job| &*job.job).collect();
    assert_eq!((&jobs[..3], jobs.len(), lost), (&["5", "6", "7"][..], 6, 4));
    assert_eq!(log.take_dirty(false, 100).lost, 0);
}

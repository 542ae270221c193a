//! Times of a job: how long it runs, and how long it still takes. Pure.

use std::time::Duration;

use jiff::Timestamp;

use crate::lists::JobRow;

/// Time for which the job has run: to now, or to its last event once it has ended. `None` where its beginning is unknown.
pub(crate) fn elapsed(job: &JobRow, now: Timestamp) -> Option<Duration> {
    let started = job.started?;
    let end = if job.is_unfinished() { now } else { job.updated? };
    Some(Duration::try_from(end.duration_since(started)).unwrap_or(Duration::ZERO))
}

/// Estimated time to the end of a running job, at its average speed so far. `None` where that cannot be told.
pub(crate) fn remaining(job: &JobRow, now: Timestamp) -> Option<Duration> {
    use crate::dialect::JobState::Running;
    /// An estimate from less says nothing.
    const LEAST: f64 = 1.0;
    let percent = job.percent.filter(|percent| job.state == Running && (LEAST..100.0).contains(percent))?;
    // The percent is that of the last event; what has passed since is waiting for the next.
    let told = job.updated.unwrap_or(now).min(now);
    let worked =
        Duration::try_from(told.duration_since(job.started?)).ok().filter(|worked| !worked.is_zero())?;
    let left = worked.as_secs_f64() * (100.0 - percent) / percent;
    let since = Duration::try_from(now.duration_since(told)).unwrap_or(Duration::ZERO);
    Some(Duration::try_from_secs_f64(left).ok()?.saturating_sub(since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::JobState;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_job_runs_from_its_start_and_is_done_as_fast_as_it_went() {
        let job = |state, percent, started, updated: i64| JobRow {
            target: "jobs/a".into(),
            state,
            percent,
            message: None,
            started,
            updated: Some(at(updated)),
            watchers: 0,
        };
        let (running, done) = (JobState::Running, JobState::Succeeded);
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
        for (job, times) in [
            (job(running, Some(25.0), Some(at(0)), 10), (Some(12), Some(28))),
            (job(running, Some(50.0), Some(at(0)), 4), (Some(12), Some(0))),
            (job(running, Some(0.5), Some(at(0)), 10), (Some(12), None)),
            (job(running, Some(25.0), None, 10), (None, None)),
            (job(running, None, Some(at(0)), 10), (Some(12), None)),
            (job(running, Some(25.0), Some(at(20)), 10), (Some(0), None)),
            (job(done, Some(25.0), Some(at(0)), 10), (Some(10), None)),
            (job(JobState::Queued, Some(25.0), Some(at(2)), 10), (Some(10), None)),
        ] {
            let told = (seconds(elapsed(&job, at(12))), seconds(remaining(&job, at(12))));
            assert_eq!(told, times, "{job:?}");
        }
    }
}

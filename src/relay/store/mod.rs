//! State that outlives the relay: read back when somebody asks for a job, written behind as events come.

mod access;
mod questions;
mod read;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub(super) use self::access::StoreAccess;
pub(super) use self::questions::{Questions, RestoreQueue};
use self::read::{look_up, read_back, try_to_read};
use super::joblog::{Dirty, JobLog, Known, Stamp};
use super::troubles::{Cause, Direction};
use crate::broker::{BrokerError, JobToSave, NotSaved, Trouble};
use crate::dialect::DialectId;

/// Jobs that are read back together after a gap.
const CATCH_UP_TOGETHER: usize = 64;
/// Time before that is tried again for those that failed, times the attempt.
const CATCH_UP_EVERY: Duration = Duration::from_millis(250);
/// Number of attempts, at growing intervals, before a job is left to whoever asks for it next: 53 s in all.
const CATCH_UP_ATTEMPTS: u32 = 20;
/// Time between two passes over ended jobs.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// Time between two writes of progress.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Jobs that are written in one go.
const WRITE_TOGETHER: usize = 500;
/// Longest time for the last write when the relay ends.
const LAST_WRITE: Duration = Duration::from_secs(2);

/// Starts what works on the store; the handle is that of what writes, which ends last.
pub(super) fn spawn(
    access: StoreAccess,
    questions: Questions,
    gaps: Arc<Notify>,
    urgent: Arc<Notify>,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(questions::answer(access.clone(), questions));
    tokio::spawn(catch_up(access.clone(), Arc::clone(&gaps), stop.clone()));
    tokio::spawn(expire(Arc::clone(&access.log), stop.clone()));
    tokio::spawn(write_behind(access, urgent, gaps, stop.clone()))
}

/// Reads the jobs back that somebody watches after each gap, and when the store can be read again, until `stop`; their
/// watchers get what has changed. A few at a time, so that who comes meanwhile does not wait behind all of them.
async fn catch_up(access: StoreAccess, gaps: Arc<Notify>, stop: CancellationToken) {
    if access.store().is_none() {
        return;
    }
    while stop.run_until_cancelled(gaps.notified()).await.is_some() {
        let mut watched = HashSet::new();
        for shard in &access.shards {
            watched.extend(shard.jobs().await);
        }
        let outdated = |(id, job): &(DialectId, String)| access.log().known(*id, job) != Some(Known::Whole);
        let mut jobs: Vec<(DialectId, Arc<str>)> =
            watched.into_iter().filter(outdated).map(|(id, job)| (id, job.into())).collect();
        for attempt in 1..=CATCH_UP_ATTEMPTS {
            jobs = read_all(&access, jobs).await;
            if jobs.is_empty()
                || stop.run_until_cancelled(tokio::time::sleep(CATCH_UP_EVERY * attempt)).await.is_none()
            {
                break;
            }
        }
    }
}

/// Reads jobs back, and returns those that the store did not answer for.
async fn read_all(access: &StoreAccess, jobs: Vec<(DialectId, Arc<str>)>) -> Vec<(DialectId, Arc<str>)> {
    let mut failed = Vec::new();
    for some in jobs.chunks(CATCH_UP_TOGETHER) {
        let read = join_all(some.iter().map(|(id, job)| look_up(access, *id, job, false))).await;
        failed.extend(some.iter().zip(read).filter(|(_, read)| read.is_err()).map(|(job, _)| job.clone()));
    }
    failed
}

/// Forgets ended jobs when their time is up, until `stop`.
async fn expire(log: Arc<Mutex<JobLog>>, stop: CancellationToken) {
    while tokio::time::timeout(EXPIRE_EVERY, stop.cancelled()).await.is_err() {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Stamp::now().now;
        log.expire(now);
        log.expire_tails(now);
    }
}

/// Writes behind until `stop`, and then what is left once more. What cannot be written stays dirty in the job log,
/// which bounds it, and is tried again every second, and as soon as the store is there again.
async fn write_behind(access: StoreAccess, urgent: Arc<Notify>, gaps: Arc<Notify>, stop: CancellationToken) {
    if access.store().is_none() {
        return;
    }
    let mut status = access.broker.status();
    let mut next = Instant::now() + WRITE_EVERY;
    loop {
        let only_urgent = tokio::select! {
            () = stop.cancelled() => break,
            () = urgent.notified() => true,
            () = tokio::time::sleep_until(next) => false,
        };
        if !write(&access, only_urgent).await {
            let back = async {
                // Fails only when the broker is gone, and then `stop` comes.
                let _ = status.wait_for(|status| !status.reachable).await;
                let _ = status.wait_for(|status| status.reachable).await;
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = back => {}
                () = tokio::time::sleep(WRITE_EVERY) => {}
            }
        }
        if !only_urgent {
            look_again(&access, &gaps).await;
            next = Instant::now() + WRITE_EVERY;
        }
    }
    if tokio::time::timeout(LAST_WRITE, write(&access, false)).await != Ok(true) {
        warn!("not all of the last job states could be written");
    }
}

/// Tries again to read the jobs that could not be read, since nobody else may ask for a long time. If they can be read
/// now, notifies `gaps`, so that watchers who were sent nothing, or only what this relay knew, get the stored state.
async fn look_again(access: &StoreAccess, gaps: &Notify) {
    for (id, job) in access.troubles.unread() {
        // A failure is not reported: it is known already.
        let _ = try_to_read(access, id, &job).await;
    }
    if access.troubles.can_read_again() {
        gaps.notify_one();
    }
}

/// Writes everything that is dirty, and stops at the first jobs that cannot be read or written; whether there were none.
async fn write(access: &StoreAccess, only_urgent: bool) -> bool {
    let Some(store) = access.store() else { return true };
    loop {
        let Dirty { save, unread, lost } = access.log().take_dirty(only_urgent, WRITE_TOGETHER);
        if lost > 0 {
            warn!(
                "{lost} states of jobs left memory before they could be written (--keep-jobs, --keep-bytes)"
            );
        }
        if save.is_empty() && unread.is_empty() {
            if !only_urgent {
                access.troubles.all_written();
            }
            return true;
        }
        let all_read = read_first(access, &unread).await;
        let saved = if save.is_empty() { Ok(Vec::new()) } else { store.save(&save).await };
        if !note_saved(access, &save, saved) || !all_read {
            return false;
        }
    }
}

/// Reads back jobs of which the store may know more than the log, and puts them among those to be written; whether all
/// could be read.
async fn read_first(access: &StoreAccess, unread: &[(DialectId, Arc<str>)]) -> bool {
    let read = join_all(unread.iter().map(|(id, job)| read_back(access, *id, job))).await;
    access.log().put_back(unread);
    let mut all = true;
    for ((id, job), read) in unread.iter().zip(read) {
        match read {
            Ok((_, news)) => {
                access.troubles.succeeded(Direction::Reading, *id);
                access.tell(*id, job, news).await;
            }
            Err(cause) => {
                all = false;
                access.troubles.failed(Direction::Reading, *id, job, &cause);
            }
        }
    }
    all
}

/// Makes what was not saved dirty again; whether everything was saved.
fn note_saved(access: &StoreAccess, jobs: &[JobToSave], saved: Result<Vec<NotSaved>, BrokerError>) -> bool {
    let refused = match saved {
        Ok(refused) => refused,
        Err(error) => (0..jobs.len()).map(|job| NotSaved { job, error: error.clone() }).collect(),
    };
    let mut unsaved = refused.iter().map(|refused| refused.job).peekable();
    for (index, job) in jobs.iter().enumerate() {
        if unsaved.next_if_eq(&index).is_none()
            && let Some((id, _)) = access.dialects.named(&job.dialect)
        {
            access.troubles.succeeded(Direction::Writing, id);
        }
    }
    for NotSaved { job, error } in &refused {
        let job = &jobs[*job];
        if let Some((id, _)) = access.dialects.named(&job.dialect) {
            access.troubles.failed(Direction::Writing, id, &job.job, &Cause::from(error));
        }
    }
    // A key that holds something else is left to whoever wrote it.
    let again = refused.iter().filter(|refused| refused.error.trouble() != Trouble::WrongType);
    let again: HashSet<usize> = again.map(|refused| refused.job).collect();
    let (failed, done): (Vec<_>, Vec<_>) = jobs.iter().enumerate().partition(|(job, _)| again.contains(job));
    let mut log = access.log();
    log.saved(done.into_iter().map(|(_, job)| job));
    log.not_saved(failed.into_iter().map(|(_, job)| job));
    again.is_empty()
}

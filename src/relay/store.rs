//! State that outlives the relay: read back when somebody asks for a job, written behind as events come.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::foreign::Foreign;
use super::joblog::{Dirty, JobLog, Known, Restored, Stamp};
use super::reservation::StoreReading;
use super::shard::message::WeakHandle;
use super::slots::ConnId;
use super::troubles::{Cause, Direction, Troubles};
use crate::broker::{Broker, BrokerError, JobToSave, NotSaved, StateStore, StoredJob, StreamId, Trouble};
use crate::dialect::{Auth, DialectId, Dialects, Topic};

/// Questions that may wait for the store, and as many again while it is away; of one more the job counts as unknown.
const QUEUE: usize = 20_000;
/// Questions that are put to the store together.
const TOGETHER: usize = 256;
/// How long the store may take before it counts as away.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks whether a stream was read as far as a state.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often questions that it could not answer are asked again once it is back.
const RETRY_EVERY: Duration = Duration::from_millis(250);
/// Jobs that are read back together after a gap.
const CATCH_UP_TOGETHER: usize = 64;
/// How often that is tried, ever more seldom, before a job is left to whoever asks for it next: 53 s in all.
const CATCH_UP_ATTEMPTS: u32 = 20;
/// How often ended jobs are looked through.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// How often progress is written behind.
const WRITE_EVERY: Duration = Duration::from_secs(1);
/// Jobs that are written in one go.
const WRITE_TOGETHER: usize = 500;
/// How long the last write may take when the relay ends.
const LAST_WRITE: Duration = Duration::from_secs(2);

#[derive(Debug)]
struct Question {
    dialect: DialectId,
    job: Arc<str>,
    asker: Asker,
}

#[derive(Debug)]
enum Asker {
    Connection(WeakHandle, ConnId),
    /// Is told whether the store answered, if only to refuse.
    Request(oneshot::Sender<Result<(), Trouble>>),
}

/// Puts questions to the store.
#[derive(Debug, Clone)]
pub(super) struct RestoreQueue(mpsc::Sender<Question>);

impl RestoreQueue {
    /// The queue, and the end that [`answer`] works on.
    pub(super) fn new() -> (Self, Questions) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Questions(receiver))
    }

    /// Asks on behalf of a connection, whose shard is told when the job log knows. `false` when the queue is full.
    pub(super) fn ask(&self, dialect: DialectId, job: Arc<str>, shard: WeakHandle, id: ConnId) -> bool {
        self.0.try_send(Question { dialect, job, asker: Asker::Connection(shard, id) }).is_ok()
    }

    /// Asks on behalf of a request. An error means that the store may know more a moment later; one that refuses for good
    /// is no error, since the job log knows all that is to be known then.
    pub(super) async fn look(&self, dialect: DialectId, job: Arc<str>) -> Result<(), Trouble> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.try_send(Question { dialect, job, asker: Asker::Request(answer) });
        asked.map_err(|_| Trouble::Overloaded)?;
        // The other end is dropped only when the relay stops.
        answered.await.unwrap_or(Err(Trouble::Away))
    }
}

/// The questions that wait.
#[derive(Debug)]
pub(super) struct Questions(mpsc::Receiver<Question>);

/// What both directions work with.
#[derive(Clone)]
pub(super) struct StoreAccess {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) dialects: Arc<Dialects>,
    pub(super) log: Arc<Mutex<JobLog>>,
    /// State that others keep.
    pub(super) foreign: Arc<Foreign>,
    pub(super) troubles: Arc<Troubles>,
    /// Where it is to be known whose the jobs are. Weak, since a shard ends with the last handle.
    pub(super) shards: Vec<WeakHandle>,
}

impl StoreAccess {
    fn log(&self) -> std::sync::MutexGuard<'_, JobLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> Option<&dyn StateStore> {
        self.broker.store()
    }

    /// Tells the shards what reading a job back changed: whose it turned out to be, since others may be watching it, and
    /// its state.
    async fn tell(&self, id: DialectId, job: &Arc<str>, news: Restored) {
        if let Some(state) = news.state {
            for shard in &self.shards {
                shard.read_back(Topic::job(id, Arc::clone(job)), state.clone()).await;
            }
        }
        if news.owned && self.dialects.get(id).auth == Auth::Owner {
            let jobs: Arc<[Topic]> = [Topic::job(id, Arc::clone(job))].into();
            for shard in &self.shards {
                shard.owned(Arc::clone(&jobs)).await;
            }
        }
    }
}

/// Starts what works on the store; the handle is that of what writes, which ends last.
pub(super) fn spawn(
    access: StoreAccess,
    questions: Questions,
    gaps: Arc<Notify>,
    urgent: Arc<Notify>,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(answer(access.clone(), questions));
    tokio::spawn(catch_up(access.clone(), Arc::clone(&gaps), stop.clone()));
    tokio::spawn(expire(Arc::clone(&access.log), stop.clone()));
    tokio::spawn(write_behind(access, urgent, gaps, stop.clone()))
}

/// Answers questions until nobody can ask any more. Watchers of one job that come together are one question.
///
/// While the store is away, a connection whose job this relay knows nothing of, or not whose it is, stays unanswered: to
/// call the job unknown would be a guess. It is asked again when the store is back. A store that refuses, and will go on
/// refusing, is asked in vain: then everybody gets what this relay knows.
async fn answer(access: StoreAccess, mut questions: Questions) {
    let mut held: VecDeque<Question> = VecDeque::new();
    let mut together = Vec::with_capacity(TOGETHER);
    // Not begun anew by each question, or they would wait for as long as others keep asking.
    let mut retry = tokio::time::interval(RETRY_EVERY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            count = questions.0.recv_many(&mut together, TOGETHER) => if count == 0 { return },
            _ = retry.tick(), if !held.is_empty() => {
                if access.broker.status().borrow().reachable {
                    together.extend(held.drain(..held.len().min(TOGETHER)));
                }
            }
        }
        let mut askers: HashMap<(DialectId, Arc<str>), Vec<Asker>> = HashMap::new();
        for question in together.drain(..) {
            askers.entry((question.dialect, question.job)).or_default().push(question.asker);
        }
        let answers = join_all(askers.iter().map(|((dialect, job), askers)| {
            // Watchers want the state that was there when they asked, which others may have read meanwhile.
            let watched = askers.iter().any(|asker| matches!(asker, Asker::Connection(..)));
            look_up(&access, *dialect, job, watched)
        }))
        .await;
        for (((dialect, job), askers), answer) in askers.into_iter().zip(answers) {
            let reading = answer.clone().unwrap_or(StoreReading::Unread);
            let known = answer.is_ok() || access.log().suffices(dialect, &job);
            for asker in askers {
                match asker {
                    Asker::Connection(..) if !known && held.len() < QUEUE => {
                        held.push_back(Question { dialect, job: Arc::clone(&job), asker });
                    }
                    Asker::Connection(shard, id) => {
                        shard.restored(id, Topic::job(dialect, Arc::clone(&job)), reading.clone()).await;
                    }
                    Asker::Request(request) => {
                        // Who asked may have hung up.
                        let _ = request.send(answer.as_ref().map(drop).map_err(|trouble| *trouble));
                    }
                }
            }
        }
    }
}

/// Asks the store for a job; unless `always`, only where the job log may not know everything. An error is a trouble
/// that passes. A store that refuses for good gives [`StoreReading::Unread`].
async fn look_up(
    access: &StoreAccess,
    id: DialectId,
    job: &Arc<str>,
    always: bool,
) -> Result<StoreReading, Trouble> {
    access.log().bring_back(id, job, Stamp::now());
    if !always && access.log().known(id, job) == Some(Known::Whole) {
        return Ok(StoreReading::Read(None));
    }
    let cause = match try_to_read(access, id, job).await {
        Ok(stored) => return Ok(StoreReading::Read(stored)),
        Err(cause) => cause,
    };
    access.troubles.failed(Direction::Reading, id, job, &cause);
    if cause.trouble.passes() { Err(cause.trouble) } else { Ok(StoreReading::Unread) }
}

async fn try_to_read(
    access: &StoreAccess,
    id: DialectId,
    job: &Arc<str>,
) -> Result<Option<Arc<StoredJob>>, Cause> {
    let status = access.broker.status().borrow().clone();
    if !status.reachable {
        return Err(Cause::away(status.error.unwrap_or_else(|| "redis is not connected yet".to_owned())));
    }
    let (stored, news) = read_back(access, id, job).await?;
    access.troubles.succeeded(Direction::Reading, id);
    access.tell(id, job, news).await;
    Ok(stored.map(Arc::new))
}

/// Returns what was read, and what it changed.
async fn read_back(
    access: &StoreAccess,
    id: DialectId,
    job: &Arc<str>,
) -> Result<(Option<StoredJob>, Restored), Cause> {
    let Some(store) = access.store() else { return Ok((None, Restored::default())) };
    let loaded = tokio::time::timeout(PATIENCE, load(access, store, id, job)).await;
    let stored = match loaded.map_err(|_| Cause::away(no_answer()))? {
        // The key holds something else, which is no state of this job and will not become one.
        Err(error) if error.trouble() == Trouble::WrongType => {
            access.troubles.failed(Direction::Reading, id, job, &Cause::from(&error));
            None
        }
        other => other.map_err(|error| Cause::from(&error))?,
    };
    if let Some(stored) = &stored {
        catch_up_to(access, id, job, stored).await?;
    }
    let news = access.log().restore(id, job, stored.as_ref(), Stamp::now());
    if news.no_event {
        access.troubles.no_event(id, job);
    }
    Ok((stored, news))
}

/// Waits until the streams that a job's events come by were read as far as they were when its state was loaded, for so
/// long as the store may take. Another relay may have written the state of an entry that is yet to come to this one, and
/// older entries would follow it.
async fn catch_up_to(
    access: &StoreAccess,
    id: DialectId,
    job: &Arc<str>,
    stored: &StoredJob,
) -> Result<(), Cause> {
    let Some(history) = access.broker.history() else { return Ok(()) };
    let deadline = Instant::now() + PATIENCE;
    let streams: Vec<StreamId> = access.log().streams().of(&Topic::job(id, Arc::clone(job))).collect();
    for stream in streams {
        let reached = access.log().newest_entry(stream);
        // A state of this project has the time of its entry; one that another system keeps has none.
        if !access.dialects.get(id).has_foreign_state() && stored.updated / 1_000 < reached.millis {
            continue;
        }
        let end = match timeout_at(deadline, history.page(stream, reached, 1)).await {
            Ok(Ok(page)) => page.newest,
            Ok(Err(error)) if error.trouble().passes() => return Err(Cause::from(&error)),
            // A stream whose end nobody may ask for is taken as it was read.
            Ok(Err(_)) => continue,
            Err(_) => return Err(Cause::away(no_answer())),
        };
        while access.log().newest_entry(stream) < end {
            if Instant::now() >= deadline {
                return Err(Cause::behind());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    Ok(())
}

fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
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
                || stop.run_until_cancelled(tokio::time::sleep(RETRY_EVERY * attempt)).await.is_none()
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

/// Loads a stored job: from the relay's own hash, or from where the jobs' system keeps its state.
async fn load(
    access: &StoreAccess,
    store: &dyn StateStore,
    id: DialectId,
    job: &str,
) -> Result<Option<StoredJob>, BrokerError> {
    let dialect = access.dialects.get(id);
    if !dialect.has_foreign_state() {
        return store.load(&dialect.name, job).await;
    }
    let mut stored = access.foreign.read(id, job).await?;
    if dialect.auth == Auth::Owner
        && let Some(owner) = store.load(&dialect.name, job).await?.and_then(|stored| stored.owner)
    {
        // Any API may say whose it is, for jobs of every dialect.
        stored.get_or_insert_default().owner = Some(owner);
    }
    Ok(stored)
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

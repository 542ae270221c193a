//! Reading a job's stored state.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::access::StoreAccess;
use crate::broker::{BrokerError, StateStore, StoredJob, StreamId, Trouble};
use crate::dialect::{Auth, DialectId, Topic};
use crate::relay::joblog::{Known, Restored, Stamp};
use crate::relay::reservation::StoreReading;
use crate::relay::troubles::{Cause, Direction};

/// Longest time for an answer of the store; after it the store counts as away.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two looks whether a stream was read as far as a state.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks the store for a job; unless `always`, only where the job log may not know everything. An error is a trouble
/// that passes. A store that refuses for good gives [`StoreReading::Unread`].
pub(super) async fn look_up(
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

pub(super) async fn try_to_read(
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
pub(super) async fn read_back(
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

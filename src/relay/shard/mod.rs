//! A shard: a thread that owns its connections outright, with its own hub and timer wheel and no locks.
//!
//! Everything reaches it through one bounded queue. Events are written straight to sockets that have nothing queued;
//! only one that would block gets an outbox, and a task that drains it.

mod conn;
pub(super) mod message;
mod state;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use self::message::{Hosted, LostSource, Message, NewConnection, WeakHandle, jobs};
use self::state::{Shared, State};
use super::auth::Ownerless;
use super::backlogs::Backlogs;
use super::cursor::{Cursor, Epoch, Sources};
use super::event::Delivery;
use super::hub::Census;
use super::joblog::{JobLog, Places};
use super::pages::Pages;
use super::settings::RelayOptions;
use super::stats::Stats;
use super::store::RestoreQueue;
use super::streams::SharedTable;
use super::threads::Watch;
use super::tokens::Tokens;
use crate::dialect::{DialectId, Dialects, Topic};

/// Batches that may wait for a shard. One batch is what the broker gave in one read.
const QUEUE: usize = 256;

/// Bytes of large batches that may wait for a shard; one always may. With them no more than 32 MiB wait.
const LARGE_WAITING: usize = 16 << 20;

/// Bytes from which on a batch is large: 256 smaller ones are no more than 16 MiB either.
const LARGE: usize = 64 << 10;

/// What a shard works with.
#[derive(Debug, Clone)]
pub(super) struct ShardSettings {
    pub(super) dialects: Arc<Dialects>,
    pub(super) log: Arc<Mutex<JobLog>>,
    pub(super) stats: Arc<Stats>,
    pub(super) restore: Option<RestoreQueue>,
    /// Present where there are streams.
    pub(super) pages: Option<Pages>,
    pub(super) epoch: Epoch,
    pub(super) tokens: Arc<Tokens>,
    pub(super) ping_interval: Duration,
    pub(super) max_frame: usize,
    pub(super) max_payload: usize,
    pub(super) outbox: usize,
    pub(super) ownerless: Ownerless,
    pub(super) max_lifetime: Option<Duration>,
    pub(super) echo_polling: bool,
}

impl ShardSettings {
    /// What the shards of one relay share, and what its options say.
    pub(super) fn new(
        options: &RelayOptions,
        dialects: &Arc<Dialects>,
        log: &Arc<Mutex<JobLog>>,
        stats: &Arc<Stats>,
        (restore, pages): (Option<RestoreQueue>, Option<Pages>),
        (epoch, tokens): (Epoch, Arc<Tokens>),
    ) -> Self {
        Self {
            dialects: Arc::clone(dialects),
            log: Arc::clone(log),
            stats: Arc::clone(stats),
            restore,
            pages,
            max_payload: options.max_payload,
            epoch,
            tokens,
            ping_interval: options.ping_interval,
            max_frame: options.max_frame,
            outbox: options.outbox,
            ownerless: options.ownerless,
            max_lifetime: options.max_lifetime,
            echo_polling: options.echo_polling,
        }
    }

    /// The job log. A panic under its lock is a bug, but no reason to stop relaying.
    fn log(&self) -> MutexGuard<'_, JobLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cursor of a sequence, for a client of these sources that is further in some streams.
    fn cursor_beyond(&self, sources: Sources, sequence: u64, places: Option<&Places>) -> Cursor {
        if sources.is_own() {
            return self.epoch.cursor(sequence);
        }
        self.log().cursor(self.epoch, sources, sequence, places)
    }

    /// The cursor of a sequence, for a client of these sources.
    fn cursor(&self, sources: Sources, sequence: u64) -> Cursor {
        cursor(&self.log, self.epoch, sources, sequence)
    }
}

/// The cursor of a sequence, for a client of these sources.
fn cursor(log: &Mutex<JobLog>, epoch: Epoch, sources: Sources, sequence: u64) -> Cursor {
    if sources.is_own() {
        return epoch.cursor(sequence);
    }
    log.lock().unwrap_or_else(PoisonError::into_inner).cursor(epoch, sources, sequence, None)
}

/// The way to reach a shard. When the last handle is dropped the shard ends.
#[derive(Debug, Clone)]
pub(super) struct ShardHandle {
    queue: mpsc::Sender<Message>,
    /// In KiB.
    room: Arc<Semaphore>,
}

impl ShardHandle {
    /// Starts a shard's thread.
    pub(super) fn spawn(number: usize, settings: ShardSettings, threads: &Watch) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let handle = Self { queue: sender, room: Arc::new(Semaphore::new(LARGE_WAITING >> 10)) };
        // The shard keeps no sender of its own, or it would never end; the store's answers need one that is weak.
        let answers = handle.queue.downgrade();
        let (ready, started) = std::sync::mpsc::sync_channel(1);
        threads.spawn(format!("jobwire-shard-{number}"), move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(tokio::runtime::LocalOptions::default());
            match runtime {
                Ok(runtime) => {
                    // Nobody waiting for the outcome means that the relay was given up meanwhile.
                    let _ = ready.send(Ok(()));
                    runtime.block_on(run(State::new(settings, WeakHandle(answers)), receiver));
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        })?;
        started.recv().map_err(io::Error::other)??;
        Ok(handle)
    }

    /// Lets the shard run something beside its own work, on its thread. Only right after its start: the queue has room.
    pub(super) fn host(&self, work: Hosted) -> io::Result<()> {
        self.queue.try_send(Message::Host(work)).map_err(|_| io::Error::other("the shard takes nothing"))
    }

    /// Hands over a batch with texts of so many bytes; waits while the shard's queue is full.
    pub(super) async fn publish(&self, batch: Arc<[Delivery]>, bytes: usize) {
        let room = if bytes < LARGE {
            None
        } else {
            let room = u32::try_from(bytes.min(LARGE_WAITING) >> 10).unwrap_or(u32::MAX);
            // The semaphore is never closed, so this cannot fail.
            Arc::clone(&self.room).acquire_many_owned(room).await.ok()
        };
        // An error means that the relay is ending, and then nobody is left to deliver to.
        let _ = self.queue.send(Message::Events(batch, room)).await;
    }

    /// Tells the shard that the owners of some jobs are known by now. Must be called before the events that named them
    /// are published.
    pub(super) async fn owned(&self, jobs: Arc<[Topic]>) {
        let _ = self.queue.send(Message::Owned(jobs)).await;
    }

    /// Tells the shard that events of some sources may have been missed.
    pub(super) async fn lost(&self, lost: LostSource, sequence: u64) {
        let _ = self.queue.send(Message::Lost(lost, sequence)).await;
    }

    /// Tells the shard which streams are followed. Must be called before their first entries are published.
    pub(super) async fn followed(&self, streams: SharedTable) {
        let _ = self.queue.send(Message::Followed(streams)).await;
    }

    /// A way to reach the shard that does not keep it.
    pub(super) fn weak(&self) -> WeakHandle {
        WeakHandle(self.queue.downgrade())
    }

    /// Gives the shard a connection.
    pub(super) async fn adopt(&self, connection: NewConnection) {
        let _ = self.queue.send(Message::Adopt(Box::new(connection))).await;
    }

    /// How many of its connections get the events of any of the topics, once it has delivered what it was given.
    pub(super) async fn count(&self, topics: Box<[Topic]>) -> usize {
        let (answer, count) = oneshot::channel();
        let _ = self.queue.send(Message::Count(topics, answer)).await;
        count.await.unwrap_or(0)
    }

    /// How many of its connections watch each of the topics.
    pub(super) async fn watchers(&self, topics: Arc<[Topic]>) -> Vec<usize> {
        let (answer, counts) = oneshot::channel();
        let _ = self.queue.send(Message::Watchers(topics, answer)).await;
        counts.await.unwrap_or_default()
    }

    /// The jobs that its connections watch.
    pub(super) async fn jobs(&self) -> HashSet<(DialectId, String)> {
        jobs(&self.queue).await
    }

    /// The subscribers among its connections of a dialect's channels and rooms.
    pub(super) async fn census(&self, dialect: DialectId) -> Census {
        let (answer, census) = oneshot::channel();
        let _ = self.queue.send(Message::Census(dialect, answer)).await;
        census.await.unwrap_or_default()
    }

    /// Backlogs of the shard's connections that read too slowly.
    pub(super) async fn backlogs(&self) -> Backlogs {
        let (answer, backlogs) = oneshot::channel();
        let _ = self.queue.send(Message::Backlogs(answer)).await;
        backlogs.await.unwrap_or_default()
    }

    /// Closes all connections with 1001, spread over `window`; resolves when none is left.
    pub(super) async fn drain(&self, window: Duration) {
        let (answer, drained) = oneshot::channel();
        let _ = self.queue.send(Message::Drain(window, answer)).await;
        let _ = drained.await;
    }
}

async fn run(state: State, mut queue: mpsc::Receiver<Message>) {
    let shared = Shared::new(state);
    let timers = tokio::task::spawn_local(state::timers(shared.clone()));
    while let Some(message) = queue.recv().await {
        handle(&shared, message).await;
    }
    timers.abort();
}

async fn handle(shared: &Shared, message: Message) {
    match message {
        Message::Events(batch, _room) => shared.deliver(&batch).await,
        Message::Adopt(connection) => shared.adopt(*connection),
        Message::Restored(id, job, reading) => shared.restored(id, &job, &reading),
        Message::Owned(jobs) => shared.owned(&jobs),
        Message::ReadBack(job, state) => shared.read_back(&job, &state),
        Message::Lost(lost, sequence) => shared.lost(&lost, sequence),
        Message::Followed(streams) => shared.followed(streams),
        Message::Count(topics, answer) => {
            let _ = answer.send(shared.count(&topics));
        }
        Message::Watchers(topics, answer) => {
            let count = |topic: &Topic| shared.count(std::slice::from_ref(topic));
            let _ = answer.send(topics.iter().map(count).collect());
        }
        Message::Jobs(answer) => {
            let _ = answer.send(shared.jobs());
        }
        Message::Census(dialect, answer) => {
            let _ = answer.send(shared.census(dialect));
        }
        Message::Backlogs(answer) => {
            let _ = answer.send(shared.backlogs());
        }
        Message::Drain(window, answer) => shared.drain(window, answer),
        Message::Host(work) => {
            tokio::task::spawn_local(work);
        }
    }
}

/// The time as the frames for unknown jobs carry it: UTC without a zone, to the second.
fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// The time as the frames of channels carry it: UTC, and saying so, to the microsecond.
fn timestamp_zulu() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn large_batches_wait_by_their_bytes_and_small_ones_by_their_number() {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let shard = ShardHandle { queue, room: Arc::new(Semaphore::new(LARGE_WAITING >> 10)) };
        let give = |bytes| shard.publish(Arc::new([]), bytes).now_or_never().is_some();
        assert_eq!((0..20).filter(|_| give(1 << 20)).count(), 16);
        assert!(give(LARGE - 1));
        for _ in 0..17 {
            drop(waiting.recv().await);
        }
        assert!(give(2 * LARGE_WAITING), "one always may");
        assert!(!give(LARGE));
    }
}

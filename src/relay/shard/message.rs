//! Messages to a shard, and a way to send them that does not keep it.

use std::collections::HashSet;
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::dialect::{DialectId, Topic};
use crate::relay::auth::Access;
use crate::relay::backlogs::Backlogs;
use crate::relay::client::Client;
use crate::relay::cursor::{Since, Sources};
use crate::relay::encoding::Encoding;
use crate::relay::event::Delivery;
use crate::relay::event::Snapshot;
use crate::relay::hub::Census;
use crate::relay::reservation::{Reservation, StoreReading};
use crate::relay::session::{Credentials, Kinds, Opening, Wanted};
use crate::relay::slots::ConnId;
use crate::relay::streams::SharedTable;

/// A socket whose request is answered by a shard, on its way there.
#[derive(Debug)]
pub(in crate::relay) struct NewConnection {
    pub(in crate::relay) stream: TcpStream,
    /// Head of the answer, which is still to be written.
    pub(in crate::relay) head: Bytes,
    pub(in crate::relay) client: Client,
    pub(in crate::relay) newcomer: Newcomer,
}

/// Client behind a new socket, and its request.
#[derive(Debug)]
pub(in crate::relay) struct Newcomer {
    /// Bytes that the client sent right behind its handshake.
    pub(in crate::relay) early: Bytes,
    /// How it wants its messages.
    pub(in crate::relay) encoding: Encoding,
    /// Place that it wants to go on from.
    pub(in crate::relay) since: Option<Since>,
    /// Kinds of events that it wants; all where there is no list.
    pub(in crate::relay) kinds: Option<Arc<Kinds>>,
    pub(in crate::relay) wants: Wants,
    /// Result of the token check.
    pub(in crate::relay) access: Access,
}

/// Request of a newcomer.
#[derive(Debug)]
pub(in crate::relay) enum Wants {
    /// To watch a job.
    Job {
        dialect: DialectId,
        job: Arc<str>,
        /// Whether any job can have that id.
        possible: bool,
        /// Holds the job's events for this watcher; `None` where the request is refused.
        reservation: Option<Box<Reservation>>,
    },
    /// To subscribe to a dialect's channels and rooms.
    Channels(DialectId, Opening),
    /// To watch any targets, with what the client has shown of itself.
    Targets(Box<Wanted>, Box<Credentials>),
}

/// A message to a shard.
pub(super) enum Message {
    /// A large batch takes room among what may wait.
    Events(Arc<[Delivery]>, Option<OwnedSemaphorePermit>),
    Adopt(Box<NewConnection>),
    /// The store was asked about this job that a connection watches, and said this.
    Restored(ConnId, Topic, StoreReading),
    /// It is known by now whose these jobs are.
    Owned(Arc<[Topic]>),
    /// A job's state was read back, and is another than was known.
    ReadBack(Topic, Snapshot),
    /// Events of these sources may have been missed; the sequence stands for the hole.
    Lost(LostSource, u64),
    /// Streams that are followed now.
    Followed(SharedTable),
    Count(Box<[Topic]>, oneshot::Sender<usize>),
    /// The number of watchers of each of the topics.
    Watchers(Arc<[Topic]>, oneshot::Sender<Vec<usize>>),
    Jobs(oneshot::Sender<HashSet<(DialectId, String)>>),
    Census(DialectId, oneshot::Sender<Census>),
    Backlogs(oneshot::Sender<Backlogs>),
    Drain(Duration, oneshot::Sender<()>),
    Host(Hosted),
}

/// Sources of which events may have been missed.
#[derive(Debug, Clone)]
pub(in crate::relay) struct LostSource {
    /// Dialects whose channels they came by.
    pub dialects: Arc<[DialectId]>,
    /// Streams that they came by.
    pub streams: Sources,
}

/// Work that a shard runs beside its own.
pub(super) type Hosted = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A way to a shard's queue for what the store answers; it does not keep the shard.
#[derive(Debug, Clone)]
pub(in crate::relay) struct WeakHandle(pub(super) mpsc::WeakSender<Message>);

impl WeakHandle {
    /// Tells the shard that the store has been asked about a job that a connection watches.
    pub(in crate::relay) async fn restored(&self, id: ConnId, job: Topic, reading: StoreReading) {
        if let Some(sender) = self.0.upgrade() {
            let _ = sender.send(Message::Restored(id, job, reading)).await;
        }
    }

    /// Tells the shard that a job's state was read back, and is another than was known.
    pub(in crate::relay) async fn read_back(&self, job: Topic, state: Snapshot) {
        if let Some(sender) = self.0.upgrade() {
            let _ = sender.send(Message::ReadBack(job, state)).await;
        }
    }

    /// The jobs that the shard's connections watch; none where the shard has ended.
    pub(in crate::relay) async fn jobs(&self) -> HashSet<(DialectId, String)> {
        let Some(sender) = self.0.upgrade() else { return HashSet::new() };
        jobs(&sender).await
    }

    /// Tells the shard that the owners of some jobs are known by now, as `ShardHandle::owned` does.
    pub(in crate::relay) async fn owned(&self, jobs: Arc<[Topic]>) {
        if let Some(sender) = self.0.upgrade() {
            let _ = sender.send(Message::Owned(jobs)).await;
        }
    }
}

/// The jobs that a shard's connections watch.
pub(super) async fn jobs(queue: &mpsc::Sender<Message>) -> HashSet<(DialectId, String)> {
    let (answer, jobs) = oneshot::channel();
    let _ = queue.send(Message::Jobs(answer)).await;
    jobs.await.unwrap_or_default()
}

//! Questions for jobs, put to the store together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::access::StoreAccess;
use super::read::look_up;
use crate::broker::Trouble;
use crate::dialect::{DialectId, Topic};
use crate::relay::reservation::StoreReading;
use crate::relay::shard::message::WeakHandle;
use crate::relay::slots::ConnId;

/// Questions that may wait for the store, and as many again while it is away; of one more the job counts as unknown.
const QUEUE: usize = 20_000;
/// Questions that are put to the store together.
const TOGETHER: usize = 256;
/// Such batches that are answered at the same time: one whose stream is behind holds up no other.
const BATCHES: usize = 8;
/// Time between two attempts at questions that the store could not answer.
const RETRY_EVERY: Duration = Duration::from_millis(250);

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
pub(in crate::relay) struct RestoreQueue(mpsc::Sender<Question>);

impl RestoreQueue {
    /// The queue, and the end that [`answer`] works on.
    pub(in crate::relay) fn new() -> (Self, Questions) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), Questions(receiver))
    }

    /// Asks on behalf of a connection, whose shard is told when the job log knows. `false` when the queue is full.
    pub(in crate::relay) fn ask(
        &self,
        dialect: DialectId,
        job: Arc<str>,
        shard: WeakHandle,
        id: ConnId,
    ) -> bool {
        self.0.try_send(Question { dialect, job, asker: Asker::Connection(shard, id) }).is_ok()
    }

    /// Asks on behalf of a request. An error means that the store may know more a moment later; one that refuses for good
    /// is no error, since the job log knows all that is to be known then.
    pub(in crate::relay) async fn look(&self, dialect: DialectId, job: Arc<str>) -> Result<(), Trouble> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.try_send(Question { dialect, job, asker: Asker::Request(answer) });
        asked.map_err(|_| Trouble::Overloaded)?;
        // The other end is dropped only when the relay stops.
        answered.await.unwrap_or(Err(Trouble::Away))
    }
}

/// The questions that wait.
#[derive(Debug)]
pub(in crate::relay) struct Questions(mpsc::Receiver<Question>);

/// Answers questions until nobody can ask any more. Watchers of one job that come together are one question.
///
/// While the store is away, a connection whose job this relay knows nothing of, or not whose it is, stays unanswered: to
/// call the job unknown would be a guess. It is asked again when the store is back. A store that refuses, and will go on
/// refusing, is asked in vain: then everybody gets what this relay knows.
pub(super) async fn answer(access: StoreAccess, mut questions: Questions) {
    let mut held: VecDeque<Question> = VecDeque::new();
    let mut together = Vec::with_capacity(TOGETHER);
    let mut batches = FuturesUnordered::new();
    // Not begun anew by each question, or they would wait for as long as others keep asking.
    let mut retry = tokio::time::interval(RETRY_EVERY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(answered) = batches.next() => {
                for (dialect, job, askers, answer) in answered {
                    hand_on(&access, &mut held, dialect, &job, askers, &answer).await;
                }
            }
            count = questions.0.recv_many(&mut together, TOGETHER), if batches.len() < BATCHES => {
                if count == 0 { return }
            }
            _ = retry.tick(), if !held.is_empty() && batches.len() < BATCHES => {
                if access.broker.status().borrow().reachable {
                    together.extend(held.drain(..held.len().min(TOGETHER)));
                }
            }
        }
        if !together.is_empty() {
            batches.push(ask(&access, std::mem::take(&mut together)));
        }
    }
}

/// Asks the store for the jobs of a batch, each once.
async fn ask(
    access: &StoreAccess,
    questions: Vec<Question>,
) -> Vec<(DialectId, Arc<str>, Vec<Asker>, Result<StoreReading, Trouble>)> {
    let mut askers: HashMap<(DialectId, Arc<str>), Vec<Asker>> = HashMap::new();
    for question in questions {
        askers.entry((question.dialect, question.job)).or_default().push(question.asker);
    }
    join_all(askers.into_iter().map(async |((dialect, job), askers)| {
        // Watchers want the state that was there when they asked, which others may have read meanwhile.
        let watched = askers.iter().any(|asker| matches!(asker, Asker::Connection(..)));
        let answer = look_up(access, dialect, &job, watched).await;
        (dialect, job, askers, answer)
    }))
    .await
}

/// Hands an answer on to those who asked. Connections to whom it says nothing are held.
async fn hand_on(
    access: &StoreAccess,
    held: &mut VecDeque<Question>,
    dialect: DialectId,
    job: &Arc<str>,
    askers: Vec<Asker>,
    answer: &Result<StoreReading, Trouble>,
) {
    let reading = answer.clone().unwrap_or(StoreReading::Unread);
    let known = answer.is_ok() || access.log().suffices(dialect, job);
    for asker in askers {
        match asker {
            Asker::Connection(..) if !known && held.len() < QUEUE => {
                held.push_back(Question { dialect, job: Arc::clone(job), asker });
            }
            Asker::Connection(shard, id) => {
                shard.restored(id, Topic::job(dialect, Arc::clone(job)), reading.clone()).await;
            }
            Asker::Request(request) => {
                // The client may have hung up.
                let _ = request.send(answer.as_ref().map(drop).map_err(|trouble| *trouble));
            }
        }
    }
}

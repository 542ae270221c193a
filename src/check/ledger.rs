//! Jobs that a check has started and not ended yet. Ending them keeps lists of jobs clean.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::timeout;

use super::finding::{Blame, Wrong};
use crate::dialect::{Dialect, Sample};
use crate::emit::{Arrival, Content, Outgoing, Sink, Trouble, Undelivered};

/// Sender of a check's events, with the open jobs: at most one for each dialect.
pub(super) struct Ledger {
    sink: Sink,
    limit: Duration,
    open: Mutex<Vec<(Arc<Dialect>, String, Sample)>>,
}

/// Fault of an event that was not sent, as far as known.
struct FailedSend {
    wrong: Wrong,
    /// Whether the event may have arrived nevertheless, because only the answer is missing.
    may_have_arrived: bool,
}

impl Ledger {
    /// Makes a ledger for a sink. Each event may take as long as `limit`.
    pub(super) const fn new(sink: Sink, limit: Duration) -> Self {
        Self { sink, limit, open: Mutex::new(Vec::new()) }
    }

    pub(super) const fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Sends an event of a job that `ending` ends; `None`: nothing is to be ended. The job is open from now on, unless this is its
    /// first event and surely did not arrive.
    pub(super) async fn begin(
        &self,
        dialect: &Arc<Dialect>,
        job: &str,
        sample: &Sample,
        ending: Option<&Sample>,
    ) -> Result<Arrival, Wrong> {
        // The job is noted before the event is sent, because a check may be stopped in between.
        let is_first = ending.is_some_and(|ending| self.opens(dialect, job, ending));
        self.send(dialect, job, sample).await.map_err(|failed| {
            if is_first && !failed.may_have_arrived {
                self.ended(dialect, job);
            }
            failed.wrong
        })
    }

    /// Sends the event that ends a job. The job stays open where that fails.
    pub(super) async fn end(&self, dialect: &Arc<Dialect>, job: &str, ending: &Sample) -> Result<(), Wrong> {
        self.send(dialect, job, ending).await.map_err(|failed| failed.wrong)?;
        self.ended(dialect, job);
        Ok(())
    }

    /// Notes a job, and the event that ends the job. Returns `false` for a job that is open already.
    fn opens(&self, dialect: &Arc<Dialect>, job: &str, ending: &Sample) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !open.iter().any(|(of, name, _)| of.name == dialect.name && name == job);
        if is_new {
            open.push((Arc::clone(dialect), job.to_owned(), ending.clone()));
        }
        is_new
    }

    /// Notes that a job has ended.
    fn ended(&self, dialect: &Dialect, job: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(of, name, _)| of.name != dialect.name || name != job);
    }

    /// Registers the job where its dialect requires that, and publishes an event of the job, within the limit.
    async fn send(&self, dialect: &Arc<Dialect>, job: &str, sample: &Sample) -> Result<Arrival, FailedSend> {
        let (event, fields) = (sample.event.clone(), sample.fields.clone());
        let content = Content::Fields { event, fields };
        let outgoing = Outgoing { dialect: Arc::clone(dialect), job: job.to_owned(), content };
        let payload = outgoing.payload(Timestamp::now()).map_err(|error| {
            let message = format!("the event {} cannot be made: {error}", sample.event);
            FailedSend { wrong: Wrong::new(Blame::Broken, message), may_have_arrived: false }
        })?;
        let channel = outgoing.channel();
        let sending = async {
            self.sink.register(dialect, &channel, &payload).await?;
            self.sink.publish(dialect, &channel, Bytes::from(payload.clone())).await
        };
        if let Ok(sent) = timeout(self.limit, sending).await {
            return sent.map_err(|Undelivered { failure, trouble }| FailedSend {
                wrong: failure.into(),
                may_have_arrived: trouble == Trouble::Passing,
            });
        }
        let what = format!("{} did not take an event", self.sink.address());
        let hint = "does its Redis answer? the log of the relay tells; --step-timeout gives it longer";
        let wrong = Wrong { blame: Blame::Unreachable, ..Wrong::too_slow(&what, self.limit) }.hint(hint);
        Err(FailedSend { wrong, may_have_arrived: true })
    }

    /// Ends the open jobs. The relay forgets jobs whose ending cannot be sent.
    pub(super) async fn end_all(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for (dialect, job, ending) in open {
            if let Err(FailedSend { wrong, .. }) = self.send(&dialect, &job, &ending).await {
                tracing::warn!(
                    job = format!("{}/{job}", dialect.name),
                    "could not end the job of this check: {}",
                    wrong.message
                );
            }
        }
    }
}

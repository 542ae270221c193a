//! Jobs that a check has started and not ended yet. Ending them keeps lists of jobs clean.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::timeout;

use super::finding::{Blame, Wrong};
use crate::dialect::{Dialect, Sample};
use crate::emit::{Arrival, Content, Outgoing, Sink};

/// Sender of a check's events, with the open jobs: at most one for each dialect.
pub(super) struct Ledger {
    sink: Sink,
    limit: Duration,
    open: Mutex<Vec<(Arc<Dialect>, String, Sample)>>,
}

impl Ledger {
    /// Makes a ledger for a sink. Each event may take as long as `limit`.
    pub(super) const fn new(sink: Sink, limit: Duration) -> Self {
        Self { sink, limit, open: Mutex::new(Vec::new()) }
    }

    pub(super) const fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Notes that a job is about to start, and the event that ends the job.
    pub(super) fn opens(&self, dialect: &Arc<Dialect>, job: &str, ending: &Sample) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push((Arc::clone(dialect), job.to_owned(), ending.clone()));
    }

    /// Notes that a job has ended.
    pub(super) fn ended(&self, dialect: &Dialect, job: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(of, name, _)| of.name != dialect.name || name != job);
    }

    /// Registers the job where its dialect requires that, and publishes an event of the job, within the limit.
    pub(super) async fn send(
        &self,
        dialect: &Arc<Dialect>,
        job: &str,
        sample: &Sample,
    ) -> Result<Arrival, Wrong> {
        let (event, fields) = (sample.event.clone(), sample.fields.clone());
        let content = Content::Fields { event, fields };
        let outgoing = Outgoing { dialect: Arc::clone(dialect), job: job.to_owned(), content };
        let payload = outgoing.payload(Timestamp::now()).map_err(|error| {
            Wrong::new(Blame::Broken, format!("the event {} cannot be made: {error}", sample.event))
        })?;
        let channel = outgoing.channel();
        let sending = async {
            self.sink.register(dialect, &channel, &payload).await?;
            self.sink.publish(dialect, &channel, Bytes::from(payload.clone())).await
        };
        if let Ok(sent) = timeout(self.limit, sending).await {
            return sent.map_err(|undelivered| undelivered.failure.into());
        }
        let what = format!("{} did not take an event", self.sink.address());
        let hint = "does its Redis answer? the log of the relay tells; --step-timeout gives it longer";
        Err(Wrong { blame: Blame::Unreachable, ..Wrong::too_slow(&what, self.limit) }.hint(hint))
    }

    /// Ends the open jobs. The relay forgets jobs whose ending cannot be sent.
    pub(super) async fn end_all(&self) {
        let open = std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner));
        for (dialect, job, ending) in open {
            if let Err(wrong) = self.send(&dialect, &job, &ending).await {
                tracing::warn!(
                    job = format!("{}/{job}", dialect.name),
                    "could not end the job of this check: {}",
                    wrong.message
                );
            }
        }
    }
}

//! State that the jobs' own system keeps (Celery's result keys, BullMQ's hashes of jobs): read when somebody asks, never written.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::warn;

use crate::broker::{Broker, BrokerError, StateStore, StoredJob};
use crate::dialect::{DialectId, Dialects, KeptField, Source, Undecodable};
use crate::net::seldom::Seldom;

/// How often the same complaint is logged.
const COMPLAIN_EVERY: Duration = Duration::from_mins(1);
/// Shortest time between two checks whether a job's key is in this database.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Interval of complaints that are logged only once.
const NEVER_AGAIN: Duration = Duration::MAX;

/// Bytes of a field that is told even where all together are too large.
const SHORT: usize = 512;

/// Reasons for which a state cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complaint {
    TooBig,
    Undecodable(Undecodable),
}

/// Reads the state that others keep, and says what is wrong with it.
pub(super) struct Foreign {
    broker: Arc<dyn Broker>,
    dialects: Arc<Dialects>,
    max_payload: usize,
    complaints: Mutex<Seldom<(DialectId, Complaint)>>,
    /// Dialects whose payloads were no JSON, which has been said.
    hinted: Mutex<Seldom<DialectId>>,
    checks: mpsc::Sender<(DialectId, Arc<str>)>,
}

impl Foreign {
    /// A reader, on the runtime that this is called on; payloads over `max_payload` bytes are not read.
    pub(super) fn start(broker: &Arc<dyn Broker>, dialects: &Arc<Dialects>, max_payload: usize) -> Arc<Self> {
        let (checks, receiver) = mpsc::channel(1);
        let foreign = Arc::new(Self {
            broker: Arc::clone(broker),
            dialects: Arc::clone(dialects),
            max_payload,
            complaints: Mutex::new(Seldom::every(COMPLAIN_EVERY)),
            hinted: Mutex::new(Seldom::every(NEVER_AGAIN)),
            checks,
        });
        tokio::spawn(check(Arc::downgrade(&foreign), receiver));
        foreign
    }

    /// The newest payload of a job; `None` where there is none, or none that is a state.
    pub(super) async fn read(&self, id: DialectId, job: &str) -> Result<Option<StoredJob>, BrokerError> {
        let dialect = self.dialects.get(id);
        let (Some(store), Some(key)) = (self.broker.store(), dialect.state_key(job)) else { return Ok(None) };
        let payload = if dialect.state_fields().is_empty() {
            store.read(&key, self.max_payload).await?
        } else {
            self.read_hash(id, store, &key, job).await?
        };
        let Some(payload) = payload else { return Ok(None) };
        if payload.len() > self.max_payload {
            self.complain(id, Complaint::TooBig, &key, "it is larger than --max-payload");
            return Ok(None);
        }
        let payload = dialect.redacted(&payload).into_owned();
        let channel = dialect.channel_of(job);
        match dialect.decode(channel.as_bytes(), &payload) {
            Ok(decoded) => {
                let ended = decoded.kind.and_then(|kind| kind.ends);
                let ended = ended.map(|outcome| outcome.as_str().to_owned());
                Ok(Some(StoredJob { state: Some(payload.into()), ended, ..StoredJob::default() }))
            }
            Err(reason) => {
                self.complain(id, Complaint::Undecodable(reason), &key, &reason.to_string());
                self.hint(id, reason);
                Ok(None)
            }
        }
    }

    /// The payload that a job's hash stands for.
    async fn read_hash(
        &self,
        id: DialectId,
        store: &dyn StateStore,
        key: &str,
        job: &str,
    ) -> Result<Option<Bytes>, BrokerError> {
        let dialect = self.dialects.get(id);
        let names = dialect.state_fields();
        let mut fields = store.read_fields(key, names, self.max_payload).await?;
        let mut event = dialect.state_event(job, &fields);
        if event.as_ref().is_some_and(|event| event.len() > self.max_payload) {
            // Short fields alone will do, so that the ending of a job becomes known.
            let is_long =
                |field: &&mut KeptField| matches!(field, KeptField::Text(text) if text.len() > SHORT);
            fields.iter_mut().filter(is_long).for_each(|field| *field = KeptField::TooLong);
            event = dialect.state_event(job, &fields);
        }
        if let Some(at) = fields.iter().position(|field| *field == KeptField::TooLong) {
            let reason = format!("its field {} is larger than --max-payload", names[at]);
            self.complain(id, Complaint::TooBig, key, &reason);
        }
        Ok(event.map(Bytes::from))
    }

    fn complain(&self, id: DialectId, what: Complaint, key: &str, reason: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = complaints.due((id, what)) {
            let dialect = &*self.dialects.get(id).name;
            warn!(dialect, key = ?key, reason, more, "could not use the state that is kept at a key");
        }
    }

    /// A payload could not be decoded: the first time that is for want of JSON, the log says how to mend it.
    pub(super) fn hint(&self, id: DialectId, reason: Undecodable) {
        let is_format =
            matches!(reason, Undecodable::NotUtf8 | Undecodable::NotJson | Undecodable::NotObject);
        let dialect = self.dialects.get(id);
        let Some(hint) = dialect.undecodable.as_deref().filter(|_| is_format) else { return };
        if self.hinted.lock().unwrap_or_else(PoisonError::into_inner).due(id).is_some() {
            warn!(dialect = &*dialect.name, "{hint}");
        }
    }

    /// A job's event came: now and then its key is looked for. Never waits. Streams are in the database that they are read
    /// from, and so are the keys beside them.
    pub(super) fn seen(&self, id: DialectId, job: &Arc<str>) {
        let is_published = !matches!(self.dialects.get(id).source, Source::Queues { .. });
        if is_published && self.checks.capacity() > 0 {
            // Full again: another event will do as well.
            let _ = self.checks.try_send((id, Arc::clone(job)));
        }
    }
}

/// Looks whether the keys of publications are in this database, until the relay ends. Pub/sub crosses the databases of a
/// Redis and reading does not: where they are not, nothing but live events can be shown, and the log says so once a dialect.
async fn check(foreign: Weak<Foreign>, mut checks: mpsc::Receiver<(DialectId, Arc<str>)>) {
    let mut told = Seldom::every(NEVER_AGAIN);
    while let Some((id, job)) = checks.recv().await {
        let Some(foreign) = foreign.upgrade() else { return };
        let dialect = foreign.dialects.get(id);
        if let (Some(store), Some(key)) = (foreign.broker.store(), dialect.state_key(&job))
            && let Ok(None) = store.read(&key, 0).await
            && told.due(id).is_some()
        {
            let name = &*dialect.name;
            warn!(
                dialect = name,
                key = ?key,
                database = store.database(),
                "an event came whose state is not in this database of Redis, so that nothing is known of jobs that ran before; \
                 give --redis the database that they keep their state in, as in redis://HOST:6379/1"
            );
        }
        drop(foreign);
        tokio::time::sleep(CHECK_EVERY).await;
        // A publication of a while ago says nothing: its key may have expired.
        while checks.try_recv().is_ok() {}
    }
}

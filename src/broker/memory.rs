//! The embedded broker: a bounded queue in this process.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{BoxFuture, Broker, BrokerError, Position, Publication, Sink, Status, Subscription};

/// Bytes that may wait for the sink: far above any burst that a sink which keeps up leaves waiting.
const CAPACITY: usize = 64 * 1024 * 1024;

/// What a queued message costs beside its bytes.
const OVERHEAD: usize = size_of::<Message>();

/// Messages handed to the sink before it is flushed, so that a long queue still reaches sockets early.
const BURST: usize = 512;

/// A broker without a server: what is published reaches the source that runs in the same process.
///
/// At most 64 MiB wait for the sink, what it has not flushed included; beyond that a publication is refused with
/// [`BrokerError::Overloaded`] rather than dropped. It keeps no state. Payloads of any length are delivered.
#[derive(Debug)]
pub(crate) struct MemoryBroker {
    queue: Mutex<Queue>,
    filled: Notify,
    status: watch::Sender<Status>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Of the source that runs; `None` while there is none, and nothing is queued then.
    subscriptions: Option<Vec<Subscription>>,
    messages: VecDeque<Message>,
    /// Of the queued messages and of those that the sink has not flushed yet.
    bytes: usize,
}

#[derive(Debug)]
struct Message {
    channel: Box<str>,
    payload: Bytes,
}

impl Message {
    fn cost(&self) -> usize {
        self.channel.len() + self.payload.len() + OVERHEAD
    }
}

impl MemoryBroker {
    /// An empty broker; it reports itself connected while [`Broker::run`] runs.
    pub(crate) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// As [`MemoryBroker::new`], with another bound on the bytes that wait.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { queue: Mutex::default(), filled: Notify::new(), status: watch::Sender::default(), capacity }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here panics between two changes that belong together, so a poisoned queue is still whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, channel: &str, payload: Bytes) -> Result<u64, BrokerError> {
        let mut queue = self.lock();
        let receivers = match &queue.subscriptions {
            Some(subscriptions) => subscriptions.iter().filter(|s| s.matches(channel)).count(),
            None => 0,
        };
        if receivers == 0 {
            return Ok(0);
        }
        let message = Message { channel: channel.into(), payload };
        if queue.bytes + message.cost() > self.capacity {
            return Err(BrokerError::Overloaded(queue.bytes));
        }
        queue.bytes += message.cost();
        queue.messages.push_back(message);
        drop(queue);
        self.filled.notify_one();
        Ok(receivers as u64)
    }

    /// Registers the source; `None` when another one runs.
    fn start(&self, subscriptions: &[Subscription]) -> Option<Running<'_>> {
        let mut queue = self.lock();
        if queue.subscriptions.is_some() {
            return None;
        }
        queue.subscriptions = Some(subscriptions.to_vec());
        drop(queue);
        Some(Running(self))
    }

    async fn feed(&self, subscriptions: &[Subscription], sink: &mut dyn Sink) {
        let all: Vec<usize> = (0..subscriptions.len()).collect();
        sink.confirmed(&all);
        sink.flush().await;
        self.status.send_modify(|status| {
            (status.connected, status.reachable) = (true, true);
            status.connects += 1;
        });
        let mut burst = Vec::with_capacity(BURST);
        loop {
            {
                let mut queue = self.lock();
                let count = queue.messages.len().min(BURST);
                burst.extend(queue.messages.drain(..count));
            }
            if burst.is_empty() {
                self.filled.notified().await;
                continue;
            }
            let bytes: usize = burst.iter().map(Message::cost).sum();
            for message in burst.drain(..) {
                deliver(&message, subscriptions, sink);
            }
            sink.flush().await;
            self.lock().bytes -= bytes;
            // A sink that never waits would otherwise keep this task from seeing `stop` under constant load.
            tokio::task::consume_budget().await;
        }
    }
}

impl Default for MemoryBroker {
    fn default() -> Self {
        Self::new()
    }
}

/// A source that runs; its end, however it comes, leaves the broker disconnected and empty.
struct Running<'a>(&'a MemoryBroker);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.0.lock() = Queue::default();
        self.0.status.send_modify(|status| (status.connected, status.reachable) = (false, false));
    }
}

fn deliver(message: &Message, subscriptions: &[Subscription], sink: &mut dyn Sink) {
    for (subscription, wanted) in subscriptions.iter().enumerate() {
        if wanted.matches(&message.channel) {
            let channel = message.channel.as_bytes();
            sink.publication(Publication {
                subscription,
                channel,
                payload: &message.payload,
                entry: None,
                is_history: false,
            });
        }
    }
}

impl Broker for MemoryBroker {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn address(&self) -> String {
        "this process".to_owned()
    }

    fn run(
        &self,
        subscriptions: Vec<Subscription>,
        mut sink: Box<dyn Sink>,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(_running) = self.start(&subscriptions) else {
                tracing::error!("a source already runs on the embedded broker");
                return;
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.feed(&subscriptions, sink.as_mut()) => {}
            }
        })
    }

    /// Resolves to the number of subscriptions of the running source that match; 0 when none runs.
    fn publish<'a>(&'a self, channel: &'a str, payload: Bytes) -> BoxFuture<'a, Result<u64, BrokerError>> {
        Box::pin(std::future::ready(self.enqueue(channel, payload)))
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Refuses every entry: this broker has no streams.
    fn append<'a>(
        &'a self,
        _key: &'a str,
        _job: Option<&'a str>,
        _payload: Bytes,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        let refused = BrokerError::Refused {
            address: "the embedded broker".to_owned(),
            reason: "it has no streams".to_owned(),
        };
        Box::pin(std::future::ready(Err(refused)))
    }
}

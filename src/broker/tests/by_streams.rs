//! Streams as a broker of channels: what is published is appended to the streams that stand for the subscriptions.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::broker::{
    BoxFuture, Broker, BrokerError, Entries, Position, Publication, RedisBroker, Sink, Status, StreamId,
    Subscription,
};

/// A Redis whose streams take the place of its channels.
pub(super) struct ByStreams {
    redis: RedisBroker,
    /// Subscriptions to channels, while the source runs.
    running: Mutex<Vec<Subscription>>,
}

impl ByStreams {
    pub(super) fn new(redis: RedisBroker) -> Self {
        Self { redis, running: Mutex::default() }
    }
}

/// The stream that stands for a subscription to channels.
fn stream_of(subscription: &Subscription) -> Subscription {
    match subscription {
        Subscription::Channel(name) => Subscription::Stream { key: name.clone(), entries: Entries::Data },
        Subscription::Prefix(prefix) => {
            let entries = Entries::DataOfJob(prefix.clone());
            Subscription::Stream { key: format!("\0prefix {prefix}"), entries }
        }
        other => other.clone(),
    }
}

/// A stream that is introduced is a subscription that is confirmed.
struct Confirming(Box<dyn Sink>);

impl Sink for Confirming {
    fn publication(&mut self, publication: Publication<'_>) {
        assert!(publication.entry.is_some());
        self.0.publication(publication);
    }

    fn stream(&mut self, _: StreamId, _: &str, subscription: usize, _: Position) {
        self.0.confirmed(&[subscription]);
    }

    fn oversized(&mut self, subscription: usize, channel: &[u8], head: &[u8], len: u64) {
        self.0.oversized(subscription, channel, head, len);
    }

    fn flush(&mut self) -> BoxFuture<'_, ()> {
        self.0.flush()
    }
}

impl Broker for ByStreams {
    fn name(&self) -> &'static str {
        "streams"
    }

    fn address(&self) -> String {
        self.redis.address()
    }

    fn run(
        &self,
        subscriptions: Vec<Subscription>,
        sink: Box<dyn Sink>,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()> {
        let streams = subscriptions.iter().map(stream_of).collect();
        *self.running.lock().unwrap() = subscriptions;
        Box::pin(async move {
            self.redis.run(streams, Box::new(Confirming(sink)), stop).await;
            self.running.lock().unwrap_or_else(PoisonError::into_inner).clear();
        })
    }

    fn publish<'a>(&'a self, channel: &'a str, payload: Bytes) -> BoxFuture<'a, Result<u64, BrokerError>> {
        let all = self.running.lock().unwrap();
        let matching: Vec<_> = all.iter().filter(|one| one.matches(channel)).cloned().collect();
        drop(all);
        Box::pin(async move {
            let mut keys = Vec::new();
            for subscription in &matching {
                let stream = stream_of(subscription);
                if !keys.contains(&stream) {
                    let job = match subscription {
                        Subscription::Prefix(prefix) => channel.strip_prefix(prefix.as_str()),
                        _ => None,
                    };
                    self.redis.append(stream.name(), job, payload.clone()).await?;
                    keys.push(stream);
                }
            }
            Ok(matching.len() as u64)
        })
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.redis.status()
    }

    fn append<'a>(
        &'a self,
        key: &'a str,
        job: Option<&'a str>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        self.redis.append(key, job, payload)
    }
}

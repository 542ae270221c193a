//! Redis: plain PUBLISH and SUBSCRIBE, and streams.
//!
//! The subscription has a connection and a reader of its own, and so have the streams of each server; commands share another
//! connection. What a publisher sends while the subscription is not connected is lost: that is how Redis' publish and
//! subscribe works. Streams are read on from where they were.

mod blocking;
mod commands;
mod connect;
mod failure;
mod journal;
mod keys;
mod line;
mod lookout;
mod opening;
mod role;
mod routes;
mod sentinel;
mod session;
mod store;
mod streams;
mod subscriber;
mod tenure;
mod turns;
mod vigil;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::blocking::{BlockingRedis, locate};
use self::commands::Commands;
use self::connect::Connector;
use self::journal::Journal;
use self::routes::Routes;
use self::session::Source;
use self::store::Store;
use self::streams::{Pages, Parts, StreamSettings};
use self::turns::Turns;
use super::{BoxFuture, Broker, BrokerError, History, Position, Sink, StateStore, Status, Subscription};
use crate::wire::redis::{self as wire, Endpoint, RedisUrlError};

/// Age up to which streams are read back at the start unless told otherwise.
const STREAM_HISTORY: Duration = Duration::from_mins(10);

/// Bytes of payload that are delivered unless told otherwise.
const MAX_PAYLOAD: usize = 1024 * 1024;

/// Silence after which a probe is published unless told otherwise.
const PROBE_AFTER: Duration = Duration::from_secs(10);

/// A broker that subscribes to and publishes into a Redis server.
///
/// Opens a connection at first use and never gives up. After a lost connection it tries again after 100 ms, doubling to
/// 800 ms, with jitter, so that the connection stands again within a second of Redis answering. Then it renews all
/// subscriptions. An attempt without an answer after 750 ms is joined by the next one, and is given up after 2 s. A
/// connection on which nothing arrives is sent a PING every second, and given up after 5 s of silence. After 10 s without a
/// message a probe is published, and the subscription counts as dead if it does not come back within 5 s. A server that is
/// a replica or a Sentinel is not used, and is left within 10 s where it becomes one. A channel that
/// Redis refuses (NOPERM) is reported in [`Status::denied`] and asked for again after 1 s, doubling to 5 s, while the
/// others go on. A command waits at most 2 s for a connection and 2 s for a reply. A publication is never sent twice.
pub(crate) struct RedisBroker {
    connector: Connector,
    commands: Arc<Commands>,
    store: Store,
    status: watch::Sender<Status>,
    /// Entries of streams that are read again.
    pages: Pages,
    streams: StreamSettings,
    probe_after: Option<Duration>,
}

impl RedisBroker {
    /// For `redis://[[user]:password@]host[:port][/database]`, `rediss://…` (verified with the system's root
    /// certificates, or as `ssl_ca_certs` and its like in the query say) or `unix:///path[?db=…&user=…&password=…]`; reads
    /// the files that are named, and connects to nothing yet. Of a cluster (`redis+cluster://host,host`) the subscription has
    /// one node, and another one when that goes; a command with a key goes to the node of the key's slot.
    pub(crate) fn new(url: &str) -> Result<Self, RedisUrlError> {
        Ok(Self::over(Connector::new(Endpoint::parse(url)?)?))
    }

    /// Delivers payloads of at most `bytes` (default 1 MiB). Longer ones are skipped over without being held, and the sink
    /// is told ([`Sink::oversized`]).
    #[must_use]
    pub(crate) fn max_payload(mut self, bytes: usize) -> Self {
        self.streams.max_payload = bytes;
        self.pages.set_max_payload(bytes);
        self
    }

    /// Reads streams back at the start by this time (default 10 minutes), and at most 100,000 entries of each.
    #[must_use]
    pub(crate) fn stream_history(mut self, back: Duration) -> Self {
        self.streams.history = back;
        self
    }

    /// Publishes a probe after so long a silence, in whole seconds (default 10 s); `None`: never.
    #[must_use]
    pub(crate) fn probe_after(mut self, silence: Option<Duration>) -> Self {
        self.probe_after = silence;
        self
    }

    /// Whether keys and subscribers may be on several nodes, of which each counts its own.
    pub(crate) fn is_on_several_nodes(&self) -> bool {
        self.connector.cluster.has_slots()
    }

    /// Whether the server can be reached and lets us in, without publishing anything.
    pub(crate) async fn ping(&self) -> Result<(), BrokerError> {
        match self.commands.idempotent::<()>(&redis::cmd("PING")).await {
            // Whoever may not PING has been let in all the same.
            Err(BrokerError::Refused { reason, .. }) if reason.starts_with("NOPERM") => Ok(()),
            other => other,
        }
    }

    /// Address of the server in use and its role (`master`, `replica` or `unknown`), once a command was sent. `None` for a
    /// cluster, where all masters are in use.
    pub(crate) fn server_in_use(&self) -> Option<(String, &'static str)> {
        let tenure = self.connector.tenure()?;
        Some((tenure.address().to_string(), tenure.told().role.word()))
    }

    /// Type of the value at a key, as in `list`; `none` without one.
    pub(crate) async fn type_of(&self, key: &str) -> Result<String, BrokerError> {
        self.commands.idempotent(redis::cmd("TYPE").arg(key)).await
    }

    /// Warnings about the URL: parameters that do nothing, and TLS checks that are not made.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.connector.warnings()
    }

    /// Asks once for what is used beside PUBLISH and SUBSCRIBE, so that what is missing is said at the start.
    async fn ask_what_is_used(&self) {
        // Fails only when this broker is gone.
        if self.status.subscribe().wait_for(|status| status.reachable).await.is_ok() {
            self.connector.look_around().await;
            self.store.ask_for_scripts().await;
        }
    }

    fn over(connector: Connector) -> Self {
        let commands = Arc::new(Commands::new(connector.clone()));
        let store = Store::new(Arc::clone(&commands), connector.database());
        let pages = Pages::new(connector.clone(), MAX_PAYLOAD);
        let streams = StreamSettings { history: STREAM_HISTORY, max_payload: MAX_PAYLOAD };
        let status = watch::Sender::default();
        Self { connector, commands, store, status, pages, streams, probe_after: Some(PROBE_AFTER) }
    }

    /// Feeds the sink from channels alone.
    async fn run_channels(&self, routes: &Routes, turns: &Turns, status: &watch::Sender<Status>) {
        let probe_channel = lookout::probe_channel();
        let source = Source {
            connector: &self.connector,
            commands: &self.commands,
            turns,
            routes,
            max_payload: self.streams.max_payload,
            probe_channel: &probe_channel,
            probe_after: self.probe_after,
        };
        let journal = Journal::new(&self.connector, status, routes);
        subscriber::run(&source, journal).await;
    }

    /// Feeds the sink from channels and streams.
    async fn run_both(&self, routes: &Routes, subscriptions: &[Subscription], turns: &Turns) {
        let (channels, streams) = (watch::Sender::default(), watch::Sender::default());
        let is_named = |one: &Subscription| {
            matches!(one, Subscription::Stream { .. } | Subscription::Queues { names: Some(_), .. })
        };
        let parts = Parts {
            has_channels: !routes.all().is_empty(),
            has_named_streams: subscriptions.iter().any(is_named),
        };
        // Woken for themselves alone: what comes by a channel polls no streams.
        let others: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        others.push(Box::pin(streams::run(
            &self.connector,
            subscriptions,
            turns,
            &self.pages,
            self.streams,
            &streams,
        )));
        others.push(Box::pin(self.merge(parts, channels.subscribe(), streams.subscribe())));
        tokio::join!(
            self.run_channels(routes, turns, &channels),
            others.for_each(|()| std::future::ready(()))
        );
    }

    /// Keeps the status that of both parts; never resolves.
    async fn merge(
        &self,
        parts: Parts,
        mut channels: watch::Receiver<Status>,
        mut streams: watch::Receiver<Status>,
    ) {
        loop {
            let status = streams::merged(&channels.borrow_and_update(), &streams.borrow_and_update(), parts);
            self.status.send_if_modified(|known| {
                let is_new = *known != status;
                *known = status;
                is_new
            });
            // The senders live as long as this.
            let _ = tokio::select! {
                changed = channels.changed() => changed,
                changed = streams.changed() => changed,
            };
        }
    }
}

impl std::fmt::Debug for RedisBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisBroker").field("address", &self.connector.address).finish_non_exhaustive()
    }
}

impl Broker for RedisBroker {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn address(&self) -> String {
        self.connector.address.to_string()
    }

    fn run(
        &self,
        subscriptions: Vec<Subscription>,
        sink: Box<dyn Sink>,
        stop: CancellationToken,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (routes, turns) = (Routes::new(&subscriptions), Turns::new(sink));
            let running: BoxFuture<'_, ()> = if streams::are_in(&subscriptions) {
                Box::pin(self.run_both(&routes, &subscriptions, &turns))
            } else {
                Box::pin(self.run_channels(&routes, &turns, &self.status))
            };
            tokio::select! {
                () = stop.cancelled() => {}
                ((), ()) = async { tokio::join!(running, self.ask_what_is_used()) } => {}
            }
            self.status.send_modify(|status| (status.connected, status.reachable) = (false, false));
        })
    }

    /// Resolves to the number of Redis subscribers that got it; a relay is one, however many watch through it.
    fn publish<'a>(&'a self, channel: &'a str, payload: Bytes) -> BoxFuture<'a, Result<u64, BrokerError>> {
        Box::pin(async move {
            let mut command = redis::cmd("PUBLISH");
            command.arg(channel).arg(&payload[..]);
            self.commands.once(&command).await
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(self.connector.check())
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    fn store(&self) -> Option<&dyn StateStore> {
        Some(&self.store)
    }

    fn history(&self) -> Option<&dyn History> {
        Some(&self.pages)
    }

    fn append<'a>(
        &'a self,
        key: &'a str,
        job: Option<&'a str>,
        payload: Bytes,
    ) -> BoxFuture<'a, Result<Position, BrokerError>> {
        Box::pin(async move {
            let mut command = redis::Cmd::new();
            for word in wire::append(key, job, &payload) {
                command.arg(word);
            }
            let id: String = self.commands.once(&command).await?;
            id.parse().map_err(|_| self.commands.refused("XADD answered no entry id"))
        })
    }
}

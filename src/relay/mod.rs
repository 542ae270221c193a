//! The relay: sockets in front, a broker behind.
//!
//! ```text
//! broker ─▶ ingest (decode, job log) ─▶ shard ─▶ sockets
//!                      │                  ▲
//!             store ◀──┴──▶ HTTP ─────────┘ upgraded sockets
//! ```
//! Every shard runs on a thread of its own, and so does the broker's source, unless there is one shard, which hosts it;
//! accepting, HTTP and the store run on the runtime that [`Relay::start`] is called on. Every queue between them is
//! bounded: a shard that cannot keep up makes the source wait, and then it is the broker that buffers.

mod accept;
mod auth;
mod backend;
mod backlogs;
mod client;
mod cursor;
mod encoding;
mod error;
mod event;
mod foreign;
mod handover;
mod http;
mod hub;
mod ingest;
mod joblog;
mod jwks;
mod origins;
mod outbox;
mod pages;
mod refusals;
mod reservation;
mod retry;
mod session;
mod settings;
mod shard;
mod slots;
mod stats;
mod store;
mod streams;
mod subprotocol;
#[cfg(test)]
mod tests;
mod threads;
mod tokens;
mod troubles;
mod upgrade;
mod wheel;

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::accept::RequestLimits;
pub use self::accept::listen;
pub use self::auth::{AuthPolicy, Ownerless};
pub use self::backend::{Backend, Declined, Ordered};
pub use self::client::{NotANetwork, ProxyNetwork, TrustedProxies};
use self::cursor::Epoch;
use self::foreign::Foreign;
use self::http::Api;
use self::ingest::{Burst, Ingest};
use self::joblog::JobLog;
pub use self::joblog::JobLogLimits;
use self::jwks::Jwks;
pub use self::origins::{NotAnOrigin, Origins};
use self::pages::Pages;
pub use self::settings::{ListsPolicy, RelayOptions, Reloadable};
use self::shard::{ShardHandle, ShardSettings};
use self::stats::Stats;
use self::store::{RestoreQueue, StoreAccess};
use self::threads::Watch;
use self::tokens::Tokens;
use self::troubles::Troubles;
use crate::broker::{Broker, Entries, Subscription};
use crate::dialect::{DialectId, Dialects, Source};
pub use crate::jwt::{PemError, PublicKey, Secret, TrustedKeys};

/// How fast sockets are closed at shutdown, unless that takes longer than the drain may: 200 a second, since all of
/// them come back to somebody at once.
const CLOSE_PACE: Duration = Duration::from_millis(5);

/// A running relay.
pub struct Relay {
    addresses: Vec<SocketAddr>,
    api: Arc<Api>,
    stop_accepting: CancellationToken,
    stop: CancellationToken,
    accepting: Vec<JoinHandle<io::Result<()>>>,
    writing: JoinHandle<()>,
    source: oneshot::Receiver<()>,
    threads: Watch,
}

impl Relay {
    /// Starts a relay on sockets that are listening already. Must be called on a tokio runtime, which it keeps using.
    pub fn start(
        listeners: Vec<TcpListener>,
        broker: Arc<dyn Broker>,
        dialects: Arc<Dialects>,
        mut options: RelayOptions,
    ) -> io::Result<Self> {
        let dialects = as_wished(dialects, &options);
        let (stats, stored) = (Arc::new(Stats::new(&dialects)), broker.store().is_some());
        let log = JobLog::new(Arc::clone(&dialects), options.job_log, stored).holding(options.outbox);
        let log = Arc::new(Mutex::new(log));
        let (restore, questions) = RestoreQueue::new();
        let restore = stored.then_some(restore);
        let (epoch, tokens) = (Epoch::random(), tokens(&mut options));
        let shared = (epoch, Arc::clone(&tokens));
        let (pages, (history, has_history)) = streaming(&dialects, &broker);
        let reading = (restore.clone(), pages);
        let settings = ShardSettings::new(&options, &dialects, &log, &stats, reading, shared);
        let (threads, stop) = (Watch::new(), CancellationToken::new());
        let (urgent, gaps) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let shards: Vec<ShardHandle> = (0..options.shards.max(1))
            .map(|number| ShardHandle::spawn(number, settings.clone(), &threads))
            .collect::<io::Result<_>>()?;
        let (subscriptions, subscribers) = subscriptions(&dialects);
        let foreign = Foreign::start(&broker, &dialects, options.max_payload);
        let ingest = Ingest {
            foreign: Arc::clone(&foreign),
            dialects: Arc::clone(&dialects),
            subscribers: subscribers.clone(),
            log: Arc::clone(&log),
            shards: shards.clone(),
            stats: Arc::clone(&stats),
            max_payload: options.max_payload,
            echo_polling: options.echo_polling,
            urgent: Arc::clone(&urgent),
            gaps: Arc::clone(&gaps),
            history,
            burst: Burst::default(),
        };
        let source = spawn_source(Arc::clone(&broker), subscriptions, ingest, stop.clone(), &threads)?;
        let troubles = Arc::new(Troubles::new(Arc::clone(&dialects)));
        let access = StoreAccess {
            broker: Arc::clone(&broker),
            dialects: Arc::clone(&dialects),
            log: Arc::clone(&log),
            foreign,
            troubles: Arc::clone(&troubles),
            shards: shards.iter().map(ShardHandle::weak).collect(),
        };
        let writing = store::spawn(access, questions, gaps, urgent, &stop);
        let api = Arc::new(Api {
            dialects,
            options,
            tokens,
            epoch,
            broker,
            subscribers,
            log,
            shards,
            stats,
            restore,
            has_history,
            troubles,
            draining: AtomicBool::new(false),
            next_shard: AtomicUsize::new(0),
        });
        Self::accept(listeners, api, stop, writing, source, threads)
    }

    fn accept(
        listeners: Vec<TcpListener>,
        api: Arc<Api>,
        stop: CancellationToken,
        writing: JoinHandle<()>,
        source: oneshot::Receiver<()>,
        threads: Watch,
    ) -> io::Result<Self> {
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let stop_accepting = CancellationToken::new();
        let router = http::router(Arc::clone(&api));
        let limits =
            RequestLimits { header_timeout: api.options.header_timeout, max_header: api.options.max_header };
        let proxies = Arc::new(api.options.trusted_proxies.clone());
        let accepting = listeners
            .into_iter()
            .map(|listener| {
                tokio::spawn(accept::accept(
                    listener,
                    router.clone(),
                    limits,
                    Arc::clone(&proxies),
                    stop_accepting.clone(),
                ))
            })
            .collect();
        Ok(Self { addresses, api, stop_accepting, stop, accepting, writing, source, threads })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Open sockets.
    pub fn connections(&self) -> u64 {
        self.api.stats.connections.get()
    }

    /// Waits until events can reach watchers, as `/ready` tells it. Never resolves once the broker has gone for good.
    pub async fn ready(&self) {
        let (mut status, mut has_history) = (self.api.broker.status(), self.api.has_history.clone());
        loop {
            // Each change after this look ends the wait below.
            status.mark_unchanged();
            has_history.mark_unchanged();
            if self.api.why_unready().is_none() {
                return;
            }
            tokio::select! {
                Ok(()) = status.changed() => {}
                Ok(()) = has_history.changed() => {}
                else => std::future::pending().await,
            }
        }
    }

    /// Reason why no events can reach watchers now, as `/ready` tells it; `None` while the relay is ready.
    pub fn trouble(&self) -> Option<String> {
        self.api.why_unready().map(|unready| unready.message)
    }

    /// Goes by these settings from the next request on.
    pub fn reload(&self, settings: Reloadable) {
        self.api.tokens.replace(settings);
    }

    /// Resolves with the name of a thread of the relay that failed; pends for ever while none does.
    pub async fn failed(&self) -> String {
        self.threads.failed().await
    }

    /// Stops accepting, says so on `/ready`, closes every socket with 1001 spread over up to the drain time, writes
    /// the last states behind, and ends its threads.
    pub async fn shutdown(self) {
        self.api.draining.store(true, Ordering::Relaxed);
        self.stop_accepting.cancel();
        let drain = self.api.options.drain;
        // A fifth of the time is left for the last ones to answer.
        let open = u32::try_from(self.connections()).unwrap_or(u32::MAX);
        let window = CLOSE_PACE.saturating_mul(open).min(drain.mul_f64(0.8));
        let draining = join_all(self.api.shards.iter().map(|shard| shard.drain(window)));
        // Whoever has not answered by then is cut off when the shards end.
        let _ = tokio::time::timeout(drain, draining).await;
        self.stop.cancel();
        let _ = tokio::time::timeout(Duration::from_secs(3), async {
            let _ = self.writing.await;
            let _ = self.source.await;
        })
        .await;
        for task in &self.accepting {
            task.abort();
        }
    }
}

/// What tokens are checked with; takes the settings out of the options, since a reload replaces them.
fn tokens(options: &mut RelayOptions) -> Arc<Tokens> {
    let jwks = Jwks::new(options.reloadable.jwks(), jwks::Timing::default());
    let reloadable = std::mem::take(&mut options.reloadable);
    Arc::new(Tokens::new(reloadable, jwks, options.jwt_audience.clone()))
}

/// The dialects as the options change them.
fn as_wished(mut dialects: Arc<Dialects>, options: &RelayOptions) -> Arc<Dialects> {
    if let Some(grace) = options.unknown_grace {
        dialects = Arc::new(dialects.with_grace(grace));
    }
    if options.reloadable.auth.is_open() {
        dialects = Arc::new(dialects.open());
    }
    dialects
}

/// The reader of streams, where there are any, and whether their history was read.
fn streaming(
    dialects: &Dialects,
    broker: &Arc<dyn Broker>,
) -> (Option<Pages>, (watch::Sender<bool>, watch::Receiver<bool>)) {
    let has_streams = broker.history().is_some() && dialects.iter().any(|(_, dialect)| dialect.streams);
    (has_streams.then(|| Pages::new(broker)), watch::channel(!has_streams))
}

/// Every dialect's subscription, and whose it is.
fn subscriptions(dialects: &Dialects) -> (Vec<Subscription>, Vec<DialectId>) {
    let stream = |key: String, entries| Subscription::Stream { key, entries };
    let queues = |prefix: &String, names: Option<&[String]>| {
        vec![Subscription::Queues { prefix: prefix.clone(), names: names.map(<[String]>::to_vec) }]
    };
    let by_channel = |source: &Source| match source {
        Source::Channel(channel) => vec![Subscription::Channel(channel.clone())],
        Source::PerJob(prefix) => vec![Subscription::Prefix(prefix.clone())],
        Source::Channels(names) => names.iter().cloned().map(Subscription::Channel).collect(),
        Source::Queues { prefix, names } => queues(prefix, names.as_deref()),
    };
    let by_stream = |source: &Source| match source {
        Source::Channel(channel) => vec![stream(channel.clone(), Entries::Data)],
        Source::PerJob(prefix) => vec![stream(source.stream_of(prefix), Entries::DataOfJob(prefix.clone()))],
        Source::Channels(names) => names.iter().map(|name| stream(name.clone(), Entries::Data)).collect(),
        Source::Queues { prefix, names } => queues(prefix, names.as_deref()),
    };
    let each = |(id, dialect): (DialectId, &Arc<crate::dialect::Dialect>)| {
        let all = if dialect.streams { by_stream(&dialect.source) } else { by_channel(&dialect.source) };
        all.into_iter().map(move |subscription| (subscription, id))
    };
    dialects.iter().flat_map(each).unzip()
}

/// Runs the broker's source, and returns once it has begun: what is published on the embedded broker before that is lost.
///
/// A single shard hosts it on its own thread, since waking another thread costs as much as the write that follows. Of
/// several none is to be slower than the others, so it gets a thread of its own.
fn spawn_source(
    broker: Arc<dyn Broker>,
    subscriptions: Vec<Subscription>,
    ingest: Ingest,
    stop: CancellationToken,
    threads: &Watch,
) -> io::Result<oneshot::Receiver<()>> {
    let (ended, source) = oneshot::channel();
    let (begun, begins) = std::sync::mpsc::sync_channel(1);
    let host = match ingest.shards.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    let guard = threads.guard();
    let run = async move {
        let mut run = broker.run(subscriptions, Box::new(ingest), stop);
        let at_once = poll_fn(|context| Poll::Ready(run.as_mut().poll(context).is_ready())).await;
        // Nobody waiting means that the relay was given up meanwhile.
        let _ = begun.send(());
        if !at_once {
            run.await;
        }
        // Nobody waiting means that the relay was dropped.
        let _ = ended.send(());
        drop(guard);
    };
    if let Some(shard) = host {
        shard.host(Box::pin(run))?;
    } else {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        threads.spawn("jobwire-broker".to_owned(), move || runtime.block_on(run))?;
    }
    begins.recv().map_err(io::Error::other)?;
    Ok(source)
}

//! Key sets that are fetched: at the start, hourly, and when a token names a key that is not known.
//!
//! Each URL has a task of its own, so there is one request for it at a time, however many tokens wait. Keys that were
//! fetched stay until others are: an issuer that is away changes nothing for the tokens that are known to be good.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::Method;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use crate::jwt::{KeySet, PublicKey, now};
use crate::net::backoff::Backoff;
use crate::net::http::{Response, request};
use crate::net::seldom::Seldom;
use crate::net::tls::Tls;
use crate::net::{NetError, address};

/// Requests that wait for a key set at most; one more is told to come again.
const WAITING: usize = 1_000;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    /// From one fetch to the next.
    pub(super) every: Duration,
    /// From one fetch for an unknown key to the next.
    pub(super) unknown: Duration,
    /// One fetch, all told.
    pub(super) fetch: Duration,
    /// How long a request waits for a fetch.
    pub(super) patience: Duration,
    /// The first pause after a failed fetch, and the longest.
    pub(super) retry: (Duration, Duration),
    /// How often a fetch that fails is logged.
    pub(super) complain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            every: Duration::from_hours(1),
            unknown: Duration::from_secs(30),
            fetch: Duration::from_secs(10),
            patience: Duration::from_secs(3),
            retry: (Duration::from_secs(1), Duration::from_mins(1)),
            complain: Duration::from_mins(1),
        }
    }
}

/// All key sets of a relay.
#[derive(Debug)]
pub(super) struct Jwks {
    sources: RwLock<Vec<Arc<Source>>>,
    timing: Timing,
    waiting: Semaphore,
}

/// One key set.
#[derive(Debug)]
struct Source {
    url: Url,
    known: Mutex<Fetched>,
    /// Notified when a token names an unknown key.
    wanted: Notify,
    /// Notified when the set is to be fetched at once, even if it was fetched a moment ago.
    forced: Notify,
    /// Progress of the fetches, for requests that wait for one.
    progress: watch::Sender<FetchProgress>,
    stop: CancellationToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FetchProgress {
    /// Fetches that are over.
    done: u64,
    is_fetching: bool,
    /// Before this a token that names an unknown key causes no fetch; `None`: any time.
    closed_until: Option<Instant>,
}

/// Result of the fetches of a key set so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Fetched {
    /// The keys of the last fetch that succeeded.
    keys: Arc<[PublicKey]>,
    /// Keys of that set that cannot be used.
    skipped: usize,
    /// Time of that fetch, in milliseconds since the Unix epoch.
    at: Option<u64>,
    /// Why the last fetch failed, if it did.
    error: Option<String>,
}

/// State of a key set, for `/ws/stats`.
#[derive(Debug, Clone)]
pub(super) struct Report {
    /// URL of the set, without user and query.
    pub(super) url: String,
    /// Number of usable keys.
    pub(super) keys: usize,
    /// Number of keys that cannot be used.
    pub(super) skipped: usize,
    /// When it was last fetched, in milliseconds since the Unix epoch.
    pub(super) fetched: Option<u64>,
    /// Why the last fetch failed, if it did.
    pub(super) error: Option<String>,
}

impl Jwks {
    /// Begins to fetch the sets, on the runtime that it is called on; nothing waits for them.
    pub(super) fn new(urls: &[Url], timing: Timing) -> Self {
        let jwks = Self { sources: RwLock::default(), timing, waiting: Semaphore::new(WAITING) };
        jwks.replace(urls);
        jwks
    }

    /// Goes by these URLs from now on, and fetches all of them anew. What was fetched from one that stays is kept.
    pub(super) fn replace(&self, urls: &[Url]) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *sources);
        for url in urls {
            if let Some(at) = old.iter().position(|source| source.url == *url) {
                let source = old.swap_remove(at);
                source.forced.notify_one();
                sources.push(source);
            } else if sources.iter().all(|source| source.url != *url) {
                let source = Arc::new(Source::new(url.clone()));
                tokio::spawn(Arc::clone(&source).run(self.timing));
                sources.push(source);
            }
        }
        for gone in old {
            gone.stop.cancel();
        }
    }

    /// The keys as of now, a set a URL.
    pub(super) fn keys(&self) -> Vec<Arc<[PublicKey]>> {
        self.sources().iter().map(|source| Arc::clone(&source.known().keys)).collect()
    }

    /// Whether a key that is missing may be in a set that could not be fetched.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.sources().iter().any(|source| {
            let known = source.known();
            known.at.is_none() || known.error.is_some()
        })
    }

    /// Asks for the sets because a token names a key that is not known, and waits for them for a moment, unless they were
    /// asked for lately.
    pub(super) async fn refresh(&self) {
        let Ok(_place) = self.waiting.try_acquire() else { return };
        let sources = self.sources();
        // At its end the caller looks at what there is.
        let _ =
            timeout(self.timing.patience, join_all(sources.iter().map(|source| source.refreshed()))).await;
    }

    /// One report per key set.
    pub(super) fn report(&self) -> Vec<Report> {
        let report = |source: &Arc<Source>| {
            let known = source.known().clone();
            Report {
                url: shown(&source.url),
                keys: known.keys.len(),
                skipped: known.skipped,
                fetched: known.at,
                error: known.error,
            }
        };
        self.sources().iter().map(report).collect()
    }

    fn sources(&self) -> Vec<Arc<Source>> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Jwks {
    fn drop(&mut self) {
        for source in self.sources() {
            source.stop.cancel();
        }
    }
}

impl Source {
    fn new(url: Url) -> Self {
        Self {
            url,
            known: Mutex::default(),
            wanted: Notify::new(),
            forced: Notify::new(),
            progress: watch::Sender::new(FetchProgress { done: 0, is_fetching: true, closed_until: None }),
            stop: CancellationToken::new(),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Fetched> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the fetch that goes on, or that this begins. One that may begin only later is asked for all the same.
    async fn refreshed(&self) {
        let mut progress = self.progress.subscribe();
        let FetchProgress { done, is_fetching, closed_until } = *progress.borrow_and_update();
        if !is_fetching {
            self.wanted.notify_one();
            if closed_until.is_some_and(|until| until > Instant::now()) {
                return;
            }
        }
        // The wait cannot fail: `self` owns the sender.
        let _ = progress.wait_for(|progress| progress.done > done).await;
    }

    /// Fetches for as long as the set is wanted at all.
    async fn run(self: Arc<Self>, timing: Timing) {
        let mut backoff = Backoff::new(timing.retry.0, timing.retry.1);
        let mut complaints = Seldom::every(timing.complain);
        let stop = self.stop.clone();
        let work = async {
            loop {
                let fetched = fetch(&self.url, timing.fetch).await;
                let pause = if fetched.is_ok() {
                    backoff.reset();
                    timing.every
                } else {
                    backoff.next(rand::random())
                };
                self.take(fetched, &mut complaints);
                self.progress.send_modify(|progress| {
                    progress.done += 1;
                    progress.is_fetching = false;
                });
                self.until_next(pause, timing.unknown).await;
                self.progress.send_modify(|progress| progress.is_fetching = true);
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Waits until the set is to be fetched again.
    async fn until_next(&self, pause: Duration, between: Duration) {
        let wanted = async {
            self.wanted.notified().await;
            let closed_until = self.progress.borrow().closed_until;
            if let Some(until) = closed_until {
                sleep_until(until).await;
            }
            let until = Instant::now() + between;
            self.progress.send_modify(|progress| progress.closed_until = Some(until));
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = self.forced.notified() => {}
            () = wanted => {}
        }
    }

    fn take(&self, fetched: Result<KeySet, String>, complaints: &mut Seldom<()>) {
        let url = shown(&self.url);
        let mut known = self.known();
        match fetched {
            Ok(KeySet { keys, skipped }) => {
                let described: Vec<String> = keys.iter().map(PublicKey::describe).collect();
                let is_news = known.at.is_none()
                    || known.error.is_some()
                    || known.keys.iter().map(PublicKey::describe).ne(described.iter().cloned());
                *known = Fetched { keys: keys.into(), skipped, at: Some(now()), error: None };
                if described.is_empty() {
                    if is_news {
                        warn!(%url, skipped, "fetched a key set without a key that tokens can be checked with");
                    }
                } else if is_news {
                    info!(%url, keys = described.join(","), skipped, "fetched the keys for tokens");
                }
            }
            Err(error) => {
                if let Some(more) = complaints.due(()) {
                    let kept = known.keys.len();
                    warn!(%url, error, kept, more, "could not fetch the keys for tokens");
                }
                known.error = Some(error);
            }
        }
    }
}

async fn fetch(url: &Url, limit: Duration) -> Result<KeySet, String> {
    let headers =
        [("accept", "application/json"), ("user-agent", concat!("jobwire/", env!("CARGO_PKG_VERSION")))];
    let answer = request(Method::GET, url, &headers, Bytes::new(), &Tls::default(), limit).await;
    let Response { status, body, .. } = answer.map_err(|error: NetError| error.to_string())?;
    match status {
        200 => KeySet::parse(&body).map_err(|error| error.to_string()),
        300..=399 => {
            Err(format!("it answered {status}, a redirect, and none is followed: give the URL it leads to"))
        }
        401 | 403 => Err(format!("it answered {status}: a key set has to be public")),
        status => Err(format!("it answered {status}")),
    }
}

/// A URL without what may be secret: user and query.
fn shown(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), address(url), url.path())
}

#[cfg(test)]
mod tests;

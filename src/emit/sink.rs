//! Where events go: a Redis, or a relay over HTTP.

mod streams;

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

use crate::broker::{Broker, BrokerError, RedisBroker, Trouble as Refusal};
use crate::dialect::{Auth, Dialect, Standing};
use crate::exit::{Exit, Failure};
use crate::net::tls::{Peer, Tls};
use crate::net::{self, NetError, http, publish_key};

/// How long a relay may take to answer, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const HTTP_HINT: &str = "start a relay with `jobwire serve`, or name a Redis with --redis";
const REDIS_HINT: &str = "is Redis running there? the URL is from --redis, JOBWIRE_REDIS or REDIS_URL; without one, events \
                          go over HTTP to the relay at --server";

/// Where to publish.
#[derive(Clone)]
pub(crate) enum SinkOptions {
    /// Into this Redis.
    Redis {
        /// URL of the Redis.
        url: String,
        /// Events are appended to the streams of their channels, rather than published on the channels.
        durable: bool,
    },
    /// To a relay.
    Http {
        /// A ws, wss, http or https URL.
        server: Url,
        /// The publish key; `None`: the one that a relay of this user left.
        key: Option<String>,
        /// TLS settings of the connection, such as the certificates that are trusted.
        tls: Tls,
    },
}

/// Numbers of receivers that an event reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Reach {
    /// Subscribers of the channel; a relay is one.
    subscribers: u64,
    /// Sockets of the relay, if it was one that published.
    sockets: Option<u64>,
}

impl Reach {
    /// Whether a relay has it, though none of its sockets does.
    pub(crate) const fn is_at_a_relay(self) -> bool {
        self.sockets.is_some() && self.subscribers > 0
    }

    /// Whether nobody got it. A relay's own subscription does not count if no socket of it was listening.
    pub(crate) fn is_nobody(self) -> bool {
        match self.sockets {
            None => self.subscribers == 0,
            Some(sockets) => sockets == 0 && self.subscribers <= 1,
        }
    }
}

/// Place that an event has come to.
pub(crate) enum Arrival {
    /// Receivers that heard it.
    Heard(Reach),
    /// All nodes of a cluster, which tells of the subscribers of one node alone: whether anybody heard it is not known.
    Spread,
    /// Key of the stream that holds it, where watchers that come later find it as well.
    Kept(String),
}

/// An open sink.
pub(crate) enum Sink {
    /// Channels of a Redis.
    Redis(RedisBroker),
    /// Streams of a Redis.
    Streams(RedisBroker),
    /// A relay.
    Http(HttpSink),
}

/// Why an event was not sent, and whether another try may help.
#[derive(Debug, Clone)]
pub(crate) struct Undelivered {
    pub(crate) failure: Failure,
    pub(crate) trouble: Trouble,
}

/// How lasting a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server is away or cannot do it now; later the same may succeed.
    Passing,
    /// No event can be sent there: the login or the key is refused, or the server takes no events.
    Lasting,
    /// This event is refused, others may pass.
    OfEvent,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // Rights and commands are the same for each event.
            Refusal::NotPermitted | Refusal::UnknownCommand | Refusal::Login => Self::Lasting,
            refusal if refusal.may_end() || refusal == Refusal::MovingInCluster => Self::Passing,
            _ => Self::OfEvent,
        }
    }
}

impl Trouble {
    fn of(self, failure: Failure) -> Undelivered {
        Undelivered { failure, trouble: self }
    }
}

impl Sink {
    /// Connects to nothing yet; what is wrong with a URL is an error.
    pub(crate) fn new(options: SinkOptions) -> Result<Self, Failure> {
        match options {
            SinkOptions::Redis { url, durable } => {
                let redis =
                    RedisBroker::new(&url).map_err(|error| Failure::usage(format!("--redis: {error}")))?;
                Ok(if durable { Self::Streams(redis) } else { Self::Redis(redis) })
            }
            SinkOptions::Http { server, key, tls } => Ok(Self::Http(HttpSink::new(server, key, tls))),
        }
    }

    /// The Redis, where that is the sink.
    const fn redis(&self) -> Option<&RedisBroker> {
        match self {
            Self::Redis(redis) | Self::Streams(redis) => Some(redis),
            Self::Http(_) => None,
        }
    }

    /// Address of the sink, for messages.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Redis(redis) | Self::Streams(redis) => redis.address(),
            Self::Http(relay) => net::address(&relay.server),
        }
    }

    /// Logs in to a Redis, so that it fails here rather than at the first event.
    pub(crate) async fn check(&self) -> Result<(), Undelivered> {
        match self.redis() {
            Some(redis) => redis.ping().await.map_err(|error| redis_failure(&error)),
            None => Ok(()),
        }
    }

    /// Leaves the owner in Redis that a registration names, where a relay finds it that is away now. Whether it is this
    /// owner's job now; a relay that is published through does it all itself.
    pub(crate) async fn register(
        &self,
        dialect: &Dialect,
        channel: &str,
        payload: &str,
    ) -> Result<bool, Undelivered> {
        let store = self.redis().and_then(RedisBroker::store).filter(|_| dialect.auth == Auth::Owner);
        let Some(store) = store else { return Ok(true) };
        let Ok(event) = dialect.decode(channel.as_bytes(), payload.as_bytes()) else { return Ok(true) };
        match event.owner.filter(|_| event.kind.is_some_and(|kind| kind.hidden)) {
            None => Ok(true),
            Some(owner) => {
                let registered = store.register(&dialect.name, &event.job, &owner).await;
                registered.map_err(|error| redis_failure(&error))
            }
        }
    }

    /// How far a job is, as far as a relay keeps it: in Redis, or for polling. `Ok(None)`: nobody knows.
    pub(crate) async fn standing(
        &self,
        dialect: &Dialect,
        job: &str,
    ) -> Result<Option<Standing>, Undelivered> {
        match self {
            Self::Redis(redis) | Self::Streams(redis) => {
                let Some(store) = redis.store() else { return Ok(None) };
                let stored = store.load(&dialect.name, job).await.map_err(|error| redis_failure(&error))?;
                Ok(stored.and_then(|stored| {
                    let state = stored.state.as_deref().and_then(|state| std::str::from_utf8(state).ok())?;
                    let (percent, ended) = (stored.percent.as_deref(), stored.ended.as_deref());
                    Some(dialect.standing_of_state(state, percent, ended))
                }))
            }
            // Polling a job that has an owner takes a token, and the publish key is none.
            Self::Http(relay) if dialect.auth == Auth::None => relay.standing(dialect, job).await,
            Self::Http(_) => Ok(None),
        }
    }

    /// Sends an event. After [`Trouble::Passing`] it may have been sent all the same: the answer is what was lost.
    pub(crate) async fn publish(
        &self,
        dialect: &Dialect,
        channel: &str,
        payload: Bytes,
    ) -> Result<Arrival, Undelivered> {
        match self {
            Self::Redis(redis) => {
                let subscribers =
                    redis.publish(channel, payload).await.map_err(|error| redis_failure(&error))?;
                let is_unknown = subscribers == 0 && redis.is_on_several_nodes();
                let reach = Reach { subscribers, sockets: None };
                Ok(if is_unknown { Arrival::Spread } else { Arrival::Heard(reach) })
            }
            Self::Streams(redis) => {
                streams::append(redis, &dialect.source, channel, payload).await.map(Arrival::Kept)
            }
            Self::Http(relay) => Ok(match relay.publish(channel, payload).await? {
                Answer::Published(reach) => Arrival::Heard(reach),
                Answer::Appended { .. } => Arrival::Kept(dialect.source.stream_of(channel)),
            }),
        }
    }

    /// What a reach of nobody means here, for people. A relay keeps the state of jobs for those who come later.
    pub(crate) fn nobody(&self, dialect: &Dialect, channel: &str, reach: Reach) -> String {
        let (channel, relay) = (channel.escape_debug(), self.address());
        if self.redis().is_some() {
            return format!("nobody is subscribed to '{channel}' at {relay}");
        }
        if reach.subscribers == 0 {
            return format!(
                "the relay at {relay} took it, but is not subscribed to '{channel}', nor is anybody"
            );
        }
        let later = if dialect.channels.is_some() {
            "what comes on a channel is not kept"
        } else {
            "the relay keeps the job's state"
        };
        format!("no socket at {relay} got it; {later}")
    }
}

fn redis_failure(error: &BrokerError) -> Undelivered {
    let message = error.to_string();
    match error {
        BrokerError::Unreachable { .. } => {
            Trouble::Passing.of(Failure::new(Exit::Unreachable, message).hint(REDIS_HINT))
        }
        BrokerError::LoginRefused { .. } => Trouble::Lasting.of(Failure::new(Exit::Unreachable, message)
            .hint("user and password stand in the URL, as in redis://user:password@host:6379")),
        BrokerError::Tls { .. } => {
            Trouble::Lasting.of(Failure { hint: error.hint(), ..Failure::new(Exit::Unreachable, message) })
        }
        BrokerError::Refused { .. } => {
            let refusal = error.trouble();
            let failure = Failure::new(Exit::Refused, format!("{}: {message}", refusal.word()));
            Trouble::from(refusal).of(Failure { hint: refusal.hint().map(str::to_owned), ..failure })
        }
        BrokerError::NoSuchMaster { .. } => {
            Trouble::Lasting.of(Failure { hint: error.hint(), ..Failure::usage(message) })
        }
        // A replica may be promoted soon; whoever has no patience ends at once all the same.
        BrokerError::NotMaster { .. } | BrokerError::Deaf { .. } => {
            Trouble::Passing.of(Failure { hint: error.hint(), ..Failure::new(Exit::Unreachable, message) })
        }
        BrokerError::Overloaded(_) => Trouble::Passing.of(Failure::new(Exit::Failure, message)),
    }
}

/// A relay that is published through.
pub(crate) struct HttpSink {
    server: Url,
    key: Mutex<Key>,
    tls: Tls,
}

/// The publish key, and where it is from.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    Given(String),
    Found(String),
    Missing,
}

/// A relay's answer to an event.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Published(Reach),
    /// The relay takes the dialect's events from streams, and appended it.
    Appended {
        #[serde(rename = "entry")]
        _entry: String,
    },
}

impl HttpSink {
    fn new(server: Url, key: Option<String>, tls: Tls) -> Self {
        let key = key.map_or_else(|| Key::find(&server), Key::Given);
        Self { server, key: Mutex::new(key), tls }
    }

    async fn publish(&self, channel: &str, payload: Bytes) -> Result<Answer, Undelivered> {
        let result = self.post(channel, payload.clone()).await;
        // A relay that was started again has left another key, and refuses the old one.
        let is_refused = result.as_ref().is_err_and(|error| error.failure.exit == Exit::Refused);
        if is_refused && self.finds_another_key() { self.post(channel, payload).await } else { result }
    }

    fn finds_another_key(&self) -> bool {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*key, Key::Given(_)) {
            return false;
        }
        let found = Key::find(&self.server);
        let is_another = found != *key;
        *key = found;
        is_another
    }

    fn key(&self) -> Key {
        self.key.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn post(&self, channel: &str, payload: Bytes) -> Result<Answer, Undelivered> {
        let path = format!("/publish/{}", utf8_percent_encode(channel, SEGMENT));
        let url = net::http_url(&self.server, &path);
        let bearer = match self.key() {
            Key::Given(key) | Key::Found(key) => Some(format!("Bearer {key}")),
            Key::Missing => None,
        };
        let mut headers = vec![("content-type", "application/json")];
        // A user in the URL is for a proxy in front, which then has to know the relay's key.
        let bearer = bearer.filter(|_| net::login(&self.server).is_none());
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let response = http::request(Method::POST, &url, &headers, payload, &self.tls, TIMEOUT)
            .await
            .map_err(|e| unreachable(&e))?;
        let body = response.success(&url).map_err(|error| self.refused(&error))?;
        serde_json::from_slice(&body).map_err(|_| {
            let message = format!("the server at {} answers, but is no relay", net::address(&url));
            Trouble::Lasting.of(Failure::new(Exit::Unreachable, message).hint(HTTP_HINT))
        })
    }

    async fn standing(&self, dialect: &Dialect, job: &str) -> Result<Option<Standing>, Undelivered> {
        let Some(path) = dialect.status_path(job) else { return Ok(None) };
        let url = net::http_url(&self.server, &path);
        let response = http::request(Method::GET, &url, &[], Bytes::new(), &self.tls, TIMEOUT)
            .await
            .map_err(|error| unreachable(&error))?;
        if response.status == 404 {
            return Ok(None);
        }
        let body = response.success(&url).map_err(|error| self.refused(&error))?;
        Ok(std::str::from_utf8(&body).ok().and_then(|body| dialect.standing_of_status(body)))
    }

    fn refused(&self, error: &NetError) -> Undelivered {
        let NetError::Status { address, status, code, message, redirect, .. } = error else {
            return unreachable(error);
        };
        if let Some(refusal) = code.as_deref().and_then(Refusal::refusal).filter(|_| *status >= 500) {
            return refused_there(address, refusal, error);
        }
        if let Some(redirect) = redirect {
            let message = format!("{error}; it redirects to {redirect}");
            return Trouble::Lasting.of(Failure::new(Exit::Unreachable, message).hint(redirect.hint()));
        }
        let trouble = match status {
            401 | 403 | 404 | 405 | 426 => Trouble::Lasting,
            408 | 425 | 429 | 500 | 502..=504 => Trouble::Passing,
            _ => Trouble::OfEvent,
        };
        trouble.of(match status {
            401 | 403 => Failure::new(Exit::Refused, error.to_string()).hint(self.key().hint(&self.server)),
            404 if message.is_some() => Failure::new(Exit::Failure, error.to_string()).hint(
                "the relay needs the same dialect and prefix: see its --dialect-file and --channel-prefix",
            ),
            404 | 405 | 426 => {
                let message = format!("the server at {address} takes no events: it answered {status}");
                Failure::new(Exit::Unreachable, message).hint(HTTP_HINT)
            }
            502 if message.is_some() => {
                let message =
                    format!("the relay at {address} cannot use its Redis, so nothing was published: {error}");
                Failure::new(Exit::Unreachable, message)
                    .hint("the relay comes back by itself once Redis does; its /ready answers 200 then")
            }
            502..=504 => Failure::new(Exit::Unreachable, error.to_string()),
            _ => Failure::new(Exit::Failure, error.to_string()),
        })
    }
}

impl Key {
    /// The key that a relay of this user left there.
    fn find(server: &Url) -> Self {
        publish_key::for_server(server).map_or(Self::Missing, Self::Found)
    }

    fn hint(&self, server: &Url) -> String {
        let path = publish_key::path_for(server.port_or_known_default().unwrap_or_default());
        let path = path.display();
        if net::login(server).is_some() {
            return "the user and password in --server are sent in place of the key; without a proxy that takes \
                    them, leave them out"
                .to_owned();
        }
        match self {
            Self::Given(_) => "the key in --publish-key (JOBWIRE_PUBLISH_KEY) is not the relay's".to_owned(),
            Self::Found(_) => format!("the key in {path} is not this relay's; give it with --publish-key"),
            Self::Missing if net::is_loopback(server) => {
                format!("the relay's user finds its key in {path}; anybody else gives it with --publish-key")
            }
            Self::Missing => "give the relay's key with --publish-key (JOBWIRE_PUBLISH_KEY)".to_owned(),
        }
    }
}

/// The relay is there, and its Redis refuses.
fn refused_there(relay: &str, refusal: Refusal, error: &NetError) -> Undelivered {
    let message = format!("the relay at {relay} cannot publish into its Redis: {error}");
    let hint = refusal.hint().map(|hint| format!("for the relay's Redis: {hint}"));
    // A relay logs in again by itself, and is told of new rights by nobody.
    let trouble = if refusal == Refusal::Login { Trouble::Passing } else { refusal.into() };
    trouble.of(Failure { hint, ..Failure::new(Exit::Refused, message) })
}

fn unreachable(error: &NetError) -> Undelivered {
    match error {
        NetError::Url { .. } => Trouble::Lasting.of(Failure::usage(format!("--server: {error}"))),
        NetError::Tls { problem, .. } => Trouble::Lasting.of(Failure {
            hint: problem.hint(Peer::Server),
            ..Failure::new(Exit::Unreachable, error.to_string())
        }),
        _ => Trouble::Passing.of(Failure::new(Exit::Unreachable, error.to_string()).hint(HTTP_HINT)),
    }
}

impl fmt::Debug for SinkOptions {
    /// Without what may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis { durable: false, .. } => f.write_str("Redis"),
            Self::Redis { durable: true, .. } => f.write_str("Streams"),
            Self::Http { server, .. } => write!(f, "Http({})", net::address(server)),
        }
    }
}

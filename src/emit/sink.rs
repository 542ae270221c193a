//! Sinks for events: a Redis, or a relay over HTTP.

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

/// Longest time for a relay's answer, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// All characters except the unreserved ones of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const HTTP_HINT: &str = "start a relay with `jobwire serve`, or name a Redis with --redis";
const REDIS_HINT: &str = "is Redis running there? the URL is from --redis, JOBWIRE_REDIS or REDIS_URL; without one, events \
                          go over HTTP to the relay at --server";

/// Options of a sink.
#[derive(Clone)]
pub(crate) enum SinkOptions {
    /// A Redis.
    Redis {
        /// URL of the Redis.
        url: String,
        /// Whether events are appended to the streams of their channels, rather than published on the channels.
        durable: bool,
    },
    /// A relay.
    Http {
        /// URL of the relay: ws, wss, http or https.
        server: Url,
        /// Publish key; `None`: use the key that a relay of this user has left in a file.
        key: Option<String>,
        /// TLS settings of the connection, such as the trusted certificates.
        tls: Tls,
    },
}

/// Numbers of receivers that an event reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Reach {
    /// Subscribers of the channel; a relay is one.
    subscribers: u64,
    /// Sockets that the relay has sent the event to; `None` where the event went to Redis directly.
    sockets: Option<u64>,
}

impl Reach {
    /// Whether a relay has received the event and none of its sockets was watching.
    pub(crate) const fn is_at_a_relay(self) -> bool {
        self.sockets.is_some() && self.subscribers > 0
    }

    /// Whether nobody received the event. A relay's own subscription does not count where none of its sockets was watching.
    pub(crate) fn is_nobody(self) -> bool {
        match self.sockets {
            None => self.subscribers == 0,
            Some(sockets) => sockets == 0 && self.subscribers <= 1,
        }
    }
}

/// Result of sending an event.
pub(crate) enum Arrival {
    /// The event was published to these receivers.
    Heard(Reach),
    /// The event was published to all nodes of a cluster. The number of receivers is unknown, since a cluster counts only one
    /// node's.
    Spread,
    /// The event was appended to the stream with this key, where later watchers find it.
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

/// Reason why an event was not sent, and whether another attempt may succeed.
#[derive(Debug, Clone)]
pub(crate) struct Undelivered {
    pub(crate) failure: Failure,
    pub(crate) trouble: Trouble,
}

/// Duration of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server is away or busy. A later attempt may succeed.
    Passing,
    /// No event can be sent: the login or the key is refused, or the server takes no events.
    Lasting,
    /// The sink refuses this event. Other events may succeed.
    OfEvent,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            // Permissions and commands are the same for each event.
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
    /// Makes a sink without connecting. A bad URL is an error.
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

    /// The Redis of the sink, if any.
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

    /// Logs in to a Redis, so that a bad login fails now rather than at the first event.
    pub(crate) async fn check(&self) -> Result<(), Undelivered> {
        match self.redis() {
            Some(redis) => redis.ping().await.map_err(|error| redis_failure(&error)),
            None => Ok(()),
        }
    }

    /// Stores the owner of a registration in Redis, for relays that are away now. Returns `false` where the job belongs to
    /// another owner. Does nothing for other events and where the sink is a relay, which stores owners itself.
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

    /// Progress of a job, from Redis or by polling a relay. `Ok(None)`: the progress is not known.
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
            // Polling a job with an owner needs a token, and the publish key is no token.
            Self::Http(relay) if dialect.auth == Auth::None => relay.standing(dialect, job).await,
            Self::Http(_) => Ok(None),
        }
    }

    /// Sends an event. After [`Trouble::Passing`] the event may have been sent nevertheless, where only the answer was lost.
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

    /// Explanation for the user why nobody received an event. A relay still keeps the state of jobs for later watchers.
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
        // A replica may become the master soon, so another attempt may help.
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

/// Publish key, and its origin.
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
    /// The relay reads the dialect's events from streams and has appended the event.
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
        // A relay that was restarted has left a new key and refuses the old one.
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
        // The user of the URL is for a proxy, which then has to know the relay's key.
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
    /// Looks for the key that a relay of this user has left in a file.
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

/// Failure of a relay that is reachable and whose Redis refuses.
fn refused_there(relay: &str, refusal: Refusal, error: &NetError) -> Undelivered {
    let message = format!("the relay at {relay} cannot publish into its Redis: {error}");
    let hint = refusal.hint().map(|hint| format!("for the relay's Redis: {hint}"));
    // A relay logs in again by itself, but does not notice new permissions.
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
    /// Writes the options without the key and the password of the URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis { durable: false, .. } => f.write_str("Redis"),
            Self::Redis { durable: true, .. } => f.write_str("Streams"),
            Self::Http { server, .. } => write!(f, "Http({})", net::address(server)),
        }
    }
}

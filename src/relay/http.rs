//! HTTP side of the relay: upgrades, polling, publishing, health.

mod access;
mod clients;
mod health;
mod jobs;
mod order;
mod page;
mod stats;
mod watching;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};

use self::access::{Asking, access, refused};
use super::auth::{Access, Ownerless, Ownership};
use super::client::ClientAddress;
use super::cursor::Epoch;
use super::error::ApiError;
use super::event;
use super::joblog::JobLog;
use super::settings::{RelayOptions, Reloadable};
use super::shard::ShardHandle;
use super::stats::Stats;
use super::store::RestoreQueue;
use super::tokens::Tokens;
use super::troubles::Troubles;
use crate::broker::{Broker, BrokerError, Trouble};
use crate::dialect::{DialectId, Dialects, Topic, Undecodable};
use crate::net::publish_key;

/// State that the handlers share.
pub(super) struct Api {
    pub(super) dialects: Arc<Dialects>,
    pub(super) options: RelayOptions,
    /// The keys that tokens are checked with, and all else that a reload replaces.
    pub(super) tokens: Arc<Tokens>,
    pub(super) epoch: Epoch,
    pub(super) broker: Arc<dyn Broker>,
    /// The dialect of each subscription.
    pub(super) subscribers: Vec<DialectId>,
    pub(super) log: Arc<Mutex<JobLog>>,
    pub(super) shards: Vec<ShardHandle>,
    pub(super) stats: Arc<Stats>,
    pub(super) restore: Option<RestoreQueue>,
    /// Whether the history of the streams was read; true where there are no streams.
    pub(super) has_history: watch::Receiver<bool>,
    pub(super) troubles: Arc<Troubles>,
    pub(super) draining: AtomicBool,
    pub(super) next_shard: AtomicUsize,
}

impl Api {
    /// The reloadable settings as of now.
    fn settings(&self) -> Arc<Reloadable> {
        self.tokens.settings()
    }

    /// Waits until the history of the streams was read, at most [`HISTORY_WAIT`]. Without the history, jobs are not known.
    async fn wait_for_history(&self) {
        if !*self.has_history.borrow() {
            let mut has_history = self.has_history.clone();
            // After the wait, the request is served without the history.
            let _ = tokio::time::timeout(HISTORY_WAIT, has_history.wait_for(|has| *has)).await;
        }
    }

    /// The job log. A panic under its lock is a bug, but no reason to stop serving.
    fn log(&self) -> MutexGuard<'_, JobLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Time for which requests wait until history was read.
const HISTORY_WAIT: Duration = Duration::from_secs(5);

type Shared = State<Arc<Api>>;

/// All routes; every answer that is no success is JSON with `error` and `message`.
pub(super) fn router(api: Arc<Api>) -> Router {
    let settings = Arc::clone(&api);
    let allowed = AllowOrigin::predicate(move |origin, _| {
        origin.to_str().is_ok_and(|origin| settings.settings().origins.allow(origin))
    });
    let cors =
        CorsLayer::new().allow_origin(allowed).allow_methods([Method::GET, Method::POST]).allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("last-event-id"),
        ]);
    let mut router = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/watch", get(watching::targets))
        .route("/jobs", get(jobs::list))
        .route("/clients", get(clients::list))
        .route("/ws/stats", get(stats::answer))
        .route("/api/v1/ws/stats", get(stats::answer))
        .route("/publish/{*channel}", post(publish));
    if api.options.page {
        let page = page::Page::new();
        router = router.route("/", get(async move |request: Request| page.answer(&request)));
    }
    if let Some(backend) = &api.options.backend
        && let Some((id, _)) = api.dialects.named(backend.dialect())
    {
        let shared = Arc::clone(backend);
        let order = move |state, request| order::order(state, id, Arc::clone(&shared), request);
        router = router.route(backend.route(), post(order));
    }
    for (id, dialect) in api.dialects.iter() {
        for (route, channel) in dialect.channels.iter().flat_map(|channels| &channels.routes) {
            let channel = channel.clone();
            let open = move |state, request| watching::channels(state, id, channel.clone(), request);
            router = router.route(route, get(open));
        }
        if dialect.channels.is_none() {
            let open = move |state, request| watching::job(state, id, request);
            router = router.route(&dialect.route, get(open));
        }
        if let Some(status) = &dialect.status {
            router = router.route(&status.route, get(move |state, request| poll(state, id, request)));
        }
    }
    router
        .fallback(async || {
            ApiError::new(StatusCode::NOT_FOUND, "not_found", "nothing is served at this path")
        })
        .method_not_allowed_fallback(async || {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path has another method",
            )
        })
        .layer(cors)
        .with_state(api)
}

/// The job's id in a path that the router has matched.
fn job_in(api: &Api, id: DialectId, route: &str, path: &str) -> String {
    api.dialects.get(id).job_in(route, path).unwrap_or_default()
}

/// Address of the client of a request.
fn client_of(request: &Request) -> IpAddr {
    let ClientAddress(client) = request.extensions().get().expect("accepting gives every request one");
    *client
}

/// A parameter of the query, percent-decoded.
fn in_query<'a>(request: &'a Request, name: &str) -> Option<Cow<'a, str>> {
    let query = request.uri().query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).find_map(|(key, value)| (key == name).then_some(value))
}

/// The parameter `limit` of the query, from 1 to `most`; `usual` where there is none.
fn limit(request: &Request, usual: usize, most: usize) -> Result<usize, ApiError> {
    let Some(text) = in_query(request, "limit") else { return Ok(usual) };
    let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| bad_query(format!("limit is a number from 1 to {most}")))
}

fn bad_query(message: String) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "bad_query", message)
}

/// The key or token in `Authorization: Bearer`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

/// Checks the origin, which browsers send. A request without an origin passes.
fn check_origin(api: &Api, request: &Request) -> Result<(), ApiError> {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("(not text)");
    let settings = api.settings();
    if settings.origins.allow(origin) {
        return Ok(());
    }
    let list = settings.origins.describe();
    api.stats.refused_origins.add(1);
    api.stats.refusals.origin(origin, &list, client_of(request));
    let origin = origin.escape_debug();
    let message = format!("pages of origin {origin} may not connect; allowed: {list} (ALLOWED_ORIGINS)");
    Err(ApiError::new(StatusCode::FORBIDDEN, "origin_not_allowed", message))
}

/// Checks an origin as [`check_origin`] does, and also lets in the relay's own page. The origin of that page is the host that the
/// request is addressed to. On a loopback listener without a proxy the host must be a loopback name, since anybody can point another
/// name at this machine.
fn check_page_or_origin(api: &Api, request: &Request) -> Result<(), ApiError> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let is_own =
        origin.zip(text(header::HOST)).is_some_and(|((_, page), host)| page.eq_ignore_ascii_case(host));
    if api.options.page && is_own && !access::is_rebound(api, request) {
        Ok(())
    } else {
        check_origin(api, request)
    }
}

/// `GET` on a dialect's polling route.
async fn poll(State(api): Shared, id: DialectId, request: Request) -> Result<Response, ApiError> {
    api.wait_for_history().await;
    let dialect = Arc::clone(api.dialects.get(id));
    let route = dialect.status.as_ref().map(|status| status.route.as_str()).unwrap_or_default();
    let job = job_in(&api, id, route, request.uri().path());
    let (client, asking) = (client_of(&request), Asking::of(&request));
    drop(request);
    let access = api.restricted(access(&api, &dialect, asking).await, &dialect, &job, client);
    if let Access::Refused(refusal) = &access {
        return Err(refused(refusal));
    }
    if let Err(reason) = dialect.check_job(&job) {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "impossible_job_id", reason.to_string()));
    }
    let known = || api.log.lock().unwrap_or_else(PoisonError::into_inner).known(id, &job);
    let mut asked = Ok(());
    if let Some(store) = &api.restore
        && known() != Some(super::joblog::Known::Whole)
    {
        asked = store.look(id, job.as_str().into()).await;
    }
    let mut log = api.log.lock().unwrap_or_else(PoisonError::into_inner);
    if let Access::Subject(claims) = &access {
        may_poll(&claims.subject, log.ownership(id, &job), api.options.ownerless, asked)?;
    }
    let body = log.status(id, &job);
    drop(log);
    if let Some(body) = body {
        Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
    } else if let Err(trouble) = asked {
        let message = format!("{}, so nothing is known of {} job {job} yet", trouble.word(), dialect.name);
        Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_not_connected", message))
    } else {
        let message = format!("nothing is known of {} job {job}", dialect.name);
        Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_job", message))
    }
}

/// Whether a subject may poll a job. Does not wait for an owner to appear.
fn may_poll(
    subject: &str,
    owner: Ownership<'_>,
    ownerless: Ownerless,
    asked: Result<(), Trouble>,
) -> Result<(), ApiError> {
    let refuse = |message| Err(ApiError::new(StatusCode::FORBIDDEN, "not_the_owner", message));
    match owner {
        Ownership::Of(owner) if *owner == *subject => Ok(()),
        Ownership::Of(_) => refuse("the token's subject does not own this task"),
        // The answer says that the job is not known.
        Ownership::UnknownJob => Ok(()),
        Ownership::Nobody => match asked {
            Err(trouble) => {
                let message = format!("{}, so it is not known whose this task is", trouble.word());
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "store_not_connected", message))
            }
            Ok(()) if ownerless == Ownerless::Allow => Ok(()),
            Ok(()) => refuse("it is not known whose this task is"),
        },
    }
}

/// `POST /publish/{channel}`.
async fn publish(State(api): Shared, request: Request) -> Result<Response, ApiError> {
    check_key(&api, request.headers())?;
    check_origin(&api, &request)?;
    let raw = request.uri().path().strip_prefix("/publish/").unwrap_or_default();
    let channel = percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned();
    let Some((id, dialect)) =
        api.dialects.on_channel(&channel).map(|(id, dialect)| (id, Arc::clone(dialect)))
    else {
        let message = format!("no dialect listens on the channel {channel}");
        return Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_channel", message));
    };
    let payload = read_body(request.into_body(), &api).await?;
    let topics = if dialect.channels.is_some() {
        dialect.decode_channel(channel.as_bytes(), &payload).map(|event| event::topics(id, &event))
    } else {
        dialect.decode(channel.as_bytes(), &payload).map(|decoded| {
            // Sockets do not get hidden events.
            let shown = !decoded.kind.is_some_and(|kind| kind.hidden);
            shown.then(|| Topic::job(id, decoded.job.as_ref())).into_iter().collect()
        })
    };
    let topics = topics.map_err(undecodable)?;
    let mut answer = if dialect.streams {
        let (key, job) = (dialect.source.stream_of(&channel), dialect.source.job_of(&channel));
        let entry = api.broker.append(&key, job, payload).await.map_err(|error| broker_failed(&error))?;
        json!({ "entry": entry.to_string() })
    } else {
        let subscribers =
            api.broker.publish(&channel, payload).await.map_err(|error| broker_failed(&error))?;
        json!({ "subscribers": subscribers })
    };
    let mut sockets = 0;
    for shard in &api.shards {
        sockets += shard.count(topics.clone()).await;
    }
    answer["sockets"] = sockets.into();
    Ok(axum::Json(answer).into_response())
}

fn check_key(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::AUTHORIZATION);
    let key = bearer(headers).unwrap_or_default();
    let settings = api.settings();
    let wanted = &settings.publish_key;
    if !wanted.is_empty() && publish_key::matches(key, wanted) {
        return Ok(());
    }
    let what = if given.is_none() { "missing" } else { "wrong" };
    let message = format!("the publish key is {what}; send it as 'Authorization: Bearer KEY'");
    Err(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
}

async fn read_body(body: Body, api: &Api) -> Result<Bytes, ApiError> {
    let limit = api.options.max_payload;
    let too_big = || {
        let message = format!("a payload has at most {limit} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", message)
    };
    // A body whose announced length is too large is refused before it is sent.
    if hyper::body::Body::size_hint(&body).lower() > limit as u64 {
        return Err(too_big());
    }
    let reading = Limited::new(body, limit).collect();
    let too_slow = || ApiError::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come in time");
    let read = tokio::time::timeout(api.options.header_timeout, reading).await.map_err(|_| too_slow())?;
    let payload = match read {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(too_big()),
        Err(error) => return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_body", error.to_string())),
    };
    if payload.is_empty() {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "empty",
            "the body is the payload, and it is empty",
        ));
    }
    Ok(payload)
}

fn undecodable(reason: Undecodable) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, reason.key(), format!("the payload is no event: {reason}"))
}

/// Answer to a publication that the broker did not take. A Redis that refuses has a code for each reason: 503 where the same
/// request may succeed later, 502 where a setting must change first.
fn broker_failed(error: &BrokerError) -> ApiError {
    let trouble = error.trouble();
    match error {
        BrokerError::Refused { .. } | BrokerError::LoginRefused { .. } => {
            let status =
                if trouble.may_end() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
            ApiError::new(status, trouble.code(), format!("{}: {error}", trouble.word()))
        }
        BrokerError::Overloaded(_) => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "broker_failed", error.to_string())
        }
        BrokerError::Unreachable { .. }
        | BrokerError::Tls { .. }
        | BrokerError::NotMaster { .. }
        | BrokerError::NoSuchMaster { .. }
        | BrokerError::Deaf { .. } => {
            ApiError::new(StatusCode::BAD_GATEWAY, "broker_failed", error.to_string())
        }
    }
}

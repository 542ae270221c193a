//! Routes on which something is watched: by a WebSocket, or by an event stream.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::{self, Asking, access, claims, list_access};
use super::{Api, Shared, check_origin, check_page_or_origin, client_of, in_query, job_in};
use crate::dialect::{Dialect, DialectId};
use crate::relay::auth::{Access, Ownerless, Ownership, Refusal};
use crate::relay::cursor::Since;
use crate::relay::encoding::{Encoding, Form, Shape};
use crate::relay::error::ApiError;
use crate::relay::handover::{HandOver, Taken};
use crate::relay::reservation::Reservation;
use crate::relay::retry::retry;
use crate::relay::session::{Credentials, Kinds, Opening, Wanted};
use crate::relay::shard::message::{NewConnection, Newcomer, Wants};
use crate::relay::{subprotocol, upgrade};
use crate::wire::sse;

/// Header with the cursor of an event stream that comes back.
const LAST_EVENT_ID: &str = "last-event-id";

/// Time between two polls of the job log by a stream that waits for its job's owner.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Wishes of a request that all watching routes share.
struct Wishes {
    encoding: Encoding,
    since: Option<Since>,
    kinds: Option<Arc<Kinds>>,
    replay: bool,
}

impl Wishes {
    fn of(api: &Api, request: &Request, is_enveloped: bool) -> Self {
        let is_stream = is_event_stream(request);
        let headers = request.headers();
        let form = if is_stream {
            Form::EventStream
        } else if subprotocol::is_messagepack(headers) {
            Form::MessagePack
        } else {
            Form::Text
        };
        let shape = match in_query(request, "cursor") {
            _ if is_enveloped && in_query(request, "view").is_some_and(|value| value == "1") => Shape::Viewed,
            _ if is_enveloped => Shape::Envelope,
            Some(value) if value == "1" && !is_stream => Shape::Cursor,
            _ => Shape::Contract,
        };
        let deflate = !is_stream && upgrade::extensions(headers).is_some();
        let last_id = headers.get(LAST_EVENT_ID).filter(|id| is_stream && !id.is_empty());
        let since = match last_id {
            Some(id) => Some(id.to_str().unwrap_or_default().to_owned()),
            None => in_query(request, "since").map(std::borrow::Cow::into_owned),
        };
        let query = request.uri().query().unwrap_or_default();
        let lists: Vec<String> = url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name == "kinds")
            .flat_map(|(_, value)| value.split(',').map(|kind| kind.trim().to_owned()).collect::<Vec<_>>())
            .filter(|kind| !kind.is_empty())
            .collect();
        Self {
            encoding: Encoding { form, shape, deflate },
            since: since.map(|since| api.epoch.read(&since)),
            kinds: (!lists.is_empty()).then(|| Kinds::new(lists.iter().map(String::as_str))),
            replay: in_query(request, "replay").is_some_and(|value| value == "1"),
        }
    }
}

/// Whether a request asks for the media type of event streams and for no WebSocket. Some clients offer other protocols with
/// every request, such as `h2c`.
pub(super) fn is_event_stream(request: &Request) -> bool {
    let headers = request.headers();
    let wants = |value: &HeaderValue| {
        let Ok(value) = value.to_str() else { return false };
        value.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let is_it = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(sse::MEDIA_TYPE));
            let zero = |part: &str| {
                let weight = part.strip_prefix(['q', 'Q']).and_then(|part| part.strip_prefix('='));
                let weight = weight.and_then(|weight| weight.parse::<f32>().ok());
                weight.is_some_and(|weight| weight <= 0.0)
            };
            is_it && !parts.any(zero)
        })
    };
    *request.method() == Method::GET
        && !asks_for_websocket(headers)
        && headers.get_all(header::ACCEPT).iter().any(wants)
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let is_it = |protocol: &str| protocol.trim().eq_ignore_ascii_case("websocket");
    let mut lists = headers.get_all(header::UPGRADE).iter().filter_map(|list| list.to_str().ok());
    lists.any(|list| list.split(',').any(is_it))
}

/// `GET` on a dialect's socket route.
pub(super) async fn job(State(api): Shared, id: DialectId, request: Request) -> Result<Response, ApiError> {
    api.wait_for_history().await;
    let dialect = Arc::clone(api.dialects.get(id));
    let job = job_in(&api, id, &dialect.route, request.uri().path());
    let possible = dialect.check_job(&job);
    let wishes = Wishes::of(&api, &request, false);
    check_origin(&api, &request)?;
    if let Some(answer) = unread(&api, &wishes)? {
        return Ok(answer);
    }
    let access = access(&api, &dialect, Asking::of(&request)).await;
    let access = api.restricted(access, &dialect, &job, client_of(&request));
    let job: Arc<str> = job.into();
    // The reservation is made before the head is sent, so that the client gets all that is published after the head.
    let refused = matches!(access, Access::Refused(_));
    let reservation = (possible.is_ok() && !refused)
        .then(|| Box::new(Reservation::begin(&api.log, id, &job, wishes.replay)));
    if wishes.encoding.form == Form::EventStream {
        if let Some(answer) = unready(&api) {
            return Ok(answer);
        }
        if let Access::Refused(refusal) = &access {
            return refused_stream(refusal);
        }
        if let Err(reason) = possible {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "impossible_job_id", reason.to_string()));
        }
        if let Access::Subject(claims) = &access {
            match wait_for_owner(&api, (id, &dialect), &job, &claims.subject).await {
                Ok(Standing::Owned) => {}
                Ok(Standing::Unanswered) => return Ok(come_again()),
                Err(refusal) => return Err(refusal),
            }
        }
    }
    let wants = Wants::Job { dialect: id, job, possible: possible.is_ok(), reservation };
    open(api, wants, wishes, access, &request)
}

/// `GET` on a path of a dialect's channels. Some of the paths name a channel.
pub(super) async fn channels(
    State(api): Shared,
    id: DialectId,
    channel: Option<Arc<str>>,
    request: Request,
) -> Result<Response, ApiError> {
    api.wait_for_history().await;
    let dialect = Arc::clone(api.dialects.get(id));
    let wishes = Wishes::of(&api, &request, false);
    check_origin(&api, &request)?;
    if let Some(answer) = unread(&api, &wishes)? {
        return Ok(answer);
    }
    let access = access(&api, &dialect, Asking::of(&request)).await;
    if wishes.encoding.form == Form::EventStream {
        if let Some(answer) = unready(&api) {
            return Ok(answer);
        }
        if let Access::Refused(refusal) = &access {
            return refused_stream(refusal);
        }
    }
    let query = request.uri().query().unwrap_or_default();
    let opening = dialect.channels.as_ref().map(|known| Opening::parse(known, channel.as_ref(), query));
    open(api, Wants::Channels(id, opening.unwrap_or_default()), wishes, access, &request)
}

/// `GET /watch`.
pub(super) async fn targets(State(api): Shared, request: Request) -> Result<Response, ApiError> {
    api.wait_for_history().await;
    let wishes = Wishes::of(&api, &request, true);
    check_page_or_origin(&api, &request)?;
    if let Some(answer) = unread(&api, &wishes)? {
        return Ok(answer);
    }
    if wishes.encoding.form == Form::EventStream
        && let Some(answer) = unready(&api)
    {
        return Ok(answer);
    }
    let lists = list_access(&api, &request);
    let is_open = api.tokens.settings().auth.is_open();
    let credentials = Credentials::new(claims(&api, &Asking::of(&request)).await, is_open, lists);
    let query = request.uri().query().unwrap_or_default();
    let targets = url::form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "target")
        .map(|(_, target)| target.into_owned());
    let wanted = Wanted {
        targets: targets.collect(),
        since: wishes.since.clone(),
        kinds: wishes.kinds.clone(),
        replay: wishes.replay,
    };
    let wants = Wants::Targets(Box::new(wanted), Box::new(credentials));
    open(api, wants, wishes, Access::Everybody, &request)
}

/// Answer to an event stream that is to come again, while the relay cannot serve it; `None` where it can. The answer is an end
/// without an error, because browsers do not come back after an error.
fn unready(api: &Api) -> Option<Response> {
    let reachable = api.broker.status().borrow().reachable;
    (api.draining.load(Ordering::Relaxed) || !reachable).then(come_again)
}

/// Answer to a client with a cursor while the history of the streams is being read, because it is not known yet what the
/// client missed.
fn unread(api: &Api, wishes: &Wishes) -> Result<Option<Response>, ApiError> {
    if wishes.since.is_none() || *api.has_history.borrow() {
        return Ok(None);
    }
    if wishes.encoding.form == Form::EventStream {
        return Ok(Some(come_again()));
    }
    let message = "streams are not read back yet, so that nobody knows what came since; try again";
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "reading_history", message))
}

fn come_again() -> Response {
    let retry = sse::Event { retry: Some(retry()), ..sse::Event::default() };
    let body = Body::from(retry.to_bytes());
    let mut response = Response::new(body);
    stream_headers(response.headers_mut());
    response
}

fn refused_stream(refusal: &Refusal) -> Result<Response, ApiError> {
    match refusal {
        Refusal::KeysAway => Ok(come_again()),
        _ => Err(access::refused(refusal)),
    }
}

/// Sets the headers of an event stream, which ends with its connection.
fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sse::MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Relation of a subject to a job.
enum Standing {
    /// The subject may watch the job.
    Owned,
    /// The owner could not be learned, because the store is away or the relay is not ready.
    Unanswered,
}

/// Waits until it is known that a job is the subject's, at most for its dialect's grace. The status of an event stream is
/// final, so a stream is not refused because a store is away.
async fn wait_for_owner(
    api: &Api,
    (id, dialect): (DialectId, &Dialect),
    job: &Arc<str>,
    subject: &str,
) -> Result<Standing, ApiError> {
    let until = tokio::time::Instant::now() + dialect.owner_grace;
    let mut next_question = tokio::time::Instant::now();
    let mut was_answered = true;
    loop {
        let now = tokio::time::Instant::now();
        let suffices = api.log().suffices(id, job);
        if let Some(store) = api.restore.as_ref().filter(|_| !suffices && now >= next_question) {
            was_answered = store.look(id, Arc::clone(job)).await.is_ok();
            next_question = now + LOOK_EVERY * 5;
        }
        let refusal = match api.log().ownership(id, job) {
            Ownership::Of(owner) if *owner == *subject => return Ok(Standing::Owned),
            Ownership::Of(_) => return Err(not_owner("the token's subject does not own this task")),
            _ if api.options.ownerless == Ownerless::Allow => return Ok(Standing::Owned),
            Ownership::Nobody => not_owner("it is not known whose this task is"),
            Ownership::UnknownJob => {
                let message = format!("nothing is known of {} job {job}", dialect.name);
                ApiError::new(StatusCode::NOT_FOUND, "unknown_job", message)
            }
        };
        if unready(api).is_some() {
            return Ok(Standing::Unanswered);
        }
        if now >= until {
            return if was_answered { Err(refusal) } else { Ok(Standing::Unanswered) };
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn not_owner(message: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "not_the_owner", message)
}

/// Answers a request with a socket or a stream, unless the relay is shutting down or the headers are wrong.
fn open(
    api: Arc<Api>,
    wants: Wants,
    wishes: Wishes,
    access: Access,
    request: &Request,
) -> Result<Response, ApiError> {
    if api.draining.load(Ordering::Relaxed) {
        if wishes.encoding.form == Form::EventStream {
            return Ok(come_again());
        }
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "going_away",
            "this relay is shutting down",
        ));
    }
    let mut response = if wishes.encoding.form == Form::EventStream {
        let mut response = StatusCode::OK.into_response();
        response.headers_mut().clear();
        stream_headers(response.headers_mut());
        response
    } else {
        upgrade::respond(request.method(), request.version(), request.headers())?
    };
    let client = client_of(request);
    let Wishes { encoding, since, kinds, .. } = wishes;
    let hand_over = HandOver::to(move |Taken { stream, head, early }| async move {
        if encoding.form == Form::EventStream {
            notice_death(&stream, api.options.ping_interval);
        }
        let newcomer = Newcomer { early, encoding, since, kinds, wants, access };
        let client = api.stats.clients.enter(client);
        adopt(&api, NewConnection { stream, head, client, newcomer }).await;
    });
    response.extensions_mut().insert(hand_over);
    Ok(response)
}

/// Ends a connection whose peer takes nothing for two ping intervals. Clients of event streams answer no pings.
fn notice_death(stream: &TcpStream, interval: Duration) {
    #[cfg(target_os = "linux")]
    {
        // Where the option cannot be set, the stream ends when its outbox is full.
        let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(interval * 2));
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, interval);
}

/// Gives the connection to the next shard in turn.
async fn adopt(api: &Api, connection: NewConnection) {
    let next = api.next_shard.fetch_add(1, Ordering::Relaxed) % api.shards.len();
    api.shards[next].adopt(connection).await;
}

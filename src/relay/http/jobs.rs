//! `GET /jobs`: the jobs that the relay knows.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::access::{Asking, claims, list_access, refused};
use super::{Api, Shared, bad_query, check_origin, in_query, limit};
use crate::dialect::{DialectId, JobState, Topic};
use crate::relay::auth::{Refusal, Whose};
use crate::relay::error::ApiError;
use crate::relay::joblog::Listed;
use crate::relay::session::{Credentials, ListAccess};

/// Number of jobs in an answer to a request without `limit`.
const LIMIT: usize = 100;
/// Largest number of jobs in an answer.
const MOST: usize = 10_000;

/// `GET /jobs?dialect=celery&state=queued,running&limit=100`, newest first.
pub(super) async fn list(State(api): Shared, request: Request) -> Result<Response, ApiError> {
    api.wait_for_history().await;
    check_origin(&api, &request)?;
    let states = in_query(&request, "state").map(|names| states(&names)).transpose().map_err(bad_query)?;
    let limit = limit(&request, LIMIT, MOST)?;
    let named = in_query(&request, "dialect").map(std::borrow::Cow::into_owned);
    let lists = list_access(&api, &request);
    let asking = Asking::of(&request);
    drop(request);
    let is_open = api.settings().auth.is_open();
    let claims = claims(&api, &asking).await;
    if let Err(refusal @ Refusal::Token(_)) = &claims
        && asking.has_token()
        && lists != ListAccess::Key
        && !is_open
    {
        // Told as what it is even where lists are open, so that the client gets itself another one.
        return Err(refused(refusal));
    }
    let credentials = Credentials::new(claims, is_open, lists);
    let dialects = allowed(&api, &credentials, named.as_deref())?;
    let (found, total) = api.log().list(&dialects, &states.unwrap_or_default(), limit);
    let jobs = rows(&api, found).await;
    let listed: Vec<&str> = dialects.iter().map(|(id, _)| &*api.dialects.get(*id).name).collect();
    Ok(axum::Json(json!({ "jobs": jobs, "total": total, "dialects": listed })).into_response())
}

/// The states of a list of names.
fn states(names: &str) -> Result<Vec<JobState>, String> {
    let state = |name: &str| JobState::ALL.into_iter().find(|state| state.as_str() == name);
    let states = names.split(',').map(|name| state(name.trim())).collect::<Option<_>>();
    states.ok_or_else(|| {
        "state is a list of queued, running, succeeded, failed and cancelled, with commas between them"
            .to_owned()
    })
}

/// Dialects whose jobs may be listed, each with the owner of the jobs. Fails where there is none.
fn allowed(
    api: &Api,
    credentials: &Credentials,
    named: Option<&str>,
) -> Result<Vec<(DialectId, Whose)>, ApiError> {
    if let Some(name) = named {
        let found = api.dialects.named(name).filter(|(_, dialect)| dialect.channels.is_none());
        let Some((id, _)) = found else {
            let message = format!("there is no dialect {} with jobs", name.escape_debug());
            return Err(ApiError::new(StatusCode::NOT_FOUND, "unknown_dialect", message));
        };
        let whose = credentials.may_list(id, &api.dialects).map_err(not_allowed)?;
        return Ok(vec![(id, whose)]);
    }
    let mut refused = None;
    let mut dialects = Vec::new();
    for (id, _) in api.dialects.iter().filter(|(_, dialect)| dialect.channels.is_none()) {
        match credentials.may_list(id, &api.dialects) {
            Ok(whose) => dialects.push((id, whose)),
            Err(message) => refused = Some(message),
        }
    }
    match refused {
        Some(message) if dialects.is_empty() => Err(not_allowed(message)),
        _ => Ok(dialects),
    }
}

fn not_allowed(message: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "not_allowed", message)
}

/// Jobs in the form of the answer.
async fn rows(api: &Api, found: Vec<Listed>) -> Vec<Value> {
    let topics: Vec<Topic> = found.iter().map(|job| job.topic.clone()).collect();
    let mut watchers = vec![0_usize; topics.len()];
    for shard in &api.shards {
        let counts = shard.watchers(topics.clone().into()).await;
        watchers.iter_mut().zip(counts).for_each(|(all, some)| *all += some);
    }
    found.into_iter().zip(watchers).map(|(job, watchers)| row(api, &job, watchers)).collect()
}

fn row(api: &Api, job: &Listed, watchers: usize) -> Value {
    let dialect = api.dialects.get(job.topic.dialect);
    let view = job
        .payload
        .as_ref()
        .and_then(|payload| std::str::from_utf8(payload.text()).ok().and_then(|text| dialect.view(text)));
    let mut row = Map::new();
    row.insert("target".to_owned(), format!("{}/{}", dialect.name, job.topic.name).into());
    row.insert("state".to_owned(), job.state.as_str().into());
    row.insert("percent".to_owned(), job.percent.clone().map_or(Value::Null, Value::Number));
    let message = view.and_then(|view| view.error.or(view.message).or(view.result));
    row.insert("message".to_owned(), message.map_or(Value::Null, Value::from));
    row.insert("updated".to_owned(), time(job.updated));
    row.insert("watchers".to_owned(), watchers.into());
    row.insert("started".to_owned(), if job.started == 0 { Value::Null } else { time(job.started) });
    row.into()
}

/// A time as the answer has it, from microseconds since the Unix epoch.
fn time(micros: u64) -> Value {
    let at = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    at.map_or(Value::Null, |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into())
}

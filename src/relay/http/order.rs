//! `POST` on the route of a [`Backend`]: orders a job.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::{Asking, access, refused};
use super::{Api, Shared, check_origin, client_of, read_body};
use crate::dialect::DialectId;
use crate::relay::auth::{Access, Ownership};
use crate::relay::backend::{Backend, Declined, Ordered};
use crate::relay::error::ApiError;

/// Longest wait of a response until the relay itself has received the owner of the job. The client can then poll the job at
/// once.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// Time between two polls of the job log for the owner of an ordered job. The log does not report new owners. A poll holds the
/// log's lock for one look-up.
const POLL: Duration = Duration::from_millis(2);

/// Value of Retry-After while too many jobs are running, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

pub(super) async fn order(
    State(api): Shared,
    id: DialectId,
    backend: Arc<dyn Backend>,
    request: Request,
) -> Result<Response, ApiError> {
    check_origin(&api, &request)?;
    let dialect = Arc::clone(api.dialects.get(id));
    let (client, asking) = (client_of(&request), Asking::of(&request));
    let body = request.into_body();
    // A restricted token cannot name a job that does not exist yet, so the token has to allow all jobs.
    let access = api.restricted(access(&api, &dialect, asking).await, &dialect, "*", client);
    let owner = match &access {
        Access::Everybody => backend.anybody(),
        Access::Bearer(claims) | Access::Subject(claims) => &claims.subject,
        Access::Refused(refusal) => return Err(refused(refusal)),
    };
    let body = read_body(body, &api).await?;
    let Ordered { job, answer } = backend.order(owner, &body).await.map_err(declined)?;
    // A job that is received later is served later, since sockets wait for their job.
    let _ = tokio::time::timeout(HEARD_WITHIN, until_heard_of(&api, id, &job)).await;
    Ok(axum::Json(answer).into_response())
}

/// Waits until the relay has received the owner of a job.
async fn until_heard_of(api: &Api, id: DialectId, job: &str) {
    while matches!(api.log().ownership(id, job), Ownership::UnknownJob | Ownership::Nobody) {
        tokio::time::sleep(POLL).await;
    }
}

fn declined(reason: Declined) -> ApiError {
    match reason {
        Declined::Malformed(message) => ApiError::new(StatusCode::BAD_REQUEST, "bad_json", message),
        Declined::Invalid(message) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", message),
        Declined::Busy(message) => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_jobs", message)
            .with(header::RETRY_AFTER, RETRY_AFTER),
        Declined::Unpublished(message) => ApiError::new(StatusCode::BAD_GATEWAY, "broker_failed", message),
    }
}

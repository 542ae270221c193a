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

/// How long an answer waits until the relay itself has heard whose the job is, so that its client can poll it at once.
const HEARD_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// How long a client is told to wait while too many jobs are running, in seconds.
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
    // A token that is restricted to some jobs cannot name one that does not exist yet: it has to cover all.
    let access = api.restricted(access(&api, &dialect, asking).await, &dialect, "*", client);
    let owner = match &access {
        Access::Everybody => backend.anybody(),
        Access::Bearer(claims) | Access::Subject(claims) => &claims.subject,
        Access::Refused(refusal) => return Err(refused(refusal)),
    };
    let body = read_body(body, &api).await?;
    let Ordered { job, answer } = backend.order(owner, &body).await.map_err(declined)?;
    // A job that is not heard of in time is served once it is: a socket waits for it.
    let _ = tokio::time::timeout(HEARD_WITHIN, until_heard_of(&api, id, &job)).await;
    Ok(axum::Json(answer).into_response())
}

async fn until_heard_of(api: &Api, id: DialectId, job: &str) {
    while matches!(api.log().ownership(id, job), Ownership::UnknownJob | Ownership::Nobody) {
        tokio::time::sleep(LOOK_EVERY).await;
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

//! `GET /clients`: whose sockets are open, and what waits for those that read too slowly.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access::is_local;
use super::{Shared, check_key, check_origin, limit};
use crate::relay::backlogs::Backlogs;
use crate::relay::error::ApiError;

/// Addresses that an answer has, unless the request says otherwise, and at most.
const LIMIT: usize = 100;
const MOST: usize = 1_000;

/// `GET /clients?limit=100`. Addresses are for operators: neither a token nor `--lists open` opens a list of them.
pub(super) async fn list(State(api): Shared, request: Request) -> Result<Response, ApiError> {
    check_origin(&api, &request)?;
    if !is_local(&api, &request) && check_key(&api, request.headers()).is_err() {
        let message = "the addresses of clients are for bearers of the publish key; send it as 'Authorization: Bearer KEY'";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "not_allowed", message.to_owned()));
    }
    let most = limit(&request, LIMIT, MOST)?;
    drop(request);
    let mut backlogs = Backlogs::default();
    for shard in &api.shards {
        backlogs.merge(shard.backlogs().await);
    }
    let sockets = api.stats.clients.sockets();
    let ranked = backlogs.ranked(&sockets, most);
    let clients: Vec<Value> = ranked
        .into_iter()
        .map(|(address, sockets, backlog)| {
            json!({
                "address": address.to_string(),
                "sockets": sockets,
                "slow": backlog.sockets,
                "waiting_bytes": backlog.bytes,
                "waiting_messages": backlog.messages,
                "waiting_ms": u64::try_from(backlog.longest.as_millis()).unwrap_or(u64::MAX),
            })
        })
        .collect();
    Ok(axum::Json(json!({ "clients": clients, "addresses": sockets.len() })).into_response())
}

//! Readiness and health of the relay, for load balancers and for people.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::super::error::ApiError;
use super::super::troubles::Direction;
use super::{Api, Shared};
use crate::broker::{Denied, Status};
use crate::dialect::DialectId;

/// Reason why no event can reach watchers.
#[derive(Debug)]
pub(in crate::relay) struct Unready {
    code: &'static str,
    /// Message for people.
    pub(in crate::relay) message: String,
}

impl From<Unready> for ApiError {
    fn from(Unready { code, message }: Unready) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }
}

impl Api {
    /// Reason why no event can come now, of all dialects or of one that had a subscription; `None` while the relay is ready.
    pub(in crate::relay) fn why_unready(&self) -> Option<Unready> {
        let because = |code, message| Some(Unready { code, message });
        let status = self.broker.status().borrow().clone();
        if self.draining.load(Ordering::Relaxed) {
            return because("going_away", "this relay is shutting down".to_owned());
        }
        if !status.connected {
            let message = status.error.unwrap_or_else(|| "the broker is not connected yet".to_owned());
            return because("broker_not_connected", message);
        }
        if !*self.has_history.borrow() {
            return because("reading_history", "the history of the streams is being read".to_owned());
        }
        if let Some(doubt) = status.doubt {
            return because("subscription_in_doubt", doubt);
        }
        let (dialect, Denied { name: channel, reason, .. }) = cut_off(self, &status)?;
        let message = format!(
            "no event of {} can come: {} no longer lets us subscribe {channel}: {reason}",
            self.dialects.get(dialect).name,
            self.broker.name()
        );
        because("subscription_denied", message)
    }
}

/// `GET /ready`: 200 only while events of every dialect that had a subscription can come.
pub(super) async fn ready(State(api): Shared) -> Result<Response, ApiError> {
    match api.why_unready() {
        Some(unready) => Err(unready.into()),
        None => Ok(axum::Json(json!({ "ready": true })).into_response()),
    }
}

/// Dialect whose subscriptions are all refused, and one of them that was accepted before. A dialect that is refused since the
/// start does not count: the log says so, and a relay may be meant for the other dialects.
fn cut_off<'a>(api: &Api, status: &'a Status) -> Option<(DialectId, &'a Denied)> {
    let revoked = status.denied.iter().filter(|denied| denied.revoked);
    let dialects = revoked.flat_map(|denied| {
        denied.subscriptions.iter().map(move |&subscription| (api.subscribers[subscription], denied))
    });
    let denied =
        |subscription| status.denied.iter().any(|denied| denied.subscriptions.contains(&subscription));
    let mut all_denied = dialects.filter(|(dialect, _)| {
        let own = api.subscribers.iter().enumerate().filter(|(_, of)| *of == dialect);
        own.into_iter().all(|(subscription, _)| denied(subscription))
    });
    all_denied.next()
}

/// `GET /health`: state of the broker, and troubles with the state of jobs in Redis. Any answer means that the process is
/// alive.
pub(super) async fn health(State(api): Shared) -> Response {
    let status = api.broker.status().borrow().clone();
    let well =
        status.connected && status.doubt.is_none() && status.denied.is_empty() && api.troubles.is_empty();
    let state = api.restore.is_some().then(|| {
        json!({
            "reading": api.troubles.describe(Direction::Reading),
            "writing": api.troubles.describe(Direction::Writing),
        })
    });
    let denied: Vec<_> = status
        .denied
        .iter()
        .map(|denied| json!({ "channel": denied.name, "reason": denied.reason, "revoked": denied.revoked }))
        .collect();
    axum::Json(json!({
        "status": if well { "ok" } else { "degraded" },
        "broker": api.broker.name(),
        "connected": status.connected,
        "denied": denied,
        "error": status.error.as_ref().or(status.doubt.as_ref()),
        "server": status.server.as_ref().map(|server| &server.address),
        "role": status.server.as_ref().map(|server| server.role),
        "reconnects": status.connects.saturating_sub(1),
        "probes_lost": status.probes_lost,
        "role_changes": status.role_changes,
        "gaps": api.stats.gaps.get(),
        "state": state,
        "watch": true,
        "version": env!("CARGO_PKG_VERSION"),
    }))
    .into_response()
}

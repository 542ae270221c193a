//! Counts of the relay, for people and for monitoring.

use std::collections::HashSet;
use std::sync::PoisonError;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Api, Shared};
use crate::broker::Status;
use crate::dialect::{DialectId, Slip, Undecodable};
use crate::relay::auth::AuthPolicy;
use crate::relay::hub::Census;
use crate::relay::jwks::Report;
use crate::usage;

/// Number of rooms that are named: the busiest.
const ROOMS: usize = 100;

/// `GET /ws/stats` and `GET /api/v1/ws/stats`, the name of the outreach platform.
pub(super) async fn answer(State(api): Shared) -> Response {
    let mut watched = HashSet::new();
    for shard in &api.shards {
        watched.extend(shard.jobs().await);
    }
    let (channels, rooms) = subscribers(&api).await;
    let status = api.broker.status().borrow().clone();
    let dropped: Map<_, _> = Undecodable::ALL
        .into_iter()
        .map(|reason| (reason.key().to_owned(), api.stats.undecodable(reason).get().into()))
        .collect();
    let (addresses, most) = api.stats.clients.spread();
    let (jobs, bytes) = {
        let log = api.log.lock().unwrap_or_else(PoisonError::into_inner);
        (log.jobs(), log.bytes())
    };
    let per_dialect: Map<_, _> = api
        .dialects
        .iter()
        .map(|(id, dialect)| {
            let count = watched.iter().filter(|(of, _)| *of == id).count();
            let slips: Map<_, _> = Slip::ALL
                .into_iter()
                .map(|slip| (slip.key().to_owned(), api.stats.slip(id, slip).get().into()))
                .collect();
            (dialect.name.to_string(), json!({ "active_jobs": count, "slips": slips }))
        })
        .collect();
    let used = usage::own();
    axum::Json(json!({
        "total_connections": api.stats.connections.get(),
        "client_addresses": addresses,
        "most_sockets_per_address": most,
        "active_jobs": watched.len(),
        "redis_connected": api.broker.name() == "redis" && status.connected,
        "broker": api.broker.name(),
        "broker_connects": status.connects,
        "events": api.stats.events.get(),
        "deliveries": api.stats.deliveries.get(),
        "conflated": api.stats.conflated.get(),
        "refused_origins": api.stats.refused_origins.get(),
        "slow_consumers": api.stats.slow_consumers.get(),
        "stale_connections": api.stats.stale.get(),
        "dropped": dropped,
        "unmerged": api.stats.unmerged.get(),
        "state_reads_failed": api.troubles.reads.get(),
        "state_writes_failed": api.troubles.writes.get(),
        "jobs_kept": jobs,
        "job_log_bytes": bytes,
        "dialects": per_dialect,
        "channels": channels,
        "rooms": rooms,
        "redis": redis(&api, &status),
        "tokens": tokens(&api),
        "process": { "rss_bytes": used.rss, "cpu_seconds": used.cpu },
    }))
    .into_response()
}

/// Numbers of subscribers and events of each channel, and of subscribers of the busiest rooms.
async fn subscribers(api: &Api) -> (Value, Value) {
    let Some((id, _)) = api.dialects.with_channels() else { return (json!({}), json!({})) };
    let mut census = Census::default();
    for shard in &api.shards {
        census.add(shard.census(id).await);
    }
    let of_channel = |(_, name, events): (DialectId, &str, u64)| {
        let subscribers = census.channels.get(name).copied().unwrap_or_default();
        (name.to_owned(), json!({ "subscribers": subscribers, "events": events }))
    };
    let channels: Map<_, _> = api.stats.channels().filter(|(of, ..)| *of == id).map(of_channel).collect();
    let busiest: Map<_, _> =
        census.busiest(ROOMS).into_iter().map(|(room, count)| (room.to_owned(), count.into())).collect();
    (channels.into(), json!({ "subscriptions": census.room_subscriptions, "busiest": busiest }))
}

/// Summary of the token check: whether there is a secret, the number of keys, and the key sets; `null` where no token
/// is wanted. It contains neither secret nor key.
fn tokens(api: &Api) -> Value {
    let settings = api.settings();
    let AuthPolicy::Keys(trusted) = &settings.auth else { return Value::Null };
    let set = |set: Report| {
        let at = set.fetched.and_then(|at| Timestamp::from_millisecond(i64::try_from(at).ok()?).ok());
        json!({
            "url": set.url,
            "keys": set.keys,
            "skipped": set.skipped,
            "fetched_at": at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            "error": set.error,
        })
    };
    let sets: Vec<_> = api.tokens.jwks.report().into_iter().map(set).collect();
    json!({ "secret": trusted.secret.is_some(), "keys": trusted.keys.len(), "jwks": sets })
}

/// State of the relay's Redis; `null` without one.
fn redis(api: &Api, status: &Status) -> Value {
    if api.broker.name() != "redis" {
        return Value::Null;
    }
    let denied: Vec<_> = status.denied.iter().map(|denied| &denied.name).collect();
    json!({
        "connected": status.connected,
        "connects": status.connects,
        "error": status.error,
        "denied": denied,
        "server": status.server.as_ref().map(|server| &server.address),
        "role": status.server.as_ref().map(|server| server.role),
        "reconnects": status.connects.saturating_sub(1),
        "probes_lost": status.probes_lost,
        "role_changes": status.role_changes,
        "gaps": api.stats.gaps.get(),
    })
}

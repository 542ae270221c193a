//! The server as a whole: whether it is there, a relay, ready, and what time it has.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::{HeaderMap, Method, header};
use serde::Deserialize;
use url::Url;

use super::finding::{Blame, Finding, Trial, Tried, Wrong};
use super::options::CheckOptions;
use crate::broker::{Broker as _, RedisBroker};
use crate::exit::Failure;
use crate::net::stream::reach;
use crate::net::{NetError, http, http_url, offer};

/// Clocks that are apart by more make tokens expire at the wrong time. The header has whole seconds.
const APART: Duration = Duration::from_secs(5);

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// A relay of this program.
    Relay,
    /// A relay of this program, from before there were cursors.
    OldRelay,
    /// Some other server, which may speak a contract all the same.
    Foreign,
}

/// What was found of the server as a whole.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The steps, in their order.
    pub(super) tried: Vec<Tried>,
    /// What it is; `None`: it cannot be spoken to.
    pub(super) nature: Option<Nature>,
    /// Address of the Redis that the relay reads from, by its own word.
    pub(super) redis: Option<String>,
}

impl Look {
    /// What stands in the way of readiness: the last thing that is wrong.
    pub(super) fn obstacle(&self) -> Option<&Wrong> {
        self.tried.iter().rev().find_map(Tried::wrong)
    }

    fn push(&mut self, trial: Trial, began: Instant, finding: Finding) -> bool {
        let is_wrong = matches!(finding, Finding::Wrong(_));
        self.tried.push(Tried { trial, dialect: None, took: began.elapsed(), finding });
        !is_wrong
    }

    fn skip(&mut self, trials: &[Trial], why: &str, options: &CheckOptions) {
        for trial in trials.iter().filter(|trial| options.wants(**trial)) {
            self.push(*trial, Instant::now(), Finding::Skipped(why.to_owned()));
        }
    }
}

/// `GET /health`, as far as it counts here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    broker: Option<String>,
    connected: Option<bool>,
    error: Option<String>,
    server: Option<String>,
    role: Option<String>,
    denied: Vec<DeniedChannel>,
    state: Option<StateTroubles>,
    watch: bool,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DeniedChannel {
    channel: String,
    reason: String,
    #[serde(default)]
    revoked: bool,
}

/// What is wrong with the state that is kept in Redis.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StateTroubles {
    reading: Vec<StateTrouble>,
    writing: Vec<StateTrouble>,
}

#[derive(Debug, Deserialize)]
struct StateTrouble {
    problem: String,
    reason: String,
}

/// Tries the server, each step within the time that the options give.
pub(super) async fn look(options: &CheckOptions) -> Look {
    let mut look = Look::default();
    if connects(options, &mut look).await {
        let health = health(options, &mut look).await;
        if let Some(health) = &health {
            relay(options, &mut look, health).await;
        } else if look.nature.is_none() {
            let rest = [Trial::Ready, Trial::Version, Trial::Clock];
            look.skip(&rest, "health failed", options);
        } else {
            look.skip(&[Trial::Ready, Trial::Version], "the server tells nothing of it", options);
        }
        look.redis = health.and_then(|health| health.server);
    } else {
        let rest = [Trial::Health, Trial::Ready, Trial::Version, Trial::Clock];
        look.skip(&rest, "there is no connection", options);
    }
    if let Some(url) = options.redis.as_ref().filter(|_| options.wants(Trial::Redis)) {
        let began = Instant::now();
        let finding = redis(url, options.timeout).await;
        look.push(Trial::Redis, began, finding);
    }
    look.tried.sort_by_key(|tried| Trial::ALL.iter().position(|trial| *trial == tried.trial));
    look.tried.retain(|tried| options.wants(tried.trial) || tried.wrong().is_some());
    look
}

/// TCP, and TLS where the URL says so, each with a connection of its own. Whether both work.
async fn connects(options: &CheckOptions, look: &mut Look) -> bool {
    let (mut plain, is_secure) = (options.server.clone(), matches!(options.server.scheme(), "wss" | "https"));
    let port = options.server.port_or_known_default();
    // Both work on a URL with a host; one without is refused when it is connected to.
    let _ = plain.set_scheme("ws").and_then(|()| plain.set_port(port));
    let began = Instant::now();
    let finding = match reach(&plain, &options.tls, options.timeout).await {
        Ok(reached) => Finding::Good(match reached.peer {
            Some(peer) => format!("connected to {peer}"),
            None => "connected".to_owned(),
        }),
        Err(error) => Finding::Wrong(Wrong::from(&error)),
    };
    if !look.push(Trial::Tcp, began, finding) {
        look.skip(&[Trial::Tls], "there is no connection", options);
        return false;
    }
    if !is_secure {
        look.skip(&[Trial::Tls], "the URL asks for none; wss:// and https:// do", options);
        return true;
    }
    let began = Instant::now();
    let finding = match reach(&options.server, &options.tls, options.timeout).await {
        Ok(reached) => {
            Finding::Good(format!("{}, and the certificate is trusted", reached.tls.unwrap_or("TLS")))
        }
        Err(error) => Finding::Wrong(Wrong::from(&error)),
    };
    look.push(Trial::Tls, began, finding)
}

/// What the server tells of itself; `None` where it tells nothing.
async fn health(options: &CheckOptions, look: &mut Look) -> Option<Health> {
    let url = http_url(&options.server, "/health");
    let (began, before) = (Instant::now(), SystemTime::now());
    let answer = get(&url, options).await;
    let headers = answer.as_ref().map(|answer| answer.headers.clone()).unwrap_or_default();
    let clocks = (before, SystemTime::now());
    let found = match answer.and_then(|answer| answer.success(&url)) {
        Ok(body) => serde_json::from_slice::<Health>(&body).ok().filter(|health| health.broker.is_some()),
        Err(error @ NetError::Status { status: 401 | 403 | 404 | 405 | 410 | 426 | 501, .. }) => {
            foreign(options, look, began, &error.to_string()).await;
            clock(options, look, &headers, clocks);
            return None;
        }
        Err(error) => {
            look.push(Trial::Health, began, Finding::Wrong(Wrong::from(&error)));
            return None;
        }
    };
    let Some(health) = found else {
        foreign(options, look, began, "/health is not that of a relay").await;
        clock(options, look, &headers, clocks);
        return None;
    };
    look.nature = Some(if health.watch { Nature::Relay } else { Nature::OldRelay });
    look.push(Trial::Health, began, words(&health));
    clock(options, look, &headers, clocks);
    Some(health)
}

/// A server that does not tell that it is a relay: a proxy may hide that, or it is another program.
async fn foreign(options: &CheckOptions, look: &mut Look, began: Instant, said: &str) {
    let is_relay = offer::is_watchable(&options.server, &options.tls, options.timeout).await;
    look.nature = Some(if is_relay { Nature::Relay } else { Nature::Foreign });
    let why = if is_relay {
        "a relay, whose /health is hidden"
    } else {
        "no jobwire relay; its sockets are tried all the same"
    };
    look.push(Trial::Health, began, Finding::Skipped(format!("{said}: {why}")));
}

/// The state of a relay in words.
fn words(health: &Health) -> Finding {
    let broker = health.broker.as_deref().unwrap_or_default();
    let is_connected = health.connected.unwrap_or(true);
    if let Some(error) = &health.error {
        let blame = if is_connected { Blame::Broken } else { Blame::Unreachable };
        let message = format!("the relay is there, and its broker is not well: {error}");
        return Finding::Wrong(Wrong::new(blame, message).hint(BROKER_HINT));
    }
    if let Some(denied) = health.denied.iter().find(|denied| denied.revoked) {
        let message =
            format!("the relay may not subscribe to {} any more: {}", denied.channel, denied.reason);
        return Finding::Wrong(Wrong::new(Blame::Broken, message).hint(ACL_HINT));
    }
    let state = health.state.as_ref();
    let reading = state.and_then(|state| state.reading.first()).map(|trouble| ("read", trouble));
    let writing = state.and_then(|state| state.writing.first()).map(|trouble| ("write", trouble));
    if let Some((verb, StateTrouble { problem, reason })) = reading.or(writing) {
        let message = format!("the relay cannot {verb} the state of jobs in Redis: {problem}: {reason}");
        return Finding::Wrong(Wrong::new(Blame::Broken, message));
    }
    let denied = match health.denied.as_slice() {
        [] => String::new(),
        [first, ..] => format!("; {} channels are denied to it, as {}", health.denied.len(), first.channel),
    };
    Finding::Good(format!("a relay, its broker is {broker}{denied}"))
}

const BROKER_HINT: &str = "the relay comes back by itself once its Redis does; is Redis running, and is it where --redis of the relay says?";
const ACL_HINT: &str = "the relay's user of Redis needs the right to subscribe: `ACL SETUSER NAME &CHANNEL`";

/// What only a relay has: readiness, a version, and its Redis where nobody named one.
async fn relay(options: &CheckOptions, look: &mut Look, health: &Health) {
    if options.wants(Trial::Ready) || options.wait.is_some() {
        let began = Instant::now();
        let finding = ready(options).await;
        look.push(Trial::Ready, began, finding);
    }
    look.push(Trial::Version, Instant::now(), version(health));
    if options.redis.is_none() {
        look.push(Trial::Redis, Instant::now(), redis_of_relay(health));
    }
}

async fn ready(options: &CheckOptions) -> Finding {
    let url = http_url(&options.server, "/ready");
    let answer = get(&url, options).await.and_then(|answer| answer.success(&url));
    let Err(error) = answer else { return Finding::Good("events can come".to_owned()) };
    let NetError::Status { status: 503, code: Some(code), message, .. } = &error else {
        return Finding::Wrong(Wrong::from(&error));
    };
    let (blame, hint) = match code.as_str() {
        "broker_not_connected" => (Blame::Unreachable, BROKER_HINT),
        "reading_history" => (Blame::Broken, "that takes a moment; --wait 30s waits for it"),
        "going_away" => (Blame::Unreachable, "start it again, or name another with --server"),
        "subscription_denied" => (Blame::Broken, ACL_HINT),
        _ => (Blame::Broken, "--wait 30s waits until it is ready"),
    };
    let said = message.as_deref().unwrap_or(code);
    Finding::Wrong(Wrong::new(blame, format!("not ready: {said}")).hint(hint))
}

fn version(health: &Health) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let theirs = health.version.as_deref();
    if !health.watch {
        let named = theirs.map(|theirs| format!(" ({theirs})")).unwrap_or_default();
        let message =
            format!("the relay is an old one{named}: it has no /watch, no cursors and no event streams");
        let hint = format!(
            "upgrade it to {ours}, or try what it has with --only health,ready,publish,websocket,polling"
        );
        return Finding::Wrong(Wrong::new(Blame::NoRelay, message).hint(hint));
    }
    match theirs {
        Some(theirs) if theirs == ours => Finding::Good(format!("{theirs}, as this program")),
        Some(theirs) => Finding::Good(format!("{theirs}; this program is {ours}")),
        None => Finding::Skipped("the relay does not tell it".to_owned()),
    }
}

/// The relay's Redis by the relay's own word.
fn redis_of_relay(health: &Health) -> Finding {
    let broker = health.broker.as_deref().unwrap_or_default();
    let server = health.server.as_deref().unwrap_or(broker);
    match (health.connected, health.role.as_deref()) {
        (_, None) if health.server.is_none() && health.error.is_none() => {
            Finding::Skipped(format!("the relay's broker is {broker}, and no --redis is given"))
        }
        (Some(false), _) => {
            let message = format!("the relay is not connected to its Redis at {server}");
            Finding::Wrong(Wrong::new(Blame::Unreachable, message).hint(BROKER_HINT))
        }
        (_, Some(role @ ("replica" | "sentinel"))) => {
            let message = format!("the relay reads from {server}, which is a {role}");
            let hint = "its URL should lead to the master, or through Sentinel to it";
            Finding::Wrong(Wrong::new(Blame::Broken, message).hint(hint))
        }
        (_, role) => {
            Finding::Good(format!("{server}, {}, as the relay says", role.unwrap_or("its role is not known")))
        }
    }
}

/// The Redis that the user named.
async fn redis(url: &str, limit: Duration) -> Finding {
    let broker = match RedisBroker::new(url) {
        Ok(broker) => broker,
        Err(error) => return Finding::Wrong(Failure::usage(format!("--redis: {error}")).into()),
    };
    let address = broker.address();
    match tokio::time::timeout(limit, broker.ping()).await {
        Err(_) => {
            let message = format!("no answer from {address} within {} s", limit.as_secs_f64());
            Finding::Wrong(Wrong::new(Blame::Unreachable, message).hint(REDIS_HINT))
        }
        Ok(Err(error)) => {
            let hint = error.hint().or_else(|| error.trouble().hint().map(str::to_owned));
            let wrong = Wrong::new(Blame::Unreachable, error.to_string());
            Finding::Wrong(wrong.hint(hint.unwrap_or_else(|| REDIS_HINT.to_owned())))
        }
        Ok(Ok(())) => Finding::Good(match broker.server_in_use() {
            Some((server, role)) => {
                format!("{server}, {}", if role == "unknown" { "its role is not known" } else { role })
            }
            None => address,
        }),
    }
}

const REDIS_HINT: &str = "is Redis running there? the URL is from --redis, JOBWIRE_REDIS or REDIS_URL";

/// The time of the server's `Date` header against ours, between which the request was on its way.
fn clock(
    options: &CheckOptions,
    look: &mut Look,
    headers: &HeaderMap,
    (before, after): (SystemTime, SystemTime),
) {
    if !options.wants(Trial::Clock) {
        return;
    }
    let date = headers.get(header::DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let finding = match date {
        None => Finding::Skipped("its answers have no date".to_owned()),
        Some(date) => match apart(date, before, after) {
            (_, by) if by <= APART => Finding::Good(if by.is_zero() {
                "the same as ours, to the second".to_owned()
            } else {
                format!("within {} s of ours", by.as_secs() + 1)
            }),
            (is_ahead, by) => {
                let side = if is_ahead { "ahead of" } else { "behind" };
                let message = format!("its clock is {} s {side} ours", by.as_secs());
                let hint = "set both by NTP: tokens expire by the relay's clock, and times of events are the publisher's";
                Finding::Wrong(Wrong::new(Blame::Broken, message).hint(hint))
            }
        },
    };
    look.push(Trial::Clock, Instant::now(), finding);
}

/// By how much a clock that shows `date` in whole seconds is off at least, and whether it is ahead.
fn apart(date: SystemTime, before: SystemTime, after: SystemTime) -> (bool, Duration) {
    if let Ok(by) = date.duration_since(after) {
        return (true, by);
    }
    let latest = date + Duration::from_secs(1);
    (false, before.duration_since(latest).unwrap_or_default())
}

async fn get(url: &Url, options: &CheckOptions) -> Result<http::Response, NetError> {
    http::request(Method::GET, url, &[], Bytes::new(), &options.tls, options.timeout).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_what_whole_seconds_and_the_way_cannot_explain() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let off = |date, before, after| {
            let (is_ahead, by) = apart(at(date), at(before), at(after));
            (is_ahead, by.as_millis())
        };
        assert_eq!(off(10_000, 10_900, 10_950).1, 0);
        assert_eq!(off(10_000, 11_000, 11_000).1, 0);
        assert_eq!(off(10_000, 9_500, 10_100).1, 0);
        assert_eq!(off(20_000, 10_000, 10_500), (true, 9_500));
        assert_eq!(off(10_000, 20_000, 20_500), (false, 9_000));
    }

    #[test]
    fn the_health_of_a_relay_is_told_in_words() {
        let found = |json: &str| words(&serde_json::from_str(json).unwrap());
        let Finding::Good(text) = found(r#"{"broker":"embedded","connected":true,"watch":true}"#) else {
            panic!()
        };
        assert_eq!(text, "a relay, its broker is embedded");
        let blame = |json: &str| match found(json) {
            Finding::Wrong(wrong) => wrong.blame,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            blame(r#"{"broker":"redis","connected":false,"error":"connection refused"}"#),
            Blame::Unreachable
        );
        assert_eq!(blame(r#"{"broker":"redis","connected":true,"error":"a probe was lost"}"#), Blame::Broken);
        let revoked = r#"{"broker":"redis","connected":true,"denied":[{"channel":"a","reason":"NOPERM","revoked":true}]}"#;
        assert_eq!(blame(revoked), Blame::Broken);
        let old = r#"{"status":"ok","broker":"embedded","connected":true}"#;
        let Finding::Wrong(wrong) = version(&serde_json::from_str(old).unwrap()) else { panic!() };
        assert!(
            wrong.message.contains("an old one") && wrong.hint.unwrap().contains("upgrade"),
            "{}",
            wrong.message
        );
    }
}

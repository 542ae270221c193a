//! Steps of the server as a whole: connection, TLS, health, readiness, version, clock and Redis.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use hyper::{HeaderMap, Method, header};
use url::Url;

use super::finding::{Blame, Finding, Trial, Tried, Wrong};
use super::health::{ACL_HINT, Health};
use super::options::CheckOptions;
use crate::broker::{Broker as _, RedisBroker};
use crate::exit::Failure;
use crate::net::stream::reach;
use crate::net::{NetError, http, http_url, offer};

/// Largest allowed difference of the clocks. The `Date` header has whole seconds. A larger difference makes tokens expire at
/// the wrong time.
const APART: Duration = Duration::from_secs(5);

/// Kind of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// A relay of this program.
    Relay,
    /// A relay of this program, older than cursors.
    OldRelay,
    /// Another server. A contract may be spoken here too.
    Foreign,
}

/// Findings on the server as a whole.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Steps in the order of the report.
    pub(super) tried: Vec<Tried>,
    /// Kind of the server; `None`: the server gave no usable answer.
    pub(super) nature: Option<Nature>,
    /// Address of the Redis that the relay reads from, as the relay gives it.
    pub(super) redis: Option<String>,
    /// Whether the relay says that no event of any dialect can reach watchers.
    pub(super) is_shut: bool,
    /// Whether the server answered 401, so that it wants a user and a password or a token first.
    pub(super) wants_login: bool,
}

impl Look {
    /// The last fault that may pass by waiting. Faults of the version and the clock do not pass.
    pub(super) fn obstacle(&self) -> Option<&Wrong> {
        let may_pass = |tried: &&Tried| !matches!(tried.trial, Trial::Version | Trial::Clock);
        self.tried.iter().rev().filter(may_pass).find_map(Tried::wrong)
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

/// Takes the steps of the server, each within the time limit of the options.
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
    look.tried.sort_by_key(|tried| tried.trial);
    look.tried.retain(|tried| options.wants(tried.trial) || tried.wrong().is_some());
    look
}

/// Takes the steps `tcp` and `tls`, each with a connection of its own. Returns whether the server can be reached.
async fn connects(options: &CheckOptions, look: &mut Look) -> bool {
    let (mut plain, is_secure) = (options.server.clone(), matches!(options.server.scheme(), "wss" | "https"));
    let port = options.server.port_or_known_default();
    // Setting scheme and port fails only on a URL without a host, and `reach` refuses such a URL.
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
            let certificate = if options.tls.is_insecure() {
                "the certificate was not checked (--insecure)"
            } else {
                "the certificate is trusted"
            };
            Finding::Good(format!("{}, and {certificate}", reached.tls.unwrap_or("TLS")))
        }
        Err(error) => Finding::Wrong(Wrong::from(&error)),
    };
    look.push(Trial::Tls, began, finding)
}

/// Takes the step `health`; `None` where the answer is not that of a relay.
async fn health(options: &CheckOptions, look: &mut Look) -> Option<Health> {
    let url = http_url(&options.server, "/health");
    let (began, before) = (Instant::now(), SystemTime::now());
    let answer = get(&url, options).await;
    let headers = answer.as_ref().map(|answer| answer.headers.clone()).unwrap_or_default();
    let clocks = (before, SystemTime::now());
    let found = match answer.and_then(|answer| answer.success(&url)) {
        Ok(body) => serde_json::from_slice::<Health>(&body).ok().filter(|health| health.broker.is_some()),
        Err(error @ NetError::Status { status: 401 | 403 | 404 | 405 | 410 | 426 | 501, .. }) => {
            look.wants_login = matches!(error, NetError::Status { status: 401, .. });
            foreign(options, look, began, &error.to_string()).await;
            clock(options, look, &headers, clocks);
            return None;
        }
        Err(error) => {
            look.push(Trial::Health, began, Finding::Wrong(unhealthy(&error)));
            return None;
        }
    };
    let Some(health) = found else {
        foreign(options, look, began, "/health is not that of a relay").await;
        clock(options, look, &headers, clocks);
        return None;
    };
    look.nature = Some(if health.watch { Nature::Relay } else { Nature::OldRelay });
    look.push(Trial::Health, began, health.words());
    clock(options, look, &headers, clocks);
    Some(health)
}

/// Fault of a failed `GET /health`. Such a server is not known to be a relay.
fn unhealthy(error: &NetError) -> Wrong {
    let wrong = Wrong::from(error);
    match error {
        NetError::Status { status: 400, redirect: None, .. } => Wrong { blame: Blame::NoRelay, ..wrong }
            .hint("does the port want TLS? wss:// is for that; --server names another server"),
        _ if wrong.blame == Blame::Broken => Wrong { blame: Blame::NoRelay, ..wrong },
        _ => wrong,
    }
}

/// Classifies a server without the `/health` of a relay: a proxy may hide a relay's, or the server is another program.
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

/// Takes the steps that only a relay allows: readiness, version, and its Redis where the user named none.
async fn relay(options: &CheckOptions, look: &mut Look, health: &Health) {
    if options.wants(Trial::Ready) || options.wants_dialects() || options.wait.is_some() {
        let began = Instant::now();
        let finding = ready(options, look, health).await;
        look.push(Trial::Ready, began, finding);
    }
    look.push(Trial::Version, Instant::now(), health.version());
    if options.redis.is_none() {
        look.push(Trial::Redis, Instant::now(), health.redis());
    }
}

async fn ready(options: &CheckOptions, look: &mut Look, health: &Health) -> Finding {
    let url = http_url(&options.server, "/ready");
    let answer = get(&url, options).await.and_then(|answer| answer.success(&url));
    let Err(error) = answer else { return Finding::Good("events can come".to_owned()) };
    let NetError::Status { status: 503, code: Some(code), message, .. } = &error else {
        return Finding::Wrong(Wrong::from(&error));
    };
    look.is_shut = matches!(code.as_str(), "broker_not_connected" | "reading_history" | "going_away");
    let (blame, hint) = match code.as_str() {
        "broker_not_connected" => (Blame::Unreachable, health.broker_hint()),
        "reading_history" => (Blame::Broken, "that takes a moment; --wait 30s waits for it"),
        "going_away" => (Blame::Unreachable, "start it again, or name another with --server"),
        "subscription_denied" => (Blame::Broken, ACL_HINT),
        _ => (Blame::Broken, "--wait 30s waits until it is ready"),
    };
    let said = message.as_deref().unwrap_or(code);
    Finding::Wrong(Wrong::new(blame, format!("not ready: {said}")).hint(hint))
}

/// Finding on the Redis that the user named.
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

/// Compares the server's `Date` header with our clock before the request and after the answer.
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

/// Smallest possible error of a clock that shows `date` in whole seconds, and whether that clock is ahead.
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
}

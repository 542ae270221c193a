//! Access of a request: its token, the keys that the token is checked with, and the rights that it gives.

use std::borrow::Cow;
use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};

use super::{Api, bearer, check_key, client_of, in_query};
use crate::dialect::{Auth, Dialect};
use crate::jwt::Claims;
use crate::net::token;
use crate::relay::auth::{Access, Refusal};
use crate::relay::client::LoopbackListener;
use crate::relay::error::ApiError;
use crate::relay::session::ListAccess;
use crate::relay::settings::ListsPolicy;
use crate::relay::subprotocol;

/// Value of Retry-After while the keys of a token are missing, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// Token and client of a request.
pub(super) struct Asking {
    token: Option<Box<str>>,
    client: IpAddr,
}

impl Asking {
    /// Takes the token from the query, the header, or the subprotocols, where a browser's socket can put it.
    pub(super) fn of(request: &Request) -> Self {
        let query = in_query(request, "token");
        let header = || bearer(request.headers()).or_else(|| subprotocol::token(request.headers()));
        let token = query.or_else(|| header().map(Cow::Borrowed));
        Self { token: token.map(|text| token::bare(&text).into()), client: client_of(request) }
    }

    /// Whether the request brings what has the form of a token: three parts, where a wrong publish key seldom has them.
    pub(super) fn has_token(&self) -> bool {
        self.token.as_deref().is_some_and(|token| token.matches('.').count() == 2)
    }
}

/// Checks the token of a request for a dialect. Waits up to `Timing::patience` where the token's key may be in a key
/// set that has to be fetched.
pub(super) async fn access(api: &Api, dialect: &Dialect, asking: Asking) -> Access {
    if dialect.auth == Auth::None || api.settings().auth.is_open() {
        return Access::Everybody;
    }
    match claims(api, &asking).await {
        Ok(claims) if dialect.auth == Auth::Owner => Access::Subject(claims),
        Ok(claims) => Access::Bearer(claims),
        Err(refusal) => {
            api.stats.refusals.refused(&refusal, asking.client);
            Access::Refused(refusal)
        }
    }
}

/// Checks the token of any request. Waits as [`access`] does.
pub(super) async fn claims(api: &Api, asking: &Asking) -> Result<Claims, Refusal> {
    let token = asking.token.as_deref();
    let checked = api.tokens.check_if_any(token);
    if api.tokens.may_know_more(&checked) { api.tokens.check_again(token).await } else { checked }
}

/// Right of a request to lists of jobs, besides the rights of its token.
///
/// A list names jobs, whose ids give access to them. With the publish key or `--lists open` the list is open. Otherwise it is open
/// only to requests that reach a loopback listener under a loopback name and through no proxy, because others reach a listener
/// behind a proxy.
pub(super) fn list_access(api: &Api, request: &Request) -> ListAccess {
    if check_key(api, request.headers()).is_ok() {
        return ListAccess::Key;
    }
    if api.options.lists == ListsPolicy::Open || is_local(api, request) {
        return ListAccess::Open;
    }
    ListAccess::Token
}

/// Whether a request comes from this machine: to a loopback listener, under a loopback name, and through no proxy.
pub(super) fn is_local(api: &Api, request: &Request) -> bool {
    is_direct(api, request) && names_loopback(request)
}

/// Whether a request comes from this machine under another name than a loopback one, as a page's that has let its name point
/// here.
pub(super) fn is_rebound(api: &Api, request: &Request) -> bool {
    is_direct(api, request) && !names_loopback(request)
}

/// Whether a request has reached a loopback listener through no proxy.
fn is_direct(api: &Api, request: &Request) -> bool {
    const PROXIED: [&str; 6] =
        ["cf-connecting-ip", "forwarded", "true-client-ip", "via", "x-client-ip", "x-real-ip"];
    let LoopbackListener(is_loopback) =
        request.extensions().get().copied().unwrap_or(LoopbackListener(false));
    // Proxies that add no header often speak HTTP/1.0.
    is_loopback
        && request.version() >= Version::HTTP_11
        && api.options.trusted_proxies.is_empty()
        && !request
            .headers()
            .keys()
            .any(|name| PROXIED.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-"))
}

fn names_loopback(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    host.is_some_and(is_loopback_name)
}

/// Whether a `Host` is a loopback name.
fn is_loopback_name(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or_default(),
        None => host.split_at(host.rfind(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
        return false;
    }
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Api {
    /// Refuses the bearer of a token that is restricted to other jobs.
    pub(super) fn restricted(&self, access: Access, dialect: &Dialect, job: &str, client: IpAddr) -> Access {
        let (Access::Bearer(claims) | Access::Subject(claims)) = &access else { return access };
        if claims.grant.covers_job(&dialect.name, job) {
            return access;
        }
        self.stats.refusals.refused(&Refusal::NotAllowed, client);
        Access::Refused(Refusal::NotAllowed)
    }
}

/// Answer to a request whose token is refused.
pub(super) fn refused(refusal: &Refusal) -> ApiError {
    let message = refusal.message();
    match refusal {
        Refusal::KeysAway => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "keys_not_fetched", message)
            .with(header::RETRY_AFTER, RETRY_AFTER),
        Refusal::NotAllowed => ApiError::new(StatusCode::FORBIDDEN, "not_allowed", message),
        Refusal::NoSecret | Refusal::Token(_) => {
            ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        }
    }
}

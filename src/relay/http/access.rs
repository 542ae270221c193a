//! Access of a request: its token, the keys that the token is checked with, and the rights that it gives.

use std::borrow::Cow;
use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};

use super::{Api, bearer, client_of, in_query};
use crate::dialect::{Auth, Dialect};
use crate::net::token;
use crate::relay::auth::{self, Access, AuthPolicy, Checker, Claims, Fault, Flaw, Refusal, Token};
use crate::relay::error::ApiError;
use crate::relay::subprotocol;

/// How long a client that has to come again for a token's keys is told to wait, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// A request's token, taken out of it, and its client.
pub(super) struct Asking {
    token: Option<Box<str>>,
    client: IpAddr,
}

impl Asking {
    /// The token is in the query, in the header, or among the subprotocols, where a browser's socket can put it.
    pub(super) fn of(request: &Request) -> Self {
        let query = in_query(request, "token");
        let header = || bearer(request.headers()).or_else(|| subprotocol::token(request.headers()));
        let token = query.or_else(|| header().map(Cow::Borrowed));
        Self { token: token.map(|text| token::bare(&text).into()), client: client_of(request) }
    }
}

/// Checks the token of a request for a dialect. Waits up to `Timing::patience` where the token's key may be in a key
/// set that has to be fetched.
pub(super) async fn access(api: &Api, dialect: &Dialect, asking: Asking) -> Access {
    if dialect.auth == Auth::None {
        return Access::Everybody;
    }
    let settings = api.settings();
    let AuthPolicy::Keys(trusted) = &settings.auth else { return Access::Everybody };
    let token = asking.token.as_deref().map(Token);
    let check = || -> Result<Claims, Refusal> {
        let fetched = api.jwks.keys();
        let audience = api.options.jwt_audience.as_deref();
        Checker::new(trusted, &fetched, audience).check(token.as_ref(), auth::now())
    };
    let mut checked = check();
    if checked.as_ref().is_err_and(is_for_want_of_a_key) && !trusted.jwks.is_empty() {
        api.jwks.refresh().await;
        checked = check();
        if checked.as_ref().is_err_and(is_for_want_of_a_key) && api.jwks.is_in_doubt() {
            checked = Err(Refusal::KeysAway);
        }
    }
    match checked {
        Ok(claims) if dialect.auth == Auth::Owner => Access::Subject(claims),
        Ok(claims) => Access::Bearer(claims),
        Err(refusal) => {
            api.stats.refusals.refused(&refusal, asking.client);
            Access::Refused(refusal)
        }
    }
}

/// Whether another key might make the token a good one.
fn is_for_want_of_a_key(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Token(Flaw { fault: Fault::NoKeyForIt | Fault::UnknownKey, .. }) => true,
        // Without a name any key may have been meant, one that is new included.
        Refusal::Token(Flaw { fault: Fault::Signature, detail }) => detail.ends_with("no kid"),
        _ => false,
    }
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

/// The answer to a request that may not see anything.
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

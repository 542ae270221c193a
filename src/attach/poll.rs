//! The state of a job by polling, while its socket is down.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;

use super::access::Access;
use super::place::Place;
use super::verdict::Verdict;
use crate::exit::{Exit, Failure};
use crate::net::tls::Tls;
use crate::net::{NetError, http};

/// What polling brought.
pub(super) enum Polled {
    /// Nothing that says anything.
    Nothing,
    /// The job's state.
    Body(String),
    /// The server wants no request before that time has passed.
    Later(Duration),
    /// The server refuses, and no attempt can do better.
    Refused(Failure),
}

/// The polling body of a job, if there is one that says something, within `limit`.
pub(super) async fn poll(place: &Place, access: &mut Access, tls: &Tls, limit: Duration) -> Polled {
    let Some(url) = &place.status else { return Polled::Nothing };
    let (url, header) = match access.token() {
        Ok(Some(token)) => token.for_request(url),
        Ok(None) => (url.clone(), None),
        // The next attempt says so.
        Err(_) => return Polled::Nothing,
    };
    let headers: Vec<_> = header.iter().map(|header| ("authorization", header.as_str())).collect();
    let answer = http::request(Method::GET, &url, &headers, Bytes::new(), tls, limit).await;
    match answer.and_then(|answer| answer.success(&url)) {
        Ok(body) => match String::from_utf8(body.into()) {
            Ok(body) if place.dialect.view_status(&body).is_some() => Polled::Body(body),
            _ => Polled::Nothing,
        },
        // A 401 or 403 counts only where a token decides who may watch. Elsewhere the status path may belong to
        // another server, and the WebSocket's own answer is the better one.
        Err(error @ NetError::Status { status: 401 | 403, .. })
            if place.has_owner() || access.has_token() =>
        {
            let failure = Failure::new(Exit::Refused, error.to_string());
            let is_final = matches!(error, NetError::Status { status: 403, .. });
            match if is_final { Verdict::Final(failure) } else { access.refused(failure) } {
                Verdict::Final(failure) => Polled::Refused(failure),
                _ => Polled::Nothing,
            }
        }
        Err(NetError::Status { retry_after: Some(after), .. }) => Polled::Later(after),
        Err(_) => Polled::Nothing,
    }
}

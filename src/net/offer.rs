//! Whether a server offers `/watch`.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use url::Url;

use super::tls::Tls;
use super::{NetError, http, http_url};

/// Where everything is watched.
pub(crate) const WATCH: &str = "/watch";

/// What a relay answers to a request for a socket's path that asks for no upgrade.
const NO_UPGRADE: (u16, &str) = (426, "upgrade_required");

/// What a server offers.
#[derive(Debug)]
pub(crate) enum Offer {
    /// One socket for everything.
    Watch,
    /// A socket for each job, if it is any server of the contracts.
    Nothing,
    /// The server wants to be left alone for a while.
    Busy(NetError),
    /// The server cannot be reached, so that nothing is known.
    Unreachable(NetError),
}

/// `GET /health`, as far as it counts here.
#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    watch: bool,
}

/// Asks a server, and gives each answer at most `limit`.
///
/// A relay says so in `/health`. A proxy may keep that to the inside; then the path itself is asked for, and a relay
/// wants an upgrade there.
pub(crate) async fn ask(server: &Url, tls: &Tls, limit: Duration) -> Offer {
    match get(&http_url(server, "/health"), tls, limit).await {
        Ok(body) if serde_json::from_slice(&body).is_ok_and(|health: Health| health.watch) => Offer::Watch,
        Err(NetError::Status { status: 401 | 403 | 404, .. }) => {
            if is_watchable(server, tls, limit).await {
                Offer::Watch
            } else {
                Offer::Nothing
            }
        }
        Err(
            error @ (NetError::Refused { .. }
            | NetError::Unreachable { .. }
            | NetError::Name { .. }
            | NetError::Tls { .. }),
        ) => Offer::Unreachable(error),
        Err(error @ NetError::Status { retry_after: Some(_), .. }) => Offer::Busy(error),
        Ok(_) | Err(_) => Offer::Nothing,
    }
}

/// Whether a server wants an upgrade at the path of `/watch`, as a relay does.
pub(crate) async fn is_watchable(server: &Url, tls: &Tls, limit: Duration) -> bool {
    let answer = get(&http_url(server, WATCH), tls, limit).await;
    matches!(&answer, Err(NetError::Status { status, code: Some(code), .. }) if (*status, &**code) == NO_UPGRADE)
}

async fn get(url: &Url, tls: &Tls, limit: Duration) -> Result<Bytes, NetError> {
    http::request(Method::GET, url, &[], Bytes::new(), tls, limit).await?.success(url)
}

//! Offers of a server: `/watch`, or a socket for each job.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use url::Url;

use super::tls::Tls;
use super::{NetError, http, http_url};

/// Path of the socket for all targets.
pub(crate) const WATCH: &str = "/watch";

/// Status and code with which a relay answers a request for a socket without an upgrade.
const NO_UPGRADE: (u16, &str) = (426, "upgrade_required");

/// Offer of a server.
#[derive(Debug)]
pub(crate) enum Offer {
    /// A socket for all targets, at `/watch`.
    Watch,
    /// At most a socket for each job, as any server of the contracts has.
    Nothing,
    /// Too many requests: the server asks for a pause.
    Busy(NetError),
    /// The server cannot be reached, so its offer is not known.
    Unreachable(NetError),
}

/// Fields of the answer to `GET /health` that count here.
#[derive(Deserialize)]
struct Health {
    #[serde(default)]
    watch: bool,
}

/// Asks a server for its offer. Each answer may take as long as `limit`.
///
/// A relay announces `/watch` in `/health`. Where a proxy hides `/health`, the path `/watch` itself is tried without an
/// upgrade: a relay then answers that it requires one.
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

/// Whether a server requires an upgrade at `/watch`, as a relay does.
pub(crate) async fn is_watchable(server: &Url, tls: &Tls, limit: Duration) -> bool {
    let answer = get(&http_url(server, WATCH), tls, limit).await;
    matches!(&answer, Err(NetError::Status { status, code: Some(code), .. }) if (*status, &**code) == NO_UPGRADE)
}

async fn get(url: &Url, tls: &Tls, limit: Duration) -> Result<Bytes, NetError> {
    http::request(Method::GET, url, &[], Bytes::new(), tls, limit).await?.success(url)
}

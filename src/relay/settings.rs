//! What a relay can be told, resolved.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::auth::{AuthPolicy, Ownerless};
use super::backend::Backend;
use super::client::TrustedProxies;
use super::joblog::JobLogLimits;
use super::origins::Origins;

/// A relay's settings. [`Default`] is what the contracts say.
#[derive(Debug, Clone)]
pub struct RelayOptions {
    /// Threads that own connections.
    pub shards: usize,
    /// How often a socket is pinged; one that answers nothing for two of these is stale.
    pub ping_interval: Duration,
    /// The largest payload that is relayed, in bytes.
    pub max_payload: usize,
    /// The largest frame or message a client may send, in bytes.
    pub max_frame: usize,
    /// How long a request's header may take.
    pub header_timeout: Duration,
    /// The largest request header, in bytes; at least 8 KiB.
    pub max_header: usize,
    /// What may wait for one socket that pushes back, in bytes.
    pub outbox: usize,
    /// How much of jobs is kept.
    pub job_log: JobLogLimits,
    /// What [`Relay::reload`](super::Relay::reload) can change later.
    pub reloadable: Reloadable,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// How long a job that nobody has heard of may take to appear; `None`: what its dialect says.
    pub unknown_grace: Option<Duration>,
    /// The audience that a token must name; `None`: it may name any or none.
    pub jwt_audience: Option<String>,
    /// What becomes of who watches a job without a known owner, in dialects that have owners.
    pub ownerless: Ownerless,
    /// How long a connection lives at most, in dialects that limit it; `None`: what they say, zero: for ever.
    pub max_lifetime: Option<Duration>,
    /// Send the polling body after each event, in dialects that allow it.
    pub echo_polling: bool,
    /// Who may list the jobs of a dialect.
    pub lists: ListsPolicy,
    /// Serve the page at `/`.
    pub page: bool,
    /// How long closing all sockets may take at shutdown.
    pub drain: Duration,
    /// Backend that takes orders for jobs, if any.
    pub backend: Option<Arc<dyn Backend>>,
}

/// Who may list the jobs of a dialect, besides bearers of the publish key and of tokens whose claim `watch` covers them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListsPolicy {
    /// Whoever addresses a loopback listener by a loopback name, through no proxy.
    #[default]
    Local,
    /// Everybody.
    Open,
}

impl Default for RelayOptions {
    fn default() -> Self {
        // One core is left to the broker's reader, the accept loop and HTTP.
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            shards: cores.saturating_sub(1).max(1),
            ping_interval: Duration::from_secs(30),
            max_payload: 1 << 20,
            max_frame: 64 << 10,
            header_timeout: Duration::from_secs(10),
            max_header: 16 << 10,
            // Several of the largest payloads: milestones that come together make nobody slow.
            outbox: 4 << 20,
            job_log: JobLogLimits::default(),
            reloadable: Reloadable::default(),
            trusted_proxies: TrustedProxies::default(),
            unknown_grace: None,
            jwt_audience: None,
            ownerless: Ownerless::default(),
            max_lifetime: None,
            echo_polling: false,
            lists: ListsPolicy::default(),
            page: true,
            drain: Duration::from_secs(5),
            backend: None,
        }
    }
}

/// The settings that a running relay can change. They hold for what comes next; whoever is connected stays.
#[derive(Clone)]
pub struct Reloadable {
    /// Which web pages may connect.
    pub origins: Origins,
    /// The key that `POST /publish` wants; while it is empty no key is right.
    pub publish_key: String,
    /// Which tokens open the dialects that want one.
    pub auth: AuthPolicy,
}

impl Reloadable {
    /// URLs of the key sets (JWKS); none where tokens are not checked.
    pub(super) fn jwks(&self) -> &[Url] {
        match &self.auth {
            AuthPolicy::Keys(trusted) => &trusted.jwks,
            AuthPolicy::Open => &[],
        }
    }
}

impl Default for Reloadable {
    fn default() -> Self {
        Self { origins: Origins::loopback(), publish_key: String::new(), auth: AuthPolicy::default() }
    }
}

impl fmt::Debug for Reloadable {
    /// Without what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloadable")
            .field("origins", &self.origins)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_can_be_printed_without_their_secrets() {
        let reloadable = Reloadable { publish_key: "hunter2".to_owned(), ..Reloadable::default() };
        let options = RelayOptions { reloadable, ..RelayOptions::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}

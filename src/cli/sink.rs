//! Flags for the relay and for the sink of events, shared by several verbs.

use clap::Args;
use url::Url;

use super::tls::{RedisTls, ServerTls};
use super::values::{publish_key, redis_url, server};
use crate::emit::SinkOptions;
use crate::exit::Failure;

/// The relay, and whom to trust at it.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArgs {
    /// The relay, or another server of the contracts: a ws, wss, http or https URL.
    #[arg(
        long,
        value_name = "URL",
        env = "JOBWIRE_SERVER",
        default_value = "ws://127.0.0.1:8000",
        value_parser = server,
        hide_env_values = true
    )]
    pub(super) server: Url,

    #[command(flatten)]
    pub(super) tls: ServerTls,
}

/// Flags for the sink of events: a Redis where a URL names one, otherwise the relay.
#[derive(Debug, Clone, Args)]
pub(super) struct SinkArgs {
    /// The Redis to publish into: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://, with user,
    /// password and database.
    #[arg(long, value_name = "URL", env = "JOBWIRE_REDIS", hide_env_values = true, value_parser = redis_url)]
    redis: Option<String>,

    #[command(flatten)]
    redis_tls: RedisTls,

    /// Append events to Redis Streams, for relays with --streams, rather than publish them; needs --redis or REDIS_URL.
    #[arg(long, env = "JOBWIRE_DURABLE")]
    pub(super) durable: bool,

    #[command(flatten)]
    pub(super) relay: ServerArgs,

    /// The relay's publish key, for events that go through it [default: the one that `jobwire serve` left for its user].
    #[arg(long, value_name = "KEY", env = "JOBWIRE_PUBLISH_KEY", hide_env_values = true, value_parser = publish_key)]
    pub(super) publish_key: Option<String>,
}

impl SinkArgs {
    /// Options of the sink. Reads the files of the TLS flags, and warns where checks are turned off.
    ///
    /// # Errors
    /// `--durable` without a Redis, TLS flags that do not fit the URL, or files that cannot be read.
    pub(super) fn options(&self) -> Result<SinkOptions, Failure> {
        if let Some(url) = self.redis_tls.complete(self.redis.clone())? {
            return Ok(SinkOptions::Redis { url, durable: self.durable });
        }
        if self.durable {
            let message = "--durable appends to streams in Redis, and nothing names a Redis: a relay only publishes what it gets \
                           over HTTP";
            return Err(Failure::usage(message).hint("name the Redis of the relay with --redis or REDIS_URL"));
        }
        let ServerArgs { server, tls } = &self.relay;
        Ok(SinkOptions::Http { server: server.clone(), key: self.publish_key.clone(), tls: tls.tls()? })
    }
}

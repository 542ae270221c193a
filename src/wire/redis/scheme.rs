//! The schemes of Redis URLs.

use super::RedisUrlError;
use super::hosts::Form;
use crate::dialect::nearest;

/// The port of a Redis.
const REDIS: u16 = 6379;

/// The port of a Sentinel.
const SENTINEL: u16 = 26379;

const SCHEMES: [&str; 7] =
    ["redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];

/// Subject of a URL.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scheme {
    /// A server over the network.
    Single(Form),
    /// A socket of this machine.
    Unix,
    /// Sentinels.
    Sentinel(Form),
    /// A cluster.
    Cluster(Form),
}

impl Scheme {
    pub(super) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let lower = text.trim().to_ascii_lowercase();
        let (kind, tls) = match lower.strip_prefix("rediss") {
            Some(kind) => (kind, true),
            None => (lower.strip_prefix("redis").unwrap_or(&lower), false),
        };
        let form = |port, example| Form { tls, port, example };
        Ok(match (kind, tls) {
            ("", _) if !lower.is_empty() => Self::Single(form(REDIS, "redis://host:6379/0")),
            ("unix" | "+unix", false) => Self::Unix,
            ("+sentinel", _) => {
                Self::Sentinel(form(SENTINEL, "redis+sentinel://host:26379,host2:26379/MASTER"))
            }
            ("+cluster", _) => Self::Cluster(form(REDIS, "redis+cluster://host:7000,host2:7001")),
            _ => return Err(RedisUrlError::Scheme(meant(&lower))),
        })
    }
}

/// The scheme that is meant by another client's word for the matter.
fn meant(lower: &str) -> Option<&'static str> {
    let is_secure = ["rediss", "valkeys", "ssl", "tls"].iter().any(|word| lower.contains(word));
    let kinds = [
        ("sentinel", "redis+sentinel", "rediss+sentinel"),
        ("cluster", "redis+cluster", "rediss+cluster"),
        ("unix", "unix", "unix"),
        ("sock", "unix", "unix"),
        ("valkey", "redis", "rediss"),
    ];
    let kind = kinds.into_iter().find(|(word, ..)| lower.contains(word));
    match kind {
        Some((_, _, secure)) if is_secure => Some(secure),
        Some((_, plain, _)) => Some(plain),
        None => nearest(lower, SCHEMES),
    }
}

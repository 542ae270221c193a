//! Text that a relay prints at its start.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::access::{self, describe};
use crate::broker::Broker;
use crate::dialect::{Dialects, Source};
use crate::relay::AuthPolicy;

/// Lines with the addresses of the relay, its dialects, its broker and its access rules.
pub(super) fn banner(
    addresses: &[SocketAddr],
    dialects: &Dialects,
    auth: &AuthPolicy,
    broker: &dyn Broker,
    key: &str,
    files: u64,
) -> String {
    let mut text = String::new();
    for address in addresses {
        let _ = writeln!(text, "listening on http://{address}");
    }
    for (_, dialect) in dialects.iter() {
        let source = match &dialect.source {
            source @ (Source::Channel(_) | Source::PerJob(_)) if dialect.streams => {
                format!("stream {}", source.stream_of(&dialect.channel_of("")))
            }
            Source::Channels(_) if dialect.streams => format!("stream {}", dialect.channel_of("{channel}")),
            Source::Channel(channel) => format!("channel {channel}"),
            Source::PerJob(prefix) => format!("channel {prefix}{{job}}"),
            Source::Channels(_) => format!("channel {}", dialect.channel_of("{channel}")),
            Source::Queues { prefix, names: None } => format!("stream {prefix}:{{queue}}:events"),
            Source::Queues { prefix, names: Some(names) } => {
                let streams = names.iter().map(|name| format!("{prefix}:{name}:events"));
                format!("stream {}", streams.collect::<Vec<_>>().join(" "))
            }
        };
        let poll =
            dialect.status.as_ref().map(|status| format!(", poll {}", status.route)).unwrap_or_default();
        let _ = writeln!(
            text,
            "dialect {}: socket {}{poll}, {source}, {}",
            dialect.name,
            dialect.route,
            describe(dialect, auth)
        );
    }
    let keys = access::keys(auth);
    if !keys.is_empty() {
        let _ = writeln!(text, "tokens {keys}");
    }
    let _ = match broker.name() {
        "redis" => writeln!(text, "broker {}", broker.address()),
        _ => writeln!(
            text,
            "broker embedded: no --redis or REDIS_URL, so events come by POST /publish/CHANNEL"
        ),
    };
    let _ = writeln!(text, "publish key {key}");
    let _ = writeln!(text, "open files {files}");
    text
}

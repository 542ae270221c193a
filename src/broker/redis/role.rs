//! Part that a server has in its replication, and the two replies that tell it; pure.

use std::borrow::Cow;

use redis::Value;

use crate::wire::resp::Reply;

/// Part of a server in its replication.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum ServerRole {
    /// Takes writes, and what is published there reaches all its replicas.
    Master,
    /// Follows a master: what is published there reaches only who listens at this very server.
    Replica {
        /// Host and port of its master, where it said so.
        of: Option<String>,
    },
    /// A Sentinel, which relays nothing.
    Sentinel,
    /// The server did not tell, or in words that are not known here.
    #[default]
    Unknown,
}

impl ServerRole {
    /// Names the role in one word, for `/health`.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica { .. } => "replica",
            Self::Sentinel => "sentinel",
            Self::Unknown => "unknown",
        }
    }

    /// Why a server of this role is not used, as the end of a sentence about it; `None` where it is used.
    pub(super) fn refusal(&self, accepts_replica: bool) -> Option<String> {
        match self {
            Self::Replica { .. } if accepts_replica => None,
            Self::Replica { of: Some(master) } => Some(format!("is a replica of {master}")),
            Self::Replica { of: None } => Some("is a replica".to_owned()),
            Self::Sentinel => Some("is a Sentinel".to_owned()),
            Self::Master | Self::Unknown => None,
        }
    }

    /// Reads the reply to `ROLE`.
    pub(super) fn of_reply(reply: &Reply<'_>) -> Self {
        let text = |reply: &Reply<'_>| match reply {
            Reply::Simple(text) | Reply::Bulk(text) => Some(String::from_utf8_lossy(text).into_owned()),
            Reply::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        match reply {
            Reply::Array(all) => Self::of_words(all.iter().take(3).map(text)),
            _ => Self::Unknown,
        }
    }

    /// Reads the reply to `ROLE`, as the redis crate gives it.
    pub(super) fn of_value(value: &Value) -> Self {
        let text = |value: &Value| match value {
            Value::BulkString(text) => Some(String::from_utf8_lossy(text).into_owned()),
            Value::SimpleString(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            _ => None,
        };
        match value {
            Value::Array(all) => Self::of_words(all.iter().take(3).map(text)),
            _ => Self::Unknown,
        }
    }

    /// Reads the reply to `INFO replication`.
    pub(super) fn of_info(text: &str) -> Self {
        let field = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
        };
        Self::of_words([field("role"), field("master_host"), field("master_port")].into_iter())
    }

    /// Reads the role's name and, of a replica, host and port of its master.
    fn of_words(mut words: impl Iterator<Item = Option<String>>) -> Self {
        let mut next = || words.next().flatten();
        match next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "master" => Self::Master,
            "slave" | "replica" => {
                let (host, port) = (next(), next());
                Self::Replica { of: host.zip(port).map(|(host, port)| place(&host, &port)) }
            }
            "sentinel" => Self::Sentinel,
            _ => Self::Unknown,
        }
    }
}

/// Host and port as one text.
pub(super) fn place(host: &str, port: &str) -> String {
    let host = if host.contains(':') { Cow::Owned(format!("[{host}]")) } else { Cow::Borrowed(host) };
    format!("{host}:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::resp::{self, Bounds};

    fn of_reply(text: &[u8]) -> ServerRole {
        let (reply, _) = resp::read(text, &Bounds { bytes: 4096, elements: 64, depth: 3 }).unwrap();
        ServerRole::of_reply(&reply)
    }

    #[test]
    fn a_role_is_read_out_of_each_reply() {
        let replica = |of: &str| ServerRole::Replica { of: Some(of.to_owned()) };
        let master =
            b"*3\r\n$6\r\nmaster\r\n:42\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6380\r\n$2\r\n42\r\n";
        assert_eq!(of_reply(master), ServerRole::Master);
        let slave = b"*5\r\n$5\r\nslave\r\n$3\r\n::1\r\n:6379\r\n$9\r\nconnected\r\n:42\r\n";
        assert_eq!(of_reply(slave), replica("[::1]:6379"));
        assert_eq!(of_reply(b"*2\r\n$8\r\nsentinel\r\n*1\r\n$1\r\nm\r\n"), ServerRole::Sentinel);
        for other in [&b"*1\r\n$14\r\nactive-replica\r\n"[..], b"*0\r\n", b"+OK\r\n", b"*-1\r\n"] {
            assert_eq!(of_reply(other), ServerRole::Unknown, "{other:?}");
        }
        let info = "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n";
        assert_eq!(ServerRole::of_info(info), replica("10.0.0.1:6379"));
        assert_eq!(ServerRole::of_info("# Replication\r\nrole:master\r\n"), ServerRole::Master);
        assert_eq!(ServerRole::of_info(""), ServerRole::Unknown);
        let value = Value::Array(vec![Value::BulkString(b"slave".to_vec()), Value::SimpleString("h".into())]);
        assert_eq!(ServerRole::of_value(&value), ServerRole::Replica { of: None });
    }

    #[test]
    fn a_sentinel_is_never_used_and_a_replica_only_where_that_is_wanted() {
        let replica = ServerRole::Replica { of: Some("h:1".to_owned()) };
        assert_eq!(replica.refusal(false).unwrap(), "is a replica of h:1");
        assert_eq!(replica.refusal(true), None);
        assert!(ServerRole::Sentinel.refusal(true).is_some());
        assert_eq!((ServerRole::Master.refusal(false), ServerRole::Unknown.refusal(false)), (None, None));
    }
}

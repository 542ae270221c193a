//! The answer of a relay to `GET /health`. Pure.

use serde::Deserialize;

use super::finding::{Blame, Finding, Wrong};

/// Advice for a broker with an error.
const BROKER_HINT: &str = "is Redis running where --redis of the relay says, and does it take the relay's user and password? the \
                           relay comes back by itself once it does";

/// Advice for a Redis that is not the master.
const MASTER_HINT: &str = "--redis of the relay should lead to the master, or through Sentinel to it; with ?replica=ok a replica \
                           will do";

/// Advice for a channel that Redis denies to the relay.
pub(super) const ACL_HINT: &str =
    "the relay's user of Redis needs the right to subscribe: `ACL SETUSER NAME &CHANNEL`";

/// Fields of the answer to `GET /health` that a check reads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Health {
    /// Name of the broker. Only a relay has this field.
    pub(super) broker: Option<String>,
    connected: Option<bool>,
    error: Option<String>,
    /// Address of the Redis that the relay reads from.
    pub(super) server: Option<String>,
    role: Option<String>,
    denied: Vec<DeniedChannel>,
    state: Option<StateTroubles>,
    /// Whether the relay has `/watch`, cursors and event streams.
    pub(super) watch: bool,
    version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DeniedChannel {
    channel: String,
    reason: String,
    #[serde(default)]
    revoked: bool,
}

/// Errors of the job state that the relay keeps in Redis.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StateTroubles {
    reading: Vec<StateTrouble>,
    writing: Vec<StateTrouble>,
}

#[derive(Debug, Deserialize)]
struct StateTrouble {
    problem: String,
    reason: String,
}

impl Health {
    /// Finding on the state of the relay and its broker.
    pub(super) fn words(&self) -> Finding {
        let broker = self.broker.as_deref().unwrap_or_default();
        let is_connected = self.connected.unwrap_or(true);
        if let Some(error) = &self.error {
            let blame = if is_connected { Blame::Broken } else { Blame::Unreachable };
            let message = format!("the relay is there, and its broker is not well: {error}");
            return Finding::Wrong(Wrong::new(blame, message).hint(self.broker_hint()));
        }
        if let Some(denied) = self.denied.iter().find(|denied| denied.revoked) {
            let message =
                format!("the relay may not subscribe to {} any more: {}", denied.channel, denied.reason);
            return Finding::Wrong(Wrong::new(Blame::Broken, message).hint(ACL_HINT));
        }
        let state = self.state.as_ref();
        let reading = state.and_then(|state| state.reading.first()).map(|trouble| ("read", trouble));
        let writing = state.and_then(|state| state.writing.first()).map(|trouble| ("write", trouble));
        if let Some((verb, StateTrouble { problem, reason })) = reading.or(writing) {
            let message = format!("the relay cannot {verb} the state of jobs in Redis: {problem}: {reason}");
            return Finding::Wrong(Wrong::new(Blame::Broken, message).hint(self.broker_hint()));
        }
        let denied = match self.denied.as_slice() {
            [] => String::new(),
            [only] => format!("; the channel {} is denied to it", only.channel),
            [first, ..] => format!("; {} channels are denied to it, as {}", self.denied.len(), first.channel),
        };
        Finding::Good(format!("a relay, its broker is {broker}{denied}"))
    }

    /// Finding on the version of the relay, compared with the version of this program.
    pub(super) fn version(&self) -> Finding {
        let ours = env!("CARGO_PKG_VERSION");
        let theirs = self.version.as_deref();
        if !self.watch {
            let named = theirs.map(|theirs| format!(" ({theirs})")).unwrap_or_default();
            let message =
                format!("the relay is an old one{named}: it has no /watch, no cursors and no event streams");
            let hint = "upgrade it, or try what it has with --only health,ready,publish,websocket,polling";
            return Finding::Wrong(Wrong::new(Blame::NoRelay, message).hint(hint));
        }
        match theirs {
            Some(theirs) if theirs == ours => Finding::Good(format!("{theirs}, as this program")),
            Some(theirs) => Finding::Good(format!("{theirs}; this program is {ours}")),
            None => Finding::Skipped("the relay does not tell it".to_owned()),
        }
    }

    /// Finding on the Redis of the relay, from the relay's own answer.
    pub(super) fn redis(&self) -> Finding {
        let broker = self.broker.as_deref().unwrap_or_default();
        let server = self.server.as_deref().map(|server| format!(" at {server}")).unwrap_or_default();
        match (self.connected, self.role.as_deref()) {
            (_, None) if self.server.is_none() && self.error.is_none() => {
                Finding::Skipped(format!("the relay's broker is {broker}, and no --redis is given"))
            }
            (Some(false), _) => {
                let message = format!("the relay is not connected to its Redis{server}");
                Finding::Wrong(Wrong::new(Blame::Unreachable, message).hint(self.broker_hint()))
            }
            // A relay reads from a replica only where its URL allows one.
            (_, Some("replica")) => {
                Finding::Good(format!("a replica{server}, as the relay says; its URL allows one"))
            }
            (_, role) => {
                let server = self.server.as_deref().unwrap_or(broker);
                Finding::Good(format!(
                    "{server}, {}, as the relay says",
                    role.unwrap_or("its role is not known")
                ))
            }
        }
    }

    /// Advice for the error of the relay's broker.
    pub(super) fn broker_hint(&self) -> &'static str {
        match self.role.as_deref() {
            Some("replica" | "sentinel") => MASTER_HINT,
            _ => BROKER_HINT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_health_of_a_relay_is_told_in_words() {
        let found = |json: &str| serde_json::from_str::<Health>(json).unwrap().words();
        let Finding::Good(text) = found(r#"{"broker":"embedded","connected":true,"watch":true}"#) else {
            panic!()
        };
        assert_eq!(text, "a relay, its broker is embedded");
        let blame = |json: &str| match found(json) {
            Finding::Wrong(wrong) => wrong.blame,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            blame(r#"{"broker":"redis","connected":false,"error":"connection refused"}"#),
            Blame::Unreachable
        );
        assert_eq!(blame(r#"{"broker":"redis","connected":true,"error":"a probe was lost"}"#), Blame::Broken);
        let revoked = r#"{"broker":"redis","connected":true,"denied":[{"channel":"a","reason":"NOPERM","revoked":true}]}"#;
        assert_eq!(blame(revoked), Blame::Broken);
        let old = r#"{"status":"ok","broker":"embedded","connected":true}"#;
        let Finding::Wrong(wrong) = serde_json::from_str::<Health>(old).unwrap().version() else { panic!() };
        assert!(
            wrong.message.contains("an old one") && wrong.hint.unwrap().contains("upgrade"),
            "{}",
            wrong.message
        );
    }

    #[test]
    fn the_redis_of_a_relay_is_its_own_word() {
        let health = |json: &str| serde_json::from_str::<Health>(json).unwrap();
        let replica = health(
            r#"{"broker":"redis","connected":false,"error":"a replica","server":"r:1","role":"replica"}"#,
        );
        let Finding::Wrong(wrong) = replica.redis() else { panic!() };
        assert_eq!(wrong.message, "the relay is not connected to its Redis at r:1");
        assert!(wrong.hint.unwrap().contains("should lead to the master"));
        let unknown = health(r#"{"broker":"redis","connected":false,"error":"NOAUTH"}"#);
        let Finding::Wrong(wrong) = unknown.redis() else { panic!() };
        assert_eq!(wrong.message, "the relay is not connected to its Redis");
        assert!(wrong.hint.unwrap().contains("user and password"));
        let allowed = health(r#"{"broker":"redis","connected":true,"server":"r:1","role":"replica"}"#);
        assert_eq!(
            allowed.redis(),
            Finding::Good("a replica at r:1, as the relay says; its URL allows one".into())
        );
        let master = health(r#"{"broker":"redis","connected":true,"server":"r:1","role":"master"}"#);
        assert_eq!(master.redis(), Finding::Good("r:1, master, as the relay says".into()));
    }
}

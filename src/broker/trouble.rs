//! Why a broker did not do something, in plain words; pure.

use super::BrokerError;

/// A kind of failure, by what has to be done about it. [`Trouble::code`] is for programs, [`Trouble::word`] for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The server does not answer.
    Away,
    /// The user or the password is wrong, or missing.
    Login,
    /// The data are being loaded (`LOADING`).
    Loading,
    /// A script runs for too long (`BUSY`).
    Busy,
    /// Too many clients are connected.
    TooManyClients,
    /// The access list forbids it (`NOPERM`).
    NotPermitted,
    /// The server is a replica that takes no writes (`READONLY`).
    ReadOnly,
    /// The memory is used up (`OOM`).
    OutOfMemory,
    /// The last snapshot could not be written, so that writes are refused (`MISCONF`).
    CannotPersist,
    /// Too few replicas are connected to take writes (`NOREPLICAS`).
    TooFewReplicas,
    /// A replica whose master is away, and which serves no old data (`MASTERDOWN`).
    MasterDown,
    /// The key lives on another node of a cluster (`MOVED`, `ASK`, `CROSSSLOT`).
    ElsewhereInCluster,
    /// The cluster serves no keys (`CLUSTERDOWN`).
    ClusterDown,
    /// The key is being moved between nodes (`TRYAGAIN`).
    MovingInCluster,
    /// The key holds something else (`WRONGTYPE`).
    WrongType,
    /// The server does not know the command: it was renamed, or the server is no Redis.
    UnknownCommand,
    /// The server is a replica or a Sentinel, and not used.
    NotMaster,
    /// A stream was not read as far as something that was made from its entries.
    StreamBehind,
    /// The broker's queue is full.
    Overloaded,
    /// Anything else; the server's words say more.
    Other,
}

impl Trouble {
    /// Sorts an error reply, which begins with its code. In a reply of a script the code may come later.
    fn of_reply(reply: &str) -> Self {
        const CODES: [(&str, Trouble); 20] = [
            ("WRONGPASS", Trouble::Login),
            ("NOAUTH", Trouble::Login),
            ("LOADING", Trouble::Loading),
            ("BUSY", Trouble::Busy),
            ("NOPERM", Trouble::NotPermitted),
            ("READONLY", Trouble::ReadOnly),
            ("OOM", Trouble::OutOfMemory),
            ("MISCONF", Trouble::CannotPersist),
            ("NOREPLICAS", Trouble::TooFewReplicas),
            ("NOGOODSLAVE", Trouble::TooFewReplicas),
            ("MASTERDOWN", Trouble::MasterDown),
            ("MOVED", Trouble::ElsewhereInCluster),
            ("ASK", Trouble::ElsewhereInCluster),
            ("CROSSSLOT", Trouble::ElsewhereInCluster),
            ("CLUSTERDOWN", Trouble::ClusterDown),
            ("TRYAGAIN", Trouble::MovingInCluster),
            ("WRONGTYPE", Trouble::WrongType),
            ("DENIED", Trouble::NotPermitted),
            ("-OOM", Trouble::OutOfMemory),
            ("-READONLY", Trouble::ReadOnly),
        ];
        const PHRASES: [(&str, Trouble); 5] = [
            ("unknown command", Trouble::UnknownCommand),
            ("max number of clients", Trouble::TooManyClients),
            ("can't run this command", Trouble::NotPermitted),
            ("not allowed in cluster mode", Trouble::ElsewhereInCluster),
            ("can't access at least one of the keys", Trouble::NotPermitted),
        ];
        let code = |word: &str| CODES.iter().find(|(code, _)| word == *code).map(|(_, trouble)| *trouble);
        let lower = reply.to_ascii_lowercase();
        let mut words = reply.split_whitespace();
        words
            .next()
            .and_then(code)
            .or_else(|| {
                PHRASES.iter().find(|(phrase, _)| lower.contains(phrase)).map(|(_, trouble)| *trouble)
            })
            .or_else(|| words.filter(|word| word.starts_with('-')).find_map(code))
            .unwrap_or(Self::Other)
    }

    /// One word, as in `read_only`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Login => "login_refused",
            Self::Loading => "loading",
            Self::Busy => "busy",
            Self::TooManyClients => "too_many_clients",
            Self::NotPermitted => "not_permitted",
            Self::ReadOnly => "read_only",
            Self::OutOfMemory => "out_of_memory",
            Self::CannotPersist => "cannot_persist",
            Self::TooFewReplicas => "too_few_replicas",
            Self::MasterDown => "master_down",
            Self::ElsewhereInCluster => "elsewhere_in_cluster",
            Self::ClusterDown => "cluster_down",
            Self::MovingInCluster => "moving_in_cluster",
            Self::WrongType => "wrong_type",
            Self::UnknownCommand => "unknown_command",
            Self::NotMaster => "not_master",
            Self::StreamBehind => "stream_behind",
            Self::Overloaded => "overloaded",
            Self::Other => "refused",
        }
    }

    /// The inverse of [`Trouble::code`], but for [`Trouble::Away`], [`Trouble::NotMaster`], [`Trouble::StreamBehind`] and
    /// [`Trouble::Overloaded`], which are no refusals.
    pub fn refusal(code: &str) -> Option<Self> {
        const REFUSALS: [Trouble; 16] = [
            Trouble::Login,
            Trouble::Loading,
            Trouble::Busy,
            Trouble::TooManyClients,
            Trouble::NotPermitted,
            Trouble::ReadOnly,
            Trouble::OutOfMemory,
            Trouble::CannotPersist,
            Trouble::TooFewReplicas,
            Trouble::MasterDown,
            Trouble::ElsewhereInCluster,
            Trouble::ClusterDown,
            Trouble::MovingInCluster,
            Trouble::WrongType,
            Trouble::UnknownCommand,
            Trouble::Other,
        ];
        REFUSALS.into_iter().find(|trouble| trouble.code() == code)
    }

    /// The fact, as the end of a sentence such as `could not write job state: redis is a read-only replica`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Away => "redis is away",
            Self::Login => "redis refuses the login",
            Self::Loading => "redis is loading its data",
            Self::Busy => "redis is busy with a script",
            Self::TooManyClients => "redis has too many clients",
            Self::NotPermitted => "redis' access list (ACL) forbids it",
            Self::ReadOnly => "redis is a read-only replica",
            Self::OutOfMemory => "redis is out of memory (maxmemory)",
            Self::CannotPersist => "redis cannot persist its data to disk, and takes no writes",
            Self::TooFewReplicas => "redis has too few replicas, and takes no writes",
            Self::MasterDown => "redis is a replica whose master is away",
            Self::ElsewhereInCluster => "redis is a cluster, and the key lives on another node",
            Self::ClusterDown => "the redis cluster is down",
            Self::MovingInCluster => "the redis cluster is moving the key",
            Self::WrongType => "the key in redis holds something else",
            Self::UnknownCommand => "redis does not know the command",
            Self::NotMaster => "redis is not a master",
            Self::StreamBehind => "the stream of the job's events is not read as far",
            Self::Overloaded => "the broker is overloaded",
            Self::Other => "redis refused the command",
        }
    }

    /// Advice for the user; `None` where the user can do nothing.
    pub const fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::Login => "user and password stand in the URL, as in redis://user:password@host:6379",
            Self::NotPermitted => {
                "the user needs +publish +subscribe +psubscribe, +hmget +hget +hset +expire, the channels, and ~jobwire:*"
            }
            Self::ReadOnly | Self::MasterDown | Self::NotMaster => "the URL should lead to the master",
            Self::OutOfMemory => "raise maxmemory, or set a maxmemory-policy that evicts",
            Self::CannotPersist => "see redis' own log, and its disk",
            Self::ElsewhereInCluster => "redis+cluster://HOST:PORT in the URL knows all nodes",
            _ => return None,
        })
    }

    /// Whether it passes by itself, so that a reader should wait rather than take the job for unknown.
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::Away
                | Self::NotMaster
                | Self::Login
                | Self::Loading
                | Self::Busy
                | Self::TooManyClients
                | Self::ClusterDown
                | Self::MovingInCluster
                | Self::StreamBehind
        )
    }

    /// Whether the same command may succeed later without anybody's changing rights or settings of this client.
    pub const fn may_end(self) -> bool {
        !(self.is_of_a_key() || matches!(self, Self::Login))
    }

    /// Whether it may be one key's, so that other keys should be tried.
    pub const fn is_of_a_key(self) -> bool {
        matches!(
            self,
            Self::NotPermitted
                | Self::ElsewhereInCluster
                | Self::MovingInCluster
                | Self::WrongType
                | Self::UnknownCommand
                | Self::Other
        )
    }
}

impl BrokerError {
    /// The kind of trouble behind this error.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::LoginRefused { .. } => Trouble::Login,
            Self::Overloaded(_) => Trouble::Overloaded,
            Self::Refused { reason, .. } => Trouble::of_reply(reason),
            Self::Unreachable { reason, .. } => match Trouble::of_reply(reason) {
                trouble @ (Trouble::Loading | Trouble::MasterDown | Trouble::TooManyClients) => trouble,
                _ => Trouble::Away,
            },
            Self::NotMaster { .. } => Trouble::NotMaster,
            Self::Tls { .. } | Self::Deaf { .. } | Self::NoSuchMaster { .. } => Trouble::Away,
        }
    }

    /// The server's words, or those of the system.
    pub fn reason(&self) -> String {
        match self {
            Self::Unreachable { reason, .. }
            | Self::LoginRefused { reason, .. }
            | Self::Refused { reason, .. }
            | Self::NotMaster { reason, .. }
            | Self::Deaf { reason, .. } => reason.clone(),
            Self::Tls { problem, .. } => problem.to_string(),
            Self::Overloaded(_) | Self::NoSuchMaster { .. } => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(reason: &str) -> BrokerError {
        BrokerError::Refused { address: String::new(), reason: reason.to_owned() }
    }

    #[test]
    fn each_reply_of_redis_has_its_own_word() {
        for (reply, code) in [
            ("READONLY You can't write against a read only replica.", "read_only"),
            ("NOPERM User relay has no permissions to run the 'hset' command", "not_permitted"),
            ("MOVED 3999 127.0.0.1:6381", "elsewhere_in_cluster"),
            ("CROSSSLOT Keys in request don't hash to the same slot", "elsewhere_in_cluster"),
            (
                "OOM command not allowed when used memory > 'maxmemory'. script: 1, on @user_script:11.",
                "out_of_memory",
            ),
            ("MISCONF Redis is configured to save RDB snapshots, but", "cannot_persist"),
            ("NOREPLICAS Not enough good replicas to write.", "too_few_replicas"),
            ("BUSY Redis is busy running a script.", "busy"),
            ("CLUSTERDOWN Hash slot not served", "cluster_down"),
            ("TRYAGAIN Multiple keys request during rehashing of slot", "moving_in_cluster"),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", "wrong_type"),
            ("NOAUTH Authentication required.", "login_refused"),
            ("ERR unknown command 'EVALSHA', with args beginning with: ", "unknown_command"),
            (
                "ERR The user executing the script can't run this command or subcommand script: 1",
                "not_permitted",
            ),
            (
                "ERR Error running script (call to f_1): @user_script:8: -OOM command not allowed",
                "out_of_memory",
            ),
            ("ERR something new", "refused"),
        ] {
            assert_eq!(refused(reply).trouble().code(), code, "{reply}");
        }
    }

    #[test]
    fn a_refusal_is_found_by_its_code() {
        for trouble in [Trouble::Login, Trouble::ReadOnly, Trouble::NotPermitted, Trouble::Other] {
            assert_eq!(Trouble::refusal(trouble.code()), Some(trouble));
        }
        assert_eq!(Trouble::refusal(Trouble::Away.code()), None);
        assert!(Trouble::ReadOnly.may_end() && Trouble::OutOfMemory.may_end());
        assert!(!Trouble::NotPermitted.may_end() && !Trouble::Login.may_end());
    }

    #[test]
    fn a_server_that_loads_is_told_from_one_that_is_away() {
        let unreachable =
            |reason: &str| BrokerError::Unreachable { address: String::new(), reason: reason.to_owned() };
        assert_eq!(unreachable("LOADING Redis is loading the dataset in memory").trouble(), Trouble::Loading);
        assert_eq!(unreachable("connection refused").trouble(), Trouble::Away);
    }
}

//! Faults of a Redis URL. No message in here repeats a part that could be a password.

use crate::net::tls::TlsFileError;

/// Fault of a Redis URL. The messages never repeat user, password or anything that could be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedisUrlError {
    /// The URL parser refused it.
    #[error("not a redis URL: {0}; it looks like redis://user:password@host:6379/0")]
    Malformed(String),
    /// The scheme is of something else, or missing as in `localhost:6379`; with the nearest one.
    #[error(
        "a redis URL begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://{}",
        .0.map(|near| format!("; did you mean {near}://?")).unwrap_or_default()
    )]
    Scheme(Option<&'static str>),
    /// A host is missing between the slashes, or between two commas.
    #[error("the redis URL names no host; it looks like {0}")]
    NoHost(&'static str),
    /// A host holds a blank or a character of punctuation.
    #[error(
        "a host of the redis URL has a character that no host name has; several hosts are separated by commas, as in {0}"
    )]
    Host(&'static str),
    /// `redis://` with several hosts.
    #[error(
        "redis:// and rediss:// name one host; several are written redis+cluster://host:7000,host2:7001 or redis+sentinel://host:26379,host2:26379/MASTER"
    )]
    SeveralHosts,
    /// More hosts than so many, which nobody needs.
    #[error("the redis URL names more than {0} hosts; a few are enough, the others are learned from them")]
    TooManyHosts(usize),
    /// A login before the second host, or an `@` in a password before several hosts.
    #[error(
        "the login stands once in the redis URL, before the first host; an @ in a password is written %40"
    )]
    LoginTwice,
    /// Port 0 cannot be connected to.
    #[error("the redis URL names port 0")]
    NoPort,
    /// A `unix://` URL needs three slashes: the path is absolute.
    #[error("a redis socket path is absolute: unix:///run/redis/redis.sock")]
    NoPath,
    /// Sentinels know masters by name.
    #[error(
        "the redis URL names no master; it looks like redis+sentinel://host:26379,host2:26379/MASTER with a name that SENTINEL MASTERS lists"
    )]
    NoMaster,
    /// The name of the master holds something that is rather a piece of a password.
    #[error(
        "the name of the master in the redis URL has a character that no name has; the characters / ? # @ in a password are written %2F %3F %23 %40"
    )]
    Master,
    /// The database is not a number.
    #[error(
        "the database of the redis URL is not a number; the characters / ? # @ in a password are written %2F %3F %23 %40"
    )]
    Database,
    /// A cluster has one database.
    #[error(
        "a redis cluster has no database but 0, so that its URL has no path; it looks like redis+cluster://host:7000,host2:7001, and the characters / ? # @ in a password are written %2F %3F %23 %40"
    )]
    ClusterDatabase,
    /// Something follows a `#`.
    #[error("the redis URL has a fragment; a # in a password is written %23")]
    Fragment,
    /// Bytes that percent signs stand for are no UTF-8.
    #[error("the {0} of the redis URL is not UTF-8 once decoded")]
    NotUtf8(&'static str),
    /// `replica` has one value.
    #[error("replica in the redis URL is ok, as in ?replica=ok, or left out")]
    Replica,
    /// `ssl_cert_reqs` has three values.
    #[error("ssl_cert_reqs in the redis URL is none, optional or required")]
    CertReqs,
    /// Certificates or keys are of no use.
    #[error(transparent)]
    Tls(#[from] TlsFileError),
}

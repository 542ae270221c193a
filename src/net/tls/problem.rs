//! A failure of TLS in plain words, and what there is to do about it.

use std::io;

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, OtherError};

/// Names of a certificate that are repeated, at most.
const NAMED: usize = 4;

/// Reason for a failure of TLS with a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// The certificate is self-signed and not trusted.
    #[error("its certificate is self-signed, and nothing here says that it can be trusted")]
    SelfSigned,
    /// The certificate is signed by an authority that is not trusted.
    #[error("its certificate is signed by an authority that is not trusted here")]
    UnknownAuthority,
    /// The certificate has expired. The text gives the day, if it is known.
    #[error("its certificate has expired{0}")]
    Expired(String),
    /// The certificate is not valid yet. The text gives its first day, if it is known.
    #[error("its certificate is not valid yet{0}")]
    NotYetValid(String),
    /// The certificate names other hosts.
    #[error("its certificate is not for {asked}, but for {}", .names.join(", "))]
    WrongName {
        /// The host of the URL.
        asked: String,
        /// Names in the certificate, without unusual characters: at most four, and then the number of the others.
        names: Vec<String>,
    },
    /// The certificate has no subjectAltName.
    #[error(
        "its certificate names no host: it has no subjectAltName, and a common name (CN) is not looked at"
    )]
    Nameless,
    /// The certificate was taken back.
    #[error("its certificate has been revoked")]
    Revoked,
    /// The certificate is meant for something else than a server.
    #[error("its certificate is not meant for servers")]
    Purpose,
    /// An authority's certificate stands in place of a server's.
    #[error("it shows the certificate of an authority in place of a server's own")]
    Authority,
    /// The certificate cannot be used for another reason.
    #[error("its certificate cannot be used: {0}")]
    Unusable(String),
    /// The server answers without TLS.
    #[error("it answers without TLS")]
    Absent,
    /// The server demands a certificate from the client.
    #[error("it wants a certificate of the client")]
    Wanted,
    /// The server does not accept the client's certificate.
    #[error("it does not accept the client's certificate")]
    Unaccepted,
    /// The server refuses the handshake, for example since it supports no TLS version that the client offers.
    #[error("it refuses the TLS handshake ({0})")]
    Refused(String),
    /// The system has no root certificates, so no server can be trusted.
    #[error("this system has no root certificates (on Debian: apt install ca-certificates)")]
    NoRoots,
    /// The host is not one that a certificate can name.
    #[error("the host is no name that a certificate could hold")]
    Host,
    /// The server does not answer the first message of the handshake. A Redis without TLS behaves so.
    #[error("it does not answer the TLS handshake")]
    Silent,
    /// The server closed the connection during the handshake.
    #[error("it ended the connection in the TLS handshake")]
    Ended,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Kind of server that a connection was made to. It decides which flags a hint names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A relay or any other server of HTTP.
    Server,
    /// A Redis.
    Redis,
}

impl Peer {
    /// Beginning of the names of the TLS flags for this peer.
    const fn flag(self) -> &'static str {
        match self {
            Self::Server => "--",
            Self::Redis => "--redis-",
        }
    }
}

impl TlsProblem {
    /// Problem with the certificate `shown`, which the server presented for `name`.
    pub(super) fn of_certificate(error: &Error, shown: &CertificateDer<'_>, name: &ServerName<'_>) -> Self {
        let Error::InvalidCertificate(error) = error else { return Self::Other(error.to_string()) };
        let parsed = webpki::EndEntityCert::try_from(shown);
        let is_self_signed = parsed.as_ref().is_ok_and(|cert| cert.issuer() == cert.subject());
        match error {
            // rustls gives the last two where a trusted authority has the right name and another key.
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                if is_self_signed {
                    Self::SelfSigned
                } else {
                    Self::UnknownAuthority
                }
            }
            CertificateError::Expired => Self::Expired(String::new()),
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired(format!("; it was valid until {}", day(*not_after)))
            }
            CertificateError::NotValidYet => Self::NotYetValid(String::new()),
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid(format!("; it is valid from {}", day(*not_before)))
            }
            CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                Self::Nameless
            }
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::WrongName { asked: name.to_str().into_owned(), names: names(presented) }
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            CertificateError::Other(OtherError(cause)) => match cause.downcast_ref::<webpki::Error>() {
                Some(webpki::Error::CaUsedAsEndEntity) if is_self_signed => Self::SelfSigned,
                Some(webpki::Error::CaUsedAsEndEntity) => Self::Authority,
                Some(webpki::Error::UnsupportedCertVersion) => {
                    Self::Unusable("it is of X.509 version 1, which can name no host".into())
                }
                _ => Self::Unusable(cause.to_string()),
            },
            CertificateError::BadEncoding => Self::Unusable("it is no X.509 certificate".into()),
            other => Self::Unusable(other.to_string()),
        }
    }

    /// Problem that an error of rustls stands for.
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
                cause.downcast_ref::<Self>().cloned().unwrap_or_else(|| Self::Unusable(cause.to_string()))
            }
            Error::InvalidMessage(_) => Self::Absent,
            Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRequired => Self::Wanted,
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => Self::Unaccepted,
                AlertDescription::ProtocolVersion => Self::Refused("no version in common".into()),
                AlertDescription::UnrecognisedName => {
                    Self::Refused("it does not know the host's name".into())
                }
                other => Self::Refused(format!("alert {other:?}")),
            },
            other => Self::Other(other.to_string()),
        }
    }

    /// Hint for the user, with the flags for this peer; `None` where there is nothing to suggest.
    pub fn hint(&self, peer: Peer) -> Option<String> {
        let flag = peer.flag();
        let insecure = format!("{flag}insecure trusts whoever answers");
        Some(match self {
            Self::SelfSigned => format!("{flag}ca FILE trusts a copy of that certificate (PEM); {insecure}"),
            Self::UnknownAuthority | Self::Authority => {
                format!("{flag}ca FILE trusts that authority's certificate (PEM); {insecure}")
            }
            Self::Expired(_) | Self::NotYetValid(_) => {
                format!("is this machine's clock right? otherwise the server needs a new certificate; {insecure}")
            }
            Self::WrongName { .. } => {
                format!("name the server as its certificate does, or give it one for this name; {insecure}")
            }
            Self::Nameless => format!(
                "make one with a name in it: `openssl req -x509 -addext subjectAltName=DNS:HOST …` (IP:ADDRESS for an address); {insecure}"
            ),
            Self::Revoked | Self::Purpose | Self::Unusable(_) => {
                format!("the server needs another certificate; {insecure}")
            }
            Self::Absent | Self::Silent | Self::Ended if peer == Peer::Redis => "redis:// is for a Redis without TLS".to_owned(),
            Self::Absent | Self::Refused(_) | Self::Silent | Self::Ended if peer == Peer::Server => {
                "ws:// and http:// are for servers without TLS".to_owned()
            }
            Self::Wanted if peer == Peer::Redis => {
                "give one with --redis-cert FILE and --redis-key FILE, or set tls-auth-clients no in redis.conf".to_owned()
            }
            Self::Unaccepted if peer == Peer::Redis => {
                "--redis-cert needs a certificate of an authority that the server trusts (its tls-ca-cert-file)"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

/// The problem of TLS in an error of a stream, if it is one.
pub(crate) fn problem_of(error: &io::Error) -> Option<TlsProblem> {
    let cause = error.get_ref()?;
    if let Some(problem) = cause.downcast_ref::<TlsProblem>() {
        return Some(problem.clone());
    }
    cause.downcast_ref::<Error>().map(TlsProblem::of)
}

fn day(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(second)
        .map_or_else(|_| "a day far away".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// The names in webpki's `DnsName("a.example")` and `IpAddress(127.0.0.1)`: from outside, so only plain characters.
fn names(presented: &[String]) -> Vec<String> {
    let plain = |name: &String| -> String {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, rest)| rest.trim_end_matches(')'));
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || ".-_*:@/".contains(*c);
        inner.chars().filter(is_plain).take(100).collect()
    };
    let mut names: Vec<String> = presented.iter().take(NAMED).map(plain).collect();
    if presented.len() > NAMED {
        names.push(format!("{} more", presented.len() - NAMED));
    }
    names
}

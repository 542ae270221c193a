//! Access control of the relay: the policy, the owner of a job, and the reasons for a refusal. Pure.
//!
//! The cause of a refusal goes to the log and not to the client.

use crate::dialect::CloseReason;
use crate::jwt::{Claims, Fault, Flaw, TrustedKeys};

/// Which tokens open the dialects that want one.
#[derive(Debug, Clone)]
pub enum AuthPolicy {
    /// Those signed with one of these keys; where there is none, everybody is refused.
    Keys(TrustedKeys),
    /// None is wanted: everybody may see everything.
    Open,
}

impl Default for AuthPolicy {
    fn default() -> Self {
        Self::Keys(TrustedKeys::default())
    }
}

impl AuthPolicy {
    /// Whether nobody is asked for a token.
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }
}

/// What becomes of who watches a job that has no known owner when its grace is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ownerless {
    /// Refused.
    #[default]
    Refuse,
    /// Served, whoever it is, as long as the token is valid and the job gets no other owner.
    Allow,
}

/// Whose a job is, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ownership<'a> {
    /// Nobody has heard of the job.
    UnknownJob,
    /// The job is known, but not who owns it.
    Nobody,
    /// This subject's.
    Of(&'a str),
}

/// Owners whose jobs a client may see in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// Everybody, and jobs without an owner.
    Anybody,
    /// Everybody, but no job without an owner.
    Somebody,
    /// This subject.
    Of(Box<str>),
}

impl Whose {
    /// Whether jobs of an owner are included.
    pub(super) fn includes(&self, owner: Option<&str>) -> bool {
        match self {
            Self::Anybody => true,
            Self::Somebody => owner.is_some(),
            Self::Of(subject) => owner == Some(subject),
        }
    }
}

/// Who is asking, as far as the request's token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// Nobody in particular, where everybody may see everything.
    Everybody,
    /// The bearer of a valid token, who may see what it covers.
    Bearer(Claims),
    /// The subject of a valid token, who may see what is theirs.
    Subject(Claims),
    /// Nobody who may see anything.
    Refused(Refusal),
}

/// Reason for refusing a request, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No token can be valid, since there is neither secret nor key.
    NoSecret,
    /// The token's key may be in a key set that could not be fetched yet.
    KeysAway,
    /// The token is missing or invalid. Only the log gets the exact fault.
    Token(Flaw),
    /// The token is valid and does not allow this target.
    NotAllowed,
}

impl Refusal {
    /// Refusal of an expired token.
    pub(super) fn expired() -> Self {
        Self::Token(Fault::Expired.into())
    }

    /// Close code and reason of the socket.
    pub(super) const fn close(&self) -> CloseReason {
        match self {
            Self::NoSecret => CloseReason::NoSecret,
            Self::KeysAway => CloseReason::KeysAway,
            Self::Token(_) => CloseReason::Unauthorized,
            Self::NotAllowed => CloseReason::NotAllowed,
        }
    }

    /// Text about the refusal for people, for the body of the response.
    pub(super) const fn message(&self) -> &'static str {
        match self {
            Self::NoSecret => {
                "no secret or key configured that a token could be checked with (SUPABASE_JWT_SECRET, --jwks, --jwt-key)"
            }
            Self::KeysAway => {
                "the keys that tokens are checked with cannot be fetched at the moment; try again"
            }
            Self::Token(_) => {
                "token missing, invalid or expired; send one as ?token=TOKEN or 'Authorization: Bearer TOKEN'"
            }
            Self::NotAllowed => "the token is not for this: its claim watch does not name it",
        }
    }
}

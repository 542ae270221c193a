//! Rights of a client to each target that it names.

use super::target::Named;
use super::{Code, Refused};
use crate::dialect::{Auth, DialectId, Dialects, Topic, TopicKind};
use crate::jwt::{Claims, Grant};
use crate::relay::auth::{Refusal, Whose};

/// Right of a client to lists, besides what its token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::relay) enum ListAccess {
    /// Everybody may have them: a loopback listener that was addressed by a loopback name, or `--lists open`.
    Open,
    /// The client brought the publish key, and may see the jobs of all owners.
    Key,
    /// Only what the token's claim `watch` covers.
    Token,
}

/// Everything that a client has shown of itself.
#[derive(Debug, Clone)]
pub(in crate::relay) struct Credentials {
    /// The claims of its token, or the reason why it has none.
    token: Result<Claims, Refusal>,
    /// No token is wanted by any dialect.
    is_open: bool,
    lists: ListAccess,
}

/// How a target may be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permit {
    /// By everybody.
    Open,
    /// As long as the token is good.
    Token,
    /// By this subject, if the job is theirs.
    Guarded(Box<str>),
    /// As a list of these owners' jobs; the flag says whether it ends with the token.
    List(Whose, bool),
}

impl Permit {
    /// Whether it ends with the client's token.
    pub(super) const fn needs_token(&self) -> bool {
        matches!(self, Self::Token | Self::Guarded(_) | Self::List(_, true))
    }
}

impl Credentials {
    /// A token's claims or their refusal, and the right to lists. `is_open`: no token is wanted at all.
    pub(in crate::relay) const fn new(
        token: Result<Claims, Refusal>,
        is_open: bool,
        lists: ListAccess,
    ) -> Self {
        Self { token, is_open, lists }
    }

    /// With another token.
    #[must_use]
    pub(in crate::relay) fn with_token(&self, claims: Claims) -> Self {
        Self { token: Ok(claims), ..self.clone() }
    }

    /// The token's claims.
    pub(in crate::relay) const fn claims(&self) -> Option<&Claims> {
        match &self.token {
            Ok(claims) => Some(claims),
            Err(_) => None,
        }
    }

    /// The token's subject.
    pub(super) fn subject(&self) -> Option<&str> {
        self.claims().map(|claims| &*claims.subject)
    }

    /// The token has expired.
    pub(super) fn expire(&mut self) {
        self.token = Err(Refusal::expired());
    }

    /// The right to watch a target.
    pub(super) fn permit(&self, named: &Named, dialects: &Dialects) -> Result<Permit, Refused> {
        let dialect = dialects.get(named.dialect());
        let auth = if self.is_open { Auth::None } else { dialect.auth };
        let covers = |grant: &Grant| match named.kind() {
            TopicKind::Job => grant.covers_job(&dialect.name, named.name()),
            TopicKind::Every => grant.lists(&dialect.name),
            TopicKind::Channel => grant.covers_channel(named.name()),
            TopicKind::Room | TopicKind::ChannelAndRoom => grant.covers_room(named.name()),
        };
        if named.kind() == TopicKind::Every {
            return self.list(auth, covers);
        }
        if auth == Auth::None {
            return Ok(Permit::Open);
        }
        match &self.token {
            Err(refusal) => Err(not_allowed(refusal.message())),
            Ok(claims) if !covers(&claims.grant) => Err(not_allowed(Refusal::NotAllowed.message())),
            Ok(claims) if auth == Auth::Owner => Ok(Permit::Guarded(claims.subject.clone())),
            Ok(_) => Ok(Permit::Token),
        }
    }

    /// The owners whose jobs of a dialect may be listed; an error says why none may.
    pub(in crate::relay) fn may_list(&self, id: DialectId, dialects: &Dialects) -> Result<Whose, String> {
        match self.permit(&Named::of(&Topic::every(id)), dialects) {
            Ok(Permit::List(whose, _)) => Ok(whose),
            Ok(_) => Ok(Whose::Anybody),
            Err((_, message)) => Err(message),
        }
    }

    /// The right to the list of a dialect's jobs. A list opens nothing that its jobs do not.
    fn list(&self, auth: Auth, covers: impl Fn(&Grant) -> bool) -> Result<Permit, Refused> {
        const HINT: &str = "a list of jobs needs the publish key, or a token whose claim watch covers it";
        match (self.lists, auth, &self.token) {
            (ListAccess::Key, Auth::Owner, _) => Ok(Permit::List(Whose::Somebody, false)),
            (ListAccess::Key, ..) | (ListAccess::Open, Auth::None, _) => {
                Ok(Permit::List(Whose::Anybody, false))
            }
            (_, Auth::Owner | Auth::Token, Err(refusal)) => Err(not_allowed(refusal.message())),
            (ListAccess::Token, Auth::None, Err(_)) => Err(not_allowed(HINT)),
            (lists, auth, Ok(claims)) => {
                let is_listed = covers(&claims.grant);
                if !is_listed && lists == ListAccess::Token {
                    return Err(not_allowed(HINT));
                }
                if !is_listed && claims.grant.is_restricted() {
                    return Err(not_allowed(Refusal::NotAllowed.message()));
                }
                let of = if auth == Auth::Owner { Whose::Of(claims.subject.clone()) } else { Whose::Anybody };
                Ok(Permit::List(of, true))
            }
        }
    }
}

fn not_allowed(message: &str) -> Refused {
    (Code::NotAllowed, message.to_owned())
}

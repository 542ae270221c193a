//! Close codes and their reasons, all of them, in one place.

/// Why a relay closes a connection. The code and the reason text are what the client sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// 1000: done, nothing went wrong.
    Normal,
    /// 1001: the relay is shutting down.
    GoingAway,
    /// 1001: the connection lived as long as it may.
    Lifetime,
    /// 1001: the client answered nothing for two ping intervals.
    Stale,
    /// 1002: the client broke the WebSocket protocol.
    Protocol,
    /// 1007: a text that is not UTF-8.
    NotUtf8,
    /// 1009: a frame or message over the limit.
    TooBig,
    /// 1011: the relay failed.
    Internal,
    /// 1013: the client reads too slowly for even the events that may not be dropped.
    SlowConsumer,
    /// 1013: the relay is overloaded; try again later.
    Overload,
    /// 1013: the keys that tokens are checked with cannot be fetched at the moment; try again later.
    KeysAway,
    /// 4001: token missing, invalid or expired.
    Unauthorized,
    /// 4001: no secret is configured that a token could be checked with.
    NoSecret,
    /// 4003: the token's subject does not own the job.
    NotOwner,
    /// 4003: a job that nobody has heard of.
    UnknownTask,
    /// 4003: the token is restricted to other targets.
    NotAllowed,
    /// 4004: no such job id can exist.
    ImpossibleJob,
}

impl CloseReason {
    /// The WebSocket close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway | Self::Lifetime | Self::Stale => 1001,
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::SlowConsumer | Self::Overload | Self::KeysAway => 1013,
            Self::Unauthorized | Self::NoSecret => 4001,
            Self::NotOwner | Self::UnknownTask | Self::NotAllowed => 4003,
            Self::ImpossibleJob => 4004,
        }
    }

    /// The reason text, at most 123 bytes as RFC 6455 wants.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::GoingAway => "going away",
            Self::Lifetime => "lifetime over",
            Self::Stale => "no answer to pings",
            Self::Protocol => "protocol error",
            Self::NotUtf8 => "text is not UTF-8",
            Self::TooBig => "frame too big",
            Self::Internal => "internal error",
            Self::SlowConsumer => "slow consumer",
            Self::Overload => "overloaded, try again later",
            Self::KeysAway => "token keys not fetched yet, try again later",
            Self::Unauthorized => "token missing, invalid or expired",
            Self::NoSecret => "no secret configured",
            Self::NotOwner => "not the owner",
            Self::UnknownTask => "unknown task",
            Self::NotAllowed => "not allowed by the token",
            Self::ImpossibleJob => "impossible job id",
        }
    }

    /// Whether a client that got this code may not simply try again: it was refused.
    pub const fn is_refusal(code: u16) -> bool {
        matches!(code, 4001 | 4003)
    }
}

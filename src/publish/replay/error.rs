//! Why a line of a recording is not published.

use crate::dialect::RecordedError;

use super::lines::MAX_LINE;

/// Why a line of a recording is not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("it is longer than {} MiB", MAX_LINE >> 20)]
    TooLong,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("it is cut off: the recording ends in the middle of a line")]
    CutOff,
    #[error("it is no JSON: {0}")]
    NotJson(String),
    #[error("it is no JSON object")]
    NotObject,
    #[error("it is no line of a recording: {0}")]
    Members(String),
    #[error("it has neither an event nor anything else that a recording has")]
    NoEntry,
    #[error("it has no target")]
    NoTarget,
    /// The target is none.
    #[error("its target is none: {0}")]
    Target(String),
    #[error("it has no time in `received_at`")]
    NoTime,
    #[error("its received_at is no time: {0}")]
    Time(String),
    #[error("its time is before that of line {0}")]
    Backwards(u64),
    #[error("its time is after that of line {0}, which comes later")]
    Ahead(u64),
    #[error("its time is more than a day from that of line {0}, and no other line is near it")]
    FarFrom(u64),
    #[error("its event and the same event in `raw` differ")]
    OtherRaw,
    #[error(transparent)]
    Event(#[from] RecordedError),
    #[error("the event is one of {event}, and its target is of {target}")]
    OtherDialect { event: String, target: String },
    #[error("it is of {line}, and --as names {renamed}")]
    OtherThanAs { line: String, renamed: String, example: String },
    #[error("it is of {line}, and --as renames one job, which is {first}")]
    Several { first: String, line: String },
    /// Another program publishes the events.
    #[error("{publisher} publishes the events of {dialect}; jobwire only watches them")]
    Foreign { publisher: String, dialect: String },
    #[error("relays never read the events of {0} from streams; leave --durable out")]
    NotDurable(String),
}

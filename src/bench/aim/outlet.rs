//! Place that an event is published to.

use crate::dialect::Dialect;

/// A channel, and the stream that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlet {
    /// Name of the channel.
    pub channel: String,
    /// Key of the stream.
    pub stream: String,
    /// The job that an entry of the stream names, where the channel is the job's own.
    pub job: Option<String>,
}

impl Outlet {
    /// Channel of a dialect, by its full name.
    pub fn of(dialect: &Dialect, channel: String) -> Self {
        let stream = dialect.source.stream_of(&channel);
        let job = dialect.source.job_of(&channel).map(str::to_owned);
        Self { channel, stream, job }
    }
}

//! Sources of a dialect's publications: channels, or event streams of queues.

use super::Dialect;

/// The Redis channel or channels of a dialect, or its queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A single channel; the payload names the job.
    Channel(String),
    /// A channel per job: this prefix, then the job's id.
    PerJob(String),
    /// Several channels, by their full names.
    Channels(Vec<String>),
    /// Event streams of queues: `PREFIX:QUEUE:events`. A job's id is `QUEUE:ID`, divided at the first colon, and the channel
    /// of its publications `PREFIX:QUEUE:ID`.
    Queues {
        /// The prefix, without its colon.
        prefix: String,
        /// Names of the queues; `None`: all that there are, now and later.
        names: Option<Vec<String>>,
    },
}

impl Source {
    /// Key of the stream that stands for a channel: the channel's name, or of a channel per job the fixed part without its
    /// last separator.
    pub fn stream_of(&self, channel: &str) -> String {
        match self {
            Self::Channel(name) => name.clone(),
            Self::PerJob(prefix) => {
                prefix.strip_suffix([':', '_', '-', '.', '/']).unwrap_or(prefix).to_owned()
            }
            Self::Channels(_) => channel.to_owned(),
            Self::Queues { prefix, .. } => {
                let job = self.job_of(channel).unwrap_or(channel);
                format!("{prefix}:{}:events", job.split(':').next().unwrap_or_default())
            }
        }
    }

    /// Job's id in the name of a channel, where each job has a channel of its own.
    pub fn job_of<'a>(&self, channel: &'a str) -> Option<&'a str> {
        match self {
            Self::PerJob(prefix) => channel.strip_prefix(prefix.as_str()),
            Self::Queues { prefix, .. } => channel.strip_prefix(prefix.as_str())?.strip_prefix(':'),
            Self::Channel(_) | Self::Channels(_) => None,
        }
    }

    /// Name of the queue whose events the stream of this key has.
    fn queue_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        let Self::Queues { prefix, .. } = self else { return None };
        key.strip_prefix(prefix.as_str())?.strip_prefix(':')?.strip_suffix(":events")
    }
}

impl Dialect {
    /// The Redis channel on which events of `job`, or of a channel of that name, are published.
    pub fn channel_of(&self, job: &str) -> String {
        match (&self.source, &self.channels) {
            (Source::Channel(channel), _) => channel.clone(),
            (Source::PerJob(prefix), _) => format!("{prefix}{job}"),
            (Source::Channels(_), Some(channels)) => channels.redis_name(job),
            (Source::Channels(_), None) => String::new(),
            (Source::Queues { prefix, .. }, _) => format!("{prefix}:{job}"),
        }
    }

    /// The channel, or the part of the jobs' ids before their first colon, that a stream of this key alone is of; `None`: it is
    /// of the whole dialect.
    pub fn stream_part(&self, key: &str) -> Option<String> {
        match (&self.source, &self.channels) {
            (Source::Channels(_), Some(channels)) => key.strip_prefix(channels.prefix()).map(str::to_owned),
            (source @ Source::Queues { .. }, _) => source.queue_of(key).map(str::to_owned),
            _ => None,
        }
    }
}

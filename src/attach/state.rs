//! What there is to know of a watched job, its parts and its connection.

use std::time::{Duration, Instant};

use crate::dialect::{LogView, Outcome, Phase, StatusView, View};

/// How a watched job is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing was heard of it, and there was no connection yet.
    Connecting,
    /// There is a connection; nothing was heard of the job.
    Waiting,
    /// The job waits for its turn.
    Queued,
    /// The job is at work.
    Running,
    /// The job had ended before anybody asked for a new run, which is waited for.
    EndedBefore(Outcome),
    /// The job has ended, and this counts.
    Ended(Outcome),
    /// The server is lost for good, or refused.
    Lost,
}

impl State {
    /// Whether nothing more is expected of the job.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Ended(_) | Self::Lost)
    }
}

/// When a message came on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// First, and at once: the server's snapshot, which may be a repeat.
    First,
    /// The server's state, told anew on a later connection or after a gap. It may be a repeat.
    Again,
    /// Soon after the first: it may be a part of what the server tells of the run so far.
    Opening,
    /// After all that the server had to tell.
    Live,
}

impl When {
    /// Whether it is the server's state, which may be known already.
    pub(crate) const fn is_state(self) -> bool {
        matches!(self, Self::First | Self::Again)
    }
}

/// The connection of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// The first attempt is on its way.
    Connecting,
    /// The socket is open.
    Connected,
    /// The socket was open and is not any more.
    Disconnected {
        /// Why, as far as known.
        reason: String,
    },
    /// The socket is down and is tried again at a time that is set.
    Reconnecting {
        /// The attempt that comes next, from 1.
        attempt: u32,
        /// How long until then, counted from when this was reported.
        wait: Duration,
        /// Why the last attempt failed.
        reason: String,
    },
    /// The server is there and does not know the job yet; it is asked again at a time that is set.
    Awaiting {
        /// How long until then, counted from when this was reported.
        wait: Duration,
        /// What the server said.
        reason: String,
    },
    /// The socket is down, and the state comes from polling.
    Polling,
    /// Nothing more is expected.
    Closed,
}

/// One part of a job (a scraper).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// How it is doing.
    pub phase: Phase,
    /// Its own results.
    pub count: Option<u64>,
    /// What was last said of it: an error, if it failed.
    pub text: Option<String>,
    /// When it last changed.
    pub changed: Instant,
}

/// Effect of an input on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing that was not known.
    Nothing,
    /// Something a person can see.
    Changed,
    /// A part of the job did something.
    Part(String),
    /// A run began; runs are counted from 1.
    Began(u32),
    /// A text that changes no state.
    Remark(String),
    /// A line of the job's log.
    Log(LogView),
    /// The job had ended before. A new run is waited for.
    EndedBefore(Outcome),
    /// The job ended, and this counts.
    Ended(Outcome),
}

/// What is known of the current run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    /// Percent done, 0 to 100.
    pub percent: Option<f64>,
    /// Step that is going on, from 1.
    pub step: Option<u64>,
    /// How many steps there are.
    pub total: Option<u64>,
    /// Results so far.
    pub count: Option<u64>,
    /// The newest text for people.
    pub message: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
    /// What came of it.
    pub result: Option<String>,
}

impl Facts {
    /// What an event says of the job; texts of its parts stay with them.
    pub(super) fn of_event(view: &View) -> Self {
        let whole = view.entity.is_none();
        Self {
            percent: view.percent,
            step: view.step,
            total: view.total,
            count: view.count,
            message: view.message.clone().filter(|_| whole),
            error: view.error.clone().filter(|_| whole),
            result: view.result.clone(),
        }
    }

    pub(super) fn of_status(view: &StatusView) -> Self {
        Self {
            percent: view.percent,
            step: view.step,
            total: view.total,
            count: view.count,
            message: view.message.clone(),
            error: view.error.clone(),
            result: view.result.clone(),
        }
    }
}

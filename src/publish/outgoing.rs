//! An event on its way out: all that is known of it before the moment it is sent.

use std::sync::Arc;

use jiff::Timestamp;

use crate::dialect::{Assignment, Dialect, FieldError};

/// An event that is to be published.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its dialect.
    pub dialect: Arc<Dialect>,
    /// Its job, possible for the dialect; where the dialect has channels, the name of one.
    pub job: String,
    /// What it says.
    pub content: Content,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Fields of an event in the dialect's catalogue.
    Fields {
        /// The event's name.
        event: String,
        /// What was given.
        fields: Vec<Assignment>,
    },
    /// Fields of an event that the catalogue need not know.
    Unchecked {
        /// The event's name.
        event: String,
        /// What was given.
        fields: Vec<Assignment>,
    },
    /// A payload that somebody else made.
    Whole(String),
}

impl Outgoing {
    /// The channel it goes to.
    pub fn channel(&self) -> String {
        self.dialect.channel_of(&self.job)
    }

    /// Its payload, as of `now`.
    pub fn payload(&self, now: Timestamp) -> Result<String, FieldError> {
        match &self.content {
            Content::Whole(payload) => Ok(payload.clone()),
            Content::Fields { event, fields } => self.dialect.build(event, &self.job, fields, now),
            Content::Unchecked { event, fields } => {
                self.dialect.build_unchecked(event, &self.job, fields, now)
            }
        }
    }
}

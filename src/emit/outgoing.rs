//! An event on its way out: all that is known of it before the moment it is sent.

use std::sync::Arc;

use jiff::Timestamp;

use crate::dialect::{Assignment, Dialect, FieldError, Opens, Standing};

/// An event that is to be published.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// Its dialect.
    pub dialect: Arc<Dialect>,
    /// Its job, possible for the dialect; where the dialect has channels, the name of one.
    pub job: String,
    /// What it says.
    pub content: Content,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
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
    pub(crate) fn channel(&self) -> String {
        self.dialect.channel_of(&self.job)
    }

    /// Whether it opens a new run of its job. An event for the relay alone opens none that anybody sees.
    pub(crate) fn opens(&self) -> Opens {
        let Ok(payload) = self.payload(Timestamp::UNIX_EPOCH) else { return Opens::Never };
        let channel = self.channel();
        let decoded = self.dialect.decode(channel.as_bytes(), payload.as_bytes());
        let kind = decoded.ok().and_then(|event| event.kind).filter(|kind| !kind.hidden);
        kind.map_or(Opens::Never, |kind| kind.opens)
    }

    /// Whether it does not say how far its job is, and a default would set the job back.
    pub(crate) fn needs_standing(&self) -> bool {
        let (Content::Fields { event, fields } | Content::Unchecked { event, fields }) = &self.content else {
            return false;
        };
        self.dialect.needs_standing(event, fields)
    }

    /// Takes over how far its job is.
    pub(crate) fn carry(&mut self, standing: &Standing) {
        if let Content::Fields { event, fields } | Content::Unchecked { event, fields } = &mut self.content {
            self.dialect.carry(event, fields, standing);
        }
    }

    /// Its payload, as of `now`.
    pub(crate) fn payload(&self, now: Timestamp) -> Result<String, FieldError> {
        match &self.content {
            Content::Whole(payload) => Ok(payload.clone()),
            Content::Fields { event, fields } => self.dialect.build(event, &self.job, fields, now),
            Content::Unchecked { event, fields } => {
                self.dialect.build_unchecked(event, &self.job, fields, now)
            }
        }
    }
}

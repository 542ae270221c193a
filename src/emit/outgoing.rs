//! An event before it is sent.

use std::sync::Arc;

use jiff::Timestamp;

use crate::dialect::{Assignment, Dialect, FieldError, Opens, Standing};

/// An event that is to be published.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    /// Dialect of the event.
    pub dialect: Arc<Dialect>,
    /// Job of the event, valid in the dialect; in a dialect with channels the name of a channel.
    pub job: String,
    /// Content of the event.
    pub content: Content,
}

/// Content of an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// Fields of an event in the dialect's catalogue.
    Fields {
        /// Name of the event.
        event: String,
        /// Fields that the user gave.
        fields: Vec<Assignment>,
    },
    /// Fields of an event that may be missing in the catalogue.
    Unchecked {
        /// Name of the event.
        event: String,
        /// Fields that the user gave.
        fields: Vec<Assignment>,
    },
    /// A complete payload from elsewhere.
    Whole(String),
}

impl Outgoing {
    /// Channel that the event is sent to.
    pub(crate) fn channel(&self) -> String {
        self.dialect.channel_of(&self.job)
    }

    /// Whether the event opens a new run of its job. Events for the relay alone never do.
    pub(crate) fn opens(&self) -> Opens {
        let Ok(payload) = self.payload(Timestamp::UNIX_EPOCH) else { return Opens::Never };
        let channel = self.channel();
        let decoded = self.dialect.decode(channel.as_bytes(), payload.as_bytes());
        let kind = decoded.ok().and_then(|event| event.kind).filter(|kind| !kind.hidden);
        kind.map_or(Opens::Never, |kind| kind.opens)
    }

    /// Whether the event lacks the progress of its job, so that a default would set the progress back.
    pub(crate) fn needs_standing(&self) -> bool {
        let (Content::Fields { event, fields } | Content::Unchecked { event, fields }) = &self.content else {
            return false;
        };
        self.dialect.needs_standing(event, fields)
    }

    /// Adds the known progress of the job to the event.
    pub(crate) fn carry(&mut self, standing: &Standing) {
        if let Content::Fields { event, fields } | Content::Unchecked { event, fields } = &mut self.content {
            self.dialect.carry(event, fields, standing);
        }
    }

    /// Payload of the event at the time `now`.
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

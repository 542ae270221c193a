//! Events that end a job, and events that open it again. They are found in the catalogue by their effect, not by their names.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::probe;
use crate::dialect::{Assignment, Dialect, EventDef, FieldError, FieldType, Opens, Outcome, View};
use crate::emit::{Content, Outgoing};

/// Exit codes of a shell whose command was ended by SIGINT or SIGTERM.
const INTERRUPTED: [u8; 2] = [130, 143];

/// Way in which a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// An outcome.
    Outcome(Outcome),
    /// The exit code of a command: 0 means succeeded, 130 and 143 mean interrupted.
    Exit(u8),
}

/// Reason why a job cannot be ended this way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EndingError {
    /// The dialect has no event with this outcome.
    #[error("the dialect {dialect} has no event that says '{}'", outcome.as_str())]
    NoEvent {
        /// Name of the dialect.
        dialect: String,
        /// Wanted outcome.
        outcome: Outcome,
    },
    /// The event needs other fields, or its fields do not take the exit code.
    #[error("the dialect {dialect} cannot say that a job ended with {ending}: {error}")]
    Field {
        /// Name of the dialect.
        dialect: String,
        /// Wanted ending.
        ending: Ending,
        /// Error of the event.
        error: FieldError,
    },
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome(outcome) => write!(f, "the outcome '{}'", outcome.as_str()),
            Self::Exit(code) => write!(f, "exit code {code}"),
        }
    }
}

impl Ending {
    /// Outcome of the ending. An interrupted job counts as failed where the dialect has no event for cancelled jobs.
    fn outcome(self, dialect: &Dialect) -> Outcome {
        match self {
            Self::Exit(0) => Outcome::Succeeded,
            Self::Exit(code)
                if INTERRUPTED.contains(&code) && event(dialect, Outcome::Cancelled).is_some() =>
            {
                Outcome::Cancelled
            }
            Self::Exit(_) => Outcome::Failed,
            Self::Outcome(outcome) => outcome,
        }
    }

    /// Event that ends `job`. An exit code goes into the event's field for it, or else into the text of the error.
    pub(crate) fn event(self, dialect: &Arc<Dialect>, job: &str) -> Result<Outgoing, EndingError> {
        let outcome = self.outcome(dialect);
        let def = event(dialect, outcome)
            .ok_or_else(|| EndingError::NoEvent { dialect: dialect.name.to_string(), outcome })?;
        let fields = match (self, outcome) {
            (_, Outcome::Succeeded) => Vec::new(),
            (Self::Exit(code), _) => said(dialect, def, job, code),
            // Some dialects require an error text in a failure.
            (Self::Outcome(outcome), _) => match dialect.build(&def.name, job, &[], Timestamp::UNIX_EPOCH) {
                Ok(_) => Vec::new(),
                Err(_) => error_text(dialect, def, job, outcome.as_str()),
            },
        };
        let content = Content::Fields { event: def.name.clone(), fields };
        let event = Outgoing { dialect: Arc::clone(dialect), job: job.to_owned(), content };
        // The check does not depend on the time.
        match event.payload(Timestamp::UNIX_EPOCH) {
            Ok(_) => Ok(event),
            Err(error) => Err(EndingError::Field { dialect: dialect.name.to_string(), ending: self, error }),
        }
    }
}

/// First event of the catalogue that ends a job with this outcome.
fn event(dialect: &Dialect, outcome: Outcome) -> Option<&EventDef> {
    // Events of channels end resources, not jobs.
    let events = if dialect.channels.is_some() { &[][..] } else { &dialect.catalogue.events };
    events.iter().find(|def| {
        let named = dialect.kind(&def.name).or_else(|| {
            // A field's default names the kind where the event's name is not the kind.
            let values = def.fields.iter().filter_map(|field| field.default.as_ref()?.as_str());
            values.filter_map(|value| dialect.kind(value)).find(|kind| kind.ends.is_some())
        });
        named.is_some_and(|kind| kind.ends == Some(outcome))
    })
}

/// Event that opens a new run of a job that has ended. `None` where the dialect has no such event that needs only the job.
pub(super) fn opening(dialect: &Arc<Dialect>, job: &str) -> Option<Outgoing> {
    let of = |def: &EventDef| {
        let content = Content::Fields { event: def.name.clone(), fields: Vec::new() };
        Outgoing { dialect: Arc::clone(dialect), job: job.to_owned(), content }
    };
    let events = dialect.catalogue.events.iter().map(of);
    events.filter(|event| event.opens() >= Opens::AfterEnding).max_by_key(Outgoing::opens)
}

/// Assignment of the exit code to its field, or else of a text with the code to the field of the error.
fn said(dialect: &Dialect, def: &EventDef, job: &str, code: u8) -> Vec<Assignment> {
    let digits = code.to_string();
    let shows_code = |view: &View| view.error.as_ref().is_some_and(|error| error.ends_with(&digits));
    match probe::field(dialect, (def, job), FieldType::Int, &code.into(), shows_code) {
        Some(name) => vec![Assignment::json(name, code)],
        None => error_text(dialect, def, job, &format!("exit code {code}")),
    }
}

/// Assignment of a text to the field of the error.
fn error_text(dialect: &Dialect, def: &EventDef, job: &str, text: &str) -> Vec<Assignment> {
    let shows_text = |view: &View| view.error.as_deref() == Some(text);
    let name = probe::field(dialect, (def, job), FieldType::String, &text.into(), shows_text);
    name.map(|name| Assignment::json(name, text)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::Dialects;

    fn payload(dialect: &str, ending: Ending) -> Result<Value, String> {
        let dialects = Dialects::builtin();
        let event =
            ending.event(dialects.named(dialect).unwrap().1, "7").map_err(|error| error.to_string())?;
        Ok(serde_json::from_str(&event.payload(Timestamp::UNIX_EPOCH).unwrap()).unwrap())
    }

    #[test]
    fn each_dialect_ends_by_its_own_event() {
        let succeeded = Ending::Exit(0);
        assert_eq!(payload("scraping", succeeded).unwrap()["event_type"], "job_completed");
        assert_eq!(
            payload("downloads", succeeded).unwrap(),
            json!({"jobId": "7", "status": "completed", "progress": 100})
        );
        assert_eq!(payload("tasks", succeeded).unwrap()["type"], "completion");
        let failed = Ending::Exit(3);
        assert_eq!(payload("scraping", failed).unwrap()["message"], "exit code 3");
        assert_eq!(payload("downloads", failed).unwrap()["error"], "exit code 3");
        assert_eq!(payload("tasks", failed).unwrap()["error"], "exit code 3");
        assert_eq!(payload("tasks", Ending::Outcome(Outcome::Failed)).unwrap()["error"], "failed");
        assert_eq!(payload("downloads", Ending::Outcome(Outcome::Failed)).unwrap().get("error"), None);
    }

    #[test]
    fn the_neutral_dialect_has_a_place_for_the_code() {
        let at = |ending| {
            let mut event = payload("jobs", ending).unwrap();
            event.as_object_mut().unwrap().remove("timestamp").unwrap();
            event
        };
        assert_eq!(at(Ending::Exit(0)), json!({"job": "7", "event": "succeeded"}));
        assert_eq!(at(Ending::Exit(3)), json!({"job": "7", "event": "failed", "exit_code": 3}));
        assert_eq!(at(Ending::Exit(130)), json!({"job": "7", "event": "cancelled", "exit_code": 130}));
        assert_eq!(at(Ending::Outcome(Outcome::Failed)), json!({"job": "7", "event": "failed"}));
        assert_eq!(at(Ending::Outcome(Outcome::Cancelled)), json!({"job": "7", "event": "cancelled"}));
    }

    #[test]
    fn a_run_is_opened_by_the_dialect_s_own_event_where_it_has_one() {
        let dialects = Dialects::builtin();
        let opening = |name: &str| {
            let event = opening(dialects.named(name).unwrap().1, "7")?;
            let payload: Value =
                serde_json::from_str(&event.payload(Timestamp::UNIX_EPOCH).unwrap()).unwrap();
            Some(
                ["event", "event_type", "status"]
                    .iter()
                    .find_map(|name| payload[*name].as_str().map(str::to_owned)),
            )
        };
        for (name, kind) in [("jobs", "started"), ("scraping", "job_started"), ("downloads", "queued")] {
            assert_eq!(opening(name), Some(Some(kind.to_owned())));
        }
        // The owner of a task cannot be guessed.
        assert_eq!(opening("tasks"), None);
    }

    #[test]
    fn an_interrupted_job_fails_where_the_dialect_has_no_other_word() {
        assert_eq!(payload("downloads", Ending::Exit(130)).unwrap()["error"], "exit code 130");
        let error = payload("downloads", Ending::Outcome(Outcome::Cancelled)).unwrap_err();
        assert_eq!(error, "the dialect downloads has no event that says 'cancelled'");
        let error = payload("channels", Ending::Exit(0)).unwrap_err();
        assert!(error.starts_with("the dialect channels has no event"), "{error}");
    }
}

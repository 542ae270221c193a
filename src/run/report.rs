//! Events of a command, made from the catalogue of the job's dialect.

use std::sync::Arc;

use serde_json::Value;

use crate::dialect::{Assignment, Dialect};
use crate::emit::{Content, Outgoing};
use crate::exit::Failure;
use crate::progress::Progress;

/// Events that a dialect needs for the job of a command.
const NEEDED: [&str; 5] = ["started", "progress", "succeeded", "failed", "cancelled"];
/// Event of a line of output. Dialects without this event get no lines.
const LOG: &str = "log";

/// Ending of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The command exited with code 0.
    Succeeded,
    /// The command failed or could not be started.
    Failed(Fate),
    /// INT or TERM ended the command.
    Cancelled(Fate),
}

/// Details of a command that did not succeed; unknown details are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// Exit code of the command.
    pub(super) exit_code: Option<i32>,
    /// Name of the signal that ended the command.
    pub(super) signal: Option<String>,
    /// Reason why the command did not run or could not be followed.
    pub(super) error: Option<String>,
}

/// Maker of the events of one job.
#[derive(Debug, Clone)]
pub(super) struct Reporter {
    dialect: Arc<Dialect>,
    job: String,
}

impl Reporter {
    /// Makes a reporter. A dialect that lacks an event of a command's job is an error.
    pub(super) fn new(dialect: Arc<Dialect>, job: String) -> Result<Self, Failure> {
        let missing = NEEDED.iter().find(|event| dialect.catalogue.event(event).is_err());
        match missing {
            None => Ok(Self { dialect, job }),
            Some(event) => Err(Failure::usage(format!(
                "run tells of a command by the events {}; the dialect {} has no event {event}",
                NEEDED.join(", "),
                dialect.name
            ))
            .hint(
                "name a job of the dialect jobs, as in jobs/build-42, or of a dialect file with these events",
            )),
        }
    }

    /// Name of the job with its dialect.
    pub(super) fn target(&self) -> String {
        format!("{}/{}", self.dialect.name, self.job)
    }

    pub(super) fn started(&self, host: &str, pid: Option<u32>, command: &str) -> Outgoing {
        self.event(
            "started",
            vec![
                ("host", Some(host.into())),
                ("pid", pid.map(Value::from)),
                ("command", Some(command.into())),
            ],
        )
    }

    pub(super) fn progress(&self, progress: &Progress) -> Outgoing {
        self.event(
            "progress",
            vec![
                ("percent", progress.percent.map(Value::from)),
                ("step", progress.step.map(Value::from)),
                ("total", progress.total.map(Value::from)),
                ("message", progress.message.as_deref().map(Value::from)),
            ],
        )
    }

    /// A line of output; `None` where the dialect has no event for one.
    pub(super) fn line(&self, stream: Option<&str>, line: &str) -> Option<Outgoing> {
        self.dialect.catalogue.event(LOG).ok()?;
        Some(self.event(LOG, vec![("line", Some(line.into())), ("stream", stream.map(Value::from))]))
    }

    pub(super) fn ended(&self, ending: &Ending) -> Outgoing {
        let (event, fate) = match ending {
            Ending::Succeeded => return self.event("succeeded", Vec::new()),
            Ending::Failed(fate) => ("failed", fate),
            Ending::Cancelled(fate) => ("cancelled", fate),
        };
        self.event(
            event,
            vec![
                ("error", fate.error.as_deref().map(Value::from)),
                ("exit_code", fate.exit_code.map(Value::from)),
                ("signal", fate.signal.as_deref().map(Value::from)),
            ],
        )
    }

    /// An event with those of the fields that the dialect has for it.
    fn event(&self, event: &str, fields: Vec<(&str, Option<Value>)>) -> Outgoing {
        let has = |name: &str| {
            let def = self.dialect.catalogue.event(event).ok();
            def.is_some_and(|def| def.settable().any(|field| field.name == name))
        };
        let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let fields = given.filter(|(name, _)| has(name)).map(|(name, value)| Assignment::json(name, value));
        let content = Content::Fields { event: event.to_owned(), fields: fields.collect() };
        Outgoing { dialect: Arc::clone(&self.dialect), job: self.job.clone(), content }
    }
}

//! Views of events, in the same words for each dialect: member `view` of the events of `/watch`.

use serde::{Deserialize, Serialize};

use crate::dialect::{Opens, Phase, View};

/// Facts of one event. Absent where the event does not say them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventView {
    /// Kind of the event, as its payload spells it.
    pub kind: String,
    /// State that the event gives its job: `queued`, `running`, `succeeded`, `failed` or `cancelled`. A remark and a log line give
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// When the event opens a new run: `always`, `after_ending` of a run, or `after_failure` of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<String>,
    /// Percent done, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<f64>,
    /// Step that is going on, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Number of steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Results so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Text for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Error of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Result of a success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Part of the job that the event is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<PartView>,
    /// Line of the job's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LineView>,
    /// Resource that the event of a channel is about, as its room is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// Facts of one part of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartView {
    /// Name of the part.
    pub name: String,
    /// State of the part: `running`, `succeeded` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Results of the part so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// Line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LineView {
    /// Text of the line.
    pub line: String,
    /// Stream to which it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
}

impl From<View> for EventView {
    fn from(view: View) -> Self {
        let kind = &view.kind;
        let state = match kind.ends {
            Some(outcome) => Some(outcome.as_str()),
            None if kind.notice || kind.log => None,
            None if kind.queued => Some("queued"),
            None => Some("running"),
        };
        let opens = match kind.opens {
            Opens::Never => None,
            Opens::AfterFailure => Some("after_failure"),
            Opens::AfterEnding => Some("after_ending"),
            Opens::Always => Some("always"),
        };
        let phase = |phase| match phase {
            Phase::Running => "running",
            Phase::Succeeded => "succeeded",
            Phase::Failed => "failed",
        };
        Self {
            kind: kind.name.to_string(),
            // Whether the event of a channel ends anything is not known to those who watch jobs.
            state: state.filter(|_| view.resource.is_none()).map(str::to_owned),
            opens: opens.map(str::to_owned),
            percent: view.percent,
            step: view.step,
            total: view.total,
            count: view.count,
            message: view.message,
            error: view.error,
            result: view.result,
            part: view.entity.map(|part| PartView {
                name: part.name,
                state: part.phase.map(|at| phase(at).to_owned()),
                count: part.count,
            }),
            log: view.log.map(|log| LineView { line: log.line, stream: log.stream }),
            resource: view.resource,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    #[test]
    fn an_event_says_the_same_in_each_dialect() {
        let dialects = Dialects::builtin();
        for (dialect, payload, wanted) in [
            (
                "celery",
                r#"{"status":"PROGRESS","result":{"current":1,"total":4,"status":"a"},"task_id":"1"}"#,
                r#"{"kind":"PROGRESS","state":"running","opens":"after_failure","percent":25.0,"message":"a"}"#,
            ),
            (
                "celery",
                r#"{"status":"FAILURE","result":{"exc_type":"OSError","exc_message":["full"]},"task_id":"1"}"#,
                r#"{"kind":"FAILURE","state":"failed","error":"OSError: full"}"#,
            ),
            (
                "jobs",
                r#"{"job":"1","event":"part_failed","part":"tests","error":"no"}"#,
                r#"{"kind":"part_failed","state":"running","error":"no","part":{"name":"tests","state":"failed"}}"#,
            ),
            (
                "jobs",
                r#"{"job":"1","event":"log","line":"a","stream":"stderr"}"#,
                r#"{"kind":"log","log":{"line":"a","stream":"stderr"}}"#,
            ),
            (
                "jobs",
                r#"{"job":"1","event":"queued"}"#,
                r#"{"kind":"queued","state":"queued","opens":"after_ending"}"#,
            ),
        ] {
            let view = dialects.named(dialect).unwrap().1.view(payload).unwrap();
            let text = serde_json::to_string(&EventView::from(view.clone())).unwrap();
            assert_eq!(text, wanted, "{payload}");
            assert_eq!(serde_json::from_str::<EventView>(&text).unwrap(), EventView::from(view));
        }
    }
}

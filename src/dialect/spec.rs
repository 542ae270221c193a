//! The TOML form of a job dialect, as it is written: syntax only, its meaning is worked out in `compile`.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

/// A whole dialect file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) name: String,
    #[serde(default)]
    pub(super) about: String,
    /// Path of the socket, with `{job}` as one whole segment.
    pub(super) route: String,
    /// Redis channel; with `{job}` at its end a channel per job.
    pub(super) channel: String,
    pub(super) job: JobSpec,
    pub(super) wrap: Option<WrapSpec>,
    pub(super) unknown: Option<UnknownSpec>,
    pub(super) pointers: PointersSpec,
    pub(super) kinds: BTreeMap<String, KindSpec>,
    pub(super) status: Option<StatusSpec>,
    pub(super) publish: Option<PublishSpec>,
    #[serde(default)]
    pub(super) stages: Vec<StageSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSpec {
    #[serde(rename = "type", default)]
    pub(super) id: super::JobIdType,
    pub(super) pointer: Option<String>,
}

/// An envelope: `{"type": <type>, <field>: payload}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrapSpec {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) field: String,
}

/// What a socket of a job that nobody has heard of gets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnknownSpec {
    pub(super) after: String,
    pub(super) frame: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointersSpec {
    pub(super) kind: String,
    pub(super) percent: Option<String>,
    pub(super) message: Option<String>,
    pub(super) error: Option<String>,
    pub(super) step: Option<String>,
    pub(super) total: Option<String>,
    pub(super) count: Option<String>,
    pub(super) owner: Option<String>,
    #[serde(default)]
    pub(super) entity: Vec<String>,
    pub(super) entity_count: Option<String>,
    pub(super) entity_error: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "one a key of the file")]
pub(super) struct KindSpec {
    pub(super) conflatable: bool,
    pub(super) opens: super::Opens,
    pub(super) ends: Option<super::Outcome>,
    pub(super) entity: Option<super::Phase>,
    /// Not an event of the job's life: shown as a remark, changes no state.
    pub(super) notice: bool,
    /// The job waits for its turn.
    pub(super) queued: bool,
    /// Known to the relay, never sent to a socket.
    pub(super) hidden: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusSpec {
    pub(super) route: String,
    /// The body is the shallow merge of the payloads of a run so far.
    #[serde(default)]
    pub(super) merge: bool,
    #[serde(default)]
    pub(super) fields: Vec<StatusFieldSpec>,
    pub(super) read: Option<ReadSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusFieldSpec {
    pub(super) name: String,
    /// A pointer into the newest payload, or `@job`, `@kind`, `@percent`.
    pub(super) from: String,
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    /// Leave the field out where there is no value, instead of null.
    #[serde(default)]
    pub(super) optional: bool,
}

/// How a client reads the status body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadSpec {
    pub(super) state: String,
    pub(super) states: BTreeMap<String, super::JobState>,
    pub(super) percent: Option<String>,
    pub(super) message: Option<String>,
    pub(super) error: Option<String>,
    pub(super) step: Option<String>,
    pub(super) total: Option<String>,
    pub(super) count: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StageSpec {
    pub(super) from: f64,
    pub(super) text: String,
}

/// What `publish` knows of a dialect's events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishSpec {
    #[serde(default)]
    pub(super) timestamp: super::TimestampStyle,
    pub(super) progress: Option<ShorthandSpec>,
    pub(super) message: Option<ShorthandSpec>,
    pub(super) fields: Vec<FieldSpec>,
    pub(super) events: BTreeMap<String, EventSpec>,
}

/// Which event and field a bare number or `# text` on stdin becomes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShorthandSpec {
    pub(super) event: String,
    pub(super) field: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct EventSpec {
    pub(super) fields: Vec<FieldSpec>,
    /// Defaults of this event alone.
    pub(super) set: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldSpec {
    pub(super) name: String,
    #[serde(rename = "type", default)]
    pub(super) kind: super::FieldType,
    /// Filled in by the publisher, never by the user: the job's id, the event's name, the time.
    pub(super) fill: Option<super::Fill>,
    /// Where it stands in the payload; `/name` when absent.
    pub(super) at: Option<String>,
    #[serde(default)]
    pub(super) values: Vec<String>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) default: Option<Value>,
    #[serde(default)]
    pub(super) nullable: bool,
    /// Always in the payload: null where it has neither value nor default.
    #[serde(default)]
    pub(super) always: bool,
    #[serde(default)]
    pub(super) required: bool,
}

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
    /// Publications come from the event streams of queues, `PREFIX:QUEUE:events`, where the channel is `PREFIX:{job}`.
    #[serde(default)]
    pub(super) queues: bool,
    /// Who may watch a job.
    #[serde(default)]
    pub(super) auth: super::Auth,
    /// How long a connection lives at most.
    pub(super) lifetime: Option<String>,
    #[serde(default)]
    pub(super) job: JobSpec,
    /// Makes it a dialect of channels and rooms instead of jobs.
    pub(super) channels: Option<ChannelsSpec>,
    /// Program that alone publishes the dialect's events; `jobwire publish` refuses to.
    pub(super) publisher: Option<String>,
    /// Whether a user's dialect of the same name replaces this one.
    #[serde(default)]
    pub(super) replaceable: bool,
    /// Hint that is logged once when a payload is no JSON.
    pub(super) undecodable: Option<String>,
    /// Pointers to values that become null on their way out.
    #[serde(default)]
    pub(super) redact: Vec<String>,
    /// State that the jobs' system itself keeps.
    pub(super) state: Option<StateSpec>,
    pub(super) wrap: Option<WrapSpec>,
    pub(super) unknown: Option<UnknownSpec>,
    pub(super) pointers: PointersSpec,
    pub(super) kinds: BTreeMap<String, KindSpec>,
    pub(super) status: Option<StatusSpec>,
    pub(super) publish: Option<PublishSpec>,
    #[serde(default)]
    pub(super) stages: Vec<StageSpec>,
    /// What a person is told of an event of a channel.
    #[serde(default)]
    pub(super) telling: TellingSpec,
}

/// One pointer, or several of which the first that leads to something counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected a JSON pointer such as \"/text\", or a list of them")]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// One place of a text, or several of which the first that leads to one counts.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a JSON pointer such as \"/text\", a table with `text` (and `before`, `longest`) or with `name` and `detail`, or a list of those"
)]
pub(super) enum Texts {
    // First: a list of two texts would be taken for a table of two fields.
    Many(Vec<TextSpec>),
    One(TextSpec),
}

impl Texts {
    pub(super) fn as_slice(&self) -> &[TextSpec] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Place of a text in a payload or body.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum TextSpec {
    /// Behind a pointer.
    At(String),
    /// Behind a pointer, but only a text or a number of limited length.
    Bare(BareText),
    /// Two places, as in `OSError: 28, No space left on device`.
    Named(NamedText),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BareText {
    pub(super) text: String,
    pub(super) longest: Option<usize>,
    /// Text put before the value.
    #[serde(default)]
    pub(super) before: String,
    /// Whether a number counts, also one in a text such as `45%`.
    #[serde(default = "yes")]
    pub(super) numbers: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedText {
    /// Text before the colon; without it there is no text at all.
    pub(super) name: String,
    /// Text after the colon: a text, a number, or the texts and numbers of a list.
    pub(super) detail: Option<String>,
}

/// State that another program keeps in Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StateSpec {
    /// The key of a job's newest payload, with `{job}` in it.
    pub(super) key: String,
    /// The key holds a hash. Of these, the first whose fields are there says which event the hash stands for.
    #[serde(default)]
    pub(super) hash: Vec<HashSpec>,
}

/// An event that a hash stands for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HashSpec {
    /// Fields that the hash must have.
    pub(super) has: Vec<String>,
    /// Field → value that it must not have.
    #[serde(default)]
    pub(super) unless: BTreeMap<String, String>,
    /// The members of the event, in order.
    pub(super) event: Vec<MemberSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberSpec {
    pub(super) name: String,
    /// A text that is always the same.
    pub(super) text: Option<String>,
    /// A field of the hash, `@job`, or `@id`: the job's id behind its first colon. The member is left out where the hash has
    /// no such field.
    pub(super) from: Option<String>,
    /// The field's text is JSON, where it is.
    #[serde(default)]
    pub(super) json: bool,
}

/// What a person is told of an event's own fields, in one line; names are those at the top of a payload.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TellingSpec {
    /// They come first, in this order.
    pub(super) first: Vec<String>,
    /// Their values stand without a name.
    pub(super) bare: Vec<String>,
    /// They are left out.
    pub(super) omit: Vec<String>,
    /// Kinds that are bad news, as `*_failed`.
    pub(super) bad: Vec<String>,
}

impl Default for TellingSpec {
    fn default() -> Self {
        let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Self {
            first: all(&["error", "reason", "message"]),
            bare: all(&["error", "message"]),
            omit: all(&["type", "timestamp"]),
            bad: Vec::new(),
        }
    }
}

/// Channels and rooms.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChannelsSpec {
    pub(super) names: Vec<String>,
    /// Path → the channel that it subscribes to.
    #[serde(default)]
    pub(super) routes: BTreeMap<String, String>,
    /// Kind of resource → pointer to an id of one.
    #[serde(default)]
    pub(super) rooms: BTreeMap<String, String>,
    /// What stands before the colon of a kind → what it is about.
    #[serde(default)]
    pub(super) types: BTreeMap<String, TypeSpec>,
    /// Kinds of messages that a server sends of itself; they are no events.
    #[serde(default)]
    pub(super) own: Vec<String>,
    /// Kind of the message in which a server complains of a command, with a `code` and a `message`.
    pub(super) complaint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypeSpec {
    /// The channel that its publisher uses.
    pub(super) channel: String,
    /// The kind of resource it is about.
    pub(super) room: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSpec {
    #[serde(rename = "type", default)]
    pub(super) id: super::JobIdType,
    /// Ids may hold a slash, which is `%2F` in a path.
    #[serde(default)]
    pub(super) slash: bool,
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
    pub(super) frame: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PointersSpec {
    pub(super) kind: String,
    /// Word that tells events of one kind apart.
    pub(super) variant: Option<String>,
    /// A number, a text such as `45` or `45%`.
    pub(super) percent: Option<OneOrMany>,
    /// How much of `total` is done: the percent is computed where both are numbers.
    pub(super) current: Option<OneOrMany>,
    pub(super) message: Option<Texts>,
    /// The message of an event that ends a run; without it the first of `message`.
    pub(super) last_message: Option<Texts>,
    pub(super) error: Option<Texts>,
    pub(super) step: Option<OneOrMany>,
    pub(super) total: Option<OneOrMany>,
    pub(super) count: Option<OneOrMany>,
    /// What came of it: a name, and what else tells it from others.
    pub(super) result: Option<Texts>,
    pub(super) owner: Option<String>,
    #[serde(default)]
    pub(super) entity: Vec<String>,
    pub(super) entity_count: Option<String>,
    pub(super) entity_error: Option<String>,
    /// Text of a line of a log.
    pub(super) line: Option<String>,
    /// Stream that a line of a log was written to.
    pub(super) stream: Option<String>,
    /// How much there is to do, where only the first event of a resource says it.
    pub(super) goal: Option<String>,
    /// How much of that is done.
    pub(super) done: Option<String>,
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
    /// Whether the kind is a log line. Log lines are never conflated, change no state, and are kept for reconnecting clients
    /// apart from other events.
    pub(super) log: bool,
    /// The job waits for its turn.
    pub(super) queued: bool,
    /// Known to the relay, never sent to a socket.
    pub(super) hidden: bool,
    /// A remark where the run has ended already.
    pub(super) unless_ended: bool,
    /// Words for a person about a job that is queued so.
    pub(super) says: Option<String>,
    /// Words for a person where the job was at work before.
    pub(super) again: Option<String>,
    /// Word behind `pointers.variant` → what an event of this kind and that word does instead.
    pub(super) variants: BTreeMap<String, KindSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusSpec {
    pub(super) route: String,
    /// The body is the shallow merge of the payloads of a run so far.
    #[serde(default)]
    pub(super) merge: bool,
    /// Clients can read it from the socket too, after each event, where the relay is told to send it.
    #[serde(default)]
    pub(super) echo: bool,
    #[serde(default)]
    pub(super) fields: Vec<StatusFieldSpec>,
    pub(super) read: Option<ReadSpec>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusFieldSpec {
    pub(super) name: String,
    /// A pointer into the newest payload, or `@job`, `@kind`, `@percent`, `@message`, `@error`; of several the first that
    /// has a value.
    pub(super) from: OneOrMany,
    /// Word → word; `*` stands for every other one.
    #[serde(default)]
    pub(super) values: BTreeMap<String, String>,
    /// Only where the newest event is of one of these kinds; empty: always.
    #[serde(default)]
    pub(super) kinds: Vec<String>,
    /// Where there is no value.
    pub(super) default: Option<Value>,
    /// Leave the field out where there is no value, instead of null.
    #[serde(default)]
    pub(super) optional: bool,
}

/// How a client reads the status body.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadSpec {
    pub(super) state: String,
    /// Word → state; `*` stands for every other word.
    pub(super) states: BTreeMap<String, super::JobState>,
    pub(super) percent: Option<OneOrMany>,
    pub(super) message: Option<Texts>,
    pub(super) error: Option<Texts>,
    pub(super) result: Option<Texts>,
    pub(super) step: Option<OneOrMany>,
    pub(super) total: Option<OneOrMany>,
    pub(super) count: Option<OneOrMany>,
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
    #[serde(default)]
    pub(super) fields: Vec<FieldSpec>,
    #[serde(default)]
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
    /// It has the fields of that event.
    pub(super) like: Option<String>,
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

/// TOML to JSON. What JSON cannot say (a date, an infinite number) becomes what no field takes or text.
pub(super) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::String(text) => serde_json::Value::from(text.as_str()),
        Value::Integer(number) => serde_json::Value::from(*number),
        Value::Float(number) => serde_json::Value::from(*number),
        Value::Boolean(flag) => serde_json::Value::from(*flag),
        Value::Datetime(time) => serde_json::Value::from(time.to_string()),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Table(table) => {
            serde_json::Value::Object(table.iter().map(|(key, value)| (key.clone(), json(value))).collect())
        }
    }
}

//! The polling body.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::compile::{Fault, pointer};
use super::pointer::Tree;
use super::spec::StatusSpec;
use super::{Dialect, Pointer, decode};

/// How the body is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// The merge of the payloads of the run.
    Merged,
    /// Named fields out of the newest payload.
    Fields(Vec<Field>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    name: String,
    from: Vec<From>,
    values: BTreeMap<String, String>,
    kinds: Vec<String>,
    default: Option<Value>,
    optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Job,
    Kind,
    Percent,
    /// The text for people, as a watcher reads it.
    Message,
    /// What went wrong, as a watcher reads it.
    Error,
    Pointer(Pointer),
}

impl Body {
    pub(super) fn compile(spec: &StatusSpec) -> Result<Self, Fault> {
        if spec.merge != spec.fields.is_empty() {
            return Err(Fault::at(&["status"], "give either `merge = true` or `fields`"));
        }
        if spec.merge {
            return Ok(Self::Merged);
        }
        let field = |(nth, field): (usize, &super::spec::StatusFieldSpec)| {
            let nth = nth.to_string();
            let path = ["status", "fields", nth.as_str(), "from"];
            let from = |text: &String| match text.as_str() {
                "@job" => Ok(From::Job),
                "@kind" => Ok(From::Kind),
                "@percent" => Ok(From::Percent),
                "@message" => Ok(From::Message),
                "@error" => Ok(From::Error),
                text if text.starts_with('@') => Err(Fault::at(
                    &path,
                    format!("'{text}' is none of @job, @kind, @percent, @message and @error"),
                )),
                text => pointer(text, &path).map(From::Pointer),
            };
            Ok(Field {
                name: field.name.clone(),
                from: field.from.as_slice().iter().map(from).collect::<Result<_, _>>()?,
                values: field.values.clone(),
                kinds: field.kinds.clone(),
                default: field.default.as_ref().map(super::catalogue::json),
                optional: field.optional,
            })
        };
        spec.fields.iter().enumerate().map(field).collect::<Result<_, _>>().map(Self::Fields)
    }
}

/// What is known of a job, for its polling body.
#[derive(Debug, Clone, Copy)]
pub struct StatusSource<'a> {
    /// The job's id.
    pub job: &'a str,
    /// The newest payload of the run as published; of a merging dialect, the merged object.
    pub newest: &'a str,
    /// The kind of the newest event.
    pub kind: &'a str,
    /// The last percent that was not null.
    pub percent: Option<&'a Number>,
}

impl Dialect {
    /// The polling body; `None` where the dialect has no polling.
    pub fn status_body(&self, source: &StatusSource<'_>) -> Option<String> {
        match &self.status.as_ref()?.body {
            Body::Merged => Some(source.newest.to_owned()),
            Body::Fields(fields) => Some(self.fields_body(fields, source)),
        }
    }

    fn fields_body(&self, fields: &[Field], source: &StatusSource<'_>) -> String {
        let mut tree = Tree::default();
        let sources = || fields.iter().flat_map(|field| &field.from);
        for (slot, from) in sources().enumerate() {
            if let From::Pointer(pointer) = from {
                tree.want(pointer, slot);
            }
        }
        let mut slots: Vec<Option<&RawValue>> = vec![None; sources().count()];
        // What is not JSON never got as far as the job log; an empty body would still be a valid one.
        let _ = tree.scan(source.newest, &mut slots);
        let is_read = sources().any(|from| matches!(from, From::Message | From::Error));
        let view = if is_read || source.kind == super::EVERY_OTHER { self.view(source.newest) } else { None };
        let view = view.as_ref();
        // The kind that stands for every other one has many names.
        let kind =
            view.filter(|_| source.kind == super::EVERY_OTHER).map_or(source.kind, |view| &*view.kind.name);
        let shown = |text: Option<&String>| text.map_or(Value::Null, |text| Value::from(text.as_str()));
        let value_of = |from: &From, raw: Option<&RawValue>| match from {
            From::Job => self.job_value(source.job),
            From::Kind => Value::from(kind),
            From::Message => shown(view.and_then(|view| view.message.as_ref())),
            From::Error => shown(view.and_then(|view| view.error.as_ref())),
            From::Percent => source.percent.cloned().map_or(Value::Null, Value::Number),
            From::Pointer(_) => {
                raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
            }
        };
        let mut body = Map::new();
        let mut slots = slots.into_iter();
        for field in fields {
            let found: Vec<Option<&RawValue>> = slots.by_ref().take(field.from.len()).collect();
            let candidates = field.from.iter().zip(found);
            let value = candidates.map(|(from, raw)| value_of(from, raw)).find(|value| !value.is_null());
            if !field.kinds.is_empty() && !field.kinds.iter().any(|only| *only == *kind) {
                continue;
            }
            let value = value.or_else(|| field.default.clone()).unwrap_or(Value::Null);
            let word =
                value.as_str().and_then(|word| field.values.get(word).or_else(|| field.values.get("*")));
            let value = match word {
                Some(mapped) => Value::from(mapped.as_str()),
                None => value,
            };
            // Of several fields of one name the first that has a value counts.
            let given = body.get(&field.name).is_some_and(|value: &Value| !value.is_null());
            if !(given || field.optional && value.is_null()) {
                body.insert(field.name.clone(), value);
            }
        }
        Value::Object(body).to_string()
    }

    /// A job's id as JSON: a number where the dialect's ids are.
    pub fn job_value(&self, job: &str) -> Value {
        match (self.job_id, job.parse::<i64>()) {
            (super::JobIdType::Integer, Ok(number)) => Value::from(number),
            _ => Value::from(job),
        }
    }

    /// Puts a merged object into the dialect's envelope: the frame for a late joiner.
    pub fn wrapped(&self, inner: &str) -> String {
        match &self.wrap {
            Some(wrap) => format!("{}{inner}}}", wrap.before),
            None => inner.to_owned(),
        }
    }

    /// Merges the objects of `newer`, one after the other, over `older`: name by name, values whole. What is no object
    /// adds nothing.
    pub fn merge<'a>(older: &str, newer: impl IntoIterator<Item = &'a str>) -> String {
        let parse = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
        let mut merged = parse(older);
        for newer in newer {
            merged.extend(parse(newer));
        }
        Value::Object(merged).to_string()
    }
}

/// Reads one value out of a JSON text; helper of the reading side.
pub(super) fn one<'a>(tree: &Tree, text: &'a str, slots: &mut [Option<&'a RawValue>]) -> bool {
    matches!(tree.scan(text, slots), Ok(true))
}

/// A whole number out of a slot, as people count.
pub(super) fn count(raw: &RawValue) -> Option<u64> {
    decode::number(raw)?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn body(kind: &str, newest: &str) -> String {
        let all = Dialects::builtin();
        let (_, tasks) = all.named("tasks").unwrap();
        tasks.status_body(&StatusSource { job: "t", newest, kind, percent: None }).unwrap()
    }

    #[test]
    fn the_polling_body_of_a_task_has_only_what_applies() {
        assert_eq!(
            body("registered", r#"{"type":"registered","user_id":"u"}"#),
            r#"{"task_id":"t","status":"PENDING","message":"Task is waiting to be processed"}"#
        );
        let progress = r#"{"type":"progress","step":3,"total_steps":5,"status":"Cooking","details":"d"}"#;
        assert_eq!(
            body("progress", progress),
            r#"{"task_id":"t","status":"PROGRESS","step":3,"total_steps":5,"current_status":"Cooking","details":"d"}"#
        );
        assert!(
            body("progress", r#"{"status":"a","current_status":"b"}"#).contains(r#""current_status":"b""#)
        );
        assert_eq!(
            body("completion", r#"{"status":"SUCCESS","message":"m","recipe_id":"r","recipe_name":"n"}"#),
            r#"{"task_id":"t","status":"SUCCESS","message":"m","recipe_id":"r","recipe_name":"n"}"#
        );
        assert_eq!(
            body("error", r#"{"status":"FAILURE","error":"e","message":"m"}"#),
            r#"{"task_id":"t","status":"FAILURE","message":"m","error":"e"}"#
        );
    }
}

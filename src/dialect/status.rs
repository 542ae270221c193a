//! The polling body.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::error::{Fault, pointer};
use super::pointer::Tree;
use super::spec::StatusSpec;
use super::{Dialect, Pointer, raw};

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
    pub(super) name: String,
    pub(super) from: Vec<From>,
    pub(super) values: BTreeMap<String, String>,
    pub(super) kinds: Vec<String>,
    pub(super) default: Option<Value>,
    pub(super) optional: bool,
}

/// Source of a field's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Job,
    Kind,
    Percent,
    /// The text for people, as a watcher reads it.
    Message,
    /// The error text, as a watcher reads it.
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
                default: field.default.as_ref().map(super::spec::json),
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
        let shown = |text: Option<&String>| text.map(|text| Value::from(text.as_str()).to_string());
        let value_of = |from: &From, raw: Option<&RawValue>| match from {
            From::Job => Some(self.job_value(source.job).to_string()),
            From::Kind => Some(Value::from(kind).to_string()),
            From::Message => shown(view.and_then(|view| view.message.as_ref())),
            From::Error => shown(view.and_then(|view| view.error.as_ref())),
            From::Percent => source.percent.map(Number::to_string),
            From::Pointer(_) => raw.filter(|raw| raw.get() != "null").map(readable),
        };
        let mut body: Vec<(String, Option<String>)> = Vec::new();
        let mut slots = slots.into_iter();
        for field in fields {
            let found: Vec<Option<&RawValue>> = slots.by_ref().take(field.from.len()).collect();
            if !field.kinds.is_empty() && !field.kinds.iter().any(|only| *only == *kind) {
                continue;
            }
            let value = field.from.iter().zip(found).find_map(|(from, raw)| value_of(from, raw));
            let default = || field.default.as_ref().filter(|value| !value.is_null()).map(Value::to_string);
            let value = value.or_else(default).map(|value| field.mapped(value));
            // Of several fields of one name the first that has a value counts.
            match body.iter_mut().find(|(name, _)| *name == field.name) {
                Some((_, given)) if given.is_none() => *given = value,
                Some(_) => {}
                None if field.optional && value.is_none() => {}
                None => body.push((field.name.clone(), value)),
            }
        }
        let keys: Vec<String> = body.iter().map(|(name, _)| Value::from(name.as_str()).to_string()).collect();
        let values = body.iter().map(|(_, value)| value.as_deref().unwrap_or("null"));
        raw::object(keys.iter().map(String::as_str).zip(values))
    }

    /// A job's id as JSON: a number where the dialect's ids are.
    pub fn job_value(&self, job: &str) -> Value {
        match (self.job_id, job.parse::<i64>()) {
            (super::JobIdType::Integer, Ok(number)) => Value::from(number),
            _ => Value::from(job),
        }
    }

    /// Puts a merged object into the dialect's envelope: the frame for a late joiner.
    pub fn wrapped<'a>(&'a self, inner: &'a str) -> [&'a [u8]; 3] {
        match &self.wrap {
            Some(wrap) => [wrap.before.as_bytes(), inner.as_bytes(), b"}"],
            None => [&[], inner.as_bytes(), &[]],
        }
    }

    /// Merges the objects of `newer`, one after the other, over `older`: name by name, values whole and as they were
    /// written. An empty `older` is no object. What is none adds nothing, and is counted.
    pub fn merge<'a>(older: &'a str, newer: impl IntoIterator<Item = &'a str>) -> Merge {
        let (mut overlay, mut failed) = (raw::Overlay::default(), 0);
        for object in Some(older).filter(|older| !older.is_empty()).into_iter().chain(newer) {
            failed += u64::from(overlay.lay(object).is_err());
        }
        Merge { object: overlay.to_json(), failed }
    }
}

/// Result of merging several objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The merged object.
    pub object: String,
    /// Number of inputs that were no objects and are left out.
    pub failed: u64,
}

/// A value for clients that parse strictly: a text without what is no character, anything else as it was written.
fn readable(raw: &RawValue) -> String {
    match raw::exact(raw) {
        None => raw::text(raw).map_or_else(|| raw.get().to_owned(), |text| Value::from(text).to_string()),
        Some(_) => raw.get().to_owned(),
    }
}

impl Field {
    /// The word that stands for a value's text, if one does; else the value.
    fn mapped(&self, value: String) -> String {
        if self.values.is_empty() {
            return value;
        }
        let text: Option<String> = serde_json::from_str(&value).ok();
        let word = text.and_then(|text| self.values.get(&text).or_else(|| self.values.get("*")));
        word.map_or(value, |word| Value::from(word.as_str()).to_string())
    }
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

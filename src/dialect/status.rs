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
    from: From,
    values: BTreeMap<String, String>,
    optional: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum From {
    Job,
    Kind,
    Percent,
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
            let from = match field.from.as_str() {
                "@job" => From::Job,
                "@kind" => From::Kind,
                "@percent" => From::Percent,
                text if text.starts_with('@') => {
                    let path = ["status", "fields", &nth.to_string(), "from"];
                    return Err(Fault::at(&path, format!("'{text}' is none of @job, @kind and @percent")));
                }
                text => From::Pointer(pointer(text, &["status", "fields", &nth.to_string(), "from"])?),
            };
            Ok(Field {
                name: field.name.clone(),
                from,
                values: field.values.clone(),
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
        for (slot, field) in fields.iter().enumerate() {
            if let From::Pointer(pointer) = &field.from {
                tree.want(pointer, slot);
            }
        }
        let mut slots: Vec<Option<&RawValue>> = vec![None; fields.len()];
        // What is not JSON never got as far as the job log; an empty body would still be a valid one.
        let _ = tree.scan(source.newest, &mut slots);
        let mut body = Map::new();
        for (field, raw) in fields.iter().zip(slots) {
            let value = match &field.from {
                From::Job => self.job_value(source.job),
                From::Kind => Value::from(source.kind),
                From::Percent => source.percent.cloned().map_or(Value::Null, Value::Number),
                From::Pointer(_) => {
                    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(Value::Null)
                }
            };
            let value = match value.as_str().and_then(|word| field.values.get(word)) {
                Some(mapped) => Value::from(mapped.as_str()),
                None => value,
            };
            if !(field.optional && value.is_null()) {
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

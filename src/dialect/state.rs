//! State of jobs that another program keeps in Redis: its key, and the event that a hash stands for.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::error::Fault;
use super::spec::{HashSpec, MemberSpec, StateSpec};
use super::{Dialect, raw};

/// Place of the job's id in a key.
const JOB: &str = "{job}";

/// Place at which another program keeps the state of a job.
#[derive(Debug, Clone)]
pub(super) struct KeptState {
    /// The key, with `{job}` once in it.
    key: String,
    /// Fields to read where the key holds a hash; none where it holds the newest payload as a text.
    fields: Vec<String>,
    hashes: Vec<Hash>,
}

/// An event that a hash stands for; names of fields are places in [`KeptState::fields`].
#[derive(Debug, Clone)]
struct Hash {
    has: Vec<usize>,
    unless: Vec<(usize, String)>,
    event: Vec<(String, From)>,
}

/// Origin of a member of the event.
#[derive(Debug, Clone)]
enum From {
    /// JSON that is always the same.
    Same(String),
    Job,
    /// The job's id behind its first colon.
    Id,
    Field {
        at: usize,
        json: bool,
    },
}

/// Field of a hash as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum KeptField {
    /// The hash has no such field.
    #[default]
    Absent,
    /// The field's text.
    Text(Vec<u8>),
    /// The text is longer than what is read.
    TooLong,
}

impl KeptState {
    pub(super) fn compile(spec: &StateSpec, has_jobs: bool) -> Result<Self, Fault> {
        if !has_jobs || spec.key.matches(JOB).count() != 1 {
            return Err(Fault::at(&["state", "key"], "a key has {job} in it, as in \"state-of-{job}\""));
        }
        let mut state = Self { key: spec.key.clone(), fields: Vec::new(), hashes: Vec::new() };
        for (nth, hash) in spec.hash.iter().enumerate() {
            let hash = state.hash(hash, &nth.to_string())?;
            state.hashes.push(hash);
        }
        Ok(state)
    }

    fn hash(&mut self, spec: &HashSpec, nth: &str) -> Result<Hash, Fault> {
        if spec.has.is_empty() {
            return Err(Fault::at(&["state", "hash", nth, "has"], "needs a field that tells this hash"));
        }
        let has = spec.has.iter().map(|name| self.field(name)).collect();
        let unless = spec.unless.iter().map(|(name, value)| (self.field(name), value.clone())).collect();
        let member = |(at, member): (usize, &MemberSpec)| {
            let from = match (&member.text, member.from.as_deref()) {
                (Some(text), None) => From::Same(Value::from(text.as_str()).to_string()),
                (None, Some("@job")) => From::Job,
                (None, Some("@id")) => From::Id,
                (None, Some(name)) if !name.starts_with('@') => {
                    From::Field { at: self.field(name), json: member.json }
                }
                _ => {
                    let message = "give either `text`, or `from`: a field of the hash, @job or @id";
                    return Err(Fault::at(&["state", "hash", nth, "event", &at.to_string()], message));
                }
            };
            Ok((member.name.clone(), from))
        };
        let event = spec.event.iter().enumerate().map(member).collect::<Result<_, _>>()?;
        Ok(Hash { has, unless, event })
    }

    /// Place of a field among those to read.
    fn field(&mut self, name: &str) -> usize {
        self.fields.iter().position(|field| field == name).unwrap_or_else(|| {
            self.fields.push(name.to_owned());
            self.fields.len() - 1
        })
    }

    /// Puts a prefix before the key.
    pub(super) fn put_before(&mut self, prefix: &str) {
        self.key.insert_str(0, prefix);
    }

    /// Takes another key, with `{job}` at its end.
    pub(super) fn set_key(&mut self, before_job: &str) {
        self.key = format!("{before_job}{JOB}");
    }

    /// The key of a job. A prefix may hold what looks like the job's place, so that the last one counts.
    fn key_of(&self, job: &str) -> String {
        let (before, after) = self.key.rsplit_once(JOB).unwrap_or((&self.key, ""));
        format!("{before}{job}{after}")
    }
}

impl Hash {
    fn is(&self, fields: &[KeptField]) -> bool {
        let is_there = |at: &usize| fields.get(*at).is_some_and(|field| *field != KeptField::Absent);
        let differs = |(at, value): &(usize, String)| !matches!(fields.get(*at), Some(KeptField::Text(text)) if text == value.as_bytes());
        self.has.iter().all(is_there) && self.unless.iter().all(differs)
    }

    fn event(&self, job: &str, fields: &[KeptField]) -> String {
        let quoted = |text: &str| Value::from(text).to_string();
        let value = |from: &From| match from {
            From::Same(json) => Some(json.clone()),
            From::Job => Some(quoted(job)),
            From::Id => Some(quoted(job.split_once(':').map_or(job, |(_, id)| id))),
            From::Field { at, json } => match fields.get(*at)? {
                KeptField::Text(text) => {
                    let text = String::from_utf8_lossy(text);
                    Some(if *json { json_or_text(&text).into_owned() } else { quoted(&text) })
                }
                KeptField::Absent | KeptField::TooLong => None,
            },
        };
        let members = self.event.iter().filter_map(|(name, from)| Some((quoted(name), value(from)?)));
        let members: Vec<(String, String)> = members.collect();
        raw::object(members.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl Dialect {
    /// The key in Redis at which somebody else keeps the job's state, where somebody does. Such a state is only read.
    pub fn state_key(&self, job: &str) -> Option<String> {
        self.state.as_ref().map(|state| state.key_of(job))
    }

    /// Whether the state of its jobs is somebody else's.
    pub const fn has_foreign_state(&self) -> bool {
        self.state.is_some()
    }

    /// The fields to read where that key holds a hash; none where it holds the newest payload as a text.
    pub fn state_fields(&self) -> &[String] {
        self.state.as_ref().map_or(&[], |state| &state.fields)
    }

    /// The payload of the event that a hash with these fields, in the order of [`Dialect::state_fields`], stands for; `None`
    /// where it is no job's. A field that is too long is left out of it.
    pub fn state_event(&self, job: &str, fields: &[KeptField]) -> Option<String> {
        let hashes = &self.state.as_ref()?.hashes;
        hashes.iter().find(|hash| hash.is(fields)).map(|hash| hash.event(job, fields))
    }
}

/// A text as JSON: what it is where it is JSON already, else a string.
fn json_or_text(text: &str) -> Cow<'_, str> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(json) => Cow::Borrowed(json.get()),
        Err(_) => Cow::Owned(Value::from(text).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_json_stays_as_it_was_written_and_any_other_becomes_a_string() {
        for (text, json) in [
            ("33", "33"),
            (r#" {"a": 1e400} "#, r#"{"a": 1e400}"#),
            ("null", "null"),
            ("\"a\"", "\"a\""),
            ("half way", "\"half way\""),
            ("", "\"\""),
            ("{\"a\"", "\"{\\\"a\\\"\""),
            ("1 2", "\"1 2\""),
            ("NaN", "\"NaN\""),
        ] {
            assert_eq!(json_or_text(text), json);
        }
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert_eq!(json_or_text(&deep), deep);
    }
}

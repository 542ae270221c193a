//! Types of a dialect's messages, for the developers of clients: as a JSON Schema, or as declarations of TypeScript.
//!
//! `event` reads the types of published payloads out of the catalogue, `body` that of the polling body, and `message` what a
//! socket sends and takes; `shared` has what belongs to no dialect. They give values of `types`, which `json` and `typescript` write. The same dialects give the same text.

mod body;
mod event;
mod json;
mod message;
mod names;
mod own;
mod shared;
mod types;
mod typescript;

use super::Dialect;
use names::Names;
use types::{Definition, ValueType};

/// The language that types are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaFormat {
    /// JSON Schema, draft 2020-12.
    JsonSchema,
    /// TypeScript.
    TypeScript,
}

/// Writes the types of some dialects as one file, which needs no other.
pub fn schema(dialects: &[&Dialect], format: SchemaFormat) -> String {
    let mut names = Names::default();
    // They keep their names, whatever a dialect is called.
    for shared in shared::definitions(ValueType::Unknown) {
        names.give("", &shared.name);
    }
    let all: Vec<DialectTypes> =
        dialects.iter().map(|dialect| DialectTypes::of(dialect, &mut names)).collect();
    let events = ValueType::any(all.iter().map(|dialect| ValueType::Named(dialect.event.clone())));
    let shared = shared::definitions(events);
    match format {
        SchemaFormat::JsonSchema => json::write(&all, &shared),
        SchemaFormat::TypeScript => typescript::write(&all, &shared),
    }
}

/// The types of one dialect.
#[derive(Debug)]
struct DialectTypes {
    /// The dialect's name.
    dialect: String,
    /// One line for people.
    about: String,
    /// The name of the type of all events.
    event: String,
    /// Every type, those first that a reader looks for first.
    definitions: Vec<Definition>,
}

impl DialectTypes {
    fn of(dialect: &Dialect, names: &mut Names) -> Self {
        let mut call = |word: &str| names.give(&dialect.name, word);
        // Before the events, one of which may be called so.
        let (event, message) = (call("event"), call("message"));
        let body = dialect.status.as_ref().map(|_| call("status"));
        let kinds = event::kinds(dialect, &mut call);
        let mut definitions = vec![event::union(&event, &kinds)];
        definitions.extend(message::definitions(dialect, &message, &event, &kinds, &mut call));
        definitions.extend(body.and_then(|name| body::definition(dialect, name, &kinds)));
        definitions.extend(message::commands(dialect, &mut call));
        definitions.extend(kinds.into_iter().map(|kind| kind.definition));
        Self { dialect: dialect.name.to_string(), about: dialect.about.clone(), event, definitions }
    }
}

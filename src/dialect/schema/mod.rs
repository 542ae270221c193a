//! Types of a dialect's messages for developers of clients, as a JSON Schema or as TypeScript declarations.
//!
//! `event` takes the types of published payloads from the catalogue. `body` has the polling body, `message` the messages of a
//! socket, and `shared` the types that belong to no dialect. All of them make values of `types`, which `json` and `typescript`
//! write. The same dialects always give the same text.

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

/// Language in which types are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaFormat {
    /// JSON Schema, draft 2020-12.
    JsonSchema,
    /// TypeScript.
    TypeScript,
}

/// Writes the types of some dialects as one file that needs no other file.
pub fn schema(dialects: &[&Dialect], format: SchemaFormat) -> String {
    let mut names = Names::default();
    // Shared types take their names first, so that these names do not depend on the dialects.
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

/// Words that the JSON Schema allows for a property of a type.
#[cfg(test)]
pub(crate) fn schema_words(name: &str, property: &str) -> Vec<String> {
    let all = crate::dialect::Dialects::builtin();
    let all: Vec<_> = all.iter().map(|(_, dialect)| &**dialect).collect();
    let schema: serde_json::Value = serde_json::from_str(&schema(&all, SchemaFormat::JsonSchema)).unwrap();
    let words = &schema["$defs"][name]["properties"][property]["enum"];
    serde_json::from_value(words.clone()).unwrap_or_else(|error| panic!("{name}: {words}: {error}"))
}

/// Types of one dialect.
#[derive(Debug)]
struct DialectTypes {
    /// Name of the dialect.
    dialect: String,
    /// Description in one line.
    about: String,
    /// Name of the type that covers all events.
    event: String,
    /// Definitions, the most important first.
    definitions: Vec<Definition>,
}

impl DialectTypes {
    fn of(dialect: &Dialect, names: &mut Names) -> Self {
        let mut call = |word: &str| names.give(&dialect.name, word);
        // These names are taken before those of events, since an event may have such a name.
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

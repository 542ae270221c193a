//! Types as a JSON Schema, draft 2020-12.
//!
//! The schema itself describes an event. All other types are in `$defs`, under their TypeScript names. The schema has no `$id`
//! and refers to nothing outside of itself.

use serde_json::{Map, Number, Value, json};

use super::DialectTypes;
use super::types::{Attribute, Definition, ObjectType, ValueType};

/// Identifier of the draft.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Writes the schema, indented, with a newline at its end.
pub(super) fn write(all: &[DialectTypes], shared: &[Definition]) -> String {
    let definitions = all.iter().flat_map(|dialect| &dialect.definitions).chain(shared);
    let definitions: Map<String, Value> =
        definitions.map(|one| (one.name.clone(), definition(one))).collect();
    let event = ValueType::any(all.iter().map(|dialect| ValueType::Named(dialect.event.clone())));
    let mut root = Map::new();
    root.insert("$schema".to_owned(), DRAFT.into());
    root.insert("title".to_owned(), title(all).into());
    root.insert("description".to_owned(), description(all).into());
    root.extend(of(&event));
    root.insert("$defs".to_owned(), definitions.into());
    // Writing texts, numbers, lists and objects to a string cannot fail.
    format!("{:#}\n", Value::Object(root))
}

fn title(all: &[DialectTypes]) -> String {
    match all {
        [one] => format!("jobwire: events of {}", one.dialect),
        _ => "jobwire: events of all dialects".to_owned(),
    }
}

fn description(all: &[DialectTypes]) -> String {
    let described = all.iter().filter(|dialect| !dialect.about.is_empty());
    let lines: Vec<String> =
        described.map(|dialect| format!("{}: {}. ", dialect.event, dialect.about)).collect();
    format!("{}What is not named here may be there all the same.", lines.concat())
}

fn definition(definition: &Definition) -> Value {
    let mut schema = Map::new();
    schema.insert("description".to_owned(), definition.about.as_str().into());
    schema.extend(of(&definition.value));
    schema.into()
}

/// Keywords that describe a type.
fn of(value: &ValueType) -> Map<String, Value> {
    let schema = match value {
        ValueType::Unknown => json!({}),
        ValueType::Null => json!({ "type": "null" }),
        ValueType::Text => json!({ "type": "string" }),
        ValueType::OneOf(words) => match words.as_slice() {
            [word] => json!({ "const": word }),
            words => json!({ "enum": words }),
        },
        ValueType::NoneOf(words) => json!({ "type": "string", "not": { "enum": words } }),
        ValueType::Flag => json!({ "type": "boolean" }),
        ValueType::Whole { min, max } => return number("integer", *min, *max),
        ValueType::Number { min, max } => return number("number", *min, *max),
        ValueType::List(of_what) => json!({ "type": "array", "items": of(of_what) }),
        ValueType::Object(object) => return of_object(object),
        ValueType::Named(name) => reference(name),
        ValueType::Either(types) => json!({ "anyOf": types.iter().map(of).collect::<Vec<_>>() }),
        ValueType::Both(names) => {
            json!({ "allOf": names.iter().map(|name| reference(name)).collect::<Vec<_>>() })
        }
    };
    match schema {
        Value::Object(keywords) => keywords,
        _ => Map::new(),
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn number(kind: &str, min: Option<f64>, max: Option<f64>) -> Map<String, Value> {
    let limits = [("minimum", min), ("maximum", max)];
    let limits = limits.into_iter().filter_map(|(name, limit)| Some((name.to_owned(), plain(limit?))));
    std::iter::once(("type".to_owned(), Value::from(kind))).chain(limits).collect()
}

/// A limit as its author wrote it: 100 rather than 100.0.
fn plain(limit: f64) -> Value {
    // A float without a fraction is printed like an integer.
    let number: Option<Number> = limit.to_string().parse().ok();
    number.map_or(Value::Null, Value::Number)
}

fn of_object(object: &ObjectType) -> Map<String, Value> {
    let property = |attribute: &Attribute| {
        let mut schema = of(&attribute.value);
        if !attribute.about.is_empty() {
            schema.insert("description".to_owned(), attribute.about.as_str().into());
        }
        (attribute.name.clone(), Value::Object(schema))
    };
    let required: Vec<&str> =
        object.attributes.iter().filter(|one| one.required).map(|one| one.name.as_str()).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    if !object.attributes.is_empty() {
        schema.insert(
            "properties".to_owned(),
            object.attributes.iter().map(property).collect::<Map<_, _>>().into(),
        );
    }
    if !required.is_empty() {
        schema.insert("required".to_owned(), required.into());
    }
    schema
}

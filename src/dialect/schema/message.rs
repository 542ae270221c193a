//! The type of what a socket sends: events, wrapped where the contract wraps them, and the relay's own messages.

use serde_json::Value;

use super::event::KindTypes;
use super::own::own;
use super::types::{Attribute, Definition, ObjectType, ValueType};
use crate::dialect::Dialect;

/// The type of a socket's messages, and those of the relay's own.
pub(super) fn definitions(
    dialect: &Dialect,
    name: &str,
    event: &str,
    kinds: &[KindTypes],
    call: &mut impl FnMut(&str) -> String,
) -> Vec<Definition> {
    let own: Vec<Definition> = own(dialect)
        .into_iter()
        .map(|(word, about, value)| Definition { name: call(&word), about: about.to_owned(), value })
        .collect();
    let refer = |definition: &Definition| ValueType::Named(definition.name.clone());
    let events = if kinds.iter().any(|kind| kind.hidden) {
        ValueType::any(kinds.iter().filter(|kind| !kind.hidden).map(|kind| refer(&kind.definition)))
    } else {
        ValueType::Named(event.to_owned())
    };
    let message = Definition {
        name: name.to_owned(),
        about: format!("A message of the socket at {}.", dialect.route),
        value: ValueType::any([wrapped(dialect, events)].into_iter().chain(own.iter().map(refer))),
    };
    [message].into_iter().chain(own).collect()
}

/// Events as the socket has them.
fn wrapped(dialect: &Dialect, events: ValueType) -> ValueType {
    let Some(wrap) = &dialect.wrap else { return events };
    let envelope: Value = serde_json::from_str(&format!("{}null}}", wrap.before)).unwrap_or_default();
    let word = envelope.get("type").and_then(Value::as_str).unwrap_or_default();
    ValueType::Object(ObjectType::of([
        Attribute::always("type", ValueType::exactly(word)),
        Attribute::always(&wrap.field, events),
    ]))
}

//! The types of what a socket sends and takes: events, wrapped where the contract wraps them, the relay's own messages, and
//! those of clients.

use serde_json::Value;

use super::event::KindTypes;
use super::own::{self, own};
use super::shared;
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
    let with_cursors = Definition {
        name: call("cursor_message"),
        about: "A message of the same socket where `?cursor=1` asks for cursors.".to_owned(),
        value: ValueType::Either(vec![
            ValueType::Both(vec![name.to_owned(), shared::HAS_CURSOR.to_owned()]),
            ValueType::Named(shared::CURSOR.to_owned()),
            ValueType::Named(shared::GAP.to_owned()),
        ]),
    };
    [message, with_cursors].into_iter().chain(own).collect()
}

/// The type of what a client sends, and those of its messages; nothing where the dialect takes none but the text `ping`.
pub(super) fn commands(dialect: &Dialect, call: &mut impl FnMut(&str) -> String) -> Vec<Definition> {
    let commands = own::commands(dialect);
    if commands.is_empty() {
        return Vec::new();
    }
    let name = call("command");
    let commands: Vec<Definition> = commands
        .into_iter()
        .map(|(word, about, value)| Definition { name: call(&word), about: about.to_owned(), value })
        .collect();
    let value = ValueType::any(commands.iter().map(|one| ValueType::Named(one.name.clone())));
    let about = format!("A message that a client sends on the socket at {}.", dialect.route);
    [Definition { name, about, value }].into_iter().chain(commands).collect()
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

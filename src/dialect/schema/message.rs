//! Types of the messages of a socket in both directions: events in the envelope of the contract, the relay's own messages, and
//! commands of clients.

use serde_json::Value;

use super::event::KindTypes;
use super::own::{self, own};
use super::shared;
use super::types::{Attribute, Definition, ObjectType, ValueType};
use crate::dialect::Dialect;

/// Definitions of all messages of a socket, and of the relay's own messages.
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

/// Definitions of the commands of clients. Empty where the dialect only knows the text `ping`.
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

/// Type of events in the envelope of the socket.
fn wrapped(dialect: &Dialect, events: ValueType) -> ValueType {
    let Some(wrap) = &dialect.wrap else { return events };
    let envelope: Value = serde_json::from_str(&format!("{}null}}", wrap.before)).unwrap_or_default();
    let word = envelope.get("type").and_then(Value::as_str).unwrap_or_default();
    ValueType::Object(ObjectType::of([
        Attribute::always("type", ValueType::exactly(word)),
        Attribute::always(&wrap.field, events),
    ]))
}

//! What can be published, for people.

use std::fmt::Write;

use crate::dialect::{Dialect, Dialects, EventDef, FieldDef};
use crate::exit::Failure;

/// The events of all dialects, of the target's, or of one of them.
pub(super) fn render(
    dialects: &Dialects,
    target: Option<&str>,
    event: Option<&str>,
) -> Result<String, Failure> {
    let mut out = String::new();
    let Some(target) = target else {
        for (_, dialect) in dialects.iter() {
            dialect_to(&mut out, dialect, None)?;
        }
        return Ok(out);
    };
    let (dialect, _) = super::parse_target(target, dialects)?;
    dialect_to(&mut out, &dialect, event)?;
    Ok(out)
}

fn dialect_to(out: &mut String, dialect: &Dialect, only: Option<&str>) -> Result<(), Failure> {
    let only = only.map(|name| dialect.catalogue.event(name)).transpose();
    let only = only.map_err(|error| Failure::usage(error.to_string()))?;
    let gap = if out.is_empty() { "" } else { "\n" };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{gap}{}: {}", dialect.name, dialect.about);
    match only {
        Some(event) => event_to(out, event),
        None => dialect.catalogue.events.iter().for_each(|event| event_to(out, event)),
    }
    Ok(())
}

fn event_to(out: &mut String, event: &EventDef) {
    let _ = writeln!(out, "  {}", event.name);
    let width = event.settable().map(|field| field.name.len()).max().unwrap_or(0);
    for field in event.settable() {
        let _ = writeln!(out, "    {:width$}  {}{}", field.name, field.takes(), note(field));
    }
}

fn note(field: &FieldDef) -> String {
    match &field.default {
        Some(default) => format!(" [default: {default}]"),
        None if field.required => " [required]".to_owned(),
        None => String::new(),
    }
}

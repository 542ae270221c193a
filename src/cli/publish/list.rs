//! What can be published, for people.

use std::fmt::Write;

use super::place::Place;
use crate::dialect::{Catalogue, Channels, Dialect, Dialects, EventDef, FieldDef, Fill};
use crate::exit::Failure;

/// The events of all dialects, of the target's, or one of them. Of channels, which have many, an overview.
pub(super) fn render(
    dialects: &Dialects,
    target: Option<&str>,
    event: Option<&str>,
) -> Result<String, Failure> {
    let mut out = String::new();
    let Some(target) = target else {
        for (_, dialect) in dialects.iter() {
            dialect_to(&mut out, dialect, None, None)?;
        }
        return Ok(out);
    };
    let Place { dialect, job } = Place::parse(target, dialects)?;
    dialect_to(&mut out, &dialect, event, job.as_deref())?;
    Ok(out)
}

fn dialect_to(
    out: &mut String,
    dialect: &Dialect,
    only: Option<&str>,
    channel: Option<&str>,
) -> Result<(), Failure> {
    let only = only.map(|name| dialect.catalogue.event(name)).transpose();
    let only = only.map_err(|error| Failure::usage(error.to_string()))?;
    let gap = if out.is_empty() { "" } else { "\n" };
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{gap}{}: {}", dialect.name, dialect.about);
    if let Some(publisher) = &dialect.publisher {
        let _ = writeln!(out, "  {publisher} publishes them itself");
    }
    match (only, &dialect.channels) {
        (Some(event), channels) => event_to(out, event, channels.as_ref()),
        (None, None) => dialect.catalogue.events.iter().for_each(|event| event_to(out, event, None)),
        (None, Some(channels)) => {
            overview_to(out, &dialect.catalogue, channels, channel);
            let _ = writeln!(
                out,
                "`jobwire publish {} EVENT --list` shows all fields of an event and their types",
                dialect.name
            );
        }
    }
    Ok(())
}

fn event_to(out: &mut String, event: &EventDef, channels: Option<&Channels>) {
    let channel = channels.and_then(|channels| channels.of_kind(&event.name));
    let channel = channel.map(|channel| format!(" (channel {channel})")).unwrap_or_default();
    let _ = writeln!(out, "  {}{channel}", event.name);
    let shown = || event.fields.iter().filter(|field| matches!(field.fill, None | Some(Fill::Percent)));
    let width = shown().map(|field| field.name.len()).max().unwrap_or(0);
    for field in shown() {
        let _ = match field.fill {
            None => writeln!(out, "    {:width$}  {}{}", field.name, field.takes(), note(field)),
            Some(_) => writeln!(out, "    {:width$}  computed from current and total", field.name),
        };
    }
}

/// A line an event: its name, its channel, and what it must have.
fn overview_to(out: &mut String, catalogue: &Catalogue, channels: &Channels, only: Option<&str>) {
    let of = |event: &EventDef| channels.of_kind(&event.name).map_or("", |name| &**name).to_owned();
    let events = || catalogue.events.iter().filter(|event| only.is_none_or(|name| of(event) == name));
    let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let width = longest(&mut events().map(|event| event.name.len()));
    let channel_width = longest(&mut events().map(|event| of(event).len()));
    for event in events() {
        let required: Vec<&str> =
            event.settable().filter(|field| field.required).map(|field| field.name.as_str()).collect();
        let (name, channel) = (&event.name, of(event));
        let _ = writeln!(out, "  {name:width$}  {channel:channel_width$}  {}", required.join(", "));
    }
}

fn note(field: &FieldDef) -> String {
    match &field.default {
        Some(default) if field.is_carried() => format!(" [default: the job's last one, or {default}]"),
        Some(default) => format!(" [default: {default}]"),
        None if field.required => " [required]".to_owned(),
        None => String::new(),
    }
}

//! Where in a TOML text a key stands, for error messages.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The line (from 1) of the last part of `path` that is there; keys of tables, indexes of arrays.
pub(super) fn line_of(text: &str, path: &[&str]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut at = None;
    let mut here = DeValue::Table(table.into_inner());
    for part in path {
        let (start, next) = match here {
            DeValue::Table(table) => {
                let (key, value) = table.into_iter().find(|(key, _)| key.get_ref() == part)?;
                (key.span().start, value.into_inner())
            }
            DeValue::Array(items) => {
                let item = items.into_iter().nth(part.parse().ok()?)?;
                (item.span().start, item.into_inner())
            }
            _ => break,
        };
        at = Some(start);
        here = next;
    }
    Some(line_at(text, at?))
}

/// The path of the key at a place, or of the innermost value that holds all of it: names, and the places of a list's items.
pub(super) fn key_at(text: &str, place: &Range<usize>) -> Vec<String> {
    let mut path = Vec::new();
    let Ok(table) = DeTable::parse(text) else { return path };
    if place.is_empty() {
        // Something is missing in the file as a whole.
        return path;
    }
    descend(&DeValue::Table(table.into_inner()), place, &mut path);
    path
}

fn holds(span: &Range<usize>, place: &Range<usize>) -> bool {
    span.contains(&place.start) && span.end >= place.end
}

fn descend(value: &DeValue<'_>, place: &Range<usize>, path: &mut Vec<String>) {
    match value {
        DeValue::Table(table) => {
            let found = table.iter().find(|(key, value)| holds(&key.span(), place) || reaches(value, place));
            if let Some((key, value)) = found {
                path.push(key.get_ref().to_string());
                descend(value.get_ref(), place, path);
            }
        }
        DeValue::Array(items) => {
            let found = items.iter().enumerate().find(|(_, item)| reaches(item, place));
            if let Some((nth, item)) = found {
                path.push(nth.to_string());
                descend(item.get_ref(), place, path);
            }
        }
        _ => {}
    }
}

/// Whether a value holds the place, or is a table of which a piece does: its span is that of its header alone.
fn reaches(value: &Spanned<DeValue<'_>>, place: &Range<usize>) -> bool {
    let piece = |table: &DeTable<'_>| {
        table.iter().any(|(key, value)| holds(&key.span(), place) || reaches(value, place))
    };
    holds(&value.span(), place) || matches!(value.get_ref(), DeValue::Table(table) if piece(table))
}

/// The line (from 1) on which a byte stands.
pub fn line_at(text: &str, byte: usize) -> usize {
    let before = &text.as_bytes()[..byte.min(text.len())];
    before.split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_tables_and_arrays() {
        let text = "a = 1\n[b]\nc = 2\nd = [\n  { e = 1 },\n  { e = 2 },\n]\n";
        assert_eq!(line_of(text, &["a"]), Some(1));
        assert_eq!(line_of(text, &["b", "c"]), Some(3));
        assert_eq!(line_of(text, &["b", "d", "1", "e"]), Some(6));
        assert_eq!(line_of(text, &["nope"]), None);
    }

    #[test]
    fn the_key_at_a_byte_is_found_in_tables_and_arrays() {
        let text = "a = 1\n[b]\nc = 2\nd = [\n  { e = 1 },\n  { e = 5 },\n]\n[x.y]\nz = true\n";
        let at = |what: &str| {
            let start = text.find(what).unwrap();
            key_at(text, &(start..start + 1)).join(".")
        };
        assert_eq!(at("1\n"), "a");
        assert_eq!(at("2\n"), "b.c");
        assert_eq!(at("5 }"), "b.d.1.e");
        assert_eq!(at("true"), "x.y.z");
        assert_eq!(key_at(text, &(0..text.len())), [""; 0]);
    }
}

//! Where in a TOML text a key stands, for error messages.

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

/// The path of the key at or around a byte, or of the value that it is in: names, and the places of a list's items.
pub(super) fn key_at(text: &str, byte: usize) -> Vec<String> {
    let Ok(table) = DeTable::parse(text) else { return Vec::new() };
    let mut path = Vec::new();
    descend(&DeValue::Table(table.into_inner()), byte, &mut path);
    path
}

fn descend(value: &DeValue<'_>, byte: usize, path: &mut Vec<String>) {
    match value {
        DeValue::Table(table) => {
            // The tables of a file are pieces: one that begins before the byte may have it, and the last that does has it.
            let holds = |span: std::ops::Range<usize>| span.contains(&byte);
            let found = table.iter().find(|(key, value)| holds(key.span()) || holds(value.span()));
            let found = found.or_else(|| table.iter().find(|(_, value)| reaches(value.get_ref(), byte)));
            if let Some((key, value)) = found {
                path.push(key.get_ref().to_string());
                descend(value.get_ref(), byte, path);
            }
        }
        DeValue::Array(items) => {
            let found = items.iter().enumerate().find(|(_, item)| item.span().contains(&byte));
            if let Some((nth, item)) = found {
                path.push(nth.to_string());
                descend(item.get_ref(), byte, path);
            }
        }
        _ => {}
    }
}

/// Whether a table that was written in pieces has a piece with that byte.
fn reaches(value: &DeValue<'_>, byte: usize) -> bool {
    let DeValue::Table(table) = value else { return false };
    table.iter().any(|(key, value)| {
        key.span().contains(&byte) || value.span().contains(&byte) || reaches(value.get_ref(), byte)
    })
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
        let at = |what: &str| key_at(text, text.find(what).unwrap()).join(".");
        assert_eq!(at("1\n"), "a");
        assert_eq!(at("2\n"), "b.c");
        assert_eq!(at("5 }"), "b.d.1.e");
        assert_eq!(at("true"), "x.y.z");
    }
}

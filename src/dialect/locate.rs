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
}

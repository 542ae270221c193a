//! Lone surrogates in JSON text: `\udce9` without its other half, which Python and Node write and no Rust string can hold.
//!
//! They are carried through as they were written: put aside before the text is parsed, and put back after it is printed.

use std::borrow::Cow;

/// Stands around the four digits of one. A character that nobody has a use for; text that has it is left as it is.
const MARK: char = '\u{10EEEE}';

/// The text with every lone surrogate put aside, so that any parser takes it.
pub(super) fn put_aside(json: &str) -> Cow<'_, str> {
    if !json.contains("\\u") || json.contains(MARK) {
        return Cow::Borrowed(json);
    }
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = json[at..].find('\\') {
        let here = at + found;
        at = match (unit(json, here), unit(json, here + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => here + 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push_str(&json[copied..here]);
                out.push(MARK);
                out.push_str(&json[here + 2..here + 6]);
                out.push(MARK);
                copied = here + 6;
                copied
            }
            (Some(_), _) => here + 6,
            // Skip the backslash and the escaped character, which may take several bytes.
            (None, _) => here + 1 + json[here + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// Printed JSON with every lone surrogate where it was.
pub(super) fn put_back(json: String) -> String {
    if !json.contains(MARK) {
        return json;
    }
    let mut parts = json.split(MARK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    while let Some(digits) = parts.next() {
        let is_unit = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(rest) = parts.next().filter(|_| is_unit) else {
            // The mark was there from the beginning.
            return json;
        };
        out.push_str("\\u");
        out.push_str(digits);
        out.push_str(rest);
    }
    out
}

/// A parsed text with U+FFFD for each, for where it is shown or compared.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let parts = text.split(MARK).enumerate();
    Cow::Owned(parts.map(|(nth, part)| if nth % 2 == 1 { "\u{fffd}" } else { part }).collect())
}

/// The UTF-16 unit that an escape at this place stands for.
fn unit(json: &str, at: usize) -> Option<u32> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn lone_surrogates_come_back_as_they_were_written_and_nothing_else_changes() {
        for text in [
            r#"{"m":"cannot read caf\udce9.txt"}"#,
            r#"["\uD83D","\ud83d\ude00","\ude00\ud83d","\\ud83d","\\\uDC00é"]"#,
            r#"["\ud83d\n\ud83d\u0041"]"#,
            r#"{"\udce9":1}"#,
        ] {
            let aside = put_aside(text);
            let value: Value = serde_json::from_str(&aside).unwrap_or_else(|error| panic!("{text}: {error}"));
            let units = |text: &str| text.replace("\\ud83d\\ude00", "\u{1f600}").replace("\\u0041", "A");
            assert_eq!(put_back(value.to_string()), units(text));
        }
        for plain in [r#"{"m":"\ud83d\ude00"}"#, "{}", "\"\\", "\\u12", "\"\u{10EEEE}\\udce9\""] {
            assert_eq!(put_aside(plain), plain);
        }
        assert_eq!(shown("caf\u{10EEEE}dce9\u{10EEEE}.txt"), "caf\u{fffd}.txt");
        assert_eq!(put_back("\"\u{10EEEE}\"".to_owned()), "\"\u{10EEEE}\"");
    }
}

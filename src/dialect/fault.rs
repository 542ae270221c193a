//! Place and cause of the first JSON error in a payload, in words for the log. Slow, and used only for payloads that
//! are dropped.

use serde_json::value::RawValue;

/// Bytes that are shown on either side of a fault.
const AROUND: usize = 40;
/// A word that is no JSON value is shown up to here.
const LONGEST_WORD: usize = 24;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The place of a payload that makes it no JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonFault {
    /// Offset of the faulty byte, from 0.
    pub offset: usize,
    /// Cause of the fault.
    pub reason: String,
    /// Bytes around the fault, escaped, safe to print.
    pub around: String,
}

impl JsonFault {
    /// Finds the first fault of a payload; `None` where it is JSON.
    pub fn find(payload: &[u8]) -> Option<Self> {
        let (offset, reason) = match std::str::from_utf8(payload) {
            Err(error) => (error.valid_up_to(), not_utf8(payload, error.valid_up_to())),
            Ok(text) => {
                let error = serde_json::from_str::<&RawValue>(text).err()?;
                not_json(payload, &error)
            }
        };
        Some(Self { offset, reason, around: around(payload, offset) })
    }
}

/// The bytes of a payload around one of them, escaped; `…` where there are more.
fn around(payload: &[u8], offset: usize) -> String {
    let (from, to) = (offset.saturating_sub(AROUND), payload.len().min(offset + AROUND));
    let text = String::from_utf8_lossy(&payload[from..to]);
    let (before, after) = (if from > 0 { "…" } else { "" }, if to < payload.len() { "…" } else { "" });
    format!("{before}{}{after}", text.escape_debug())
}

fn not_utf8(payload: &[u8], offset: usize) -> String {
    match payload {
        [0x80, 0x02..=0x05, ..] => "binary data as Python's pickle writes it".to_owned(),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 in place of UTF-8".to_owned(),
        _ => format!("the byte 0x{:02x} is no UTF-8", payload[offset]),
    }
}

/// Offset and cause of a parser's error.
fn not_json(payload: &[u8], error: &serde_json::Error) -> (usize, String) {
    if payload.starts_with(BYTE_ORDER_MARK) {
        return (0, "a byte order mark stands before the JSON".to_owned());
    }
    if payload.trim_ascii().is_empty() {
        return (0, "it is empty".to_owned());
    }
    if error.is_eof() {
        return (payload.len(), "it ends in the middle".to_owned());
    }
    let lines = payload.split_inclusive(|byte| *byte == b'\n');
    let line: usize = lines.take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    let message = error.to_string();
    // The parser counts a control character as not yet read, and all else as read.
    if message.starts_with("control character") {
        let offset = line + error.column();
        return (offset, control_character(payload.get(offset)));
    }
    let offset = (line + error.column().saturating_sub(1)).min(payload.len() - 1);
    (offset, reason_at(payload, offset, &message))
}

fn control_character(byte: Option<&u8>) -> String {
    match byte {
        Some(b'\t') => "a raw tab in a text; JSON wants \\t".to_owned(),
        Some(b'\n') => "a raw line feed in a text; JSON wants \\n".to_owned(),
        Some(b'\r') => "a raw carriage return in a text; JSON wants \\r".to_owned(),
        byte => format!("a raw control character 0x{:02x} in a text", byte.copied().unwrap_or_default()),
    }
}

fn reason_at(payload: &[u8], offset: usize, message: &str) -> String {
    let is_letter = |byte: &&u8| byte.is_ascii_alphabetic();
    let before = payload[..offset].iter().rev().take(LONGEST_WORD).take_while(is_letter).count();
    let after = payload[offset..].iter().take(LONGEST_WORD).take_while(is_letter).count();
    let word = String::from_utf8_lossy(&payload[offset - before..offset + after]);
    // The parser's own words end with the place, which is given apart.
    let said = message.split(" at line ").next().unwrap_or(message);
    match said {
        "trailing characters" => "something follows the JSON document".to_owned(),
        "key must be a string" if payload[offset] == b'\'' => {
            "names stand in double quotes, not in single ones".to_owned()
        }
        "key must be a string" if matches!(payload[offset], b'}') => {
            "a comma stands before the closing brace".to_owned()
        }
        "key must be a string" => "a name has to stand in double quotes".to_owned(),
        "expected value" if payload[offset] == b'\'' => {
            "texts stand in double quotes, not in single ones".to_owned()
        }
        "expected value" | "expected ident" | "invalid number" if after > 0 => {
            format!("{word} is no JSON value")
        }
        "expected value" | "expected ident" => "no JSON value stands here".to_owned(),
        said => said.replace('`', "'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_byte_and_says_in_words_what_is_wrong() {
        let table: [(&[u8], usize, &str); 18] = [
            (br#"{"a":NaN}"#, 5, "NaN is no JSON value"),
            (br#"{"a":-Infinity}"#, 6, "Infinity is no JSON value"),
            (br#"{"a":undefined}"#, 5, "undefined is no JSON value"),
            (br#"{"a":True}"#, 5, "True is no JSON value"),
            (b"\xef\xbb\xbf{\"a\":1}", 0, "a byte order mark stands before the JSON"),
            (b"{\"a\":\"x\ty\"}", 7, "a raw tab in a text; JSON wants \\t"),
            (b"{\n\"a\":\"x\ny\"}", 8, "a raw line feed in a text; JSON wants \\n"),
            (b"{\"a\":\"x\x1by\"}", 7, "a raw control character 0x1b in a text"),
            (b"{\"a\":1}\n{\"b\":2}", 8, "something follows the JSON document"),
            (br#"{"a":1}}"#, 7, "something follows the JSON document"),
            (br"{'a':1}", 1, "names stand in double quotes, not in single ones"),
            (br#"{"a":'x'}"#, 5, "texts stand in double quotes, not in single ones"),
            (br#"{"a":1,}"#, 7, "a comma stands before the closing brace"),
            (br#"{"a":1"#, 6, "it ends in the middle"),
            (b"", 0, "it is empty"),
            (b"{\"a\":\"caf\xe9\"}", 9, "the byte 0xe9 is no UTF-8"),
            (b"\x80\x04\x95\x10", 0, "binary data as Python's pickle writes it"),
            (b"\xff\xfe{\x00", 0, "UTF-16 in place of UTF-8"),
        ];
        for (payload, offset, reason) in table {
            let fault = JsonFault::find(payload).unwrap();
            assert_eq!((fault.offset, fault.reason.as_str()), (offset, reason), "{payload:?}");
        }
        assert_eq!(JsonFault::find(br#"{"a":"\udce9","b":1e400}"#), None);
    }

    #[test]
    fn the_bytes_around_a_fault_are_shown_and_can_do_nothing_to_a_terminal() {
        let payload = format!("{{\"a\":\"{}\",\"b\":NaN,\"c\":\"\u{1b}[2J\u{202e}\"}}", "x".repeat(5_000));
        let fault = JsonFault::find(payload.as_bytes()).unwrap();
        assert_eq!(fault.offset, payload.find("NaN").unwrap());
        assert_eq!(
            fault.around,
            format!("…{}\\\",\\\"b\\\":NaN,\\\"c\\\":\\\"\\u{{1b}}[2J\\u{{202e}}\\\"}}", "x".repeat(34))
        );
    }
}

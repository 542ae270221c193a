//! Values that are for the operators of a job and not for its watchers: they leave as null.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{Fault, pointer};
use super::pointer::Tree;

/// The places whose values become null.
#[derive(Debug, Clone, Default)]
pub(super) struct Redactor {
    /// `None`: nothing is hidden.
    tree: Option<Tree>,
}

impl Redactor {
    pub(super) fn compile(pointers: &[String]) -> Result<Self, Fault> {
        let mut tree = Tree::default();
        for (nth, text) in pointers.iter().enumerate() {
            tree.want(&pointer(text, &["redact", &nth.to_string()])?, 0);
        }
        Ok(Self { tree: (!pointers.is_empty()).then_some(tree) })
    }

    /// Whether nothing is hidden.
    pub(super) const fn is_empty(&self) -> bool {
        self.tree.is_none()
    }

    /// Replaces each value to be redacted by null, also where an object repeats its name; leaves all other bytes as
    /// they are. A text that is no JSON is returned unchanged.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(tree) = &self.tree else { return Cow::Borrowed(text) };
        let mut found: Vec<Range<usize>> = Vec::new();
        let start = text.as_ptr() as usize;
        let read = tree.each(text, &mut |value: &str| {
            // The value is a part of the text.
            let at = value.as_ptr() as usize - start;
            if value != "null" {
                found.push(at..at + value.len());
            }
        });
        if read.is_err() || found.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut out, mut from) = (String::with_capacity(text.len()), 0);
        for part in found {
            out.push_str(&text[from..part.start]);
            out.push_str("null");
            from = part.end;
        }
        out.push_str(&text[from..]);
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_null_wherever_their_name_stands_and_the_rest_keeps_its_bytes() {
        let pointers = ["/traceback", "/args", "/a/0/secret"].map(str::to_owned);
        let redactor = Redactor::compile(&pointers).unwrap();
        for (given, wanted) in [
            (r#"{"traceback":"x" , "b": 1.0}"#, r#"{"traceback":null , "b": 1.0}"#),
            (r#"{"args": [1,{"k":"v"}],"trace\u0062ack":"y"}"#, r#"{"args": null,"trace\u0062ack":null}"#),
            (
                r#"{"traceback":"a","traceback":null,"traceback":{"x":1}}"#,
                r#"{"traceback":null,"traceback":null,"traceback":null}"#,
            ),
            (r#"{"a":[{"secret":1,"b":2},{"secret":3}]}"#, r#"{"a":[{"secret":null,"b":2},{"secret":3}]}"#),
            (r#"{"a":{"0":{"secret":"\udce9"}}}"#, r#"{"a":{"0":{"secret":null}}}"#),
            (r#"{"x\udce9":1e400,"traceback":"x"}"#, r#"{"x\udce9":1e400,"traceback":null}"#),
            (r#"{"b":{"traceback":"inner"}}"#, r#"{"b":{"traceback":"inner"}}"#),
            ("[1]", "[1]"),
            ("no json", "no json"),
        ] {
            assert_eq!(redactor.apply(given), wanted);
        }
        let untouched = r#"{"traceback":null,"args":null}"#;
        assert!(matches!(redactor.apply(untouched), Cow::Borrowed(_)));
    }
}

//! One field of an event: how users write its value, and which values it takes.

use std::fmt;

use serde_json::{Number, Value};

use super::{FieldType, Fill, Pointer, suggest, surrogate};

/// How much of a wrong value an error repeats, in characters.
const SHOWN: usize = 60;

/// One field of an event, as `publish` takes it.
#[derive(Debug, Clone)]
pub struct FieldDef {
    /// The name users write.
    pub name: String,
    /// Its type.
    pub kind: FieldType,
    /// Must be given, or be set by the event.
    pub required: bool,
    /// What stands there if nothing is given.
    pub default: Option<Value>,
    /// Filled in by the publisher, never by the user.
    pub fill: Option<Fill>,
    pub(super) at: Pointer,
    /// The only values it takes; empty: any of its type.
    pub values: Vec<String>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) nullable: bool,
    pub(super) always: bool,
    /// Value that the field takes over from the job's newest state, in place of the default.
    pub(super) carried: Option<Carried>,
}

/// Value of the job's newest state that a field with a default takes over, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// The percent.
    Percent,
    /// The number of steps.
    Total,
}

impl FieldDef {
    /// A field that the publisher fills in.
    pub(super) fn filled(name: String, at: Pointer, fill: Fill) -> Self {
        Self {
            name,
            kind: FieldType::String,
            required: false,
            default: None,
            fill: Some(fill),
            at,
            values: Vec::new(),
            min: None,
            max: None,
            nullable: false,
            always: false,
            carried: None,
        }
    }
}

/// Why an event cannot be built from what the user gave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The dialect has no such event.
    #[error("{0}")]
    UnknownEvent(String),
    /// The event has no such field.
    #[error("{0}")]
    UnknownField(String),
    /// No assignment at all.
    #[error("'{0}' is no field; write name=value, or name:=json")]
    Shape(String),
    /// What follows `:=` is no JSON.
    #[error("{field}: not JSON after ':=': {reason}")]
    Json {
        /// The field's name.
        field: String,
        /// What the parser said.
        reason: String,
    },
    /// The publisher fills it in.
    #[error("{0} is filled in by itself and cannot be given")]
    Filled(String),
    /// The same field is given more than once.
    #[error("{0} is given twice")]
    Twice(String),
    /// A value of the wrong type, or out of range.
    #[error("{field}: expected {expected}, got {given}")]
    Value {
        /// The field's name.
        field: String,
        /// What it takes.
        expected: String,
        /// What it got, shortened.
        given: String,
    },
    /// Fields that must be there are not.
    #[error("{event} needs {}", fields.join(", "))]
    Missing {
        /// The event's name.
        event: String,
        /// The names of the missing fields.
        fields: Vec<String>,
    },
}

/// `name=value` or `name:=json`, as the user wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The field's name.
    pub name: String,
    /// The value.
    pub value: Given,
}

/// A value that has not met its field yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// Text, to be typed by the catalogue.
    Text(String),
    /// JSON, to be checked by the catalogue.
    Json(Value),
}

impl Assignment {
    /// Parses HTTPie's form.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let shape = || FieldError::Shape(shorten(text));
        let (name, value) = text.split_once('=').ok_or_else(shape)?;
        let (name, value) = match name.strip_suffix(':') {
            None => (name, Given::Text(value.to_owned())),
            Some(name) => match serde_json::from_str(&surrogate::put_aside(value)) {
                Ok(json) => (name, Given::Json(json)),
                Err(error) => {
                    return Err(FieldError::Json { field: shorten(name), reason: error.to_string() });
                }
            },
        };
        if name.is_empty() {
            return Err(shape());
        }
        Ok(Self { name: name.to_owned(), value })
    }

    /// An assignment made by a program, its value already JSON.
    pub fn json(name: &str, value: impl Into<Value>) -> Self {
        Self { name: name.to_owned(), value: Given::Json(value.into()) }
    }
}

impl FieldDef {
    /// What the field takes, for help and errors: `a number from 0 to 100 or null`.
    pub fn takes(&self) -> String {
        let what = match self.kind {
            FieldType::String if !self.values.is_empty() => format!("one of {}", self.values.join(", ")),
            FieldType::String => "text".to_owned(),
            FieldType::Int => format!("a whole number{}", Range(self.min, self.max)),
            FieldType::Float => format!("a number{}", Range(self.min, self.max)),
            FieldType::Bool => "true or false".to_owned(),
            FieldType::Object => "a JSON object".to_owned(),
        };
        if self.nullable { format!("{what} or null") } else { what }
    }

    /// The value of an assignment, typed.
    pub(super) fn typed(&self, given: &Given) -> Result<Value, FieldError> {
        match given {
            Given::Json(value) => self.check(value).map(|()| value.clone()),
            Given::Text(text) => {
                let value = self.parse(text).ok_or_else(|| self.wrong(&format!("'{}'", shorten(text))))?;
                self.check(&value).map(|()| value)
            }
        }
    }

    /// Text to a value of the right type, where the text has its form; ranges are checked later.
    fn parse(&self, text: &str) -> Option<Value> {
        if self.nullable && text == "null" {
            return Some(Value::Null);
        }
        match self.kind {
            FieldType::String => Some(Value::from(text)),
            FieldType::Int => text.parse::<i64>().ok().map(Value::from),
            FieldType::Float => number(text).map(Value::Number),
            FieldType::Bool => text.parse::<bool>().ok().map(Value::from),
            FieldType::Object => serde_json::from_str(&surrogate::put_aside(text)).ok(),
        }
    }

    /// Whether the field takes this value.
    pub(super) fn check(&self, value: &Value) -> Result<(), FieldError> {
        let in_range = |number: f64| {
            self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
        };
        let fits = match (self.kind, value) {
            (_, Value::Null) => self.nullable,
            (FieldType::String, Value::String(text)) => {
                self.values.is_empty() || self.values.iter().any(|known| known == text)
            }
            (FieldType::Int, Value::Number(number)) => {
                number.is_i64() && number.as_f64().is_some_and(in_range)
            }
            (FieldType::Float, Value::Number(number)) => number.as_f64().is_some_and(in_range),
            (FieldType::Bool, Value::Bool(_)) | (FieldType::Object, Value::Object(_)) => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let given = match value {
            Value::String(text) => {
                let given = format!("'{}'", shorten(text));
                let near = suggest::nearest(text, self.values.iter().map(String::as_str));
                near.map_or(given.clone(), |near| format!("{given}; did you mean '{near}'?"))
            }
            other => shorten(&other.to_string()),
        };
        Err(self.wrong(&given))
    }

    fn wrong(&self, given: &str) -> FieldError {
        FieldError::Value { field: self.name.clone(), expected: self.takes(), given: given.to_owned() }
    }
}

/// A finite number out of text. Takes `.5` too, which `bc` prints and JSON does not know.
pub(super) fn number(text: &str) -> Option<Number> {
    if let Ok(number) = text.parse::<Number>() {
        return Some(number);
    }
    // `parse::<f64>` knows words (`inf`, `nan`) that are no numbers to a user.
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if plain { Number::from_f64(text.parse().ok()?) } else { None }
}

/// The start of a text from a user, safe to print on one line.
pub(super) fn shorten(text: &str) -> String {
    let text = surrogate::shown(text);
    let start: String = text.chars().take(SHOWN).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

struct Range(Option<f64>, Option<f64>);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(min), Some(max)) => write!(f, " from {min} to {max}"),
            (Some(min), None) => write!(f, " of at least {min}"),
            (None, Some(max)) => write!(f, " of at most {max}"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(kind: FieldType) -> FieldDef {
        FieldDef {
            name: "f".to_owned(),
            kind,
            required: false,
            default: None,
            fill: None,
            at: Pointer::parse("/f").unwrap(),
            values: Vec::new(),
            min: None,
            max: None,
            nullable: false,
            always: false,
            carried: None,
        }
    }

    fn typed(def: &FieldDef, text: &str) -> Option<Value> {
        def.typed(&Assignment::parse(&format!("f={text}")).unwrap().value).ok()
    }

    #[test]
    fn text_is_typed_by_the_field() {
        let table = [
            (FieldType::String, "45", Some(json!("45"))),
            (FieldType::String, "", Some(json!(""))),
            (FieldType::String, "a=b:=c", Some(json!("a=b:=c"))),
            (FieldType::Int, "45", Some(json!(45))),
            (FieldType::Int, "-3", Some(json!(-3))),
            (FieldType::Int, "45.0", None),
            (FieldType::Int, "9223372036854775808", None),
            (FieldType::Int, "", None),
            (FieldType::Float, "45", Some(json!(45))),
            (FieldType::Float, "45.5", Some(json!(45.5))),
            (FieldType::Float, "45.0", Some(json!(45.0))),
            (FieldType::Float, ".5", Some(json!(0.5))),
            (FieldType::Float, "nan", None),
            (FieldType::Float, "inf", None),
            (FieldType::Float, "1e999", None),
            (FieldType::Float, "45%", None),
            (FieldType::Float, "4_5", None),
            (FieldType::Bool, "true", Some(json!(true))),
            (FieldType::Bool, "yes", None),
            (FieldType::Object, r#"{"a":1}"#, Some(json!({"a": 1}))),
            (FieldType::Object, "[1]", None),
            (FieldType::Object, "x", None),
            (FieldType::Float, "null", None),
        ];
        for (kind, text, expected) in table {
            assert_eq!(typed(&field(kind), text), expected, "{kind:?} {text:?}");
        }
        let nullable = FieldDef { nullable: true, ..field(FieldType::String) };
        assert_eq!(typed(&nullable, "null"), Some(Value::Null));
    }

    #[test]
    fn numbers_keep_the_form_that_they_were_given_in() {
        for text in ["45", "45.5", "45.0", "-0.25"] {
            assert_eq!(typed(&field(FieldType::Float), text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn json_is_checked_too_and_errors_say_expected_and_given() {
        let percent = FieldDef { min: Some(0.0), max: Some(100.0), ..field(FieldType::Float) };
        let error = |def: &FieldDef, text: &str| {
            def.typed(&Assignment::parse(text).unwrap().value).unwrap_err().to_string()
        };
        assert_eq!(error(&percent, "f:=101"), "f: expected a number from 0 to 100, got 101");
        assert_eq!(error(&percent, "f=abc"), "f: expected a number from 0 to 100, got 'abc'");
        assert_eq!(error(&percent, r#"f:="45""#), "f: expected a number from 0 to 100, got '45'");
        assert_eq!(error(&percent, "f:=null"), "f: expected a number from 0 to 100, got null");
        let status =
            FieldDef { values: vec!["queued".to_owned(), "failed".to_owned()], ..field(FieldType::String) };
        assert_eq!(
            error(&status, "f=queud"),
            "f: expected one of queued, failed, got 'queud'; did you mean 'queued'?"
        );
        let long = format!("f={}", "x".repeat(10_000));
        assert!(error(&percent, &long).len() < 200);
        assert!(!error(&percent, "f=a\nb").contains('\n'));
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for text in ["f", "", "=1", ":=1"] {
            assert!(matches!(Assignment::parse(text), Err(FieldError::Shape(_))), "{text:?}");
        }
        assert!(matches!(Assignment::parse("f:={"), Err(FieldError::Json { .. })));
        assert_eq!(Assignment::parse("f:=[1]").unwrap(), Assignment::json("f", json!([1])));
    }
}

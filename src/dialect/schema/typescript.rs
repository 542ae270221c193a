//! Types as TypeScript declarations: an interface for each kind of event, and unions that the kind discriminates.

use std::fmt::Write as _;

use serde_json::Value;

use super::DialectTypes;
use super::types::{Attribute, Definition, ObjectType, ValueType};

/// Writes a module of declarations.
pub(super) fn write(all: &[DialectTypes], shared: &[Definition]) -> String {
    let mut out =
        "// Written by `jobwire schema --format typescript`; write it anew instead of changing it.\n"
            .to_owned();
    for dialect in all {
        let about = printable(&dialect.about).replace(['\r', '\n'], " ");
        let about = if about.is_empty() { about } else { format!(": {about}") };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n// The dialect {}{about}.", dialect.dialect);
        for definition in &dialect.definitions {
            out.push('\n');
            declare(&mut out, definition);
        }
    }
    out.push_str("\n// What every relay sends and takes, whatever the dialect.\n");
    for definition in shared {
        out.push('\n');
        declare(&mut out, definition);
    }
    out
}

fn declare(out: &mut String, definition: &Definition) {
    comment(out, "", &definition.about);
    let name = &definition.name;
    let _ = match &definition.value {
        ValueType::Object(object) => writeln!(out, "export interface {name} {}", of_object(object, "")),
        ValueType::Either(types) => {
            let lines: Vec<String> = types.iter().map(|one| format!("\n  | {}", of(one, "    "))).collect();
            writeln!(out, "export type {name} ={};", lines.concat())
        }
        other => writeln!(out, "export type {name} = {};", of(other, "")),
    };
}

/// Type for use after a colon; further lines start with `indent`.
fn of(value: &ValueType, indent: &str) -> String {
    match value {
        ValueType::Unknown => "unknown".to_owned(),
        ValueType::Null => "null".to_owned(),
        // TypeScript has no type for all texts except some.
        ValueType::Text | ValueType::NoneOf(_) => "string".to_owned(),
        ValueType::OneOf(words) => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" | "),
        ValueType::Flag => "boolean".to_owned(),
        ValueType::Whole { .. } | ValueType::Number { .. } => "number".to_owned(),
        ValueType::List(of_what) => format!("Array<{}>", of(of_what, indent)),
        ValueType::Object(object) => of_object(object, indent),
        ValueType::Named(name) => name.clone(),
        ValueType::Both(names) => names.join(" & "),
        ValueType::Either(types) => {
            let mut all: Vec<String> = Vec::new();
            for one in types.iter().map(|one| of(one, indent)) {
                if !all.contains(&one) {
                    all.push(one);
                }
            }
            all.join(" | ")
        }
    }
}

fn of_object(object: &ObjectType, indent: &str) -> String {
    if object.attributes.is_empty() {
        return "{ [name: string]: unknown }".to_owned();
    }
    let inner = format!("{indent}  ");
    let mut out = "{\n".to_owned();
    for attribute in &object.attributes {
        comment(&mut out, &inner, &attribute.about);
        let Attribute { name, required, value, .. } = attribute;
        let mark = if *required { "" } else { "?" };
        let _ = writeln!(out, "{inner}{}{mark}: {};", key(name), of(value, &inner));
    }
    if object.free {
        let _ = writeln!(out, "{inner}[name: string]: unknown;");
    }
    let _ = write!(out, "{indent}}}");
    out
}

/// Adds a doc comment, unless `about` is empty.
fn comment(out: &mut String, indent: &str, about: &str) {
    if !about.is_empty() {
        let about = printable(about).replace(['\r', '\n'], " ").replace("*/", "*\\/");
        let _ = writeln!(out, "{indent}/** {about} */");
    }
}

/// Text without the two Unicode characters that end a line in TypeScript.
fn printable(text: &str) -> String {
    text.replace(['\u{2028}', '\u{2029}'], " ")
}

/// Name of an attribute, in quotes where it is no identifier.
fn key(name: &str) -> String {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    let is_plain = name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
    if is_plain { name.to_owned() } else { quoted(name) }
}

/// A text as a JSON string, which is valid TypeScript.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

//! Every event of every dialect, as its catalogue describes it.

use std::sync::Arc;

use serde_json::Value;

use super::{event, refused};
use crate::dialect::{Catalogue, Dialect, Dialects, EventDef, FieldDef, FieldType};

/// Every event with its dialect and the target that it is published to.
fn events() -> Vec<(Arc<Dialect>, &'static str, EventDef)> {
    let dialects = Dialects::builtin();
    let of = |(_, dialect): (_, &Arc<Dialect>)| {
        let target = match &*dialect.name {
            "channels" => "channels",
            "scraping" => "scraping/7",
            "downloads" => "downloads/7",
            "tasks" => "tasks/7",
            "celery" => "celery/7",
            "bullmq" => "bullmq/q:7",
            "jobs" => "build-42",
            other => panic!("{other} is new here"),
        };
        let Catalogue { events, .. } = dialect.catalogue.clone();
        events.into_iter().map(|event| (Arc::clone(dialect), target, event)).collect::<Vec<_>>()
    };
    dialects.iter().flat_map(of).collect()
}

/// A value that the field takes.
fn good(field: &FieldDef) -> String {
    match field.kind {
        FieldType::String => match field.takes().strip_prefix("one of ") {
            Some(values) => values.split(", ").next().unwrap().to_owned(),
            None => format!("a {}", field.name),
        },
        FieldType::Int if field.name == "total" => "80".to_owned(),
        FieldType::Int => "50".to_owned(),
        FieldType::Float => "0.5".to_owned(),
        FieldType::Bool => "true".to_owned(),
        FieldType::Object => r#"{"a":1}"#.to_owned(),
    }
}

fn line(target: &str, event: &EventDef, fields: &[String]) -> Vec<String> {
    [&[target.to_owned(), event.name.clone()], fields].concat()
}

fn borrowed(line: &[String]) -> Vec<&str> {
    line.iter().map(String::as_str).collect()
}

/// Where each field stands is the dialect's; a name with dots is a way.
fn at<'a>(payload: &'a Value, name: &str) -> Option<&'a Value> {
    payload.get(name).or_else(|| name.split('.').try_fold(payload, |value, name| value.get(name)))
}

#[test]
fn each_goes_out_with_all_its_fields_typed() {
    for (dialect, target, def) in events() {
        let fields: Vec<String> =
            def.settable().map(|field| format!("{}={}", field.name, good(field))).collect();
        if dialect.name.as_ref() != "channels" && def.settable().any(|field| field.kind == FieldType::Object)
        {
            // Its other fields stand inside the object; the dialect's own tests put them there.
            continue;
        }
        let (channel, payload) = event(&borrowed(&line(target, &def, &fields)));
        let payload: Value = serde_json::from_str(&payload).unwrap();
        for field in def.settable() {
            let value = at(&payload, &field.name).unwrap_or_else(|| panic!("{}: {}", def.name, field.name));
            let typed = match field.kind {
                FieldType::String => value.is_string(),
                FieldType::Int => value.is_i64(),
                FieldType::Float => value.is_f64(),
                FieldType::Bool => value.is_boolean(),
                FieldType::Object => value.is_object(),
            };
            assert!(typed, "{} {}: {value}", def.name, field.name);
        }
        let Some(channels) = &dialect.channels else { continue };
        let expected = channels.of_kind(&def.name).unwrap();
        assert_eq!(channel, format!("fliptechpro:{expected}"));
        assert_eq!(payload["type"], *def.name);
        assert!(payload["timestamp"].as_str().unwrap().ends_with('Z'));
        if def.name.ends_with("progress") {
            assert_eq!(payload["percent"], 62.5, "{}", def.name);
        }
        let decoded = dialect.decode_channel(channel.as_bytes(), b"{}").unwrap();
        assert_eq!(decoded.channel, expected, "a relay files it there");
    }
}

#[test]
fn each_is_refused_without_what_it_needs_and_with_values_of_another_type() {
    let mut checked = 0;
    for (_, target, def) in events() {
        let given = |field: &FieldDef| format!("{}={}", field.name, good(field));
        let required: Vec<&FieldDef> =
            def.settable().filter(|field| field.required && field.default.is_none()).collect();
        let all: Vec<String> = required.iter().map(|field| given(field)).collect();
        for missing in &required {
            let fields: Vec<String> = required
                .iter()
                .filter(|field| field.name != missing.name)
                .map(|field| given(field))
                .collect();
            let message = refused(&borrowed(&line(target, &def, &fields)));
            assert_eq!(message, format!("{} needs {}", def.name, missing.name));
            checked += 1;
        }
        for field in def.settable() {
            let others = all.iter().filter(|text| !text.starts_with(&format!("{}=", field.name)));
            let wrong = match field.kind {
                FieldType::String => format!("{}:=[1]", field.name),
                _ => format!("{}=wrong", field.name),
            };
            let fields: Vec<String> = others.cloned().chain([wrong]).collect();
            let message = refused(&borrowed(&line(target, &def, &fields)));
            assert!(message.starts_with(&format!("{}: expected ", field.name)), "{}: {message}", def.name);
            checked += 1;
        }
        let fields = [&all[..], &["nonsense=1".to_owned()]].concat();
        let message = refused(&borrowed(&line(target, &def, &fields)));
        assert!(message.starts_with(&format!("{} has no field 'nonsense'", def.name)), "{message}");
    }
    assert!(checked > 200, "{checked}");
}

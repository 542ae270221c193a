//! `schema.json` holds for what is written, and for nothing that is not.

use serde_json::{Value, json};

use crate::bench::summary::{Find, Mode, Probe, Reconnect, RoundTrip, Server, Summary, Worker};

fn schema() -> Value {
    serde_json::from_str(include_str!("schema.json")).unwrap()
}

/// What is wrong with a value; knows as much of JSON Schema as the schema uses, and panics where that is too little.
fn faults(value: &Value, schema: &Value, root: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let number = || rule.as_f64().unwrap();
        let held = match keyword.as_str() {
            "$ref" => {
                let target =
                    root.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("no such definition");
                faults(value, target, root, at, found);
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|choice| {
                let mut wrong = Vec::new();
                faults(value, choice, root, at, &mut wrong);
                wrong.is_empty()
            }),
            "type" => {
                rule.as_array().map_or_else(|| is(value, rule), |all| all.iter().any(|one| is(value, one)))
            }
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|value| value >= number()),
            "maximum" => value.as_f64().is_none_or(|value| value <= number()),
            "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    faults(item, rule, root, &format!("{at}/{index}"), found);
                }
                true
            }
            "required" => value.as_object().is_none_or(|object| {
                rule.as_array().unwrap().iter().all(|name| object.contains_key(name.as_str().unwrap()))
            }),
            "properties" | "additionalProperties" => {
                members(value, schema, root, at, found, keyword == "properties");
                true
            }
            "$schema" | "$defs" | "title" | "description" => true,
            unknown => panic!("{unknown} at {at}: teach it to this test"),
        };
        if !held {
            found.push(format!("{at}: {keyword} {rule} does not hold for {value}"));
        }
    }
}

fn members(value: &Value, schema: &Value, root: &Value, at: &str, found: &mut Vec<String>, named: bool) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match (schema.get("properties").and_then(|all| all.get(name)), schema.get("additionalProperties")) {
            (Some(rule), _) if named => faults(member, rule, root, &at, found),
            (None, Some(Value::Bool(false))) if !named => found.push(format!("{at}: has no place here")),
            (None, Some(rule @ Value::Object(_))) if !named => faults(member, rule, root, &at, found),
            _ => {}
        }
    }
}

fn is(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

fn faults_of(value: &Value) -> Vec<String> {
    let schema = schema();
    let mut found = Vec::new();
    faults(value, &schema, &schema, "", &mut found);
    found
}

/// One in which every optional part is there.
fn full() -> Summary {
    let mut summary = Summary::example();
    summary.partial = Some("interrupted".into());
    summary.round_trip = Some(RoundTrip::default());
    summary.reconnect = Some(Reconnect { all_back_seconds: Some(1.5), ..Reconnect::default() });
    summary.server = Some(Server { pids: vec![7], pss_per_connection_bytes: Some(1.0), ..Server::default() });
    let probe = Probe { assertions: summary.verdict.assertions.clone(), ..Probe::default() };
    summary.find = Some(Find { probes: vec![probe], found: Some(5), ..Find::default() });
    summary.workers = vec![Worker { clock_offset_micros: -5, ..Worker::default() }];
    summary
}

#[test]
fn what_is_written_keeps_to_the_schema() {
    let modes = [Mode::Fanout, Mode::Connect, Mode::Idle, Mode::Echo, Mode::Storm];
    for summary in modes.map(Summary::empty).into_iter().chain([Summary::example(), full()]) {
        let value: Value = serde_json::from_str(&super::json(&summary)).unwrap();
        assert_eq!(faults_of(&value), [""; 0]);
    }
}

#[test]
fn the_schema_refuses_what_is_not_a_summary() {
    let good = serde_json::to_value(full()).unwrap();
    let broken: [(&str, Value); 6] = [
        ("/schema", json!(2)),
        ("/mode", json!("flood")),
        ("/connections/opened", json!(-1)),
        ("/publish/send_lag/percentiles", json!({"p50": 1})),
        ("/setup/machine/client_ports", json!([1])),
        ("/cohorts/0", json!({"name": "healthy", "loss": 1})),
    ];
    for (pointer, value) in broken {
        let mut summary = good.clone();
        *summary.pointer_mut(pointer).unwrap() = value;
        assert!(!faults_of(&summary).is_empty(), "{pointer}");
    }
}

#[test]
fn the_schema_knows_nothing_that_is_not_written() {
    let (schema, value) = (schema(), serde_json::to_value(full()).unwrap());
    let names = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&schema["properties"]), names(&value));
    for (pointer, definition) in [
        ("/setup", "Setup"),
        ("/connections", "Connections"),
        ("/cohorts/0", "Cohort"),
        ("/client", "Client"),
        ("/intervals/0", "Interval"),
        ("/server", "Server"),
        ("/find/probes/0", "Probe"),
        ("/workers/0", "Worker"),
    ] {
        let written = value.pointer(pointer).unwrap();
        assert_eq!(names(&schema["$defs"][definition]["properties"]), names(written), "{definition}");
    }
}

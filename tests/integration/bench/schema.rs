//! The schemas hold for what is written, and for nothing that is not. Every JSON report that a test of bench sees is held
//! against its schema.

use jobwire::bench::summary::{
    Assertion, Ceiling, CeilingOf, CloseCount, Cohort, Deflated, FailureCount, Find, Interval, Mode, Probe,
    Publish, Reconnect, RoundTrip, Server, Subscribing, Summary, Worker,
};
use serde_json::{Value, json};

/// Of a run's report.
const REPORT: &str = include_str!("../../../src/bench/report/schema.json");

/// Of a comparison.
const COMPARISON: &str = include_str!("../../../src/bench/report/compare/schema.json");

/// Panics with what is wrong in a report.
#[track_caller]
pub(crate) fn hold_report(value: &Value) {
    assert_eq!(faults_of(value, REPORT), [""; 0], "{value}");
}

/// Panics with what is wrong in a comparison.
#[track_caller]
pub(crate) fn hold_comparison(value: &Value) {
    assert_eq!(faults_of(value, COMPARISON), [""; 0], "{value}");
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

fn faults_of(value: &Value, schema: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut found = Vec::new();
    faults(value, &schema, &schema, "", &mut found);
    found
}

/// One in which every part is there.
fn full() -> Summary {
    let failures =
        vec![FailureCount { step: "upgrade".into(), status: Some(503), reason: "no".into(), count: 1 }];
    let assertions = vec![Assertion::default()];
    let mut summary = Summary::empty(Mode::Fanout);
    summary.partial = Some("interrupted".into());
    summary.setup.publisher = Some("127.0.0.1:6379".into());
    summary.setup.options.insert("rate".into(), "5".into());
    summary.setup.machine.client_ports = Some((1, 2));
    summary.connections.failures.clone_from(&failures);
    summary.connections.closed_early = vec![CloseCount { code: Some(1013), reason: "slow".into(), count: 1 }];
    let mut subscribing = Subscribing { targets_per_connection: Some(5), ..Subscribing::default() };
    subscribing.deflate = Some(Deflated::default());
    subscribing.count_gap("too_old", 1);
    summary.subscribing = Some(subscribing);
    summary.publish = Some(Publish { failures, ..Publish::default() });
    summary.cohorts = vec![Cohort { name: "healthy".into(), ..Cohort::default() }];
    summary.round_trip = Some(RoundTrip { by: "ping".into(), ..RoundTrip::default() });
    summary.reconnect = Some(Reconnect { all_back_seconds: Some(1.5), ..Reconnect::default() });
    summary.server = Some(Server { pids: vec![7], pss_per_connection_bytes: Some(1.0), ..Server::default() });
    summary.intervals = vec![Interval { p50_micros: Some(5), ..Interval::default() }];
    let probe = Probe { assertions: assertions.clone(), ..Probe::default() };
    let ceiling = Some(Ceiling { load: 5, of: CeilingOf::Ports, hint: Some("more addresses".into()) });
    summary.find =
        Some(Find { of: "rate".into(), probes: vec![probe], found: Some(5), ceiling, ..Find::default() });
    summary.verdict.assertions = assertions;
    summary.workers = vec![Worker { clock_offset_micros: -5, ..Worker::default() }];
    summary
}

#[test]
fn what_is_written_keeps_to_the_schema() {
    let modes = [Mode::Fanout, Mode::Connect, Mode::Idle, Mode::Echo, Mode::Storm];
    for summary in modes.map(Summary::empty).into_iter().chain([full()]) {
        hold_report(&serde_json::to_value(summary).unwrap());
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
        assert!(!faults_of(&summary, REPORT).is_empty(), "{pointer}");
    }
}

/// Every object within a value.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            members.iter().map(|(name, member)| (name.clone(), member)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect(),
        _ => return,
    };
    for (name, child) in children {
        objects(child, &format!("{at}/{name}"), found);
    }
}

#[test]
fn no_part_may_have_a_member_more_or_less() {
    let good = serde_json::to_value(full()).unwrap();
    let mut all = Vec::new();
    objects(&good, "", &mut all);
    // The options are the command line's.
    let own: Vec<&String> = all.iter().filter(|at| *at != "/setup/options").collect();
    assert!(own.len() > 25, "{own:?}");
    for at in own {
        let mut more = good.clone();
        let object = more.pointer_mut(at).unwrap().as_object_mut().unwrap();
        let names: Vec<String> = object.keys().cloned().collect();
        object.insert("unheard_of".into(), json!(1));
        assert!(!faults_of(&more, REPORT).is_empty(), "{at}");
        for name in names {
            let mut less = good.clone();
            less.pointer_mut(at).unwrap().as_object_mut().unwrap().remove(&name);
            assert!(!faults_of(&less, REPORT).is_empty(), "{at}/{name}");
        }
    }
}

/// Every property of a schema that has no description, or none that tells what it counts in.
fn unexplained(schema: &Value, at: &str, found: &mut Vec<String>) {
    const UNITS: [&str; 8] =
        ["microseconds", "in seconds", "bytes", "Bytes", "a second", "share", "in its unit", "version"];
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    for (name, property) in properties {
        let text = property.get("description").and_then(Value::as_str).unwrap_or_default();
        // Whole numbers are counts, unless their name says otherwise.
        let types = property.get("type").map(ToString::to_string).unwrap_or_default();
        let measured = types.contains("number") || name.ends_with("_micros") || name.ends_with("_bytes");
        let told = text.ends_with('.') && (!measured || UNITS.iter().any(|unit| text.contains(unit)));
        if !told {
            found.push(format!("{at}/{name}: {text}"));
        }
        unexplained(property, &format!("{at}/{name}"), found);
    }
    for (name, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        unexplained(definition, name, found);
    }
}

#[test]
fn every_field_is_described_with_its_unit() {
    for schema in [REPORT, COMPARISON] {
        let mut found = Vec::new();
        unexplained(&serde_json::from_str(schema).unwrap(), "", &mut found);
        assert_eq!(found, [""; 0]);
    }
}

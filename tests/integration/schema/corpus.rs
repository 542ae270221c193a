//! Events that the publisher builds, and invalid events made from them.

use jobwire::dialect::{Assignment, Dialect, EventDef, FieldDef, FieldType, JobIdType, WholeError};
use serde_json::{Map, Value, json};

/// An event that was built.
pub(super) struct Sample {
    /// The payload.
    pub(super) payload: Value,
    /// Whether the event has only the required fields.
    pub(super) is_least: bool,
    /// Whether the event has all fields.
    pub(super) is_whole: bool,
}

/// Events of every name: with the required fields alone, with each value of each field, and with all fields.
pub(super) fn samples(dialect: &Dialect) -> Vec<Sample> {
    let mut all = Vec::new();
    for event in &dialect.catalogue.events {
        let needed: Vec<Assignment> =
            event.settable().filter(|field| is_needed(field)).map(|field| assign(field, 0)).collect();
        let mut push = |given: &[Assignment], is_least, is_whole| {
            all.extend(build(dialect, event, given).map(|payload| Sample { payload, is_least, is_whole }));
        };
        push(&needed, true, false);
        for field in event.settable() {
            let others: Vec<Assignment> =
                needed.iter().filter(|given| given.name != field.name).cloned().collect();
            for value in values(field) {
                let given = [others.clone(), vec![Assignment::json(&field.name, value)]].concat();
                push(&given, false, false);
            }
        }
        for nth in 0..2 {
            let every: Vec<Assignment> = event.settable().map(|field| assign(field, nth)).collect();
            push(&every, false, true);
        }
    }
    all
}

fn is_needed(field: &FieldDef) -> bool {
    field.required && field.default.is_none()
}

/// Payload of an event; `None` where the values do not fit together.
fn build(dialect: &Dialect, event: &EventDef, given: &[Assignment]) -> Option<Value> {
    let job = if dialect.job_id == JobIdType::Integer { "123" } else { "a b/ü" };
    let payload = dialect.build(&event.name, job, given, "2026-11-21T10:30:00.5Z".parse().unwrap()).ok()?;
    Some(serde_json::from_str(&payload).unwrap())
}

fn assign(field: &FieldDef, nth: usize) -> Assignment {
    let values = values(field);
    Assignment::json(&field.name, values[nth % values.len()].clone())
}

/// Values of a field: all that are allowed, or some of its type, with the limits among them.
fn values(field: &FieldDef) -> Vec<Value> {
    let candidates = match field.kind {
        FieldType::String if !field.values.is_empty() => {
            field.values.iter().map(|value| json!(value)).collect()
        }
        FieldType::String => vec![json!("text"), json!(""), json!("ü \" \u{2028} */")],
        FieldType::Int => vec![json!(3), json!(0), json!(-1), json!(-2), json!(100), json!(i64::MAX)],
        FieldType::Float => vec![json!(0.5), json!(0), json!(100), json!(7), json!(1e300), json!(-3.25)],
        FieldType::Bool => vec![json!(true), json!(false)],
        FieldType::Object => vec![json!({}), json!({"more": [1, {"x": null}]})],
    };
    let takes = |value: &Value| takes(field, value);
    candidates.into_iter().chain([Value::Null]).filter(takes).collect()
}

/// Whether a field's description allows the value.
fn takes(field: &FieldDef, value: &Value) -> bool {
    let takes = field.takes();
    let Some(number) = value.as_f64() else { return !value.is_null() || takes.ends_with("or null") };
    let limit = |word: &str| -> Option<f64> {
        let (_, rest) = takes.split_once(word)?;
        rest.split(' ').next()?.parse().ok()
    };
    let least = limit(" from ").or(limit(" of at least "));
    let most = limit(" to ").or(limit(" of at most "));
    least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most)
}

/// Events with one wrong value that the publisher refuses.
pub(super) fn mutants(dialect: &Dialect, payload: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    // Some events are skipped: events of a kind that only `*` covers, and events that the publisher does not check.
    if dialect.check_whole(&payload.to_string(), Some("123")).is_err() {
        return all;
    }
    for way in ways(payload).into_iter().filter(|way| !way.ends_with("/early")) {
        // In a dialect with any number of kinds, any text may be a kind.
        let any_kind = dialect.channels.is_none() && dialect.kind("?").is_some();
        for wrong in [
            json!(null),
            json!("?"),
            json!(-7),
            json!(1.5),
            json!(1_000_000_000_000_i64),
            json!(true),
            json!({}),
            json!([]),
        ] {
            if any_kind && wrong == "?" {
                continue;
            }
            let mut mutant = payload.clone();
            *mutant.pointer_mut(&way).unwrap() = wrong;
            let refused = dialect.check_whole(&mutant.to_string(), None).err();
            // The target may name another job than the event, so a wrong job is no wrong event.
            let is_wrong = |error: &WholeError| {
                !matches!(error, WholeError::NoJob | WholeError::Job(..) | WholeError::NoChannel)
            };
            if refused.as_ref().is_some_and(is_wrong) {
                all.push(mutant);
            }
        }
    }
    all
}

/// Pointers to all parts of a value.
fn ways(value: &Value) -> Vec<String> {
    let empty = Map::new();
    let object = value.as_object().unwrap_or(&empty);
    let below = object.iter().flat_map(|(name, inner)| {
        let way = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let deeper: Vec<String> = ways(inner).iter().map(|rest| format!("{way}{rest}")).collect();
        [vec![way], deeper].concat()
    });
    below.collect()
}

//! Search for the fields of an event by their effect on a watcher, rather than by their names.

use jiff::Timestamp;
use serde_json::Value;

use crate::dialect::{Assignment, Dialect, EventDef, FieldType, View};

/// Name of the first field of this type in which a watcher sees `value`.
pub(super) fn field<'a>(
    dialect: &Dialect,
    (def, job): (&'a EventDef, &str),
    kind: FieldType,
    value: &Value,
    sees: impl Fn(&View) -> bool,
) -> Option<&'a str> {
    let of_kind = def.fields.iter().filter(|field| field.kind == kind && field.fill.is_none());
    let mut names = of_kind.map(|field| field.name.as_str());
    names.find(|name| {
        let given = [Assignment::json(name, value.clone())];
        let payload = dialect.build(&def.name, job, &given, Timestamp::UNIX_EPOCH);
        payload.is_ok_and(|payload| dialect.view(&payload).as_ref().is_some_and(&sees))
    })
}

//! Type of a polling body.

use super::event::{self, KindTypes};
use super::types::{Attribute, Definition, ObjectType, ValueType};
use crate::dialect::status::{Body, Field, From};
use crate::dialect::{Dialect, EVERY_OTHER};

/// Definition of the polling body; `None` where the dialect has no polling.
pub(super) fn definition(dialect: &Dialect, name: String, kinds: &[KindTypes]) -> Option<Definition> {
    let status = dialect.status.as_ref()?;
    let value = match &status.body {
        Body::Merged => merged(kinds),
        Body::Fields(fields) => ValueType::Object(of_fields(dialect, fields, kinds)),
    };
    let echo =
        if status.echo { " A socket sends it after each event where the relay was told to." } else { "" };
    Some(Definition { name, about: format!("The polling body, GET {}.{echo}", status.route), value })
}

/// Type of a body that merges the payloads of a run: attributes of any payload, required where every payload has them.
fn merged(kinds: &[KindTypes]) -> ValueType {
    let forms: Vec<&ObjectType> = kinds.iter().flat_map(|kind| &kind.forms).collect();
    let mut body = ObjectType { free: forms.iter().any(|form| form.free), ..ObjectType::default() };
    for attribute in forms.iter().flat_map(|form| &form.attributes) {
        if body.attribute(&attribute.name).is_some() {
            continue;
        }
        let same = forms.iter().map(|form| form.attribute(&attribute.name));
        let required = same.clone().all(|same| same.is_some_and(|same| same.required));
        let value = ValueType::any(same.flatten().map(|same| same.value.clone()));
        body.attributes.push(Attribute { required, value, ..attribute.clone() });
    }
    ValueType::Object(body)
}

fn of_fields(dialect: &Dialect, fields: &[Field], kinds: &[KindTypes]) -> ObjectType {
    let mut body = ObjectType::default();
    for field in fields {
        if body.attribute(&field.name).is_some() {
            continue;
        }
        // Among fields with the same name, the first with a value fills the attribute.
        let same: Vec<&Field> = fields.iter().filter(|other| other.name == field.name).collect();
        let is_certain = |field: &Field| {
            let has_default = field.default.as_ref().is_some_and(|default| !default.is_null());
            has_default || field.from.iter().any(|from| matches!(from, From::Job | From::Kind))
        };
        let required =
            same.iter().any(|field| field.kinds.is_empty() && (!field.optional || is_certain(field)));
        let may_be_null = same.iter().any(|field| !field.optional && !is_certain(field));
        let value = ValueType::any(same.iter().flat_map(|field| values(dialect, field, kinds)));
        let value = if may_be_null { value.or_null() } else { not_null(value) };
        body.attributes.push(Attribute { required, ..Attribute::always(&field.name, value) });
    }
    body
}

/// Types of the values that may fill a field.
fn values(dialect: &Dialect, field: &Field, kinds: &[KindTypes]) -> Vec<ValueType> {
    let from = |from: &From| match from {
        From::Job => event::job_type(dialect),
        From::Kind => kind(dialect),
        From::Percent => ValueType::Number { min: None, max: None },
        From::Message | From::Error => ValueType::Text,
        From::Pointer(place) => event::at(kinds, place).unwrap_or(ValueType::Unknown),
    };
    let mapped = |value| if field.values.is_empty() { value } else { mapped(value, field) };
    let default = field.default.as_ref().filter(|default| !default.is_null());
    let mut all: Vec<ValueType> =
        field.from.iter().map(from).map(mapped).chain(default.map(ValueType::of)).collect();
    // A pointer that no event of the catalogue has is for attributes that workers add. The field's other sources probably have
    // the same type.
    if all.iter().any(|one| *one != ValueType::Unknown) {
        all.retain(|one| *one != ValueType::Unknown);
    }
    all
}

/// Type of a value whose words the field replaces by others.
fn mapped(value: ValueType, field: &Field) -> ValueType {
    let every_other = field.values.get(EVERY_OTHER);
    match value {
        ValueType::OneOf(words) => {
            let word = |word: String| field.values.get(&word).or(every_other).cloned().unwrap_or(word);
            ValueType::any(words.into_iter().map(|text| ValueType::exactly(&word(text))))
        }
        ValueType::Text if every_other.is_some() => {
            ValueType::any(field.values.values().map(|word| ValueType::exactly(word)))
        }
        other => other,
    }
}

/// Kinds of events that a body may name. Remarks are included: a remark may be the only known event of a job.
fn kind(dialect: &Dialect) -> ValueType {
    if dialect.kinds().iter().any(|kind| kind.name.contains('*')) {
        return ValueType::Text;
    }
    ValueType::any(dialect.kinds().iter().map(|kind| ValueType::exactly(&kind.name)))
}

/// Type without null, since a null in an event is not copied into the body.
fn not_null(value: ValueType) -> ValueType {
    match value {
        ValueType::Either(types) => ValueType::any(types.into_iter().filter(|one| *one != ValueType::Null)),
        other => other,
    }
}

//! Types of a dialect's events: those that the publisher builds, and those of which the dialect only knows the kind.

use super::own::complaint_kind;
use super::types::{Attribute, Definition, ObjectType, ValueType};
use crate::dialect::fields::FieldDef;
use crate::dialect::{
    Catalogue, Dialect, EVERY_OTHER, EventDef, FieldType, Fill, JobIdType, Kind, Opens, Phase, Pointer,
    Source, TimestampStyle,
};

/// Types of the events of one kind.
#[derive(Debug)]
pub(super) struct KindTypes {
    /// Whether these events are for the relay alone, so that no socket gets them.
    pub(super) hidden: bool,
    /// Types of the payloads; at least one. Several events of the catalogue may have the same kind.
    pub(super) forms: Vec<ObjectType>,
    /// Definition under the name of the kind.
    pub(super) definition: Definition,
}

/// Definition that covers every event.
pub(super) fn union(name: &str, kinds: &[KindTypes]) -> Definition {
    Definition {
        name: name.to_owned(),
        about: "An event as it is published.".to_owned(),
        value: ValueType::any(kinds.iter().map(|kind| ValueType::Named(kind.definition.name.clone()))),
    }
}

/// Types of all events by kind: the kinds of the catalogue in its order, then kinds of which only the name is known.
pub(super) fn kinds(dialect: &Dialect, call: &mut impl FnMut(&str) -> String) -> Vec<KindTypes> {
    let events = &dialect.catalogue.events;
    let mut words: Vec<String> = Vec::new();
    for event in events {
        let new: Vec<String> =
            words_of(&dialect.catalogue, event).into_iter().filter(|word| !words.contains(word)).collect();
        words.extend(new);
    }
    let published = words.len();
    let complaint = complaint_kind(dialect);
    let is_event = |kind: &&Kind| {
        let own = dialect.channels.as_ref().is_some_and(|channels| channels.is_own(&kind.name));
        !own && !kind.name.contains('*') && complaint.as_deref() != Some(&*kind.name)
    };
    let more: Vec<String> =
        dialect.kinds().iter().filter(is_event).map(|kind| kind.name.to_string()).collect();
    words.extend(more.into_iter().filter(|word| !events.iter().any(|event| may_be(dialect, event, word))));
    let mut all: Vec<KindTypes> = (words.iter().enumerate())
        .map(|(nth, word)| {
            let forms = if nth < published {
                forms(dialect, word)
            } else {
                vec![known_by_kind(dialect, ValueType::exactly(word))]
            };
            kind_types(dialect, dialect.kind(word), call(word), &format!("`{word}`."), forms)
        })
        .collect();
    let others = others(dialect, &words);
    if !others.is_empty() {
        all.push(kind_types(dialect, dialect.kind(EVERY_OTHER), call("other"), "Any other kind.", others));
    }
    all
}

fn kind_types(
    dialect: &Dialect,
    kind: Option<&Kind>,
    name: String,
    first: &str,
    forms: Vec<ObjectType>,
) -> KindTypes {
    let mut about = vec![first.to_owned()];
    about.extend(kind.map(|kind| meaning(kind, dialect)).unwrap_or_default());
    let definition = Definition {
        name,
        about: about.join(" "),
        value: ValueType::any(forms.iter().cloned().map(ValueType::Object)),
    };
    KindTypes { hidden: kind.is_some_and(|kind| kind.hidden), forms, definition }
}

/// Sentences that describe the effect of a kind.
fn meaning(kind: &Kind, dialect: &Dialect) -> Vec<String> {
    let whose = if dialect.channels.is_some() { "resource" } else { "job" };
    let mut says: Vec<String> = Vec::new();
    if let Some(channel) = dialect.channels.as_ref().and_then(|channels| channels.of_kind(&kind.name)) {
        says.push(format!("Published on the channel `{channel}`."));
    }
    if kind.opens == Opens::Always {
        says.push(format!("Begins a run of its {whose}."));
    }
    if kind.queued {
        says.push("The job waits for its turn.".to_owned());
    }
    if kind.conflatable {
        says.push("A newer one may take its place before it is sent.".to_owned());
    }
    match kind.entity {
        Some(Phase::Running) => says.push("A part of the job is at work.".to_owned()),
        Some(Phase::Succeeded) => says.push("A part of the job is done.".to_owned()),
        Some(Phase::Failed) => says.push("A part of the job failed; the job may go on.".to_owned()),
        None => {}
    }
    if let Some(outcome) = kind.ends {
        says.push(format!(
            "Ends its {whose}, which {}.",
            match outcome.as_str() {
                "cancelled" => "was cancelled",
                other => other,
            }
        ));
    }
    if kind.notice {
        says.push("A remark, which changes no state.".to_owned());
    }
    if kind.hidden {
        says.push("For the relay alone: no socket gets it.".to_owned());
    }
    says
}

/// Kinds that an event is known to have.
fn words_of(catalogue: &Catalogue, event: &EventDef) -> Vec<String> {
    let Some(field) = kind_field(catalogue, event) else { return Vec::new() };
    if field.fill.is_some() {
        return vec![event.name.clone()];
    }
    let default = field.default.as_ref().and_then(|default| default.as_str()).map(str::to_owned);
    let others = field.values.iter().filter(|value| Some(*value) != default.as_ref()).cloned();
    default.clone().into_iter().chain(others).collect()
}

/// Field of an event that contains its kind.
fn kind_field<'a>(catalogue: &Catalogue, event: &'a EventDef) -> Option<&'a FieldDef> {
    event.fields.iter().find(|field| field.at == catalogue.kind_at)
}

/// Whether an event of this kind can be published.
fn may_be(dialect: &Dialect, event: &EventDef, word: &str) -> bool {
    let Some(field) = kind_field(&dialect.catalogue, event) else { return false };
    match field.fill {
        Some(_) => event.name == word,
        None => field.values.is_empty() || field.values.iter().any(|value| value == word),
    }
}

/// Types of the payloads of a kind, without duplicates.
fn forms(dialect: &Dialect, word: &str) -> Vec<ObjectType> {
    let events = dialect.catalogue.events.iter().filter(|event| may_be(dialect, event, word));
    distinct(events.map(|event| form(dialect, event, Some(word), &ValueType::exactly(word))))
}

/// Types of the payloads whose kind is not among the known kinds.
fn others(dialect: &Dialect, known: &[String]) -> Vec<ObjectType> {
    let kind = || if known.is_empty() { ValueType::Text } else { ValueType::NoneOf(known.to_vec()) };
    let takes_any = |event: &&EventDef| {
        kind_field(&dialect.catalogue, event)
            .is_some_and(|field| field.fill.is_none() && field.values.is_empty())
    };
    let events = dialect.catalogue.events.iter().filter(takes_any);
    let mut forms = distinct(events.map(|event| form(dialect, event, None, &kind())));
    if known.is_empty() || dialect.kinds().iter().any(|kind| *kind.name == *EVERY_OTHER) {
        forms.push(known_by_kind(dialect, kind()));
    }
    forms
}

fn distinct(forms: impl Iterator<Item = ObjectType>) -> Vec<ObjectType> {
    let mut all: Vec<ObjectType> = Vec::new();
    for form in forms {
        if !all.contains(&form) {
            all.push(form);
        }
    }
    all
}

/// Type of an event of which only the kind is known, and the job where payloads have to name it.
fn known_by_kind(dialect: &Dialect, kind: ValueType) -> ObjectType {
    let mut object = ObjectType::free();
    if let Some(at) = &dialect.catalogue.job_at {
        let required = matches!(dialect.source, Source::Channel(_));
        let job = Attribute::always("", job_type(dialect)).about("The job's id.");
        object.put(at.names(), Attribute { required, ..job });
    }
    object.put(dialect.catalogue.kind_at.names(), Attribute::always("", kind));
    object
}

/// Type of a job's id.
pub(super) fn job_type(dialect: &Dialect) -> ValueType {
    match dialect.job_id {
        JobIdType::Integer => ValueType::Whole { min: None, max: None },
        JobIdType::String => ValueType::Text,
    }
}

/// Type of the payload of an event. `kind` is the type of its kind, and `word` the kind itself if it is fixed.
fn form(dialect: &Dialect, event: &EventDef, word: Option<&str>, kind: &ValueType) -> ObjectType {
    let catalogue = &dialect.catalogue;
    // Where the kind is a field, the event of that kind provides the defaults of other fields.
    let given = kind_field(catalogue, event).filter(|field| field.fill.is_none());
    let is_default =
        given.is_none_or(|field| field.default.as_ref().is_some_and(|default| default.as_str() == word));
    let of_kind = given
        .and(word)
        .and_then(|word| catalogue.events.iter().find(|other| default_kind(catalogue, other) == Some(word)));
    let mut object = ObjectType::default();
    for (nth, field) in event.fields.iter().enumerate() {
        if field.at == catalogue.kind_at {
            object.put(field.at.names(), Attribute::always("", kind.clone()));
            continue;
        }
        let of_kind = of_kind.and_then(|kind| kind.field(&field.name).ok()).unwrap_or(field);
        let has_default = of_kind.default.is_some() && (!is_default || field.default.is_some());
        let is_unchecked =
            field.fill.is_none() && event.fields[nth..].iter().any(|later| holds(later, field));
        let attribute = Attribute {
            name: String::new(),
            about: about(field, catalogue.timestamp),
            required: is_always_there(&event.fields[..nth], field, has_default),
            value: if is_unchecked {
                ValueType::Unknown
            } else {
                type_of(dialect, &event.fields[..nth], field)
            },
        };
        object.put(field.at.names(), attribute);
    }
    object
}

fn default_kind<'a>(catalogue: &Catalogue, event: &'a EventDef) -> Option<&'a str> {
    kind_field(catalogue, event)?.default.as_ref()?.as_str()
}

/// Whether `outer` is an object that contains the place of `inner`.
fn holds(outer: &FieldDef, inner: &FieldDef) -> bool {
    let (outer, inner) = (outer.at.names(), inner.at.names());
    inner.len() > outer.len() && inner.starts_with(outer)
}

/// Whether every payload has the field.
fn is_always_there(before: &[FieldDef], field: &FieldDef, has_default: bool) -> bool {
    match field.fill {
        Some(Fill::Percent) => ["current", "total"].iter().all(|name| {
            counted(before, name)
                .is_some_and(|count| !count.nullable && (count.required || count.default.is_some()))
        }),
        Some(_) => true,
        None => field.required || has_default || (field.always && field.nullable),
    }
}

/// Field from which the percent is computed.
fn counted<'a>(before: &'a [FieldDef], name: &str) -> Option<&'a FieldDef> {
    before.iter().find(|field| field.at.names() == [name])
}

fn type_of(dialect: &Dialect, before: &[FieldDef], field: &FieldDef) -> ValueType {
    let range = |min, max| ValueType::Number { min, max };
    match field.fill {
        Some(Fill::Job) => return job_type(dialect),
        Some(Fill::Event) => return ValueType::Text,
        Some(Fill::Timestamp) => {
            return match dialect.catalogue.timestamp {
                TimestampStyle::UnixSeconds => range(None, None),
                TimestampStyle::None | TimestampStyle::UtcNaive | TimestampStyle::UtcZulu => ValueType::Text,
            };
        }
        Some(Fill::Percent) => {
            // The quotient of two integers is always finite. Other quotients may be infinite, and JSON then has null.
            let is_whole =
                |name: &&str| counted(before, name).is_some_and(|field| field.kind == FieldType::Int);
            let is_finite = ["current", "total"].iter().all(is_whole);
            return if is_finite { range(None, None) } else { range(None, None).or_null() };
        }
        None => {}
    }
    let value = match field.kind {
        FieldType::String if !field.values.is_empty() => ValueType::OneOf(field.values.clone()),
        FieldType::String => ValueType::Text,
        FieldType::Int => ValueType::Whole { min: field.min, max: field.max },
        FieldType::Float => range(field.min, field.max),
        FieldType::Bool => ValueType::Flag,
        FieldType::Object => ValueType::Object(ObjectType::free()),
    };
    if field.nullable { value.or_null() } else { value }
}

/// Description of a field, where its type does not tell everything.
fn about(field: &FieldDef, style: TimestampStyle) -> String {
    match (field.fill, style) {
        (Some(Fill::Job), _) => "The job's id.".to_owned(),
        (Some(Fill::Event), _) => "The event's name.".to_owned(),
        (Some(Fill::Percent), _) => "100 · current / total; 0 where the total is 0.".to_owned(),
        (Some(Fill::Timestamp), TimestampStyle::UnixSeconds) => "Seconds since the Unix epoch.".to_owned(),
        (Some(Fill::Timestamp), TimestampStyle::UtcNaive) => "UTC by ISO 8601, without a zone.".to_owned(),
        (Some(Fill::Timestamp), _) => "UTC by ISO 8601.".to_owned(),
        (None, _) if field.kind == FieldType::Int || field.min.is_some() || field.max.is_some() => {
            let takes = field.takes();
            let (first, rest) = takes.split_at(1);
            format!("{}{rest}.", first.to_uppercase())
        }
        (None, _) => String::new(),
    }
}

/// Type of the values that events have at a place. `None` where an event may hold anything, or where no event has the place.
pub(super) fn at(kinds: &[KindTypes], place: &Pointer) -> Option<ValueType> {
    let forms = || kinds.iter().flat_map(|kind| &kind.forms);
    if forms().any(|form| form.free) {
        return None;
    }
    let found: Vec<ValueType> = forms().filter_map(|form| form.at(place.names())).cloned().collect();
    (!found.is_empty()).then(|| ValueType::any(found))
}

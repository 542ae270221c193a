//! What a publisher knows of a dialect's events: their fields, types and defaults.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{Fault, pointer};
use super::fields::{Carried, FieldDef};
use super::spec::{EventSpec, FieldSpec, OneOrMany, PublishSpec, ShorthandSpec, Spec, json};
use super::{Assignment, FieldError, FieldType, Fill, Given, Pointer, Source, TimestampStyle, suggest};

/// The events of a dialect; empty where its file has no `[publish]`.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// By name, in alphabetical order.
    pub events: Vec<EventDef>,
    /// How the time is written.
    pub timestamp: TimestampStyle,
    /// What a bare number stands for.
    pub progress: Option<Shorthand>,
    /// What bare text stands for.
    pub message: Option<Shorthand>,
    /// The event that tells whose a job is and is for the relay alone, with the field that says it.
    pub registration: Option<Shorthand>,
    /// Where a payload names its job, if the dialect says so.
    pub(super) job_at: Option<Pointer>,
    /// Where a payload names its kind.
    pub(super) kind_at: Pointer,
}

/// One event that can be published.
#[derive(Debug, Clone)]
pub struct EventDef {
    /// The event's name, as `publish` takes it.
    pub name: String,
    /// Its fields, in the order in which the payload has them; those that the publisher fills in are among them.
    pub fields: Vec<FieldDef>,
}

/// An event and the one field of it that a short form sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shorthand {
    /// The event's name.
    pub event: String,
    /// The field's name.
    pub field: String,
}

impl Catalogue {
    pub(super) fn compile(spec: &Spec, source: &Source) -> Result<Self, Fault> {
        let job_at =
            spec.job.pointer.as_deref().map(|text| pointer(text, &["job", "pointer"])).transpose()?;
        let kind_at = pointer(&spec.pointers.kind, &["pointers", "kind"])?;
        let mut catalogue = Self {
            events: Vec::new(),
            timestamp: TimestampStyle::None,
            progress: None,
            message: None,
            registration: None,
            job_at,
            kind_at,
        };
        let Some(publish) = &spec.publish else { return Ok(catalogue) };
        catalogue.timestamp = publish.timestamp;
        let mut shared = fields(&publish.fields, &["publish", "fields"])?;
        if shared.is_empty() && spec.channels.is_none() {
            shared = catalogue.least(spec);
        }
        catalogue.check_fills(&shared, publish, source)?;
        for (name, event) in &publish.events {
            let mut def = compile_event(name, event, &shared, publish)?;
            mark(&mut def, spec, |field| event.set.contains_key(field));
            catalogue.events.push(def);
        }
        for event in &catalogue.events {
            catalogue.check_kind(event, spec)?;
        }
        catalogue.progress = catalogue.shorthand(publish.progress.as_ref(), "progress")?;
        catalogue.message = catalogue.shorthand(publish.message.as_ref(), "message")?;
        catalogue.registration = catalogue.find_registration(spec)?;
        Ok(catalogue)
    }

    /// The fields of a file that gives none: what an event must have to be one of a job.
    fn least(&self, spec: &Spec) -> Vec<FieldDef> {
        let filled = |at: &Pointer, fill| FieldDef::filled(at.names().join("."), at.clone(), fill);
        let job = self.job_at.iter().map(|at| filled(at, Fill::Job));
        let kind = spec.kinds.keys().any(|kind| kind != super::EVERY_OTHER);
        job.chain(kind.then(|| filled(&self.kind_at, Fill::Event))).collect()
    }

    /// The event of that name, or an error that names the nearest.
    pub fn event(&self, name: &str) -> Result<&EventDef, FieldError> {
        self.events.iter().find(|event| event.name == name).ok_or_else(|| {
            let message = format!("there is no event '{}'", super::fields::shorten(name));
            let known = self.events.iter().map(|event| event.name.as_str());
            FieldError::UnknownEvent(suggest::with_nearest(&message, name, known))
        })
    }

    /// The kind of an event with these fields, where it is plain.
    pub(super) fn kind_name<'a>(&self, event: &'a EventDef, given: &'a [Assignment]) -> Option<&'a str> {
        let field = event.fields.iter().find(|field| field.at == self.kind_at)?;
        match (field.fill, &field.default) {
            (Some(Fill::Event), _) => Some(&event.name),
            (None, default) => given_text(field, given).or_else(|| default.as_ref()?.as_str()),
            (Some(_), _) => None,
        }
    }

    /// The event of the kind that the user gave as a field, where there is one: its defaults are those of the kind.
    pub(super) fn of_kind(&self, event: &EventDef, given: &[Assignment]) -> Option<&EventDef> {
        let at_kind = |field: &&FieldDef| field.at == self.kind_at;
        let kind = given_text(event.fields.iter().find(at_kind)?, given)?;
        let is_it = |def: &&EventDef| {
            let field = def.fields.iter().find(at_kind);
            field.and_then(|field| field.default.as_ref()).is_some_and(|default| default == kind)
        };
        self.events.iter().find(is_it)
    }

    /// The event of a hidden kind that names the owner.
    fn find_registration(&self, spec: &Spec) -> Result<Option<Shorthand>, Fault> {
        let Some(owner) = &spec.pointers.owner else { return Ok(None) };
        let owner = pointer(owner, &["pointers", "owner"])?;
        let is_hidden = |event: &EventDef| {
            let kind = self.kind_name(event, &[]).and_then(|name| spec.kinds.get(name));
            kind.is_some_and(|kind| kind.hidden)
        };
        Ok(self.events.iter().filter(|event| is_hidden(event)).find_map(|event| {
            let field = event.settable().find(|field| field.at == owner)?;
            Some(Shorthand { event: event.name.clone(), field: field.name.clone() })
        }))
    }

    fn check_fills(&self, shared: &[FieldDef], publish: &PublishSpec, source: &Source) -> Result<(), Fault> {
        let filled = |fill| shared.iter().find(|field| field.fill == Some(fill));
        let job = filled(Fill::Job).filter(|field| Some(&field.at) == self.job_at.as_ref());
        if matches!(source, Source::Channel(_)) && job.is_none() {
            let message =
                "no field with `fill = \"job\"` stands where the job's id is, and no channel names the job";
            return Err(Fault::at(&["publish", "fields"], message));
        }
        if filled(Fill::Timestamp).is_some() && publish.timestamp == TimestampStyle::None {
            let message = "a field is filled with the time, but `timestamp` does not say how";
            return Err(Fault::at(&["publish"], message));
        }
        Ok(())
    }

    /// An event that no relay could tell apart from another is a fault of the file, not of its user.
    fn check_kind(&self, event: &EventDef, spec: &Spec) -> Result<(), Fault> {
        let path = ["publish", "events", &event.name];
        let Some(field) = event.fields.iter().find(|field| field.at == self.kind_at) else {
            return Err(Fault::at(
                &path,
                format!("no field stands at {}, where the kind is", spec.pointers.kind),
            ));
        };
        let kind = match (field.fill, &field.default) {
            (Some(Fill::Event), _) => event.name.as_str(),
            (None, Some(Value::String(kind))) => kind,
            (None, None) if field.required => return Ok(()),
            _ => return Err(Fault::at(&path, format!("gives no kind: {} is empty", field.name))),
        };
        if let Some(channels) = spec.channels.as_ref()
            && !kind.split_once(':').is_some_and(|(before, _)| channels.types.contains_key(before))
        {
            return Err(Fault::at(&path, "what stands before its colon is none of [channels.types]"));
        }
        if spec.kinds.contains_key(kind) {
            return Ok(());
        }
        let known = spec.kinds.keys().map(String::as_str);
        Err(Fault::at(&path, suggest::with_nearest(&format!("there is no kind '{kind}'"), kind, known)))
    }

    fn shorthand(&self, spec: Option<&ShorthandSpec>, key: &str) -> Result<Option<Shorthand>, Fault> {
        let Some(ShorthandSpec { event, field }) = spec else { return Ok(None) };
        let path = ["publish", key];
        let def = self.event(event).map_err(|error| Fault::at(&path, error))?;
        let found = def.field(field).map_err(|error| Fault::at(&path, error))?;
        let fits = match key {
            "progress" => matches!(found.kind, FieldType::Int | FieldType::Float),
            _ => found.kind == FieldType::String && found.fill.is_none(),
        };
        if !fits {
            return Err(Fault::at(&path, format!("{field} is {} and cannot be its {key}", found.takes())));
        }
        Ok(Some(Shorthand { event: event.clone(), field: field.clone() }))
    }
}

impl EventDef {
    /// The field of that name, or an error that names the nearest.
    pub fn field(&self, name: &str) -> Result<&FieldDef, FieldError> {
        self.fields.iter().find(|field| field.name == name).ok_or_else(|| {
            let message = format!("{} has no field '{}'", self.name, super::fields::shorten(name));
            let known = self.settable().map(|field| field.name.as_str());
            FieldError::UnknownField(suggest::with_nearest(&message, name, known))
        })
    }

    /// The fields that users may set.
    pub fn settable(&self) -> impl Iterator<Item = &FieldDef> {
        self.fields.iter().filter(|field| field.fill.is_none())
    }
}

/// The text that a field was given.
fn given_text<'a>(field: &FieldDef, given: &'a [Assignment]) -> Option<&'a str> {
    match &given.iter().find(|assignment| assignment.name == field.name)?.value {
        Given::Text(text) => Some(text),
        Given::Json(value) => value.as_str(),
    }
}

fn compile_event(
    name: &str,
    event: &EventSpec,
    shared: &[FieldDef],
    publish: &PublishSpec,
) -> Result<EventDef, Fault> {
    let path = ["publish", "events", name];
    let own = match &event.like {
        None => fields(&event.fields, &["publish", "events", name, "fields"])?,
        Some(like) => {
            let other =
                publish.events.get(like).filter(|other| other.like.is_none() && event.fields.is_empty());
            let message = "names an event that has fields of its own, and stands instead of `fields`";
            let other = other.ok_or_else(|| Fault::at(&["publish", "events", name, "like"], message))?;
            fields(&other.fields, &["publish", "events", like, "fields"])?
        }
    };
    let mut all: Vec<FieldDef> = shared.to_vec();
    for field in own {
        match all.iter_mut().find(|other| other.name == field.name) {
            Some(other) => *other = field,
            None => all.push(field),
        }
    }
    let mut def = EventDef { name: name.to_owned(), fields: all };
    set(&mut def, &event.set)?;
    check_places(&def.fields).map_err(|message| Fault::at(&path, message))?;
    Ok(def)
}

/// Applies the defaults of one event.
fn set(def: &mut EventDef, values: &BTreeMap<String, toml::Value>) -> Result<(), Fault> {
    for (key, value) in values {
        let event = def.name.clone();
        let path = ["publish", "events", event.as_str(), "set", key];
        def.field(key).map_err(|error| Fault::at(&path, error))?;
        let field = def.fields.iter_mut().find(|field| field.name == *key).expect("it was just found");
        if field.fill.is_some() {
            return Err(Fault::at(&path, "is filled in by itself"));
        }
        let value = json(value);
        field.check(&value).map_err(|error| Fault::at(&path, error))?;
        field.default = Some(value);
    }
    Ok(())
}

/// Marks the fields of an event that take over what was, for all but those that the event itself sets.
fn mark(def: &mut EventDef, spec: &Spec, is_set: impl Fn(&str) -> bool) {
    let stands = |texts: Option<&OneOrMany>, at: &Pointer| {
        let texts = texts.map(OneOrMany::as_slice).unwrap_or_default();
        texts.iter().any(|text| Pointer::parse(text).is_ok_and(|pointer| pointer == *at))
    };
    for field in &mut def.fields {
        let is_number = matches!(field.kind, FieldType::Int | FieldType::Float);
        if !is_number || field.default.is_none() || is_set(&field.name) {
            continue;
        }
        field.carried = if stands(spec.pointers.percent.as_ref(), &field.at) {
            Some(Carried::Percent)
        } else if spec.pointers.current.is_none() && stands(spec.pointers.total.as_ref(), &field.at) {
            Some(Carried::Total)
        } else {
            None
        };
    }
}

/// No two fields at one place, and none inside another that holds no fields.
fn check_places(fields: &[FieldDef]) -> Result<(), String> {
    for (nth, a) in fields.iter().enumerate() {
        for b in &fields[nth + 1..] {
            let (outer, inner) = if a.at.names().len() <= b.at.names().len() { (a, b) } else { (b, a) };
            if !inner.at.names().starts_with(outer.at.names()) {
                continue;
            }
            if inner.at == outer.at {
                return Err(format!("{} and {} stand at the same place", a.name, b.name));
            }
            if outer.kind != FieldType::Object || outer.fill.is_some() {
                return Err(format!("{} stands inside {}, which is no object", inner.name, outer.name));
            }
        }
    }
    Ok(())
}

fn fields(specs: &[FieldSpec], path: &[&str]) -> Result<Vec<FieldDef>, Fault> {
    let mut fields: Vec<FieldDef> = Vec::with_capacity(specs.len());
    for (nth, spec) in specs.iter().enumerate() {
        let nth = nth.to_string();
        let at = |key: &'static str, message: String| {
            let path: Vec<&str> = path.iter().copied().chain([nth.as_str(), key]).collect();
            Fault::at(&path, message)
        };
        let field = compile_field(spec).map_err(|(key, message)| at(key, message))?;
        let has = |name: &str| specs.iter().any(|other| other.name == name);
        if field.fill == Some(Fill::Percent) && !(has("current") && has("total")) {
            return Err(at("fill", "a percent needs the fields `current` and `total`".to_owned()));
        }
        if fields.iter().any(|other| other.name == field.name) {
            return Err(at("name", format!("there is a field {} already", field.name)));
        }
        fields.push(field);
    }
    Ok(fields)
}

/// A field, or the key that is at fault and why.
fn compile_field(spec: &FieldSpec) -> Result<FieldDef, (&'static str, String)> {
    let fault = |key, message: &str| Err((key, message.to_owned()));
    if spec.name.is_empty() || spec.name.contains('=') || spec.name.ends_with(':') {
        return fault("name", "a field has a name, without '=' in it or ':' at its end");
    }
    let plain = || format!("/{}", spec.name.replace('~', "~0").replace('/', "~1"));
    let at = spec.at.clone().unwrap_or_else(plain);
    let at = Pointer::parse(&at).map_err(|error| ("at", error.to_string()))?;
    if spec.fill.is_some() && (spec.required || spec.default.is_some() || !spec.values.is_empty()) {
        return fault("fill", "what is filled in has no `default`, `values` or `required`");
    }
    if !spec.values.is_empty() && spec.kind != FieldType::String {
        return fault("values", "only text is one of some values");
    }
    let is_number = matches!(spec.kind, FieldType::Int | FieldType::Float);
    if (spec.min.is_some() || spec.max.is_some()) && !is_number {
        return fault("min", "only numbers have a `min` or a `max`");
    }
    if let (Some(min), Some(max)) = (spec.min, spec.max)
        && min > max
    {
        return fault("min", "is greater than `max`");
    }
    let field = FieldDef {
        name: spec.name.clone(),
        kind: spec.kind,
        required: spec.required,
        default: spec.default.as_ref().map(json),
        fill: spec.fill,
        at,
        values: spec.values.clone(),
        min: spec.min,
        max: spec.max,
        nullable: spec.nullable,
        always: spec.always,
        carried: None,
    };
    if let Some(default) = &field.default {
        field.check(default).map_err(|error| ("default", error.to_string()))?;
    }
    if field.always && !field.nullable && field.default.is_none() && !field.required && field.fill.is_none() {
        return fault("always", "needs `nullable`, `required` or a `default`");
    }
    Ok(field)
}

#[cfg(test)]
mod tests;

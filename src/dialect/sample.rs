//! Sample events with as few fields as their dialect allows, for testing whether events arrive.

use serde_json::{Map, Value};

use super::{Assignment, Dialect, EventDef, FieldDef, FieldType, Kind, Outcome};

/// An event and its fields, as `publish` takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name of the event.
    pub event: String,
    /// Fields of the event.
    pub fields: Vec<Assignment>,
    /// Kind that a decoder reads in the event.
    pub kind: String,
}

impl Dialect {
    /// An event of a running job. `text` is the value where a text is required. `None`: the catalogue has no such event.
    pub fn sample_progress(&self, job: &str, text: &str) -> Option<Sample> {
        let shorthand = self.catalogue.progress.as_ref().map(|progress| progress.event.as_str());
        let goes_on = |kind: &Kind| {
            kind.ends.is_none() && !(kind.hidden || kind.notice || kind.queued) && kind.entity.is_none()
        };
        self.samples(job, text)
            .filter(|(_, kind)| goes_on(kind))
            .map(|(sample, _)| sample)
            .min_by_key(|sample| (Some(sample.event.as_str()) != shorthand, sample.fields.len()))
    }

    /// An event that ends a job successfully, with `text` as in [`Dialect::sample_progress`].
    pub fn sample_ending(&self, job: &str, text: &str) -> Option<Sample> {
        self.samples(job, text)
            .filter(|(_, kind)| kind.ends == Some(Outcome::Succeeded))
            .map(|(sample, _)| sample)
            .min_by_key(|sample| sample.fields.len())
    }

    /// An event of a channel that begins and ends nothing and is in a room called after `id`, with the name of its channel.
    pub fn sample_of_channel(&self, id: &str) -> Option<(Sample, String)> {
        let channels = self.channels.as_ref()?;
        self.catalogue.events.iter().find_map(|event| {
            let kind = self.kind(&event.name)?;
            let is_plain =
                kind.ends.is_none() && !kind.conflatable && !kind.notice && kind.opens == super::Opens::Never;
            let required = || event.settable().filter(|field| field.required);
            // The resource belongs to nobody else where a text names it.
            let is_text = required().all(|field| field.kind == FieldType::String && field.values.is_empty());
            let at = channels.id_field(channels.room_of_kind(&event.name)?)?;
            let names_it = required().any(|field| field.name == at);
            let channel = channels.of_kind(&event.name).filter(|_| is_plain && is_text && names_it)?;
            let fields = required().map(|field| Assignment::json(&field.name, id)).collect();
            let sample = Sample { event: event.name.clone(), fields, kind: event.name.clone() };
            Some((sample, channel.to_string()))
        })
    }

    /// The event that names the owner of a job, where the dialect has one.
    pub fn sample_registration(&self, owner: &str) -> Option<Sample> {
        let registration = self.catalogue.registration.as_ref()?;
        let fields = vec![Assignment::json(&registration.field, owner)];
        Some(Sample { event: registration.event.clone(), fields, kind: registration.event.clone() })
    }

    /// All events of the catalogue with their required fields, and their kinds.
    fn samples<'a>(&'a self, job: &'a str, text: &'a str) -> impl Iterator<Item = (Sample, &'a Kind)> {
        self.catalogue.events.iter().filter_map(move |event| {
            let fields = self.least(event, text)?;
            let payload = self.build(&event.name, job, &fields, jiff::Timestamp::UNIX_EPOCH).ok()?;
            let channel = self.channel_of(job);
            let kind = self.decode(channel.as_bytes(), payload.as_bytes()).ok()?.kind?.name.to_string();
            let kind = self.kind(&kind)?;
            let sample = Sample { event: event.name.clone(), fields, kind: kind.name.to_string() };
            Some((sample, kind))
        })
    }

    /// Required fields of an event, and `text` in a field for it.
    fn least(&self, event: &EventDef, text: &str) -> Option<Vec<Assignment>> {
        let is_of = |field: &FieldDef, of: Option<&super::Shorthand>| {
            of.is_some_and(|of| of.event == event.name && of.field == field.name)
        };
        let catalogue = &self.catalogue;
        let mut fields = Vec::new();
        for field in event.settable() {
            let is_shown =
                is_of(field, catalogue.progress.as_ref()) || is_of(field, catalogue.message.as_ref());
            if (field.required && field.default.is_none()) || is_shown {
                fields.push(Assignment::json(&field.name, value(field, text)?));
            }
        }
        Some(fields)
    }
}

/// A valid value of a field.
fn value(field: &FieldDef, text: &str) -> Option<Value> {
    let least = field.min.unwrap_or(0.0).max(1.0);
    let number = field.max.map_or(least, |max| least.min(max));
    let candidates = match field.kind {
        FieldType::String => {
            field.values.first().map(|first| Value::from(first.as_str())).or(Some(text.into()))
        }
        #[expect(clippy::cast_possible_truncation, reason = "a bound of a field, or 1")]
        FieldType::Int => Some(Value::from(number.ceil() as i64)),
        FieldType::Float => Some(Value::from(number)),
        FieldType::Bool => Some(Value::from(true)),
        FieldType::Object => Some(Value::Object(Map::new())),
    };
    candidates.filter(|value| field.check(value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    #[test]
    fn every_dialect_that_can_be_published_has_an_event_that_goes_on_and_one_that_ends_well() {
        let dialects = Dialects::builtin();
        for (_, dialect) in dialects.iter().filter(|(_, dialect)| dialect.channels.is_none()) {
            let job = if dialect.check_job("a").is_ok() { "a" } else { "7" };
            let samples = [dialect.sample_progress(job, "seen"), dialect.sample_ending(job, "seen")];
            if dialect.publisher.is_some() {
                assert_eq!(samples, [None, None], "{}", dialect.name);
                continue;
            }
            for sample in samples {
                let Sample { event, fields, kind } = sample.unwrap_or_else(|| panic!("{}", dialect.name));
                let payload = dialect.build(&event, job, &fields, jiff::Timestamp::UNIX_EPOCH).unwrap();
                let channel = dialect.channel_of(job);
                let decoded = dialect.decode(channel.as_bytes(), payload.as_bytes()).unwrap();
                assert_eq!((&*decoded.kind.unwrap().name, &*decoded.job), (kind.as_str(), job));
            }
        }
    }

    #[test]
    fn an_event_of_a_channel_is_about_a_resource_that_nobody_has() {
        let dialects = Dialects::builtin();
        let (_, dialect) = dialects.with_channels().unwrap();
        let (sample, channel) = dialect.sample_of_channel("jobwire-check-1").unwrap();
        let payload =
            dialect.build(&sample.event, &channel, &sample.fields, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(payload.contains(r#""jobwire-check-1""#), "{payload}");
        let value: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(value["type"], sample.kind);
    }
}

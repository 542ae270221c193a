//! Events that nobody checks: what the user gave, and what a relay has to find in them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::build::{get, percent, put};
use super::fields::Given;
use super::{Assignment, Dialect, EventDef, FieldDef, FieldError, Fill, surrogate};

impl Dialect {
    /// Builds the payload of an event that the catalogue need not know, with fields that need not be its own.
    ///
    /// Text is typed by the catalogue where it fits and stays text elsewhere; a field that the catalogue does not know
    /// stands at the top. Type, job and time are filled in unless they were given, and so are defaults.
    ///
    /// # Errors
    /// An event without a name, or a field that is given twice.
    pub fn build_unchecked(
        &self,
        event: &str,
        job: &str,
        given: &[Assignment],
        now: Timestamp,
    ) -> Result<String, FieldError> {
        if event.is_empty() {
            return Err(FieldError::UnknownEvent("an event has a name".to_owned()));
        }
        let catalogue = &self.catalogue;
        let known = catalogue.events.iter().find(|def| def.name == event);
        let fields = known.map_or(&[][..], |def: &EventDef| &def.fields);
        let mut payload = Map::new();
        let is = |fill: Fill| move |field: &&FieldDef| field.fill == Some(fill);
        if known.is_none() || fields.iter().any(|field| is(Fill::Event)(&field)) {
            put(&mut payload, &catalogue.kind_at, Value::from(event));
        }
        if let Some(at) = catalogue.job_at.as_ref().filter(|_| self.channels.is_none()) {
            put(&mut payload, at, self.job_value(job));
        }
        let mut seen = BTreeSet::new();
        for Assignment { name, value } in given {
            if !seen.insert(name) {
                return Err(FieldError::Twice(name.clone()));
            }
            let field = fields.iter().find(|field| field.name == *name);
            let value = match value {
                Given::Json(json) => json.clone(),
                Given::Text(text) => {
                    let typed = field.and_then(|field| field.typed(value).ok());
                    typed.unwrap_or_else(|| Value::from(text.as_str()))
                }
            };
            match field {
                Some(field) => put(&mut payload, &field.at, value),
                None => {
                    payload.insert(name.clone(), value);
                }
            }
        }
        let anywhere = || catalogue.events.iter().flat_map(|def| &def.fields).find(is(Fill::Timestamp));
        let filled = fields.iter().chain(known.is_none().then(anywhere).flatten());
        for field in filled {
            if get(&payload, &field.at).is_some() {
                continue;
            }
            let value = match field.fill {
                Some(Fill::Timestamp) => catalogue.timestamp.render(now),
                Some(Fill::Percent) => percent(&payload),
                Some(Fill::Job | Fill::Event) => None,
                None if field.always && field.nullable => Some(field.default.clone().unwrap_or_default()),
                None => field.default.clone(),
            };
            if let Some(value) = value {
                put(&mut payload, &field.at, value);
            }
        }
        Ok(surrogate::put_back(Value::Object(payload).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialects;

    fn build(dialect: &str, job: &str, event: &str, fields: &[&str]) -> Result<String, String> {
        let dialects = Dialects::builtin();
        let given: Vec<_> = fields.iter().map(|text| Assignment::parse(text).unwrap()).collect();
        let now = "2025-11-21T10:30:00Z".parse().unwrap();
        let dialect = dialects.named(dialect).unwrap().1;
        dialect.build_unchecked(event, job, &given, now).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_catalogue_does_not_know_passes_with_type_job_and_time() {
        let table = [
            (
                ("channels", "campaigns", "campaign:archived"),
                &["campaign_id:=7", "by=ann"][..],
                r#"{"type":"campaign:archived","campaign_id":7,"by":"ann","timestamp":"2025-11-21T10:30:00Z"}"#,
            ),
            (
                ("channels", "leads", "lead:created"),
                &["lead_id=seven", "more:=[1]"],
                r#"{"type":"lead:created","lead_id":"seven","more":[1],"timestamp":"2025-11-21T10:30:00Z"}"#,
            ),
            (
                ("channels", "scrapers", "scraper:progress"),
                &["current=1", "total=4"],
                r#"{"type":"scraper:progress","current":1,"total":4,"percent":25.0,"timestamp":"2025-11-21T10:30:00Z"}"#,
            ),
            (
                ("scraping", "7", "job_paused"),
                &["why=lunch"],
                r#"{"event_type":"job_paused","job_id":7,"why":"lunch","timestamp":"2025-11-21T10:30:00"}"#,
            ),
            (
                ("tasks", "t", "cancelled"),
                &["timestamp:=1"],
                r#"{"type":"cancelled","task_id":"t","timestamp":1}"#,
            ),
            (("downloads", "a", "paused"), &[], r#"{"status":"paused","jobId":"a"}"#),
        ];
        for ((dialect, job, event), fields, expected) in table {
            assert_eq!(build(dialect, job, event, fields).unwrap(), expected);
        }
    }

    #[test]
    fn a_known_event_keeps_its_places_and_defaults() {
        assert_eq!(
            build("scraping", "7", "scraper_started", &["route=a", "progress=half"]).unwrap(),
            r#"{"event_type":"scraper_started","job_id":7,"metadata":{"route":"a"},"progress":"half","status":"running","results_count":0,"message":null,"timestamp":"2025-11-21T10:30:00"}"#
        );
    }

    #[test]
    fn no_name_and_the_same_field_twice_are_refused_all_the_same() {
        assert_eq!(build("tasks", "t", "", &[]).unwrap_err(), "an event has a name");
        assert_eq!(build("tasks", "t", "x", &["a=1", "a:=2"]).unwrap_err(), "a is given twice");
    }
}

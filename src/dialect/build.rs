//! From an event's name and its fields to the payload.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::fields::Assignment;
use super::{Dialect, FieldError, Fill, Pointer, TimestampStyle, surrogate};

impl TimestampStyle {
    /// The time as this style writes it, to the microsecond; `None` where the style has none.
    pub fn render(self, now: Timestamp) -> Option<Value> {
        let micros = now.as_microsecond();
        let format = match self {
            Self::None => return None,
            // A double has 52 bits of fraction: microseconds of this century are exact enough to print as written.
            #[expect(clippy::cast_precision_loss)]
            Self::UnixSeconds => return Some(Value::from(micros as f64 / 1e6)),
            // The way Python's isoformat does it: six digits, or none.
            Self::UtcNaive | Self::UtcZulu if micros % 1_000_000 == 0 => "%Y-%m-%dT%H:%M:%S",
            Self::UtcNaive | Self::UtcZulu => "%Y-%m-%dT%H:%M:%S%.6f",
        };
        let zone = if self == Self::UtcZulu { "Z" } else { "" };
        Some(Value::from(format!("{}{zone}", now.strftime(format))))
    }
}

impl Dialect {
    /// Builds the payload of an event of `job`: what the user gave, what is filled in, and the defaults.
    pub fn build(
        &self,
        event: &str,
        job: &str,
        given: &[Assignment],
        now: Timestamp,
    ) -> Result<String, FieldError> {
        let event = self.catalogue.event(event)?;
        let mut values: Vec<Option<Value>> = vec![None; event.fields.len()];
        for assignment in given {
            let field = event.field(&assignment.name)?;
            if field.fill.is_some() {
                return Err(FieldError::Filled(field.name.clone()));
            }
            let nth = event.fields.iter().position(|other| other.name == field.name);
            let slot = &mut values[nth.expect("the field was just found there")];
            if slot.replace(field.typed(&assignment.value)?).is_some() {
                return Err(FieldError::Twice(field.name.clone()));
            }
        }
        let of_kind = self.catalogue.of_kind(event, given);
        let mut payload = Map::new();
        for (field, value) in event.fields.iter().zip(values) {
            let default = of_kind.and_then(|kind| kind.field(&field.name).ok()).unwrap_or(field);
            let default = default.default.as_ref();
            let filled = match field.fill {
                Some(Fill::Job) => Some(self.job_value(job)),
                Some(Fill::Event) => Some(Value::from(event.name.as_str())),
                Some(Fill::Timestamp) => self.catalogue.timestamp.render(now),
                Some(Fill::Percent) => percent(&payload),
                None => value,
            };
            if let Some(value) = filled {
                put(&mut payload, &field.at, value);
            } else if let Some(value) = get(&payload, &field.at) {
                // It came inside an object that was given whole.
                field.check(value)?;
            } else if let Some(value) = default {
                put(&mut payload, &field.at, value.clone());
            } else if field.always && field.nullable {
                put(&mut payload, &field.at, Value::Null);
            }
        }
        let missing = |field: &&super::FieldDef| field.required && get(&payload, &field.at).is_none();
        let fields: Vec<String> =
            event.fields.iter().filter(missing).map(|field| field.name.clone()).collect();
        if !fields.is_empty() {
            return Err(FieldError::Missing { event: event.name.clone(), fields });
        }
        Ok(surrogate::put_back(Value::Object(payload).to_string()))
    }
}

/// How much of its total an event has done; `None` where it does not say.
pub(super) fn percent(payload: &Map<String, Value>) -> Option<Value> {
    let number = |name: &str| payload.get(name).and_then(Value::as_f64);
    let (current, total) = (number("current")?, number("total")?);
    Some(Value::from(if total == 0.0 { 0.0 } else { 100.0 * current / total }))
}

/// The value at a place, if there is one.
pub(super) fn get<'a>(object: &'a Map<String, Value>, at: &Pointer) -> Option<&'a Value> {
    let (last, way) = at.names().split_last()?;
    way.iter().try_fold(object, |object, name| object.get(name)?.as_object())?.get(last)
}

/// Puts a value at a place, making the objects on the way. What an object there already holds stays.
pub(super) fn put(object: &mut Map<String, Value>, at: &Pointer, value: Value) {
    let Some((last, way)) = at.names().split_last() else { return };
    let mut here = object;
    for name in way {
        let next = here.entry(name.as_str()).or_insert(Value::Null);
        if !next.is_object() {
            *next = Value::Object(Map::new());
        }
        here = next.as_object_mut().expect("it was made one");
    }
    match (here.get_mut(last), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            for (key, value) in new {
                old.entry(key).or_insert(value);
            }
        }
        (_, value) => {
            here.insert(last.clone(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::dialect::Dialects;

    use super::*;

    fn builtin(name: &str) -> Arc<Dialect> {
        Arc::clone(Dialects::builtin().named(name).unwrap().1)
    }

    fn build(dialect: &str, job: &str, event: &str, fields: &[&str]) -> Result<String, String> {
        let given: Result<Vec<_>, _> = fields.iter().map(|text| Assignment::parse(text)).collect();
        let now = "2025-11-21T10:30:00Z".parse().unwrap();
        given
            .and_then(|given| builtin(dialect).build(event, job, &given, now))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_scraping_event_of_the_contract_is_built() {
        let fields = [
            "progress=45.5",
            "results_count=42",
            "message=Scraping in progress...",
            "successful_scrapers=3",
            "failed_scrapers=1",
            "total_flights=42",
        ];
        assert_eq!(
            build("scraping", "123", "job_progress", &fields).unwrap(),
            r#"{"job_id":123,"event_type":"job_progress","status":"running","progress":45.5,"results_count":42,"message":"Scraping in progress...","metadata":{"successful_scrapers":3,"failed_scrapers":1,"total_flights":42},"timestamp":"2025-11-21T10:30:00"}"#
        );
    }

    #[test]
    fn every_scraping_event_has_all_fields_and_its_defaults() {
        let tail = r#""metadata":{},"timestamp":"2025-11-21T10:30:00"}"#;
        let table = [
            ("job_started", "running", "0.0"),
            ("job_progress", "running", "null"),
            ("results_updated", "running", "null"),
            ("job_completed", "completed", "100.0"),
            ("job_failed", "failed", "null"),
        ];
        for (event, status, progress) in table {
            let expected = format!(
                r#"{{"job_id":7,"event_type":"{event}","status":"{status}","progress":{progress},"results_count":0,"message":null,{tail}"#
            );
            assert_eq!(build("scraping", "7", event, &[]).unwrap(), expected);
        }
        let named = build("scraping", "7", "scraper_completed", &["scraper_name=a", "scraper_results=3"]);
        assert!(named.unwrap().contains(r#""metadata":{"scraper_name":"a","results_count":3}"#));
        for event in ["scraper_started", "scraper_completed", "scraper_failed"] {
            assert_eq!(
                build("scraping", "7", event, &[]).unwrap_err(),
                format!("{event} needs scraper_name")
            );
        }
        assert_eq!(builtin("scraping").catalogue.events.len(), 8);
    }

    #[test]
    fn every_download_event_is_the_bare_data_object() {
        let built = |event, fields: &[&str]| build("downloads", "abc", event, fields);
        assert_eq!(
            built("status", &["status=processing", "progress=45"]).unwrap(),
            r#"{"jobId":"abc","status":"processing","progress":45}"#
        );
        assert_eq!(built("queued", &[]).unwrap(), r#"{"jobId":"abc","status":"queued","progress":0}"#);
        assert_eq!(
            built("processing", &["videoInfo.title=A film", "videoInfo.duration=60", "progress=10"]).unwrap(),
            r#"{"jobId":"abc","status":"processing","progress":10,"videoInfo":{"title":"A film","duration":60}}"#
        );
        assert_eq!(
            built("completed", &["downloadUrl=https://x/y", "storageProvider=s3", "fileSize=9"]).unwrap(),
            r#"{"jobId":"abc","status":"completed","progress":100,"downloadUrl":"https://x/y","storageProvider":"s3","fileSize":9}"#
        );
        assert_eq!(
            built("failed", &["error=gone"]).unwrap(),
            r#"{"jobId":"abc","status":"failed","progress":0,"error":"gone"}"#
        );
        assert_eq!(built("status", &[]).unwrap_err(), "status needs status");
        assert_eq!(builtin("downloads").catalogue.events.len(), 5);
    }

    #[test]
    fn the_percent_of_a_scraper_is_computed() {
        let built = |current: &str, total: &str| {
            let (current, total) = (format!("current={current}"), format!("total={total}"));
            build(
                "channels",
                "scrapers",
                "scraper:progress",
                &["scraper_id=s1", "source=maps", &current, &total],
            )
        };
        assert_eq!(
            built("50", "200").unwrap(),
            r#"{"type":"scraper:progress","scraper_id":"s1","source":"maps","current":50,"total":200,"percent":25.0,"timestamp":"2025-11-21T10:30:00Z"}"#
        );
        assert!(built("0", "0").unwrap().contains(r#""percent":0.0"#));
        let given = build("channels", "scrapers", "scraper:progress", &["percent=4"]);
        assert_eq!(given.unwrap_err(), "percent is filled in by itself and cannot be given");
    }

    #[test]
    fn every_task_event_is_the_one_of_the_contract() {
        let built = |event, fields: &[&str]| build("tasks", "t", event, fields).unwrap();
        assert_eq!(
            built("registered", &["user_id=u"]),
            r#"{"type":"registered","task_id":"t","user_id":"u"}"#
        );
        assert_eq!(
            built("progress", &["step=3", "status=Processing with AI...", "details=d"]),
            r#"{"type":"progress","task_id":"t","step":3,"total_steps":5,"status":"Processing with AI...","details":"d","timestamp":1763721000.0}"#
        );
        assert_eq!(
            built("completion", &["recipe_id=r", "recipe_name=Soup"]),
            r#"{"type":"completion","task_id":"t","status":"SUCCESS","recipe_id":"r","recipe_name":"Soup","timestamp":1763721000.0}"#
        );
        assert_eq!(
            built("error", &["error=gone"]),
            r#"{"type":"error","task_id":"t","status":"FAILURE","error":"gone","timestamp":1763721000.0}"#
        );
    }

    #[test]
    fn objects_given_whole_and_in_parts_come_together() {
        let built = build(
            "scraping",
            "7",
            "scraper_started",
            &["route=MUC-BCN", r#"metadata={"scraper_name":"a","route":"x","more":1}"#],
        );
        assert!(built.unwrap().contains(r#""metadata":{"scraper_name":"a","route":"MUC-BCN","more":1}"#));
        let wrong = build("scraping", "7", "scraper_started", &[r#"metadata={"scraper_name":1}"#]);
        assert_eq!(wrong.unwrap_err(), "scraper_name: expected text, got 1");
    }

    #[test]
    fn errors_name_the_nearest() {
        let error = |event, fields: &[&str]| build("scraping", "7", event, fields).unwrap_err();
        assert_eq!(
            error("job_progres", &[]),
            "there is no event 'job_progres'; did you mean 'job_progress'?"
        );
        assert_eq!(
            error("job_progress", &["progess=4"]),
            "job_progress has no field 'progess'; did you mean 'progress'?"
        );
        assert_eq!(error("job_progress", &["job_id=4"]), "job_id is filled in by itself and cannot be given");
        assert_eq!(error("job_progress", &["progress=4", "progress=5"]), "progress is given twice");
        assert_eq!(
            error("job_progress", &["progress=101"]),
            "progress: expected a number from 0 to 100 or null, got 101"
        );
    }

    #[test]
    fn times_are_written_in_the_dialect_s_style() {
        let whole: Timestamp = "2025-11-21T10:30:00Z".parse().unwrap();
        let part: Timestamp = "2025-11-21T10:30:00.000250999Z".parse().unwrap();
        let text = |style: TimestampStyle, now| style.render(now).map(|value| value.to_string());
        assert_eq!(text(TimestampStyle::None, whole), None);
        assert_eq!(text(TimestampStyle::UtcNaive, whole).unwrap(), r#""2025-11-21T10:30:00""#);
        assert_eq!(text(TimestampStyle::UtcNaive, part).unwrap(), r#""2025-11-21T10:30:00.000250""#);
        assert_eq!(text(TimestampStyle::UtcZulu, part).unwrap(), r#""2025-11-21T10:30:00.000250Z""#);
        assert_eq!(text(TimestampStyle::UnixSeconds, whole).unwrap(), "1763721000.0");
        assert_eq!(text(TimestampStyle::UnixSeconds, part).unwrap(), "1763721000.00025");
    }
}

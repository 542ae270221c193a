//! Whole events, as a user hands them over: checked as far as a relay and its clients rely on them.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::build::get;
use super::fields::shorten;
use super::{Dialect, FieldError, ImpossibleJob, JobIdType, raw, suggest, surrogate};

/// A whole event that may be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole<'a> {
    /// The job's id.
    pub job: String,
    /// What to publish: the text as given, or the same with the job's id filled in.
    pub payload: Cow<'a, str>,
}

/// Why a whole event cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WholeError {
    /// Not a JSON document.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// A JSON document, but no object.
    #[error("an event is a JSON object")]
    NotObject,
    /// It does not say of which kind it is.
    #[error("names no kind; it belongs at {0}")]
    NoKind(String),
    /// The dialect has no such kind.
    #[error("{0}")]
    UnknownKind(String),
    /// Neither it nor the target names a job.
    #[error("names no job, and neither does the target")]
    NoJob,
    /// No channel belongs to its type, and none was named.
    #[error("is of a type that no channel belongs to; name one with --channel")]
    NoChannel,
    /// Its job's id has the wrong JSON type.
    #[error("the job is {given}; expected {expected}")]
    JobType {
        /// What it got.
        given: String,
        /// What the dialect's ids are.
        expected: &'static str,
    },
    /// No job can have that id.
    #[error("'{0}' is no job's id: {1}")]
    Job(String, ImpossibleJob),
    /// It names another job than the target.
    #[error("is of job {event}, but the target is job {target}")]
    OtherJob {
        /// The job that the event names.
        event: String,
        /// The job that the user pointed at.
        target: String,
    },
    /// A field that the catalogue types has a value of another type.
    #[error(transparent)]
    Field(#[from] FieldError),
}

impl Dialect {
    /// Checks a whole event for the job `target`, or for the one it names itself; fills the id in where it is absent.
    /// Names that the catalogue does not know pass, and so does null for anything.
    pub fn check_whole<'a>(&self, text: &'a str, target: Option<&str>) -> Result<Whole<'a>, WholeError> {
        let payload = object(text)?;
        let (_, event) = self.inside(&payload)?;
        let kind = self.kind_of(event)?;
        self.check_fields(kind, event)?;
        self.addressed(text, &payload, target)
    }

    /// The same for an event of any kind, with fields of any type: it only has to be clear where it goes.
    pub fn unchecked_whole<'a>(&self, text: &'a str, target: Option<&str>) -> Result<Whole<'a>, WholeError> {
        self.addressed(text, &object(text)?, target)
    }

    /// Finds out where an event goes, and fills the id in where it is absent.
    fn addressed<'a>(
        &self,
        text: &'a str,
        payload: &Map<String, Value>,
        target: Option<&str>,
    ) -> Result<Whole<'a>, WholeError> {
        let (envelope, event) = self.inside(payload)?;
        if let Some(channels) = &self.channels {
            // Where a job would stand there is the channel: the target's, or the one of its type.
            let kind = get(event, &self.catalogue.kind_at).and_then(Value::as_str);
            let own = kind.and_then(|kind| channels.of_kind(kind)).map(ToString::to_string);
            let job = target.map(str::to_owned).or(own).ok_or(WholeError::NoChannel)?;
            return Ok(Whole { job, payload: Cow::Borrowed(text) });
        }
        let named = self.named_job(event)?;
        let job = match (&named, target) {
            (Some(event), Some(target)) if event != target => {
                return Err(WholeError::OtherJob { event: shorten(event), target: shorten(target) });
            }
            (Some(job), _) => job.clone(),
            (None, Some(job)) => job.to_owned(),
            (None, None) => return Err(WholeError::NoJob),
        };
        self.check_job(&job).map_err(|error| WholeError::Job(shorten(&job), error))?;
        match &self.catalogue.job_at {
            Some(at) if named.is_none() => {
                let path = at.names().iter().map(String::as_str);
                let way: Vec<&str> = envelope.into_iter().map(String::as_str).chain(path).collect();
                let payload = raw::with_value(text, &way, &self.job_value(&job).to_string());
                Ok(Whole { job, payload: Cow::Owned(payload) })
            }
            _ => Ok(Whole { job, payload: Cow::Borrowed(text) }),
        }
    }

    /// The object that the pointers lead into: the payload, or what its envelope holds, and the name of that.
    fn inside<'a>(
        &self,
        payload: &'a Map<String, Value>,
    ) -> Result<(Option<&String>, &'a Map<String, Value>), WholeError> {
        match &self.wrap {
            Some(wrap) if payload.contains_key("type") && payload.contains_key(&wrap.field) => {
                let inner = payload.get(&wrap.field).and_then(Value::as_object);
                Ok((Some(&wrap.field), inner.ok_or(WholeError::NotObject)?))
            }
            _ => Ok((None, payload)),
        }
    }

    fn kind_of<'a>(&self, event: &'a Map<String, Value>) -> Result<&'a str, WholeError> {
        let at = &self.catalogue.kind_at;
        let kind = match get(event, at) {
            None | Some(Value::Null) => return Err(WholeError::NoKind(format!("/{}", at.names().join("/")))),
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) => {
                let message = format!("the kind is {}, which is no text", shorten(&other.to_string()));
                return Err(WholeError::UnknownKind(message));
            }
        };
        let events = self.catalogue.events.iter().map(|def| def.name.as_str());
        let kinds = self.kinds.iter().map(|kind| &*kind.name);
        // Of channels a relay sends some kinds itself, and others are patterns.
        let known: Vec<&str> = if self.channels.is_some() { events.collect() } else { kinds.collect() };
        if known.contains(&kind) {
            return Ok(kind);
        }
        let message = format!("there is no kind '{}'", shorten(kind));
        Err(WholeError::UnknownKind(suggest::with_nearest(&message, kind, known)))
    }

    fn named_job(&self, event: &Map<String, Value>) -> Result<Option<String>, WholeError> {
        let value = self.catalogue.job_at.as_ref().and_then(|at| get(event, at));
        match (self.job_id, value) {
            (_, None | Some(Value::Null)) => Ok(None),
            (JobIdType::Integer, Some(Value::Number(number))) if !number.is_f64() => {
                Ok(Some(number.to_string()))
            }
            (JobIdType::String, Some(Value::String(job))) => Ok(Some(surrogate::shown(job).into_owned())),
            (id, Some(other)) => Err(WholeError::JobType {
                given: shorten(&other.to_string()),
                expected: if id == JobIdType::Integer { "an integer" } else { "text" },
            }),
        }
    }

    /// Values of the fields that the catalogue knows, by the event of the kind's name. Where there are channels, what is
    /// required must be there too: without its id an event is in no room.
    fn check_fields(&self, kind: &str, event: &Map<String, Value>) -> Result<(), FieldError> {
        let events = &self.catalogue.events;
        let Some(def) = events.iter().find(|def| def.name == kind) else { return Ok(()) };
        let given = |field: &&super::FieldDef| field.fill.is_none();
        for field in def.fields.iter().filter(given) {
            if let Some(value) = get(event, &field.at).filter(|value| !value.is_null()) {
                field.check(value)?;
            }
        }
        let missing =
            |field: &&super::FieldDef| field.required && get(event, &field.at).is_none_or(Value::is_null);
        let fields: Vec<String> = def.fields.iter().filter(missing).map(|field| field.name.clone()).collect();
        if self.channels.is_none() || fields.is_empty() {
            return Ok(());
        }
        Err(FieldError::Missing { event: kind.to_owned(), fields })
    }
}

/// The members of an event. Whatever a relay takes is taken: numbers of any size, and any depth.
fn object(text: &str) -> Result<Map<String, Value>, WholeError> {
    let json: &RawValue =
        serde_json::from_str(text).map_err(|error| WholeError::NotJson(error.to_string()))?;
    match raw::lenient(json) {
        Value::Object(object) => Ok(object),
        _ => Err(WholeError::NotObject),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::dialect::Dialects;

    fn check(dialect: &str, text: &str, target: Option<&str>) -> Result<(String, String), String> {
        let dialect = Arc::clone(Dialects::builtin().named(dialect).unwrap().1);
        let whole = dialect.check_whole(text, target).map_err(|error| error.to_string())?;
        Ok((whole.job, whole.payload.into_owned()))
    }

    fn whole(job: &str, payload: &str) -> (String, String) {
        (job.to_owned(), payload.to_owned())
    }

    #[test]
    fn an_event_that_names_its_job_passes_byte_for_byte() {
        let text = r#"{"job_id": 7, "event_type":"job_progress","progress":45.50,"extra":[1e3]}"#;
        assert_eq!(check("scraping", text, None), Ok(whole("7", text)));
        assert_eq!(check("scraping", text, Some("7")), Ok(whole("7", text)));
        let text = r#"{"jobId":"a","status":"queued","progress":0,"error":null}"#;
        assert_eq!(check("downloads", text, None), Ok(whole("a", text)));
    }

    #[test]
    fn a_lone_surrogate_passes_byte_for_byte_with_and_without_the_job_s_id() {
        let text = r#"{"job_id":7,"event_type":"job_failed","message":"cannot read caf\udce9.txt"}"#;
        assert_eq!(check("scraping", text, Some("7")), Ok(whole("7", text)));
        let text = r#"{"jobId":"a","status":"failed","error":"HTTP 403 \uD83D","x":["\udce9"]}"#;
        assert_eq!(check("downloads", text, None), Ok(whole("a", text)));
        let without = r#"{"event_type":"job_failed","message":"caf\udce9.txt"}"#;
        let filled = r#"{"event_type":"job_failed","message":"caf\udce9.txt","job_id":7}"#;
        assert_eq!(check("scraping", without, Some("7")), Ok(whole("7", filled)));
        let text = r#"{"type":"notification:system","message":"caf\udce9"}"#;
        assert_eq!(check("channels", text, None), Ok(whole("notifications", text)));
    }

    #[test]
    fn numbers_of_any_size_and_any_depth_pass_byte_for_byte() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let nested = "{\"a\":".repeat(300) + "1" + &"}".repeat(300);
        for odd in ["1e400", "-1e400", "12345678901234567890123456789.50", &deep, &nested] {
            let text =
                format!(r#"{{"job_id":7, "event_type":"job_progress","x":{odd},"metadata":{{"y":{odd}}}}}"#);
            assert_eq!(check("scraping", &text, None), Ok(whole("7", &text)), "{odd:.40}");
            let without = format!(r#"{{"event_type":"job_progress","progress":45.50,"x":{odd}}}"#);
            let filled = format!(r#"{{"event_type":"job_progress","progress":45.50,"x":{odd},"job_id":7}}"#);
            assert_eq!(check("scraping", &without, Some("7")), Ok(whole("7", &filled)), "{odd:.40}");
            let wrapped = format!(r#"{{"type":"status","data":{{"status":"queued","x":{odd}}}}}"#);
            let filled = format!(r#"{{"type":"status","data":{{"status":"queued","x":{odd},"jobId":"a"}}}}"#);
            assert_eq!(check("downloads", &wrapped, Some("a")), Ok(whole("a", &filled)), "{odd:.40}");
        }
        let error = |field: &str| {
            let text = format!(r#"{{"job_id":7,"event_type":"job_progress",{field}}}"#);
            check("scraping", &text, None).unwrap_err()
        };
        assert!(error(r#""progress":1e400"#).starts_with("progress: expected a number from 0 to 100"));
        assert!(error(r#""results_count":1e400"#).starts_with("results_count: expected a whole number"));
        assert!(error(&format!(r#""message":{deep}"#)).starts_with("message: expected text"));
    }

    #[test]
    fn the_target_s_job_is_filled_in_where_it_is_absent() {
        assert_eq!(
            check("scraping", r#"{"event_type":"job_started"}"#, Some("7")),
            Ok(whole("7", r#"{"event_type":"job_started","job_id":7}"#))
        );
        assert_eq!(
            check("downloads", r#"{"type":"status","data":{"status":"queued"}}"#, Some("a")),
            Ok(whole("a", r#"{"type":"status","data":{"status":"queued","jobId":"a"}}"#))
        );
    }

    #[test]
    fn an_event_of_channels_goes_where_its_type_belongs_or_where_the_target_says() {
        let text = r#"{"type":"lead:created","lead_id":7}"#;
        assert_eq!(check("channels", text, None), Ok(whole("leads", text)));
        assert_eq!(check("channels", text, Some("conversations")), Ok(whole("conversations", text)));
        let error = |text: &str| check("channels", text, None).unwrap_err();
        assert_eq!(
            error(r#"{"type":"lead:create"}"#),
            "there is no kind 'lead:create'; did you mean 'lead:created'?"
        );
        assert_eq!(
            error(r#"{"type":"lead:created","lead_id":"x"}"#),
            "lead_id: expected a whole number, got 'x'"
        );
        assert_eq!(error(r#"{"type":"lead:created","lead_id":null}"#), "lead:created needs lead_id");
        assert_eq!(error(r#"{"type":"heartbeat"}"#), "there is no kind 'heartbeat'");
    }

    #[test]
    fn what_is_not_checked_only_has_to_say_where_it_goes() {
        let loose = |dialect: &str, text: &str, target: Option<&str>| {
            let dialect = Arc::clone(Dialects::builtin().named(dialect).unwrap().1);
            let whole = dialect.unchecked_whole(text, target).map_err(|error| error.to_string())?;
            Ok::<_, String>((whole.job, whole.payload.into_owned()))
        };
        let text = r#"{"type":"lead:scored","lead_id":"x"}"#;
        assert_eq!(loose("channels", text, None), Ok(whole("leads", text)));
        assert_eq!(loose("channels", "{}", Some("ai")), Ok(whole("ai", "{}")));
        let error = loose("channels", r#"{"type":"export:done"}"#, None).unwrap_err();
        assert_eq!(error, "is of a type that no channel belongs to; name one with --channel");
        let text = r#"{"job_id":7,"event_type":"paused","progress":"half"}"#;
        assert_eq!(loose("scraping", text, None), Ok(whole("7", text)));
        assert_eq!(loose("scraping", "{}", Some("7")), Ok(whole("7", r#"{"job_id":7}"#)));
        assert!(loose("scraping", "{}", None).is_err());
    }

    #[test]
    fn what_no_relay_could_use_is_refused() {
        let error = |text: &str, target| check("scraping", text, target).unwrap_err();
        assert!(error("{", None).starts_with("not JSON: "));
        assert_eq!(error("[1]", None), "an event is a JSON object");
        assert_eq!(error(r#"{"job_id":7}"#, None), "names no kind; it belongs at /event_type");
        assert_eq!(
            error(r#"{"job_id":7,"event_type":"job_progres"}"#, None),
            "there is no kind 'job_progres'; did you mean 'job_progress'?"
        );
        assert_eq!(
            error(r#"{"event_type":"job_started"}"#, None),
            "names no job, and neither does the target"
        );
        for odd in ["\"7\"", "7.5", "[7]", "true"] {
            let text = format!(r#"{{"job_id":{odd},"event_type":"job_started"}}"#);
            assert_eq!(error(&text, None), format!("the job is {}; expected an integer", odd.escape_debug()));
        }
        assert_eq!(
            error(r#"{"job_id":8,"event_type":"job_started"}"#, Some("7")),
            "is of job 8, but the target is job 7"
        );
        assert_eq!(
            error(r#"{"job_id":7,"event_type":"job_progress","progress":"half"}"#, None),
            "progress: expected a number from 0 to 100 or null, got 'half'"
        );
        let slash = check("downloads", r#"{"jobId":"a/b","status":"queued"}"#, None);
        assert_eq!(
            slash.unwrap_err(),
            "'a/b' is no job's id: a job id has no slash and no control character"
        );
    }
}

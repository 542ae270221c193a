//! How far a job was before an event that does not say it: a percent, or a total, whose default would set it back.

use serde_json::Value;

use super::fields::Carried;
use super::{Assignment, Dialect, EventDef, FieldDef, JobState, Opens, Outcome};

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    percent: Option<f64>,
    total: Option<u64>,
    ended: Option<Outcome>,
}

impl Standing {
    /// Whether the job has ended.
    pub const fn has_ended(&self) -> bool {
        self.ended.is_some()
    }
}

impl FieldDef {
    /// Whether it takes over what was where it is not given; its default stands where nothing is known.
    pub const fn is_carried(&self) -> bool {
        self.carried.is_some()
    }
}

impl EventDef {
    /// Fields that were not given and would take over what was.
    fn lacking<'a>(
        &'a self,
        dialect: &'a Dialect,
        given: &'a [Assignment],
    ) -> impl Iterator<Item = (&'a FieldDef, Carried)> {
        let kind = dialect.catalogue.of_kind(self, given);
        self.fields.iter().filter_map(move |field| {
            let field = kind.and_then(|kind| kind.field(&field.name).ok()).unwrap_or(field);
            let is_given = given.iter().any(|assignment| assignment.name == field.name);
            // An object that was given whole may hold it, and is the user's.
            field.carried.filter(|_| !is_given && field.at.names().len() == 1).map(|carried| (field, carried))
        })
    }
}

impl Dialect {
    /// Whether an event with these fields says nothing of how far its job is, and so needs the job's [`Standing`].
    pub fn needs_standing(&self, event: &str, given: &[Assignment]) -> bool {
        let Ok(def) = self.catalogue.event(event) else { return false };
        def.lacking(self, given).next().is_some() && self.opens(def, given) != Opens::Always
    }

    /// Adds what an event does not say of how far its job is. An event that opens a new run takes nothing over.
    pub fn carry(&self, event: &str, given: &mut Vec<Assignment>, standing: &Standing) {
        let Ok(def) = self.catalogue.event(event) else { return };
        if self.opens(def, given).after(standing.ended) {
            return;
        }
        let mut more = Vec::new();
        for (field, carried) in def.lacking(self, given) {
            let value = match carried {
                Carried::Percent => standing.percent.map(number),
                Carried::Total => standing.total.map(Value::from),
            };
            more.extend(
                value
                    .filter(|value| field.check(value).is_ok())
                    .map(|value| Assignment::json(&field.name, value)),
            );
        }
        given.extend(more);
    }

    /// How far a job is, by its state as a relay keeps it.
    pub fn standing_of_state(&self, state: &str, percent: Option<&str>, ended: Option<&str>) -> Standing {
        let view = self.view(state);
        let view = view.as_ref();
        let percent = percent.and_then(|text| text.parse().ok()).or(view.and_then(|view| view.percent));
        Standing { percent, total: view.and_then(|view| view.total), ended: ended.and_then(Outcome::parse) }
    }

    /// How far a job is, by its polling body; `None` for a body of another form.
    pub fn standing_of_status(&self, body: &str) -> Option<Standing> {
        let view = self.view_status(body)?;
        let ended = match view.state {
            JobState::Queued | JobState::Running => None,
            JobState::Succeeded => Some(Outcome::Succeeded),
            JobState::Failed => Some(Outcome::Failed),
            JobState::Cancelled => Some(Outcome::Cancelled),
        };
        Some(Standing { percent: view.percent, total: view.total, ended })
    }

    /// Whether an event opens a new run.
    fn opens(&self, def: &EventDef, given: &[Assignment]) -> Opens {
        let kind = self.catalogue.kind_name(def, given).and_then(|name| self.kind(name));
        kind.map_or(Opens::Never, |kind| kind.opens)
    }
}

/// A percent as somebody would write it: without a fraction where it has none.
fn number(percent: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "a percent is from 0 to 100")]
    if percent.fract() == 0.0 { Value::from(percent as i64) } else { Value::from(percent) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dialect::Dialects;

    fn built(dialect: &str, event: &str, fields: &[&str], standing: &Standing) -> Value {
        let dialect = Arc::clone(Dialects::builtin().named(dialect).unwrap().1);
        let mut given: Vec<_> = fields.iter().map(|text| Assignment::parse(text).unwrap()).collect();
        if dialect.needs_standing(event, &given) {
            dialect.carry(event, &mut given, standing);
        }
        let now = "2025-11-21T10:30:00Z".parse().unwrap();
        serde_json::from_str(&dialect.build(event, "a", &given, now).unwrap()).unwrap()
    }

    #[test]
    fn a_percent_that_was_not_given_is_the_last_one_unless_a_run_begins() {
        let at = |percent, ended| Standing { percent: Some(percent), total: None, ended };
        for (event, fields, standing, progress) in [
            ("failed", &["error=x"][..], at(40.0, None), 40.into()),
            ("failed", &["error=x", "progress=50"], at(40.0, None), 50.into()),
            ("failed", &["error=x"], Standing::default(), 0.into()),
            ("failed", &[], at(40.5, Some(Outcome::Failed)), 40.5.into()),
            ("processing", &[], at(40.0, None), 40.into()),
            ("processing", &[], at(40.0, Some(Outcome::Failed)), 0.into()),
            ("processing", &[], at(100.0, Some(Outcome::Succeeded)), 100.into()),
            ("status", &["status=failed"], at(40.0, None), 40.into()),
            ("status", &["status=completed"], at(40.0, None), 100.into()),
            ("status", &["status=queued"], at(40.0, None), Value::from(0)),
            ("queued", &[], at(40.0, Some(Outcome::Failed)), 0.into()),
            ("queued", &[], at(40.0, None), 0.into()),
            ("completed", &[], at(40.0, None), 100.into()),
        ] {
            let event_built = built("downloads", event, fields, &standing);
            assert_eq!(event_built["progress"], progress, "{event} {fields:?} {standing:?}");
        }
    }

    #[test]
    fn a_total_that_was_not_given_is_the_last_one() {
        let standing = Standing { percent: None, total: Some(10), ended: None };
        assert_eq!(built("tasks", "progress", &["step=5"], &standing)["total_steps"], 10);
        assert_eq!(built("tasks", "progress", &["step=5", "total_steps=7"], &standing)["total_steps"], 7);
        assert_eq!(built("tasks", "progress", &["step=5"], &Standing::default())["total_steps"], 5);
    }

    #[test]
    fn only_events_whose_default_would_set_a_job_back_need_to_know_how_far_it_is() {
        for (dialect, event, fields, needs) in [
            ("downloads", "failed", &[][..], true),
            ("downloads", "failed", &["progress=1"], false),
            ("downloads", "completed", &[], false),
            ("downloads", "queued", &[], false),
            ("downloads", "status", &["status=completed"], false),
            ("tasks", "progress", &["step=1"], true),
            ("tasks", "error", &["error=x"], false),
            ("scraping", "job_failed", &[], false),
            ("scraping", "job_progress", &[], false),
            ("channels", "scraper:progress", &[], false),
        ] {
            let dialect = Arc::clone(Dialects::builtin().named(dialect).unwrap().1);
            let given: Vec<_> = fields.iter().map(|text| Assignment::parse(text).unwrap()).collect();
            assert_eq!(dialect.needs_standing(event, &given), needs, "{event} {fields:?}");
        }
    }

    #[test]
    fn how_far_a_job_is_stands_in_its_stored_state_and_in_its_polling_body() {
        let dialects = Dialects::builtin();
        let downloads = dialects.named("downloads").unwrap().1;
        let body = r#"{"jobId":"a","status":"failed","progress":40.5}"#;
        let failed = Standing { percent: Some(40.5), total: None, ended: Some(Outcome::Failed) };
        assert_eq!(downloads.standing_of_status(body), Some(failed));
        assert_eq!(downloads.standing_of_state(body, None, Some("failed")), failed);
        let newest = downloads.standing_of_state(body, Some("41"), None);
        assert_eq!(newest, Standing { percent: Some(41.0), total: None, ended: None });
        let tasks = dialects.named("tasks").unwrap().1;
        let state = r#"{"type":"progress","task_id":"a","step":3,"total_steps":10}"#;
        assert_eq!(tasks.standing_of_state(state, None, None).total, Some(10));
    }
}

//! Tests of the dialect `jobs`: the meaning of its events, and the payloads that are published.

use super::*;

fn view(payload: &str) -> View {
    builtin("jobs").view(payload).unwrap()
}

#[test]
fn the_event_of_the_contract_passes_and_is_read() {
    let payload = r#"{"job":"build-42","event":"progress","percent":45.0,"step":3,"total":7,"message":"linking","part":"tests","timestamp":"2026-11-30T10:30:00Z"}"#;
    let jobs = builtin("jobs");
    let decoded = jobs.decode(b"job_updates:build-42", payload.as_bytes()).unwrap();
    assert_eq!((decoded.job.as_ref(), decoded.entity.as_deref()), ("build-42", Some("tests")));
    assert!(decoded.kind.unwrap().conflatable && decoded.slips.is_empty());
    assert_eq!(decoded.text_parts().concat(), payload.as_bytes());
    let view = view(payload);
    assert_eq!((view.percent, view.step, view.total), (Some(45.0), Some(3), Some(7)));
    assert_eq!((view.message.as_deref(), view.entity, view.log), (Some("linking"), None, None));
    let given = ["percent=45.0", "step=3", "total=7", "message=linking", "part=tests"];
    let given: Vec<_> = given.iter().map(|text| Assignment::parse(text).unwrap()).collect();
    let now = "2026-11-30T10:30:00Z".parse().unwrap();
    assert_eq!(jobs.build("progress", "build-42", &given, now).unwrap(), payload);
}

#[test]
fn each_event_does_to_its_job_what_its_name_says() {
    let jobs = builtin("jobs");
    let kind = |name: &str| jobs.kind(name).unwrap();
    assert_eq!(kind("started").opens, Opens::Always);
    assert!(kind("queued").queued && kind("queued").opens == Opens::AfterEnding);
    for (name, outcome) in
        [("succeeded", Outcome::Succeeded), ("failed", Outcome::Failed), ("cancelled", Outcome::Cancelled)]
    {
        assert_eq!(kind(name).ends, Some(outcome), "{name}");
    }
    for (name, phase) in
        [("part_started", Phase::Running), ("part_done", Phase::Succeeded), ("part_failed", Phase::Failed)]
    {
        let part = view(&format!(r#"{{"event":"{name}","part":"tests","error":"2 of 9"}}"#));
        let entity = EntityView { name: "tests".into(), phase: Some(phase), count: None };
        assert_eq!((part.entity, kind(name).ends), (Some(entity), None), "{name}");
    }
    let conflatable: Vec<&str> =
        jobs.kinds().iter().filter(|kind| kind.conflatable).map(|kind| &*kind.name).collect();
    assert_eq!(conflatable, ["progress"]);
    assert_eq!(jobs.catalogue.events.len(), jobs.kinds().len());
}

#[test]
fn a_line_of_the_log_is_read_with_its_stream() {
    let log = |more: &str| view(&format!(r#"{{"event":"log"{more}}}"#)).log.unwrap();
    let line =
        |line: &str, stream: Option<&str>| LogView { line: line.into(), stream: stream.map(Into::into) };
    assert_eq!(log(r#","line":"cc -c a.c","stream":"stderr""#), line("cc -c a.c", Some("stderr")));
    assert_eq!(log(r#","line":"  indented ""#), line("  indented ", None));
    for empty in [r#","line":"""#, r#","line":null"#, ""] {
        assert_eq!(log(empty), line("", None), "{empty}");
    }
    assert_eq!(view(r#"{"event":"progress","line":"x"}"#).log, None);
}

#[test]
fn a_failure_says_its_error_or_its_signal_or_its_exit_code() {
    let error = |event: &str, more: &str| view(&format!(r#"{{"event":"{event}"{more}}}"#)).error;
    for (more, told) in [
        (r#","error":"no space","exit_code":1"#, Some("no space")),
        (r#","exit_code":3"#, Some("exit code 3")),
        (r#","exit_code":137,"signal":"SIGKILL""#, Some("signal SIGKILL")),
        (r#","exit_code":null,"error":"""#, None),
        ("", None),
    ] {
        assert_eq!(error("failed", more).as_deref(), told, "{more}");
        assert_eq!(error("cancelled", more).as_deref(), told, "{more}");
        assert_eq!(error("succeeded", more), None, "{more}");
    }
}

#[test]
fn polling_tells_a_state_and_what_the_newest_event_says() {
    let jobs = builtin("jobs");
    let body = |kind: &str, newest: &str| polled(&jobs, "a", (kind, newest), Some(45));
    let (view, text) = body("progress", r#"{"event":"progress","step":3,"total":7,"message":"linking"}"#);
    assert_eq!(
        text,
        r#"{"job":"a","status":"running","percent":45,"step":3,"total":7,"message":"linking","error":null,"exit_code":null,"signal":null,"result":null,"timestamp":null}"#
    );
    assert_eq!((view.state, view.percent, view.step), (JobState::Running, Some(45.0), Some(3)));
    let (view, text) = body("part_failed", r#"{"event":"part_failed","part":"tests","error":"2 of 9"}"#);
    assert!(view.state == JobState::Running && text.contains(r#""error":null"#), "{text}");
    let (view, _) = body("failed", r#"{"event":"failed","exit_code":3}"#);
    assert_eq!((view.state, view.error.as_deref()), (JobState::Failed, Some("exit code 3")));
    let (view, _) = body("succeeded", r#"{"event":"succeeded","result":"v1.2.3"}"#);
    assert_eq!((view.state, view.percent), (JobState::Succeeded, Some(100.0)));
    assert_eq!(view.result.as_deref(), Some("v1.2.3"));
    assert_eq!(body("queued", "{}").0.state, JobState::Queued);
    assert_eq!(body("cancelled", "{}").0.state, JobState::Cancelled);
}

#[test]
fn a_user_s_own_dialect_of_that_name_is_the_one_of_targets_without_a_dialect() {
    let mut all = Dialects::builtin();
    assert!(all.add(Dialect::from_toml(&mine("jobs"), "mine.toml").unwrap(), "mine.toml").unwrap());
    assert_eq!(all.unnamed().route, "/ws/mine/{job}");
}

//! The built-in dialect `celery`, on payloads as Celery 5.7 writes them.

use super::*;

fn celery() -> Arc<Dialect> {
    builtin("celery")
}

/// A payload of a task.
fn payload(status: &str, result: &str) -> String {
    format!(
        r#"{{"status": "{status}", "result": {result}, "traceback": null, "children": [], "date_done": null, "task_id": "t"}}"#
    )
}

fn view(status: &str, result: &str) -> View {
    celery().view(&payload(status, result)).unwrap()
}

fn percent(result: &str) -> Option<String> {
    let payload = payload("PROGRESS", result);
    let celery = celery();
    let decoded = celery.decode(b"celery-task-meta-t", payload.as_bytes()).unwrap();
    let seen = view("PROGRESS", result).percent;
    assert_eq!(
        decoded.percent.as_ref().and_then(serde_json::Number::as_f64).map(|p| p.clamp(0.0, 100.0)),
        seen
    );
    decoded.percent.map(|percent| percent.to_string())
}

#[test]
fn progress_is_what_users_write() {
    for (result, expected) in [
        (r#"{"current":4,"total":8}"#, "50"),
        (r#"{"step":1,"total":3}"#, "33.333333333333336"),
        (r#"{"done":"2","total":"8"}"#, "25"),
        (r#"{"current":4,"total":8,"percent":99}"#, "50"),
        (r#"{"current":9,"total":8}"#, "100"),
        (r#"{"current":1,"total":0,"percent":7}"#, "7"),
        (r#"{"current":4,"percent":45.5}"#, "45.5"),
        (r#"{"progress":"45"}"#, "45"),
        (r#"{"percentage":"45%"}"#, "45"),
        (r#"{"percent":null,"progress":3}"#, "3"),
    ] {
        assert_eq!(percent(result).as_deref(), Some(expected), "{result}");
    }
    for none in
        ["null", "45", r#""45%""#, "[]", r#"{"current":4}"#, r#"{"total":4}"#, r#"{"percent":"soon"}"#]
    {
        assert_eq!(percent(none), None, "{none}");
    }
}

#[test]
fn the_message_is_the_first_of_several_names_or_the_result_itself_where_it_is_a_text() {
    let message = |result: &str| view("ENCODING", result).message;
    assert_eq!(message(r#"{"status":"a","message":"b"}"#).as_deref(), Some("a"));
    assert_eq!(message(r#"{"status":"","message":"b"}"#).as_deref(), Some("b"));
    for name in ["message", "description", "desc", "stage"] {
        assert_eq!(message(&format!(r#"{{"{name}":"b"}}"#)).as_deref(), Some("b"));
    }
    assert_eq!(message(r#""just text""#).as_deref(), Some("just text"));
    for none in ["null", r#"{"pid":1,"hostname":"h"}"#, "[1,2]"] {
        assert_eq!(message(none), None, "{none}");
    }
}

#[test]
fn a_failure_says_its_type_and_its_arguments() {
    let error = |result: &str| view("FAILURE", result).error;
    for (result, expected) in [
        (
            r#"{"exc_type":"OSError","exc_message":[28,"No space left on device"],"exc_module":"builtins"}"#,
            "OSError: 28, No space left on device",
        ),
        (r#"{"exc_type":"ValueError","exc_message":["nope"]}"#, "ValueError: nope"),
        (r#"{"exc_type":"RuntimeError","exc_message":[]}"#, "RuntimeError"),
        (r#"{"exc_type":"KeyError","exc_message":[["a",1]]}"#, "KeyError"),
        (r#"{"exc_type":"X","exc_message":["q",{"x":1},null,1.5]}"#, "X: q, 1.5"),
        (r#"{"exc_type":"Old","exc_message":"as a text"}"#, "Old: as a text"),
        (r#"{"message":"set by hand"}"#, "set by hand"),
        (r#"{"exc_type":null,"status":"set by hand"}"#, "set by hand"),
        (r#""a bare text""#, "a bare text"),
    ] {
        assert_eq!(error(result).as_deref(), Some(expected), "{result}");
    }
    assert_eq!(error("null"), None);
    let revoked = view("REVOKED", r#"{"exc_type":"TaskRevokedError","exc_message":["terminated"]}"#);
    assert_eq!(revoked.kind.ends, Some(Outcome::Cancelled));
    assert_eq!(revoked.error.as_deref(), Some("TaskRevokedError: terminated"));
    let retry = view("RETRY", r#"{"exc_type":"ValueError","exc_message":["nope"]}"#);
    assert!(retry.kind.notice);
    assert_eq!(retry.message.as_deref(), Some("ValueError: nope"));
}

#[test]
fn the_result_of_a_success_is_shown_where_it_is_a_short_text_or_number() {
    let result = |json: &str| view("SUCCESS", json).result;
    for (json, expected) in [("3", "3"), ("-2.5", "-2.5"), (r#""done""#, "done")] {
        assert_eq!(result(json).as_deref(), Some(expected));
    }
    let long = format!("\"{}\"", "x".repeat(81));
    for none in ["null", "{}", "[1]", r#""""#, &long] {
        assert_eq!(result(none), None, "{none}");
    }
    assert_eq!(view("PROGRESS", "\"busy\"").result, None);
    assert_eq!(view("SUCCESS", "\"done\"").message, None);
    let flask = r#"{"current":100,"total":100,"status":"Task completed!","result":42}"#;
    assert_eq!(view("SUCCESS", flask).message.as_deref(), Some("Task completed!"));
}

#[test]
fn every_status_that_is_not_celery_s_own_is_progress() {
    let celery = celery();
    let of = |status: &str| celery.kind(status).unwrap().clone();
    for status in ["PROGRESS", "ENCODING", "step 1 of 3", "*", "success"] {
        let kind = of(status);
        assert!(kind.conflatable && kind.ends.is_none() && !kind.notice, "{status}");
        assert_eq!(kind.opens, Opens::AfterFailure);
    }
    assert_eq!(of("STARTED").opens, Opens::Always);
    assert_eq!(view("ENCODING", "null").kind.name.as_ref(), "ENCODING");
    assert_eq!(celery.kind(""), None, "what names no status is no state of a task");
}

#[test]
fn a_polling_body_says_what_a_watcher_reads() {
    let celery = celery();
    let body = |status: &str, kind: &str, result: &str, percent: Option<u32>| {
        polled(&celery, "t", (kind, &payload(status, result)), percent)
    };
    let (view, text) = body("ENCODING", "*", r#"{"percent":45,"stage":"x"}"#, Some(45));
    assert_eq!(
        text,
        r#"{"task_id":"t","status":"ENCODING","percent":45,"message":"x","error":null,"result":{"percent":45,"stage":"x"},"date_done":null}"#
    );
    assert_eq!(
        (view.state, view.percent, view.message.as_deref()),
        (JobState::Running, Some(45.0), Some("x"))
    );
    let (view, _) = body("SUCCESS", "SUCCESS", "3", Some(45));
    assert_eq!(
        (view.state, view.percent, view.result.as_deref()),
        (JobState::Succeeded, Some(100.0), Some("3"))
    );
    let (view, _) = body("FAILURE", "FAILURE", r#"{"exc_type":"E","exc_message":["m"]}"#, None);
    assert_eq!((view.state, view.error.as_deref()), (JobState::Failed, Some("E: m")));
    let (view, _) = body("REVOKED", "REVOKED", r#"{"exc_type":"E","exc_message":["m"]}"#, None);
    assert_eq!(view.state, JobState::Cancelled);
}

#[test]
fn what_is_for_the_operators_of_the_workers_leaves_as_null() {
    let given = r#"{"status": "FAILURE", "result": {"traceback": "stays"}, "traceback": "File \"/srv/a.py\"", "args": ["secret"], "kwargs": {"k": 1}, "task_id": "t"}"#;
    let wanted = r#"{"status": "FAILURE", "result": {"traceback": "stays"}, "traceback": null, "args": null, "kwargs": null, "task_id": "t"}"#;
    assert_eq!(celery().redacted(given.as_bytes()), wanted.as_bytes());
    let shown = Dialects::builtin().with_nothing_redacted("celery");
    assert_eq!(shown.named("celery").unwrap().1.redacted(given.as_bytes()), given.as_bytes());
}

#[test]
fn a_prefix_follows_celery_s_own_rule() {
    for (prefix, channel) in [
        ("", "celery-task-meta-t"),
        ("prod", "prod_celery-task-meta-t"),
        ("prod_", "prod_celery-task-meta-t"),
        ("prod:", "prod:celery-task-meta-t"),
        ("prod-", "prod-celery-task-meta-t"),
        ("prod.", "prod.celery-task-meta-t"),
        ("a/b", "a/b_celery-task-meta-t"),
    ] {
        let all = Dialects::builtin().with_celery_prefix(prefix).unwrap();
        let (_, celery) = all.named("celery").unwrap();
        assert_eq!(celery.channel_of("t"), channel);
        assert_eq!(celery.state_key("t").as_deref(), Some(channel));
    }
    let clash = Dialects::builtin().with_celery_prefix("task_updates:").unwrap_err().to_string();
    assert!(clash.starts_with("--celery-prefix: channel: "), "{clash}");
}

#[test]
fn a_file_of_the_user_s_replaces_it_and_no_other_built_in_one() {
    let mut all = Dialects::builtin();
    let count = all.iter().count();
    assert_eq!(all.add(Dialect::from_toml(&mine("celery"), "mine.toml").unwrap(), "mine.toml"), Ok(true));
    assert_eq!(all.iter().count(), count);
    assert_eq!(all.named("celery").unwrap().1.channel_of("t"), "mine:t");
    let prefixed = all.with_celery_prefix("prod").unwrap();
    assert_eq!(prefixed.named("celery").unwrap().1.channel_of("t"), "mine:t", "its channel is its own");
    let same = mine("ours").replace("mine:", "celery-task-meta-");
    let error =
        Dialects::builtin().add(Dialect::from_toml(&same, "mine.toml").unwrap(), "mine.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "mine.toml: channel: the dialect celery listens there already; a file with `name = \"celery\"` replaces it"
    );
    let error =
        all.add(Dialect::from_toml(&mine("downloads"), "mine.toml").unwrap(), "mine.toml").unwrap_err();
    assert_eq!(error.to_string(), "mine.toml: name: there is a dialect called downloads already");
}

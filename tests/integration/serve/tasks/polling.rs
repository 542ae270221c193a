//! `GET /task/{id}`.

use serde_json::{Value, json};

use super::{bearer, completion, failure, progress, publish, registered, relay};
use crate::support::{Answer, Relay, token};

fn poll(relay: &Relay, task: &str, subject: &str) -> Answer {
    let (name, value) = bearer(&token(subject));
    relay.exchange("GET", &format!("/task/{task}"), &[(name, &value)], b"")
}

/// What the owner polls, who is alice.
fn body(relay: &Relay, task: &str) -> Value {
    let answer = poll(relay, task, "alice");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    answer.json()
}

#[test]
fn the_body_has_what_applies_from_the_registration_to_the_ending() {
    let relay = relay(&[]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let pending = json!({"task_id": "t1", "status": "PENDING", "message": "Task is waiting to be processed"});
    assert_eq!(body(&relay, "t1"), pending);
    publish(&relay, "t1", &progress("t1", 3));
    let running = json!({
        "task_id": "t1", "status": "PROGRESS", "step": 3, "total_steps": 5,
        "current_status": "Processing with AI...", "details": "Using OpenAI to analyze frames and text",
    });
    assert_eq!(body(&relay, "t1"), running);
    publish(&relay, "t1", r#"{"type":"progress","step":4,"status":"a","current_status":"b"}"#);
    assert_eq!(
        body(&relay, "t1"),
        json!({"task_id": "t1", "status": "PROGRESS", "step": 4, "current_status": "b"})
    );
    publish(&relay, "t1", &completion("t1"));
    let succeeded = json!({
        "task_id": "t1", "status": "SUCCESS", "message": "Recipe successfully processed and saved",
        "recipe_id": "r-1", "recipe_name": "Creamy Pasta Carbonara",
    });
    assert_eq!(body(&relay, "t1"), succeeded);
    // The next run of the same task.
    publish(&relay, "t1", &registered("t1", "alice"));
    assert_eq!(body(&relay, "t1"), pending);
    publish(&relay, "t1", &failure("t1"));
    let failed = json!({
        "task_id": "t1", "status": "FAILURE", "message": "Unable to process video",
        "error": "TikTok scraping failed",
    });
    assert_eq!(body(&relay, "t1"), failed);
}

#[test]
fn another_s_task_is_403_and_an_unknown_one_404_without_waiting() {
    let relay = relay(&["--unknown-grace", "10m"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    publish(&relay, "t2", &progress("t2", 1));
    let refusal = |task, subject| poll(&relay, task, subject).refusal();
    assert_eq!(refusal("t1", "bob"), (403, "not_the_owner".to_owned()));
    assert_eq!(refusal("t2", "alice"), (403, "not_the_owner".to_owned()));
    assert_eq!(refusal("t3", "alice"), (404, "unknown_job".to_owned()));
    assert_eq!(refusal(&"x".repeat(257), "alice"), (404, "impossible_job_id".to_owned()));
}

#[test]
fn ownerless_tasks_can_be_polled_where_they_are_allowed() {
    let relay = relay(&["--ownerless", "allow"]);
    assert_eq!(poll(&relay, "t1", "alice").refusal(), (404, "unknown_job".to_owned()));
    publish(&relay, "t1", &progress("t1", 1));
    assert_eq!(body(&relay, "t1")["status"], "PROGRESS");
    publish(&relay, "t1", &registered("t1", "bob"));
    assert_eq!(poll(&relay, "t1", "alice").refusal(), (403, "not_the_owner".to_owned()));
}

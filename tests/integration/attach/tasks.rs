//! Tasks that belong to somebody, watched by who has a token and by who has not.

use std::time::Duration;

use super::{attach, publish, untimed};
use crate::support::{Output, PATIENCE, Relay, SECRET, token, token_for, until};

fn relay(args: &[&str]) -> Relay {
    Relay::start(&[&["--jwt-secret", SECRET], args].concat())
}

/// A refusal that says why and what to do, and never the token.
#[track_caller]
fn assert_refused(output: &Output, expected: &[&str]) {
    assert_eq!(output.code, 4, "{}", output.stderr);
    for text in expected {
        assert!(output.stderr.contains(text), "{text:?} is not in {}", output.stderr);
    }
    assert!(!format!("{}{}", output.stderr, output.stdout).contains("eyJ"), "{}", output.stderr);
}

#[test]
fn the_owner_sees_steps_and_what_came_of_them() {
    let relay = relay(&[]);
    let token = token("alice");
    publish(&relay, "tasks/a", "registered", &["user_id=alice"]);
    let watching = attach(&relay, &["tasks/a", "--token", &token]);
    publish(&relay, "tasks/a", "progress", &["step=3", "status=Analyzing"]);
    watching.until_printed(" 60% step 3 of 5 Analyzing\n");
    publish(&relay, "tasks/a", "completion", &["message=Saved", "recipe_id=42", "recipe_name=Carbonara"]);
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    let lines = untimed(&output.stdout);
    assert_eq!(lines.last(), Some(&"tasks/a done 100% Carbonara (42) · Saved"), "{lines:?}");
    // Late, and with the token in the environment.
    let mut late = relay.command(&["attach", "tasks/a", "--progress", "json"]);
    let late = late.env("JOBWIRE_TOKEN", &token).output().unwrap();
    assert_eq!(late.status.code(), Some(0));
}

#[test]
fn a_task_that_failed_is_1_with_error_and_message() {
    let relay = relay(&[]);
    publish(&relay, "tasks/a", "registered", &["user_id=alice"]);
    let watching = attach(&relay, &["tasks/a", "--token", &token("alice")]);
    publish(&relay, "tasks/a", "error", &["error=scraping failed", "message=Unable to process video"]);
    let output = watching.finish(PATIENCE);
    assert_eq!(output.code, 1);
    let lines = untimed(&output.stdout);
    let expected = "tasks/a failed scraping failed · Unable to process video";
    assert_eq!(lines.last(), Some(&expected), "{lines:?}");
}

#[test]
fn who_may_not_watch_is_4_and_told_why() {
    let relay = relay(&[]);
    publish(&relay, "tasks/a", "registered", &["user_id=alice"]);
    let no_token = relay.jobwire(&["attach", "tasks/a"]);
    assert_refused(&no_token, &["4001 token missing, invalid or expired", "--token or --token-file"]);
    let (bob, expired) = (token("bob"), token_for("alice", Duration::ZERO));
    let stranger = relay.jobwire(&["attach", "tasks/a", "--token", &bob]);
    assert_refused(&stranger, &["refused with 4003 not the owner\n"]);
    assert!(!stranger.stdout.contains("refused: "), "said twice: {}", stranger.stdout);
    let late = relay.jobwire(&["attach", "tasks/a", "--token", &expired]);
    assert_refused(&late, &["4001 token missing, invalid or expired", "hint: get a fresh token"]);
    let none = Relay::start(&[]).jobwire(&["attach", "tasks/a", "--token", &bob]);
    assert_refused(&none, &["4001 no secret configured", "hint: the relay needs --jwt-secret"]);
}

#[test]
fn a_task_that_nobody_has_heard_of_is_waited_for() {
    let relay = relay(&["--unknown-grace", "100ms"]);
    // The socket may be closed again before it is seen to be open.
    let watching = relay.spawn(&["attach", "tasks/a", "--token", &token("alice"), "--retries", "0"]);
    watching.until_printed(" tasks/a unknown task; waiting for it to appear\n");
    publish(&relay, "tasks/a", "registered", &["user_id=alice"]);
    publish(&relay, "tasks/a", "completion", &[]);
    assert_eq!(watching.finish(PATIENCE).code, 0);
}

#[test]
fn a_token_that_runs_out_is_read_again_from_its_file() {
    let relay = relay(&[]);
    publish(&relay, "tasks/a", "registered", &["user_id=alice"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |token: &str| std::fs::write(file.path(), format!("{token}\n")).unwrap();
    write(&token_for("alice", Duration::from_secs(3)));
    let path = file.path().to_str().unwrap();
    let watching = attach(&relay, &["tasks/a", "--token-file", path, "--retries", "0"]);
    write(&token("alice"));
    until(PATIENCE, "the second socket", || watching.stdout().contains("the token file has a new one"));
    publish(&relay, "tasks/a", "progress", &["step=1"]);
    watching.until_printed(" 20% step 1 of 5 ");
    publish(&relay, "tasks/a", "completion", &[]);
    let output = watching.finish(PATIENCE);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    // Nothing refreshes it this time.
    write(&token_for("alice", Duration::ZERO));
    let output = relay.jobwire(&["attach", "tasks/a", "--token-file", path]);
    assert_refused(&output, &["still holds the token that was refused"]);
}

#[test]
fn two_tokens_or_a_bad_one_are_bad_usage() {
    for (args, expected) in [
        (&["--token", "a", "--token-file", "b"][..], "cannot be used with"),
        (&["--token", "my secret"], "--token: the token has a blank"),
        (&["--token-file", "/nowhere/token"], "could not read the token file /nowhere/token"),
    ] {
        let output = crate::support::jobwire(&[&["attach", "tasks/a"], args].concat());
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(expected), "{}", output.stderr);
        assert!(!output.stderr.contains("my secret"), "{}", output.stderr);
    }
}

#[test]
fn a_dialect_that_wants_a_token_gets_it_and_a_refusal_says_what_is_wrong_with_it() {
    let relay = relay(&["--auth", "scraping=token,channels=token"]);
    publish(&relay, "scraping/7", "job_completed", &[]);
    let target = ["attach", "scraping/7", "--token"];
    let good = format!("\"Bearer {}\"\n", token("anybody"));
    assert_eq!(relay.jobwire(&[&target[..], &[&good]].concat()).code, 0);
    let expired = relay.jobwire(&[&target[..], &[&token_for("anybody", Duration::ZERO)]].concat());
    assert_refused(&expired, &["4001 token missing, invalid or expired", "is signed with HS256, expired "]);
    let none = relay.jobwire(&["attach", "channel:campaigns"]);
    assert_refused(&none, &["4001 token missing, invalid or expired", "--token or --token-file"]);
}

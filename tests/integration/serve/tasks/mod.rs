//! The contract of the recipe extractor on the wire: tasks that belong to somebody.

mod echo;
mod keys;
mod lifetime;
mod owners;
mod polling;
mod secrecy;
mod simulate;
mod tokens;

use crate::support::{PATIENCE, RedisServer, Relay, SECRET, WebSocket, token};

/// A relay that checks tokens.
fn relay(args: &[&str]) -> Relay {
    Relay::start(&[&["--jwt-secret", SECRET], args].concat())
}

/// The same on a Redis.
fn relay_on(redis: &RedisServer, args: &[&str]) -> Relay {
    Relay::on(redis, &[&["--jwt-secret", SECRET], args].concat())
}

/// The path of a task's socket, with a good token of the subject.
fn socket_of(task: &str, subject: &str) -> String {
    format!("/ws/{task}?token={}", token(subject))
}

/// The header with a token.
fn bearer(token: &str) -> (&'static str, String) {
    ("Authorization", format!("Bearer {token}"))
}

fn registered(task: &str, user: &str) -> String {
    format!(r#"{{"type":"registered","task_id":"{task}","user_id":"{user}"}}"#)
}

fn progress(task: &str, step: u64) -> String {
    format!(
        r#"{{"type":"progress","task_id":"{task}","step":{step},"total_steps":5,"status":"Processing with AI...","details":"Using OpenAI to analyze frames and text","timestamp":1635724800.0}}"#
    )
}

fn completion(task: &str) -> String {
    format!(
        r#"{{"type":"completion","task_id":"{task}","status":"SUCCESS","message":"Recipe successfully processed and saved","recipe_id":"r-1","recipe_name":"Creamy Pasta Carbonara","timestamp":1635724800.0}}"#
    )
}

fn failure(task: &str) -> String {
    format!(
        r#"{{"type":"error","task_id":"{task}","status":"FAILURE","error":"TikTok scraping failed","message":"Unable to process video","timestamp":1635724800.0}}"#
    )
}

/// Publishes an event of a task over HTTP; how many sockets got it.
fn publish(relay: &Relay, task: &str, payload: &str) -> u64 {
    relay.publish(&format!("task_updates:{task}"), payload)
}

/// The code and the reason with which a socket is closed; nothing else may have been sent before.
fn refusal(socket: &mut WebSocket) -> (u16, String) {
    match socket.next(PATIENCE) {
        Some(tokio_tungstenite::tungstenite::Message::Close(Some(frame))) => {
            (frame.code.into(), frame.reason.to_string())
        }
        other => panic!("expected a close frame, got {other:?}"),
    }
}

const NO_GOOD: (u16, &str) = (4001, "token missing, invalid or expired");
const NOT_THE_OWNER: (u16, &str) = (4003, "not the owner");
const UNKNOWN: (u16, &str) = (4003, "unknown task");

/// That the socket is closed with this code and reason, and gets nothing before.
#[track_caller]
fn expect_refusal(socket: &mut WebSocket, (code, reason): (u16, &str)) {
    assert_eq!(refusal(socket), (code, reason.to_owned()));
}

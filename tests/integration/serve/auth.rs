//! Access to each dialect: `--auth`, and tokens whose claim `watch` restricts them.

use std::time::Duration;

use serde_json::{Value, json};

use super::scraping;
use crate::support::{
    PATIENCE, RedisServer, Relay, SECRET, WebSocket, signed, token, token_for, unix_now, until,
};

const NO_GOOD: (u16, &str) = (4001, "token missing, invalid or expired");
const NOT_ALLOWED: (u16, &str) = (4003, "not allowed by the token");

fn claims(claims: &Value) -> String {
    let mut all = json!({"sub": "alice", "exp": unix_now() + 3600.0});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    signed("HS256", &all, SECRET)
}

#[track_caller]
fn expect_close(socket: &mut WebSocket, (code, reason): (u16, &str)) {
    match socket.next(PATIENCE) {
        Some(tokio_tungstenite::tungstenite::Message::Close(Some(frame))) => {
            assert_eq!((u16::from(frame.code), frame.reason.as_str()), (code, reason));
        }
        other => panic!("expected a close frame, got {other:?}"),
    }
}

fn status(relay: &Relay, path: &str, token: &str) -> (u16, String) {
    let answer = relay.exchange("GET", &format!("{path}?token={token}"), &[], b"");
    if answer.status == 200 { (200, String::new()) } else { answer.refusal() }
}

#[test]
fn any_dialect_can_want_a_token_in_its_sockets_and_by_polling() {
    let relay =
        Relay::start(&["--jwt-secret", SECRET, "--auth", "scraping=token", "--auth", "channels=token"]);
    assert!(relay.stderr().contains("auth token\n"), "{}", relay.stderr());
    relay.publish("scraping_events", &scraping(7, "job_started", "0", 0));
    let good = token("whoever");
    let expired = token_for("alice", Duration::ZERO);
    for path in ["/ws/scraping/7", "/ws/campaigns", "/ws"] {
        expect_close(&mut relay.connect(path), NO_GOOD);
        expect_close(&mut relay.connect(&format!("{path}?token={expired}")), NO_GOOD);
    }
    let poll = "/ws/scraping/7/status";
    assert_eq!(status(&relay, poll, &good).0, 200);
    for bad in ["", &expired, "garbage"] {
        assert_eq!(status(&relay, poll, bad), (401, "unauthorized".to_owned()));
    }
    relay.connect(&format!("/ws/scraping/7?token={good}")).expect(&scraping(7, "job_started", "0", 0));
    relay.connect(&format!("/ws/scraping/7?token=Bearer%20{good}")).expect(&scraping(
        7,
        "job_started",
        "0",
        0,
    ));
    let mut socket = relay.connect(&format!("/ws/campaigns?token={good}"));
    socket.expect_text_containing("\"connected\"");
    // All others are as open as they were.
    relay.connect("/ws/download/a").expect_text_containing("queued");
}

#[test]
fn a_token_that_expires_ends_sockets_of_every_dialect() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--auth", "scraping=token,channels=token"]);
    let short = token_for("alice", Duration::from_secs(2));
    let mut job = relay.connect(&format!("/ws/scraping/7?token={short}"));
    let mut channels = relay.connect(&format!("/ws/campaigns?token={short}"));
    channels.expect_text_containing("\"connected\"");
    for socket in [&mut job, &mut channels] {
        expect_close(socket, NO_GOOD);
    }
    assert!(relay.stop().stderr.contains("its token expired while it was connected"));
}

#[test]
fn an_owner_out_of_redis_counts_and_an_integer_is_its_decimal_text() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET, "--auth", "downloads=owner"]);
    let mut hset = redis::cmd("HSET");
    hset.arg("jobwire:downloads:d1").arg("owner").arg("7").exec(&mut redis.connection()).unwrap();
    let event = r#"{"jobId":"d1","status":"processing","progress":50}"#;
    relay.publish("download_updates:d1", event);
    relay.until_events(1);
    let by = |sub: Value| claims(&json!({"sub": sub}));
    for sub in [json!("7"), json!(7)] {
        let path = format!("/ws/download/d1?token={}", by(sub.clone()));
        relay.connect(&path).expect_text_containing("\"progress\":50");
        assert_eq!(status(&relay, "/api/status/d1", &by(sub)).0, 200);
    }
    expect_close(
        &mut relay.connect(&format!("/ws/download/d1?token={}", by(json!(8)))),
        (4003, "not the owner"),
    );
    assert_eq!(status(&relay, "/api/status/d1", &by(json!(8))), (403, "not_the_owner".to_owned()));
    assert_eq!(status(&relay, "/api/status/d1", &by(json!(true))), (401, "unauthorized".to_owned()));
    // A number in an event is the same owner.
    relay.publish("task_updates:t1", r#"{"type":"registered","task_id":"t1","user_id":7}"#);
    until(PATIENCE, "the task", || status(&relay, "/task/t1", &by(json!("7"))).0 == 200);
    assert_eq!(status(&relay, "/task/t1", &by(json!("8"))).0, 403);
}

#[test]
fn a_claim_watch_restricts_a_token_to_what_it_names() {
    let relay = Relay::start(&["--jwt-secret", SECRET, "--auth", "scraping=token,channels=token"]);
    relay.publish("scraping_events", &scraping(7, "job_started", "0", 0));
    relay.publish("scraping_events", &scraping(8, "job_started", "0", 0));
    let some = claims(&json!({"watch": ["scraping/7", "channel:campaigns", "room:lead:1"]}));
    relay.connect(&format!("/ws/scraping/7?token={some}")).expect(&scraping(7, "job_started", "0", 0));
    expect_close(&mut relay.connect(&format!("/ws/scraping/8?token={some}")), NOT_ALLOWED);
    assert_eq!(status(&relay, "/ws/scraping/7/status", &some).0, 200);
    assert_eq!(status(&relay, "/ws/scraping/8/status", &some), (403, "not_allowed".to_owned()));
    let mut socket = relay.connect(&format!("/ws?channels=campaigns,emails&token={some}"));
    socket.expect_text_containing(r#""channels":["campaigns"]"#);
    socket.expect_text_containing("not_allowed");
    socket.send(r#"{"type":"subscribe","channels":["leads"]}"#);
    socket.expect_text_containing("does not cover 'channel:leads'");
    socket.send(r#"{"type":"join_room","room":"lead:2"}"#);
    socket.expect_text_containing("not_allowed");
    socket.send(r#"{"type":"join_room","room":"lead:1"}"#);
    socket.expect_text_containing(r#""rooms":["lead:1"]"#);
    let mut narrowed = relay.connect(&format!("/ws/leads?lead_id=1&token={some}"));
    narrowed.expect_text_containing(r#""channels":["leads"]"#);
    let all = claims(&json!({"watch": ["*"]}));
    assert_eq!(status(&relay, "/ws/scraping/8/status", &all).0, 200);
}

#[test]
fn without_a_key_a_dialect_that_wants_tokens_refuses_everybody_and_says_so_at_the_start() {
    let relay = Relay::start(&["--auth", "scraping=token,tasks=none"]);
    assert_eq!(relay.stderr().matches("auth refuses everybody").count(), 1, "{}", relay.stderr());
    let path = format!("/ws/scraping/7?token={}", token("alice"));
    expect_close(&mut relay.connect(&path), (4001, "no secret configured"));
    assert_eq!(relay.get("/task/t1").0, 404, "tasks are open");
}

#[test]
fn a_refused_origin_is_logged_and_counted_and_the_log_says_what_lets_it_in() {
    let relay = Relay::start(&["--allowed-origins", "https://*.example.com, null"]);
    let ask =
        |origin: &str| WebSocket::try_connect(&relay.ws("/ws/scraping/1"), &[("Origin", origin)]).is_ok();
    assert!(ask("https://a.example.com") && ask("null"));
    let endless = format!("https://{}.org", "x".repeat(5_000));
    assert!(!ask("https://example.com") && !ask("https://evil-example.com") && !ask(&endless));
    assert_eq!(relay.stats()["refused_origins"], 3);
    let log = relay.stop().stderr;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("refused a web page")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("ALLOWED_ORIGINS") && lines[0].contains("https://example.com"), "{log}");
}

//! Which tokens open a socket, and for how long.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::{NO_GOOD, bearer, expect_refusal, progress, publish, refusal, registered, relay, socket_of};
use crate::support::{
    PATIENCE, Relay, SECRET, WebSocket, exchange, signed, token, token_for, unix_now, until,
};

/// Tokens that nobody may be let in with, and what is wrong with them.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let good = json!({"sub": "alice", "exp": unix_now() + 3600.0});
    let claims = |claims| signed("HS256", &claims, SECRET);
    let unsigned = signed("none", &good, SECRET);
    vec![
        ("empty", String::new()),
        ("garbage", "garbage".to_owned()),
        ("three parts of garbage", "a.b.c".to_owned()),
        ("no ASCII", "%C3%A9.%FF.%00".to_owned()),
        ("wrong signature", signed("HS256", &good, "another secret")),
        ("alg none, signed", unsigned.clone()),
        ("alg none, not signed", format!("{}.", unsigned.rsplit_once('.').unwrap().0)),
        ("RS256 with the secret as key", signed("RS256", &good, SECRET)),
        ("HS512", signed("HS512", &good, SECRET)),
        ("no exp", claims(json!({"sub": "alice"}))),
        ("exp as a text", claims(json!({"sub": "alice", "exp": "9999999999"}))),
        ("expired", claims(json!({"sub": "alice", "exp": unix_now() - 1.0}))),
        (
            "not yet valid",
            claims(json!({"sub": "alice", "exp": unix_now() + 99.0, "nbf": unix_now() + 60.0})),
        ),
        ("exp in milliseconds", claims(json!({"sub": "alice", "exp": (unix_now() + 3600.0) * 1000.0}))),
        ("nobody's", claims(json!({"exp": unix_now() + 99.0}))),
        ("too long", claims(json!({"sub": "alice", "exp": unix_now() + 99.0, "x": "x".repeat(9_000)}))),
    ]
}

#[test]
fn a_token_opens_a_socket_by_query_and_by_header() {
    let relay = relay(&[]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let mut by_query = relay.connect(&socket_of("t1", "alice"));
    let (name, value) = bearer(&token("alice"));
    let mut by_header = WebSocket::try_connect(&relay.ws("/ws/t1"), &[(name, &value)]).unwrap();
    for socket in [&mut by_query, &mut by_header] {
        socket.expect_silence();
    }
    // A poll is answered only once it is known that nobody waits to be let in any more.
    assert_eq!(publish(&relay, "t1", &progress("t1", 1)), 2);
    for socket in [&mut by_query, &mut by_header] {
        socket.expect(&progress("t1", 1));
    }
}

#[test]
fn a_token_that_is_no_good_is_refused_with_4001_or_401() {
    let relay = relay(&[]);
    publish(&relay, "t1", &registered("t1", "alice"));
    publish(&relay, "t1", &progress("t1", 1));
    expect_refusal(&mut relay.connect("/ws/t1"), NO_GOOD);
    assert_eq!(relay.exchange("GET", "/task/t1", &[], b"").refusal(), (401, "unauthorized".to_owned()));
    for (what, token) in bad_tokens() {
        let mut socket = relay.connect(&format!("/ws/t1?token={token}"));
        assert_eq!(refusal(&mut socket), (NO_GOOD.0, NO_GOOD.1.to_owned()), "{what}");
        let poll = relay.exchange("GET", &format!("/task/t1?token={token}"), &[], b"");
        assert_eq!(poll.refusal(), (401, "unauthorized".to_owned()), "{what}");
        assert_eq!(poll.header("www-authenticate"), Some("Bearer"));
        assert!(!poll.body.contains(SECRET));
    }
}

#[test]
fn the_log_says_once_in_a_while_why_somebody_was_refused_and_they_are_not_told() {
    let relay = relay(&["--unknown-grace", "1ms"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let claims = |exp: f64| signed("HS256", &json!({"sub": "alice", "exp": exp}), SECRET);
    let expired = claims(unix_now() - 1.0);
    let cases = [
        ("/ws/t1".to_owned(), NO_GOOD, "there is no token"),
        (format!("/ws/t1?token={expired}"), NO_GOOD, "has expired"),
        (format!("/ws/t1?token={expired}"), NO_GOOD, "has expired"),
        (format!("/ws/t1?token={}", claims(unix_now() * 1000.0)), NO_GOOD, "is it in milliseconds?"),
        (socket_of("t1", "bob"), (4003, "not the owner"), "is not the task's user_id"),
        (socket_of("t2", "bob"), (4003, "unknown task"), "nobody has registered the task"),
    ];
    for (path, refusal, _) in &cases {
        expect_refusal(&mut relay.connect(path), *refusal);
    }
    let log = relay.stop().stderr;
    for (.., reason) in cases {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(reason)).collect();
        assert_eq!(lines.len(), 1, "{reason}: {log}");
        assert!(lines[0].contains("client=127.0.0.1"), "{log}");
    }
}

#[test]
fn a_token_in_the_wrong_place_is_none() {
    let relay = relay(&[]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let token = token("alice");
    for path in [format!("/ws/t1?jwt={token}"), format!("/ws/t1?Token={token}"), format!("/ws/{token}")] {
        expect_refusal(&mut relay.connect(&path), NO_GOOD);
    }
    let (with_scheme, cookie) = (format!("Basic {token}"), format!("token={token}"));
    for (name, value) in [
        ("Authorization", token.as_str()),
        ("Authorization", &with_scheme),
        ("Cookie", &cookie),
        ("Sec-WebSocket-Protocol", &token),
        ("X-Token", &token),
    ] {
        let answer = exchange(relay.address(), "GET", "/task/t1", &[(name, value)], b"");
        assert_eq!(answer.refusal(), (401, "unauthorized".to_owned()), "{name}");
    }
    assert_eq!(relay.get(&format!("/ws/t1/{token}")).0, 404);
}

#[test]
fn a_token_of_100_kb_is_refused_and_harms_nobody() {
    let relay = relay(&[]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let long = "x".repeat(100_000);
    let header = bearer(&long).1;
    for (path, headers) in [
        (format!("/task/t1?token={long}"), vec![]),
        (format!("/ws/t1?token={long}"), vec![]),
        ("/task/t1".to_owned(), vec![("Authorization", header.as_str())]),
    ] {
        let status = relay.exchange("GET", &path, &headers, b"").status;
        assert!(matches!(status, 400 | 414 | 431), "{status}");
    }
    assert_eq!(relay.get(&format!("/task/t1?token={}", token("alice"))).0, 200);
}

#[test]
fn a_token_that_expires_while_connected_ends_the_connection() {
    let relay = relay(&[]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let begin = Instant::now();
    let token = token_for("alice", Duration::from_secs(3));
    let mut socket = relay.connect(&format!("/ws/t1?token={token}"));
    publish(&relay, "t1", &progress("t1", 1));
    socket.expect(&progress("t1", 1));
    expect_refusal(&mut socket, NO_GOOD);
    // The clocks are the same, but one is read in milliseconds.
    assert!(begin.elapsed() >= Duration::from_millis(2_990), "{:?}", begin.elapsed());
    expect_refusal(&mut relay.connect(&format!("/ws/t1?token={token}")), NO_GOOD);
}

#[test]
fn a_token_that_expires_in_the_grace_ends_the_wait() {
    let relay = relay(&["--unknown-grace", "10m"]);
    let token = token_for("alice", Duration::from_secs(1));
    expect_refusal(&mut relay.connect(&format!("/ws/nobody-knows?token={token}")), NO_GOOD);
}

#[test]
fn an_audience_counts_only_where_one_is_configured() {
    let relay = relay(&["--jwt-audience", "authenticated"]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let poll = |token: &str| relay.get(&format!("/task/t1?token={token}")).0;
    assert_eq!(poll(&token("alice")), 200);
    let claims = |aud| json!({"sub": "alice", "exp": unix_now() + 60.0, "aud": aud});
    assert_eq!(poll(&signed("HS256", &claims("elsewhere"), SECRET)), 401);
    assert_eq!(poll(&signed("HS256", &json!({"sub": "alice", "exp": unix_now() + 60.0}), SECRET)), 401);
}

#[test]
fn without_a_secret_everybody_is_refused_and_with_no_auth_nobody() {
    let relay = Relay::start(&[]);
    assert!(relay.stderr().contains("auth refuses everybody"), "{}", relay.stderr());
    publish(&relay, "t1", &progress("t1", 1));
    for path in ["/ws/t1", &socket_of("t1", "alice")] {
        expect_refusal(&mut relay.connect(path), (4001, "no secret configured"));
    }
    let poll = relay.exchange("GET", &format!("/task/t1?token={}", token("alice")), &[], b"");
    assert_eq!(poll.refusal(), (401, "unauthorized".to_owned()));

    let relay = Relay::start(&["--no-auth", "--jwt-secret", SECRET, "--unknown-grace", "1ms"]);
    assert!(relay.stderr().contains("by --no-auth: everybody may watch"), "{}", relay.stderr());
    let mut socket = relay.connect("/ws/t1?token=garbage");
    socket.expect_silence();
    assert_eq!(relay.get("/task/t1").0, 404);
    assert_eq!(publish(&relay, "t1", &progress("t1", 1)), 1);
    socket.expect(&progress("t1", 1));
    assert_eq!(relay.get("/task/t1").0, 200);
}

#[test]
fn the_secret_comes_by_the_variable_of_the_system_that_has_it() {
    let mut serve = crate::support::command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("SUPABASE_JWT_SECRET", SECRET);
    let relay = Relay::spawned(serve);
    assert!(relay.stderr().contains("auth token of the owner"), "{}", relay.stderr());
    publish(&relay, "t1", &registered("t1", "alice"));
    let mut socket = relay.connect(&socket_of("t1", "alice"));
    publish(&relay, "t1", &progress("t1", 1));
    assert_eq!(socket.next_text(PATIENCE), progress("t1", 1));
}

#[test]
fn a_reload_changes_the_secret_for_those_who_come_but_not_that_one_is_wanted() {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("jobwire.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(&format!("[serve]\njwt-secret = \"{SECRET}\"\n"));
    let relay = Relay::start(&["--config", file.to_str().unwrap()]);
    publish(&relay, "t1", &registered("t1", "alice"));
    let mut socket = relay.connect(&socket_of("t1", "alice"));
    socket.expect_silence();

    write("[serve]\njwt-secret = \"brand-new\"\n");
    relay.signal(Signal::HUP);
    until(PATIENCE, "the reload", || relay.stderr().contains("reloaded from"));
    expect_refusal(&mut relay.connect(&socket_of("t1", "alice")), NO_GOOD);
    let claims = json!({"sub": "alice", "exp": unix_now() + 60.0});
    let path = format!("/ws/t1?token={}", signed("HS256", &claims, "brand-new"));
    relay.connect(&path).expect_silence();
    socket.expect_silence();

    write("[serve]\njwt-secret = \"newest-of-all\"\nno-auth = true\n");
    relay.signal(Signal::HUP);
    until(PATIENCE, "the reload", || relay.stderr().contains("restart: no-auth"));
    for stale in ["/ws/t1", &path] {
        expect_refusal(&mut relay.connect(stale), NO_GOOD);
    }
    let log = relay.stop().stderr;
    assert!(![SECRET, "brand-new", "newest-of-all"].iter().any(|secret| log.contains(secret)), "{log}");
}

//! `POST /publish/{channel}`.

use std::os::unix::fs::PermissionsExt;

use super::scraping;
use crate::support::{Answer, PATIENCE, RawTcp, RedisServer, Relay, request_head, until};

const KEYED: [(&str, &str); 1] = [("Authorization", "Bearer sesame")];
const PATH: &str = "/publish/scraping_events";

fn keyed(args: &[&str]) -> Relay {
    Relay::start(&[&["--publish-key", "sesame"], args].concat())
}

fn post(relay: &Relay, path: &str, body: &[u8]) -> Answer {
    relay.exchange("POST", path, &KEYED, body)
}

#[test]
fn it_answers_with_subscribers_and_with_sockets_that_got_it() {
    let redis = RedisServer::start();
    for args in [&["--shards", "2"][..], &["--shards", "2", "--redis", &redis.url()]] {
        let relay = keyed(args);
        until(PATIENCE, "the broker", || relay.get("/ready").0 == 200);
        let mut sockets: Vec<_> = (0..3).map(|_| relay.connect("/ws/scraping/1")).collect();
        let mut other = relay.connect("/ws/scraping/2");
        for socket in &mut sockets {
            socket.expect_silence();
        }
        let event = scraping(1, "job_progress", "1", 1);
        let answer = post(&relay, PATH, event.as_bytes());
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"subscribers":1,"sockets":3}"#));
        for socket in &mut sockets {
            socket.expect(&event);
        }
        other.expect_silence();
        let nobody = post(&relay, PATH, scraping(3, "job_progress", "1", 1).as_bytes());
        assert_eq!(nobody.body, r#"{"subscribers":1,"sockets":0}"#);
    }
}

#[test]
fn a_second_relay_on_the_same_redis_is_a_second_subscriber() {
    let redis = RedisServer::start();
    let (first, second) = (Relay::on(&redis, &["--publish-key", "sesame"]), Relay::on(&redis, &[]));
    let (mut here, mut there) = (first.connect("/ws/download/a"), second.connect("/ws/download/a"));
    for socket in [&mut here, &mut there] {
        assert!(socket.next_text(PATIENCE).contains("queued"));
    }
    let payload = r#"{"jobId":"a","status":"processing","progress":1}"#;
    let answer = post(&first, "/publish/download_updates%3Aa", payload.as_bytes());
    assert_eq!(answer.body, r#"{"subscribers":2,"sockets":1}"#);
    for socket in [&mut here, &mut there] {
        socket.expect(&super::wrapped(payload));
    }
}

#[test]
fn without_the_key_nothing_is_published() {
    let relay = keyed(&[]);
    let mut socket = relay.connect("/ws/scraping/1");
    let event = scraping(1, "job_progress", "1", 1);
    let attempts: [&[(&str, &str)]; 6] = [
        &[],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Bearer sesame2")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "sesame")],
        &[("Authorization", "Basic sesame")],
    ];
    for headers in attempts {
        let answer = relay.exchange("POST", PATH, headers, event.as_bytes());
        assert_eq!(answer.refusal(), (401, "unauthorized".to_owned()), "{headers:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let foreign = [KEYED[0], ("Origin", "https://evil.example")];
    let answer = relay.exchange("POST", PATH, &foreign, event.as_bytes());
    assert_eq!(answer.refusal(), (403, "origin_not_allowed".to_owned()));
    socket.expect_silence();
    let lower = [("authorization", "bearer sesame")];
    assert_eq!(relay.exchange("POST", PATH, &lower, event.as_bytes()).status, 200);
    socket.expect(&event);
}

#[test]
fn an_empty_key_opens_nothing() {
    let relay = Relay::start(&["--publish-key", ""]);
    for headers in [&[][..], &[("Authorization", "Bearer ")]] {
        assert_eq!(relay.exchange("POST", PATH, headers, b"{}").refusal().0, 401);
    }
}

#[test]
fn a_body_that_cannot_be_relayed_is_refused_with_the_reason() {
    let relay = keyed(&["--max-payload", "4KiB"]);
    let refusal = |path: &str, body: &[u8]| post(&relay, path, body).refusal();
    let event = scraping(1, "job_progress", "1", 1);
    for channel in ["nothing", "scraping_events2", "download_updates:", "scraping_events/1"] {
        let path = format!("/publish/{channel}");
        assert_eq!(refusal(&path, event.as_bytes()), (404, "unknown_channel".to_owned()), "{channel}");
    }
    for (body, code) in [
        (&b""[..], "empty"),
        (b"hello", "not_json"),
        (b"{\"job_id\":1", "not_json"),
        (b"{\"job_id\":1,\"a\":\"\xff\"}", "not_utf8"),
        (b"[1]", "not_an_object"),
        (b"{}", "no_job"),
        (b"{\"job_id\":null}", "no_job"),
        (b"{\"job_id\":\"1\"}", "job_type"),
        (b"{\"job_id\":1.5}", "job_type"),
    ] {
        assert_eq!(refusal(PATH, body), (400, code.to_owned()), "{}", String::from_utf8_lossy(body));
    }
    let long = format!("/publish/download_updates:{}", "x".repeat(257));
    assert_eq!(refusal(&long, b"{}"), (400, "impossible_job".to_owned()));
    let filled =
        |bytes: usize| event.replace("null", &format!("\"{}\"", "x".repeat(bytes - event.len() + 2)));
    assert_eq!(filled(4096).len(), 4096);
    assert_eq!(post(&relay, PATH, filled(4096).as_bytes()).status, 200);
    assert_eq!(refusal(PATH, filled(4097).as_bytes()), (413, "too_big".to_owned()));
    relay.until_events(1);
}

#[test]
fn a_body_far_over_the_limit_is_refused_before_it_is_sent() {
    let relay = keyed(&[]);
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send(request_head(relay.address(), "POST", PATH, &KEYED, 10 << 20)).unwrap();
    assert_eq!(Answer::parse(&tcp.read_to_end(PATIENCE)).refusal(), (413, "too_big".to_owned()));
}

#[test]
fn a_body_that_does_not_come_gets_408() {
    let relay = keyed(&["--header-timeout", "300ms"]);
    let mut tcp = RawTcp::connect(relay.address());
    tcp.send(request_head(relay.address(), "POST", PATH, &KEYED, 10)).unwrap();
    tcp.send("{").unwrap();
    assert_eq!(Answer::parse(&tcp.read_to_end(PATIENCE)).refusal(), (408, "too_slow".to_owned()));
}

#[test]
fn the_key_that_serve_makes_is_its_user_s_alone_and_goes_with_it() {
    let relay = Relay::start(&[]);
    let file = relay.key_file();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let folder = std::fs::metadata(file.parent().unwrap()).unwrap();
    assert_eq!(folder.permissions().mode() & 0o7777, 0o700);
    let key = std::fs::read_to_string(&file).unwrap();
    assert!(key.trim().len() >= 32 && !relay.stderr().contains(key.trim()));
    relay.publish("scraping_events", &scraping(1, "job_progress", "1", 1));
    relay.signal(rustix::process::Signal::TERM);
    until(PATIENCE, "the key to go", || !file.exists());
    assert_eq!(relay.finish().code, 0);
}

#[test]
fn publishing_while_redis_is_down_fails_with_502() {
    let mut redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--publish-key", "sesame"]);
    redis.stop();
    let answer = post(&relay, PATH, scraping(1, "job_progress", "1", 1).as_bytes());
    assert_eq!(answer.refusal(), (502, "broker_failed".to_owned()));
}

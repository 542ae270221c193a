//! Lists of jobs, and to whom they are open.

use redis::Commands as _;
use serde_json::{Value, json};

use super::Watcher;
use crate::serve::scraping;
use crate::support::{Answer, PATIENCE, RawTcp, RedisServer, Relay, SECRET, signed, token, unix_now};

const EVENTS: &str = "scraping_events";

fn claims(subject: &str, watch: &Value) -> String {
    signed("HS256", &json!({"sub": subject, "exp": unix_now() + 3600.0, "watch": watch}), SECRET)
}

/// `GET /jobs` with a host of one's own.
fn jobs(relay: &Relay, query: &str, host: &str, headers: &[(&str, &str)]) -> Answer {
    get(relay, &format!("/jobs{query}"), host, headers)
}

fn get(relay: &Relay, path: &str, host: &str, headers: &[(&str, &str)]) -> Answer {
    let mut tcp = RawTcp::connect(relay.address());
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let lines = lines.concat();
    tcp.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{lines}\r\n")).unwrap();
    Answer::parse(&tcp.read_to_end(PATIENCE))
}

fn status(relay: &Relay, host: &str, headers: &[(&str, &str)]) -> u16 {
    jobs(relay, "?dialect=scraping", host, headers).status
}

fn targets(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let jobs = body["jobs"].as_array().unwrap_or_else(|| panic!("{answer:?}")).clone();
    jobs.iter().map(|job| job["target"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lists_are_open_to_a_loopback_name_on_a_loopback_listener_and_to_the_key() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    let port = relay.address().rsplit(':').next().unwrap().to_owned();
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(status(&relay, &host, &[]), 200, "{host}");
        }
    }
    let key = std::fs::read_to_string(relay.key_file()).unwrap();
    let bearer = format!("Bearer {}", key.trim());
    for host in [
        "evil.example",
        "[::1].evil.example",
        "[::1",
        "localhost:80@evil",
        "localhost.evil.example",
        "127.0.0.1.nip.io",
        "",
        "10.0.0.1",
        "[::2]",
        "0.0.0.0",
    ] {
        assert_eq!(status(&relay, host, &[]), 403, "{host}");
        assert_eq!(status(&relay, host, &[("Authorization", &bearer)]), 200, "{host}");
        assert_eq!(status(&relay, host, &[("Authorization", "Bearer wrong")]), 403, "{host}");
    }
    for name in ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Proto"]
    {
        assert_eq!(status(&relay, "localhost", &[(name, "127.0.0.1")]), 403, "{name}");
    }
    assert_eq!(status(&relay, "localhost", &[("Origin", "https://evil.example")]), 403);
    // The claim opens the list, and no other.
    let of = |watch: Value| format!("Bearer {}", claims("alice", &watch));
    assert_eq!(status(&relay, "evil.example", &[("Authorization", &of(json!(["scraping/*"])))]), 200);
    for watch in [json!(["scraping/1"]), json!(["downloads/*"]), json!([])] {
        assert_eq!(status(&relay, "evil.example", &[("Authorization", &of(watch))]), 403);
    }
    assert_eq!(
        status(&relay, "evil.example", &[("Authorization", &format!("Bearer {}", token("alice")))]),
        403
    );

    // A token that is no good is told as such, even where nobody needs one.
    for host in ["evil.example", "localhost"] {
        assert_eq!(status(&relay, host, &[("Authorization", "Bearer no.good.token")]), 401, "{host}");
    }

    let open = Relay::start(&["--lists", "open"]);
    assert_eq!(status(&open, "evil.example", &[("X-Forwarded-For", "1.2.3.4")]), 200);
    let behind = Relay::start(&["--trust-proxy", "127.0.0.1"]);
    assert_eq!(status(&behind, "localhost", &[]), 403);
    let everywhere = Relay::listening_on("0.0.0.0:0", &[]);
    assert_eq!(status(&everywhere, "localhost", &[]), 403);
}

#[test]
fn a_pattern_is_as_closed_as_the_list() {
    let relay = Relay::start(&["--trust-proxy", "127.0.0.1", "--jwt-secret", SECRET]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    let mut watcher = Watcher::open(&relay, "target=scraping/*&target=scraping/1");
    let mut seen = watcher.until_caught_up();
    seen.sort();
    assert_eq!(seen, ["error not_allowed scraping/*", "snapshot scraping/1 job_started 0"]);
    relay.publish(EVENTS, &scraping(2, "job_started", "0", 0));
    watcher.expect_silence();
    let claim = claims("alice", &json!(["scraping/*"]));
    let mut watcher = Watcher::open(&relay, &format!("target=scraping/*&target=downloads/*&token={claim}"));
    let mut seen = watcher.until_caught_up();
    seen.sort();
    assert_eq!(
        seen,
        [
            "error not_allowed downloads/*",
            "snapshot scraping/1 job_started 0",
            "snapshot scraping/2 job_started 0"
        ]
    );
}

#[test]
fn the_list_of_jobs_has_its_fields_filters_order_and_limit() {
    let relay = Relay::start(&["--no-auth"]);
    relay.publish(EVENTS, &scraping(1, "job_started", "0", 0));
    relay.publish("download_updates:a", r#"{"jobId":"a","status":"processing","progress":45}"#);
    relay.publish("download_updates:a", r#"{"jobId":"a","status":"processing","videoInfo":{"id":"x"}}"#);
    relay.publish(EVENTS, &scraping(2, "job_failed", "30", 0));
    relay.publish("download_updates:q", r#"{"jobId":"q","status":"queued","progress":0}"#);
    let mut one = relay.connect("/ws/scraping/1");
    one.next_text(PATIENCE);
    let mut watcher = Watcher::open(&relay, "target=scraping/1&target=scraping/*");
    watcher.until_caught_up();
    let all = relay.exchange("GET", "/jobs", &[], b"");
    assert_eq!(targets(&all), ["downloads/q", "scraping/2", "downloads/a", "scraping/1"]);
    let body = all.json();
    for job in body["jobs"].as_array().unwrap() {
        let fields: Vec<_> = job.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["target", "state", "percent", "message", "updated", "watchers", "started"]);
        assert!(job["updated"].as_str().unwrap().ends_with('Z'));
        let was_seen = !["downloads/a", "scraping/2"].contains(&job["target"].as_str().unwrap());
        let started = job["started"].as_str();
        assert_eq!(started.is_some_and(|at| at <= job["updated"].as_str().unwrap()), was_seen, "{job}");
    }
    let states: Vec<_> =
        body["jobs"].as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["queued", "failed", "running", "running"]);
    assert_eq!(body["jobs"][2]["percent"].as_f64(), Some(45.0), "{body}");
    assert_eq!(body["jobs"][3]["watchers"], 2, "{body}");
    assert_eq!(body["jobs"][0]["watchers"], 0, "{body}");
    let list = |query: &str| targets(&relay.exchange("GET", &format!("/jobs?{query}"), &[], b""));
    assert_eq!(list("dialect=scraping"), ["scraping/2", "scraping/1"]);
    assert_eq!(list("state=running"), ["downloads/a", "scraping/1"]);
    assert_eq!(list("dialect=scraping&state=running&limit=1"), ["scraping/1"]);
    assert_eq!(list("limit=2"), ["downloads/q", "scraping/2"]);
    assert_eq!(list("state=queued,running"), ["downloads/q", "downloads/a", "scraping/1"]);
    assert_eq!(list("state=failed,%20queued&limit=1"), ["downloads/q"]);
    assert_eq!(body["total"], 4);
    let names: Vec<&str> =
        body["dialects"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(
        names.contains(&"scraping") && names.contains(&"celery") && !names.contains(&"channels"),
        "{names:?}"
    );
    let one = relay.exchange("GET", "/jobs?dialect=scraping&state=running,failed&limit=1", &[], b"").json();
    assert_eq!((&one["total"], &one["dialects"]), (&json!(2), &json!(["scraping"])));
    assert_eq!(list("dialect=celery"), [""; 0]);
    for query in [
        "state=",
        "state=done",
        "state=running,",
        "state=running,done",
        "limit=0",
        "limit=-1",
        "limit=10001",
        "limit=x",
        "limit=",
        "limit=1e2",
    ] {
        let answer = relay.exchange("GET", &format!("/jobs?{query}"), &[], b"");
        assert_eq!(answer.refusal(), (400, "bad_query".to_owned()), "{query}");
    }
    for query in ["dialect=nothing", "dialect=channels", "dialect=", "dialect=%0d%0a"] {
        let answer = relay.exchange("GET", &format!("/jobs?{query}"), &[], b"");
        assert_eq!(answer.refusal(), (404, "unknown_dialect".to_owned()), "{query}");
    }
    assert_eq!(relay.exchange("POST", "/jobs", &[], b"").status, 405);
}

#[test]
fn tasks_are_listed_for_their_owner_and_with_the_key_for_all_that_have_one() {
    let redis = RedisServer::start();
    let relay = Relay::on(&redis, &["--jwt-secret", SECRET]);
    for (task, user) in [("a", Some("alice")), ("b", Some("bob")), ("n", None)] {
        if let Some(user) = user {
            let registered = format!(r#"{{"type":"registered","task_id":"{task}","user_id":"{user}"}}"#);
            redis.publish(&format!("task_updates:{task}"), registered);
        }
        redis
            .publish(&format!("task_updates:{task}"), format!(r#"{{"type":"progress","task_id":"{task}"}}"#));
    }
    relay.until_events(5);
    let list = |headers: &[(&str, &str)]| relay.exchange("GET", "/jobs", headers, b"");
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(targets(&list(&[("Authorization", &bearer(&token("alice")))])), ["tasks/a"]);
    assert_eq!(targets(&list(&[("Authorization", &bearer(&token("carol")))])), [""; 0]);
    assert_eq!(targets(&list(&[])), [""; 0]);
    assert_eq!(
        relay.exchange("GET", "/jobs?dialect=tasks", &[], b"").refusal(),
        (403, "not_allowed".to_owned())
    );
    let key = std::fs::read_to_string(relay.key_file()).unwrap();
    assert_eq!(targets(&list(&[("Authorization", &bearer(key.trim()))])), ["tasks/b", "tasks/a"]);
    // A job that was read back is listed as it was.
    let state = scraping(5, "job_completed", "100", 1);
    let fields = [("state", &*state), ("ended", "succeeded"), ("updated", "1700000000000000")];
    let _: () = redis.connection().hset_multiple("jobwire:scraping:5", &fields).unwrap();
    assert_eq!(relay.get("/ws/scraping/5/status").0, 200);
    let row = relay.exchange("GET", "/jobs?dialect=scraping", &[], b"").json()["jobs"][0].clone();
    assert_eq!((&row["target"], &row["state"]), (&"scraping/5".into(), &"succeeded".into()), "{row}");
    assert_eq!(row["updated"], "2023-11-14T22:13:20.000Z", "{row}");
    assert_eq!(row["started"], Value::Null, "{row}");
}

#[test]
fn clients_are_listed_by_address_to_operators() {
    let relay = Relay::start(&["--jwt-secret", SECRET]);
    let _socket = relay.connect("/ws/scraping/1");
    relay.until_connections(1);
    let answer = relay.exchange("GET", "/clients", &[], b"").json();
    let wanted = json!({"address":"127.0.0.1","sockets":1,"slow":0,"waiting_bytes":0,"waiting_messages":0,"waiting_ms":0});
    assert_eq!(answer, json!({"clients": [wanted], "addresses": 1}));
    let foreign = |headers: &[(&str, &str)]| get(&relay, "/clients", "relay.example", headers);
    assert_eq!(foreign(&[]).refusal(), (403, "not_allowed".to_owned()));
    let claim = format!("Bearer {}", claims("alice", &json!(["scraping/*", "celery/*"])));
    assert_eq!(foreign(&[("Authorization", &claim)]).refusal(), (403, "not_allowed".to_owned()));
    let key = std::fs::read_to_string(relay.key_file()).unwrap();
    assert_eq!(foreign(&[("Authorization", &format!("Bearer {}", key.trim()))]).status, 200);
    for query in ["limit=0", "limit=1001", "limit=x"] {
        let answer = relay.exchange("GET", &format!("/clients?{query}"), &[], b"");
        assert_eq!(answer.refusal(), (400, "bad_query".to_owned()), "{query}");
    }
}

//! The repository's nginx.conf, in a real nginx, between real clients, the relay and an app.

pub(crate) mod app;
mod lost;
mod several;
mod streams;

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

use crate::support::{
    Nginx, PATIENCE, RawTcp, Relay, SECRET, UPGRADE, WebSocket, command, jobwire, request_head, token, until,
    wait_for,
};
use app::App;

/// What must be in no log.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.sesame";

fn started() -> (Relay, App, Nginx) {
    let (relay, app) = (Relay::start(&[]), App::start());
    let nginx = Nginx::start(relay.address(), app.address(), &[]);
    (relay, app, nginx)
}

fn progress(percent: u32) -> String {
    crate::serve::scraping(7, "job_progress", &percent.to_string(), 1)
}

#[test]
fn a_socket_through_the_proxy_gets_its_state_events_pongs_and_a_close() {
    let (relay, app, nginx) = started();
    relay.publish("scraping_events", &progress(10));
    let mut socket = nginx.connect("/ws/scraping/7");
    socket.expect(&progress(10));
    let big = format!(r#"{{"job_id":7,"event_type":"scraper_started","pad":"{}"}}"#, "x".repeat(200_000));
    assert_eq!(relay.publish("scraping_events", &big), 1);
    socket.expect(&big);
    socket.expect_silence();
    let mut other = nginx.connect("/ws/download/a%20b?replay=1");
    assert!(other.next_text(PATIENCE).contains(r#""jobId":"a b""#));
    let output = relay.stop();
    assert_eq!((output.code, socket.close_code(), other.close_code()), (0, 1001, 1001));
    assert_eq!(app.asked(), Vec::<String>::new());
}

#[test]
fn a_token_in_a_query_or_a_header_reaches_the_relay() {
    let (relay, app) = (Relay::start(&["--jwt-secret", SECRET]), App::start());
    let nginx = Nginx::start(relay.address(), app.address(), &[]);
    relay.publish("task_updates:t-1", r#"{"type":"registered","task_id":"t-1","user_id":"ann"}"#);
    let bearer = format!("Bearer {}", token("ann"));
    let step = r#"{"type":"progress","task_id":"t-1","step":1,"total_steps":5,"status":"Reading"}"#;
    let mut by_query = nginx.connect(&format!("/ws/t-1?token={}", token("ann")));
    let mut by_header =
        WebSocket::try_connect(&nginx.ws("/ws/t-1"), &[("Authorization", bearer.as_str())]).unwrap();
    relay.until_connections(2);
    relay.publish("task_updates:t-1", step);
    by_query.expect(step);
    by_header.expect(step);
    assert_eq!(nginx.exchange("GET", "/task/t-1", &[("Authorization", &bearer)], b"").json()["step"], 1);
    assert_eq!(nginx.connect(&format!("/ws/t-1?token={}", token("bob"))).close_code(), 4003);
}

#[test]
fn polling_and_statistics_go_to_the_relay() {
    let (relay, app, nginx) = started();
    relay.publish("scraping_events", &progress(45));
    relay.publish("download_updates:abc", r#"{"jobId":"abc","status":"processing","progress":5}"#);
    assert_eq!(nginx.get("/ws/scraping/7/status").json()["progress"], 45);
    assert_eq!(nginx.get("/api/status/abc?token=x").json()["progress"], 5);
    assert_eq!(nginx.get("/ws/stats").json()["events"], 2);
    assert_eq!(nginx.get("/api/v1/ws/stats").json()["events"], 2);
    assert_eq!(nginx.get("/api/status/nobody").refusal(), (404, "unknown_job".to_owned()));
    assert_eq!(nginx.get("/task/nobody").refusal(), (401, "unauthorized".to_owned()));
    assert_eq!(app.asked(), Vec::<String>::new());
}

#[test]
fn everything_else_goes_to_the_app_as_it_came() {
    let (_relay, app, nginx) = started();
    let body = br#"{"url":"https://example.org/v","language":"en"}"#;
    let headers = [("Authorization", "Bearer abc"), ("X-Forwarded-For", "203.0.113.9")];
    let answer = nginx.exchange("POST", "/scrape/async", &headers, body);
    assert_eq!((answer.status, answer.header("x-app")), (202, Some("yes")));
    let said = answer.json();
    assert_eq!(said["method"], "POST");
    assert_eq!(said["body"].as_str().unwrap().as_bytes(), body);
    assert_eq!(said["headers"]["authorization"], "Bearer abc");
    assert_eq!(said["headers"]["x-forwarded-for"], "203.0.113.9, 127.0.0.1");
    assert_eq!(said["headers"]["host"], nginx.address());
    let paths = ["/", "/wsx", "/tasks", "/a//b/../https://x?y=/../z", "/healthy", "/publisher", "/api/v1/ws"];
    for path in paths {
        assert_eq!(nginx.get(path).header("x-app"), Some("yes"), "{path}");
    }
    let asked: Vec<String> = app.asked().into_iter().skip(1).collect();
    assert_eq!(asked, paths.map(|path| format!("GET {path}")));
}

#[test]
fn publishing_and_health_cannot_be_reached_from_outside() {
    let (relay, app, nginx) = started();
    let key = std::fs::read_to_string(relay.key_file()).unwrap();
    let bearer = format!("Bearer {}", key.trim());
    let headers = [("Authorization", bearer.as_str())];
    let payload = progress(10);
    for path in [
        "/publish",
        "/publish/scraping_events",
        "/publish/scraping_events?x=1",
        "//publish/scraping_events",
        "/%70ublish/scraping_events",
        "/ws/../publish/scraping_events",
        "/ws/..%2fpublish/scraping_events",
        "/publish/../ws/scraping_events",
        "/publish/scraping_events%2f..%2f..%2fws%2f1",
        "/publish/%2e%2e/ws/stats",
        "/publish%2f..%2ftask/1",
        "/task//1/../../publish/scraping_events",
        "/health",
        "/ready",
        "//health",
        "/ws/../health",
        "/health/../ws/stats",
    ] {
        let posted = nginx.exchange("POST", path, &headers, payload.as_bytes());
        assert_eq!((posted.status, posted.header("x-app")), (404, None), "{path}");
        assert_eq!(nginx.get(path).status, 404, "{path}");
    }
    assert_eq!((relay.stats()["events"].clone(), app.asked()), (0.into(), Vec::new()));
    assert_eq!(relay.get("/health").0, 200);
}

#[test]
fn an_address_that_opens_sockets_too_fast_or_too_many_is_told_so() {
    let (relay, app) = (Relay::start(&[]), App::start());
    let fewer = ("jobwire_sockets 100;", "jobwire_sockets 2;");
    let nginx = Nginx::start(relay.address(), app.address(), &[fewer]);
    let (first, _second) = (nginx.connect("/ws/scraping/1"), nginx.connect("/ws/scraping/2"));
    let refused = nginx.get("/ws/scraping/3");
    assert_eq!(refused.refusal(), (503, "too_many_sockets".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("10"));
    first.close();
    // Held, so that attach meets one limit if not the other.
    let _third = wait_for(PATIENCE, "the place of the closed socket", || {
        WebSocket::try_connect(&nginx.ws("/ws/scraping/3"), &[]).ok()
    });
    // A burst is 20 and a second brings 5; how long this takes is the machine's affair.
    let refused = wait_for(PATIENCE, "an answer that it is too fast", || {
        let answer = nginx.get("/ws/scraping/4");
        (answer.status == 429).then_some(answer)
    });
    assert_eq!(refused.refusal(), (429, "too_many_requests".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let url = nginx.ws("/ws/scraping/5");
    let output = jobwire(&["attach", &url, "--progress", "plain", "--timeout", "1s"]);
    assert_eq!(output.code, 3, "attach tries again: {}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains(": this address "), "{}", output.stdout);
    assert_eq!(nginx.get("/ws/stats").status, 200, "polling is counted apart");
}

#[test]
fn the_relay_is_told_the_client_s_address() {
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--trust-proxy", "127.0.0.1"]);
    let relay = Relay::spawned({
        serve.args(["--log-level", "debug"]).env("NO_COLOR", "1");
        serve
    });
    let nginx = Nginx::start(relay.address(), App::start().address(), &[]);
    // From another address of this machine, claiming to be a third.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
    socket.connect(&nginx.address().parse::<SocketAddr>().unwrap().into()).unwrap();
    let mut tcp = RawTcp(TcpStream::from(socket));
    let headers = [&UPGRADE[..], &[("X-Forwarded-For", "203.0.113.9")]].concat();
    tcp.send(request_head(nginx.address(), "GET", "/ws/scraping/7", &headers, 0)).unwrap();
    let answer = tcp.read_until(PATIENCE, |bytes| bytes.ends_with(b"\r\n\r\n"));
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    until(PATIENCE, "the client's address in the log", || {
        relay
            .stderr()
            .lines()
            .any(|line| line.contains("a socket opened") && line.contains("client=127.0.0.2"))
    });
}

#[test]
fn no_token_gets_into_a_log() {
    let (relay, app, nginx) = started();
    let path = |path: &str| format!("{path}?token={TOKEN}");
    let mut socket = nginx.connect(&path("/ws/scraping/7"));
    socket.send("ping");
    socket.next_text(PATIENCE);
    socket.close();
    let paths =
        ["/ws/scraping/7/status", "/task/7", "/ws/..%2fpublish/7", "/publish/x", "/health", "/ws/stats"];
    for refused in paths {
        nginx.get(&path(refused));
    }
    until(PATIENCE, "an answer that it is too fast", || nginx.get(&path("/ws/scraping/7")).status == 429);
    relay.kill();
    assert_eq!(nginx.get(&path("/task/8")).refusal(), (502, "relay_away".to_owned()));
    until(PATIENCE, "an answer that the relay is away", || nginx.get(&path("/ws/scraping/8")).status == 502);
    until(PATIENCE, "all of it in the log", || {
        let log = nginx.access_log();
        log.contains("GET /ws/scraping/7\" 101 ") && log.contains("GET /ws/scraping/8\" 502 ")
    });
    drop(app);
    let logs = nginx.access_log() + &nginx.error_log();
    assert!(!logs.contains("sesame") && !logs.contains("token"), "{logs}");
    assert!(logs.contains("limited=REJECTED") && logs.contains("upstream=127.0.0.1:"), "{logs}");
}

//! Checks of servers that are no relays, of incomplete and old relays, and of other servers of the contracts.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{named, report, step};
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{Output, PATIENCE, Process, command, free_port};

/// Answer of a relay to `GET /health`.
const HEALTH: &str = r#"{"status":"ok","broker":"embedded","connected":true,"watch":true,"version":"0.1.0"}"#;

/// Checks a server with half a second for each step.
fn check(server: &Server, more: &[&str]) -> Output {
    check_within(server, Duration::from_millis(500), more)
}

/// Checks a server with this time for each step.
fn check_within(server: &Server, limit: Duration, more: &[&str]) -> Output {
    let (url, limit) = (server.ws(""), format!("{}ms", limit.as_millis()));
    let args = [&["check", "--server", &url, "--step-timeout", &limit, "--output", "json"], more].concat();
    let began = Instant::now();
    let output = Process::spawn(&mut command(&args)).finish(PATIENCE);
    assert!(began.elapsed() < Duration::from_secs(15), "a check never hangs: {:?}", began.elapsed());
    output
}

/// Accepts an event and answers that it has reached a socket.
fn take(stream: TcpStream) {
    reply(stream, &http("200 OK", r#"{"subscribers":1,"sockets":1}"#));
}

/// Reads an event and answers with this text.
fn reply(mut stream: TcpStream, text: &str) {
    let mut taken = [0; 4096];
    let _ = stream.read(&mut taken);
    let _ = stream.write_all(text.as_bytes());
}

/// Server of a relay's `/health` and `/ready` that gives every other request to `other`.
fn half_a_relay(other: impl Fn(TcpStream, &str) + Send + Sync + 'static) -> Server {
    Server::start(move |stream, path| match path {
        "/health" => answer(stream, &http("200 OK", HEALTH)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        path => other(stream, path),
    })
}

#[track_caller]
fn assert_fails(output: &Output, name: &str, expected: &str) {
    let found = report(output);
    let step = step(&found, name);
    assert_eq!((output.code, &step["result"]), (3, &"failed".into()), "{found:#}");
    assert!(step["message"].as_str().unwrap().contains(expected), "{step}");
    assert!(step["hint"].is_string(), "{step}");
}

#[test]
fn nobody_at_the_port_and_no_such_host_are_3() {
    let server = format!("ws://127.0.0.1:{}", free_port());
    let output =
        Process::spawn(&mut command(&["check", "--server", &server, "--output", "json"])).finish(PATIENCE);
    assert_fails(&output, "tcp", "nothing listens at 127.0.0.1:");
    let args = ["check", "--server", "ws://nowhere.invalid:8000", "--output", "json"];
    let output = Process::spawn(&mut command(&args)).finish(PATIENCE);
    assert_fails(&output, "tcp", "could not resolve the name 'nowhere.invalid'");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start(|stream, _| {
        let mut socket = stream;
        // Read from the socket and never answer.
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
    });
    assert_fails(&check(&server, &[]), "health", "no answer from 127.0.0.1:");
}

#[test]
fn what_does_not_speak_http_is_no_relay() {
    let server = Server::start(|stream, _| answer(stream, "-ERR unknown command 'GET'\r\n"));
    assert_fails(&check(&server, &[]), "health", "does not speak HTTP");
}

#[test]
fn a_server_that_stops_in_the_middle_of_an_answer_is_given_up() {
    let server = Server::start(|mut stream: TcpStream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<p>more</p>");
        // Keep the connection open until the check has gone.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    assert_fails(&check(&server, &[]), "health", "no answer from 127.0.0.1:");
}

#[test]
fn an_answer_without_an_end_is_too_big() {
    let server = Server::start(|mut stream: TcpStream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n");
        let piece = [b' '; 16 << 10];
        while stream.write_all(&piece).is_ok() {}
    });
    // The time must not end before the size does.
    let output = check_within(&server, PATIENCE, &[]);
    assert_fails(&output, "health", " has over 1114112 bytes");
}

#[test]
fn a_web_server_is_no_relay() {
    let server = Server::start(|stream, path| {
        let text =
            if path == "/health" { http("200 OK", "<html>fine</html>") } else { http("404 Not Found", "no") };
        answer(stream, &text);
    });
    let output = check(&server, &[]);
    let found = report(&output);
    assert_eq!(output.code, 3, "{found:#}");
    let wrong = found["steps"].as_array().unwrap().last().unwrap();
    assert!(wrong["message"].as_str().unwrap().contains("is no relay"), "{wrong}");
    assert!(wrong["hint"].as_str().unwrap().contains("jobwire serve"), "{wrong}");
    assert_fails(&check(&server, &["--only", "ready"]), "health", "is no relay: it has no /health of one");
    assert_eq!(check(&server, &["--only", "tcp"]).code, 0);
}

#[test]
fn a_web_server_whose_clock_is_off_is_no_relay_all_the_same() {
    let old = "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
    let server = Server::start(move |stream, _| answer(stream, old));
    let output = check(&server, &[]);
    let found = report(&output);
    assert_eq!(
        (output.code, named(&found, "failed")),
        (3, vec!["clock".to_owned(), "health".to_owned()]),
        "{found:#}"
    );
}

#[test]
fn half_a_relay_lacks_its_sockets() {
    let server = Server::start(|stream, path| {
        let text = match path {
            "/health" => http("200 OK", HEALTH),
            "/ready" => http("200 OK", r#"{"ready":true}"#),
            _ => http("404 Not Found", r#"{"error":"not_found","message":"no such route"}"#),
        };
        answer(stream, &text);
    });
    assert_fails(
        &check(&server, &["--dialect", "scraping"]),
        "scraping/websocket",
        "does not know /ws/scraping/",
    );
}

#[test]
fn half_a_relay_takes_events_and_delivers_none() {
    let server = Server::start(|stream, path| match path {
        "/health" => answer(stream, &http("200 OK", HEALTH)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        path if path.starts_with("/publish/") => take(stream),
        path if path.ends_with("/status") => answer(stream, &http("404 Not Found", "{}")),
        "" => {}
        _ => Socket::accept(stream).until_closed(),
    });
    let args = ["--dialect", "scraping", "--publish-key", "k", "--only", "publish,websocket,polling"];
    let output = check(&server, &args);
    assert_fails(&output, "scraping/websocket", "job_progress did not come within 0.5 s");
}

#[test]
fn a_flood_of_other_messages_is_not_read_for_ever() {
    let server = Server::start(|stream, path| match path {
        "/health" => answer(stream, &http("200 OK", HEALTH)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        path if path.starts_with("/publish/") => take(stream),
        "" => {}
        _ => Socket::accept(stream).flood(r#"{"job_id":1,"event_type":"job_progress"}"#),
    });
    let args = ["--dialect", "scraping", "--publish-key", "k", "--only", "websocket"];
    let output = check(&server, &args);
    assert_fails(&output, "scraping/websocket", "did not come within 0.5 s");
}

#[test]
fn an_old_relay_is_told_from_a_new_one() {
    let old = r#"{"status":"ok","broker":"embedded","connected":true,"version":"0.0.1"}"#;
    let server = Server::start(move |stream, path| match path {
        "/health" => answer(stream, &http("200 OK", old)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        path if path.ends_with("/status") => answer(stream, &http("404 Not Found", "{}")),
        "" => {}
        _ => Socket::accept(stream).until_closed(),
    });
    let output = check(&server, &["--dialect", "scraping"]);
    assert_fails(&output, "version", "an old one (0.0.1)");
    let found = report(&output);
    assert_eq!(step(&found, "scraping/sse")["message"], "the relay is too old for event streams");
}

#[test]
fn a_proxy_whose_relay_is_down_is_3() {
    let server = Server::start(|stream, _| answer(stream, &http("502 Bad Gateway", "<html>nginx</html>")));
    assert_fails(&check(&server, &[]), "health", "answered 502; it is a proxy");
}

#[test]
fn a_server_of_one_contract_passes_with_that_and_the_others_are_skipped() {
    let server = Server::start(|stream, path| {
        if path.starts_with("/ws/scraping/") && !path.ends_with("/status") {
            Socket::accept(stream).until_closed();
        } else {
            answer(stream, &http("403 Forbidden", ""));
        }
    });
    let output = check(&server, &[]);
    let found = report(&output);
    assert_eq!(output.code, 0, "{found:#}");
    assert_eq!(step(&found, "scraping/websocket")["result"], "passed");
    assert_eq!(step(&found, "downloads/websocket")["message"], "it has no such socket: it answered 403");
    assert_eq!(step(&found, "scraping/sse")["message"], "only a jobwire relay has event streams");
    let output = check(&server, &["--dialect", "downloads", "--only", "websocket"]);
    assert_ne!(output.code, 0, "a dialect that is named has to be there: {}", output.stdout);
}

#[test]
fn a_server_that_ends_each_connection_or_fails_is_no_relay() {
    let server = Server::start(|stream, _| drop(stream));
    assert_fails(&check(&server, &[]), "health", "127.0.0.1:");
    for (status, said) in [
        ("500 Internal Server Error", "answered 500"),
        ("429 Too Many Requests", "answered 429"),
        ("400 Bad Request", "answered 400"),
    ] {
        let server = Server::start(move |stream, _| answer(stream, &http(status, "no")));
        assert_fails(&check(&server, &[]), "health", said);
    }
}

#[test]
fn a_server_that_says_yes_to_everything_is_one_finding_and_is_sent_nothing() {
    let (posted, seen) = mpsc::channel();
    let server = Server::start(move |stream, path| {
        if path.starts_with("/publish/") {
            posted.send(()).unwrap();
        }
        answer(stream, &http("200 OK", "fine"));
    });
    let output = check(&server, &["--publish-key", "k"]);
    let found = report(&output);
    assert_eq!((output.code, named(&found, "failed")), (3, vec!["health".to_owned()]), "{found:#}");
    assert!(step(&found, "health")["message"].as_str().unwrap().contains("is no relay"), "{found:#}");
    assert!(seen.try_recv().is_err());
}

#[test]
fn a_proxy_that_wants_a_login_says_so() {
    let server = Server::start(|stream, _| answer(stream, &http("401 Unauthorized", "no")));
    let output = check(&server, &[]);
    let found = report(&output);
    assert_eq!((output.code, named(&found, "failed")), (4, vec!["health".to_owned()]), "{found:#}");
    assert!(step(&found, "health")["hint"].as_str().unwrap().contains("USER:PASSWORD@HOST"), "{found:#}");
}

#[test]
fn a_proxy_that_drops_the_upgrade_is_named() {
    let server = Server::start(|stream, path| match path {
        "/health" => answer(stream, &http("200 OK", HEALTH)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        _ => answer(stream, &http("426 Upgrade Required", r#"{"error":"upgrade_required","message":"no"}"#)),
    });
    let output = check(&server, &["--dialect", "scraping", "--only", "websocket,watch"]);
    for name in ["scraping/websocket", "scraping/watch"] {
        assert_fails(&output, name, "the upgrade to a WebSocket does not reach the relay");
        let found = report(&output);
        assert!(
            step(&found, name)["hint"].as_str().unwrap().contains("proxy_set_header Upgrade"),
            "{found:#}"
        );
    }
}

#[test]
fn a_relay_without_a_dialect_is_sent_no_event_of_it() {
    let (posted, seen) = mpsc::channel();
    let server = Server::start(move |stream, path| match path {
        "/health" => answer(stream, &http("200 OK", HEALTH)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        path => {
            if path.starts_with("/publish/") {
                posted.send(()).unwrap();
            }
            answer(stream, &http("404 Not Found", r#"{"error":"not_found","message":"no"}"#));
        }
    });
    let output = check(&server, &["--dialect", "jobs", "--publish-key", "k"]);
    let found = report(&output);
    assert_eq!((output.code, named(&found, "failed")), (3, vec!["jobs/websocket".to_owned()]), "{found:#}");
    assert_eq!(step(&found, "jobs/publish")["message"], "websocket failed");
    assert!(seen.try_recv().is_err());
}

#[test]
fn a_job_whose_start_may_have_arrived_is_ended() {
    let (posted, seen) = mpsc::channel();
    let server = half_a_relay(move |mut stream, path| {
        if path.starts_with("/publish/") {
            let mut request = String::new();
            // The check closes the connection when its time is over.
            stream.read_to_string(&mut request).unwrap();
            posted.send(request).unwrap();
        }
    });
    let args = ["--dialect", "scraping", "--publish-key", "k", "--only", "publish"];
    assert_fails(&check(&server, &args), "scraping/publish", "did not take an event within 0.5 s");
    for kind in ["job_progress", "job_completed"] {
        let request = seen.recv_timeout(PATIENCE).unwrap();
        assert!(request.contains(kind), "{request}");
    }
}

#[test]
fn a_job_whose_start_was_refused_is_not_ended() {
    let (posted, seen) = mpsc::channel();
    let server = half_a_relay(move |stream, path| {
        if path.starts_with("/publish/") {
            posted.send(()).unwrap();
            reply(stream, &http("401 Unauthorized", r#"{"error":"bad_key","message":"no"}"#));
        }
    });
    let args = ["--dialect", "scraping", "--publish-key", "k", "--only", "publish"];
    let output = check(&server, &args);
    assert_eq!((output.code, output.stderr.as_str()), (4, ""), "{}", output.stdout);
    assert_eq!(seen.try_iter().count(), 1);
}

#[test]
fn a_channel_whose_watchers_are_not_known_gets_no_event_unless_its_dialect_is_named() {
    for (status, figures) in [
        ("404 Not Found", ""),
        ("200 OK", "<html>fine</html>"),
        ("200 OK", r#"{"total_connections":1}"#),
        ("200 OK", r#"{"channels":{"another":{"subscribers":0,"events":0}}}"#),
    ] {
        let (posted, seen) = mpsc::channel();
        let server = half_a_relay(move |stream, path| match path {
            "/ws/stats" => answer(stream, &http(status, figures)),
            path if path.starts_with("/publish/") => {
                posted.send(path.to_owned()).unwrap();
                take(stream);
            }
            _ => answer(stream, &http("404 Not Found", "{}")),
        });
        let args = ["--publish-key", "k", "--only", "publish"];
        let found = report(&check(&server, &args));
        let publish = step(&found, "channels/publish");
        assert_eq!(publish["result"], "skipped", "{publish}");
        let message = publish["message"].as_str().unwrap();
        assert!(
            message.starts_with("the event could not be tried: the server does not tell who watches 'ai'"),
            "{publish}"
        );
        assert!(message.ends_with(" (--dialect channels sends it all the same)"), "{publish}");
        let is_of_channel = |path: String| path.ends_with("ai");
        assert!(!seen.try_iter().any(is_of_channel), "{found:#}");
        let found = report(&check(&server, &[&args[..], &["--dialect", "channels"]].concat()));
        assert_eq!(step(&found, "channels/publish")["result"], "passed", "{found:#}");
        assert!(seen.try_iter().any(is_of_channel), "{found:#}");
    }
}

#[test]
fn a_transport_that_is_silent_takes_no_time_from_the_others() {
    let server = Server::start(|mut stream, path| match path {
        "/health" => answer(stream, &http("200 OK", HEALTH)),
        "/ready" => answer(stream, &http("200 OK", r#"{"ready":true}"#)),
        path if path.starts_with("/publish/") => take(stream),
        "" => {}
        path => {
            let mut head = [0; 4096];
            let read = stream.peek(&mut head).unwrap();
            if String::from_utf8_lossy(&head[..read]).contains("text/event-stream") {
                let job = path.rsplit('/').next().unwrap();
                let event = format!(r#"{{"job_id":{job},"event_type":"job_progress"}}"#);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
                stream.write_all(format!("{head}data: {event}\n\n").as_bytes()).unwrap();
                // Keep the connection open until the check has gone.
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            } else {
                Socket::accept(stream).until_closed();
            }
        }
    });
    let args = ["--dialect", "scraping", "--publish-key", "k", "--only", "websocket,sse"];
    let output = check(&server, &args);
    let found = report(&output);
    assert_eq!(
        (output.code, named(&found, "failed")),
        (1, vec!["scraping/websocket".to_owned()]),
        "{found:#}"
    );
    assert_eq!(step(&found, "scraping/sse")["result"], "passed", "{found:#}");
}

//! Servers that answer the handshake with something else than a WebSocket, or not at all.

use std::io::Read as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::server::{Server, Socket, answer, http};
use crate::support::{Output, free_port, jobwire};

/// Attaches without a second attempt.
fn once(server: &str) -> Output {
    jobwire(&["attach", "scraping/1", "--server", server, "--retries", "0", "--progress", "quiet"])
}

/// An answer with a header more.
fn with_header(status: &str, header: &str) -> String {
    http(status, "").replacen("\r\n", &format!("\r\n{header}\r\n"), 1)
}

#[test]
fn a_redirect_names_the_place_and_the_url_to_use() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = Server::start(move |stream, path| {
            let to = format!("Location: https://me:hunter2@relay.example{path}");
            answer(stream, &with_header(status, &to));
        });
        let output = once(&format!("ws://{}", server.address()));
        assert_eq!(output.code, 3, "{}", output.stderr);
        for part in [
            &format!("answered {}; it redirects to https://relay.example/ws/scraping/1\n", &status[..3]),
            "hint: redirects are not followed; connect to wss://relay.example/ws/scraping/1, or name --server wss://relay.example\n",
        ] {
            assert!(output.stderr.contains(part), "{part:?} is not in {}", output.stderr);
        }
        assert!(
            !output.stderr.contains("hunter2") && !output.stderr.contains("plain HTTP"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn each_status_has_its_own_words() {
    for (status, code, said) in [
        ("400 Bad Request", 3, "it takes the request for a bad one"),
        ("401 Unauthorized", 4, "it wants to know who is there"),
        ("403 Forbidden", 4, "it lets nobody in there"),
        ("404 Not Found", 3, "it has no such route"),
        ("407 Proxy Authentication Required", 3, "a proxy on the way wants to know who is there"),
        ("426 Upgrade Required", 3, "it opens no WebSocket there"),
        ("429 Too Many Requests", 3, "it has too many requests"),
        ("502 Bad Gateway", 3, "it is a proxy, and the server behind it does not answer"),
        ("503 Service Unavailable", 3, "it cannot serve at the moment"),
        ("504 Gateway Timeout", 3, "it is a proxy, and the server behind it took too long"),
        ("200 OK", 3, "it is plain HTTP, no WebSocket"),
    ] {
        let server = Server::start(move |stream, _| answer(stream, &http(status, "")));
        let output = once(&format!("ws://{}", server.address()));
        assert_eq!(output.code, code, "{status}: {}", output.stderr);
        let said = format!("answered {}; {said}\n", &status[..3]);
        assert!(output.stderr.contains(&said), "{said:?} is not in {}", output.stderr);
    }
}

#[test]
fn a_server_that_asks_for_time_is_left_alone_for_as_long_and_then_tried_again() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let server = Server::start(move |stream, _| {
            let nth = {
                let mut seen = seen.lock().unwrap();
                seen.push(Instant::now());
                seen.len()
            };
            if nth == 1 {
                return answer(stream, &with_header(status, "Retry-After: 2"));
            }
            let mut socket = Socket::accept(stream);
            let done = r#"{"job_id":1,"event_type":"job_completed","status":"completed","progress":100,"results_count":1,"message":null,"metadata":{},"timestamp":"2025-11-21T10:30:00"}"#;
            socket.send(&[done]);
            socket.until_closed();
        });
        let server = format!("ws://{}", server.address());
        let output = jobwire(&["attach", "scraping/1", "--server", &server, "--progress", "plain"]);
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
        assert!(output.stdout.contains("and asks to wait 2 s"), "{}", output.stdout);
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), 2, "polling leaves it alone as well");
        assert!(requests[1] - requests[0] >= Duration::from_secs(2));
    }
}

#[test]
fn a_time_that_is_up_before_there_was_a_connection_is_3() {
    let nobody = format!("ws://127.0.0.1:{}", free_port());
    let missing = Server::start(|stream, _| answer(stream, &http("404 Not Found", "")));
    let silent = Server::start(|mut stream, _| drop(stream.read_to_end(&mut Vec::new())));
    let (missing, silent) = (format!("ws://{}", missing.address()), format!("http://{}", silent.address()));
    for (server, said) in [
        (nobody.as_str(), "nothing listens at 127.0.0.1"),
        (&missing, "answered 404; it has no such route"),
        ("ws://nobody.invalid", "could not resolve the name 'nobody.invalid'"),
        (&silent, "the server has not answered yet"),
    ] {
        let output = jobwire(&["attach", "scraping/1", "--server", server, "--timeout", "1s"]);
        assert_eq!(output.code, 3, "{server}: {}", output.stderr);
        let error = output.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        assert!(error.contains(said) && error.ends_with("(the time was up after 1 s)"), "{error}");
    }
    let output = jobwire(&["attach", "scraping/1", "--server", &nobody, "--timeout", "1s"]);
    assert!(output.stderr.starts_with("hint: start a relay"), "after the first attempt: {}", output.stderr);
}

#[test]
fn user_and_password_of_a_url_log_in_by_basic_and_are_repeated_nowhere() {
    let (asked, right) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (all, good) = (Arc::clone(&asked), Arc::clone(&right));
    let server = Server::start(move |stream, _| {
        let mut head = [0; 4096];
        let read = stream.peek(&mut head).unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
        all.fetch_add(u32::from(read > 0), Ordering::Relaxed);
        // `me:p@ss`, as base64.
        let is_right = head.contains("authorization: basic bwu6cebzcw==\r\n");
        good.fetch_add(u32::from(is_right), Ordering::Relaxed);
        answer(stream, &http("404 Not Found", ""));
    });
    let (base, address) = ("me:p%40ss", server.address());
    let url = format!("ws://{base}@{address}");
    let target = format!("http://{base}@{address}/ws/scraping/1");
    let publish_url = format!("http://{base}@{address}/{{channel}}");
    for args in [
        vec!["attach", "scraping/1", "--server", &url, "--timeout", "4s"],
        vec!["attach", &target, "--retries", "0"],
        vec!["publish", "scraping/1", "job_started", "--server", &url, "--publish-key", "k"],
        vec!["bench", "connect", "--server", &url, "-c", "1"],
        vec!["bench", "echo", &target, "-c", "1"],
        vec!["bench", "--server", &url, "--publish-url", &publish_url, "-c", "1"],
    ] {
        let before = (asked.load(Ordering::Relaxed), right.load(Ordering::Relaxed));
        let output = jobwire(&args);
        let after = (asked.load(Ordering::Relaxed), right.load(Ordering::Relaxed));
        assert!(
            after.0 > before.0 && after.0 - before.0 == after.1 - before.1,
            "{args:?}: {before:?} {after:?}"
        );
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(!said.contains("p@ss") && !said.contains("p%40ss"), "{args:?}: {said}");
    }
}

#[test]
fn a_url_that_cannot_be_read_repeats_no_password() {
    for args in [
        &["attach", "scraping/1", "--server", "ws://me:hunter2@h:99999"][..],
        &["attach", "scraping/1", "--server", "me:hunter2@h:8000"],
        &["attach", "ws://me:hunter2@h:99999/ws/scraping/1"],
        &["attach", "ws://me:hunter2@h/elsewhere"],
        &["attach", "ftp://me:hunter2@h/ws/scraping/1"],
        &["attach", "me:hunter2@h/ws/scraping/1"],
        &["attach", "me:hunter2@h"],
        &["publish", "scraping/1", "job_started", "--redis", "redis://me:hunter2@h:99999"],
        &["publish", "scraping/1", "job_started", "--redis", "me:hunter2@h"],
        &["publish", "scraping/1", "job_started", "--server", "gopher://me:hunter2@h"],
        &["serve", "--redis", "redis://me:hun/hunter2@h/0"],
        &["serve", "redis://me:hunter2@h"],
        &["redis://me:hunter2@h"],
        &["bench", "ws://me:hunter2@h:99999/"],
        &["bench", "echo", "ftp://me:hunter2@h/"],
        &["bench", "ws://me:hunter2@h/elsewhere"],
        &["bench", "--publish-url", "me:hunter2@h"],
        &["bench", "--server=ws://me:hunter2@h:99999"],
    ] {
        let output = jobwire(args);
        assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
        assert!(!output.stderr.contains("hunter2"), "{args:?}: {}", output.stderr);
    }
}

#[test]
fn a_target_by_http_is_a_socket_and_a_host_without_a_scheme_is_told_the_url() {
    let server = Server::start(|stream, _| Socket::accept(stream).close(4003, "not the owner"));
    let output = jobwire(&["attach", &format!("http://{}/ws/scraping/1", server.address())]);
    assert_eq!(output.code, 4, "{}", output.stderr);
    for (args, meant) in [
        (&["attach", "127.0.0.1:8000/ws/scraping/1"][..], "did you mean ws://127.0.0.1:8000/ws/scraping/1?"),
        (
            &["attach", "scraping/1", "--server", "127.0.0.1:8000"],
            "did you mean --server ws://127.0.0.1:8000?",
        ),
        (&["serve", "--redis", "localhost:6379"], "did you mean --redis redis://localhost:6379?"),
    ] {
        let output = jobwire(args);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(output.stderr.contains(meant), "{}", output.stderr);
    }
}

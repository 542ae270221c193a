//! Whole URLs, against servers that are not ours and speak a contract.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use super::{json, untimed};
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{PATIENCE, Process, command, jobwire};

#[test]
fn a_minimal_server_of_the_contract_is_followed_to_the_end() {
    let (asked, paths) = mpsc::channel();
    let asked = Mutex::new(asked);
    let server = Server::start(move |stream, path| {
        asked.lock().unwrap().send(path.to_owned()).unwrap();
        let mut socket = Socket::accept(stream);
        socket.send(&[
            r#"{"type":"status","data":{"jobId":"a b","status":"queued","progress":0}}"#,
            r#"{"type":"pong"}"#,
            r#"{"type":"status","data":{"jobId":"a b","status":"processing","progress":20}}"#,
            r#"{"type":"status","data":{"jobId":"a b","status":"completed","progress":100}}"#,
        ]);
        socket.until_closed();
    });
    let url = server.ws("/ws/download/a%20b?token=s3cret");
    let output = jobwire(&["attach", &url]);
    let name = server.ws("/ws/download/a%20b");
    let said = ["connected", "queued 0%", "running 20% downloading", "done 100%"];
    let expected: Vec<String> = said.iter().map(|said| format!("{name} {said}")).collect();
    assert_eq!((output.code, untimed(&output.stdout)), (0, expected.iter().map(String::as_str).collect()));
    assert!(!output.stdout.contains("s3cret"), "{}", output.stdout);
    assert_eq!(paths.recv().unwrap(), "/ws/download/a%20b?token=s3cret", "the URL is taken as it is");
}

#[test]
fn the_dialect_of_another_path_is_named() {
    let server = Server::start(|stream, _| {
        let mut socket = Socket::accept(stream);
        socket.send(&["no JSON", r#"{"job_id":1,"event_type":"job_failed","message":"captcha"}"#]);
        socket.until_closed();
    });
    let output = jobwire(&["attach", &server.ws("/mine"), "--dialect", "scraping", "--progress", "json"]);
    assert_eq!((output.code, output.stderr.as_str()), (1, ""));
    let lines = json(&output.stdout);
    assert_eq!(lines[1]["text"], "no JSON");
    assert_eq!(lines[2]["event"]["message"], "captcha");
}

#[test]
fn a_socket_that_is_down_is_polled_over_and_returned_to() {
    let sockets = AtomicUsize::new(0);
    let (polled, was_polled) = mpsc::channel();
    let (polled, was_polled) = (Mutex::new(polled), Mutex::new(was_polled));
    let server = Server::start(move |stream, path| {
        if path == "/ws/scraping/1/status" {
            let body =
                r#"{"job_id":1,"status":"running","progress":40,"items_scraped":7,"message":"polled"}"#;
            answer(stream, &http("200 OK", body));
            return polled.lock().unwrap().send(()).unwrap();
        }
        match sockets.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let mut socket = Socket::accept(stream);
                socket.send(&[r#"{"job_id":1,"event_type":"job_progress","progress":30}"#]);
                socket.close(1001, "going away");
            }
            1 => answer(stream, &http("503 Service Unavailable", "")),
            _ => {
                was_polled.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                let mut socket = Socket::accept(stream);
                socket.send(&[
                    r#"{"job_id":1,"event_type":"job_progress","progress":30}"#,
                    r#"{"job_id":1,"event_type":"job_completed"}"#,
                ]);
                socket.until_closed();
            }
        }
    });
    let output = Process::spawn(&mut command(&["attach", &server.ws("/ws/scraping/1")])).finish(PATIENCE);
    let name = server.ws("/ws/scraping/1");
    let lines = untimed(&output.stdout);
    let said: Vec<&str> = lines
        .iter()
        .map(|line| line.strip_prefix(name.as_str()).unwrap().trim_start())
        .filter(|said| !said.starts_with("reconnecting in ") && *said != "polling while the socket is down")
        .collect();
    let expected = [
        "connected",
        "started 30%",
        "running 40% 7 results polled (polled)",
        "connected",
        "done 100% 7 results polled",
    ];
    assert_eq!((output.code, said), (0, expected.to_vec()), "{}", output.stdout);
    assert!(output.stdout.contains("closed the connection with 1001 going away\n"), "{}", output.stdout);
    assert!(output.stdout.contains(" polling while the socket is down\n"), "{}", output.stdout);
}

//! Tokens: where they go, what a refusal means, and that nobody sees them.

use super::*;
use crate::net::token_source::{Token, TokenSource};

const PROGRESS: &str = r#"{"type":"progress","task_id":"a","step":3,"total_steps":5,"status":"Analyzing"}"#;
const COMPLETION: &str = r#"{"type":"completion","task_id":"a","status":"SUCCESS","message":"Saved","recipe_id":"42","recipe_name":"Carbonara"}"#;
const EXPIRED: &str = "token missing, invalid or expired";

fn given(text: &str) -> TokenSource {
    TokenSource::Given(Token::parse(text).unwrap())
}

/// A file with a token.
fn token_file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn from(file: &tempfile::NamedTempFile) -> TokenSource {
    TokenSource::File(file.path().to_owned())
}

#[tokio::test]
async fn a_token_goes_to_the_server_by_query_and_by_header_to_polling() {
    let server = Server::new().await;
    let mut options = server.options(&["tasks/a", "scraping/1"]);
    options.token = Some(given("s3cret"));
    let url = options.server.join("/ws/b?token=old").unwrap().as_str().replace("http", "ws");
    options.targets.push(Target::parse(&url, &Dialects::builtin(), None).unwrap());
    let script = async {
        let (mut sockets, mut paths, mut polled) = (Vec::new(), Vec::new(), false);
        while sockets.len() < 3 || !polled {
            let (stream, path, head) = server.next_head().await;
            let head = head.to_lowercase();
            if path.starts_with("/task/") {
                assert_eq!((path.as_str(), head.contains("authorization: bearer s3cret")), ("/task/a", true));
                let body = r#"{"task_id":"a","status":"PROGRESS","step":3,"total_steps":5}"#;
                answer(stream, &format!("200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
                polled = true;
                continue;
            }
            assert!(!head.contains("authorization"), "{head}");
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            if path.starts_with("/ws/a") && !polled {
                close(&mut socket, 1001, "").await;
                continue;
            }
            let ending = if path.starts_with("/ws/scraping") { DONE } else { COMPLETION };
            send(&mut socket, &[ending]).await;
            paths.push(path);
            sockets.push(socket);
        }
        paths.sort();
        assert_eq!(
            paths,
            ["/ws/a?token=s3cret", "/ws/b?token=s3cret", "/ws/scraping/1?replay=1&token=s3cret"]
        );
    };
    let page = Page::default();
    let wait = Duration::from_secs(1);
    let slow = Timing { first_wait: wait, longest_wait: wait, ..timing() };
    let report = play_onto(&page, options, slow, script).await;
    assert_eq!(report.exit, Exit::Success, "{}", page.text());
    assert!(!page.text().contains("s3cret"));
}

#[tokio::test]
async fn a_refused_token_is_final_and_says_what_to_do() {
    let server = Server::new().await;
    let file = token_file("s3cret\n");
    for (token, hint) in [
        (None, "--token-file"),
        (Some(given("s3cret")), "get a fresh token; the one that was given is no JWT"),
        (Some(from(&file)), "still holds the token that was refused"),
    ] {
        let options = AttachOptions { token, ..server.options(&["tasks/a"]) };
        let script = async { close(&mut server.socket().await, 4001, EXPIRED).await };
        let (report, page) = play(options, script).await;
        let problem = report.problem.unwrap();
        assert_eq!(report.exit, Exit::Refused);
        assert!(problem.message.ends_with(&format!("with 4001 {EXPIRED}")), "{problem}");
        assert!(problem.hint.as_deref().unwrap().contains(hint), "{problem:?}");
        assert!(!format!("{problem:?}{}", page.text()).contains("s3cret"));
    }
    let options = AttachOptions { token: Some(given("s3cret")), ..server.options(&["tasks/a"]) };
    let script = async { close(&mut server.socket().await, 4003, "not the owner").await };
    let (report, _) = play(options, script).await;
    assert!(report.problem.unwrap().message.ends_with("4003 not the owner"));
    assert_eq!(report.exit, Exit::Refused);
}

#[tokio::test]
async fn a_token_that_is_refreshed_in_its_file_carries_on() {
    let server = Server::new().await;
    let file = token_file("first\n");
    let options = AttachOptions { token: Some(from(&file)), retries: 0, ..server.options(&["tasks/a"]) };
    let script = async {
        let (mut socket, path) = server.socket_with("404 Not Found\r\n\r\n").await;
        assert_eq!(path, "/ws/a?replay=1&token=first");
        send(&mut socket, &[PROGRESS]).await;
        std::fs::write(file.path(), "second\n").unwrap();
        close(&mut socket, 4001, EXPIRED).await;
        loop {
            let (stream, path, head) = server.next_head().await;
            if path == "/task/a" {
                assert!(head.to_lowercase().contains("authorization: bearer second"), "{head}");
                answer(stream, "404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
                continue;
            }
            assert_eq!(path, "/ws/a?token=second");
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            send(&mut socket, &[COMPLETION]).await;
            return until_closed(socket).await;
        }
    };
    let (report, page) = play(options, script).await;
    assert_eq!(report.exit, Exit::Success);
    let again = page.lines().into_iter().find(|line| line["connection"] == "reconnecting").unwrap();
    assert!(again["reason"].as_str().unwrap().ends_with("; the token file has a new one"), "{again}");
}

#[tokio::test]
async fn a_poll_that_is_refused_is_final_too() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let server = Server::new().await;
        let options = AttachOptions { token: Some(given("s3cret")), ..server.options(&["tasks/a"]) };
        let slow =
            Timing { first_wait: Duration::from_secs(5), longest_wait: Duration::from_secs(5), ..timing() };
        let script = async {
            close(&mut server.socket().await, 1001, "").await;
            let (stream, path) = server.next().await;
            assert_eq!(path, "/task/a");
            let body = r#"{"error":"no","message":"not your task"}"#;
            let length = body.len();
            answer(stream, &format!("{status}\r\ncontent-length: {length}\r\n\r\n{body}")).await;
        };
        let report = play_onto(&Page::default(), options, slow, script).await;
        assert_eq!(report.exit, Exit::Refused);
        assert!(report.problem.unwrap().message.ends_with(&format!("{}: not your task", &status[..3])));
    }
}

#[tokio::test]
async fn an_unknown_task_is_awaited_and_said_once() {
    let server = Server::new().await;
    let options = AttachOptions { token: Some(given("s3cret")), retries: 0, ..server.options(&["tasks/a"]) };
    let page = Page::default();
    let out = io::BufWriter::new(Box::new(page.clone()) as Box<dyn Write + Send>);
    let zone = jiff::tz::TimeZone::UTC;
    let renderer = Box::new(PlainLines::new(out, Filter::default(), Paint::new(false), zone));
    let script = async {
        for _ in 0..3 {
            close(&mut server.socket().await, 4003, "unknown task").await;
        }
        let mut socket = server.socket().await;
        send(&mut socket, &[PROGRESS, COMPLETION]).await;
        until_closed(socket).await;
    };
    let stop = CancellationToken::new();
    let both = async { tokio::join!(watch(&options, None, &stop, outputs(renderer), timing()), script).0 };
    let report = timeout(DEADLINE, both).await.unwrap().unwrap();
    assert_eq!(report.exit, Exit::Success);
    let text = page.text();
    let lines: Vec<&str> = text.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected = [
        "tasks/a connected",
        "tasks/a unknown task; waiting for it to appear",
        "tasks/a started 60% step 3 of 5 Analyzing",
        "tasks/a done 100% Carbonara (42) · Saved",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_file_without_a_token_is_bad_usage_before_anything_is_connected_to() {
    let server = Server::new().await;
    let file = token_file("\n");
    let options = AttachOptions { token: Some(from(&file)), ..server.options(&["tasks/a"]) };
    let error = run(options, None, CancellationToken::new()).await.unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.exit, Exit::Usage);
    assert!(failure.message.ends_with(": the token is empty"), "{failure}");
}

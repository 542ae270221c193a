//! Fetching by a server that does what it is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::jwt::testing::Pair;

/// Answers requests one after the other with what stands in it; counts them.
struct Server {
    url: Url,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn new(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:pw@{}/jwks.json?key=s3cret", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new(answer)), Arc::new(AtomicUsize::new(0)));
        let (answers, count) = (Arc::clone(&answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                count.fetch_add(1, Ordering::Relaxed);
                let answer = answers.lock().unwrap().clone();
                if answer.is_empty() {
                    // The server stays silent until the client hangs up.
                    tokio::spawn(async move { stream.read(&mut [0; 16]).await });
                    continue;
                }
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url: Url::parse(&url).unwrap(), answer, asked }
    }

    fn answers(&self, answer: impl Into<String>) {
        *self.answer.lock().unwrap() = answer.into();
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn jwks(&self, timing: Timing) -> Jwks {
        Jwks::new(std::slice::from_ref(&self.url), timing)
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn set(names: &[&str]) -> String {
    let keys: Vec<_> = names.iter().map(|name| Pair::new(Algorithm::ES256).jwk(name)).collect();
    ok(&json!({"keys": keys}).to_string())
}

fn names(jwks: &Jwks) -> Vec<String> {
    jwks.keys().iter().flat_map(|set| set.iter()).filter_map(|key| key.id().map(str::to_owned)).collect()
}

/// Timing with which only the first fetch happens by itself.
fn slow() -> Timing {
    let never = Duration::from_hours(9);
    Timing { every: never, unknown: never, retry: (never, never), ..Timing::default() }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), waiting).await.expect(what);
}

#[tokio::test]
async fn keys_are_fetched_at_once_and_anew_when_one_is_unknown_but_not_again_and_again() {
    let server = Server::new(set(&["a"])).await;
    let jwks = server.jwks(slow());
    assert!(jwks.is_in_doubt() && names(&jwks).is_empty(), "nothing waits for it");
    jwks.refresh().await;
    assert_eq!((names(&jwks), server.asked(), jwks.is_in_doubt()), (vec!["a".to_owned()], 1, false));
    server.answers(set(&["a", "b"]));
    let many = join_all((0..50).map(|_| jwks.refresh())).await;
    assert_eq!((many.len(), names(&jwks), server.asked()), (50, vec!["a".to_owned(), "b".to_owned()], 2));
    for _ in 0..20 {
        jwks.refresh().await;
    }
    assert_eq!(server.asked(), 2, "one was just fetched for an unknown key");
    let report = &jwks.report()[0];
    assert_eq!((report.keys, report.skipped, report.error.as_deref()), (2, 0, None));
    assert!(report.fetched.is_some() && !report.url.contains("pw") && !report.url.contains("s3cret"));
}

#[tokio::test]
async fn a_key_that_is_asked_for_too_soon_is_fetched_later() {
    let server = Server::new(set(&["a"])).await;
    let jwks = server.jwks(Timing { unknown: Duration::from_millis(200), ..slow() });
    jwks.refresh().await;
    jwks.refresh().await;
    server.answers(set(&["b"]));
    jwks.refresh().await;
    until("the new key, and the old one gone", || names(&jwks) == ["b"]).await;
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn keys_stay_while_their_issuer_is_away_and_its_failure_is_told() {
    let server = Server::new(set(&["a"])).await;
    let quick = Timing { retry: (Duration::from_millis(5), Duration::from_millis(20)), ..slow() };
    let jwks = server.jwks(Timing { fetch: Duration::from_millis(300), ..quick });
    jwks.refresh().await;
    let big = format!(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{{\"keys\":[],\"x\":\"{}\"}}",
        "x".repeat(10 << 20)
    );
    for (answer, error) in [
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "a redirect",
        ),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned(), "it answered 500"),
        (ok("<!doctype html><title>Sign in</title>"), "it is HTML"),
        (ok("{}"), "without a list of keys"),
        (ok("not json"), "it is no JSON"),
        (big, "bytes"),
        (String::new(), "no answer from"),
    ] {
        server.answers(answer);
        jwks.replace(std::slice::from_ref(&server.url));
        until(error, || jwks.report()[0].error.as_deref().is_some_and(|text| text.contains(error))).await;
        assert_eq!((names(&jwks), jwks.is_in_doubt()), (vec!["a".to_owned()], true), "{error}");
    }
    server.answers(set(&["b"]));
    until("it to be back", || names(&jwks) == ["b"]).await;
    assert!(!jwks.is_in_doubt());
}

#[tokio::test]
async fn a_request_waits_for_a_silent_issuer_for_a_moment_only() {
    let server = Server::new(String::new()).await;
    let jwks = server.jwks(Timing { patience: Duration::from_millis(50), ..slow() });
    let begin = Instant::now();
    jwks.refresh().await;
    assert!(begin.elapsed() < Duration::from_secs(5) && jwks.is_in_doubt());
}

#[tokio::test]
async fn a_reload_keeps_what_was_fetched_from_a_url_that_stays_and_forgets_the_others() {
    let (one, two) = (Server::new(set(&["a"])).await, Server::new(set(&["b"])).await);
    let jwks = Jwks::new(&[one.url.clone(), two.url.clone(), one.url.clone()], slow());
    until("both", || names(&jwks).len() == 2).await;
    one.answers(String::new());
    jwks.replace(std::slice::from_ref(&one.url));
    assert_eq!(names(&jwks), ["a"]);
    until("it to be asked anew", || one.asked() == 2).await;
}

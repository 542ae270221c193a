//! The page at `/`: its head, and what it does under Node and in a browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{PATIENCE, Process, RawTcp, Relay, command, node_modules, program};

/// Time for all that is done in the browser, on a machine that is busy.
const BROWSING: Duration = Duration::from_mins(8);

/// Names under which systems have Chromium.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs Node's tests in files, and panics with what they print where one fails.
fn run_node_tests(files: &[PathBuf], env: &[(&str, &Path)]) {
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter", "tap"]).args(files).envs(env.iter().copied());
    let output = Process::spawn(&mut node).finish(BROWSING);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("# fail 0") && !output.stdout.contains("# pass 0"), "{}", output.stdout);
}

#[test]
fn the_page_is_one_small_document_with_a_strict_policy() {
    let relay = Relay::start(&[]);
    let answer = relay.exchange("GET", "/", &[], b"");
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let policy = answer.header("content-security-policy").unwrap();
    let mut rules: Vec<&str> = policy.split("; ").collect();
    let hashed =
        |rule: &&str| rule.starts_with("script-src 'sha256-") || rule.starts_with("style-src 'sha256-");
    assert_eq!(rules.iter().filter(|rule| hashed(rule)).count(), 2, "{policy}");
    rules.retain(|rule| !hashed(rule));
    let wanted = [
        "default-src 'none'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ];
    assert_eq!(rules, wanted);
    assert!(answer.body.len() < 60_000, "{} bytes", answer.body.len());
    assert!(!answer.body.contains(" src="), "all of it is in the document");
    let links = answer.body.split(" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    assert!(links.into_iter().all(|link| link == "#" || link.starts_with("data:image/svg+xml,")));
}

#[test]
fn a_client_that_has_the_page_is_told_so() {
    let relay = Relay::start(&[]);
    let whole = relay.exchange("GET", "/", &[], b"");
    let tag = whole.header("etag").unwrap();
    let head = relay.exchange("HEAD", "/", &[], b"");
    assert_eq!((head.status, head.body.as_str(), head.header("etag")), (200, "", Some(tag)));
    assert_eq!(head.header("content-length"), Some(&*whole.body.len().to_string()));
    for (known, status) in
        [(tag, 304), (&*format!("\"x\", W/{tag}"), 304), ("*", 304), ("\"x\"", 200), ("", 200)]
    {
        let answer = relay.exchange("GET", "/", &[("If-None-Match", known)], b"");
        assert_eq!((answer.status, answer.body.is_empty()), (status, status == 304), "{known}");
        assert_eq!(answer.header("etag"), Some(tag));
    }
    assert_eq!(relay.exchange("POST", "/", &[], b"").refusal(), (405, "method_not_allowed".to_owned()));
    assert_eq!(relay.exchange("GET", "/?token=x", &[], b"").status, 200);
}

#[test]
fn the_page_can_be_left_out() {
    let missing = (404, "not_found".to_owned());
    let relay = Relay::start(&["--no-page"]);
    assert_eq!(relay.exchange("GET", "/", &[], b"").refusal(), missing);
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.env("JOBWIRE_NO_PAGE", "true");
    assert_eq!(Relay::spawned(serve).exchange("GET", "/", &[], b"").refusal(), missing);
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("jobwire.toml");
    fs::write(&file, "[serve]\nno-page = true\n").unwrap();
    let relay = Relay::start(&["--config", file.to_str().unwrap()]);
    assert_eq!(relay.exchange("GET", "/", &[], b"").refusal(), missing);
}

/// Status of an upgrade on a path, with a `Host` and an `Origin`.
fn upgrade(relay: &Relay, path: &str, host: &str, origin: &str) -> u16 {
    let mut tcp = RawTcp::connect(relay.address());
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    tcp.send(head).unwrap();
    let answer = tcp.read_until(PATIENCE, |bytes| bytes.windows(4).any(|end| end == b"\r\n\r\n"));
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

#[test]
fn the_page_may_watch_from_wherever_it_was_loaded() {
    let relay = Relay::listening_on("0.0.0.0:0", &[]);
    let bare = Relay::start(&["--no-page"]);
    let local = Relay::start(&[]);
    for (host, origin, status) in [
        ("relay.example.com", "https://relay.example.com", 101),
        ("10.0.0.5:8000", "http://10.0.0.5:8000", 101),
        ("relay.example.com", "https://RELAY.example.com", 101),
        ("relay.example.com", "https://evil.example", 403),
        ("relay.example.com", "https://relay.example.com:444", 403),
        ("relay.example.com", "https://relay.example.com.evil.example", 403),
        ("null", "null", 403),
    ] {
        assert_eq!(upgrade(&relay, "/watch", host, origin), status, "{host} {origin}");
        assert_eq!(upgrade(&bare, "/watch", host, origin), 403, "without the page: {host} {origin}");
        // A name that somebody has pointed at this machine.
        assert_eq!(upgrade(&local, "/watch", host, origin), 403, "on a loopback listener: {host} {origin}");
    }
    let own = ("relay.example.com", "https://relay.example.com");
    assert_eq!(upgrade(&relay, "/ws/scraping/1", own.0, own.1), 403, "the page uses /watch alone");
}

#[test]
fn the_modules_of_the_page_pass_their_tests() {
    let folder = project("src/relay/page");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let tests: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(".test.js")).collect();
    assert!(tests.len() >= 2);
    run_node_tests(&tests, &[]);
}

#[test]
fn the_page_works_in_a_browser() {
    let found = std::env::var_os("PATH").and_then(|path| {
        let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        BROWSERS.iter().find_map(|name| folders.iter().map(|dir| dir.join(name)).find(|file| file.is_file()))
    });
    let chromium = found.expect("this test needs Chromium (Debian: apt-get install chromium)");
    let env = [("NODE_MODULES", node_modules()), ("CHROMIUM", &chromium), ("JOBWIRE", program())];
    run_node_tests(&[project("tests/browser/page.test.mjs")], &env);
}

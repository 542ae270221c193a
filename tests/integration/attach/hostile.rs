//! Servers, publishers and arguments that try to command the terminal of whoever reads.

use super::publish;
use crate::support::server::{Server, Socket, answer, http};
use crate::support::{Output, PATIENCE, Process, Pty, RedisServer, Relay, command, jobwire, until};

/// A cleared screen, a title, a clipboard, a C1 sequence, a bell, a NUL, a turned direction, an invisible letter; and
/// words between them, which are to be seen.
const HOSTILE: &str = "one\u{1b}[2J two\u{1b}]0;owned\u{7} three\u{1b}]52;c;b3duZWQ=\u{1b}\\ \u{9b}5mfour\u{0}\u{8} \
                       \u{202e}five\u{2066}\u{200b}";

/// The words of [`HOSTILE`].
const SEEN: &str = "one two three four five";

/// Content of a JSON string in which each character is written as a `\u` escape.
fn escaped(text: &str) -> String {
    text.encode_utf16().fold(String::new(), |escaped, unit| escaped + &format!("\\u{unit:04x}"))
}

/// Whether a text holds nothing that a terminal would obey or hide. With `painted`, colours are allowed.
fn is_safe(text: &str, painted: bool) -> bool {
    let text = text.replace(['\n', '\r'], "");
    let text = if painted {
        let mut parts = text.split("\u{1b}[");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |plain, part| {
            match part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';') {
                rest if rest.starts_with('m') => plain + &rest[1..],
                _ => plain + "\u{1b}" + part,
            }
        })
    } else {
        text
    };
    !text.contains(|c: char| c.is_control() || "\u{202e}\u{2066}\u{200b}".contains(c))
}

#[track_caller]
fn assert_safe(output: &Output, painted: bool, seen: &str) {
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(is_safe(&said, painted), "{said:?}");
    assert!(said.contains(seen), "{said:?}");
}

/// A server whose close frame has a hostile reason.
fn closing() -> Server {
    Server::start(|stream, _| Socket::accept(stream).close(4003, HOSTILE))
}

#[test]
fn the_reason_of_a_close_commands_nothing() {
    let server = closing();
    let url = server.ws("/ws/scraping/1");
    for how in ["plain", "json", "quiet"] {
        let output = jobwire(&["attach", &url, "--progress", how]);
        assert_eq!(output.code, 4, "{}", output.stderr);
        assert!(is_safe(&output.stdout, false), "{:?}", output.stdout);
        assert!(is_safe(&output.stderr, false), "{:?}", output.stderr);
        assert!(output.stderr.contains(SEEN), "{:?}", output.stderr);
    }
    let mut terminal = Pty::jobwire(24, 80, &["attach", &url], &[]);
    assert_eq!(terminal.finish(PATIENCE), 4);
    let raw = terminal.raw();
    assert!(!raw.contains("owned") && !raw.contains(['\u{7}', '\u{9b}', '\u{0}', '\u{202e}']), "{raw:?}");
    assert!(!raw.contains("\u{1b}[2J") && !raw.contains("\u{1b}]"), "{raw:?}");
    let rows = terminal.rows();
    assert!(rows.concat().contains(SEEN), "{rows:#?}");
}

#[test]
fn the_message_of_an_http_answer_commands_nothing() {
    let body = format!(r#"{{"error":"forbidden","message":"{}"}}"#, escaped(HOSTILE));
    let server = Server::start(move |stream, _| answer(stream, &http("403 Forbidden", &body)));
    let output = jobwire(&["attach", &server.ws("/ws/scraping/1"), "--color", "always"]);
    assert_safe(&output, true, SEEN);
    let output =
        jobwire(&["bench", "load", &server.ws("/ws/scraping/1"), "--duration", "1s", "--connections", "1"]);
    assert!(is_safe(&output.stdout, false) && is_safe(&output.stderr, false), "{output:?}");
}

#[test]
fn what_is_published_commands_nothing() {
    let relay = Relay::start(&[]);
    let field = |name: &str| format!(r#"{name}:="{}""#, escaped(HOSTILE));
    publish(&relay, "scraping/1", "scraper_failed", &[&field("scraper_name"), &field("error")]);
    publish(&relay, "scraping/1", "job_failed", &[&field("message")]);
    for how in ["plain", "json"] {
        let output = relay.jobwire(&["attach", "scraping/1", "--progress", how, "--color", "always"]);
        assert_eq!(output.code, 1);
        let said = if how == "plain" { SEEN } else { "\\u009b5mfour" };
        assert!(is_safe(&output.stdout, true) && output.stdout.contains(said), "{:?}", output.stdout);
    }
}

#[test]
fn json_escapes_what_came_unescaped_and_means_the_same() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url()]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    let text = "a\u{9b}2J\u{7f}\u{202e}\u{2066}ä";
    let payload = format!(r#"{{"job_id":1,"event_type":"job_failed","message":"{text}"}}"#);
    let watching = super::attach(&relay, &["scraping/1", "--progress", "json"]);
    redis.publish("scraping_events", &payload);
    let output = watching.finish(PATIENCE);
    assert!(output.stdout.contains(r"a\u009b2J\u007f\u202e\u2066ä"), "{}", output.stdout);
    let lines = super::json(&output.stdout);
    assert!(lines.iter().any(|line| line["event"]["message"] == text), "{lines:#?}");
}

#[test]
fn an_argument_that_is_repeated_commands_nothing() {
    let target = format!("scraping/{}", HOSTILE.replace('\0', ""));
    let value = HOSTILE.replace('\0', "");
    for args in [
        &["attach", &target][..],
        &["attach", "scraping/1", "--progress", &value],
        &["attach", "scraping/1", "--events", &value],
        &["attach", "tasks/1", "--token-file", &value],
        &["attach", &value, "--server", "ws://127.0.0.1:1"],
        &["publish", "scraping/1", &value],
        &["publish", "scraping/1", "job_progress", &value],
        &["serve", "--config", &value],
        &["serve", "--listen", &value],
        &["bench", &value],
        &[&value],
    ] {
        for color in ["never", "always"] {
            let output = jobwire(&[&["--color", color], args].concat());
            assert_eq!(output.code, 2, "{args:?}: {}", output.stderr);
            assert!(is_safe(&output.stderr, color == "always"), "{args:?}: {:?}", output.stderr);
        }
        let mut terminal = Pty::jobwire(24, 80, args, &[]);
        assert_eq!(terminal.finish(PATIENCE), 2);
        assert!(is_safe(&terminal.raw(), true), "{args:?}: {:?}", terminal.raw());
    }
}

#[test]
fn the_log_of_a_relay_commands_nothing() {
    let redis = RedisServer::start();
    let relay = Relay::start(&["--redis", &redis.url(), "--log-level", "debug", "--color", "always"]);
    until(PATIENCE, "the relay to subscribe", || relay.get("/ready").0 == 200);
    // The log shows the bytes around the fault of each publication.
    let (front, back) = HOSTILE.split_once(" three").unwrap();
    redis.publish("scraping_events", format!("no JSON {front}"));
    until(PATIENCE, "the first", || relay.stderr().contains("two"));
    let channel = format!("download_updates:{}", HOSTILE.replace('\0', ""));
    until(PATIENCE, "the second, since it logs one a second", || {
        redis.publish(&channel, format!("no JSON {back}"));
        relay.stderr().contains("four")
    });
    redis.publish("scraping_events", format!(r#"{{"job_id":1,"event_type":"{}"}}"#, escaped(HOSTILE)));
    until(PATIENCE, "the kind", || relay.stderr().contains("knows no such kind"));
    let log = relay.stderr();
    assert!(is_safe(&log, true), "{log:?}");
}

#[test]
fn a_file_that_is_repeated_commands_nothing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    std::fs::write(path, format!("[serve]\n{:?} = 1\n", HOSTILE.replace('\0', ""))).unwrap();
    let output =
        Process::spawn(&mut command(&["serve", "--config", path, "--color", "always"])).finish(PATIENCE);
    assert_eq!(output.code, 2);
    assert!(is_safe(&output.stderr, true), "{:?}", output.stderr);
    std::fs::write(path, format!("name = \"x\"\n# {HOSTILE}\n{HOSTILE}")).unwrap();
    let output = jobwire(&["attach", "x/1", "--dialect-file", path, "--color", "always"]);
    assert_eq!(output.code, 2);
    assert!(is_safe(&output.stderr, true), "{:?}", output.stderr);
}

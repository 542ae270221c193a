//! Upgrades that are refused: before the run, and in it.

use std::time::Duration;

use rustix::process::Signal;

use super::bench;
use super::doorman::{Doorman, Fate};
use super::faulty::Faulty;
use super::support::{PATIENCE, Process, Relay, command, jobwire, until};

/// One of five goes through.
fn refuses_most(relay: &Relay) -> Doorman {
    Doorman::before(relay.address(), |nth| if nth % 5 == 0 { Fate::Pass } else { Fate::Reset })
}

fn answer(status: &str, header: &str) -> Fate {
    Fate::Answer(format!("HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n"))
}

fn idle<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["idle", "-c", "50", "-d", "200ms", "--warm-up", "0s", "--allow-client-bound", "--server", url], more]
        .concat()
}

#[test]
fn a_run_through_a_proxy_that_refuses_four_of_five_says_so_first_and_ends_with_3() {
    let relay = Relay::start(&[]);
    let door = refuses_most(&relay);
    let folder = tempfile::tempdir().unwrap();
    let [markdown, html] = ["r.md", "r.html"].map(|name| folder.path().join(name));
    let files = ["--markdown", markdown.to_str().unwrap(), "--html", html.to_str().unwrap()];
    // The probe is the upgrade 0, and goes through; of the next 50, ten do.
    let said = "80% of the connections failed: 40 of 50";
    let output = jobwire(&[&["bench"], &idle(&door.url(), &files)[..]].concat());
    assert_eq!(output.code, 3, "{}{}", output.stdout, output.stderr);
    assert_eq!(output.stdout.lines().next(), Some(format!("NOT A CLEAN RUN: {said}").as_str()));
    assert!(output.stdout.contains("Verdict: NOT CLEAN"), "{}", output.stdout);
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert_eq!(markdown.lines().next(), Some(format!("### Not a clean run: {said}").as_str()));
    let html = std::fs::read_to_string(html).unwrap();
    assert!(html.contains(&format!("<b>Not a clean run:</b> {said}")), "{html}");
    assert!(!html.contains("nothing demanded"), "{html}");

    let door = refuses_most(&relay);
    let (output, summary) = bench(&idle(&door.url(), &[]));
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert_eq!(summary["headline"], format!("NOT CLEAN: {said}"));
    let connections = &summary["connections"];
    assert_eq!((&connections["opened"], &connections["failed"]), (&10.into(), &40.into()), "{connections}");
}

#[test]
fn an_assertion_about_failed_connections_decides_in_place_of_that() {
    let relay = Relay::start(&[]);
    for (assertion, code, headline) in [
        ("connect.failed<90%", 0, "passed"),
        ("connect.failed<=40", 0, "passed"),
        ("connect.failed<10%", 99, "FAILED: connect.failed<10% was 80%"),
    ] {
        let door = refuses_most(&relay);
        let (output, summary) = bench(&idle(&door.url(), &["--assert", assertion]));
        assert_eq!(output.code, code, "{assertion}: {}", output.stderr);
        assert_eq!(summary["headline"], headline);
        assert!(summary["verdict"]["unclean"].is_null(), "{summary}");
    }
    // One that speaks about something else does not.
    let door = refuses_most(&relay);
    let (output, summary) = bench(&idle(&door.url(), &["--assert", "closed_early==0"]));
    assert_eq!((output.code, &summary["verdict"]["passed"]), (3, &true.into()), "{}", output.stderr);
}

#[test]
fn each_status_before_the_run_has_the_words_that_attach_has() {
    for (status, code, said) in [
        ("400 Bad Request", 3, "it takes the request for a bad one\nhint: does a proxy in between"),
        ("401 Unauthorized", 4, "it wants to know who is there\nhint: give a token"),
        ("403 Forbidden", 4, "it lets nobody in there\nhint: give a token"),
        ("404 Not Found", 3, "it has no such route\nhint: is it a relay"),
        ("407 Proxy Authentication Required", 3, "a proxy on the way wants to know who is there\nhint: "),
        ("426 Upgrade Required", 3, "it opens no WebSocket there\nhint: "),
        ("429 Too Many Requests", 3, "it has too many requests\n"),
        ("502 Bad Gateway", 3, "it is a proxy, and the server behind it does not answer\nhint: "),
        ("503 Service Unavailable", 3, "it cannot serve at the moment\n"),
        ("504 Gateway Timeout", 3, "it is a proxy, and the server behind it took too long\nhint: "),
        ("200 OK", 3, "it is plain HTTP, no WebSocket\nhint: "),
        ("599 Nonsense", 3, "it failed\n"),
    ] {
        let door = Doorman::before("127.0.0.1:1", move |_| answer(status, ""));
        let output = jobwire(&["bench", "idle", "-c", "1", "--server", &door.url()]);
        assert_eq!(output.code, code, "{status}: {}", output.stderr);
        let said = format!("answered {}; {said}", &status[..3]);
        assert!(output.stderr.contains(&said), "{said:?} is not in {}", output.stderr);
    }
}

#[test]
fn a_redirect_before_the_run_names_the_place_and_no_secret() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let door = Doorman::before("127.0.0.1:1", move |_| {
            answer(status, "Location: https://me:hunter2@relay.example/r/ws/scraping/1?token=hunter2\r\n")
        });
        let output = jobwire(&["bench", "idle", "scraping/1", "-c", "1", "--server", &door.url()]);
        assert_eq!(output.code, 3, "{}", output.stderr);
        for part in [
            &format!("answered {}; it redirects to https://relay.example/r/ws/scraping/1\n", &status[..3]),
            "hint: redirects are not followed; connect to wss://relay.example/r/ws/scraping/1, or name --server wss://relay.example/r\n",
        ] {
            assert!(output.stderr.contains(part), "{part:?} is not in {}", output.stderr);
        }
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }
}

#[test]
fn answers_in_the_run_are_counted_under_the_same_words() {
    let relay = Relay::start(&[]);
    let door = Doorman::before(relay.address(), |nth| match nth {
        1..=10 => answer("502 Bad Gateway", ""),
        11..=15 => answer("302 Found", "Location: https://relay.example/login\r\n"),
        _ => Fate::Pass,
    });
    let (output, summary) = bench(&idle(&door.url(), &["--assert", "connect.failed<=15"]));
    assert_eq!(output.code, 0, "{}", output.stderr);
    let failures = summary["connections"]["failures"].as_array().unwrap();
    let found: Vec<_> = failures
        .iter()
        .map(|one| (one["status"].as_u64(), one["reason"].as_str(), one["count"].as_u64()))
        .collect();
    assert_eq!(
        found,
        [
            (Some(502), Some("it is a proxy, and the server behind it does not answer"), Some(10)),
            (Some(302), Some("it redirects to https://relay.example/login"), Some(5)),
        ]
    );
}

/// A run whose probe is asked to wait.
fn told_to_wait(status: &'static str, seconds: &'static str) -> (Relay, Doorman) {
    let relay = Relay::start(&[]);
    let door = Doorman::before(relay.address(), move |nth| match nth {
        0 => answer(status, &format!("Retry-After: {seconds}\r\n")),
        _ => Fate::Pass,
    });
    (relay, door)
}

#[test]
fn a_server_that_asks_for_time_is_left_alone_for_as_long_before_the_run() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (_relay, door) = told_to_wait(status, "2");
        let (output, summary) = bench(&idle(&door.url(), &[]));
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stderr.contains("and asks to wait 2 s"), "{}", output.stderr);
        assert_eq!(summary["connections"]["failed"], 0);
        let asked = door.asked();
        assert!(asked[1] - asked[0] >= Duration::from_secs(2), "{asked:?}");
    }
}

#[test]
fn whoever_interrupts_that_wait_is_not_kept_waiting() {
    let (_relay, door) = told_to_wait("503 Service Unavailable", "300");
    let process = Process::spawn(&mut command(&[&["bench"], &idle(&door.url(), &[])[..]].concat()));
    until(PATIENCE, "the probe to be told", || process.stderr().contains("asks to wait 300 s"));
    process.signal(Signal::INT);
    let output = process.finish(PATIENCE);
    assert_eq!(output.code, 130, "{}", output.stderr);
    assert_eq!(door.asked().len(), 1);
}

#[test]
fn a_server_that_chooses_what_nobody_offered_is_no_websocket() {
    for (header, said) in [
        ("Sec-WebSocket-Protocol: chat", "it chose the subprotocol 'chat', which was not offered"),
        ("Sec-WebSocket-Extensions: x", "it chose the extension 'x', which was not offered"),
    ] {
        let server = Faulty::choosing(header);
        let url = server.url();
        let output = jobwire(&["bench", "idle", "-c", "1", "--server", &url]);
        assert_eq!(output.code, 3, "{}", output.stderr);
        assert!(output.stderr.contains(said), "{}", output.stderr);
        let output = jobwire(&["attach", "scraping/1", "--server", &url, "--retries", "0"]);
        assert_eq!(output.code, 3, "{}", output.stderr);
        assert!(output.stderr.contains("that was not offered"), "{}", output.stderr);
    }
    // Offered, it may be chosen or not.
    for header in ["Sec-WebSocket-Protocol: chat", "X-None: 1"] {
        let server = Faulty::choosing(header);
        let url = server.url();
        let offer = ["--header", "Sec-WebSocket-Protocol: superchat, chat"];
        let output = jobwire(&[&["bench"], &idle(&url, &offer)[..]].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
}

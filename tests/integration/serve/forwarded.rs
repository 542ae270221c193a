//! Whose address the relay takes a client for.

use crate::support::{PATIENCE, Relay, WebSocket, command, jobwire, until};

const DEBUG: [&str; 2] = ["--log-level", "debug"];

fn started(args: &[&str]) -> Relay {
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0"]);
    serve.args(DEBUG).args(args).env("NO_COLOR", "1");
    Relay::spawned(serve)
}

/// Opens a socket that says whom it speaks for.
fn connect_for(relay: &Relay, forwarded: &str) -> WebSocket {
    let url = relay.ws("/ws/scraping/7?token=sesame");
    WebSocket::try_connect(&url, &[("X-Forwarded-For", forwarded)]).unwrap()
}

fn until_logged(relay: &Relay, parts: &[&str]) {
    until(PATIENCE, &format!("a log line with {parts:?}"), || {
        relay.stderr().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    });
}

#[test]
fn a_trusted_proxy_s_word_is_what_logs_and_counts() {
    let relay = started(&["--trust-proxy", "10.0.0.0/8,127.0.0.1"]);
    let one = connect_for(&relay, "made up, 203.0.113.9, 10.1.2.3");
    let _other = connect_for(&relay, "203.0.113.9");
    let _third = connect_for(&relay, "2001:db8::1");
    relay.until_connections(3);
    until_logged(&relay, &["a socket opened", "client=203.0.113.9", "dialect=scraping"]);
    let stats = relay.stats();
    assert_eq!((&stats["client_addresses"], &stats["most_sockets_per_address"]), (&2.into(), &2.into()));
    one.close();
    until_logged(&relay, &["a socket closed", "client=203.0.113.9"]);
    relay.until_connections(2);
    assert_eq!(relay.stats()["most_sockets_per_address"], 1);
    let headers = [("X-Forwarded-For", "198.51.100.4"), ("Origin", "https://evil.example")];
    assert_eq!(relay.exchange("GET", "/ws/scraping/7?token=sesame", &headers, b"").status, 403);
    until_logged(
        &relay,
        &["refused a request", "client=198.51.100.4", "path=\"/ws/scraping/7\"", "status=403"],
    );
    assert!(!relay.stderr().contains("sesame"), "{}", relay.stderr());
}

#[test]
fn nobody_is_believed_unless_the_relay_was_told_so() {
    for args in [&[][..], &["--trust-proxy", "10.0.0.0/8"]] {
        let relay = started(args);
        let _socket = connect_for(&relay, "203.0.113.9");
        until_logged(&relay, &["a socket opened", "client=127.0.0.1"]);
    }
    let relay = started(&["--trust-proxy", "127.0.0.0/8"]);
    let _garbled = connect_for(&relay, "203.0.113.9, unknown");
    until_logged(&relay, &["a socket opened", "client=127.0.0.1"]);
}

#[test]
fn what_is_no_network_is_refused_with_the_reason() {
    for (network, reason) in
        [("nginx", "as in 10.0.0.0/8"), ("10.0.0.0/33", "at most 32"), ("10.0.0.1/8", "is 10.0.0.0/8")]
    {
        let output = jobwire(&["serve", "--trust-proxy", network]);
        assert_eq!(output.code, 2, "{}", output.stderr);
        assert!(
            output.stderr.contains("--trust-proxy") && output.stderr.contains(reason),
            "{}",
            output.stderr
        );
    }
}

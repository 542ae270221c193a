//! What HTTP answers besides: errors, CORS, health.

use crate::support::Relay;

#[test]
fn errors_are_json() {
    let relay = Relay::start(&[]);
    let refusal = |method, path| relay.exchange(method, path, &[], b"").refusal();
    for path in ["/nothing", "/ws/", "/ws/scraping/", "/publish/", "/api/status/", "/task/"] {
        assert_eq!(refusal("GET", path), (404, "not_found".to_owned()), "{path}");
    }
    let not_allowed = (405, "method_not_allowed".to_owned());
    for path in ["/health", "/ready", "/ws/stats", "/ws/scraping/1", "/api/status/a"] {
        assert_eq!(refusal("POST", path), not_allowed, "{path}");
    }
    let answer = relay.exchange("GET", "/publish/scraping_events", &[], b"");
    assert_eq!(answer.refusal(), not_allowed);
    assert_eq!(answer.header("allow"), Some("POST"));
    assert_eq!(refusal("DELETE", "/ws/scraping/1/status"), not_allowed);
}

#[test]
fn pages_of_allowed_origins_may_read_answers_and_others_may_not() {
    let relay = Relay::start(&["--allowed-origins", "https://app.example.com"]);
    for path in ["/health", "/ready", "/ws/stats", "/api/status/unknown", "/nothing"] {
        let with = |origin| relay.exchange("GET", path, &[("Origin", origin)], b"");
        let allowed = with("https://app.example.com");
        assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example.com"), "{path}");
        assert!(allowed.header("vary").is_some_and(|vary| vary.contains("origin")), "{allowed:?}");
        assert_eq!(with("https://evil.example").header("access-control-allow-origin"), None, "{path}");
        assert_eq!(with("http://localhost:3000").header("access-control-allow-origin"), None, "{path}");
    }
}

#[test]
fn a_preflight_is_answered_for_allowed_origins() {
    let relay = Relay::start(&[]);
    let ask = |origin| {
        let headers = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,content-type"),
        ];
        relay.exchange("OPTIONS", "/publish/scraping_events", &headers, b"")
    };
    let answer = ask("http://localhost:5173");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,POST"));
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization,content-type,last-event-id")
    );
    assert_eq!(ask("https://evil.example").header("access-control-allow-origin"), None);
}

#[test]
fn an_embedded_relay_is_ready_and_healthy() {
    let relay = Relay::start(&[]);
    assert_eq!(relay.exchange("GET", "/ready", &[], b"").status, 200);
    let health = relay.exchange("GET", "/health", &[], b"").json();
    assert_eq!((&health["status"], &health["broker"]), (&"ok".into(), &"embedded".into()));
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
}

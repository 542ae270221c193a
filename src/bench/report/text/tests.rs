use super::*;
use crate::bench::summary::{
    Assertion, Ceiling, CeilingOf, Cohort, Find, Mode, Probe, Reconnect, RoundTrip, Server, Worker,
};
use crate::bench::timing::Timing;

fn of(summary: &Summary) -> String {
    text(summary, 100, false)
}

#[test]
fn a_fan_out_run_is_read_at_a_glance() {
    let report = of(&Summary::example());
    for line in [
        "jobwire bench fanout · scraping/1..50 · 127.0.0.1:8000",
        "  2026-01-02T03:04:05Z · took 12.5 s · connections 5000 · duration 10s · rate 500",
        "  opened 4,990 of 5,000 · at 9,000/s · failed 10 (0.2 %) · peak 4,990 · open at the end 4,988",
        "  10 × failed at upgrade, HTTP 503: too many connections",
        "   2 × ended early, close code 1013: slow consumer",
        "           connections  expected  received  lost  conflated  duplicated  reordered  misrouted",
        "  slow             250     2,103       900     3      1,200           0          0          0",
        "  3 of 52,103 deliveries lost (<0.01 %)",
        "                              count     min     50 %    90 %     99 %   99.9 %  99.99 %     max",
        "  delivery latency, healthy  50,000  300 µs   2.8 ms  4.8 ms  5.25 ms  5.29 ms   5.3 ms  5.3 ms",
        "    upgrade                     300  300 µs   449 µs  569 µs   596 µs   599 µs   599 µs  599 µs",
        "Delivery latency, healthy",
        "  it was not the bottleneck",
        "Verdict: FAILED",
        "  ✓ delivery.p99<50ms, was 5.25ms",
        "  ✗ lost==0, was 3",
    ] {
        let found = report.lines().any(|found| found == line || found.trim_start() == line.trim_start());
        assert!(found, "{line}\nis not in\n{report}");
    }
    assert!(!report.contains("TLS"), "nothing was timed there");
    assert!(report.lines().all(|line| columns(line) <= 100), "{report}");
    assert!(!report.contains('\u{1b}') && text(&Summary::example(), 100, true).contains('\u{1b}'));
}

#[test]
fn every_latency_has_a_name_of_its_own() {
    let report = of(&Summary::example()).to_lowercase();
    for (at, _) in report.match_indices("latency") {
        assert!(report[..at].ends_with("delivery "), "{}", &report[at.saturating_sub(30)..]);
    }
}

#[test]
fn a_narrow_terminal_is_given_fewer_columns() {
    let report = text(&Summary::example(), 80, false);
    let head = report.lines().find(|line| line.contains("99.99 %")).unwrap();
    assert!(head.contains("50 %") && head.contains("99 %") && head.contains("max"), "{head}");
    assert!(report.lines().all(|line| columns(line) <= 80), "{report}");
}

#[test]
fn a_run_in_which_nothing_happened_has_a_report_too() {
    for mode in [Mode::Fanout, Mode::Connect, Mode::Idle, Mode::Echo, Mode::Storm] {
        let report = of(&Summary::empty(mode));
        assert!(report.contains("opened 0 of 0 · failed 0") && report.contains("Verdict: none"), "{report}");
        assert!(
            !report.contains("Times") && !report.contains("Deliveries") && !report.contains("NaN"),
            "{report}"
        );
    }
    let mut silent = Summary::empty(Mode::Fanout);
    silent.cohorts = vec![Cohort { name: "healthy".into(), expected: 10, lost: 10, ..Cohort::default() }];
    assert!(of(&silent).contains("10 of 10 deliveries lost (100 %)"));
}

#[test]
fn what_is_missing_is_said_first_and_again_in_the_verdict() {
    let mut summary = Summary::example();
    summary.partial = Some("worker build-3/4711 was lost".into());
    summary.verdict.assertions.truncate(1);
    summary.verdict.passed = true;
    let worker =
        |name: &str, lost| Worker { name: name.into(), connections: 2500, lost, ..Worker::default() };
    summary.workers = vec![
        Worker {
            clock_offset_micros: -120,
            clock_error_micros: 80,
            cpu_share: 0.25,
            rss_bytes: 9 << 20,
            ..worker("build-2/99", false)
        },
        worker("build-3/4711", true),
    ];
    let report = of(&summary);
    assert!(report.contains("PARTIAL RESULT: worker build-3/4711 was lost"), "{report}");
    assert!(
        report.contains("build-2/99          2,500  25 %   9 MiB       −120 µs    ±80 µs  reported"),
        "{report}"
    );
    assert!(report.contains("LOST") && report.contains("Verdict: passed, as far as it got"), "{report}");
}

#[test]
fn a_client_that_was_the_bottleneck_says_so() {
    let mut summary = Summary::example();
    summary.client.bound = vec!["its busiest thread used 97 % of a core".into()];
    summary.verdict.client_bound = true;
    let report = of(&summary);
    assert!(report.contains("may be the bottleneck: its busiest thread used 97 % of a core"), "{report}");
    assert!(report.contains("Verdict: INVALID, client-bound"), "{report}");
    summary.verdict.client_bound_allowed = true;
    assert!(of(&summary).contains("Verdict: FAILED"));
}

#[test]
fn the_other_modes_have_their_parts() {
    let mut summary = Summary::empty(Mode::Storm);
    summary.connections.peak = 1000;
    let time = Timing::of_micros([1000, 2000, 900_000]);
    summary.reconnect = Some(Reconnect {
        cut: 3,
        dropped: 0,
        back: 2,
        failed: 0,
        resumed: 0,
        unaccounted: 70,
        all_back_seconds: None,
        time,
    });
    let time = Timing::of_micros([100, 200]);
    summary.round_trip = Some(RoundTrip { by: "ping".into(), sent: 3, received: 2, lost: 1, time });
    summary.server = Some(Server {
        pids: vec![41, 42],
        rss_per_connection_bytes: 2900.0,
        cpu_share: 1.5,
        cpu_per_delivery_micros: Some(4.2),
        ..Server::default()
    });
    let report = of(&summary);
    for part in [
        "cut 3 · back 2 · 1 not back when the run ended",
        "70 deliveries due meanwhile",
        "by ping · sent 3 · answered 2 · lost 1",
        "process 41, 42",
        "2.83 KiB a connection",
        "4.2 µs a delivery",
        "reconnect time",
        "round trip",
    ] {
        assert!(report.contains(part), "{part} is not in\n{report}");
    }
}

#[test]
fn a_search_shows_each_of_its_probes() {
    let probe = |load, passed, value: &str| Probe {
        load,
        seconds: 5.0,
        passed,
        interrupted: false,
        client_bound: load == 1500,
        assertions: vec![Assertion {
            metric: "delivery.p99".into(),
            value: value.into(),
            ..Assertion::default()
        }],
    };
    let mut summary = Summary::empty(Mode::Fanout);
    summary.find = Some(Find {
        of: "connections".into(),
        within: "delivery.p99<50ms".into(),
        probes: vec![probe(1000, true, "2ms"), probe(2000, false, "81ms"), probe(1500, true, "3ms")],
        found: Some(1000),
        confirmed: true,
        longer: true,
        ..Find::default()
    });
    let report = of(&summary);
    assert!(report.contains("Search for the most connections within delivery.p99<50ms"), "{report}");
    assert!(report.contains("no  delivery.p99 81ms"), "{report}");
    assert!(report.contains("yes, though client-bound"), "{report}");
    assert!(report.contains("found: 1,000 connections, confirmed by a longer run"), "{report}");
    assert!(report.contains("held for"), "{report}");

    let find = summary.find.as_mut().unwrap();
    find.ceiling =
        Some(Ceiling { load: 1000, of: CeilingOf::Ports, hint: Some("use more addresses".into()) });
    summary.mode = Mode::Connect;
    let report = of(&summary);
    assert!(
        report.contains("at least 1,000 connections: this client can hold no more (its ports)"),
        "{report}"
    );
    assert!(report.contains("to go further, use more addresses"), "{report}");
    assert!(report.contains("took") && !report.contains("held for"), "{report}");
}

#[test]
fn an_interrupted_search_has_no_verdict() {
    let mut summary = Summary::empty(Mode::Idle);
    let probe = Probe { load: 100, interrupted: true, ..Probe::default() };
    summary.find =
        Some(Find { of: "connections".into(), probes: vec![probe], interrupted: true, ..Find::default() });
    summary.verdict.passed = false;
    let report = of(&summary);
    assert!(report.contains("interrupted before any load was known to be kept"), "{report}");
    assert!(report.contains("Verdict: none, interrupted") && !report.contains("FAILED"), "{report}");
    assert!(
        report.lines().any(|line| line.trim_start().starts_with("100 ") && line.contains("interrupted")),
        "{report}"
    );
}

#[test]
fn a_server_cannot_command_the_terminal() {
    let mut summary = Summary::example();
    summary.connections.failures[0].reason = "\u{1b}[2J\u{1b}]0;owned\u{7}no\nroom".into();
    let report = of(&summary);
    assert!(report.contains("HTTP 503: no room") && !report.contains('\u{1b}'), "{report}");
}

#[test]
fn bars_are_in_proportion_and_never_vanish() {
    assert_eq!(bar(1, 1000, 10), "▏");
    assert_eq!(bar(500, 1000, 10), "█████");
    assert_eq!(bar(0, 1000, 10), "");
    assert_eq!(bar(u64::MAX, u64::MAX, 10), "██████████");
}

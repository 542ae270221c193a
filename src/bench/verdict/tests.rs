use super::metrics::Measure;
use super::*;
use crate::bench::summary::{Mode, Publish, RoundTrip};

fn check(text: &str) -> Assertion {
    Demand::parse(text).unwrap().check(&Summary::example())
}

#[test]
fn demands_are_held_against_the_result() {
    for holds in [
        "delivery.p99<50ms",
        "delivery.p99 <= 1s",
        "lost==0",
        "send_lag.max<900\u{3bc}s",
        "slow.lost!=0",
        "slow.lost<1%",
        "connect.failed<=0.2%",
        "connect.failed<0.01k",
        "connect.p99.9<1ms",
        "send_lag.max<1ms",
        "client.rss_per_connection<1KB",
        "client.cpu<50%",
        "connections>=4.9k",
    ] {
        let text = holds.replace("0.01k", "0.0101k");
        let checked = check(&text);
        assert!(checked.passed, "{checked:?}");
    }
    for fails in ["delivery.p50<1us", "slow.lost==0", "connect.failed<0.1%", "round_trip.p99<1s"] {
        assert!(!check(fails).passed, "{fails}");
    }
    let checked = check("connect.failed<0.1%");
    assert_eq!((checked.limit.as_str(), checked.value.as_str()), ("0.1%", "0.2%"));
    assert_eq!(check("round_trip.p99<1s").value, "none");
}

#[test]
fn where_nothing_was_expected_nothing_is_kept() {
    let mut summary = Summary::example();
    for cohort in &mut summary.cohorts {
        (cohort.expected, cohort.received, cohort.lost) = (0, 0, 0);
    }
    for demand in ["lost==0", "missing==0", "slow.lost==0"] {
        let checked = Demand::parse(demand).unwrap().check(&summary);
        assert_eq!((checked.passed, checked.value.as_str()), (false, "none"), "{demand}");
    }
}

#[test]
fn a_value_is_told_from_its_limit() {
    for (value, limit, text) in [
        (31.25, 50.0, "31.25"),
        (50.000_4, 50.0, "50.0004"),
        (50.0, 50.0, "50"),
        (0.000_4, 0.1, "0.0004"),
        (0.0, 0.0, "0"),
        (100.0, 50.0, "100"),
    ] {
        assert_eq!(apart(value, limit), text);
    }
    let mut summary = Summary::example();
    summary.cohorts[0].expected = 1_000_000;
    summary.cohorts[0].lost = 3;
    let checked = Demand::parse("lost<0.0001%").unwrap().check(&summary);
    assert_eq!((checked.value.as_str(), checked.limit.as_str()), ("0.0003%", "0.0001%"));
}

#[test]
fn what_is_not_understood_names_the_nearest() {
    let error = |text: &str| Demand::parse(text).unwrap_err();
    assert!(error("delivery.p98<1ms").contains("delivery.p9"), "{}", error("delivery.p98<1ms"));
    assert!(error("losst==0").contains("'lost'") || error("losst==0").contains("lost"));
    for unknown in ["losst==0", "p99<1ms", "nonsense==0"] {
        assert!(error(unknown).contains("jobwire-bench(1)"), "{}", error(unknown));
    }
    assert!(error("delivery.p99<50").contains("needs a unit"));
    assert!(error("lost<5ms").contains("not measured in 'ms'"));
    assert!(error("lost").contains("METRIC OP VALUE"));
    assert!(error("lost==x").contains("no number"));
}

#[test]
fn a_limit_that_nothing_could_break_is_refused() {
    let error = |text: &str| Demand::parse(text).unwrap_err();
    for (slip, unit) in
        [("server.cpu<50", "%"), ("client.cpu<0.8", "%"), ("connect.p99<50m", "us, µs, ms, s")]
    {
        assert!(error(slip).ends_with(unit), "{}", error(slip));
    }
    for beyond in ["delivery.p99<61s", "slow.delivery.max<=60001ms", "delivery.p99<50000s"] {
        assert!(error(beyond).contains("is never beyond 60s"), "{}", error(beyond));
    }
    for within in ["delivery.p99<60s", "reconnect.all_back<300s", "server.cpu<150%"] {
        assert!(Demand::parse(within).is_ok(), "{within}");
    }
}

#[test]
fn every_operator_takes_the_same_for_equal() {
    let mut summary = Summary::example();
    (summary.connections.attempts, summary.connections.failed) = (1000, 9);
    for (op, holds) in [("<", false), (">", false), ("!=", false), ("<=", true), (">=", true), ("==", true)] {
        let demand = Demand::parse(&format!("connect.failed{op}0.9%")).unwrap();
        assert_eq!(demand.check(&summary).passed, holds, "{op}");
    }
    summary.cohorts[0].received = 1_000_000_000_000;
    for (demand, holds) in [("received==1000000000001", false), ("received<1000000.000001m", true)] {
        assert_eq!(Demand::parse(demand).unwrap().check(&summary).passed, holds, "{demand}");
    }
}

#[test]
fn where_nothing_was_tried_nothing_is_kept() {
    let mut summary = Summary::empty(Mode::Echo);
    summary.publish = Some(Publish::default());
    summary.round_trip = Some(RoundTrip::default());
    for demand in [
        "connect.failed==0",
        "connect.failed<1%",
        "closed_early==0",
        "garbage==0",
        "publish.failed==0",
        "round_trip.lost==0",
        "client.rss_per_connection<1kb",
    ] {
        let checked = Demand::parse(demand).unwrap().check(&summary);
        assert_eq!((checked.passed, checked.value.as_str()), (false, "none"), "{demand}");
    }
    // Round trips for which no connection was open are lost, and were never sent.
    summary.round_trip = Some(RoundTrip { sent: 10, received: 10, lost: 30, ..RoundTrip::default() });
    let checked = Demand::parse("round_trip.lost<75%").unwrap().check(&summary);
    assert_eq!((checked.passed, checked.value.as_str()), (false, "75%"));
}

#[test]
fn every_metric_can_be_asked_for() {
    for metric in metrics() {
        let unit = match measure(&metric) {
            Some(Measure::Time) => "ms",
            Some(Measure::Share) => "%",
            _ => "",
        };
        Demand::parse(&format!("{metric}<1{unit}")).unwrap();
    }
    let two = Demand::parse_all("delivery.p99<50ms,lost==0").unwrap();
    assert!(judge(&Summary::example(), &two, false).passed);
}

#[test]
fn a_name_that_other_tools_use_suggests_what_was_meant() {
    for (text, meant) in [
        ("latency.p99<50ms", "delivery.p99"),
        ("latency<50ms", "delivery.p99"),
        ("latency.p99.9<50ms", "delivery.p99.9"),
        ("p95<50ms", "delivery.p95"),
        ("median<5ms", "delivery.p50"),
        ("delivery.avg<5ms", "delivery.mean"),
        ("delivery.most<5ms", "delivery.max"),
        ("delivery<5ms", "delivery.p99"),
        ("rtt.p50<5ms", "round_trip.p50"),
        ("lag.max<5ms", "send_lag.max"),
        ("cpu<50%", "server.cpu"),
        ("mem<1kb", "server.rss_per_connection"),
        ("client.mem<1kb", "client.rss_per_connection"),
        ("errors==0", "connect.failed"),
        ("loss==0", "lost"),
        ("handshake.p99<1s", "connect.upgrade.p99"),
    ] {
        let error = Demand::parse(text).unwrap_err();
        assert!(error.contains(&format!("did you mean '{meant}'?")), "{text}: {error}");
    }
}

#[test]
fn a_run_of_which_too_many_connections_failed_is_not_clean_unless_a_demand_is_about_that() {
    let mut summary = Summary::example();
    summary.connections.attempts = 1000;
    for (failed, unclean) in [(10, None), (11, Some("1.1% of the connections failed: 11 of 1000"))] {
        summary.connections.failed = failed;
        assert_eq!(judge(&summary, &[], false).unclean.as_deref(), unclean);
    }
    summary.connections.failed = 800;
    let demands = |text: &str| Demand::parse_all(text).unwrap();
    assert!(judge(&summary, &demands("lost>=0"), false).unclean.is_some());
    let spoken = judge(&summary, &demands("connect.failed<90%"), false);
    assert_eq!((spoken.unclean, spoken.passed), (None, true));
    summary.verdict = judge(&summary, &[], false);
    assert_eq!(crate::bench::exit_of(&summary), crate::exit::Exit::Unreachable);
}

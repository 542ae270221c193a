use super::*;

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
    assert!(error("delivery.p99<50").contains("needs a unit"));
    assert!(error("lost<5ms").contains("not measured in 'ms'"));
    assert!(error("lost").contains("METRIC OP VALUE"));
    assert!(error("lost==x").contains("no number"));
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

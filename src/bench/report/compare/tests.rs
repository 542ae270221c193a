use super::*;
use crate::bench::report::json;
use crate::bench::summary::{Cohort, Interval, Mode};
use crate::bench::timing::Timing;

/// A run of twenty seconds whose delivery latency is about `micros`, and up to a twentieth more in some seconds.
fn run(micros: u64, lost: u64) -> Summary {
    let mut summary = Summary::empty(Mode::Fanout);
    let mut delivery = Timing::new();
    for second in 0..20_u32 {
        let wobble = (u64::from(second) * 7919 + micros * 31) % 97;
        let unsteady = micros + wobble * micros / 2000;
        let timed = Timing::of_micros((0..1000).map(|n| unsteady + n));
        delivery.merge(&timed);
        let at_seconds = f64::from(second);
        summary.intervals.push(Interval {
            at_seconds,
            length_seconds: 1.0,
            hdr: timed.encode(),
            ..Interval::default()
        });
    }
    let received = delivery.count();
    summary.cohorts = vec![Cohort {
        name: "healthy".into(),
        expected: received + lost,
        received,
        lost,
        delivery,
        ..Cohort::default()
    }];
    summary
}

fn runs(summaries: impl IntoIterator<Item = Summary>) -> Runs {
    Runs { name: "runs".into(), summaries: summaries.into_iter().collect() }
}

fn change_of(comparison: &Comparison, name: &str) -> Change {
    comparison
        .metrics
        .iter()
        .find(|metric| metric.name == name)
        .unwrap_or_else(|| panic!("{comparison:#?}"))
        .change
}

#[test]
fn one_run_a_side_is_judged_by_its_own_unsteadiness() {
    let compare = |a, b| Comparison::new(&runs([run(a, 0)]), &runs([run(b, 0)])).unwrap();
    let worse = compare(10_000, 12_000);
    assert_eq!(change_of(&worse, "delivery latency 99 %"), Change::Worse);
    assert!(worse.has_regressed());
    assert_eq!(change_of(&compare(12_000, 10_000), "delivery latency 50 %"), Change::Better);
    let same = compare(10_000, 10_050);
    assert_eq!(change_of(&same, "delivery latency 50 %"), Change::Unshown);
    assert!(!same.has_regressed());
    let text = same.text(200, false);
    assert!(text.contains("No difference shown.\n"), "{text}");
    assert!(text.contains("give at least 3 of each side: a1.json,a2.json,a3.json"), "{text}");
}

#[test]
fn several_runs_are_judged_by_how_they_differ_from_each_other() {
    let before = runs([10_000, 10_100, 9900].map(|micros| run(micros, 0)));
    let noisy = runs([9000, 12_000, 10_800].map(|micros| run(micros, 0)));
    let slower = runs([15_000, 15_200, 14_900].map(|micros| run(micros, 60)));
    assert_eq!(
        change_of(&Comparison::new(&before, &noisy).unwrap(), "delivery latency 50 %"),
        Change::Unshown
    );
    let comparison = Comparison::new(&before, &slower).unwrap();
    assert_eq!(change_of(&comparison, "delivery latency 50 %"), Change::Worse);
    assert_eq!(change_of(&comparison, "deliveries lost"), Change::Worse);
    let text = comparison.text(200, false);
    assert!(text.contains("Worse: delivery latency 50 %, delivery latency 99 %"), "{text}");
    let row = text.lines().find(|line| line.starts_with("delivery latency 50 %")).unwrap();
    assert!(row.ends_with("worse"), "{row}");
    assert!(!text.contains("single run"));
}

#[test]
fn two_runs_a_side_have_no_interval_and_are_told_how_many_it_takes() {
    let before = runs([10_000, 10_100].map(|micros| run(micros, 0)));
    let after = runs([15_000, 15_200].map(|micros| run(micros, 0)));
    let comparison = Comparison::new(&before, &after).unwrap();
    assert!(comparison.metrics.iter().all(|metric| metric.interval.is_none()), "{comparison:#?}");
    assert_eq!(change_of(&comparison, "delivery latency 50 %"), Change::Unjudged);
    let text = comparison.text(200, false);
    assert!(text.contains("two runs of a side do not tell how runs differ"), "{text}");
    assert!(text.contains("give at least 3 of each side") && !text.contains("between"), "{text}");
    assert!(!text.contains("100 %") && text.contains("it takes 3 runs a side"), "{text}");
}

#[test]
fn what_has_no_measure_of_noise_is_not_judged() {
    let comparison = Comparison::new(&runs([run(10_000, 0)]), &runs([run(10_000, 7)])).unwrap();
    assert_eq!(change_of(&comparison, "deliveries lost"), Change::Unjudged);
    let mut short = run(10_000, 0);
    short.intervals.truncate(3);
    let comparison = Comparison::new(&runs([run(20_000, 0)]), &runs([short])).unwrap();
    assert_eq!(change_of(&comparison, "delivery latency 99 %"), Change::Unjudged);
}

#[test]
fn what_makes_a_comparison_doubtful_is_said() {
    let (mut a, mut b) = (run(10_000, 0), run(10_000, 0));
    a.setup.options.insert("rate".into(), "500".into());
    b.setup.options.insert("rate".into(), "1000".into());
    b.partial = Some("interrupted".into());
    b.client.bound = vec!["send lag".into()];
    let text = Comparison::new(&runs([a]), &runs([b])).unwrap().text(100, false);
    for part in
        ["rate was 500 and is 1000", "is partial: interrupted", "the client may have been the bottleneck"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let echo = runs([Summary::empty(Mode::Echo)]);
    let failure = Comparison::new(&runs([run(1, 0)]), &echo).unwrap_err();
    assert_eq!(failure.message, "runs of fanout and of echo cannot be compared");
    let empty = Comparison::new(&echo, &echo).unwrap();
    let text = empty.text(80, false);
    assert!(text.contains("Nothing could be judged.") && !text.contains("holds the true change"), "{text}");
}

#[test]
fn a_comparison_fits_its_terminal() {
    let side = |micros: u64| {
        runs([0, 100, 250].map(|more| {
            let mut run = run(micros + more, more / 10);
            let mut slow = run.cohorts[0].clone();
            slow.name = "healthy".into();
            run.cohorts.push(Cohort { name: "stalled".into(), ..slow });
            run.connect_time.first_message = Timing::of_micros(10_000..30_000);
            run.connections.attempts = 1000;
            run
        }))
    };
    let comparison = Comparison::new(&side(10_000), &side(12_340)).unwrap();
    for (width, has_table, has_intervals) in
        [(120, true, true), (80, true, false), (60, false, false), (40, false, false)]
    {
        let text = comparison.text(width, false);
        for line in text.lines() {
            assert!(crate::text::columns(line) <= width, "{width}: {line}\n{text}");
        }
        assert_eq!(text.contains("  before  "), has_table, "{text}");
        assert_eq!(text.contains(" … "), has_intervals, "{text}");
        assert_eq!(text.contains("interval holds"), has_intervals, "{text}");
    }
    assert!(comparison.json().contains("an interval holds the true change"));
    let narrow = comparison.text(60, false);
    assert!(narrow.contains("delivery latency, healthy 50 %\n  10."), "{narrow}");
}

#[test]
fn runs_that_are_not_alike_are_said_so() {
    let started = |at: &str, server: &str| {
        let mut run = run(10_000, 0);
        run.setup.started = at.into();
        run.setup.server = server.into();
        run
    };
    let remarks =
        |a: [Summary; 2], b: [Summary; 2]| Comparison::new(&runs(a), &runs(b)).unwrap().remarks.join("\n");
    let text = remarks([started("1", "a"), started("1", "a")], [started("2", "a"), started("3", "b")]);
    assert!(text.contains("the same run is there more than once"), "{text}");
    assert!(text.contains("the runs of runs are not alike: they differ in the server"), "{text}");
    let text = remarks([started("1", "a"), started("2", "a")], [started("3", "b"), started("4", "b")]);
    assert!(text.contains("the set-ups differ: the server was a and is b"), "{text}");
    assert!(!text.contains("more than once") && !text.contains("not alike"), "{text}");
}

#[test]
fn two_steps_of_the_histogram_are_no_difference() {
    let side = |micros| runs([run(micros, 0), run(micros, 0), run(micros, 0)]);
    let comparison = Comparison::new(&side(10_000), &side(10_016)).unwrap();
    assert_eq!(change_of(&comparison, "delivery latency 50 %"), Change::Unshown);
}

#[test]
fn what_programs_read_is_finite() {
    let (mut nothing, mut much) = (run(10_000, 0), run(10_000, 3));
    nothing.connections.rate = 0.0;
    much.connections.rate = 100.0;
    let text = Comparison::new(&runs([nothing]), &runs([much])).unwrap().json();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let lost =
        value["metrics"].as_array().unwrap().iter().find(|one| one["name"] == "deliveries lost").unwrap();
    assert_eq!((lost["result"].as_str(), lost["interval"].is_null()), (Some("not judged"), true));
    assert!(lost["change"].as_f64().unwrap() > 0.0);
    assert_eq!((value["regressed"].as_bool(), value["confidence"].as_f64()), (Some(false), Some(0.99)));
}

#[test]
fn runs_are_read_from_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.json"), json(&run(100, 0))).unwrap();
    assert_eq!(Runs::read(&format!("{0},{0}", path("a.json"))).unwrap().summaries.len(), 2);
    for (text, wrong) in
        [("{", "is no JSON"), ("{}", "is no result of a run"), ("{\"schema\":9}", "has schema 9")]
    {
        fs::write(path("b.json"), text).unwrap();
        let failure = Runs::read(&path("b.json")).unwrap_err();
        assert!(failure.message.contains(wrong) && failure.message.contains("b.json"), "{failure}");
    }
    assert!(Runs::read(&path("none.json")).unwrap_err().message.contains("none.json"));
    assert_eq!(Runs::read("a.json,").unwrap_err().message, "'a.json,' leaves a file unnamed");
}

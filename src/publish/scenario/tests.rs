use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

fn options() -> ScenarioOptions {
    ScenarioOptions {
        jobs: 12,
        duration: Duration::from_secs(20),
        speed: 1.0,
        fail_rate: 0.3,
        part_fail_rate: 0.4,
        seed: 7,
        first_job: None,
    }
}

fn scenario(name: &str, options: &ScenarioOptions) -> Scenario {
    Scenario::named(name, &Dialects::builtin(), options).unwrap()
}

fn written(scenario: Scenario) -> Vec<(Duration, String, String)> {
    let now = Timestamp::UNIX_EPOCH;
    scenario.map(|step| (step.at, step.event.channel(), step.event.payload(now).unwrap())).collect()
}

type Seen = Vec<(String, Option<f64>)>;

/// Kinds and percents of every job, in order, as a relay decodes them.
fn decoded(scenario: Scenario) -> BTreeMap<(String, String), Seen> {
    let mut jobs: BTreeMap<_, Seen> = BTreeMap::new();
    for step in scenario {
        let payload = step.event.payload(Timestamp::UNIX_EPOCH).unwrap();
        let channel = step.event.channel();
        let event = step.event.dialect.decode(channel.as_bytes(), payload.as_bytes()).unwrap();
        assert_eq!(event.job, step.event.job);
        let kind = event.kind.expect("a known kind").name.to_string();
        let percent = event.percent.and_then(|percent| percent.as_f64());
        let key = (step.event.dialect.name.to_string(), step.event.job.clone());
        jobs.entry(key).or_default().push((kind, percent));
    }
    jobs
}

#[test]
fn the_same_seed_gives_the_same_events() {
    assert_eq!(written(scenario(ALL, &options())), written(scenario(ALL, &options())));
    let other = ScenarioOptions { seed: 8, ..options() };
    assert_ne!(written(scenario(ALL, &options())), written(scenario(ALL, &other)));
}

#[test]
fn speed_changes_times_and_nothing_else() {
    let slow = written(scenario(ALL, &options()));
    let fast = written(scenario(ALL, &ScenarioOptions { speed: 2.0, ..options() }));
    assert_eq!(slow.len(), fast.len());
    for ((slow_at, _, slow), (fast_at, _, fast)) in slow.iter().zip(&fast) {
        assert_eq!(slow, fast);
        assert_eq!(slow_at.div_f64(2.0), *fast_at);
    }
}

#[test]
fn failures_follow_the_rate() {
    let count = |fail_rate, kind: &str| {
        let jobs = decoded(scenario("downloads", &ScenarioOptions { fail_rate, ..options() }));
        jobs.values().filter(|events| events.last().unwrap().0 == kind).count()
    };
    assert_eq!((count(0.0, "completed"), count(1.0, "failed")), (12, 12));
    let calm = ScenarioOptions { fail_rate: 0.0, part_fail_rate: 0.0, ..options() };
    assert!(!written(scenario(ALL, &calm)).iter().any(|(_, _, payload)| payload.contains("failed\",")));
}

#[test]
fn a_download_passes_every_stage_of_the_contract() {
    let calm = ScenarioOptions { fail_rate: 0.0, part_fail_rate: 0.0, jobs: 1, ..options() };
    let jobs = decoded(scenario("downloads", &calm));
    let events = &jobs[&("downloads".to_owned(), "video-1".to_owned())];
    assert_eq!(events[0], ("queued".to_owned(), Some(0.0)));
    let percents: Vec<f64> = events.iter().filter_map(|(_, percent)| *percent).collect();
    for stage in [5.0, 10.0, 90.0, 92.0, 98.0, 100.0] {
        assert!(percents.contains(&stage), "{stage}");
    }
    assert!(percents.iter().filter(|p| (15.0..90.0).contains(*p)).count() >= 12);
}

#[test]
fn jobs_are_named_from_the_first_on() {
    let ids = |name, first: Option<&str>| {
        let options = ScenarioOptions { first_job: first.map(str::to_owned), jobs: 3, ..options() };
        let scenario = Scenario::named(name, &Dialects::builtin(), &options)?;
        Ok::<_, ScenarioError>(scenario.jobs().map(|(_, job)| job).collect::<Vec<_>>())
    };
    assert_eq!(ids("scraping", None).unwrap(), ["1", "2", "3"]);
    assert_eq!(ids("scraping", Some("500")).unwrap(), ["500", "501", "502"]);
    assert_eq!(ids("downloads", Some("abc")).unwrap(), ["abc", "abc-2", "abc-3"]);
    assert_eq!(ids(ALL, None).unwrap(), ["1", "video-1", "2"]);
    assert!(ids("scraping", Some("abc")).is_err());
    assert!(ids("scraping", Some("9223372036854775807")).is_err());
    let unknown = ids("scrapin", None).unwrap_err().to_string();
    assert_eq!(unknown, "there is no scenario 'scrapin'; did you mean 'scraping'?");
}

#[test]
fn options_without_sense_are_refused() {
    for bad in [
        ScenarioOptions { jobs: 0, ..options() },
        ScenarioOptions { jobs: MAX_JOBS + 1, ..options() },
        ScenarioOptions { duration: Duration::ZERO, ..options() },
        ScenarioOptions { speed: 0.0, ..options() },
        ScenarioOptions { speed: f64::NAN, ..options() },
        ScenarioOptions { fail_rate: 1.1, ..options() },
    ] {
        assert!(Scenario::named(ALL, &Dialects::builtin(), &bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn every_job_starts_once_rises_and_ends_once_in_time(
        seed: u64, jobs in 1u32..12, millis in 1u64..20_000, fail_rate in 0.0..=1.0,
    ) {
        let duration = Duration::from_millis(millis);
        let options = ScenarioOptions { jobs, duration, fail_rate, seed, ..options() };
        let steps: Vec<Step> = scenario(ALL, &options).collect();
        prop_assert!(steps.is_sorted_by_key(|step| step.at));
        prop_assert!(steps.iter().all(|step| step.at <= duration));
        let decoded = decoded(scenario(ALL, &options));
        prop_assert_eq!(decoded.len(), jobs as usize);
        for events in decoded.values() {
            let first = ["job_started", "queued"];
            let last = ["job_completed", "job_failed", "completed", "failed"];
            let count = |names: &[&str]| events.iter().filter(|(k, _)| names.contains(&k.as_str())).count();
            prop_assert!(first.contains(&events[0].0.as_str()));
            prop_assert!(last.contains(&events.last().unwrap().0.as_str()));
            prop_assert_eq!((count(&first), count(&last)), (1, 1));
            prop_assert!(events.iter().filter_map(|(_, percent)| *percent).is_sorted());
        }
    }
}

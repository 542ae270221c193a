use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

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
        owner: "ann".to_owned(),
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

/// Kinds and percents of every job, in order, as a relay decodes them and a client reads them; of channels, those of each
/// resource.
fn decoded(scenario: Scenario) -> BTreeMap<(String, String), Seen> {
    let mut jobs: BTreeMap<_, Seen> = BTreeMap::new();
    for step in scenario {
        let payload = step.event.payload(Timestamp::UNIX_EPOCH).unwrap();
        let channel = step.event.channel();
        let dialect = &step.event.dialect;
        let view = dialect.view(&payload).expect("a known kind");
        let job = if dialect.channels.is_some() {
            let event = dialect.decode_channel(channel.as_bytes(), payload.as_bytes()).unwrap();
            assert_eq!(**event.channel, *step.event.job);
            event.resource.unwrap_or_default()
        } else {
            let event = dialect.decode(channel.as_bytes(), payload.as_bytes()).unwrap();
            assert_eq!(event.job, step.event.job);
            event.job.into_owned()
        };
        jobs.entry((dialect.name.to_string(), job))
            .or_default()
            .push((view.kind.name.to_string(), view.percent));
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
    for failed in ["failed\",", "FAILURE", ":paused"] {
        assert!(
            !written(scenario(ALL, &calm)).iter().any(|(_, _, payload)| payload.contains(failed)),
            "{failed}"
        );
    }
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

fn payloads(name: &str, options: &ScenarioOptions) -> Vec<Value> {
    let texts = written(scenario(name, options)).into_iter().map(|(_, _, payload)| payload);
    texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
}

#[test]
fn a_task_is_registered_goes_through_five_steps_and_says_what_it_made() {
    let calm = ScenarioOptions { fail_rate: 0.0, jobs: 1, ..options() };
    let events = payloads("tasks", &calm);
    assert_eq!(events[0], json!({"type": "registered", "task_id": "task-1", "user_id": "ann"}));
    let steps: Vec<_> = events.iter().filter_map(|event| event["step"].as_u64()).collect();
    assert!(steps.is_sorted() && (1..=5).all(|step| steps.contains(&step)), "{steps:?}");
    assert!(events.iter().any(|event| event["details"] == "Using OpenAI to analyze frames and text"));
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["status"]), (&json!("completion"), &json!("SUCCESS")));
    assert!(last["recipe_id"].is_string() && last["recipe_name"].is_string(), "{last}");
    let failing = payloads("tasks", &ScenarioOptions { fail_rate: 1.0, jobs: 9, ..options() });
    let errors: Vec<_> = failing.iter().filter(|event| event["type"] == "error").collect();
    assert_eq!(errors.len(), 9);
    assert!(errors.iter().all(|event| event["error"].is_string() && event["message"].is_string()));
}

#[test]
fn a_build_goes_through_its_parts_and_ends_in_each_of_three_ways() {
    let calm = ScenarioOptions { fail_rate: 0.0, part_fail_rate: 0.0, jobs: 1, ..options() };
    let events = payloads("jobs", &calm);
    let of = |kind: &'static str| events.iter().filter(move |event| event["event"] == *kind);
    let parts = |kind| of(kind).map(|event| event["part"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(parts("part_started"), ["compile", "lint", "test", "package"]);
    assert_eq!((parts("part_done"), parts("part_failed").len()), (parts("part_started"), 0));
    let steps: Vec<u64> = of("progress").map(|event| event["step"].as_u64().unwrap()).collect();
    assert!(steps.len() >= 12 && steps.is_sorted(), "{steps:?}");
    assert_eq!(of("log").count(), steps.len());
    assert_eq!((events[0]["event"].as_str(), events[1]["event"].as_str()), (Some("queued"), Some("started")));
    assert_eq!(events.last().unwrap()["event"], "succeeded");
    let failing = payloads("jobs", &ScenarioOptions { fail_rate: 1.0, jobs: 40, ..options() });
    let count = |kind: &str| failing.iter().filter(|event| event["event"] == *kind).count();
    assert_eq!((count("succeeded"), count("failed") + count("cancelled")), (0, 40));
    assert!(count("failed") > count("cancelled") && count("cancelled") > 0, "{failing:?}");
}

#[test]
fn a_dialect_file_in_the_place_of_the_neutral_one_has_no_scenario() {
    let file = "name = 'jobs'\nroute = '/ws/jobs/{job}'\nchannel = 'own:{job}'\n[pointers]\nkind = '/kind'\n[kinds]\n'*' = {}\nover = { ends = 'succeeded' }\n";
    let mut dialects = Dialects::builtin();
    assert_eq!(dialects.add(Dialect::from_toml(file, "jobs.toml").unwrap(), "jobs.toml"), Ok(true));
    let refused = Scenario::named("jobs", &dialects, &options()).unwrap_err().to_string();
    assert_eq!(refused, "a dialect file replaces jobs, and its scenario is of the built-in one");
    for others in [
        Scenario::named(ALL, &dialects, &options()).unwrap(),
        Scenario::of_demo(&dialects, &options()).unwrap(),
    ] {
        assert!(others.jobs().all(|(dialect, _)| &*dialect.name != "jobs"));
    }
}

#[test]
fn the_platform_shows_every_kind_of_resource_on_its_channels() {
    let lively = ScenarioOptions { jobs: 32, duration: Duration::from_mins(2), fail_rate: 0.4, ..options() };
    let events = payloads("channels", &lively);
    let seen = |kind: &str| events.iter().any(|event| event["type"] == *kind);
    for kind in &Dialects::builtin().named("channels").unwrap().1.catalogue.events {
        // Nobody trains a model in a quarter of an hour.
        assert_eq!(seen(&kind.name), kind.name != "ai:model_trained", "{}", kind.name);
    }
    assert!(
        events.iter().any(|event| event["campaign_id"] == 1 && event["type"] == "campaign:stats_updated")
    );
    // Whatever a mail goes through, it was sent before.
    let mut sent = std::collections::HashSet::new();
    for event in events.iter().filter(|event| event["type"].as_str().unwrap().starts_with("email:")) {
        let id = event["email_id"].as_u64().unwrap();
        assert!(event["type"] == "email:sent" && sent.insert(id) || sent.contains(&id), "{event}");
    }
    // Figures grow, and none is of more mails than there are recipients.
    let of_first = events.iter().filter(|event| event["campaign_id"] == 1);
    let total = of_first.clone().find_map(|event| event["total_recipients"].as_u64()).unwrap();
    for figure in ["sent", "delivered", "opened", "clicked", "bounced"] {
        let course: Vec<u64> = of_first.clone().filter_map(|event| event[figure].as_u64()).collect();
        assert!(
            course.len() > 10 && course.is_sorted() && course.iter().all(|n| *n <= total),
            "{figure} {course:?}"
        );
    }
}

#[test]
fn what_shows_all_of_it_is_every_job_and_every_channel() {
    let three = ScenarioOptions { jobs: 3, ..options() };
    let targets = |name, options| {
        let targets = scenario(name, options).targets();
        targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(targets(ALL, &three), "scraping/1 downloads/video-1 tasks/task-1");
    assert_eq!(targets("jobs", &three), "jobs/build-1 jobs/build-2 jobs/build-3");
    assert_eq!(
        targets("channels", &three),
        "channel:campaigns channel:emails channel:scrapers channel:ai channel:demos channel:notifications channel:leads channel:conversations"
    );
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
    assert_eq!(ids("tasks", None).unwrap(), ["task-1", "task-2", "task-3"]);
    assert_eq!(ids("jobs", None).unwrap(), ["build-1", "build-2", "build-3"]);
    assert_eq!(ids("channels", None).unwrap(), ["campaign:1", "scraper:1", "demo:1"]);
    assert_eq!(ids(ALL, None).unwrap(), ["1", "video-1", "task-1"]);
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
        ScenarioOptions { owner: String::new(), ..options() },
    ] {
        assert!(Scenario::named(ALL, &Dialects::builtin(), &bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_job_starts_once_rises_and_ends_once_in_time(
        seed: u64, jobs in 1u32..12, millis in 1u64..8_000, fail_rate in 0.0..=1.0,
    ) {
        let duration = Duration::from_millis(millis);
        let options = ScenarioOptions { jobs, duration, fail_rate, seed, ..options() };
        let steps: Vec<Step> = scenario(ALL, &options).collect();
        prop_assert!(steps.is_sorted_by_key(|step| step.at));
        prop_assert!(steps.iter().all(|step| step.at <= duration));
        let decoded = decoded(scenario(ALL, &options));
        // Mails, tasks of the AI, leads and notices belong to some job, and are none.
        let is_part = |(dialect, id): &(String, String)| {
            dialect == "channels" && !["campaign:", "scraper:", "demo:"].iter().any(|kind| id.starts_with(kind))
        };
        let talks = scenario(ALL, &options).jobs().filter(|(_, id)| id.starts_with("conversation:")).count();
        let whole = decoded.iter().filter(|(key, _)| !is_part(key));
        prop_assert_eq!(whole.clone().count() + talks, jobs as usize);
        for (key, events) in whole {
            let first =
                ["job_started", "queued", "registered", "campaign:launched", "scraper:started", "demo:generating"];
            let last = [
                "job_completed", "job_failed", "completed", "failed", "completion", "error", "succeeded", "cancelled",
                "campaign:completed",
                "scraper:completed", "scraper:failed", "demo:completed", "demo:failed",
            ];
            let count = |names: &[&str]| events.iter().filter(|(k, _)| names.contains(&k.as_str())).count();
            prop_assert!(first.contains(&events[0].0.as_str()), "{:?} {:?}", key, events);
            prop_assert!(last.contains(&events.last().unwrap().0.as_str()), "{:?} {:?}", key, events);
            // A demo is generated for a while.
            let firsts = if key.1.starts_with("demo:") { 1 } else { count(&first) };
            prop_assert_eq!((firsts, count(&last)), (1, 1));
            prop_assert!(events.iter().filter_map(|(_, percent)| *percent).is_sorted(), "{:?} {:?}", key, events);
        }
    }
}

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::attach::job::Part;
use crate::dialect::{Dialect, Dialects, LogView, Phase};

fn dialect(name: &str) -> Arc<Dialect> {
    Arc::clone(Dialects::builtin().named(name).unwrap().1)
}

/// One job on a board, fed with the texts that a server would send.
struct Bench {
    board: Board,
    dialect: Arc<Dialect>,
    now: Instant,
}

impl Bench {
    fn new(name: &str, wants_new: bool) -> Self {
        let now = Instant::now();
        let dialect = dialect(name);
        let job = Job::new("a".into(), "a".into(), Arc::clone(&dialect), wants_new, now);
        Self { board: Board::new(vec![job], now), dialect, now }
    }

    fn event(&mut self, text: &str, snapshot: bool) -> Effect {
        let effect = self.told(text, if snapshot { When::First } else { When::Live });
        if snapshot {
            self.board.apply(0, Input::Told, self.now);
        }
        effect
    }

    fn told(&mut self, text: &str, when: When) -> Effect {
        let view = self.dialect.view(text);
        self.board.apply(0, Input::Event { view: view.as_ref(), text, when }, self.now)
    }

    fn live(&mut self, text: &str) -> Effect {
        self.event(text, false)
    }

    fn first(&mut self, text: &str) -> Effect {
        self.event(text, true)
    }

    fn polled(&mut self, body: &str) -> Effect {
        let view = self.dialect.view_status(body).unwrap();
        self.board.apply(0, Input::Status(&view), self.now)
    }

    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn job(&self) -> &Job {
        &self.board.jobs()[0]
    }

    fn percent(&self) -> Option<f64> {
        self.job().facts.percent
    }
}

fn scraping(kind: &str, percent: &str) -> String {
    format!(
        r#"{{"job_id":1,"event_type":"{kind}","progress":{percent},"results_count":0,"message":"m","metadata":{{}}}}"#
    )
}

fn scraper(kind: &str, name: &str) -> String {
    format!(
        r#"{{"job_id":1,"event_type":"{kind}","progress":null,"results_count":0,"message":"503","metadata":{{"scraper_name":"{name}","results_count":7}}}}"#
    )
}

fn download(status: &str, percent: u32) -> String {
    format!(r#"{{"type":"status","data":{{"jobId":"a","status":"{status}","progress":{percent}}}}}"#)
}

#[test]
fn a_download_that_works_on_after_its_failure_is_tried_again_and_after_its_success_is_late() {
    let failed =
        r#"{"type":"status","data":{"jobId":"a","status":"failed","progress":40,"error":"HTTP 403"}}"#;
    for is_snapshot in [false, true] {
        let mut bench = Bench::new("downloads", false);
        assert_eq!(bench.live(failed), Effect::Ended(Outcome::Failed));
        assert_eq!(bench.event(&download("processing", 10), is_snapshot), Effect::Began(2));
        assert_eq!((bench.job().state, bench.percent()), (State::Running, Some(10.0)));
        assert_eq!(bench.job().facts.error, None);
        assert_eq!(bench.live(&download("completed", 100)), Effect::Ended(Outcome::Succeeded));
        assert_eq!(bench.event(&download("processing", 98), is_snapshot), Effect::Nothing);
        assert_eq!(bench.job().state, State::Ended(Outcome::Succeeded));
    }
    let mut bench = Bench::new("downloads", false);
    bench.live(failed);
    assert_eq!(bench.live(&download("completed", 100)), Effect::Ended(Outcome::Succeeded));
    assert_eq!(bench.job().ending(), None, "the old error is gone");
}

#[test]
fn of_the_endings_that_a_server_tells_on_connecting_the_newest_counts() {
    let step = r#"{"type":"progress","task_id":"a","step":1,"total_steps":5,"status":"Working"}"#;
    let error = r#"{"type":"error","task_id":"a","error":"HTTP 403","message":"Unable to process video"}"#;
    let done = r#"{"type":"completion","task_id":"a","message":"saved","recipe_name":"Carbonara"}"#;
    let failed = State::Ended(Outcome::Failed);
    let succeeded = State::Ended(Outcome::Succeeded);
    for (told, state, text) in [
        (&[step, error, done][..], succeeded, "Carbonara · saved"),
        (&[error, done], succeeded, "Carbonara · saved"),
        (&[error, step], failed, "HTTP 403 · Unable to process video"),
        (&[done, error], failed, "HTTP 403 · Unable to process video"),
        (&[done, error, step, done], succeeded, "Carbonara · saved"),
    ] {
        let mut bench = Bench::new("tasks", false);
        for (at, text) in told.iter().enumerate() {
            bench.told(text, if at == 0 { When::First } else { When::Opening });
            assert!(!bench.board.is_settled(), "more may be told");
        }
        assert_eq!(
            bench.board.apply(0, Input::Told, bench.now),
            Effect::Ended(match state {
                State::Ended(outcome) => outcome,
                _ => unreachable!(),
            })
        );
        assert!(bench.board.is_settled());
        assert_eq!((bench.job().state, bench.job().ending().as_deref()), (state, Some(text)), "{told:?}");
        assert_eq!(bench.live(done), Effect::Nothing, "it is over");
    }
    // Live, the first one counts; so does one that polling tells, whatever the socket told before it was cut off.
    let mut bench = Bench::new("tasks", false);
    assert_eq!((bench.live(error), bench.board.is_settled()), (Effect::Ended(Outcome::Failed), true));
    for (status, effect, settled) in [
        ("SUCCESS", Effect::Ended(Outcome::Succeeded), true),
        ("FAILURE", Effect::Ended(Outcome::Failed), true),
        ("PROGRESS", Effect::Began(2), false),
    ] {
        let mut bench = Bench::new("tasks", false);
        bench.told(error, When::First);
        assert_eq!(bench.polled(&format!(r#"{{"task_id":"a","status":"{status}"}}"#)), effect);
        assert_eq!(bench.board.is_settled(), settled, "{status}");
    }
    // A server that is lost before it has told all leaves what it told.
    let mut bench = Bench::new("tasks", false);
    bench.told(error, When::First);
    bench.board.apply(0, Input::Lost(Failure::new(Exit::Unreachable, "gone")), bench.now);
    assert_eq!((bench.board.exit(), bench.board.is_settled()), (Exit::Failure, true));
}

#[test]
fn a_run_goes_from_connecting_to_its_ending() {
    let mut bench = Bench::new("scraping", false);
    assert_eq!(bench.job().state, State::Connecting);
    bench.board.apply(0, Input::Link(Link::Connected), bench.now);
    assert_eq!(bench.job().state, State::Waiting);
    assert_eq!(bench.live(&scraping("job_started", "0")), Effect::Began(1));
    assert_eq!(bench.live(&scraping("job_progress", "45.5")), Effect::Changed);
    assert_eq!(bench.live(&scraping("job_progress", "45.5")), Effect::Nothing);
    assert_eq!((bench.job().state, bench.percent()), (State::Running, Some(45.5)));
    bench.wait(40);
    assert_eq!(bench.job().quiet(bench.now), Some(Duration::from_secs(40)));
    assert_eq!(bench.live(&scraping("job_completed", "null")), Effect::Ended(Outcome::Succeeded));
    assert_eq!((bench.percent(), bench.job().quiet(bench.now)), (Some(100.0), None));
    assert_eq!(bench.live(&scraping("job_progress", "50")), Effect::Nothing);
    assert_eq!((bench.board.exit(), bench.board.is_settled()), (Exit::Success, true));
}

#[test]
fn a_repeat_never_lowers_a_bar_and_a_live_event_may() {
    let mut bench = Bench::new("scraping", false);
    bench.live(&scraping("job_started", "0"));
    bench.live(&scraping("job_progress", "60"));
    assert_eq!(bench.first(&scraping("job_progress", "40")), Effect::Nothing);
    assert_eq!(bench.percent(), Some(60.0));
    let polled = r#"{"job_id":1,"status":"running","progress":50,"items_scraped":9,"message":"m"}"#;
    assert_eq!(bench.polled(polled), Effect::Changed, "the count is new");
    assert_eq!((bench.percent(), bench.job().facts.count), (Some(60.0), Some(9)));
    bench.live(&scraping("job_progress", "55"));
    assert_eq!((bench.percent(), bench.job().facts.count), (Some(55.0), Some(9)));
}

#[test]
fn the_opening_of_a_run_shown_again_opens_no_other() {
    let mut bench = Bench::new("scraping", false);
    let opening = scraping("job_started", "0");
    bench.live(&opening);
    bench.live(&scraping("job_progress", "60"));
    bench.first(&opening);
    assert_eq!((bench.job().run, bench.percent()), (1, Some(60.0)));
    let other = scraping("job_started", "1");
    assert_eq!(bench.first(&other), Effect::Began(2), "another opening is another run's");
    assert_eq!(bench.live(&other), Effect::Began(3), "a live one always is");
    assert_eq!(bench.percent(), Some(1.0));
}

#[test]
fn the_run_so_far_is_the_current_run_and_its_scrapers() {
    // As a relay replays it: the last event of each kind and scraper, oldest first; only the first is known to be one.
    let mut bench = Bench::new("scraping", false);
    bench.first(&scraping("job_started", "0"));
    for text in [scraper("scraper_started", "kiwi"), scraper("scraper_failed", "tap")] {
        bench.live(&text);
    }
    bench.live(&scraping("job_progress", "60"));
    bench.live(&scraper("scraper_completed", "kiwi"));
    let job = bench.job();
    assert_eq!((job.run, job.state, job.facts.percent), (1, State::Running, Some(60.0)));
    let phases: Vec<_> = job.parts.iter().map(|(name, part)| (name.as_str(), part.phase)).collect();
    assert_eq!(phases, [("kiwi", Phase::Succeeded), ("tap", Phase::Failed)]);
    bench.wait(4);
    assert_eq!(bench.live(&scraping("job_progress", "65")), Effect::Changed);
    assert_eq!(bench.job().left(bench.now), Some(Duration::from_secs(28)), "5 % in 4 s");
    // And what follows on a reconnect is the newest again.
    assert_eq!(bench.first(&scraping("job_progress", "65")), Effect::Nothing);
}

#[test]
fn the_run_so_far_of_an_ended_job_ends_it_at_once() {
    let mut bench = Bench::new("scraping", false);
    bench.first(&scraping("job_started", "0"));
    bench.live(&scraping("job_progress", "60"));
    assert_eq!(bench.live(&scraping("job_failed", "null")), Effect::Ended(Outcome::Failed));
    assert_eq!((bench.board.exit(), bench.percent()), (Exit::Failure, Some(60.0)));
}

#[test]
fn a_remark_changes_no_state() {
    let mut bench = Bench::new("scraping", false);
    bench.board.apply(0, Input::Link(Link::Connected), bench.now);
    assert_eq!(bench.live(&scraping("error", "null")), Effect::Remark("m".into()));
    assert_eq!((bench.job().state, bench.job().remark.as_deref()), (State::Waiting, Some("m")));
    bench.live(&scraping("job_progress", "1"));
    assert_eq!(bench.job().remark, None);
}

#[test]
fn parts_keep_their_own_text_and_their_failure_ends_nothing() {
    let mut bench = Bench::new("scraping", false);
    bench.live(&scraping("job_progress", "10"));
    assert_eq!(bench.live(&scraper("scraper_started", "kiwi")), Effect::Part("kiwi".into()));
    bench.live(&scraper("scraper_failed", "kiwi"));
    let job = bench.job();
    let part = Part { phase: Phase::Failed, count: Some(7), text: Some("503".into()), changed: bench.now };
    assert_eq!(job.parts.get("kiwi"), Some(&part));
    assert_eq!((job.state, job.facts.message.as_deref()), (State::Running, Some("m")));
}

#[test]
fn with_new_an_ending_counts_only_after_something_of_a_run() {
    // What comes, as (text, is it the snapshot), and the state after all of it.
    let (failed, done) = (State::Ended(Outcome::Failed), State::Ended(Outcome::Succeeded));
    let before = State::EndedBefore(Outcome::Failed);
    let ending = || scraping("job_failed", "null");
    let table = [
        (vec![(ending(), true)], before),
        (vec![(ending(), true), (ending(), true)], before),
        (vec![(ending(), true), (scraping("job_progress", "5"), false)], before),
        (vec![(ending(), true), (scraping("job_started", "0"), false)], State::Running),
        (vec![(ending(), true), (scraping("job_progress", "5"), true)], State::Running),
        (vec![(ending(), true), (scraping("job_started", "0"), false), (ending(), true)], failed),
        (vec![(scraping("job_progress", "5"), true), (scraping("job_completed", "1"), false)], done),
        (vec![(ending(), false)], failed),
    ];
    for (texts, state) in table {
        let mut bench = Bench::new("scraping", true);
        for (text, snapshot) in &texts {
            bench.event(text, *snapshot);
        }
        assert_eq!(bench.job().state, state, "{texts:?}");
    }
}

#[test]
fn a_server_that_forgot_the_job_does_not_send_it_back_into_the_queue() {
    let mut bench = Bench::new("downloads", false);
    assert_eq!(bench.first(&download("queued", 0)), Effect::Began(1));
    assert_eq!(bench.job().state, State::Queued);
    bench.live(&download("processing", 50));
    assert_eq!(bench.first(&download("queued", 0)), Effect::Nothing);
    assert_eq!((bench.job().state, bench.percent()), (State::Running, Some(50.0)));
    assert_eq!(bench.job().text().as_deref(), Some("downloading"));
    assert_eq!(bench.live(&download("failed", 50)), Effect::Ended(Outcome::Failed));
    assert_eq!(bench.live(&download("queued", 0)), Effect::Began(2), "after an ending it opens a run");
}

#[test]
fn the_gravest_decides_the_exit_and_a_failed_job_only_counts_alone() {
    let now = Instant::now();
    let ending = |outcome| Ok::<_, Failure>(outcome);
    let lost = |exit| Err(Failure::new(exit, "m"));
    let table = [
        (vec![ending("job_completed")], Exit::Success),
        (vec![ending("job_completed"), ending("job_failed")], Exit::Failure),
        (vec![ending("job_failed"), lost(Exit::Unreachable)], Exit::Unreachable),
        (vec![lost(Exit::Unreachable), lost(Exit::Refused), ending("job_failed")], Exit::Refused),
        (vec![lost(Exit::Refused), lost(Exit::Usage)], Exit::Usage),
    ];
    for (fates, exit) in table {
        let job = |_| Job::new("a".into(), "a".into(), dialect("scraping"), false, now);
        let mut board = Board::new((0..fates.len()).map(job).collect(), now);
        for (index, fate) in fates.iter().cloned().enumerate() {
            match fate {
                Ok(kind) => {
                    let text = scraping(kind, "1");
                    let view = dialect("scraping").view(&text);
                    board.apply(
                        index,
                        Input::Event { view: view.as_ref(), text: &text, when: When::Live },
                        now,
                    )
                }
                Err(failure) => board.apply(index, Input::Lost(failure), now),
            };
        }
        assert!(board.is_settled());
        assert_eq!(board.exit(), exit, "{fates:?}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let kinds = ["job_started", "job_progress", "results_updated", "job_completed", "job_failed", "error"];
    let whole =
        (prop::sample::select(kinds.to_vec()), prop::option::of(0..=100_u32)).prop_map(|(kind, percent)| {
            scraping(kind, &percent.map_or("null".to_owned(), |percent| percent.to_string()))
        });
    let parts = ["scraper_started", "scraper_completed", "scraper_failed"];
    let part = (prop::sample::select(parts.to_vec()), "[a-c]").prop_map(|(kind, name)| scraper(kind, &name));
    prop_oneof![3 => whole, 1 => part, 1 => Just(r#"{"type":"pong"}"#.to_owned())]
}

proptest! {
    #[test]
    fn repeats_lower_nothing_and_endings_stand(
        steps in prop::collection::vec((any_text(), any::<bool>()), 1..60),
        wants_new: bool,
    ) {
        let mut bench = Bench::new("scraping", wants_new);
        for (text, snapshot) in steps {
            let (run, percent, state) = (bench.job().run, bench.percent(), bench.job().state);
            let effect = bench.event(&text, snapshot);
            let job = bench.job();
            if snapshot && job.run == run {
                prop_assert!(job.facts.percent >= percent, "{percent:?} to {:?}", job.facts.percent);
            }
            if matches!(state, State::Ended(_) | State::EndedBefore(_)) && job.run == run {
                prop_assert_eq!(job.state, state);
                prop_assert!(matches!(effect, Effect::Nothing | Effect::Remark(_)));
            }
            prop_assert!(job.run >= run && job.run <= run + 1);
            prop_assert_eq!(matches!(effect, Effect::Ended(_)), job.state.is_settled() && (!state.is_settled() || job.run > run));
            prop_assert!(wants_new || !matches!(job.state, State::EndedBefore(_)));
        }
    }
}

#[test]
fn a_job_that_is_tried_again_is_queued_and_says_so_until_it_works_again() {
    let mut bench = Bench::new("bullmq", false);
    let said = |bench: &Bench| bench.job().remark.clone();
    let (again, delayed) = ("waiting for another try", "delayed until another try");
    assert_eq!(bench.live(r#"{"event":"added","jobId":"1","name":"n"}"#), Effect::Began(1));
    assert_eq!(bench.live(r#"{"event":"waiting","jobId":"1"}"#), Effect::Nothing);
    assert_eq!(bench.live(r#"{"event":"active","jobId":"1","prev":"waiting"}"#), Effect::Changed);
    assert_eq!(bench.live(r#"{"event":"progress","jobId":"1","data":40}"#), Effect::Changed);
    assert_eq!(bench.live(r#"{"event":"waiting","jobId":"1","prev":"active"}"#), Effect::Changed);
    assert_eq!((bench.job().state, said(&bench).as_deref()), (State::Queued, Some(again)));
    assert_eq!(bench.live(r#"{"event":"active","jobId":"1","prev":"waiting"}"#), Effect::Changed);
    assert_eq!((bench.job().state, said(&bench)), (State::Running, None));
    assert_eq!(bench.live(r#"{"event":"delayed","jobId":"1","delay":"9"}"#), Effect::Changed);
    assert_eq!(said(&bench).as_deref(), Some(delayed));
    assert_eq!(bench.live(r#"{"event":"waiting","jobId":"1","prev":"delayed"}"#), Effect::Nothing);
    assert_eq!(bench.live(r#"{"event":"active","jobId":"1","prev":"waiting"}"#), Effect::Changed);
    assert_eq!(
        bench.live(r#"{"event":"failed","jobId":"1","failedReason":"boom"}"#),
        Effect::Ended(Outcome::Failed)
    );
    assert_eq!(bench.job().ending().as_deref(), Some("boom"));
    assert_eq!(bench.live(r#"{"event":"waiting","jobId":"1","prev":"failed"}"#), Effect::Began(2), "by hand");
    assert_eq!(bench.live(r#"{"event":"delayed","jobId":"1","delay":"9"}"#), Effect::Changed);
    assert_eq!(said(&bench).as_deref(), Some("delayed"), "it was not at work before");
    assert_eq!(
        bench.live(r#"{"event":"removed","jobId":"1","prev":"delayed"}"#),
        Effect::Ended(Outcome::Cancelled)
    );
}

#[test]
fn a_job_that_was_queued_and_starts_is_one_run_and_its_log_changes_nothing() {
    let mut bench = Bench::new("jobs", false);
    let line = r#"{"event":"log","line":"cc -c a.c","stream":"stderr"}"#;
    let log = || Effect::Log(LogView { line: "cc -c a.c".into(), stream: Some("stderr".into()) });
    assert_eq!((bench.live(line), bench.job().run), (log(), 0));
    assert_eq!(bench.live(r#"{"event":"queued","message":"waiting for a runner"}"#), Effect::Began(1));
    bench.wait(60);
    assert_eq!(bench.live(r#"{"event":"started","total":7}"#), Effect::Began(1));
    assert_eq!((bench.job().state, bench.job().text()), (State::Running, None));
    assert_eq!(bench.job().elapsed(bench.now), Duration::ZERO);
    assert_eq!(
        bench.live(r#"{"event":"progress","step":2,"message":"linking","part":"a"}"#),
        Effect::Changed
    );
    let facts = bench.job().facts.clone();
    assert_eq!((bench.live(line), bench.job().facts.clone()), (log(), facts));
    assert_eq!(bench.live(r#"{"event":"started"}"#), Effect::Began(2), "it died and began anew");
    assert_eq!(bench.live(r#"{"event":"part_failed","part":"a","error":"x"}"#), Effect::Part("a".into()));
    assert_eq!(bench.live(r#"{"event":"succeeded"}"#), Effect::Ended(Outcome::Succeeded));
    assert_eq!((bench.live(line), bench.job().state), (log(), State::Ended(Outcome::Succeeded)));
}

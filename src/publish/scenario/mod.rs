//! Simulated jobs: events of imaginary workers with their times. Equal options give equal events.

mod celery;
mod channels;
mod downloads;
mod jobs;
mod scraping;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::dialect::{Assignment, Auth, Dialect, Dialects, JobIdType, Target, with_nearest};
use crate::emit::{Content, Outgoing};

/// The dialects that have a scenario.
pub(crate) const SCENARIOS: [&str; 5] = ["scraping", "downloads", "tasks", "channels", JOBS];

/// Name of the neutral dialect.
const JOBS: &str = "jobs";

/// The dialect whose events another program publishes, which only the demo simulates.
const CELERY: &str = "celery";

/// The name for all of them at once.
pub(crate) const ALL: &str = "all";

/// Default owner of the tasks.
pub(crate) const DEMO_OWNER: &str = "demo-user";

/// Largest number of jobs. All steps are planned ahead and kept in memory.
pub(crate) const MAX_JOBS: u32 = 100_000;

/// Settings of a scenario.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScenarioOptions {
    /// Number of jobs of all dialects together. A job of channels is a campaign, a scraper, a demo or a conversation, in turn.
    pub jobs: u32,
    /// Time within which all jobs begin and end, at speed 1.
    pub duration: Duration,
    /// Factor by which the jobs are faster. The events stay the same.
    pub speed: f64,
    /// Share of jobs that fail, 0 to 1. A campaign is paused instead, and a conversation never fails.
    pub fail_rate: f64,
    /// The share of the parts of jobs (scrapers) that fail while their job goes on, 0 to 1.
    pub part_fail_rate: f64,
    /// Seed of the events.
    pub seed: u64,
    /// Id of the first job, from which the ids of the other jobs are made. `None`: 1, 2, …, or video-1, task-1 or build-1 and
    /// so on.
    pub first_job: Option<String>,
    /// Owner of the tasks.
    pub owner: String,
}

/// Reason why nothing can be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScenarioError {
    /// Unknown or replaced scenario.
    #[error("{0}")]
    Unknown(String),
    /// Option with an invalid value.
    #[error("{0}")]
    Options(String),
}

/// One event of a simulated job.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Time after the beginning at which the event is due.
    pub at: Duration,
    /// The event.
    pub event: Outgoing,
}

/// The steps of all jobs, in the order of their times.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    parts: Vec<Part>,
    beats: std::vec::IntoIter<Beat>,
    speed: f64,
}

/// The jobs of one dialect.
#[derive(Debug, Clone)]
struct Part {
    dialect: Arc<Dialect>,
    first: Option<String>,
    jobs: u32,
    seed: u64,
    owner: Arc<str>,
}

/// A step before it is written out; small, because all of them are planned ahead.
#[derive(Debug, Clone, Copy)]
struct Beat {
    at: Duration,
    part: u8,
    job: u32,
    act: Act,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Scraping(scraping::Act),
    Download(downloads::Act),
    Task(tasks::Act),
    Channels(channels::Act),
    Celery(celery::Act),
    Job(jobs::Act),
}

/// Start, end and result of a job.
#[derive(Debug, Clone, Copy)]
struct Course {
    start: Duration,
    end: Duration,
    fails: bool,
    /// Share of the parts that fail, 0 to 1.
    part_fail_rate: f64,
}

/// Name and fields of one event of a job.
struct Said {
    event: &'static str,
    fields: Vec<Assignment>,
}

/// An event of this name with these fields.
fn said(event: &'static str, fields: Vec<(&str, Value)>) -> Said {
    let fields = fields.into_iter().map(|(name, value)| Assignment::json(name, value)).collect();
    Said { event, fields }
}

impl Scenario {
    /// Plans a scenario by its name: a dialect's, or [`ALL`], which shares the jobs out.
    pub(crate) fn named(
        name: &str,
        dialects: &Dialects,
        options: &ScenarioOptions,
    ) -> Result<Self, ScenarioError> {
        if name == ALL {
            return Self::mixed(&not_replaced(&SCENARIOS, dialects), dialects, options);
        }
        if SCENARIOS.contains(&name) && not_replaced(&[name], dialects).is_empty() {
            let message = format!("a dialect file replaces {name}, and its scenario is of the built-in one");
            return Err(ScenarioError::Unknown(message));
        }
        Self::mixed(&[name], dialects, options)
    }

    /// Plans the events of the demo: all scenarios and a Celery task.
    pub(crate) fn of_demo(dialects: &Dialects, options: &ScenarioOptions) -> Result<Self, ScenarioError> {
        let names = [&SCENARIOS[..], &[CELERY]].concat();
        Self::mixed(&not_replaced(&names, dialects), dialects, options)
    }

    /// Plans the scenarios of several dialects together, which shares the jobs out.
    pub(crate) fn mixed(
        names: &[&str],
        dialects: &Dialects,
        options: &ScenarioOptions,
    ) -> Result<Self, ScenarioError> {
        let find = |name: &&str| {
            let (_, dialect) = dialects.named(name).ok_or_else(|| unknown(name))?;
            Ok(Arc::clone(dialect))
        };
        Self::plan(names.iter().map(find).collect::<Result<_, _>>()?, options)
    }

    /// The jobs that will run, in the order in which they begin; of channels, the room of each resource.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = (&Arc<Dialect>, String)> {
        let longest = self.parts.iter().map(|part| part.jobs).max().unwrap_or(0);
        (0..longest)
            .flat_map(|job| self.parts.iter().map(move |part| (job, part)))
            .filter(|(job, part)| *job < part.jobs)
            .map(|(job, part)| (&part.dialect, part.id(job)))
    }

    /// Targets that show the whole scenario: each job, and each channel with events.
    pub(crate) fn targets(&self) -> Vec<Target> {
        let jobs = self.jobs().filter(|(dialect, _)| dialect.channels.is_none());
        let jobs = jobs.map(|(dialect, job)| Target::Job { dialect: Arc::clone(dialect), job });
        let channels = self.parts.iter().filter(|part| part.jobs > 0).flat_map(|part| {
            let names = part.dialect.channels.iter().flat_map(|channels| &channels.names);
            names.map(|name| Target::Channel { dialect: Arc::clone(&part.dialect), name: Arc::clone(name) })
        });
        jobs.chain(channels).collect()
    }

    /// Owner of the jobs; `None` where no job has an owner.
    pub(crate) fn owner(&self) -> Option<&str> {
        let mut owned = self.parts.iter().filter(|part| part.jobs > 0 && part.dialect.auth == Auth::Owner);
        owned.next().map(|part| &*part.owner)
    }

    fn plan(dialects: Vec<Arc<Dialect>>, options: &ScenarioOptions) -> Result<Self, ScenarioError> {
        check(options)?;
        let share = u32::try_from(dialects.len()).unwrap_or(1);
        let owner: Arc<str> = Arc::from(options.owner.as_str());
        let mut parts = Vec::new();
        let mut beats = Vec::new();
        for (nth, dialect) in (0..).zip(dialects) {
            let plan = planner(&dialect.name).ok_or_else(|| unknown(&dialect.name))?;
            let jobs = (options.jobs + share - 1 - nth) / share;
            let (first, owner) = (options.first_job.clone(), Arc::clone(&owner));
            let jobs_of = Part { dialect, first, jobs, seed: options.seed, owner };
            jobs_of.check_ids()?;
            let mut master = StdRng::seed_from_u64(options.seed ^ u64::from(nth));
            for job in 0..jobs {
                // A job's own generator, so that it does the same whatever the others do.
                let mut rng = StdRng::seed_from_u64(master.random());
                let course = course(job, jobs, options, &mut rng);
                let steps = plan(job, course, &mut rng).into_iter();
                let part = u8::try_from(nth).expect("there are as many as scenarios");
                beats.extend(steps.map(|(at, act)| Beat { at, part, job, act }));
            }
            parts.push(jobs_of);
        }
        // Stable, so that steps of a job that are due together keep their order.
        beats.sort_by_key(|beat| beat.at);
        Ok(Self { parts, beats: beats.into_iter(), speed: options.speed })
    }
}

impl Iterator for Scenario {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let beat = self.beats.next()?;
        let part = &self.parts[usize::from(beat.part)];
        let theme = part.seed.wrapping_add(beat.job.into());
        let at = beat.at.div_f64(self.speed);
        let said = match beat.act {
            Act::Scraping(act) => act.said(theme),
            Act::Download(act) => act.said(theme),
            Act::Task(act) => act.said(theme, &part.owner),
            Act::Channels(act) => act.said(beat.job, theme),
            Act::Job(act) => act.said(theme),
            Act::Celery(act) => {
                let job = part.id(beat.job);
                let content = Content::Whole(act.payload(&job));
                return Some(Step {
                    at,
                    event: Outgoing { dialect: Arc::clone(&part.dialect), job, content },
                });
            }
        };
        // An event of channels goes to the one of its type.
        let channel = part.dialect.channels.as_ref().and_then(|channels| channels.of_kind(said.event));
        let job = channel.map_or_else(|| part.id(beat.job), ToString::to_string);
        let content = Content::Fields { event: said.event.to_owned(), fields: said.fields };
        let event = Outgoing { dialect: Arc::clone(&part.dialect), job, content };
        Some(Step { at, event })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.beats.size_hint()
    }
}

impl ExactSizeIterator for Scenario {}

impl Part {
    fn id(&self, job: u32) -> String {
        match (self.dialect.job_id, self.first.as_deref()) {
            (JobIdType::Integer, first) => {
                // Checked when the part was made.
                let first: i64 = first.and_then(|first| first.parse().ok()).unwrap_or(1);
                first.saturating_add(job.into()).to_string()
            }
            (JobIdType::String, _) if self.dialect.channels.is_some() => channels::room(job),
            (JobIdType::String, None) if &*self.dialect.name == "tasks" => format!("task-{}", job + 1),
            (JobIdType::String, None) if &*self.dialect.name == CELERY => format!("thumbnails-{}", job + 1),
            (JobIdType::String, None) if &*self.dialect.name == JOBS => format!("build-{}", job + 1),
            (JobIdType::String, None) => format!("video-{}", job + 1),
            (JobIdType::String, Some(first)) if job == 0 => first.to_owned(),
            (JobIdType::String, Some(first)) => format!("{first}-{}", job + 1),
        }
    }

    fn check_ids(&self) -> Result<(), ScenarioError> {
        let (first, last) = (self.id(0), self.id(self.jobs.saturating_sub(1)));
        for id in [self.first.as_ref().unwrap_or(&first), &last] {
            self.dialect
                .check_job(id)
                .map_err(|error| ScenarioError::Options(format!("'{}': {error}", id.escape_debug())))?;
        }
        if self.jobs > 1 && first == last {
            return Err(ScenarioError::Options(format!(
                "there are no {} job ids from {first} on",
                self.jobs
            )));
        }
        Ok(())
    }
}

/// Names of the dialects that no file of the user replaces. A replaced dialect may have other events.
fn not_replaced<'a>(names: &[&'a str], dialects: &Dialects) -> Vec<&'a str> {
    let may_be = |name: &str| name == CELERY || name == JOBS;
    let is_own = |name: &str| dialects.named(name).is_some_and(|(_, dialect)| dialect.is_replaceable());
    names.iter().copied().filter(|name| !may_be(name) || is_own(name)).collect()
}

fn unknown(name: &str) -> ScenarioError {
    let message = format!("there is no scenario '{}'", name.escape_debug());
    ScenarioError::Unknown(with_nearest(&message, name, SCENARIOS.into_iter().chain([ALL])))
}

fn check(options: &ScenarioOptions) -> Result<(), ScenarioError> {
    let fault = |message: String| Err(ScenarioError::Options(message));
    if options.jobs == 0 || options.jobs > MAX_JOBS {
        return fault(format!("a scenario has 1 to {MAX_JOBS} jobs, not {}", options.jobs));
    }
    if options.duration.is_zero() || options.duration > Duration::from_hours(24) {
        return fault("a scenario lasts more than nothing and at most a day".to_owned());
    }
    if !(0.001..=1000.0).contains(&options.speed) {
        return fault(format!("a speed is from 0.001 to 1000, not {}", options.speed));
    }
    if options.owner.is_empty() {
        return fault("an owner has a name".to_owned());
    }
    for rate in [options.fail_rate, options.part_fail_rate] {
        if !(0.0..=1.0).contains(&rate) {
            return fault(format!("a fail rate is from 0 to 1, not {rate}"));
        }
    }
    Ok(())
}

/// Jobs begin one after the other over the first third of the time and end in its last third.
fn course(job: u32, jobs: u32, options: &ScenarioOptions, rng: &mut StdRng) -> Course {
    let place = f64::from(job) / f64::from(jobs);
    let start = place * 0.33 + rng.random_range(0.0..0.02);
    let end: f64 = rng.random_range(0.7..0.99);
    let fails = rng.random_bool(options.fail_rate);
    // A failing job ends early.
    let end = if fails { start + (end - start) * rng.random_range(0.3..0.9) } else { end };
    Course {
        start: options.duration.mul_f64(start),
        end: options.duration.mul_f64(end),
        fails,
        part_fail_rate: options.part_fail_rate,
    }
}

/// Plans one job of a scenario.
type Plan = fn(u32, Course, &mut StdRng) -> Vec<(Duration, Act)>;

fn planner(scenario: &str) -> Option<Plan> {
    Some(match scenario {
        "scraping" => |_, course, rng| wrap(scraping::plan(course, rng), Act::Scraping),
        "downloads" => |_, course, rng| wrap(downloads::plan(course, rng), Act::Download),
        "tasks" => |_, course, rng| wrap(tasks::plan(course, rng), Act::Task),
        CELERY => |_, course, rng| wrap(celery::plan(course, rng), Act::Celery),
        JOBS => |_, course, rng| wrap(jobs::plan(course, rng), Act::Job),
        "channels" => |job, course, rng| wrap(channels::plan(job, course, rng), Act::Channels),
        _ => return None,
    })
}

/// Element that belongs to a number.
fn pick<T: Copy>(from: &[T], nth: u64) -> T {
    from[usize::try_from(nth % from.len() as u64).unwrap_or(0)]
}

/// A number that looks like an id.
fn short(theme: u64) -> u64 {
    theme.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

fn wrap<A>(steps: Vec<(Duration, A)>, act: fn(A) -> Act) -> Vec<(Duration, Act)> {
    steps.into_iter().map(|(at, step)| (at, act(step))).collect()
}

impl Course {
    /// Time at a share of the course.
    fn at(&self, share: f64) -> Duration {
        self.start + self.length().mul_f64(share)
    }

    fn length(&self) -> Duration {
        self.end.saturating_sub(self.start)
    }

    /// Shares at which a worker reports, strictly between `from` and `to`, rising: two to six a second, but no fewer than
    /// a dozen however short the job is, and no more than some hundred however long.
    fn reports(&self, from: f64, to: f64, rng: &mut StdRng) -> Vec<f64> {
        let seconds = self.length().as_secs_f64() * (to - from);
        let step = (to - from) * (0.25 / seconds.max(0.001)).clamp(1.0 / 400.0, 1.0 / 12.0);
        let mut shares = Vec::new();
        let mut share = from;
        loop {
            share += step * rng.random_range(0.6..1.4);
            if share >= to {
                return shares;
            }
            shares.push(share);
        }
    }
}

#[cfg(test)]
mod tests;

//! Simulated jobs: what believable workers would publish, and when. Pure: the same options give the same events.

mod downloads;
mod scraping;

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::outgoing::{Content, Outgoing};
use crate::dialect::{Assignment, Dialect, Dialects, JobIdType, with_nearest};

/// The dialects that have a scenario.
pub const SCENARIOS: [&str; 2] = ["scraping", "downloads"];

/// The name for all of them at once.
pub const ALL: &str = "all";

/// More jobs than this are refused: all their steps are planned ahead.
pub const MAX_JOBS: u32 = 100_000;

/// What is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct ScenarioOptions {
    /// How many jobs, over all dialects.
    pub jobs: u32,
    /// The time within which all jobs begin and end, at speed 1.
    pub duration: Duration,
    /// How much faster than that; the events are the same.
    pub speed: f64,
    /// The share of jobs that fail, 0 to 1.
    pub fail_rate: f64,
    /// The share of the parts of jobs (scrapers) that fail while their job goes on, 0 to 1.
    pub part_fail_rate: f64,
    /// The same seed gives the same events.
    pub seed: u64,
    /// Id of the first job, those of the others derive from it; `None`: 1, 2, … or video-1, video-2, …
    pub first_job: Option<String>,
}

/// Why nothing can be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No such scenario.
    #[error("{0}")]
    Unknown(String),
    /// An option has no sense.
    #[error("{0}")]
    Options(String),
}

/// One event of a simulated job.
#[derive(Debug, Clone)]
pub struct Step {
    /// When it is due, after the beginning.
    pub at: Duration,
    /// The event.
    pub event: Outgoing,
}

/// The steps of all jobs, in the order of their times.
#[derive(Debug, Clone)]
pub struct Scenario {
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
}

/// From when to when a job runs, and how it ends.
#[derive(Debug, Clone, Copy)]
struct Course {
    start: Duration,
    end: Duration,
    fails: bool,
    /// Passed on to the parts of a job.
    part_fail_rate: f64,
}

/// What one event of a job says.
struct Line {
    event: &'static str,
    fields: Vec<Assignment>,
}

impl Scenario {
    /// Plans the scenario of one dialect.
    pub fn new(dialect: Arc<Dialect>, options: &ScenarioOptions) -> Result<Self, ScenarioError> {
        Self::plan(vec![dialect], options)
    }

    /// Plans a scenario by its name: a dialect's, or [`ALL`], which shares the jobs out.
    pub fn named(name: &str, dialects: &Dialects, options: &ScenarioOptions) -> Result<Self, ScenarioError> {
        let find = |name: &str| {
            let (_, dialect) = dialects.named(name).ok_or_else(|| unknown(name))?;
            Ok(Arc::clone(dialect))
        };
        let names: &[&str] = if name == ALL { &SCENARIOS } else { &[name] };
        Self::plan(names.iter().map(|name| find(name)).collect::<Result<_, _>>()?, options)
    }

    /// The jobs that will run, in the order in which they begin.
    pub fn jobs(&self) -> impl Iterator<Item = (&Arc<Dialect>, String)> {
        let longest = self.parts.iter().map(|part| part.jobs).max().unwrap_or(0);
        (0..longest)
            .flat_map(|job| self.parts.iter().map(move |part| (job, part)))
            .filter(|(job, part)| *job < part.jobs)
            .map(|(job, part)| (&part.dialect, part.id(job)))
    }

    fn plan(dialects: Vec<Arc<Dialect>>, options: &ScenarioOptions) -> Result<Self, ScenarioError> {
        check(options)?;
        let share = u32::try_from(dialects.len()).unwrap_or(1);
        let mut parts = Vec::new();
        let mut beats = Vec::new();
        for (nth, dialect) in (0..).zip(dialects) {
            let plan = match &*dialect.name {
                "scraping" => |course, rng: &mut StdRng| wrap(scraping::plan(course, rng), Act::Scraping),
                "downloads" => |course, rng: &mut StdRng| wrap(downloads::plan(course, rng), Act::Download),
                other => return Err(unknown(other)),
            };
            let jobs = (options.jobs + share - 1 - nth) / share;
            let jobs_of = Part { dialect, first: options.first_job.clone(), jobs, seed: options.seed };
            jobs_of.check_ids()?;
            let mut master = StdRng::seed_from_u64(options.seed ^ u64::from(nth));
            for job in 0..jobs {
                // A job's own generator, so that it does the same whatever the others do.
                let mut rng = StdRng::seed_from_u64(master.random());
                let course = course(job, jobs, options, &mut rng);
                let steps = plan(course, &mut rng).into_iter();
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
        let line = match beat.act {
            Act::Scraping(act) => act.line(part.seed.wrapping_add(beat.job.into())),
            Act::Download(act) => act.line(part.seed.wrapping_add(beat.job.into())),
        };
        let content = Content::Fields { event: line.event.to_owned(), fields: line.fields };
        Some(Step {
            at: beat.at.div_f64(self.speed),
            event: Outgoing { dialect: Arc::clone(&part.dialect), job: part.id(beat.job), content },
        })
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
    // One that fails gives up on the way.
    let end = if fails { start + (end - start) * rng.random_range(0.3..0.9) } else { end };
    Course {
        start: options.duration.mul_f64(start),
        end: options.duration.mul_f64(end),
        fails,
        part_fail_rate: options.part_fail_rate,
    }
}

fn wrap<A>(steps: Vec<(Duration, A)>, act: fn(A) -> Act) -> Vec<(Duration, Act)> {
    steps.into_iter().map(|(at, step)| (at, act(step))).collect()
}

impl Course {
    /// The moment at a share of the course.
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

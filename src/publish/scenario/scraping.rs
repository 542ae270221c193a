//! Scraping jobs: several scrapers that start, find results, and complete or fail.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::{Course, Said, pick, said};

const SOURCES: [&str; 4] = ["flights", "hotels", "trains", "cars"];
const ROUTES: [&str; 6] = ["MUC-BCN", "BER-LIS", "VIE-OSL", "ZRH-ATH", "HAM-FCO", "CDG-PRG"];
const SCRAPER_ERRORS: [&str; 4] =
    ["timed out after 30 s", "page layout changed", "blocked with status 429", "connection reset"];
const JOB_ERRORS: [&str; 3] =
    ["too many scrapers failed", "proxy pool exhausted", "worker ran out of memory"];

/// One event of a scraping job.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Started,
    ScraperStarted { scraper: u8, results: u32 },
    ScraperCompleted { scraper: u8, found: u32, results: u32 },
    ScraperFailed { scraper: u8, error: u8, results: u32 },
    Progress(Tally),
    Results { results: u32 },
    Completed(Tally),
    Failed { tally: Tally, error: u8 },
}

/// Progress of a job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    /// Tenths of a percent.
    permille: u16,
    results: u32,
    successful: u8,
    failed: u8,
}

/// A scraper of a job, with its times as shares of the job's course.
struct Scraper {
    from: f64,
    to: f64,
    fails: bool,
    /// Results it has found so far.
    found: u32,
}

/// Occasion of an event at a share of the course.
enum Cue {
    Start(usize),
    Report(usize),
    End(usize),
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let mut scrapers = scrapers(course, rng);
    let mut cues: Vec<(f64, Cue)> = Vec::new();
    for (nth, scraper) in scrapers.iter().enumerate() {
        cues.push((scraper.from, Cue::Start(nth)));
        cues.push((scraper.to, Cue::End(nth)));
    }
    let reports = course.reports(0.02, 0.98, rng);
    cues.extend(reports.into_iter().enumerate().map(|(nth, share)| (share, Cue::Report(nth))));
    cues.sort_by(|(a, _), (b, _)| a.total_cmp(b));

    // A failing job ends before its progress is whole.
    let reach = if course.fails { rng.random_range(0.3..0.9) } else { 1.0 };
    let mut tally = Tally { permille: 0, results: 0, successful: 0, failed: 0 };
    let mut steps = vec![(course.start, Act::Started)];
    for (share, cue) in cues {
        let at = course.at(share);
        match cue {
            Cue::Start(nth) => {
                steps.push((at, Act::ScraperStarted { scraper: number(nth), results: tally.results }));
            }
            Cue::Report(nth) => {
                for scraper in scrapers.iter_mut().filter(|s| s.from < share && share < s.to) {
                    let more = rng.random_range(0..4);
                    scraper.found += more;
                    tally.results += more;
                }
                tally.permille = permille(share * reach);
                steps.push((at, Act::Progress(tally)));
                if nth % 5 == 4 {
                    steps.push((at, Act::Results { results: tally.results }));
                }
            }
            Cue::End(nth) => steps.push((at, scraper_end(nth, &scrapers[nth], &mut tally, rng))),
        }
    }
    let error = rng.random_range(0..3);
    let last = if course.fails { Act::Failed { tally, error } } else { Act::Completed(tally) };
    steps.push((course.end, last));
    steps
}

fn scrapers(course: Course, rng: &mut StdRng) -> Vec<Scraper> {
    let count = rng.random_range(2..=5);
    // Most scrapers of a failing job fail.
    let fail = if course.fails { 0.7 } else { course.part_fail_rate };
    let mut scrapers: Vec<Scraper> = (0..count)
        .map(|_| Scraper {
            from: rng.random_range(0.01..0.25),
            to: rng.random_range(0.4..0.97),
            fails: rng.random_bool(fail),
            found: 0,
        })
        .collect();
    scrapers.sort_by(|a, b| a.from.total_cmp(&b.from));
    if !course.fails {
        // A job without any successful scraper would not have completed.
        scrapers[0].fails = false;
    }
    scrapers
}

fn scraper_end(nth: usize, scraper: &Scraper, tally: &mut Tally, rng: &mut StdRng) -> Act {
    let results = tally.results;
    if scraper.fails {
        tally.failed += 1;
        return Act::ScraperFailed { scraper: number(nth), error: rng.random_range(0..4), results };
    }
    tally.successful += 1;
    Act::ScraperCompleted { scraper: number(nth), found: scraper.found, results }
}

/// Scrapers are counted from 1, and there are few of them.
fn number(nth: usize) -> u8 {
    u8::try_from(nth + 1).unwrap_or(u8::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn permille(share: f64) -> u16 {
    (share * 1000.0) as u16
}

impl Act {
    /// Event and fields of the act. `theme` selects the source and the route.
    pub(super) fn said(self, theme: u64) -> Said {
        let source = pick(&SOURCES, theme);
        let route = pick(&ROUTES, theme / 4);
        let scraper = |n: u8| vec![("scraper_name", json!(format!("{source}-{n}"))), ("route", json!(route))];
        match self {
            Self::Started => said(
                "job_started",
                vec![
                    ("message", json!(format!("Searching {source} for {route}"))),
                    ("job_type", json!(source)),
                    ("source", json!("orchestrator")),
                ],
            ),
            Self::ScraperStarted { scraper: n, results } => {
                said("scraper_started", with(scraper(n), [("results_count", json!(results))]))
            }
            Self::ScraperCompleted { scraper: n, found, results } => said(
                "scraper_completed",
                with(scraper(n), [("results_count", json!(results)), ("scraper_results", json!(found))]),
            ),
            Self::ScraperFailed { scraper: n, error, results } => said(
                "scraper_failed",
                with(
                    scraper(n),
                    [
                        ("results_count", json!(results)),
                        ("error", json!(pick(&SCRAPER_ERRORS, error.into()))),
                    ],
                ),
            ),
            Self::Progress(tally) => said(
                "job_progress",
                with(tally.fields(), [("message", json!(format!("{} {source} so far", tally.results)))]),
            ),
            Self::Results { results } => said("results_updated", vec![("results_count", json!(results))]),
            Self::Completed(tally) => tally.ending(
                "job_completed",
                [
                    ("progress", json!(100.0)),
                    ("message", json!(format!("Found {} {source} for {route}", tally.results))),
                ],
            ),
            Self::Failed { tally, error } => tally.ending(
                "job_failed",
                [("progress", tally.percent()), ("message", json!(pick(&JOB_ERRORS, error.into())))],
            ),
        }
    }
}

impl Tally {
    fn percent(self) -> Value {
        json!(f64::from(self.permille) / 10.0)
    }

    fn fields(self) -> Vec<(&'static str, Value)> {
        vec![
            ("progress", self.percent()),
            ("results_count", json!(self.results)),
            ("successful_scrapers", json!(self.successful)),
            ("failed_scrapers", json!(self.failed)),
        ]
    }

    fn ending(self, event: &'static str, more: [(&'static str, Value); 2]) -> Said {
        let metadata = json!({"successful_scrapers": self.successful, "failed_scrapers": self.failed});
        said(event, with(vec![("results_count", json!(self.results)), ("metadata", metadata)], more))
    }
}

fn with<const N: usize>(
    mut fields: Vec<(&'static str, Value)>,
    more: [(&'static str, Value); N],
) -> Vec<(&'static str, Value)> {
    fields.extend(more);
    fields
}

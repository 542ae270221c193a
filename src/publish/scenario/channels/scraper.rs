//! A scraper: of one of four kinds, with progress and the leads that it finds.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::super::{Course, Said, pick, said};

/// The progress event and the source of each kind.
const KINDS: [(&str, &str); 4] = [
    ("scraper:google_maps_progress", "google_maps"),
    ("scraper:linkedin_progress", "linkedin"),
    ("scraper:job_board_progress", "job_board"),
    ("scraper:progress", "craigslist"),
];
const LEADS: [&str; 6] =
    ["Bakery Huber", "Northside Dental", "Blue Door Studio", "Kato Logistics", "Oak & Sons", "Mila Yoga"];
const ERRORS: [&str; 3] = ["blocked with status 429", "page layout changed", "session has expired"];

/// One event of a scraper.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Act {
    Started {
        total: u32,
    },
    Progress {
        current: u32,
        total: u32,
        leads: u32,
    },
    /// Number of the lead, counted from 1.
    LeadFound(u32),
    LeadCreated(u32),
    Completed {
        total: u32,
        leads: u32,
        millis: u32,
    },
    Failed {
        leads: u32,
        error: u8,
    },
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let total: u32 = rng.random_range(40..400);
    // A failing scraper ends early.
    let reach = if course.fails { rng.random_range(0.3..0.9) } else { 1.0 };
    let mut leads = 0;
    let mut steps = vec![(course.start, Act::Started { total })];
    for share in course.reports(0.02, 0.97, rng) {
        let at = course.at(share);
        if rng.random_bool(0.3) {
            leads += 1;
            steps.extend([(at, Act::LeadFound(leads)), (at, Act::LeadCreated(leads))]);
        }
        steps.push((at, Act::Progress { current: part(total, share * reach), total, leads }));
    }
    let millis = u32::try_from(course.length().as_millis()).unwrap_or(u32::MAX);
    let error = rng.random_range(0..3);
    let last =
        if course.fails { Act::Failed { leads, error } } else { Act::Completed { total, leads, millis } };
    steps.push((course.end, last));
    steps
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn part(of: u32, share: f64) -> u32 {
    (f64::from(of) * share) as u32
}

impl Act {
    pub(super) fn said(self, number: u32, theme: u64) -> Said {
        let id = ("scraper_id", json!(number.to_string()));
        let (progress, source) = pick(&KINDS, u64::from(number - 1));
        let lead = |nth: u32| {
            let name = pick(&LEADS, theme.wrapping_add(nth.into()));
            [("lead_id", json!(u64::from(number) * 1000 + u64::from(nth))), ("lead_name", json!(name))]
        };
        let with_source = ("source", json!(source));
        match self {
            Self::Started { total } => {
                said("scraper:started", vec![id, with_source, ("total", json!(total))])
            }
            Self::Progress { current, total, leads } => said(
                progress,
                vec![
                    id,
                    with_source,
                    ("current", json!(current)),
                    ("total", json!(total)),
                    ("leads_found", json!(leads)),
                    ("message", json!(format!("Processing page {}", current / 10 + 1))),
                ],
            ),
            Self::LeadFound(nth) => {
                said("scraper:lead_found", [vec![id, with_source], lead(nth).to_vec()].concat())
            }
            Self::LeadCreated(nth) => said("lead:created", [vec![with_source], lead(nth).to_vec()].concat()),
            Self::Completed { total, leads, millis } => said(
                "scraper:completed",
                vec![
                    id,
                    with_source,
                    ("total", json!(total)),
                    ("leads_found", json!(leads)),
                    ("duration", json!(f64::from(millis) / 1000.0)),
                ],
            ),
            Self::Failed { leads, error } => said(
                "scraper:failed",
                vec![
                    id,
                    with_source,
                    ("leads_found", json!(leads)),
                    ("error", json!(pick(&ERRORS, error.into()))),
                ],
            ),
        }
    }
}

//! Tasks of the recipe extractor: registered with an owner, then five steps, then a recipe or an error.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::{Course, Said, pick, said, short};

/// Reports of a worker in order: the step, its status, and details.
const REPORTS: [(u8, &str, &str); 8] = [
    (1, "Starting...", "Checking the address of the video"),
    (2, "Scraping video...", "Starting Apify scraper"),
    (2, "Scraping video...", "Downloading video and caption"),
    (3, "Processing with AI...", "Extracting frames and audio"),
    (3, "Processing with AI...", "Using OpenAI to analyze frames and text"),
    (4, "Extracting recipe...", "Reading ingredients and quantities"),
    (4, "Extracting recipe...", "Putting the instructions in order"),
    (5, "Saving recipe...", "Writing the recipe to the database"),
];

/// Errors of the steps: the error, and the message for users.
const ERRORS: [(&str, &str); 5] = [
    ("Unsupported address", "This link leads to no video"),
    ("TikTok scraping failed", "Unable to process video"),
    ("AI processing timed out", "Unable to analyze video"),
    ("No recipe found", "There is no recipe in this video"),
    ("Database is not available", "Unable to save recipe"),
];

const RECIPES: [&str; 6] = [
    "Creamy Pasta Carbonara",
    "Spicy Chickpea Curry",
    "Lemon Garlic Salmon",
    "Shakshuka with Feta",
    "Miso Ramen",
    "Apple Crumble",
];

/// One event of a task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Registered,
    /// Index of the report.
    Progress(u8),
    Completed,
    /// Number of the failing step, counted from 1.
    Failed(u8),
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let all = u8::try_from(REPORTS.len()).unwrap_or(u8::MAX);
    // A failing task makes at least one report.
    let reports = if course.fails { rng.random_range(1..all) } else { all };
    let mut steps = vec![(course.start, Act::Registered)];
    for nth in 0..reports {
        let share = (f64::from(nth) + rng.random_range(0.1..0.9)) / f64::from(reports);
        steps.push((course.at(share * 0.95), Act::Progress(nth)));
    }
    let last = if course.fails { Act::Failed(REPORTS[usize::from(reports) - 1].0) } else { Act::Completed };
    steps.push((course.end, last));
    steps
}

impl Act {
    /// Event and fields of the act. `theme` selects the recipe.
    pub(super) fn said(self, theme: u64, owner: &str) -> Said {
        match self {
            Self::Registered => said("registered", vec![("user_id", json!(owner))]),
            Self::Progress(nth) => {
                let (step, status, details) = pick(&REPORTS, nth.into());
                said(
                    "progress",
                    vec![("step", json!(step)), ("status", json!(status)), ("details", json!(details))],
                )
            }
            Self::Completed => said(
                "completion",
                vec![
                    ("message", json!("Recipe successfully processed and saved")),
                    ("recipe_id", json!(format!("recipe-{:08x}", short(theme)))),
                    ("recipe_name", json!(pick(&RECIPES, theme))),
                ],
            ),
            Self::Failed(step) => {
                let (error, message) = pick(&ERRORS, u64::from(step.saturating_sub(1)));
                said("error", vec![("error", json!(error)), ("message", json!(message))])
            }
        }
    }
}

//! A demo video: generated, recorded, composed, uploaded; ready, or failed on the way.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::super::{Course, Said, pick, said, short};

/// Stages: the percent at which the stage begins, its event, and its message.
const STAGES: [(f64, &str, &str); 4] = [
    (0.0, "demo:generating", "Writing the script"),
    (25.0, "demo:recording", "Recording the screen"),
    (50.0, "demo:composing", "Adding voice and captions"),
    (80.0, "demo:uploading", "Uploading to the video host"),
];

const ERRORS: [&str; 4] = [
    "script generator did not answer",
    "browser crashed while recording",
    "voice track is missing",
    "upload was refused",
];

/// One event of a demo video.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Act {
    /// Tenths of a percent.
    Working(u16),
    Completed {
        millis: u32,
    },
    /// Tenths of a percent at which the video failed.
    Failed(u16),
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    // A failing video ends early.
    let reach = if course.fails { rng.random_range(0.1..0.95) } else { 1.0 };
    let mut steps = vec![(course.start, Act::Working(0))];
    let mut permille = 0;
    for share in course.reports(0.02, 0.98, rng) {
        permille = tenths(share * reach);
        steps.push((course.at(share), Act::Working(permille)));
    }
    let millis = rng.random_range(45_000..180_000);
    steps.push((course.end, if course.fails { Act::Failed(permille) } else { Act::Completed { millis } }));
    steps
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn tenths(share: f64) -> u16 {
    (share * 1000.0) as u16
}

/// Index of the stage at these tenths of a percent.
fn stage(permille: u16) -> usize {
    STAGES.iter().rposition(|(from, _, _)| f64::from(permille) / 10.0 >= *from).unwrap_or(0)
}

impl Act {
    pub(super) fn said(self, number: u32, theme: u64) -> Said {
        let id = ("demo_id", json!(number.to_string()));
        let percent = |permille: u16| ("percent", json!(f64::from(permille) / 10.0));
        match self {
            Self::Working(permille) => {
                let (_, event, message) = STAGES[stage(permille)];
                said(event, vec![id, percent(permille), ("message", json!(message))])
            }
            Self::Completed { millis } => said(
                "demo:completed",
                vec![
                    id,
                    percent(1000),
                    ("duration", json!(f64::from(millis) / 1000.0)),
                    ("url", json!(format!("https://example.com/demos/{:08x}", short(theme)))),
                ],
            ),
            Self::Failed(permille) => {
                let error = pick(&ERRORS, u64::try_from(stage(permille)).unwrap_or(0));
                said("demo:failed", vec![id, percent(permille), ("error", json!(error))])
            }
        }
    }
}

//! Download jobs: the stages of the contract, from 5 % (starting) to 100 %.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::{Course, Said, pick, said, short};

const TITLES: [&str; 6] =
    ["Lecture", "Trailer", "Interview", "Concert recording", "Product tour", "Field report"];
const QUALITIES: [&str; 3] = ["720p", "1080p", "2160p"];
const STORES: [&str; 3] = ["gcs", "azure", "s3"];
const ERRORS: [&str; 4] = [
    "source answered 403",
    "connection reset by the source",
    "video is no longer available",
    "upload to storage timed out",
];

/// Stages with a percentage of their own: the share of the course, and the percent.
const STAGES: [(f64, u8); 5] = [(0.03, 5), (0.08, 10), (0.86, 90), (0.89, 92), (0.97, 98)];
const INFO: u8 = 10;

/// One event of a download job.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Queued,
    /// Percent.
    Progress(u8),
    Completed {
        bytes: u32,
    },
    Failed {
        percent: u8,
        error: u8,
    },
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let mut shares: Vec<(f64, u8)> = STAGES.to_vec();
    let (from, to) = (0.1, 0.85);
    for share in course.reports(from, to, rng) {
        shares.push((share, downloading((share - from) / (to - from))));
    }
    shares.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // A failing job ends early.
    let reach = if course.fails { rng.random_range(0.1..0.95) } else { 1.0 };
    let mut steps = vec![(course.start, Act::Queued)];
    let mut percent = 0;
    for (share, next) in shares.into_iter().filter(|(share, _)| *share < reach) {
        percent = next;
        steps.push((course.at(share / reach), Act::Progress(percent)));
    }
    let last = if course.fails {
        Act::Failed { percent, error: rng.random_range(0..4) }
    } else {
        Act::Completed { bytes: rng.random_range(4_000_000..900_000_000) }
    };
    steps.push((course.end, last));
    steps
}

/// 15 to 89 percent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn downloading(share: f64) -> u8 {
    15 + (share * 75.0) as u8
}

impl Act {
    /// Event and fields of the act. `theme` selects the video.
    pub(super) fn said(self, theme: u64) -> Said {
        match self {
            Self::Queued => said("queued", Vec::new()),
            Self::Progress(INFO) => {
                said("processing", vec![("progress", json!(INFO)), ("videoInfo", video(theme))])
            }
            Self::Progress(percent) => said("processing", vec![("progress", json!(percent))]),
            Self::Completed { bytes } => said(
                "completed",
                vec![
                    ("downloadUrl", json!(format!("https://example.com/files/{:08x}.mp4", short(theme)))),
                    ("fileSize", json!(bytes)),
                    ("storageProvider", json!(pick(&STORES, theme))),
                ],
            ),
            Self::Failed { percent, error } => said(
                "failed",
                vec![("progress", json!(percent)), ("error", json!(pick(&ERRORS, error.into())))],
            ),
        }
    }
}

fn video(theme: u64) -> Value {
    json!({
        "id": format!("{:08x}", short(theme)),
        "title": format!("{} {}", pick(&TITLES, theme), theme % 90 + 10),
        "thumbnail": format!("https://example.com/thumbnails/{:08x}.jpg", short(theme)),
        "duration": 30 + theme % 3571,
        "quality": pick(&QUALITIES, theme),
    })
}

//! A simulated Celery task: the publications of its result backend, for the demo alone.

use std::time::Duration;

use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::{Course, pick};

/// Steps of the task.
const TOTAL: u8 = 40;
const STAGES: [&str; 4] = ["reading the archive", "resizing", "writing thumbnails", "building the index"];

/// One event of a task.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Started,
    /// Number of finished steps.
    Progress(u8),
    Success,
    Failure,
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let reach = if course.fails { 0.6 } else { 1.0 };
    let mut steps = vec![(course.start, Act::Started)];
    let mut last = 0;
    for share in course.reports(0.0, 1.0, rng) {
        let done = steps_done(share * reach);
        if done > last {
            steps.push((course.at(share), Act::Progress(done)));
            last = done;
        }
    }
    steps.push((course.end, if course.fails { Act::Failure } else { Act::Success }));
    steps
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn steps_done(share: f64) -> u8 {
    (share * f64::from(TOTAL)) as u8
}

impl Act {
    /// Payload of the act, as Celery writes it.
    pub(super) fn payload(self, job: &str) -> String {
        let (status, result) = match self {
            Self::Started => ("STARTED", json!({ "pid": 4711, "hostname": "celery@demo" })),
            Self::Progress(done) => {
                let stage = pick(&STAGES, u64::from(done) * STAGES.len() as u64 / u64::from(TOTAL + 1));
                ("PROGRESS", json!({ "current": done, "total": TOTAL, "status": stage }))
            }
            Self::Success => ("SUCCESS", json!(format!("{TOTAL} thumbnails"))),
            Self::Failure => (
                "FAILURE",
                json!({ "exc_type": "OSError", "exc_message": [28, "No space left on device"], "exc_module": "builtins" }),
            ),
        };
        json!({
            "status": status,
            "result": result,
            "traceback": Value::Null,
            "children": [],
            "date_done": Value::Null,
            "task_id": job,
        })
        .to_string()
    }
}

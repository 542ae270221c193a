//! Simulated builds in the dialect `jobs`: parts, steps, log lines, and all three endings.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::{Course, Said, pick, said};

/// Number of steps of a build.
const TOTAL: u8 = 48;

/// Parts of a build in order: name, first step, word for the steps, and error of a failing part.
const PARTS: [(&str, u8, &str, &str); 4] = [
    ("compile", 0, "compiling", "undefined reference to `main'"),
    (LINT, 22, "reading", "2 warnings"),
    ("test", 28, "testing", "1 of 12 tests failed"),
    ("package", 44, "packing", "no space left on device"),
];

/// Part that may fail without ending the build.
const LINT: &str = "lint";

const SOURCES: [&str; 8] = ["parser", "lexer", "cache", "codec", "index", "router", "queue", "store"];

/// Share of the unsuccessful builds that are cancelled rather than failed.
const STOPPED: f64 = 0.25;

/// One event of a build.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Queued,
    Started,
    /// Start of the part with this index.
    PartStarted(u8),
    PartDone(u8),
    PartFailed(u8),
    /// Number of finished steps.
    Progress(u8),
    /// Log line of this step.
    Log(u8),
    Succeeded,
    Failed,
    Cancelled,
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    // A failing build stops early.
    let reach = if course.fails { rng.random_range(0.2..0.95) } else { 1.0 };
    let lint_fails = rng.random_bool(course.part_fail_rate);
    let mut steps = vec![
        (course.start, Act::Queued),
        (course.at(0.02), Act::Started),
        (course.at(0.02), Act::PartStarted(0)),
    ];
    let (mut part, mut last) = (0, 0);
    for share in course.reports(0.02, 0.98, rng) {
        let (at, done) = (course.at(share), steps_done(share * reach));
        if done == last {
            continue;
        }
        while part < part_of(done) {
            let is_lint = PARTS[usize::from(part)].0 == LINT;
            steps.push((at, if is_lint && lint_fails { Act::PartFailed(part) } else { Act::PartDone(part) }));
            part += 1;
            steps.push((at, Act::PartStarted(part)));
        }
        steps.extend([(at, Act::Log(done)), (at, Act::Progress(done))]);
        last = done;
    }
    let ending = match (course.fails, course.fails && rng.random_bool(STOPPED)) {
        (false, _) => [Act::PartDone(part), Act::Succeeded],
        (true, false) => [Act::PartFailed(part), Act::Failed],
        (true, true) => [Act::Log(last), Act::Cancelled],
    };
    steps.extend(ending.map(|act| (course.end, act)));
    steps
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn steps_done(share: f64) -> u8 {
    (share * f64::from(TOTAL)) as u8
}

/// Index of the part that a step belongs to.
fn part_of(step: u8) -> u8 {
    let begun = PARTS.iter().filter(|(_, first, ..)| *first <= step).count();
    u8::try_from(begun - 1).expect("there are four")
}

impl Act {
    /// Event and fields of the act. `theme` selects the names of the sources.
    pub(super) fn said(self, theme: u64) -> Said {
        let part = |nth: u8| PARTS[usize::from(nth)];
        let source = |step: u8| pick(&SOURCES, theme.wrapping_add(step.into()));
        match self {
            Self::Queued => said("queued", Vec::new()),
            Self::Started => said("started", vec![("total", json!(TOTAL)), ("command", json!("make"))]),
            Self::PartStarted(nth) => said("part_started", vec![("part", json!(part(nth).0))]),
            Self::PartDone(nth) => said("part_done", vec![("part", json!(part(nth).0))]),
            Self::PartFailed(nth) => {
                let (name, _, _, error) = part(nth);
                said("part_failed", vec![("part", json!(name)), ("error", json!(error))])
            }
            Self::Progress(done) => {
                let (name, _, doing, _) = part(part_of(done));
                let percent = 100.0 * f64::from(done) / f64::from(TOTAL);
                said(
                    "progress",
                    vec![
                        ("percent", json!((percent * 10.0).round() / 10.0)),
                        ("step", json!(done)),
                        ("total", json!(TOTAL)),
                        ("message", json!(format!("{doing} {}.c", source(done)))),
                        ("part", json!(name)),
                    ],
                )
            }
            Self::Log(step) => {
                let (name, _, doing, _) = part(part_of(step));
                let line = format!("[{step}/{TOTAL}] {doing} src/{}.c", source(step));
                said("log", vec![("line", json!(line)), ("stream", json!("stdout")), ("part", json!(name))])
            }
            Self::Succeeded => said("succeeded", vec![("result", json!("build.tar.gz, 4 parts"))]),
            Self::Failed => said("failed", vec![("exit_code", json!(2))]),
            Self::Cancelled => said("cancelled", vec![("signal", json!("SIGINT"))]),
        }
    }
}

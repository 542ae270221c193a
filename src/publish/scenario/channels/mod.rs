//! The outreach platform: campaigns with their mails, scrapers with the leads that they find, demo videos, and
//! conversations that an AI helps with. One job of the scenario is one of these, in turn; each kind is counted from 1.

mod campaign;
mod conversation;
mod demo;
mod scraper;

use std::time::Duration;

use rand::rngs::StdRng;
use serde_json::json;

use super::{Course, Said, said};

/// Number of kinds of resources, which jobs are in turn.
const STORIES: u32 = 4;

/// Notices for administrators: the text and its level.
const NOTICES: [(&str, &str); 2] = [
    ("Outreach run has begun", "info"),
    ("A campaign was paused: too many of its mails came back", "warning"),
];

/// One event of the platform.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    /// Index of the notice.
    Notice(u8),
    Campaign(campaign::Act),
    Scraper(scraper::Act),
    Demo(demo::Act),
    Conversation(conversation::Act),
}

pub(super) fn plan(job: u32, course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let mut steps = if job == 0 { vec![(course.start, Act::Notice(0))] } else { Vec::new() };
    match job % STORIES {
        0 => {
            for (at, act) in campaign::plan(course, rng) {
                let notice = act.is_pause().then_some((at, Act::Notice(1)));
                steps.push((at, Act::Campaign(act)));
                steps.extend(notice);
            }
        }
        1 => steps.extend(wrap(scraper::plan(course, rng), Act::Scraper)),
        2 => steps.extend(wrap(demo::plan(course, rng), Act::Demo)),
        _ => steps.extend(wrap(conversation::plan(course, rng), Act::Conversation)),
    }
    steps
}

/// The room of the resource that a job is.
pub(super) fn room(job: u32) -> String {
    let kind = match job % STORIES {
        0 => "campaign",
        1 => "scraper",
        2 => "demo",
        _ => "conversation",
    };
    format!("{kind}:{}", number(job))
}

/// The number of a job among those of its kind.
fn number(job: u32) -> u32 {
    job / STORIES + 1
}

impl Act {
    /// Event and fields of the act. `theme` selects names and texts.
    pub(super) fn said(self, job: u32, theme: u64) -> Said {
        let number = number(job);
        match self {
            Self::Notice(nth) => {
                let (message, level) = super::pick(&NOTICES, nth.into());
                said("notification:system", vec![("message", json!(message)), ("level", json!(level))])
            }
            Self::Campaign(act) => act.said(number, theme),
            Self::Scraper(act) => act.said(number, theme),
            Self::Demo(act) => act.said(number, theme),
            Self::Conversation(act) => act.said(number, theme),
        }
    }
}

fn wrap<A>(steps: Vec<(Duration, A)>, act: fn(A) -> Act) -> impl Iterator<Item = (Duration, Act)> {
    steps.into_iter().map(move |(at, step)| (at, act(step)))
}

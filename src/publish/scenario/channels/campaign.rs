//! A campaign: its launch, mails, growing figures, and its end. A campaign cannot fail. Instead, too many of its mails
//! bounce, and it is paused.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::super::{Course, Said, pick, said};

const NAMES: [&str; 6] =
    ["Q1 outreach", "Spring launch", "Product update", "Winback", "Webinar invitation", "Year in review"];
const PEOPLE: [&str; 8] = ["ada", "ben", "chen", "dora", "emil", "fatima", "goran", "hana"];
const COMPANIES: [&str; 5] =
    ["acme.example", "globex.example", "initech.example", "umbra.example", "vandelay.example"];

/// Start and end of the pause of a campaign with many bounces, as shares of the course.
const PAUSE: (f64, f64) = (0.45, 0.6);

/// One event of a campaign.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Act {
    Launched {
        recipients: u32,
    },
    /// Number of the mail, counted from 1, and its event.
    Mail(u32, Mail),
    Stats(Figures),
    Paused,
    Resumed,
    Completed(Figures),
}

/// Event of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Mail {
    /// Event that the campaign reports.
    Handed,
    Sent,
    Delivered,
    Opened,
    Clicked,
    Unsubscribed,
    Bounced,
    /// Event that the campaign reports.
    Failed,
}

/// Figures of a campaign.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Figures {
    sent: u32,
    opened: u32,
    clicked: u32,
    bounced: u32,
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let recipients = rng.random_range(100..5000);
    let (open, bounce) =
        (rng.random_range(0.2..0.6), if course.fails { 0.2 } else { rng.random_range(0.005..0.03) });
    let figures = |share: f64| {
        let sent = part(recipients, share);
        let bounced = part(sent, bounce);
        // Mails are read some time after they have come.
        let opened = part(sent - bounced, open * share);
        Figures { sent, opened, clicked: part(opened, 0.25), bounced }
    };
    let mut steps = vec![(course.start, Act::Launched { recipients })];
    for (nth, share) in (1..).zip(course.reports(0.03, 0.93, rng)) {
        if course.fails && share > PAUSE.0 && share < PAUSE.1 {
            continue;
        }
        steps.push((course.at(share), Act::Stats(figures(share))));
        if nth % 2 == 0 {
            for (later, what) in mail(bounce, rng) {
                steps.push((course.at((share + later).min(0.98)), Act::Mail(nth / 2, what)));
            }
        }
    }
    if course.fails {
        steps.push((course.at(PAUSE.0), Act::Paused));
        steps.push((course.at(PAUSE.1), Act::Resumed));
    }
    steps.push((course.end, Act::Completed(figures(1.0))));
    steps
}

/// Events of one mail, each with its delay as a share of the campaign's course.
fn mail(bounce: f64, rng: &mut StdRng) -> Vec<(f64, Mail)> {
    if rng.random_bool(bounce / 4.0) {
        return vec![(0.0, Mail::Failed)];
    }
    let mut happens = vec![(0.0, Mail::Handed), (0.001, Mail::Sent)];
    if rng.random_bool(bounce) {
        happens.push((0.02, Mail::Bounced));
        return happens;
    }
    happens.push((0.01, Mail::Delivered));
    let mut later = 0.01;
    for (what, chance) in [(Mail::Opened, 0.5), (Mail::Clicked, 0.4), (Mail::Unsubscribed, 0.1)] {
        if !rng.random_bool(chance) {
            break;
        }
        later += rng.random_range(0.01..0.1);
        happens.push((later, what));
    }
    happens
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share is from 0 to 1
fn part(of: u32, share: f64) -> u32 {
    (f64::from(of) * share.clamp(0.0, 1.0)) as u32
}

impl Act {
    pub(super) fn is_pause(self) -> bool {
        matches!(self, Self::Paused)
    }

    pub(super) fn said(self, campaign: u32, theme: u64) -> Said {
        let id = ("campaign_id", json!(campaign));
        let name = ("campaign_name", json!(pick(&NAMES, theme)));
        match self {
            Self::Launched { recipients } => {
                said("campaign:launched", vec![id, name, ("total_recipients", json!(recipients))])
            }
            Self::Mail(nth, what) => what.said(campaign, nth, theme),
            Self::Stats(figures) => figures.said("campaign:stats_updated", vec![id]),
            Self::Paused => {
                said("campaign:paused", vec![id, name, ("reason", json!("bounce rate over 10 %"))])
            }
            Self::Resumed => said("campaign:resumed", vec![id, name]),
            Self::Completed(figures) => figures.said("campaign:completed", vec![id, name]),
        }
    }
}

impl Figures {
    fn said(self, event: &'static str, mut fields: Vec<(&str, Value)>) -> Said {
        fields.extend([
            ("sent", json!(self.sent)),
            ("delivered", json!(self.sent - self.bounced)),
            ("opened", json!(self.opened)),
            ("clicked", json!(self.clicked)),
            ("bounced", json!(self.bounced)),
        ]);
        said(event, fields)
    }
}

impl Mail {
    fn said(self, campaign: u32, nth: u32, theme: u64) -> Said {
        let who = theme.wrapping_add(u64::from(nth).wrapping_mul(7));
        let recipient = format!("{}@{}", pick(&PEOPLE, who), pick(&COMPANIES, who / 8));
        let mut fields = vec![
            ("email_id", json!(u64::from(campaign) * 100_000 + u64::from(nth))),
            ("campaign_id", json!(campaign)),
            ("recipient", json!(recipient)),
        ];
        let event = match self {
            Self::Handed => "campaign:email_sent",
            Self::Sent => "email:sent",
            Self::Delivered => "email:delivered",
            Self::Opened => "email:opened",
            Self::Clicked => {
                fields.push(("url", json!("https://example.com/offer")));
                "email:clicked"
            }
            Self::Unsubscribed => {
                fields.push(("reason", json!("not interested")));
                "email:unsubscribed"
            }
            Self::Bounced => {
                fields.push(("reason", json!("mailbox does not exist")));
                "email:bounced"
            }
            Self::Failed => {
                fields.push(("error", json!("mail server refused the connection")));
                "campaign:email_failed"
            }
        };
        said(event, fields)
    }
}

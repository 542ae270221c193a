//! A conversation that an AI helps with: several tasks, the first of them a reply. No task fails.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;

use super::super::{Course, Said, pick, said};

const RESPONSES: [&str; 4] = [
    "Thank you for your interest! Would Tuesday at ten suit you?",
    "Here is the price list that you asked for.",
    "Happy to help: the trial can be extended by two weeks.",
    "I have passed this on to our engineers and will come back to you.",
];
const SUBJECTS: [&str; 3] = ["Your question about pricing", "A short demo for your team", "Next steps"];
const MODELS: [&str; 2] = ["gpt-4o-mini", "gpt-4o"];
const SENTIMENTS: [&str; 3] = ["positive", "neutral", "curious"];

/// Operations of the AI, in turn.
const OPERATIONS: [&str; 4] = ["draft_reply", "analyze_lead", "generate_email", "analyze_conversation"];

/// One event of a conversation.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Act {
    /// A task, counted from 0, is taken up.
    Processing(u32),
    /// A task is done.
    Ready {
        task: u32,
        /// Thousandths.
        confidence: u16,
        tokens: u16,
    },
    /// All tasks are done.
    Processed { tasks: u32 },
}

pub(super) fn plan(course: Course, rng: &mut StdRng) -> Vec<(Duration, Act)> {
    let tasks: u32 = rng.random_range(4..9);
    let mut steps = Vec::new();
    for task in 0..tasks {
        let share = |part: f64| course.at((f64::from(task) + part) / f64::from(tasks) * 0.95);
        let begin = if task == 0 { course.start } else { share(rng.random_range(0.0..0.2)) };
        steps.push((begin, Act::Processing(task)));
        let confidence = rng.random_range(600..1000);
        let tokens = rng.random_range(80..900);
        steps.push((share(rng.random_range(0.5..0.95)), Act::Ready { task, confidence, tokens }));
    }
    steps.push((course.end, Act::Processed { tasks }));
    steps
}

impl Act {
    pub(super) fn said(self, number: u32, theme: u64) -> Said {
        let id = |task: u32| ("task_id", json!(format!("{number}-{}", task + 1)));
        let conversation = ("conversation_id", json!(number));
        match self {
            Self::Processing(task) => said(
                "ai:processing",
                vec![
                    id(task),
                    conversation,
                    ("operation", json!(pick(&OPERATIONS, task.into()))),
                    ("model", json!(pick(&MODELS, theme))),
                ],
            ),
            Self::Ready { task, confidence, tokens } => {
                let theme = theme.wrapping_add(task.into());
                let score = f64::from(confidence) / 1000.0;
                match task % 4 {
                    0 => said(
                        "ai:response_ready",
                        vec![
                            id(task),
                            conversation,
                            ("response", json!(pick(&RESPONSES, theme))),
                            ("confidence", json!(score)),
                            ("tokens_used", json!(tokens)),
                        ],
                    ),
                    1 => said(
                        "ai:lead_analyzed",
                        vec![
                            id(task),
                            conversation,
                            ("lead_id", json!(u64::from(number) * 1000 + 1)),
                            ("score", json!(score)),
                        ],
                    ),
                    2 => said(
                        "ai:email_generated",
                        vec![id(task), conversation, ("subject", json!(pick(&SUBJECTS, theme)))],
                    ),
                    _ => said(
                        "ai:analysis_complete",
                        vec![id(task), conversation, ("result", json!({"messages": tokens / 40}))],
                    ),
                }
            }
            Self::Processed { tasks } => said(
                "ai:conversation_processed",
                vec![id(tasks), conversation, ("sentiment", json!(pick(&SENTIMENTS, theme)))],
            ),
        }
    }
}

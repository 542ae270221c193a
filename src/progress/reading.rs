//! What the groups of a match say.

use regex::bytes::Captures;

use crate::text::printable;

/// Named groups of a pattern of the user's.
pub(super) const GROUPS: [&str; 4] = ["percent", "step", "total", "message"];

/// Characters of a message, at most.
const LONGEST_MESSAGE: usize = 200;

/// How far a program is, by a line of its output.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Progress {
    /// Part that is done, 0 to 100. Where the line has a step and a total, their quotient.
    pub percent: Option<f64>,
    /// Number of the step, at most `total`.
    pub step: Option<u64>,
    /// Number of steps, not 0.
    pub total: Option<u64>,
    /// What the program does now: on one line, and safe for a terminal.
    pub message: Option<String>,
}

impl Progress {
    /// Progress that is a percent alone.
    pub(super) const fn of(percent: f64) -> Self {
        Self { percent: Some(percent), step: None, total: None, message: None }
    }
}

/// The progress in a match: its groups `percent`, `step`, `total` and `message`, and of the table's own patterns the amounts
/// `done` and `size`, which are in the same unit. `None` where a number is none, or they contradict each other.
pub(super) fn read(found: &Captures<'_>) -> Option<Progress> {
    let group = |name| found.name(name).map(|group| group.as_bytes());
    // A group that is there has a value.
    let percent = group("percent").map_or(Some(None), |text| percent(text).map(Some))?;
    let [step, total] =
        ["step", "total"].map(|name| group(name).map_or(Some(None), |text| count(text).map(Some)));
    let (step, total) = (step?, total?);
    if total == Some(0) || matches!((step, total), (Some(step), Some(total)) if step > total) {
        return None;
    }
    let of_steps = step.zip(total).map(|(step, total)| share(float(step), float(total)));
    let of_amounts = match (group("done").and_then(decimal), group("size").and_then(decimal)) {
        (Some(done), Some(size)) if size > 0.0 && done <= size => Some(share(done, size)),
        _ => None,
    };
    let message = group("message").and_then(message);
    let percent = percent.or(of_steps).or(of_amounts);
    let is_any = percent.is_some() || step.is_some() || total.is_some() || message.is_some();
    is_any.then_some(Progress { percent, step, total, message })
}

/// A hundred times a quotient, to two decimals: no more are worth an event.
pub(super) fn share(done: f64, whole: f64) -> f64 {
    (done / whole * 10_000.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "a percent has two decimals")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn percent(text: &[u8]) -> Option<f64> {
    decimal(text).filter(|percent| (0.0..=100.0).contains(percent))
}

/// A number such as `45`, `45.5` or `45,5`.
pub(super) fn decimal(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',');
    if !is_plain || text.len() > 30 {
        return None;
    }
    text.replace(',', ".").parse().ok().filter(|number: &f64| number.is_finite())
}

/// A number such as `1024` or `1,024`.
fn count(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    text.replace([',', '_'], "").parse().ok()
}

/// A text without the marks between it and the number that it stands before.
fn message(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let text = printable(&text);
    let text = text
        .trim()
        .trim_end_matches(|c: char| " .…:=([-|#".contains(c))
        .trim_start_matches([':', '-'])
        .trim();
    (!text.is_empty()).then(|| text.chars().take(LONGEST_MESSAGE).collect())
}

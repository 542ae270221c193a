//! Values of the groups of a match.

use std::sync::LazyLock;

use regex::Regex;
use regex::bytes::Captures;

use crate::text::printable;

/// Named groups that a user's pattern may have.
pub(super) const GROUPS: [&str; 4] = ["percent", "step", "total", "message"];

/// Longest message, in characters.
const LONGEST_MESSAGE: usize = 200;

/// Progress of a program, as found in a line of its output. `step` is at most `total` where both are known.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Progress {
    /// Finished share in percent, 0 to 100: from the line itself, or else the quotient of step and total or of two amounts.
    pub percent: Option<f64>,
    /// Number of the current step.
    pub step: Option<u64>,
    /// Number of all steps, not 0.
    pub total: Option<u64>,
    /// Current activity of the program: one line, safe for a terminal.
    pub message: Option<String>,
}

impl Progress {
    /// Makes progress with a percent alone.
    pub(super) const fn of(percent: f64) -> Self {
        Self { percent: Some(percent), step: None, total: None, message: None }
    }
}

/// Progress from the groups of a match: `percent`, `step`, `total` and `message`, and in the tables' own patterns the amounts
/// of data `done` and `size`. `None` where a number cannot be read, or where the numbers contradict each other.
pub(super) fn read(found: &Captures<'_>) -> Option<Progress> {
    let group = |name| found.name(name).map(|group| group.as_bytes());
    // A group that has matched must have a readable value.
    let percent = group("percent").map_or(Some(None), |text| percent(text).map(Some))?;
    let [step, total] =
        ["step", "total"].map(|name| group(name).map_or(Some(None), |text| count(text).map(Some)));
    let (step, total) = (step?, total?);
    if total == Some(0) || matches!((step, total), (Some(step), Some(total)) if step > total) {
        return None;
    }
    let of_steps = step.zip(total).map(|(step, total)| share(float(step), float(total)));
    let of_amounts = match (group("done"), group("size")) {
        (Some(done), Some(size)) => Some(part(done, size)?),
        _ => None,
    };
    let message = group("message").and_then(message);
    let percent = percent.or(of_steps).or(of_amounts);
    let is_any = percent.is_some() || step.is_some() || total.is_some() || message.is_some();
    is_any.then_some(Progress { percent, step, total, message })
}

/// Quotient in percent, rounded to two decimals. Finer progress is not worth an event.
pub(super) fn share(done: f64, whole: f64) -> f64 {
    (done / whole * 10_000.0).round() / 100.0
}

/// Share of the amount `done` in the amount `size`, in percent. An amount `done` without a unit has the unit of `size`.
fn part(done: &[u8], size: &[u8]) -> Option<f64> {
    let (size, unit) = amount(size)?;
    let (done, own) = amount(done)?;
    let (done, size) = (done * own.or(unit).unwrap_or(1.0), size * unit.unwrap_or(1.0));
    (size > 0.0 && done <= size).then(|| share(done, size))
}

/// Parses an amount such as `1.5 MiB` into the number and its unit in bytes.
fn amount(text: &[u8]) -> Option<(f64, Option<f64>)> {
    let text = std::str::from_utf8(text).ok()?;
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let base: f64 = if unit.contains('i') { 1024.0 } else { 1000.0 };
    let power = match unit.bytes().next().map(|letter| letter.to_ascii_uppercase()) {
        None => return Some((decimal(number.as_bytes())?, None)),
        Some(b'K') => 1,
        Some(b'M') => 2,
        Some(b'G') => 3,
        Some(b'T') => 4,
        Some(b'P') => 5,
        Some(_) => 0,
    };
    Some((decimal(number.as_bytes())?, Some(base.powi(power))))
}

#[expect(clippy::cast_precision_loss, reason = "a percent has two decimals")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn percent(text: &[u8]) -> Option<f64> {
    decimal(text).filter(|percent| (0.0..=100.0).contains(percent))
}

/// Parses a number such as `45`, `45.5`, `45,5` or `1,234.5`. A comma stands before the decimals or before groups of three
/// digits.
pub(super) fn decimal(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',');
    if !is_plain || text.len() > 30 {
        return None;
    }
    let whole = text.split('.').next().unwrap_or_default();
    let are_thousands = text.contains('.') || whole.split(',').skip(1).all(|digits| digits.len() == 3);
    text.replace(',', if are_thousands { "" } else { "." })
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

/// Parses a whole number such as `1024` or `1,024`.
fn count(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    text.replace([',', '_'], "").parse().ok()
}

/// Message from the text before a number, without the punctuation between them. A bar, a percent or a rate at the end of the
/// text is removed too.
pub(super) fn message(text: &[u8]) -> Option<String> {
    static REST: LazyLock<Regex> = LazyLock::new(|| {
        let rest = r"(?:(?:\s{2,}|: +)[\[(|]?[#=\u{2500}-\u{259f}>-]{3,}|\s{2,}\d{1,3}(?:\.\d+)?%(?:\s|$)|: +\d{1,3}(?:\.\d+)?% +\d).*$";
        let rate = r"^[\s.,\[]*[\d.,]+ ?[kKMGT]?i?[Bb]?/s\b.*$";
        let bar = r"^\[[.\d=#> -]{9,}\].*$";
        Regex::new(&format!("{rest}|{rate}|{bar}")).expect("the pattern is a constant, and tests use it")
    });
    let text = String::from_utf8_lossy(text);
    let text = printable(&text);
    let text = REST.replace(&text, "");
    let text = text
        .trim()
        .trim_end_matches(|c: char| " .…:=([-|#".contains(c))
        .trim_start_matches([':', '-'])
        .trim();
    (!text.is_empty()).then(|| text.chars().take(LONGEST_MESSAGE).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_are_decimal_or_between_thousands() {
        let numbers = ["45", "45.5", "45,5", "45,25", "1,234", "1,234,567", "1,234.5"]
            .map(|text| decimal(text.as_bytes()));
        assert_eq!(numbers, [45.0, 45.5, 45.5, 45.25, 1234.0, 1_234_567.0, 1234.5].map(Some));
        for text in ["", ".", ",", "1.2.3", "4,5,6", "-1", "1e3", "nan", "0x1"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn amounts_have_units() {
        let part = |done: &str, size: &str| part(done.as_bytes(), size.as_bytes());
        assert_eq!(part("12.5", "50 MB"), Some(25.0));
        assert_eq!(part("512kB", "2.048MB"), Some(25.0));
        assert_eq!(part("512 KiB", "2 MiB"), Some(25.0));
        assert_eq!(part("1", "4 bytes"), Some(25.0));
        assert_eq!(part("3 MB", "2 MB"), None);
        assert_eq!(part("0 B", "0 B"), None);
        assert_eq!(part("1.2.3 MB", "2 MB"), None);
    }

    #[test]
    fn a_message_ends_before_bars_percents_and_rates() {
        let message = |text: &str| message(text.as_bytes());
        for text in [
            "installing a   [####----]  45%",
            "installing a: 45% 1 MB/s",
            "installing a  \u{2588}\u{2588}\u{2588}",
            "installing a   100%    1 MiB   1.2MB/s    00:01",
            " - installing a ... (",
        ] {
            assert_eq!(message(text).as_deref(), Some("installing a"), "{text}");
        }
        for text in ["a: 45% of it", "a  [x] b", "a - b: c", ".gitignore"] {
            assert_eq!(message(text).as_deref(), Some(text));
        }
        for text in
            ["1.2 MiB/s", " .......... .......... [1234.5KB/s]", "[...0        ] [ 1.1MB/s]", "...", " - "]
        {
            assert_eq!(message(text), None, "{text}");
        }
    }
}

//! Figures and texts as people read them, the same in every report.

use crate::bench::numbers::{as_f64, whole};
use crate::text::{brief, fit, noun_for};

/// The longest text from outside that a report repeats, in columns.
const LONGEST: usize = 200;

/// A duration given in microseconds, to three digits: `345 µs`, `5.25 ms`, `12.3 s`.
pub(super) fn micros(micros: u64) -> String {
    duration(as_f64(micros))
}

/// The same of a mean or another computed duration.
pub(super) fn duration(micros: f64) -> String {
    let magnitude = micros.abs();
    // What would round to 1000 of a unit is 1 of the next.
    if magnitude < 999.5 {
        format!("{} µs", three_digits(micros))
    } else if magnitude < 999_500.0 {
        format!("{} ms", three_digits(micros / 1e3))
    } else {
        format!("{} s", three_digits(micros / 1e6))
    }
}

/// Seconds as they are said: `12.5 s`, `2 min 5 s`, `1 h 3 min`.
pub(super) fn seconds(seconds: f64) -> String {
    if seconds < 99.95 {
        return duration(seconds * 1e6);
    }
    let whole = whole(seconds);
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {rest} s") }
}

/// At most three digits that say something, no trailing zeros after the point: `0.5`, `5.25`, `12.3`, `345`.
pub(super) fn three_digits(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if digits == 0 {
        return text;
    }
    let short = text.trim_end_matches('0').trim_end_matches('.');
    if short == "-0" { "0".to_owned() } else { short.to_owned() }
}

/// A count with separators: `1,234,567`.
pub(super) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Number with separators and its noun: `1 connection`, `5,000 connections`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), noun_for(number, noun))
}

/// Something a second: `499.8/s`, `9,000/s`.
pub(super) fn rate(per_second: f64) -> String {
    if per_second.abs() < 9.95 {
        return format!("{}/s", three_digits(per_second));
    }
    if per_second.abs() < 999.5 {
        let text = format!("{per_second:.1}");
        return format!("{}/s", text.trim_end_matches('0').trim_end_matches('.'));
    }
    format!("{}/s", count(whole(per_second)))
}

/// A share of 0 to 1 in percent: `0.2 %`, and never `0 %` or `100 %` where it is not quite.
pub(super) fn share(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.01 => "<0.01 %".to_owned(),
        percent if percent < 100.0 && percent > 99.99 => ">99.99 %".to_owned(),
        percent if (99.5..100.0).contains(&percent) => format!("{percent:.2} %"),
        percent => format!("{} %", three_digits(percent)),
    }
}

/// How many of how many, as a share: [`share`], or nothing where there is no whole.
pub(super) fn share_of(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| share(as_f64(part) / as_f64(whole)))
}

/// Bytes in binary units: `700 B`, `95.4 MiB`.
pub(super) fn bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value.abs() < 1023.5 {
            return format!("{} {unit}", three_digits(value));
        }
        value /= 1024.0;
    }
    format!("{} TiB", three_digits(value))
}

/// A time of RFC 3339 to the second.
pub(super) fn to_the_second(time: &str) -> String {
    let time = printable(time);
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time,
    }
}

/// A text from outside on one line, without anything that commands a terminal, and not endless.
pub(super) fn printable(text: &str) -> String {
    fit(brief(text).trim(), LONGEST).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_their_unit() {
        let cases = [
            (0, "0 µs"),
            (7, "7 µs"),
            (999, "999 µs"),
            (1000, "1 ms"),
            (5250, "5.25 ms"),
            (12_340, "12.3 ms"),
            (999_499, "999 ms"),
            (999_500, "1 s"),
            (60_000_000, "60 s"),
        ];
        for (given, expected) in cases {
            assert_eq!(micros(given), expected);
        }
        assert_eq!(duration(0.5), "0.5 µs");
        assert_eq!(seconds(12.5), "12.5 s");
        assert_eq!(seconds(125.0), "2 min 5 s");
        assert_eq!(seconds(3780.0), "1 h 3 min");
    }

    #[test]
    fn counts_rates_shares_and_bytes() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [rate(499.8), rate(500.0), rate(9000.4), rate(0.0), rate(0.02)],
            ["499.8/s", "500/s", "9,000/s", "0/s", "0.02/s"]
        );
        assert_eq!(
            [share(0.0), share(0.002), share(0.000_001), share(0.999_999_9), share(0.999), share(1.0)],
            ["0 %", "0.2 %", "<0.01 %", ">99.99 %", "99.90 %", "100 %"]
        );
        assert_eq!([bytes(700.0), bytes(1e8), bytes(1024.0)], ["700 B", "95.4 MiB", "1 KiB"]);
        assert_eq!(share_of(1, 0), None);
        assert_eq!([counted(1, "event"), counted(2, "event")], ["1 event", "2 events"]);
    }

    #[test]
    fn a_time_is_to_the_second() {
        assert_eq!(to_the_second("2026-01-02T03:04:05.678Z"), "2026-01-02T03:04:05Z");
        assert_eq!(to_the_second("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
    }

    #[test]
    fn a_text_from_outside_commands_nothing() {
        assert_eq!(printable("\u{1b}[2J\u{1b}[31mred\u{1b}[0m\n\u{202e}x\r"), "red x");
        assert!(printable(&"x".repeat(10_000)).chars().count() <= LONGEST);
    }
}

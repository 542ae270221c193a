//! Times and figures, as people read them. Pure.

use std::time::Duration;

/// `0:07`, `12:34`, `1:02:03`.
pub(crate) fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `45%`, or `45.5%` where a percent has a fraction and there is room for it.
pub(crate) fn percent(percent: f64, exact: bool) -> String {
    // Never 100 % before it is: rounding down is what a person expects of progress.
    if exact && percent.fract() > 0.0 {
        format!("{:.1}%", (percent * 10.0).floor() / 10.0)
    } else {
        format!("{}%", percent.floor())
    }
}

/// `512 B`, `34 KiB`, `1.2 GiB`: a number of bytes, with a fraction where the figure is small.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let mut figure = count as f64;
    let mut unit = 0;
    // From 1,000 on, so that a figure has at most three digits.
    while figure >= 1_000.0 && unit + 1 < UNITS.len() {
        figure /= 1_024.0;
        unit += 1;
    }
    if unit > 0 && figure < 9.95 {
        format!("{figure:.1} {}", UNITS[unit])
    } else {
        format!("{figure:.0} {}", UNITS[unit])
    }
}

/// `7`, `1,203`, `1,203,456`: a number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_percents_read_well() {
        assert_eq!(clock(Duration::from_secs(7)), "0:07");
        assert_eq!(clock(Duration::from_secs(3723)), "1:02:03");
        assert_eq!((percent(99.96, true), percent(99.96, false)), ("99.9%".into(), "99%".into()));
        assert_eq!(percent(45.0, true), "45%");
    }

    #[test]
    fn bytes_have_a_unit_and_numbers_their_thousands() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (183_422, "179 KiB"),
            (35_651_584, "34 MiB"),
            (1_288_490_189, "1.2 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }
}

//! Durations as people write them: the one grammar of flags and dialect files.

use std::time::Duration;

/// `30s`, `500ms`, `5m`, `1h`, `2d`; a bare number is seconds. The error says what a duration looks like.
pub fn duration(text: &str) -> Result<Duration, String> {
    let error = || "a duration is a number and a unit, as in 500ms, 30s, 5m, 1h or 2d".to_owned();
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..unit].parse().map_err(|_| error())?;
    let seconds = match &text[unit..] {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(error()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

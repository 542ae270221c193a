//! Forms of values that only the load tester takes.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::super::values::{bytes, duration};
use super::Sources;
use crate::bench::plan::Ramp;

/// Addresses that a list may come to.
const MAX_SOURCES: u128 = 65_536;

/// The longest that a run, or its warm-up, may be.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Bytes of an event at most: what a relay takes unless it is told otherwise.
const LARGEST: usize = 1 << 20;

/// `5000`, `5k`, `1.5m`; at least 1.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let error = || "a number of at least 1 is needed, as in 5000 or 5k".to_owned();
    let number = scaled(text).filter(|number| (1.0..=1e12).contains(number)).ok_or_else(error)?;
    if number.fract() != 0.0 {
        return Err(error());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(number as u64)
}

/// `500ms`, `30s`, `5m`, `366d` at most.
pub(super) fn length(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    let is_short = length <= LONGEST;
    is_short.then_some(length).ok_or_else(|| "at most 366 days are measured".to_owned())
}

/// `500`, `64KiB`, `1MiB` at most.
pub(super) fn payload(text: &str) -> Result<usize, String> {
    let size = bytes(text)?;
    let is_small = size <= LARGEST;
    is_small
        .then_some(size)
        .ok_or_else(|| "an event has at most 1MiB, since a relay takes no more".to_owned())
}

/// `0.5`, `500`, `5k`.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let error = "a rate is a number a second from 0.001 to 10m, as in 500 or 5k";
    scaled(text).filter(|rate| (0.001..=1e7).contains(rate)).ok_or_else(|| error.to_owned())
}

/// `10/s` or `10`.
pub(super) fn every_second(text: &str) -> Result<f64, String> {
    rate(text.strip_suffix("/s").unwrap_or(text))
}

fn scaled(text: &str) -> Option<f64> {
    let (number, factor) = if let Some(number) = text.strip_suffix(['k', 'K']) {
        (number, 1e3)
    } else if let Some(number) = text.strip_suffix(['m', 'M']) {
        (number, 1e6)
    } else {
        (text, 1.0)
    };
    let is_plain = number.starts_with(|c: char| c.is_ascii_digit());
    number.parse::<f64>().ok().filter(|_| is_plain).map(|number| (number * factor * 1e6).round() / 1e6)
}

/// `5%` or `0.05`.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = match text.strip_suffix('%') {
        Some(percent) => percent.parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse().ok(),
    };
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "a share is 0% to 100%, as in 5%".to_owned())
}

/// `flat`, `linear`, `steps:5`.
pub(super) fn ramp(text: &str) -> Result<Ramp, String> {
    match text.split_once(':') {
        None if text == "flat" => Ok(Ramp::Flat),
        None if text == "linear" => Ok(Ramp::Linear),
        Some(("steps", steps)) => match steps.parse() {
            Ok(steps) if (2..=1000).contains(&steps) => Ok(Ramp::Steps(steps)),
            _ => Err("a ramp has 2 to 1000 steps".to_owned()),
        },
        _ => Err("a ramp is flat, linear or steps:N".to_owned()),
    }
}

pub(super) fn ramp_text(ramp: Ramp) -> String {
    match ramp {
        Ramp::Flat => "flat".to_owned(),
        Ramp::Linear => "linear".to_owned(),
        Ramp::Steps(steps) => format!("steps:{steps}"),
    }
}

/// Addresses and ranges of them, separated by commas.
pub(super) fn sources(text: &str) -> Result<Sources, String> {
    let mut all: Vec<IpAddr> = Vec::new();
    for item in text.split(',').map(str::trim) {
        let bad = || format!("'{}' is no address or range, as in 127.0.0.1-127.0.0.4", item.escape_debug());
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last): (IpAddr, IpAddr) =
            (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
        let (low, high) = match (first, last) {
            (IpAddr::V4(low), IpAddr::V4(high)) => (u128::from(low.to_bits()), u128::from(high.to_bits())),
            (IpAddr::V6(low), IpAddr::V6(high)) => (low.to_bits(), high.to_bits()),
            _ => return Err(bad()),
        };
        if low > high || high - low >= MAX_SOURCES || all.len() as u128 + (high - low) >= MAX_SOURCES {
            return Err(format!("'{}' is empty or too long a range", item.escape_debug()));
        }
        for bits in low..=high {
            all.push(match first {
                IpAddr::V4(_) => IpAddr::V4(u32::try_from(bits).map_err(|_| bad())?.into()),
                IpAddr::V6(_) => IpAddr::V6(bits.into()),
            });
        }
    }
    Ok(Arc::from(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_suffixes_and_bounds() {
        assert_eq!((count("5k"), count("1.5m"), count("7")), (Ok(5000), Ok(1_500_000), Ok(7)));
        for bad in ["0", "-1", "1.5", "k", "5kk", "5mk", "", "1e99", "x", "nan", "inf"] {
            assert!(count(bad).is_err(), "{bad:?}");
        }
        assert_eq!((rate("0.5"), rate("5K"), every_second("10/s")), (Ok(0.5), Ok(5000.0), Ok(10.0)));
        assert!(rate("0").is_err() && rate("11m").is_err() && rate("NaN").is_err());
        assert_eq!((share("5%"), share("0.5")), (Ok(0.05), Ok(0.5)));
        assert!(share("101%").is_err() && share("x").is_err() && share("-1%").is_err());
    }

    #[test]
    fn lengths_and_sizes_end_somewhere() {
        assert_eq!((length("366d"), length("1ms")), (Ok(LONGEST), Ok(Duration::from_millis(1))));
        assert!(length("9999999h").unwrap_err().contains("366 days") && length("x").is_err());
        assert_eq!((payload("1MiB"), payload("500")), (Ok(LARGEST), Ok(500)));
        assert!(payload("1048577").unwrap_err().contains("1MiB") && payload("x").is_err());
    }

    #[test]
    fn ramps_are_read_as_they_are_written() {
        for text in ["flat", "linear", "steps:4"] {
            assert_eq!(ramp_text(ramp(text).unwrap()), text);
        }
        assert!(ramp("steps:1").is_err() && ramp("up").is_err());
    }

    #[test]
    fn sources_are_lists_and_ranges() {
        let all = sources("127.0.0.1-127.0.0.3, ::1").unwrap();
        assert_eq!(
            all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"]
        );
        for bad in ["", "x", "127.0.0.3-127.0.0.1", "127.0.0.1-::1", "::-ffff::", "10.0.0.0-10.255.255.255"] {
            assert!(sources(bad).is_err(), "{bad:?}");
        }
    }
}

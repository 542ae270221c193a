//! A distribution of durations: 1 µs to 60 s, three significant digits, 136 KB whatever it has recorded.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// The longest duration that is told apart, in microseconds; longer ones count as this.
pub const MAX_MICROS: u64 = 60_000_000;

/// Significant decimal digits.
const DIGITS: u8 = 3;

/// How long something took, many times over, in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing(Histogram<u64>);

impl Timing {
    /// An empty one.
    pub fn new() -> Self {
        Self(Histogram::new_with_bounds(1, MAX_MICROS, DIGITS).expect("the bounds are constants that fit"))
    }

    /// One that holds these durations, for tests and examples.
    pub fn of_micros(micros: impl IntoIterator<Item = u64>) -> Self {
        let mut timing = Self::new();
        micros.into_iter().for_each(|micros| timing.record_micros(micros));
        timing
    }

    /// Adds a duration; below 1 µs counts as 1 µs, above 60 s as 60 s.
    pub fn record(&mut self, duration: Duration) {
        self.record_micros(u64::try_from(duration.as_micros()).unwrap_or(MAX_MICROS));
    }

    /// Adds a duration in microseconds.
    pub fn record_micros(&mut self, micros: u64) {
        self.0.saturating_record(micros.clamp(1, MAX_MICROS));
    }

    /// Adds everything that another one holds.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("both have the same bounds");
    }

    /// How many durations it holds.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration in microseconds that `percent` of all do not exceed; 0 where there is none.
    pub fn micros_at(&self, percent: f64) -> u64 {
        if self.is_empty() { 0 } else { self.0.value_at_percentile(percent) }
    }

    /// The shortest in microseconds; 0 where there is none.
    pub fn min_micros(&self) -> u64 {
        if self.is_empty() { 0 } else { self.0.min() }
    }

    /// The longest in microseconds; 0 where there is none.
    pub fn max_micros(&self) -> u64 {
        if self.is_empty() { 0 } else { self.0.max() }
    }

    /// The mean in microseconds; 0 where there is none.
    pub fn mean_micros(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.0.mean() }
    }

    /// The standard deviation in microseconds; 0 where there is none.
    pub fn stdev_micros(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.0.stdev() }
    }

    /// The histogram itself, in microseconds.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// The histogram in the V2 encoding with deflate, as base64: what hlog files hold.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new()
            .serialize(&self.0, &mut bytes)
            .expect("writing into memory fails only where memory does");
        BASE64.encode(bytes)
    }

    /// The inverse of [`Timing::encode`]; the error says what is wrong with the text.
    pub fn decode(text: &str) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|error| format!("not base64: {error}"))?;
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| format!("no histogram: {error}"))?;
        let mut timing = Self::new();
        timing.0.add(&histogram).map_err(|error| format!("a histogram of other bounds: {error:?}"))?;
        Ok(timing)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::new()
    }
}

/// How a [`Timing`] is written: figures for people and scripts, and the whole of it.
#[derive(Serialize, Deserialize)]
struct Written {
    count: u64,
    min: u64,
    mean: f64,
    stdev: f64,
    max: u64,
    percentiles: Percentiles,
    hdr: String,
}

#[derive(Serialize, Deserialize)]
struct Percentiles {
    p50: u64,
    p75: u64,
    p90: u64,
    p95: u64,
    p99: u64,
    #[serde(rename = "p99.9")]
    p99_9: u64,
    #[serde(rename = "p99.99")]
    p99_99: u64,
}

impl Serialize for Timing {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let percentiles = Percentiles {
            p50: self.micros_at(50.0),
            p75: self.micros_at(75.0),
            p90: self.micros_at(90.0),
            p95: self.micros_at(95.0),
            p99: self.micros_at(99.0),
            p99_9: self.micros_at(99.9),
            p99_99: self.micros_at(99.99),
        };
        Written {
            count: self.count(),
            min: self.min_micros(),
            mean: self.mean_micros(),
            stdev: self.stdev_micros(),
            max: self.max_micros(),
            percentiles,
            hdr: self.encode(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Timing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Self::decode(&written.hdr).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let timing = Timing::of_micros((1..=1000).map(|n| n * 7));
        let text = serde_json::to_string(&timing).unwrap();
        let back: Timing = serde_json::from_str(&text).unwrap();
        assert_eq!(back, timing);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["count"], 1000);
        assert_eq!(value["percentiles"]["p99.9"], timing.micros_at(99.9));
        assert!(Timing::decode("AAAA").is_err() && Timing::decode("?").is_err());
    }

    #[test]
    fn an_empty_one_is_all_zero_and_extremes_are_kept_within_bounds() {
        let empty = Timing::new();
        assert_eq!((empty.count(), empty.micros_at(99.0), empty.max_micros()), (0, 0, 0));
        let mut timing = Timing::new();
        timing.record(Duration::ZERO);
        timing.record(Duration::from_hours(1));
        assert_eq!(timing.min_micros(), 1);
        assert!((59_900_000..=60_100_000).contains(&timing.max_micros()));
    }
}

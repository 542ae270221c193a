//! Counts as numbers that can be divided, and back.

/// Exact up to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "no count here is beyond 2^53")]
pub(super) fn as_f64(count: u64) -> f64 {
    count as f64
}

/// To the nearest whole number; 0 for what is negative or no number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is meant"
)]
pub(super) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// Seconds in nanoseconds.
pub(super) fn nanos(seconds: f64) -> u64 {
    whole(seconds * 1e9)
}

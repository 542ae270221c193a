//! Time after which clients of event streams come back.

use std::time::Duration;

use rand::RngExt;

/// Least and most of it, in milliseconds: spread, so that clients that were cut off together do not come together.
const RETRY: (u64, u64) = (1_000, 3_000);

/// Time after which one client is to come back.
pub(super) fn retry() -> Duration {
    Duration::from_millis(rand::rng().random_range(RETRY.0..=RETRY.1))
}

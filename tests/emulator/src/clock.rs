//! The wall clock in the unit that tokens use.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch, with their fraction.
pub(crate) fn unix_seconds() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

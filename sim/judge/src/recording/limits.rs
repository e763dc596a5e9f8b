//! The limits of a recording.

use std::time::Duration;

/// The longest line, in bytes: above every body that this harness sends.
pub const LONGEST_LINE: u64 = 64 << 20;
/// The largest number of records.
pub const MOST_RECORDS: usize = 10_000_000;
/// The latest time of a record, counted from the epoch: ten years.
pub const LONGEST_TIME: Duration = Duration::from_hours(10 * 365 * 24);

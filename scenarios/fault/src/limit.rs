//! Limits of numbers in scripts. The fakes have the same limits for what they receive.
//!
//! They keep a script from taking unbounded memory or leaving the range of a clock. None is a rule of the protocol.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// The longest duration: 365 days. The sum over all steps of a script stays within the range of a clock.
pub const LONGEST_DURATION: Duration = Duration::from_hours(365 * 24);
/// The largest number of chunks of a `slow` answer.
pub const MOST_CHUNKS: u32 = 10_000;
/// The longest pause between the chunks of a `slow` answer, in milliseconds: one day.
pub const LONGEST_PAUSE_MS: u32 = 24 * 60 * 60 * 1000;
/// The largest number of tool calls of a `tools` answer.
pub const MOST_TOOL_CALLS: u32 = 1_000;
/// The largest number of repetitions in a turn of the wrapper.
pub const MOST_REPETITIONS: u32 = u16::MAX as u32;
/// The longest text of an answer of the wrapper, in characters.
pub const LONGEST_ANSWER: u32 = 1_000_000;

/// Deserializes a number up to `MOST`.
///
/// # Errors
///
/// If the value is not a whole number, is negative or exceeds `MOST`.
pub(crate) fn at_most<'de, D: Deserializer<'de>, const MOST: u32>(deserializer: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if number > MOST {
        return Err(serde::de::Error::custom(format_args!(
            "{number} is too many: the maximum is {MOST}"
        )));
    }
    Ok(number)
}

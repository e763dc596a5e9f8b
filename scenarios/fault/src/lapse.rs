//! Durations.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};

use crate::{LONGEST_DURATION, read_from_text, write_as_text};

/// A duration in jiff's friendly format: `250ms`, `4s`, `1h 30m`. Never negative; a text gives at most
/// [`LONGEST_DURATION`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lapse(Duration);

impl Lapse {
    /// A duration of whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Deref for Lapse {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Duration> for Lapse {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

/// Invalid text for [`Lapse`].
#[derive(Debug, thiserror::Error)]
pub enum LapseError {
    /// Wrong format.
    #[error("`{0}` is not a duration: write numbers with units, such as 4s, 250ms, 2m or 1h")]
    Form(String),
    /// Below zero.
    #[error("`{0}` is negative: durations start at 0s")]
    Negative(String),
    /// Above [`LONGEST_DURATION`].
    #[error("`{0}` is too long: the longest duration is {longest}", longest = Lapse(LONGEST_DURATION))]
    TooLong(String),
}

impl FromStr for Lapse {
    type Err = LapseError;

    fn from_str(text: &str) -> Result<Self, LapseError> {
        let signed: SignedDuration = text.parse().map_err(|_| LapseError::Form(text.to_owned()))?;
        let duration = Duration::try_from(signed).map_err(|_| LapseError::Negative(text.to_owned()))?;
        if duration > LONGEST_DURATION {
            return Err(LapseError::TooLong(text.to_owned()));
        }
        Ok(Self(duration))
    }
}

impl fmt::Display for Lapse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(signed) => write!(formatter, "{signed:#}"),
            // Too long for jiff.
            Err(_) => write!(formatter, "{}s", self.0.as_secs()),
        }
    }
}

read_from_text!(Lapse, {
    "type": "string",
    "description": "A length of time: numbers with their units; at most 8760h",
    "examples": ["4s", "250ms", "2m", "1h"],
});
write_as_text!(Lapse);

/// Deserializes a duration above zero.
///
/// # Errors
///
/// If the text is not a duration, or is zero.
pub fn nonzero<'de, D: Deserializer<'de>, T: From<Lapse>>(deserializer: D) -> Result<T, D::Error> {
    let lapse = Lapse::deserialize(deserializer)?;
    if lapse.is_zero() {
        return Err(serde::de::Error::custom("the duration must be longer than zero"));
    }
    Ok(lapse.into())
}

//! The clock of a machine that is down, set forward or back.

use std::fmt;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::lapse::{Lapse, nonzero};

/// The longest change of a clock. It is shorter than the life of a session and of a token.
const LONGEST_CHANGE: Lapse = Lapse::from_secs(30 * 24 * 60 * 60);

/// How a clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClockChange {
    /// It shows a later time from then on.
    Forward(#[serde(deserialize_with = "change")] Lapse),
    /// It shows an earlier time from then on.
    Back(#[serde(deserialize_with = "change")] Lapse),
}

impl ClockChange {
    /// The time that is added to what the clock shows.
    pub fn ahead(self) -> SignedDuration {
        let by = |lapse: Lapse| SignedDuration::try_from(*lapse).unwrap_or(SignedDuration::MAX);
        match self {
            Self::Forward(lapse) => by(lapse),
            Self::Back(lapse) => -by(lapse),
        }
    }
}

impl fmt::Display for ClockChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(lapse) => write!(formatter, "{lapse} forward"),
            Self::Back(lapse) => write!(formatter, "{lapse} back"),
        }
    }
}

/// Deserializes a duration above zero and up to the longest change.
fn change<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Lapse, D::Error> {
    let lapse: Lapse = nonzero(deserializer)?;
    if lapse > LONGEST_CHANGE {
        let text = format!("a clock is set by {LONGEST_CHANGE} at most");
        return Err(serde::de::Error::custom(text));
    }
    Ok(lapse)
}

//! Serializes durations as text such as `2s` or `1h 30m`, and lists of them.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact::required;
pub use required::serialize;
use serde::de::{Deserializer, Error as _};

use crate::LONGEST_DURATION;

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let duration = required::deserialize(deserializer)?;
    if duration > LONGEST_DURATION {
        let longest = LONGEST_DURATION.as_secs() / 3600;
        return Err(D::Error::custom(format_args!(
            "the longest duration is {longest}h"
        )));
    }
    Ok(duration)
}

/// Serializes lists of durations.
pub mod list {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::MOST_DELAYS;

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Element(#[serde(with = "super")] Duration);

    pub fn serialize<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(durations.iter().copied().map(Element))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        let elements = Vec::<Element>::deserialize(deserializer)?;
        if elements.len() > MOST_DELAYS {
            return Err(D::Error::custom(format_args!(
                "a list has at most {MOST_DELAYS} durations"
            )));
        }
        Ok(elements.into_iter().map(|Element(duration)| duration).collect())
    }
}

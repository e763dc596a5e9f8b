//! Serializes durations as text such as `2s` or `1h 30m`, and lists of them.

pub use jiff::fmt::serde::unsigned_duration::friendly::compact::required::{deserialize, serialize};

/// Serializes lists of durations.
pub mod list {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Element(#[serde(with = "super")] Duration);

    pub fn serialize<S: Serializer>(durations: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(durations.iter().copied().map(Element))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        let elements = Vec::<Element>::deserialize(deserializer)?;
        Ok(elements.into_iter().map(|Element(duration)| duration).collect())
    }
}

//! Why a server under test cannot play a scenario.

use std::fmt;
use std::time::Duration;

use turnstile_fault::Capability;

/// Why a scenario is not played. Displayed, it follows the word "it" or the id of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// The server lacks this capability.
    Capability(Capability),
    /// The wrapper shares its address with others, so connections to it are not refused.
    SharedAddress,
    /// The server's profile lacks this value, `name: value`.
    Profile(String),
    /// It is too long.
    Length {
        /// The time that it takes, by the machine's clock.
        takes: Duration,
        /// The longest time that is allowed.
        limit: Duration,
    },
    /// It is long, and other plays use the server's test clock.
    TestClock,
}

impl Skip {
    /// The reason without what differs from one seed to another.
    pub fn in_general(&self) -> String {
        match self {
            Self::Length { limit, .. } => format!("takes longer than {} s", limit.as_secs()),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(capability) => write!(formatter, "needs {}", capability.text()),
            Self::SharedAddress => write!(formatter, "needs a wrapper at an address of its own"),
            Self::Profile(value) => write!(formatter, "needs a server whose profile has {value}"),
            Self::Length { takes, limit } => {
                let (takes, limit) = (takes.as_secs_f64(), limit.as_secs());
                write!(
                    formatter,
                    "takes {takes:.0} s, which exceeds the limit of {limit} s"
                )
            }
            Self::TestClock => write!(formatter, "needs the test clock"),
        }
    }
}

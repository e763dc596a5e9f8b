//! How likely a failure was from each moment of a run on. `why` finds it out, and reports show it.

use std::time::Duration;

use serde::{Serialize, Serializer};
use turnstile_judge::trace::render::seconds;

/// How a failure comes whose cause was found by silence.
pub const IN_SILENCE: &str = "even if nothing reaches the server any more";
/// The length of a full bar.
const WIDTH: u32 = 20;

/// How likely a failure is from each of some moments on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Curve {
    /// The violated oracle.
    pub rule: String,
    /// The name of the affected message in the script, if the finding is about a message.
    pub message: Option<String>,
    /// What happened.
    pub text: String,
    /// Time of the finding since the start of the run.
    #[serde(rename = "atUs", serialize_with = "microseconds")]
    pub at: Duration,
    /// The moments, in order of time.
    pub moments: Vec<Moment>,
    /// Where its cause is; `None` if the probes begin to fail nowhere.
    pub jump: Option<Jump>,
}

/// How likely a failure is if everything up to a moment is as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// Time since the start of the run.
    #[serde(rename = "atUs", serialize_with = "microseconds")]
    pub at: Duration,
    /// The last event up to then.
    pub event: String,
    /// How many variations had the failure.
    pub failed: u32,
    /// How many variations had an outcome.
    pub of: u32,
}

/// Where the cause is: the two moments between which the weight of the failing probes rises most, or those around a later act of
/// the server itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jump {
    /// The moment before, since the start of the run.
    #[serde(rename = "afterUs", serialize_with = "microseconds")]
    pub after: Duration,
    /// The moment after it.
    #[serde(rename = "atUs", serialize_with = "microseconds")]
    pub at: Duration,
    /// The events after the moment before, up to this one.
    pub events: Vec<String>,
    /// Whether the failure comes even if nothing reaches the server any more after the jump, but not if nothing does before
    /// it.
    #[serde(rename = "isBySilence")]
    pub is_by_silence: bool,
    /// If the server did it on a timer: from when on the failure comes even if nothing reaches the server any more. An outage before
    /// the jump avoids it, one after the server's act does not.
    #[serde(rename = "byItselfSinceUs", serialize_with = "optional_microseconds")]
    pub by_itself_since: Option<Duration>,
    /// Whether silence or an act of the server shows it, or the failure was almost certain from then on and much less likely
    /// before.
    #[serde(rename = "isClear")]
    pub is_clear: bool,
    /// Whether no other instant with events lies between the two moments.
    #[serde(rename = "isNarrow")]
    pub is_narrow: bool,
    /// Index of the first of these events in the trace.
    pub record: usize,
}

impl Curve {
    /// The moment from which the failure was inevitable; `None` if no moment stands out.
    pub fn turning_point(&self) -> Option<&Jump> {
        self.jump.as_ref().filter(|jump| jump.is_clear)
    }

    /// Whether the rise ends at a moment.
    pub fn rises_to(&self, moment: &Moment) -> bool {
        self.jump.as_ref().is_some_and(|jump| jump.at == moment.at)
    }

    /// What it shows, as a sentence without its end.
    pub fn conclusion(&self) -> String {
        let Some(jump) = &self.jump else {
            return "no moment stands out".to_owned();
        };
        let verdict = match (jump.is_by_silence, jump.by_itself_since, jump.is_clear) {
            (true, ..) => format!("its cause happened: from then on it fails {IN_SILENCE}"),
            (_, Some(since), _) => format!(
                "the server caused it by itself: it fails {IN_SILENCE} after {} s",
                seconds(since)
            ),
            (false, None, true) => "it became inevitable".to_owned(),
            (false, None, false) => {
                "its cause may have happened, but the curve does not rise clearly there".to_owned()
            }
        };
        let (after, at) = (seconds(jump.after), seconds(jump.at));
        format!("after {after} s, up to {at} s, {verdict}")
    }
}

impl Moment {
    /// The share of variations with the failure, from 0 to 1.
    pub fn share(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.of.max(1))
    }

    /// The share as a bar of a fixed width.
    pub fn bar(&self) -> String {
        let full = self.failed * WIDTH / self.of.max(1);
        let (full, rest) = (full as usize, (WIDTH - full) as usize);
        "█".repeat(full) + &"·".repeat(rest)
    }
}

fn optional_microseconds<S: Serializer>(at: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => microseconds(at, serializer),
        None => serializer.serialize_none(),
    }
}

fn microseconds<S: Serializer>(at: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(at.as_micros()).unwrap_or(u64::MAX))
}

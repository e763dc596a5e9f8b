//! What the wrapper, the server's ingest and the gateway see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Lapse, Status};

use crate::name::{IngestName, Label};
use crate::place::At;

/// How often it was tried to deliver a message to the wrapper, as far as the wrapper has seen: turns that were
/// handed over, and attempts to get it ready that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenDeliveries")]
pub struct Deliveries {
    /// The message.
    pub of: At<Label>,
    /// How often.
    pub times: u32,
    /// When each attempt but the first came, counted from the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<Lapse>,
}

/// A [`Deliveries`] before it was compared with itself.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenDeliveries {
    /// The message.
    of: At<Label>,
    /// How often.
    times: u32,
    /// When each attempt but the first came, counted from the first.
    #[serde(default)]
    at: Vec<Lapse>,
}

/// Why the keys of an expectation do not make a number of deliveries.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveriesError {
    #[error("`at` has a moment for each attempt but the first: {expected} with these `times`, here {there}")]
    Count { expected: u32, there: usize },
    #[error("`at` counts from the first attempt on, so its moments rise, and {0} does not")]
    Order(Lapse),
}

impl TryFrom<WrittenDeliveries> for Deliveries {
    type Error = DeliveriesError;

    fn try_from(WrittenDeliveries { of, times, at }: WrittenDeliveries) -> Result<Self, DeliveriesError> {
        let expected = times.saturating_sub(1);
        if !at.is_empty() && at.len() != expected as usize {
            let there = at.len();
            return Err(DeliveriesError::Count { expected, there });
        }
        let mut last = Lapse::default();
        for moment in &at {
            if *moment <= last {
                return Err(DeliveriesError::Order(*moment));
            }
            last = *moment;
        }
        Ok(Self { of, times, at })
    }
}

/// What became of an ingest socket that the script opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenIngestOutcome", rename_all = "kebab-case")]
pub struct IngestOutcome {
    /// Which.
    pub of: At<IngestName>,
    /// The code with which the server closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<u16>,
    /// The status with which the server refused to open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Status>,
    /// The code of an error frame that came on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_frame: Option<String>,
}

/// An [`IngestOutcome`] before it was looked at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenIngestOutcome {
    /// Which.
    of: At<IngestName>,
    /// The code with which the server closed it.
    #[serde(default)]
    closed: Option<u16>,
    /// The status with which the server refused to open it.
    #[serde(default)]
    refused: Option<Status>,
    /// The code of an error frame that came on it.
    #[serde(default)]
    error_frame: Option<String>,
}

/// Why the keys of an expectation do not make an outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestOutcomeError {
    #[error("say what became of it: `closed`, `refused` or `error-frame`")]
    Nothing,
    #[error("a socket that was refused is not closed and gets no frame")]
    Refused,
}

impl TryFrom<WrittenIngestOutcome> for IngestOutcome {
    type Error = IngestOutcomeError;

    fn try_from(written: WrittenIngestOutcome) -> Result<Self, IngestOutcomeError> {
        let WrittenIngestOutcome {
            of,
            closed,
            refused,
            error_frame,
        } = written;
        match (refused, closed.is_some() || error_frame.is_some()) {
            (None, false) => Err(IngestOutcomeError::Nothing),
            (Some(_), true) => Err(IngestOutcomeError::Refused),
            _ => Ok(Self {
                of,
                closed,
                refused,
                error_frame,
            }),
        }
    }
}

/// What the gateway is left with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GatewayState {
    /// How many requests are still parked there.
    pub waiters: u32,
}

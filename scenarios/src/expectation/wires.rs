//! Expectations about the wires of the wrapper, the server's ingest and the gateway.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Lapse, Status};

use crate::name::{IngestName, Label};
use crate::place::At;

/// The attempts to deliver a message to the wrapper, as the wrapper observes them: turns that it received,
/// and failed requests to get ready.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenDeliveries")]
pub struct Deliveries {
    /// The message.
    pub of: At<Label>,
    /// Number of attempts.
    pub times: u32,
    /// Times of all attempts but the first, counted from the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<Lapse>,
}

/// [`Deliveries`] before validation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenDeliveries {
    /// The message.
    of: At<Label>,
    /// Number of attempts.
    times: u32,
    /// Times of all attempts but the first, counted from the first.
    #[serde(default)]
    at: Vec<Lapse>,
}

/// Invalid keys of a `deliveries` expectation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveriesError {
    #[error(
        "`at` needs a time for each attempt except the first: {expected} with these `times`, not {there}"
    )]
    Count { expected: u32, there: usize },
    #[error("the times in `at` must rise, but {0} does not")]
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

/// How an ingest socket of the script ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "WrittenIngestOutcome", rename_all = "kebab-case")]
pub struct IngestOutcome {
    /// The socket.
    pub of: At<IngestName>,
    /// Code with which the server closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<u16>,
    /// Status with which the server refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Status>,
    /// Code of an error frame that it received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_frame: Option<String>,
}

/// [`IngestOutcome`] before validation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenIngestOutcome {
    /// The socket.
    of: At<IngestName>,
    /// Code with which the server closed it.
    #[serde(default)]
    closed: Option<u16>,
    /// Status with which the server refused it.
    #[serde(default)]
    refused: Option<Status>,
    /// Code of an error frame that it received.
    #[serde(default)]
    error_frame: Option<String>,
}

/// Invalid keys of an `ingest` expectation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestOutcomeError {
    #[error("specify how it ended: `closed`, `refused` or `error-frame`")]
    Nothing,
    #[error("`refused` excludes `closed` and `error-frame`")]
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

/// Final state of the gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GatewayState {
    /// Number of requests that still wait.
    pub waiters: u32,
}

//! What the callback queue of a simulated server was given, and its answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A job that the server submitted to its callback queue, with the queue's answer.
///
/// The record is made when the queue has answered. A submission that the end of the server cuts short has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Submission {
    /// The message or the execution that the job reports.
    pub submitted: String,
    /// The size of the job in bytes: of the JSON of body and target.
    pub bytes: usize,
    /// The body of the callback.
    pub body: Value,
    /// The answer.
    pub answer: QueueAnswer,
}

/// The answer of a callback queue to a submitted job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueAnswer {
    /// The queue has accepted the job.
    Accepted,
    /// The queue has not accepted the job, or its answer was lost.
    Refused,
    /// The queue has not accepted the job, because it is larger than the queue's limit.
    TooLarge,
}

//! Requests to the callback receiver (protocol §8).

use std::time::Duration;

use serde_json::Value;

/// A request that reached the receiver.
#[derive(Debug)]
pub struct CallbackRequest {
    /// Time of arrival.
    pub at: Duration,
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers by lower-case name; null if they were not recorded.
    pub headers: Value,
    /// Its body.
    pub body: Value,
    /// Status of the answer; `None` without an answer.
    pub status: Option<u16>,
    /// Time of the answer.
    pub answered_at: Option<Duration>,
}

impl CallbackRequest {
    /// The key by which receivers recognize repeats.
    pub fn key(&self) -> &str {
        self.body["idempotencyKey"].as_str().unwrap_or_default()
    }

    /// Whether it is about an execution of a legacy record, which has separate rules (protocol §10).
    pub fn is_of_execution(&self) -> bool {
        self.body["executionId"].as_str().is_some_and(is_execution)
    }

    /// Whether the receiver accepted it.
    pub fn is_delivered(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// Whether an id is the id of an execution (protocol §1).
pub fn is_execution(id: &str) -> bool {
    id.starts_with("exc_")
}

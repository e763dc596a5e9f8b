//! Errors in the query parameters of a WebSocket.

use crate::identity::Malformed;
use crate::legacy::model::execution::MalformedId;

/// A query parameter that is missing or malformed. Its text is the body of the answer with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// The parameter is absent or empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A malformed identity.
    #[error(transparent)]
    Identity(#[from] Malformed),
    /// A malformed execution id.
    #[error(transparent)]
    Execution(#[from] MalformedId),
    /// Not an integer from 0.
    #[error("{0} is not a number from 0")]
    Number(&'static str),
    /// Not a UUID.
    #[error("{0} is not a UUID")]
    Uuid(&'static str),
    /// Not an event id.
    #[error("{0} is not the number of an event")]
    EventId(&'static str),
    /// Not a time.
    #[error("{0} is not a time: expected ISO 8601 or Unix milliseconds")]
    Time(&'static str),
}

//! What is wrong with a query parameter of a WebSocket.

use crate::identity::Malformed;
use crate::legacy::model::execution::NotAnId;

/// A query parameter that is missing or malformed. Its text is the answer with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParameter {
    /// It is not there, or it is empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It is not an identity of the kind that it should be.
    #[error(transparent)]
    Identity(#[from] Malformed),
    /// It is not the id of an execution.
    #[error(transparent)]
    Execution(#[from] NotAnId),
    /// It is not a number from 0.
    #[error("{0} is not a number from 0")]
    Number(&'static str),
    /// It is not a UUID.
    #[error("{0} is not a UUID")]
    Uuid(&'static str),
    /// It is not the id of an event.
    #[error("{0} is not the number of an event")]
    EventId(&'static str),
    /// It is not a time.
    #[error("{0} is not a time: expected ISO 8601 or Unix milliseconds")]
    Time(&'static str),
}

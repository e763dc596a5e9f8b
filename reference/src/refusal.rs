//! The refusals of the server (R2.6–R2.18).
//!
//! A refusal has a code and a text; `api` serializes it.

use crate::identity::Malformed;

/// The code of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The input is not JSON.
    ParseError,
    /// The input does not fit the procedure.
    BadRequest,
    /// The token is missing, invalid or expired, or the internal key is missing.
    Unauthorized,
    /// The token is for something else.
    Forbidden,
    /// No such procedure, or no such session for this user.
    NotFound,
    /// The method is neither POST, nor GET for a query.
    MethodNotSupported,
    /// The state does not permit the request.
    Conflict,
    /// The body is too large.
    PayloadTooLarge,
    /// The queue is full.
    TooManyRequests,
    /// The store failed.
    InternalServerError,
}

/// A refused request. Nothing was stored or broadcast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// The code on the wire.
    pub code: Code,
    /// The text for people.
    pub text: String,
}

impl Refusal {
    /// Creates a refusal with this code and text.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The input does not fit the procedure.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, text)
    }

    /// No such session for this user.
    pub fn unknown_session() -> Self {
        Self::new(Code::NotFound, "Session not found")
    }

    /// The store failed; the caller may try again (R3.16).
    pub fn store_failed() -> Self {
        Self::new(
            Code::InternalServerError,
            "The request could not be stored; nothing was changed",
        )
    }
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Self::bad_request(malformed.to_string())
    }
}

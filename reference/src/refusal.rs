//! What the server answers when it does not do what it was asked to (protocol §2).
//!
//! A caller's mistake is data: a code, a text, sometimes a field. How it looks on the wire is `api`'s
//! business.

use crate::identity::Malformed;

/// Codes of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The body is not JSON.
    ParseError,
    /// The input is not what the procedure takes.
    BadRequest,
    /// No token, or a bad one.
    Unauthorized,
    /// A token for something else.
    Forbidden,
    /// There is no such thing, or not for this caller.
    NotFound,
    /// The procedure is not called with this HTTP method.
    MethodNotSupported,
    /// The state does not allow it.
    Conflict,
    /// The body is too large.
    PayloadTooLarge,
    /// Later, perhaps.
    TooManyRequests,
    /// The server failed.
    InternalServerError,
}

/// A refusal: nothing was stored, nothing was broadcast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// What kind of refusal this is.
    pub code: Code,
    /// What was wrong, for a person to read.
    pub text: String,
}

impl Refusal {
    /// A refusal with this code and text.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// The input is not what the procedure takes.
    pub fn bad_request(text: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, text)
    }

    /// There is no such session for this user.
    pub fn unknown_session() -> Self {
        Self::new(Code::NotFound, "Session not found")
    }

    /// The store failed: nothing was kept, the caller may try again.
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

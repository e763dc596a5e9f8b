//! What a stream or an ingest socket shows the server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The ticket of a stream, or the token of an ingest socket (PROTOCOL.md §2). Only the own one opens it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ticket {
    /// The ticket of the session and its user.
    #[default]
    Own,
    /// The ticket of another user.
    Stranger,
    /// The own one, which has expired.
    Expired,
    /// None.
    None,
    /// One of the user for another session.
    OtherSession,
    /// One for another kind of access: the wrapper's token at a stream, a stream's ticket at the ingest.
    OtherKind,
}

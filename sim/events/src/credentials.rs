//! What a party shows the server to prove who it is, as far as the harness varies it. Tokens themselves are secrets and
//! never recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The credentials of a request or a WebSocket (protocol §2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// Everything that the protocol requires of the session's user, or of its wrapper.
    #[default]
    Own,
    /// The user's token without the key of internal callers.
    WithoutKey,
    /// The right token, which has expired.
    Expired,
    /// The token or ticket of another user.
    Stranger,
    /// None.
    None,
    /// A token or ticket of the user for another session.
    OtherSession,
    /// A token of the session that is for another kind of access: a wrapper's token, or a stream ticket.
    OtherKind,
}

impl Credentials {
    /// Whether they are those that the protocol requires.
    pub fn are_own(&self) -> bool {
        *self == Self::Own
    }

    /// Name in traces.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::WithoutKey => "without-key",
            Self::Expired => "expired",
            Self::Stranger => "stranger",
            Self::None => "none",
            Self::OtherSession => "other-session",
            Self::OtherKind => "other-kind",
        }
    }
}

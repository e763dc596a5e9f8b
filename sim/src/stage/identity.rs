//! Who a client or a socket claims to be (protocol §2). The tokens that show it are signed in `showing`.

use std::sync::Arc;

use turnstile_events::credentials::Credentials;

/// The user of all sessions for which a script names none.
pub const USER: &str = "user-1";
/// Another user, without sessions.
pub(super) const STRANGER: &str = "user-2";

/// What distinguishes a play from earlier and parallel ones against the same server.
#[derive(Debug, Clone)]
pub struct PlayIdentity {
    /// The user of all sessions for which a script names none.
    pub user: Arc<str>,
    /// The beginning of the path of each callback.
    pub callback_prefix: String,
}

impl Default for PlayIdentity {
    /// The identity of a play with a separate server.
    fn default() -> Self {
        Self {
            user: USER.into(),
            callback_prefix: String::new(),
        }
    }
}

impl PlayIdentity {
    /// The identity of a play with this unique name, which is a segment of a path.
    pub fn of(name: &str) -> Self {
        Self {
            user: format!("user-{name}").into(),
            callback_prefix: format!("/{name}"),
        }
    }
}

/// The right that a request shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// The user's token, and the internal API key where required.
    Owner,
    /// The user's token without the internal API key.
    Outsider,
    /// An expired token of the user.
    Latecomer,
    /// Another user's token.
    Stranger,
    /// No token.
    Nobody,
    /// The token of the session's wrapper.
    Wrapper,
    /// A ticket for the session's stream.
    Viewer,
}

impl Right {
    /// How traces name it.
    pub(super) fn credentials(self) -> Credentials {
        match self {
            Self::Owner => Credentials::Own,
            Self::Outsider => Credentials::WithoutKey,
            Self::Latecomer => Credentials::Expired,
            Self::Stranger => Credentials::Stranger,
            Self::Nobody => Credentials::None,
            Self::Wrapper | Self::Viewer => Credentials::OtherKind,
        }
    }
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user that owns the session.
    pub user: Arc<str>,
    /// What the request shows.
    pub right: Right,
    /// The session of a token that is for one session.
    pub session: String,
}

impl Login {
    /// The owner of sessions for which a script names no user.
    pub fn owner() -> Self {
        Self::of(USER.into())
    }

    /// The user itself.
    pub fn of(user: Arc<str>) -> Self {
        Self {
            user,
            right: Right::Owner,
            session: String::new(),
        }
    }
}

/// Who opens a stream or an ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The user that owns the session.
    pub user: Arc<str>,
    /// What the socket shows.
    pub credentials: Credentials,
    /// The session of [`Credentials::OtherSession`].
    pub other_session: String,
}

impl Claim {
    /// The user itself.
    pub fn of(user: Arc<str>) -> Self {
        Self {
            user,
            credentials: Credentials::Own,
            other_session: String::new(),
        }
    }
}

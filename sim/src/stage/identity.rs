//! Who a client or a socket claims to be, and the tokens that show it (protocol §2).
//!
//! The tokens of a wrong claim are signed like those of a right one, so that a server must look at what they say.

use std::sync::Arc;

use jiff::Timestamp;
use turnstile_events::credentials::Credentials;

use super::client::Client;
use crate::tokens;

/// The user of all sessions for which a script names none.
pub const USER: &str = "user-1";
/// Another user, without sessions.
const STRANGER: &str = "user-2";

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

impl Client {
    /// The token of a request, if it shows one.
    pub(super) fn token(&self, login: &Login) -> Option<String> {
        let Login { user, right, session } = login;
        match right {
            Right::Owner | Right::Outsider => Some(self.user_token(user, self.expiry())),
            Right::Latecomer => Some(self.user_token(user, self.past())),
            Right::Stranger => Some(self.user_token(STRANGER, self.expiry())),
            Right::Nobody => None,
            Right::Wrapper => Some(self.wrapper_token(user, session)),
            Right::Viewer => Some(self.ticket(user, session, self.expiry())),
        }
    }

    /// The ticket for the stream of a session, if the claim has one.
    pub(super) fn stream_ticket(&self, session: &str, claim: &Claim) -> Option<String> {
        let Claim {
            user, other_session, ..
        } = claim;
        match claim.credentials {
            Credentials::Own | Credentials::WithoutKey => Some(self.ticket(user, session, self.expiry())),
            Credentials::Expired => Some(self.ticket(user, session, self.past())),
            Credentials::Stranger => Some(self.ticket(STRANGER, session, self.expiry())),
            Credentials::None => None,
            Credentials::OtherSession => Some(self.ticket(user, other_session, self.expiry())),
            Credentials::OtherKind => Some(self.wrapper_token(user, session)),
        }
    }

    /// The token for the ingest of a session, if the claim has one.
    pub(super) fn ingest_token(&self, session: &str, claim: &Claim) -> Option<String> {
        let Claim {
            user, other_session, ..
        } = claim;
        match claim.credentials {
            Credentials::Own | Credentials::WithoutKey => Some(self.user_token(user, self.expiry())),
            Credentials::Expired => Some(self.user_token(user, self.past())),
            Credentials::Stranger => Some(self.user_token(STRANGER, self.expiry())),
            Credentials::None => None,
            Credentials::OtherSession => Some(self.wrapper_token(user, other_session)),
            Credentials::OtherKind => Some(self.ticket(user, session, self.expiry())),
        }
    }

    fn user_token(&self, user: &str, expiry: Timestamp) -> String {
        tokens::user_token(user, expiry, &self.secrets.api)
    }

    fn wrapper_token(&self, user: &str, session: &str) -> String {
        tokens::wrapper_token(user, session, self.expiry(), &self.secrets.api)
    }

    fn ticket(&self, user: &str, session: &str, expiry: Timestamp) -> String {
        tokens::stream_ticket(user, session, expiry, &self.secrets.ticket)
    }
}

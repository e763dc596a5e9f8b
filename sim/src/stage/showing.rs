//! The tokens and tickets that a client shows (protocol §2).
//!
//! Those of a wrong claim are signed like those of a right one, so that a server must look at what they say.

use std::sync::PoisonError;

use jiff::Timestamp;
use turnstile_events::credentials::Credentials;

use super::client::Client;
use super::identity::{Claim, Login, Right, STRANGER};
use crate::tokens;

impl Client {
    /// The token of a request, if it shows one.
    pub(super) fn token(&self, login: &Login) -> Option<String> {
        let Login { user, right, session } = login;
        match right {
            Right::Owner | Right::Outsider => Some(self.valid_user_token(user)),
            Right::Latecomer => Some(self.user_token(user, self.past())),
            Right::Stranger => Some(self.valid_user_token(STRANGER)),
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
            Credentials::Own | Credentials::WithoutKey => Some(self.valid_user_token(user)),
            Credentials::Expired => Some(self.user_token(user, self.past())),
            Credentials::Stranger => Some(self.valid_user_token(STRANGER)),
            Credentials::None => None,
            Credentials::OtherSession => Some(self.wrapper_token(user, other_session)),
            Credentials::OtherKind => Some(self.ticket(user, session, self.expiry())),
        }
    }

    /// A token of a user. A client makes it once and keeps it.
    fn valid_user_token(&self, user: &str) -> String {
        let mut kept = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = kept.get(user) {
            return token.clone();
        }
        let token = self.user_token(user, self.expiry());
        kept.insert(user.to_owned(), token.clone());
        token
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

//! Signs and verifies tokens (R2.23–R2.30).
//!
//! All are JWTs, signed with HS256. Callers pass the current time.

use std::time::Duration;

use chrono::DateTime;
use jiff::Timestamp;
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, Claims, Header, UntrustedToken};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::identity::{SessionId, UserId};
use crate::secret::Secret;
use crate::store::SessionKey;

/// The version of user tokens (R2.24).
const TOKEN_VERSION: u32 = 3;
/// The `type` of wrapper tokens (R2.25).
const WORKER_TOKEN: &str = "worker";
/// The `type` of stream tickets (R2.26).
const STREAM_TICKET: &str = "stream_ticket";

/// Why a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// No token in the request.
    #[error("No token was given")]
    Missing,
    /// A malformed token, a wrong signature or wrong claims.
    #[error("The token is not valid")]
    Invalid,
    /// A token whose `exp` has passed.
    #[error("The token has expired")]
    Expired,
}

/// The keys of a server.
#[derive(Clone)]
pub struct Tokens {
    api_key: Hs256Key,
    ticket_key: Hs256Key,
    internal_api_key: Secret,
    worker_token_lifetime: Duration,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserClaims {
    kilo_user_id: UserId,
    version: u32,
}

/// The claims of a wrapper's token, which is valid for the ingest of one session only (R2.30).
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkerClaims {
    r#type: String,
    kilo_user_id: UserId,
    cloud_agent_session_id: SessionId,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TicketClaims {
    r#type: String,
    user_id: UserId,
    cloud_agent_session_id: SessionId,
}

/// The holder of a token at the ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The user.
    pub user: UserId,
    /// The only session that the token is valid for; `None` if it is valid for all sessions of the user.
    pub session: Option<SessionId>,
}

impl Tokens {
    /// Builds the keys from the secrets for API tokens and stream tickets, and the key of internal callers. Wrapper
    /// tokens are valid for `worker_token_lifetime`.
    pub fn new(
        api_secret: &str,
        ticket_secret: &str,
        internal_api_key: &str,
        worker_token_lifetime: Duration,
    ) -> Self {
        Self {
            api_key: Hs256Key::new(api_secret),
            ticket_key: Hs256Key::new(ticket_secret),
            internal_api_key: internal_api_key.to_owned().into(),
            worker_token_lifetime,
        }
    }

    /// Returns the user of a bearer token in an `Authorization` header.
    ///
    /// # Errors
    ///
    /// See [`BadToken`].
    pub fn user(&self, authorization: Option<&str>, now: Timestamp) -> Result<UserId, BadToken> {
        let claims: UserClaims = decode(bearer(authorization)?, &self.api_key, now)?;
        if claims.version == TOKEN_VERSION {
            Ok(claims.kilo_user_id)
        } else {
            Err(BadToken::Invalid)
        }
    }

    /// Returns the user and the session of a wrapper's `Authorization` header. A user token is accepted too (R2.30).
    ///
    /// # Errors
    ///
    /// See [`BadToken`].
    pub fn worker(&self, authorization: Option<&str>, now: Timestamp) -> Result<Worker, BadToken> {
        if let Ok(user) = self.user(authorization, now) {
            return Ok(Worker { user, session: None });
        }
        let claims: WorkerClaims = decode(bearer(authorization)?, &self.api_key, now)?;
        if claims.r#type == WORKER_TOKEN {
            Ok(Worker {
                user: claims.kilo_user_id,
                session: Some(claims.cloud_agent_session_id),
            })
        } else {
            Err(BadToken::Invalid)
        }
    }

    /// Whether `key` is the key of internal callers.
    pub fn is_internal(&self, key: Option<&str>) -> bool {
        let (expected, given) = (self.internal_api_key.expose(), key.unwrap_or_default());
        // Compared in constant time, so that the duration does not reveal how much of a guess was right.
        !expected.is_empty() && bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
    }

    /// Returns the session of a stream ticket.
    ///
    /// # Errors
    ///
    /// See [`BadToken`].
    pub fn stream_ticket(&self, ticket: Option<&str>, now: Timestamp) -> Result<SessionKey, BadToken> {
        let claims: TicketClaims = decode(ticket.ok_or(BadToken::Missing)?, &self.ticket_key, now)?;
        if claims.r#type == STREAM_TICKET {
            Ok(SessionKey {
                user: claims.user_id,
                session: claims.cloud_agent_session_id,
            })
        } else {
            Err(BadToken::Invalid)
        }
    }

    /// Signs a token for a wrapper.
    pub fn worker_token(&self, user: &UserId, session: &SessionId, now: Timestamp) -> String {
        let mut claims = Claims::new(WorkerClaims {
            r#type: WORKER_TOKEN.to_owned(),
            kilo_user_id: user.clone(),
            cloud_agent_session_id: session.clone(),
        });
        claims.expiration = DateTime::from_timestamp((now + self.worker_token_lifetime).as_second(), 0);
        let header = Header::empty().with_token_type("JWT");
        Hs256
            .token(&header, &claims, &self.api_key)
            .expect("claims are serializable")
    }
}

fn bearer(authorization: Option<&str>) -> Result<&str, BadToken> {
    authorization
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(BadToken::Missing)
}

fn decode<C: DeserializeOwned>(token: &str, key: &Hs256Key, now: Timestamp) -> Result<C, BadToken> {
    let token = UntrustedToken::new(token).map_err(|_| BadToken::Invalid)?;
    let (_, claims) = Hs256
        .validator::<C>(key)
        .validate(&token)
        .map_err(|_| BadToken::Invalid)?
        .into_parts();
    let expiration = claims.expiration.ok_or(BadToken::Invalid)?;
    if expiration.timestamp() > now.as_second() {
        Ok(claims.custom)
    } else {
        Err(BadToken::Expired)
    }
}

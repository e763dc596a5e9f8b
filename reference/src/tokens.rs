//! Tokens: who is asking, and for what (protocol §2, §9).
//!
//! All are JWTs, HS256. Their expiry is judged by the clock that the server was given.

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

/// Version of the user tokens that this server understands.
const TOKEN_VERSION: u32 = 3;
/// What a wrapper's token says it is.
const WORKER_TOKEN: &str = "worker";
/// What a stream ticket says it is.
const STREAM_TICKET: &str = "stream_ticket";

/// Why a token does not say who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// There is none.
    #[error("No token was given")]
    Missing,
    /// It is not a token of this server's.
    #[error("The token is not valid")]
    Invalid,
    /// It was one.
    #[error("The token has expired")]
    Expired,
}

/// Makes and reads tokens, and knows the key of internal callers.
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

/// What a wrapper gets: it speaks for one session at the ingest, and opens no other door.
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

/// For whom a wrapper speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// The user.
    pub user: UserId,
    /// The one session; any of the user's if none is named.
    pub session: Option<SessionId>,
}

impl Tokens {
    /// Tokens under the secret of the API and that of stream tickets, and the key of internal callers. A wrapper's
    /// token is valid for `worker_token_lifetime`.
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

    /// The user on whose behalf the bearer of an `Authorization` header asks.
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

    /// For whom the wrapper that bears an `Authorization` header speaks. Wrappers of older services bear their
    /// user's own token.
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

    /// Whether a caller may call internal procedures.
    pub fn is_internal(&self, key: Option<&str>) -> bool {
        let (expected, given) = (self.internal_api_key.expose(), key.unwrap_or_default());
        // The time that it takes tells nobody how much of a guess was right.
        !expected.is_empty() && bool::from(expected.as_bytes().ct_eq(given.as_bytes()))
    }

    /// The session to which a stream ticket permits to listen.
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

    /// A token with which a wrapper may speak for a session at the ingest.
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
            .expect("the claims can be written as JSON")
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

//! What the client puts on the wire and gets from it, as methods, paths, headers and bytes.

use http::{Method, Request};
use http_body_util::Full;
use jiff::{Timestamp, ToSpan as _};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{Algorithm, AlgorithmExt as _, Claims, Header};
use serde_json::{Value, json};
use turnstile_seams::websocket::OpenError;
use turnstile_seams::{Seams, http_client, websocket};

use crate::house::{API_SECRET, INTERNAL_API_KEY, SERVER_AUTHORITY, TICKET_SECRET};

/// The user on whose behalf the client asks unless it says otherwise.
pub const USER: &str = "user-1";

/// The status of a WebSocket that was opened.
pub const SWITCHING_PROTOCOLS: u16 = 101;

/// A request, as it goes out.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How.
    pub method: Method,
    /// Host, path and query.
    pub target: String,
    /// Headers beside those that HTTP itself wants.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it asks for a WebSocket; it has no body and no headers but `authorization` then.
    pub is_upgrade: bool,
}

/// An answer, as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// What the body says it is.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON, null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Asked {
    /// A request to the server with neither headers nor a body.
    pub fn bare(method: Method, path: &str) -> Self {
        Self {
            method,
            target: format!("{SERVER_AUTHORITY}{path}"),
            headers: Vec::new(),
            body: Vec::new(),
            is_upgrade: false,
        }
    }

    /// A call of a procedure by nobody.
    pub fn call(procedure: &str, input: &Value) -> Self {
        Self {
            body: input.to_string().into_bytes(),
            ..Self::bare(Method::POST, &format!("/trpc/{procedure}"))
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same by a bearer of that token.
    #[must_use]
    pub fn by(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// The same by somebody who knows the key of internal callers.
    #[must_use]
    pub fn internally(self) -> Self {
        self.with("x-internal-api-key", INTERNAL_API_KEY)
    }

    /// The same asking for a WebSocket.
    #[must_use]
    pub fn upgrading(mut self) -> Self {
        self.is_upgrade = true;
        self
    }
}

/// One exchange on a connection of its own.
///
/// # Errors
///
/// Why there was no answer.
pub async fn exchange(seams: &Seams, asked: &Asked) -> Result<Answer, String> {
    if asked.is_upgrade {
        return upgrade(seams, asked).await;
    }
    let mut request = Request::builder()
        .method(asked.method.clone())
        .uri(format!("http://{}", asked.target));
    for (name, value) in &asked.headers {
        request = request.header(*name, value.as_slice());
    }
    let request = request.body(Full::new(asked.body.clone().into()));
    let request = request.map_err(|error| format!("not to be asked: {error}"))?;
    let response = http_client::send(&seams.network, request).await;
    let response = response.map_err(|error| format!("no answer: {error}"))?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type");
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = http_client::read_body(response).await;
    let body = body.map_err(|error| format!("a broken answer: {error}"))?;
    Ok(Answer {
        status,
        content_type,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Asks for a WebSocket, and closes it at once if it is opened.
async fn upgrade(seams: &Seams, asked: &Asked) -> Result<Answer, String> {
    let url = format!("ws://{}", asked.target).parse();
    let url = url.map_err(|error| format!("not to be asked: {error}"))?;
    let authorization = asked.headers.iter().find(|(name, _)| *name == "authorization");
    let authorization = authorization.map(|(_, value)| String::from_utf8_lossy(value));
    let (status, body) = match websocket::open(&*seams.network, &url, authorization.as_deref()).await {
        Ok(_) => (SWITCHING_PROTOCOLS, Vec::new()),
        Err(OpenError::Refused { status, body }) => (status, body),
        Err(error) => return Err(format!("no answer: {error}")),
    };
    Ok(Answer {
        status,
        content_type: String::new(),
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// A token's life: a year from now.
fn expiry(now: Timestamp) -> i64 {
    (now + (365 * 24).hours()).as_second()
}

/// Claims of a token of a user's.
pub fn user_claims(user: &str, now: Timestamp) -> Value {
    json!({"kiloUserId": user, "version": 3, "exp": expiry(now)})
}

/// Claims of a stream ticket.
pub fn ticket_claims(user: &str, session: &str, now: Timestamp) -> Value {
    json!({"type": "stream_ticket", "userId": user, "cloudAgentSessionId": session, "exp": expiry(now)})
}

/// A token of a user's.
pub fn user_token(user: &str, now: Timestamp) -> String {
    sign(&user_claims(user, now), API_SECRET)
}

/// A stream ticket.
pub fn ticket(user: &str, session: &str, now: Timestamp) -> String {
    sign(&ticket_claims(user, session, now), TICKET_SECRET)
}

/// A token with these claims, signed with HS256 as the server expects.
pub fn sign(claims: &Value, secret: &str) -> String {
    sign_as(&Hs256, &Hs256Key::new(secret), claims)
}

/// A token with these claims, signed with that algorithm.
pub fn sign_as<A: Algorithm>(algorithm: &A, key: &A::SigningKey, claims: &Value) -> String {
    let header = Header::empty().with_token_type("JWT");
    let token = algorithm.token(&header, &Claims::new(claims), key);
    token.expect("claims are JSON")
}

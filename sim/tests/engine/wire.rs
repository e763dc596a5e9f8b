//! HTTP and WebSocket requests of the client, as methods, paths, headers and bytes.

use http::{Method, Request};
use http_body_util::Full;
use jiff::{Timestamp, ToSpan as _};
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{Algorithm, AlgorithmExt as _, Claims, Header};
use serde_json::{Value, json};
use turnstile_seams::websocket::OpenError;
use turnstile_seams::{Seams, http_client, websocket};

use crate::test_bed::{API_SECRET, INTERNAL_API_KEY, SERVER_AUTHORITY, TICKET_SECRET};

/// The default user.
pub const USER: &str = "user-1";

/// The status of an opened WebSocket.
pub const SWITCHING_PROTOCOLS: u16 = 101;

/// A request.
#[derive(Debug, Clone)]
pub struct RequestSpec {
    pub method: Method,
    /// Authority, path and query.
    pub target: String,
    /// Headers, except those that HTTP requires.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Vec<u8>,
    /// Whether this is a WebSocket upgrade, which has no body and no header except `authorization`.
    pub is_upgrade: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The `content-type` header.
    pub content_type: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON, or null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl RequestSpec {
    /// A request to the server without headers and body.
    pub fn bare(method: Method, path: &str) -> Self {
        Self {
            method,
            target: format!("{SERVER_AUTHORITY}{path}"),
            headers: Vec::new(),
            body: Vec::new(),
            is_upgrade: false,
        }
    }

    /// A procedure call without credentials.
    pub fn call(procedure: &str, input: &Value) -> Self {
        Self {
            body: input.to_string().into_bytes(),
            ..Self::bare(Method::POST, &format!("/trpc/{procedure}"))
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn by(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    /// Adds the internal API key.
    #[must_use]
    pub fn internally(self) -> Self {
        self.with("x-internal-api-key", INTERNAL_API_KEY)
    }

    /// Makes the request a WebSocket upgrade.
    #[must_use]
    pub fn upgrading(mut self) -> Self {
        self.is_upgrade = true;
        self
    }
}

/// Sends a request on a new connection.
///
/// # Errors
///
/// Describes why there is no answer.
pub async fn exchange(seams: &Seams, wanted: &RequestSpec) -> Result<Answer, String> {
    if wanted.is_upgrade {
        return upgrade(seams, wanted).await;
    }
    let mut request = Request::builder()
        .method(wanted.method.clone())
        .uri(format!("http://{}", wanted.target));
    for (name, value) in &wanted.headers {
        request = request.header(*name, value.as_slice());
    }
    let request = request.body(Full::new(wanted.body.clone().into()));
    let request = request.map_err(|error| format!("invalid request: {error}"))?;
    let response = http_client::send(&seams.network, request).await;
    let response = response.map_err(|error| format!("no answer: {error}"))?;
    let status = response.status().as_u16();
    let content_type = response.headers().get("content-type");
    let content_type = content_type
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = http_client::read_body(response).await;
    let body = body.map_err(|error| format!("invalid answer: {error}"))?;
    Ok(Answer {
        status,
        content_type,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Opens a WebSocket and closes it at once.
async fn upgrade(seams: &Seams, request: &RequestSpec) -> Result<Answer, String> {
    let url = format!("ws://{}", request.target).parse();
    let url = url.map_err(|error| format!("invalid request: {error}"))?;
    let authorization = request.headers.iter().find(|(name, _)| *name == "authorization");
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

/// One year after `now`, in Unix seconds.
fn expiry(now: Timestamp) -> i64 {
    (now + (365 * 24).hours()).as_second()
}

/// Claims of a user token.
pub fn user_claims(user: &str, now: Timestamp) -> Value {
    json!({"kiloUserId": user, "version": 3, "exp": expiry(now)})
}

/// Claims of a stream ticket.
pub fn ticket_claims(user: &str, session: &str, now: Timestamp) -> Value {
    json!({"type": "stream_ticket", "userId": user, "cloudAgentSessionId": session, "exp": expiry(now)})
}

/// A user token.
pub fn user_token(user: &str, now: Timestamp) -> String {
    sign(&user_claims(user, now), API_SECRET)
}

/// A stream ticket.
pub fn ticket(user: &str, session: &str, now: Timestamp) -> String {
    sign(&ticket_claims(user, session, now), TICKET_SECRET)
}

/// Signs claims with HS256, as the server expects.
pub fn sign(claims: &Value, secret: &str) -> String {
    sign_as(&Hs256, &Hs256Key::new(secret), claims)
}

/// Signs claims with another algorithm.
pub fn sign_as<A: Algorithm>(algorithm: &A, key: &A::SigningKey, claims: &Value) -> String {
    let header = Header::empty().with_token_type("JWT");
    let token = algorithm.token(&header, &Claims::new(claims), key);
    token.expect("claims are JSON")
}

//! Tokens for clients of a server, as raw JSON claims (protocol §2, §9). This code shares no type with the server, which
//! verifies them.

use jiff::Timestamp;
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, Claims, Header};
use serde_json::{Value, json};

/// Version of user tokens.
const TOKEN_VERSION: u32 = 3;

/// Signs a token for `user` that expires at `expiry`, with the API secret of a server.
pub fn user_token(user: &str, expiry: Timestamp, api_secret: &str) -> String {
    let claims = json!({"kiloUserId": user, "version": TOKEN_VERSION, "exp": expiry.as_second()});
    sign(&claims, api_secret)
}

/// Signs a ticket that lets `user` open the stream of `session` until `expiry`, with the ticket secret of a server.
pub fn stream_ticket(user: &str, session: &str, expiry: Timestamp, ticket_secret: &str) -> String {
    let claims = json!({
        "type": "stream_ticket",
        "userId": user,
        "cloudAgentSessionId": session,
        "exp": expiry.as_second(),
    });
    sign(&claims, ticket_secret)
}

/// Signs a token that lets the wrapper of `session` open its ingest until `expiry`, with the API secret of a server.
pub fn wrapper_token(user: &str, session: &str, expiry: Timestamp, api_secret: &str) -> String {
    let claims = json!({
        "type": "worker",
        "kiloUserId": user,
        "cloudAgentSessionId": session,
        "exp": expiry.as_second(),
    });
    sign(&claims, api_secret)
}

/// Signs `claims` with HS256. Writes `exp` unchanged.
fn sign(claims: &Value, secret: &str) -> String {
    let header = Header::empty().with_token_type("JWT");
    Hs256
        .token(&header, &Claims::new(claims), &Hs256Key::new(secret))
        .expect("a JSON object can be written as claims")
}

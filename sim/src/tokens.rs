//! Tokens for a server's clients, in raw JSON: what a user shows, and what opens a stream (protocol §2, §9).
//!
//! They are signed here and read by the server; the two share no type.

use jiff::Timestamp;
use jwt_compact::alg::{Hs256, Hs256Key};
use jwt_compact::{AlgorithmExt as _, Claims, Header};
use serde_json::{Value, json};

/// Version of users' tokens.
const TOKEN_VERSION: u32 = 3;

/// A token of `user`'s that is valid until `expiry`, under the secret of a server's API.
pub fn user_token(user: &str, expiry: Timestamp, api_secret: &str) -> String {
    let claims = json!({"kiloUserId": user, "version": TOKEN_VERSION, "exp": expiry.as_second()});
    sign(&claims, api_secret)
}

/// A ticket with which `user` may listen to a session until `expiry`, under a server's secret of tickets.
pub fn stream_ticket(user: &str, session: &str, expiry: Timestamp, ticket_secret: &str) -> String {
    let claims = json!({
        "type": "stream_ticket",
        "userId": user,
        "cloudAgentSessionId": session,
        "exp": expiry.as_second(),
    });
    sign(&claims, ticket_secret)
}

/// Signs `claims` with HS256. Their `exp` is written as given.
fn sign(claims: &Value, secret: &str) -> String {
    let header = Header::empty().with_token_type("JWT");
    Hs256
        .token(&header, &Claims::new(claims), &Hs256Key::new(secret))
        .expect("a JSON object can be written as claims")
}

//! Tokens for a server's clients, in raw JSON: what a user shows, and what opens a stream (protocol §2, §9).
//!
//! They are signed here and read by the server; the two share no type.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
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

fn sign(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .expect("claims are JSON and any secret is a key for HS256")
}

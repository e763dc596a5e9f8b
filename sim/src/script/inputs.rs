//! Values in the inputs of sessions that scripts do not choose.

use serde_json::{Value, json};

/// The repository that every session works on.
pub(super) const REPOSITORY: &str = "turnstile/example";
/// The path of the callback receiver, unless a script names another one.
pub(super) const CALLBACK_PATH: &str = "/callback";
/// A header of callbacks with a secret that only the receiver may see.
const CALLBACK_HEADER: (&str, &str) = ("x-callback-secret", "secret-of-the-receiver");

/// A callback target at the receiver, which the server reaches at that authority.
pub(super) fn callback_target(receiver: &str, path: &str) -> Value {
    let (header, secret) = CALLBACK_HEADER;
    json!({"url": format!("http://{receiver}{path}"), "headers": {header: secret}})
}

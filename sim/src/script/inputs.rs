//! Values of session inputs that scripts cannot set.

use serde_json::{Value, json};

/// Repository of all sessions.
pub(super) const REPOSITORY: &str = "turnstile/example";
/// Default path of callbacks.
pub(super) const CALLBACK_PATH: &str = "/callback";
/// Header of callback requests; a secret of the receiver.
const CALLBACK_HEADER: (&str, &str) = ("x-callback-secret", "secret-of-the-receiver");

/// The callback target for the receiver at an authority.
pub(super) fn callback_target(receiver: &str, path: &str) -> Value {
    let (header, secret) = CALLBACK_HEADER;
    json!({"url": format!("http://{receiver}{path}"), "headers": {header: secret}})
}

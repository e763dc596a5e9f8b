//! Values of session inputs that scripts cannot set.

use serde_json::{Value, json};

/// Repository of all sessions.
pub(super) const REPOSITORY: &str = "turnstile/example";
/// Default path of callbacks.
pub(crate) const CALLBACK_PATH: &str = "/callback";
/// Header of callback requests; a secret of the receiver.
const CALLBACK_HEADER: (&str, &str) = ("x-callback-secret", "secret-of-the-receiver");

/// Port at which nothing listens: the port of the discard service.
const SILENT_PORT: u16 = 9;

/// Name of a host that never exists (RFC 6761).
const NO_HOST: &str = "nobody.invalid";

/// The callback target for the receiver at an authority.
pub(super) fn callback_target(receiver: &str, path: &str) -> Value {
    target(&format!("http://{receiver}{path}"))
}

/// A callback target on the receiver's host at which nothing listens.
pub(super) fn target_out_of_reach(receiver: &str) -> Value {
    let host = receiver.rsplit_once(':').map_or(receiver, |(host, _)| host);
    target(&format!("http://{host}:{SILENT_PORT}{CALLBACK_PATH}"))
}

/// A callback target at a host that does not exist.
pub(super) fn target_at_no_host() -> Value {
    target(&format!("http://{NO_HOST}{CALLBACK_PATH}"))
}

/// The callback target for the receiver with a scheme that it does not speak.
pub(super) fn https_target(receiver: &str) -> Value {
    target(&format!("https://{receiver}{CALLBACK_PATH}"))
}

fn target(url: &str) -> Value {
    let (header, secret) = CALLBACK_HEADER;
    json!({"url": url, "headers": {header: secret}})
}

//! The names of the parties of a run in a trace, and the secrets that they share.
//!
//! Addresses and set-up of parties are not here.

/// The harness's own client: its stream is never cut, and it uses the control routes of the fakes.
pub const OBSERVER: &str = "observer";
/// The server under test.
pub const SERVER: &str = "server";
/// The fake wrapper. With several wrappers, the one of the session without a name.
pub const WRAPPER: &str = "wrapper";
/// The fake gateway.
pub const GATEWAY: &str = "gateway";
/// The callback receiver.
pub const RECEIVER: &str = "receiver";
/// Authority of the callback receiver in a simulated world.
pub const RECEIVER_AUTHORITY: &str = "receiver:9200";

/// Prefix of the party names of ingest sockets that a script opens itself.
const INGEST_PREFIX: &str = "ingest:";

/// The party of an ingest socket that a script opens under `name`.
pub fn ingest_party(name: &str) -> String {
    format!("{INGEST_PREFIX}{name}")
}

/// The wrapper of a named session. No client can have this name.
pub fn wrapper_of(session: &str) -> String {
    format!("{WRAPPER}.{session}")
}

/// Whether a party is a wrapper.
pub fn is_wrapper(party: &str) -> bool {
    party
        .strip_prefix(WRAPPER)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The host of a party. Ingest sockets of a script are on the wrapper's host.
pub fn host_of(party: &str) -> &str {
    if party.starts_with(INGEST_PREFIX) {
        WRAPPER
    } else {
        party
    }
}

/// The secrets that only the server and its services know (protocol §2).
#[derive(Clone)]
pub struct Secrets {
    /// Signs users' tokens.
    pub api: String,
    /// Signs stream tickets.
    pub ticket: String,
    /// Key that callers of internal procedures send.
    pub internal_api_key: String,
}

impl Default for Secrets {
    /// The secrets of a server that the harness sets up itself.
    fn default() -> Self {
        Self {
            api: "api-secret-of-the-simulation".to_owned(),
            ticket: "ticket-secret-of-the-simulation".to_owned(),
            internal_api_key: "internal-api-key-of-the-simulation".to_owned(),
        }
    }
}

impl Secrets {
    /// All secrets.
    pub fn all(&self) -> [&str; 3] {
        [&self.api, &self.ticket, &self.internal_api_key]
    }
}

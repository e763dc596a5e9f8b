//! WebSockets that the server refused, with the status of the refusal (protocol §5, §9).

use std::borrow::Cow;
use std::time::Duration;

use turnstile_events::credentials::Credentials;

use super::wire;

/// A WebSocket that the server refused.
#[derive(Debug)]
pub struct RefusedSocket {
    /// Time of the refusal.
    pub at: Duration,
    /// The party that requested it.
    pub party: String,
    /// What it requested.
    pub door: Door,
    /// The id of the session in the request.
    pub session: String,
    /// What the party showed to prove who it is.
    pub credentials: Credentials,
    /// HTTP status.
    pub status: u16,
}

/// The kinds of WebSockets that a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The stream of a session.
    Stream,
    /// The ingest of a wrapper's run.
    Ingest,
    /// The ingest of an imported execution.
    ImportedIngest,
}

impl Door {
    /// What a path requests, with the id of its session; `None` for a request that names none.
    pub(super) fn of_path(path: &str) -> Option<(Self, Cow<'_, str>)> {
        if let Some(session) = wire::stream_session(path) {
            return Some((Self::Stream, session));
        }
        let session = wire::ingest_session(path)?;
        let is_imported = wire::parameter(path, "executionId").is_some();
        Some((
            if is_imported {
                Self::ImportedIngest
            } else {
                Self::Ingest
            },
            Cow::Borrowed(session),
        ))
    }
}

//! Sessions, starting points and fences in paths, queries and bodies (protocol §1, §5, §9).

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::StreamStart;
use crate::parties::SERVER;

/// Parameters that restrict a stream to some events.
pub(super) const FILTERS: [&str; 4] = ["eventTypes", "executionIds", "startTime", "endTime"];

/// The identity of one allocation of the wrapper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The wrapper run.
    pub run: String,
    /// The generation, which rises with every allocation.
    pub generation: u64,
    /// The connection.
    pub connection: String,
}

impl Fence {
    /// The fence in the `session` of a request to the wrapper.
    pub(super) fn of_binding(binding: &Value) -> Option<Self> {
        Some(Self {
            run: binding["wrapperRunId"].as_str()?.to_owned(),
            generation: binding["wrapperGeneration"].as_u64()?,
            connection: binding["wrapperConnectionId"].as_str()?.to_owned(),
        })
    }

    /// The fence in the query of an ingest's path.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        Some(Self {
            run: parameter(path, "wrapperRunId")?.to_owned(),
            generation: parameter(path, "wrapperGeneration")?.parse().ok()?,
            connection: parameter(path, "wrapperConnectionId")?.to_owned(),
        })
    }
}

/// The message of a `/job/…` request: a prompt names it in `message`, a command at the top.
pub(super) fn delivered_message(body: &Value) -> Option<&str> {
    let named = [&body["message"]["id"], &body["messageId"]];
    named.into_iter().find_map(Value::as_str)
}

/// A parameter of a path's query, not decoded.
pub fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The input of a request: its body, or the `input` in the path of a query.
pub(super) fn input(path: &str, body: &Value) -> Value {
    let encoded = parameter(path, "input").filter(|_| body.is_null());
    let input = encoded.and_then(|encoded| {
        let text = percent_decode_str(encoded).decode_utf8().ok()?;
        serde_json::from_str(&text).ok()
    });
    input.unwrap_or_else(|| body.clone())
}

/// The session in the path or URL of an ingest, `…/sessions/{user}/{session}/ingest`.
pub(super) fn ingest_session(path: &str) -> Option<&str> {
    let place = path.split('?').next()?.strip_suffix("/ingest")?;
    let (user, session) = place.rsplit_once('/')?;
    let (sessions, _) = user.rsplit_once('/')?;
    sessions.ends_with("/sessions").then_some(session)
}

/// Whether a socket is for the server. A wrapper opens its ingest at the address that the server gave it, and a server
/// under test may give one that the trace does not know.
pub(super) fn is_server(to: &str, path: &str) -> bool {
    to == SERVER || ingest_session(path).is_some()
}

/// The session in the path of a stream.
pub(super) fn stream_session(path: &str) -> Option<Cow<'_, str>> {
    let session = path
        .starts_with("/stream?")
        .then(|| parameter(path, "cloudAgentSessionId"))??;
    percent_decode_str(session).decode_utf8().ok()
}

/// The starting point in the path of a stream.
pub(super) fn stream_start(path: &str) -> StreamStart {
    if parameter(path, "replay") == Some("false") {
        return StreamStart::Live;
    }
    let from = parameter(path, "fromId").and_then(|from| from.parse().ok());
    from.map_or(StreamStart::Unspecified, StreamStart::After)
}

/// Whether a stream is restricted to some events.
pub(super) fn is_filtered(path: &str) -> bool {
    FILTERS.iter().any(|filter| parameter(path, filter).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_its_input_in_its_path() {
        let path = "/trpc/getSession?input=%7B%22a%22%3A1%7D";
        assert_eq!(input(path, &Value::Null), serde_json::json!({"a": 1}));
        assert_eq!(
            input("/trpc/send", &serde_json::json!({"b": 2})),
            serde_json::json!({"b": 2})
        );
    }

    #[test]
    fn a_path_names_its_session_and_starting_point() {
        assert_eq!(
            ingest_session("/sessions/user-1/agent_1/ingest?a=b"),
            Some("agent_1")
        );
        assert_eq!(
            ingest_session("ws://server:1/sessions/u/agent_1/ingest"),
            Some("agent_1")
        );
        assert_eq!(ingest_session("/elsewhere/u/agent_1/ingest"), None);
        for session in ["agent_1", "agent%5F1"] {
            let path = format!("/stream?cloudAgentSessionId={session}&fromId=3");
            assert_eq!(stream_session(&path).as_deref(), Some("agent_1"));
        }
        assert_eq!(stream_start("/stream?a=b&fromId=3"), StreamStart::After(3));
        assert_eq!(stream_start("/stream?fromId=3&replay=false"), StreamStart::Live);
        assert_eq!(stream_start("/stream?a=b"), StreamStart::Unspecified);
        assert!(is_filtered("/stream?eventTypes=complete"));
    }
}

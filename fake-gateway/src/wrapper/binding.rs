//! Whom a wrapper works for: the session, and the fence under which its ingest is admitted (protocol §1,
//! §5).
//!
//! Data only: when a binding is taken up or given up is the lifecycle's business.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// What a query value may carry as it is: the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The binding as a request carries it, in its `session`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    /// Absolute `ws://…` URL of the session's ingest, without a query.
    pub(super) ingest_url: String,
    /// Bearer token for the ingest.
    pub(super) worker_auth_token: String,
    /// The wrapper run.
    pub(super) wrapper_run_id: String,
    /// The fence's generation.
    pub(super) wrapper_generation: u64,
    /// The fence's connection.
    pub(super) wrapper_connection_id: String,
    /// The branch that the session was asked to work on.
    pub(super) upstream_branch: Option<String>,
}

/// A binding as it was sent, possibly with gaps.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SentBinding {
    ingest_url: Option<String>,
    worker_auth_token: Option<String>,
    wrapper_run_id: Option<String>,
    wrapper_generation: Option<u64>,
    wrapper_connection_id: Option<String>,
    upstream_branch: Option<String>,
}

/// A binding that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the session binding lacks {}", .0.join(", "))]
pub(super) struct IncompleteBinding(
    /// The names of the missing fields, as they stand in the request.
    pub(super) Vec<&'static str>,
);

impl SentBinding {
    /// The binding, if nothing is missing from it.
    ///
    /// # Errors
    ///
    /// [`IncompleteBinding`] with every missing field; an empty text counts as missing.
    pub(super) fn complete(self) -> Result<Binding, IncompleteBinding> {
        let mut missing = Vec::new();
        let mut text = |name, value: Option<String>| {
            let value = value.unwrap_or_default();
            if value.is_empty() {
                missing.push(name);
            }
            value
        };
        let mut binding = Binding {
            ingest_url: text("ingestUrl", self.ingest_url),
            worker_auth_token: text("workerAuthToken", self.worker_auth_token),
            wrapper_run_id: text("wrapperRunId", self.wrapper_run_id),
            wrapper_connection_id: text("wrapperConnectionId", self.wrapper_connection_id),
            wrapper_generation: 0,
            upstream_branch: self.upstream_branch,
        };
        match self.wrapper_generation {
            Some(generation) => binding.wrapper_generation = generation,
            None => missing.push("wrapperGeneration"),
        }
        if missing.is_empty() {
            Ok(binding)
        } else {
            Err(IncompleteBinding(missing))
        }
    }
}

/// A session that the wrapper has been made ready for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The session's own identifier, `agent_…`.
    pub(super) session_id: String,
    /// The identifier of kilo's side of it, `ses_…`.
    pub(super) kilo_session_id: String,
    /// Where and as whom to report.
    pub(super) binding: Binding,
}

impl Session {
    /// Whether `other` means the same connection to the same session: then an open ingest may be kept.
    /// The token and the branch are no part of that.
    pub(super) fn is_bound_like(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }

    fn identity(&self) -> (&str, &str, &str, &str, u64, &str) {
        let binding = &self.binding;
        (
            &self.session_id,
            &self.kilo_session_id,
            &binding.ingest_url,
            &binding.wrapper_run_id,
            binding.wrapper_generation,
            &binding.wrapper_connection_id,
        )
    }

    /// The URL at which the ingest of this binding is opened.
    pub(super) fn ingest_url(&self) -> String {
        let binding = &self.binding;
        let generation = binding.wrapper_generation.to_string();
        let query: Vec<String> = [
            ("wrapperRunId", &binding.wrapper_run_id),
            ("kiloSessionId", &self.kilo_session_id),
            ("sessionId", &self.session_id),
            ("wrapperGeneration", &generation),
            ("wrapperConnectionId", &binding.wrapper_connection_id),
        ]
        .into_iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)))
        .collect();
        format!("{}?{}", binding.ingest_url, query.join("&"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(json: &str) -> SentBinding {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_missing_field_is_named() {
        let error = sent(r#"{"ingestUrl":"ws://server/x","workerAuthToken":"t","wrapperRunId":""}"#)
            .complete()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the session binding lacks wrapperRunId, wrapperConnectionId, wrapperGeneration"
        );
    }

    #[test]
    fn the_ingest_url_carries_the_fence_percent_encoded() {
        let session = Session {
            session_id: "agent_1".to_owned(),
            kilo_session_id: "ses_1".to_owned(),
            binding: sent(
                r#"{"ingestUrl":"ws://server:80/sessions/user%2F1/agent_1/ingest","workerAuthToken":"t",
                    "wrapperRunId":"wr_1&x","wrapperGeneration":7,"wrapperConnectionId":"c-1"}"#,
            )
            .complete()
            .unwrap(),
        };
        assert_eq!(
            session.ingest_url(),
            "ws://server:80/sessions/user%2F1/agent_1/ingest?wrapperRunId=wr_1%26x&kiloSessionId=ses_1\
             &sessionId=agent_1&wrapperGeneration=7&wrapperConnectionId=c-1"
        );
    }
}

//! The session that a wrapper works for, and the fence under which the server admits its ingest (R5.72).
//!
//! Data only: the lifecycle decides when a binding begins and ends.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// The branch to report if the request names none.
pub(super) const DEFAULT_BRANCH: &str = "main";
/// Characters to encode in a query value: all but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The binding in the field `session` of a request (R5.72).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    /// Absolute `ws://…` URL of the session's ingest, without a query.
    pub(super) ingest_url: String,
    /// Bearer token for the ingest.
    pub(super) worker_auth_token: String,
    pub(super) wrapper_run_id: String,
    /// Generation of the fence.
    pub(super) wrapper_generation: u64,
    /// Connection id of the fence.
    pub(super) wrapper_connection_id: String,
    /// The branch to work on.
    pub(super) upstream_branch: Option<String>,
}

/// The places that the server chose for a session (R5.73).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) sandbox_id: String,
    pub(super) workspace_path: String,
    pub(super) session_home: String,
    pub(super) branch_name: String,
}

/// A binding as received, possibly incomplete.
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

/// A binding with missing fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the session binding lacks {}", .0.join(", "))]
pub(super) struct IncompleteBinding(
    /// Names of the missing fields, as in the request.
    pub(super) Vec<&'static str>,
);

impl SentBinding {
    /// Checks that no field is missing.
    ///
    /// # Errors
    ///
    /// [`IncompleteBinding`] with every missing field; an empty string counts as missing.
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

/// A session that the wrapper is ready for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// `agent_…`.
    pub(super) session_id: String,
    /// `ses_…`.
    pub(super) kilo_session_id: String,
    pub(super) places: Places,
    pub(super) binding: Binding,
}

impl Session {
    /// Whether `other` has the same session and fence, so that an open ingest can be kept. Token, places
    /// and branch may differ.
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

    /// The URL of the ingest, with the fence as query parameters.
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
            places: Places {
                sandbox_id: "sandbox-1".to_owned(),
                workspace_path: "/w".to_owned(),
                session_home: "/h".to_owned(),
                branch_name: "main".to_owned(),
            },
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

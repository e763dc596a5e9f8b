//! The HTTP requests to a wrapper, their time-outs, and the codes of their failures (R4.13–R4.19, R5.11–R5.18).
//!
//! Nothing here depends on sessions: `host` decides the order of the requests and records their results. `bodies` has
//! the shapes of the requests.

mod bodies;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize as _;
use serde_json::{Value, json};
use turnstile_profile::Profile;
use turnstile_seams::{ClockExt as _, Seams, http_client};

use crate::identity::WrapperRunId;
use crate::json::parse;
use crate::model::message::Turn;
use crate::model::metadata::Workspace;
use crate::session::wrapper::{Delivery, DeliveryFailure, FailureCode};
use crate::store::SessionKey;
use crate::tokens::Tokens;

/// Characters that are percent-encoded in a path segment.
const NOT_IN_PATHS: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The `workspaceReady` of a wrapper's answer. All fields are required (R5.29).
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkspaceReady {
    workspace_path: String,
    sandbox_id: String,
    session_home: String,
    branch_name: String,
    kilo_session_id: String,
}

impl From<WorkspaceReady> for Workspace {
    fn from(ready: WorkspaceReady) -> Self {
        Self {
            workspace_path: Some(ready.workspace_path),
            sandbox_id: Some(ready.sandbox_id),
            session_home: Some(ready.session_home),
            branch_name: Some(ready.branch_name),
            kilo_session_id: Some(ready.kilo_session_id),
        }
    }
}

/// Maps sessions to wrappers.
pub trait Sandboxes: Send + Sync + 'static {
    /// The URL of the session's wrapper, without a slash at the end.
    fn wrapper_url(&self, session: &SessionKey) -> String;
}

/// One wrapper for all sessions, at this URL.
impl Sandboxes for String {
    fn wrapper_url(&self, _: &SessionKey) -> String {
        self.clone()
    }
}

/// A client of the sessions' wrappers.
pub struct WrapperClient {
    profile: Arc<Profile>,
    seams: Seams,
    tokens: Tokens,
    sandboxes: Arc<dyn Sandboxes>,
    /// The URL at which wrappers reach this server's WebSockets, without a slash at the end.
    ingest_url: String,
}

impl WrapperClient {
    /// Creates a client of the wrappers in `sandboxes`, which reach this server at `ingest_url`.
    pub fn new(
        profile: Arc<Profile>,
        seams: Seams,
        tokens: Tokens,
        sandboxes: Arc<dyn Sandboxes>,
        ingest_url: String,
    ) -> Self {
        Self {
            profile,
            seams,
            tokens,
            sandboxes,
            ingest_url,
        }
    }

    /// Requests the wrapper to stop its work for `run` (R5.35). Failures are ignored.
    pub async fn abort(&self, session: &SessionKey, run: &WrapperRunId) {
        let body = json!({"wrapperRunId": run});
        let wrapper = self.sandboxes.wrapper_url(session);
        let result = self.call(&wrapper, "/job/abort", &body, self.profile.wrapper_job_timeout);
        if let Err(failure) = result.await {
            // The run is not current any more, so nothing that an unreachable wrapper still does can have an effect.
            tracing::debug!(%run, %failure, "abort request failed");
        }
    }

    /// Whether the wrapper answers `GET /health` with a 2xx in time (R2.98).
    pub async fn is_healthy(&self, session: &SessionKey) -> bool {
        let wrapper = self.sandboxes.wrapper_url(session);
        let Ok(url) = format!("{wrapper}/health").parse::<Uri>() else {
            return false;
        };
        let Ok(request) = Request::get(url).body(Full::<Bytes>::default()) else {
            return false;
        };
        let exchange = http_client::send(&self.seams.network, request);
        let answered = self
            .seams
            .clock
            .timeout(self.profile.wrapper_connect_timeout, exchange)
            .await;
        matches!(answered, Ok(Ok(response)) if response.status().is_success())
    }

    /// Makes the wrapper ready with `POST /session/ready`, and returns its workspace.
    ///
    /// # Errors
    ///
    /// The failure of the delivery. A lost answer is a failure too (R4.21).
    pub async fn ensure_ready(&self, delivery: &Delivery) -> Result<Workspace, DeliveryFailure> {
        let body = bodies::ready(&delivery.metadata, &self.binding(delivery));
        let wrapper = self.wrapper_of(delivery);
        let allowed = self.profile.wrapper_ready_timeout;
        let answer = self.call(&wrapper, "/session/ready", &body, allowed).await?;
        let code = match answer.error() {
            Some("WORKSPACE_SETUP_FAILED") => Some(FailureCode::WorkspaceSetupFailed),
            Some("KILO_SERVER_FAILED") => Some(FailureCode::KiloServerFailed),
            _ => None,
        };
        if let Some(code) = code {
            return Err(failure(code, answer.text()));
        }
        let body = answer.accepted()?;
        if body["status"] != "ready" {
            return Err(failure(
                FailureCode::WrapperStartFailed,
                "the wrapper's answer is neither ready nor an error",
            ));
        }
        WorkspaceReady::deserialize(&body["workspaceReady"])
            .map(Workspace::from)
            .map_err(|error| {
                failure(
                    FailureCode::WrapperStartFailed,
                    format!("unreadable readiness: {error}"),
                )
            })
    }

    /// Submits a turn with `POST /job/prompt` or `/job/command`.
    ///
    /// # Errors
    ///
    /// The failure of the delivery. A lost answer is a failure too (R4.21).
    pub async fn submit(&self, delivery: &Delivery) -> Result<(), DeliveryFailure> {
        let message = &delivery.message;
        let (path, body) = bodies::job(message, &delivery.metadata, &self.binding(delivery));
        let wrapper = self.wrapper_of(delivery);
        let allowed = self.profile.wrapper_job_timeout;
        let answer = self.call(&wrapper, path, &body, allowed).await?;
        let body = answer.accepted()?;
        let names_message = match &message.turn {
            Turn::Prompt { .. } => body["messageId"] == json!(message.id),
            // The answer to a command does not name the message (R5.81).
            Turn::Command { .. } => true,
        };
        if body["status"] == "sent" && names_message {
            Ok(())
        } else {
            Err(failure(
                FailureCode::WrapperStartFailed,
                "the wrapper's answer does not confirm the message",
            ))
        }
    }

    fn wrapper_of(&self, delivery: &Delivery) -> String {
        let identity = &delivery.metadata.identity;
        self.sandboxes.wrapper_url(&SessionKey {
            user: identity.user_id.clone(),
            session: identity.session_id.clone(),
        })
    }

    /// The `session` of a request's body (R5.72).
    fn binding(&self, delivery: &Delivery) -> Value {
        let identity = &delivery.metadata.identity;
        let user = utf8_percent_encode(identity.user_id.as_str(), &NOT_IN_PATHS);
        let path = format!("{user}/{}", identity.session_id);
        let mut binding = json!({
            "ingestUrl": format!("{}/sessions/{path}/ingest", self.ingest_url),
            "workerAuthToken": self.tokens.worker_token(&identity.user_id, &identity.session_id, self.seams.clock.now()),
            "wrapperRunId": delivery.run.id,
            "wrapperGeneration": delivery.run.fence.generation,
            "wrapperConnectionId": delivery.run.fence.connection,
        });
        if let Some(branch) = delivery.upstream_branch() {
            binding["upstreamBranch"] = json!(branch);
        }
        binding
    }

    /// Sends one request and returns the answer.
    async fn call(
        &self,
        wrapper: &str,
        path: &str,
        body: &Value,
        allowed: Duration,
    ) -> Result<Answer, DeliveryFailure> {
        let unusable = |error: &dyn std::fmt::Display| failure(FailureCode::SandboxConnectFailed, error);
        let url: Uri = format!("{wrapper}{path}")
            .parse()
            .map_err(|error| unusable(&error))?;
        let connecting = http_client::connect(&*self.seams.network, &url);
        let stream = match self
            .seams
            .clock
            .timeout(self.profile.wrapper_connect_timeout, connecting)
            .await
        {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unusable(&error)),
            Err(elapsed) => return Err(unusable(&elapsed)),
        };
        // Formatting a value as text is slower.
        let body = serde_json::to_vec(body).expect("a value is JSON");
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::new(body.into()))
            .map_err(|error| unusable(&error))?;
        let exchange = async {
            let response = http_client::exchange(stream, request).await?;
            let status = response.status();
            Ok::<_, http_client::HttpError>((status, http_client::read_body(response).await?))
        };
        let (status, answer) = match self.seams.clock.timeout(allowed, exchange).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) => return Err(failure(FailureCode::WrapperStartFailed, error)),
            Err(elapsed) => return Err(failure(FailureCode::WrapperStartFailed, elapsed)),
        };
        Ok(Answer {
            status,
            body: parse(&answer).unwrap_or_default(),
        })
    }
}

/// The answer of a wrapper.
struct Answer {
    status: StatusCode,
    /// The body; null if it is not JSON.
    body: Value,
}

impl Answer {
    /// The code of a refusal.
    fn error(&self) -> Option<&str> {
        self.body["error"].as_str()
    }

    /// The text of a refusal.
    fn text(&self) -> &str {
        self.body["message"].as_str().unwrap_or("no reason given")
    }

    /// The body of an answer with a 2xx (R5.14, R5.15).
    fn accepted(&self) -> Result<&Value, DeliveryFailure> {
        let (status, text) = (self.status, self.text());
        if status == StatusCode::BAD_REQUEST {
            Err(failure(FailureCode::BadRequest, text))
        } else if status.is_success() {
            Ok(&self.body)
        } else {
            let text = format!("{status}: {text}");
            Err(failure(FailureCode::WrapperStartFailed, text))
        }
    }
}

/// The failure of a delivery that its session cancelled.
pub fn cancelled() -> DeliveryFailure {
    failure(FailureCode::WrapperStartFailed, "the delivery was cancelled")
}

fn failure(code: FailureCode, text: impl std::fmt::Display) -> DeliveryFailure {
    DeliveryFailure::new(code, text.to_string())
}

//! The HTTP calls to a wrapper, their time-outs, and which failure is which (protocol §4, §5).
//!
//! It knows no session: in which order a delivery makes the calls, and what is recorded between them, is `host`'s
//! subject.

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
use crate::model::message::Turn;
use crate::model::metadata::Workspace;
use crate::session::wrapper::{Delivery, DeliveryFailure, FailureCode};
use crate::store::SessionKey;
use crate::tokens::Tokens;

/// Characters that a segment of a path must not have as they are.
const NOT_IN_PATHS: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a wrapper says of a workspace that is ready, all of it.
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

/// Which wrapper is whose.
pub trait Sandboxes: Send + Sync + 'static {
    /// Where the wrapper of that session is reached, without a slash at the end.
    fn wrapper_url(&self, session: &SessionKey) -> String;
}

/// One wrapper for all sessions, at that URL.
impl Sandboxes for String {
    fn wrapper_url(&self, _: &SessionKey) -> String {
        self.clone()
    }
}

/// The way to the wrappers of sessions.
pub struct WrapperClient {
    profile: Arc<Profile>,
    seams: Seams,
    tokens: Tokens,
    sandboxes: Arc<dyn Sandboxes>,
    /// Where wrappers reach this server's WebSockets, without a slash at the end.
    ingest_url: String,
}

impl WrapperClient {
    /// A way to the wrappers in `sandboxes`, which reach this server at `ingest_url`.
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

    /// Tells the wrapper of a session to end what it does for `run`, if it can be told.
    pub async fn abort(&self, session: &SessionKey, run: &WrapperRunId) {
        let body = json!({"wrapperRunId": run});
        let wrapper = self.sandboxes.wrapper_url(session);
        let told = self.call(&wrapper, "/job/abort", &body, self.profile.wrapper_job_timeout);
        if let Err(failure) = told.await {
            // A wrapper that cannot be told is no longer listened to either.
            tracing::debug!(%run, %failure, "wrapper could not be told to abort");
        }
    }

    /// Whether the wrapper of a session can be reached and says that it is well.
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

    /// Gets the wrapper ready for a delivery. Returns where it will work.
    ///
    /// # Errors
    ///
    /// Why the wrapper is not ready, or may not be: a lost answer is a failure too.
    pub async fn ensure_ready(&self, delivery: &Delivery) -> Result<Workspace, DeliveryFailure> {
        let metadata = &delivery.metadata;
        let body = json!({
            "cloudAgentSessionId": metadata.identity.session_id,
            "userId": metadata.identity.user_id,
            "kiloSessionId": metadata.identity.kilo_session_id,
            "agent": delivery.message.agent,
            "repository": delivery.repository(),
            "profile": metadata.profile,
            "session": self.binding(delivery),
        });
        let wrapper = self.wrapper_of(delivery);
        let answer = self
            .call(
                &wrapper,
                "/session/ready",
                &body,
                self.profile.wrapper_ready_timeout,
            )
            .await?;
        match answer["status"].as_str() {
            Some("ready") => match WorkspaceReady::deserialize(&answer["workspaceReady"]) {
                Ok(ready) => Ok(ready.into()),
                Err(error) => Err(failure(
                    FailureCode::WrapperStartFailed,
                    format!("unreadable readiness: {error}"),
                )),
            },
            Some("error") => {
                let text = answer["error"]["message"]
                    .as_str()
                    .unwrap_or("the wrapper did not say why");
                let code = match answer["error"]["code"].as_str() {
                    Some("WORKSPACE_SETUP_FAILED") => FailureCode::WorkspaceSetupFailed,
                    Some("KILO_SERVER_FAILED") => FailureCode::KiloServerFailed,
                    Some("INVALID_REQUEST") => FailureCode::BadRequest,
                    _ => FailureCode::WrapperStartFailed,
                };
                Err(failure(code, text))
            }
            _ => Err(failure(
                FailureCode::WrapperStartFailed,
                "the wrapper's answer says neither ready nor error",
            )),
        }
    }

    /// Hands a turn over to a wrapper that is ready.
    ///
    /// # Errors
    ///
    /// Why the wrapper did not take it, or may not have: a lost answer is a failure too.
    pub async fn hand_over(&self, delivery: &Delivery) -> Result<(), DeliveryFailure> {
        let message = &delivery.message;
        let (path, content) = match &message.turn {
            Turn::Prompt { prompt, images } => {
                let mut content = json!({"id": message.id, "prompt": prompt});
                if let Some(images) = images {
                    content["images"] = images.clone();
                }
                ("/job/prompt", content)
            }
            Turn::Command { command, arguments } => (
                "/job/command",
                json!({"id": message.id, "command": command, "arguments": arguments}),
            ),
        };
        let body = json!({
            "message": content,
            "agent": message.agent,
            "finalization": message.finalization,
            "session": self.binding(delivery),
        });
        let wrapper = self.wrapper_of(delivery);
        let answer = self
            .call(&wrapper, path, &body, self.profile.wrapper_job_timeout)
            .await?;
        if answer["status"] == "sent" && answer["messageId"] == json!(message.id) {
            Ok(())
        } else {
            Err(failure(
                FailureCode::WrapperStartFailed,
                "the wrapper's answer does not say that it took the message",
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

    /// What ties the wrapper to this session and this run.
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

    /// One exchange with the wrapper, whose answer has to be JSON.
    async fn call(
        &self,
        wrapper: &str,
        path: &str,
        body: &Value,
        allowed: Duration,
    ) -> Result<Value, DeliveryFailure> {
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
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::new(body.to_string().into()))
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
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let text = || {
            answer["message"]
                .as_str()
                .unwrap_or("the wrapper did not say why")
                .to_owned()
        };
        if status == StatusCode::BAD_REQUEST {
            Err(failure(FailureCode::BadRequest, text()))
        } else if status.is_success() {
            Ok(answer)
        } else {
            Err(failure(
                FailureCode::WrapperStartFailed,
                format!("{status}: {}", text()),
            ))
        }
    }
}

/// The failure of a delivery that its session does not want any more.
pub fn called_off() -> DeliveryFailure {
    failure(FailureCode::WrapperStartFailed, "the delivery was called off")
}

fn failure(code: FailureCode, text: impl std::fmt::Display) -> DeliveryFailure {
    DeliveryFailure::new(code, text.to_string())
}

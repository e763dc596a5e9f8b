//! The answers of procedures, for their schemas alone: nothing here is read or written. A field that may be absent
//! (`Option`) is never `null`; a server may add fields.

#![expect(
    missing_docs,
    reason = "a schema shows the names; a text states what they do not"
)]

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};

use super::inputs::{MessageId, SessionId};

/// A value or `null`, never absent.
pub enum Nullable<T> {
    Value(T),
    Null,
}

impl<T: JsonSchema> JsonSchema for Nullable<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Nullable{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [generator.subschema_for::<T>(), {"type": "null"}]})
    }
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Delivery {
    Queued,
    Sent,
}

/// The answer of `health`.
#[derive(JsonSchema)]
pub struct Health {
    #[schemars(extend("const" = "ok"))]
    pub status: String,
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
    pub version: String,
}

/// The answer of `start`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Started {
    pub cloud_agent_session_id: SessionId,
    pub kilo_session_id: String,
    pub message_id: MessageId,
    pub delivery: Delivery,
    /// The run that has accepted the message, for a call that is repeated.
    pub wrapper_run_id: Option<String>,
}

/// The answer of `send`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Sent {
    pub cloud_agent_session_id: SessionId,
    #[schemars(extend("const" = "started"))]
    pub status: String,
    /// Path and query of the session's stream, without a ticket.
    pub stream_url: String,
    pub message_id: MessageId,
    pub delivery: Delivery,
    /// The run that has accepted the message.
    pub wrapper_run_id: Option<String>,
}

/// The answer of `initiateFromKilocodeSessionV2` and `sendMessageV2`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SentV2 {
    #[schemars(flatten)]
    pub sent: Sent,
    /// The message id.
    pub execution_id: MessageId,
}

/// The answer of `prepareSession`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Prepared {
    pub cloud_agent_session_id: SessionId,
    pub kilo_session_id: String,
}

/// The answer of `updateSession` and `deleteSession`.
#[derive(JsonSchema)]
pub struct Success {
    #[schemars(extend("const" = true))]
    pub success: bool,
}

/// The answer of `interruptSession`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Interrupted {
    /// Whether something was interrupted.
    pub success: bool,
    pub processes_found: bool,
    pub message: String,
}

/// The answer of `getSession`. Further fields without a value are absent.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SessionView {
    pub session_id: SessionId,
    pub user_id: String,
    pub sandbox_id: String,
    pub kilo_session_id: Option<String>,
    pub org_id: Option<String>,
    pub github_repo: Option<String>,
    pub git_url: Option<String>,
    pub platform: Option<String>,
    pub prompt: Option<String>,
    pub mode: Option<String>,
    pub model: Option<String>,
    pub variant: Option<String>,
    pub auto_commit: Option<bool>,
    pub condense_on_complete: Option<bool>,
    pub upstream_branch: Option<String>,
    /// The current message work.
    pub execution: Nullable<Execution>,
    /// When a workspace was first ready, in Unix milliseconds.
    pub prepared_at: Option<i64>,
    /// When a wrapper first accepted a message, in Unix milliseconds.
    pub initiated_at: Option<i64>,
    pub initial_message_id: Option<String>,
    /// When the record was last changed, in Unix milliseconds.
    pub timestamp: i64,
    /// Rises with each change of the record.
    pub version: i64,
}

/// The current message work of a session.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct Execution {
    /// The message id.
    pub id: String,
    pub status: ExecutionStatus,
    /// Unix milliseconds.
    pub started_at: Nullable<i64>,
    pub last_heartbeat: Nullable<i64>,
    pub process_id: Nullable<String>,
    pub error: Nullable<String>,
    pub health: ExecutionHealth,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum ExecutionStatus {
    Running,
    Pending,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum ExecutionHealth {
    Healthy,
    Unknown,
    Stale,
    None,
}

/// The answer of `getSessionHealth`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct SessionHealth {
    pub cloud_agent_session_id: SessionId,
    pub sandbox_id: Option<String>,
    pub sandbox_status: SandboxStatus,
    pub execution_health: ExecutionHealth,
    pub active_execution_status: Option<ActiveStatus>,
    /// The message id.
    pub active_execution_id: Option<String>,
}

/// The status of the work that is not over.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum ActiveStatus {
    Running,
    Pending,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum SandboxStatus {
    Healthy,
    Destroyed,
    Unreachable,
    Unknown,
}

/// The answer of `getLatestAssistantMessage`.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct LatestAssistantMessage {
    pub cloud_agent_session_id: SessionId,
    pub message: Nullable<AssistantMessage>,
}

/// A message of the agent.
#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct AssistantMessage {
    pub event_id: u64,
    /// Unix milliseconds.
    pub timestamp: i64,
    /// The `info` of its last `message.updated`.
    pub info: Map<String, Value>,
    /// Its parts, in order of their ids.
    pub parts: Vec<Map<String, Value>>,
}

/// A refusal.
#[derive(JsonSchema)]
pub struct Refusal {
    pub error: RefusalError,
}

#[derive(JsonSchema)]
pub struct RefusalError {
    /// A text for people.
    pub message: String,
    /// The number of the code.
    pub code: i32,
    pub data: RefusalData,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "camelCase")]
pub struct RefusalData {
    pub code: RefusalCode,
    pub http_status: u16,
    /// The procedure.
    pub path: String,
    /// The cause of a 503.
    pub error: Option<String>,
    /// Whether a retry makes sense, in a 503.
    pub retryable: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    ParseError,
    BadRequest,
    Unauthorized,
    PaymentRequired,
    Forbidden,
    NotFound,
    MethodNotSupported,
    Conflict,
    PayloadTooLarge,
    TooManyRequests,
    InternalServerError,
    ServiceUnavailable,
}

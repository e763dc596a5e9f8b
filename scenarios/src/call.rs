//! The step `call`: any procedure, with any input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{Json, Subset};
use crate::name::{ClientName, SessionName};
use crate::place::At;
use crate::reply::Status;
use crate::text::is_default;

/// Calls a procedure of the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Call {
    /// Its name.
    #[schemars(length(min = 1))]
    pub procedure: String,
    /// Its input. The session's id is added unless it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<At<Json>>,
    /// How it is asked; if left out, with GET for the queries of the protocol and with POST for all else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<CallMethod>,
    /// Which session.
    #[serde(default, skip_serializing_if = "is_default")]
    pub session: At<SessionName>,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub client: At<ClientName>,
    /// The answer that must come; 200 if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reply: CallReply,
}

/// How a procedure is asked (protocol §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "HTTP's own words")]
pub enum CallMethod {
    Get,
    Post,
}

/// How a call must be answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallReply {
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "is_default")]
    pub status: Status,
    /// A text that the answer's body contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// What the answer's data has; its error, if the status is not 2xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has: Option<At<Subset>>,
    /// Fields that are nowhere in the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// No answer comes: the request or its answer is lost. Leaves the rest without a meaning.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lost: bool,
}

//! The step `call`: any procedure, with any input.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use turnstile_fault::{Status, is_default};

use crate::json::{Json, Subset};
use crate::name::{ClientName, SessionName};
use crate::place::At;

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
    /// What is sent in place of an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<At<Body>>,
    /// With whose right it is asked; the user's own if left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by: Caller,
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

/// What is sent that is no input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// That text, as it stands.
    Text(String),
    /// A JSON text of so many characters.
    #[schemars(extend("maximum" = LONGEST_BODY))]
    Characters(usize),
}

/// The most characters that a [`Body`] may have.
pub const LONGEST_BODY: usize = 16 << 20;

/// With whose right a procedure is asked (protocol §2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// The session's user, with the key of internal callers where one is needed.
    #[default]
    Owner,
    /// The session's user, without that key.
    Outsider,
    /// The session's user, with a token that has expired.
    Latecomer,
    /// Another user.
    Stranger,
    /// Nobody: without a token.
    Nobody,
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
